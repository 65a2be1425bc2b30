"""The pages under the include: parse the request, call the flow, answer. Subclass them, replace their templates."""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings as django_settings
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_variables
from django.views.generic import View

from . import answers, flow, transactions
from .conf import get_settings
from .protocol.authorization import AuthorizationResponse, parse_authorization_response
from .protocol.errors import Auth0Error, CallbackError, LoginRequired, TransportError
from .session import FACTS_KEY
from .signals import login_failed, send

logger = logging.getLogger("django_auth0_flow.views")

#: A login that lost its session starts again by itself this often.
MAX_RESTARTS = 2
_HOPPED = "same_site"


class _Auth0View(View):
    """What the views share: open to visitors who are not logged in, and their configuration's name."""

    # Django's LoginRequiredMiddleware must let visitors log in.
    login_required = False

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        view: Any = super().as_view(**initkwargs)
        view.login_required = False
        # Not in a transaction, whatever ATOMIC_REQUESTS says: it would be held while the tenant answers, and a rollback
        # would give a used state back.
        for alias in connections:
            view = transaction.non_atomic_requests(using=alias)(view)
        return view

    @property
    def configuration(self) -> str:
        return str(self.kwargs.get("configuration", "default"))

    def failure(
        self,
        request: HttpRequest,
        error: Auth0Error,
        *,
        next_url: str = "",
        counted: bool = True,
        retry_url: str = "",
    ) -> HttpResponse:
        """Answer an error of the login and tell the receivers of ``login_failed``; the rest is as in ``answers.failed``."""
        code = answers.public_code(error)
        logger.warning("login_failed code=%s configuration=%s", code, self.configuration)
        send(login_failed, type(self), request=request, error=error)
        if isinstance(error, TransportError):
            # Not this address: a callback's has been used, and its code and state belong on no page.
            again = retry_url or answers.login_path(self.configuration, next_url)
            return answers.unavailable(request, error, retry_url=again)
        return answers.failed(
            request,
            error,
            next_url=next_url,
            configuration=self.configuration,
            counted=counted,
            retry_url=retry_url,
        )


class LoginView(_Auth0View):
    """``auth0:login``: GET sends a person to the tenant's login page. ``next`` says where to come back to."""

    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        next_url = flow.safe_next(request, request.GET.get("next"))
        if answers.is_prefetch(request):
            return answers.not_now()
        if not answers.is_navigation(request):
            return answers.login_required(request, LoginRequired("A script can't log in."), next_url=next_url)
        try:
            parameters = self.forwarded_parameters(request)
            url = flow.begin_login(request, configuration=self.configuration, next_url=next_url, parameters=parameters)
        except Auth0Error as error:
            return self.failure(request, error, next_url=next_url)
        # permission_required and the like may send a visitor here for ever. Asked last: the session has been read by now.
        if flow.is_looping(request.session.get(FACTS_KEY) or {}, get_settings(self.configuration).clock()):
            return self.failure(request, Auth0Error("Logging in again does not help.", code="login_loop"))
        return answers.finish_answer(HttpResponseRedirect(url))

    def forwarded_parameters(self, request: HttpRequest) -> dict[str, str]:
        """Return the parameters of the request that go on to the tenant: those in ``FORWARDED_PARAMS``, well-formed."""
        found = {}
        for name in get_settings(self.configuration).forwarded_params:
            values = request.GET.getlist(name)
            if len(values) > 1:
                raise CallbackError("A parameter stands twice in the request.", code="parameter_repeated")
            if values and values[0]:
                if len(values[0]) > 500 or not values[0].isprintable():
                    raise CallbackError("A parameter of the request is malformed.", code="malformed_request")
                found[name] = values[0]
        return found


