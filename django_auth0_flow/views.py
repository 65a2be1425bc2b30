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
from django.views.generic import View

from . import answers, flow, logout_flow, site_urls
from .conf import configuration_for, get_settings
from .protocol.errors import Auth0Error, CallbackError, LoginRequired, TransportError
from .signals import login_failed, send
from .storage.session_facts import noted

logger = logging.getLogger("django_auth0_flow.views")

_PROBED = "cookies"
_INITIATED_KEY = "_auth0_initiated"


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
        return str(self.kwargs.get("configuration") or configuration_for(self.request))

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
    """``auth0:login``: GET sends a person to the tenant's login page. ``next`` says where to come back to.

    It is also the Application Login URI: ``iss`` must then be the tenant's, ``target_link_uri`` may stand for ``next``, and
    an invitation goes on with its organization. OpenID Connect Core §4; Auth0: Configure Default Login Routes.
    """

    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        next_url = site_urls.safe_next(request, request.GET.get("next") or request.GET.get("target_link_uri"))
        if answers.is_prefetch(request):
            return answers.not_now()
        if not answers.is_navigation(request):
            return answers.login_required(request, LoginRequired("A script can't log in."), next_url=next_url)
        try:
            if (probe := self.check_initiator(request)) is not None:
                return probe
            forwarded = self.forwarded_parameters(request)
            url = flow.begin_login(request, configuration=self.configuration, next_url=next_url, forwarded=forwarded)
        except Auth0Error as error:
            return self.failure(request, error, next_url=next_url)
        # permission_required and the like may send a visitor here for ever. Asked last: the session has been read by now.
        looping = flow.is_looping(noted(request), self.configuration, get_settings(self.configuration).clock())
        if looping or self.is_sent_back_again(request):
            return self.failure(request, Auth0Error("Logging in again does not help.", code="login_loop"))
        return answers.finish_answer(HttpResponseRedirect(url))

    def check_initiator(self, request: HttpRequest) -> HttpResponse | None:
        """Judge the ``iss`` of a login that the tenant initiates; None if it goes on, else a look for lost cookies.

        A tenant whose cookies were lost sends the browser here, and would again: without cookies that goes round for ever.
        Raises CallbackError.
        """
        issuers = request.GET.getlist("iss")
        if not issuers:
            return None
        if issuers != [get_settings(self.configuration).issuer]:
            raise CallbackError("The login was initiated for another issuer.", code="initiator_unknown")
        if request.COOKIES:
            return None
        if _PROBED in request.GET:
            raise CallbackError("The browser keeps no cookies.", code="cookies_off")
        query = request.GET.copy()
        query[_PROBED] = "1"
        return answers.probe_cookies(request, f"{request.path}?{query.urlencode()}")

    def is_sent_back_again(self, request: HttpRequest) -> bool:
        """Tell whether the tenant has initiated a login here again and again within seconds; counts this one."""
        if "iss" not in request.GET:
            return False
        now = get_settings(self.configuration).clock()
        found = request.session.get(_INITIATED_KEY)
        times = [at for at in (found if isinstance(found, list) else []) if abs(now - at) < flow.LOOP_SECONDS]
        request.session[_INITIATED_KEY] = [*times[-flow.LOOP_ROUNDS :], now]
        return len(times) >= flow.LOOP_ROUNDS

    def forwarded_parameters(self, request: HttpRequest) -> dict[str, str]:
        """Return the parameters of the request that go on to the tenant: those in ``FORWARDED_PARAMS``, well-formed.

        An invitation's ``organization_name`` is for showing only; the tenant wants ``organization``.
        """
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


@method_decorator(csrf_protect, name="dispatch")
class LogoutView(_Auth0View):
    """``auth0:logout``: POST logs out here and at the tenant; GET asks first."""

    http_method_names = ["get", "post", "options"]

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return answers.page(request, "logout.html", {"next": site_urls.safe_next(request, request.GET.get("next"))})

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        done = logout_flow.end_login(request, next_url=site_urls.safe_next(request, request.POST.get("next")))
        if not done.url:
            return answers.page(request, "logged_out.html", {"tenant_left": True})
        return answers.finish_answer(HttpResponseRedirect(done.url))


class LoggedOutView(_Auth0View):
    """``auth0:logged_out``: where the tenant sends the browser after a logout. Register it in Allowed Logout URLs."""

    http_method_names = ["get", "options"]

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        next_url = logout_flow.open_logout_state(request.GET.get("state", ""), self.configuration)
        if next_url is None:
            # Nobody here started this logout: show where things stand, go nowhere.
            return answers.page(request, "logged_out.html", {"still_logged_in": request.user.is_authenticated})
        target = site_urls.safe_next(request, next_url) or django_settings.LOGOUT_REDIRECT_URL
        if target:
            return answers.finish_answer(HttpResponseRedirect(resolve_url(target)))
        return answers.page(request, "logged_out.html", {})