class CallbackView(_Auth0View):
    """``auth0:callback``: takes the transaction, exchanges the code, logs the user in."""

    http_method_names = ["get", "options"]

    @sensitive_variables()
    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        try:
            response = parse_authorization_response(dict(request.GET.lists()))
        except CallbackError as error:
            return self.failure(request, error, counted=False)
        sealed = transactions.open_state(response.state, self.configuration)
        if sealed is None:
            stranger = CallbackError("This site did not issue that state.", code="state_unknown")
            return self.failure(request, stranger, counted=False)
        if self._needs_hop(request):
            return self._hop(request)
        transaction = transactions.take(request, response.state)
        if transaction is None or transaction.configuration != self.configuration:
            return self._without_transaction(request, response, sealed)
        try:
            url = flow.complete_login(request, response, transaction)
        except Auth0Error as error:
            next_url = flow.safe_next(request, transaction.next_url)
            again = answers.page_path("passwordless", self.configuration, next_url) if transaction.is_link else ""
            return self.failure(request, error, next_url=next_url, retry_url=again)
        return answers.finish_answer(HttpResponseRedirect(url))

    def _without_transaction(
        self, request: HttpRequest, response: AuthorizationResponse, sealed: transactions.SealedState
    ) -> HttpResponse:
        """Answer a state of ours that this browser's session does not know: used already, or lost."""
        next_url = flow.safe_next(request, sealed.next_url)
        if request.user.is_authenticated:
            return answers.finish_answer(HttpResponseRedirect(flow.landing_url(next_url)))
        if sealed.is_link:
            # The browser that holds a magic link need not be the one that asked for it: nothing goes on by itself.
            error = CallbackError("This browser did not ask for that link.", code="link_other_browser")
            again = answers.page_path("passwordless", self.configuration, next_url)
            return self.failure(request, error, next_url=next_url, counted=False, retry_url=again)
        if not sealed.is_fresh:
            error = CallbackError("This login was started too long ago.", code="state_expired")
            return self.failure(request, error, next_url=next_url)
        if response.error is not None or sealed.restarts >= MAX_RESTARTS:
            error = CallbackError("This browser has no such login under way.", code="state_unknown")
            return self.failure(request, error, next_url=next_url, counted=response.error is None)
        logger.info("login_restarted restarts=%d", sealed.restarts + 1)
        try:
            url = flow.begin_login(
                request, configuration=self.configuration, next_url=next_url, restarts=sealed.restarts + 1
            )
        except Auth0Error as error:
            return self.failure(request, error, next_url=next_url)
        return answers.finish_answer(HttpResponseRedirect(url))

    def _needs_hop(self, request: HttpRequest) -> bool:
        """Tell whether ``SESSION_COOKIE_SAMESITE = "Strict"`` kept the cookie from this cross-site navigation."""
        strict = str(django_settings.SESSION_COOKIE_SAMESITE).lower() == "strict"
        return strict and django_settings.SESSION_COOKIE_NAME not in request.COOKIES and _HOPPED not in request.GET

    def _hop(self, request: HttpRequest) -> HttpResponse:
        """Answer with a page that comes back here from this site itself, so that the cookie is sent."""
        query = request.GET.copy()
        query[_HOPPED] = "1"
        return answers.page(request, "hop.html", {"url": f"{request.path}?{query.urlencode()}"})


@method_decorator(csrf_protect, name="dispatch")
class LogoutView(_Auth0View):
    """``auth0:logout``: POST logs out here and at the tenant; GET asks first."""

    http_method_names = ["get", "post", "options"]

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return answers.page(request, "logout.html", {"next": flow.safe_next(request, request.GET.get("next"))})

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        done = flow.end_login(request, next_url=flow.safe_next(request, request.POST.get("next")))
        if not done.url:
            return answers.page(request, "logged_out.html", {"tenant_left": True})
        return answers.finish_answer(HttpResponseRedirect(done.url))


class LoggedOutView(_Auth0View):
    """``auth0:logged_out``: where the tenant sends the browser after a logout. Register it in Allowed Logout URLs."""

    http_method_names = ["get", "options"]

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        next_url = flow.open_logout_state(request.GET.get("state", ""), self.configuration)
        if next_url is None:
            # Nobody here started this logout: show where things stand, go nowhere.
            return answers.page(request, "logged_out.html", {"still_logged_in": request.user.is_authenticated})
        target = flow.safe_next(request, next_url) or django_settings.LOGOUT_REDIRECT_URL
        if target:
            return answers.finish_answer(HttpResponseRedirect(resolve_url(target)))
        return answers.page(request, "logged_out.html", {})
