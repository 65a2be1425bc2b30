"""``auth0:callback``: where the tenant's answer arrives, by address, by POST or in a fragment."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlencode

from django.conf import settings as django_settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from django_auth0_flow.conf import get_settings
from django_auth0_flow.login import begin, form_post_cookie, silent, transactions
from django_auth0_flow.login import complete as completion
from django_auth0_flow.pages import rendering
from django_auth0_flow.pages import urls as site_urls
from django_auth0_flow.protocol.authorization import AuthorizationResponse, parse_authorization_response
from django_auth0_flow.protocol.errors import Auth0Error, CallbackError
from django_auth0_flow.views import connect
from django_auth0_flow.views.base import Auth0View

logger = logging.getLogger(__name__)

#: A login that lost its session starts again by itself this often.
MAX_RESTARTS = 2

_HOPPED = "same_site"

#: In the address that a POST is redirected to: whether the login's own cookie was with the POST.
_POSTED, _NO_COOKIE = "posted", "0"


class SeeOther(HttpResponseRedirect):
    """303 See Other: the browser fetches the answer by GET."""

    status_code = 303


class CallbackView(Auth0View):
    """``auth0:callback``: takes the transaction, redeems what the tenant's answer brought, logs the user in.

    The answer comes in the query; with ``RESPONSE_MODE`` ``form_post`` as a POST from the tenant's page, which is
    stored in the session and picked up by a GET; with ``fragment`` as a POST of our own page, which has read the address.
    """

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        view = super().as_view(**initkwargs)
        # The tenant's page has no CSRF token: the sealed cookie of this login replaces it. Otherwise see ``post``.
        view.csrf_exempt = True
        return view

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Accept POST only if the configuration's answers come by POST."""
        super().setup(request, *args, **kwargs)
        conf = get_settings(self.configuration)
        self.by_fragment = conf.response_mode == "fragment"
        # One guide of Auth0's has connect_code in a fragment, its SDKs have it in the query.
        self.may_connect = bool(conf.connected_accounts)
        takes_post = conf.response_mode != "query" or self.may_connect
        self.http_method_names = ["get", "post", "options"] if takes_post else ["get", "options"]

    @sensitive_variables()
    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if (self.by_fragment or self.may_connect) and not request.GET:
            answer: HttpResponse = csrf_protect(_fragment_page)(request)
            return answer
        try:
            response, sealed = self._read(dict(request.GET.lists()))
        except CallbackError as error:
            return self.failure(request, error, counted=False)
        if self._needs_hop(request):
            return self._hop(request)
        transaction = transactions.take(request, response.state)
        if transaction is None or transaction.configuration != self.configuration:
            return self._without_transaction(request, response, sealed)
        if transaction.response_mode != "query" and response.error is None:
            posted = transactions.open_posted(transaction, response.state)
            if posted is None:
                return self._without_post(request, response, sealed)
            response = posted
        return self._complete(request, response, transaction)

    @method_decorator([sensitive_post_parameters(), sensitive_variables()])
    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if self.by_fragment or (self.may_connect and "response" in request.POST):
            answer: HttpResponse = csrf_protect(self._post_from_fragment)(request)
            return answer
        try:
            response, _ = self._read(dict(request.POST.lists()))
        except CallbackError as error:
            return self.failure(request, error, counted=False)
        key = form_post_cookie.session_key_of(request, response.state, self.configuration)
        if key is not None:
            transactions.keep_posted(type(request.session)(key), response, self.configuration)
        # Redirect in any case: the session cookie comes with the next request only.
        query = urlencode({"state": response.state, _POSTED: _NO_COOKIE if key is None else "1"})
        return rendering.finish_answer(SeeOther(f"{request.path}?{query}"))

    def _post_from_fragment(self, request: HttpRequest) -> HttpResponse:
        """Take what our own page read from the address; the CSRF token has been checked."""
        try:
            fields = parse_qs(request.POST.get("response", ""), keep_blank_values=True, max_num_fields=50)
            response, sealed = self._read(fields)
            if not self.by_fragment and not sealed.is_connect:
                raise ValueError("a login's answer does not come in a fragment here")
        except ValueError:
            return self.failure(request, CallbackError(code="malformed_request"), counted=False)
        except CallbackError as error:
            return self.failure(request, error, counted=False)
        transaction = transactions.take(request, response.state)
        if transaction is None or transaction.configuration != self.configuration:
            return self._without_transaction(request, response, sealed)
        return self._complete(request, response, transaction)

    def _read(self, parameters: Mapping[str, Sequence[str]]) -> tuple[AuthorizationResponse, transactions.SealedState]:
        """Return a response with what its ``state`` says. Raises CallbackError unless this site sealed that."""
        response = parse_authorization_response(parameters)
        sealed = transactions.open_state(response.state, self.configuration)
        if sealed is None:
            raise CallbackError("This site did not issue that state.", code="state_unknown")
        return response, sealed

    def _complete(
        self, request: HttpRequest, response: AuthorizationResponse, transaction: transactions.Transaction
    ) -> HttpResponse:
        try:
            url = completion.complete(request, response, transaction)
        except Auth0Error as error:
            next_url = site_urls.safe_next(request, transaction.next_url)
            if transaction.purpose == transactions.CONNECT:
                return connect.refused(request, error, transaction)
            again = rendering.page_path("passwordless", self.configuration, next_url) if transaction.is_link else ""
            return self.failure(request, error, next_url=next_url, retry_url=again)
        return rendering.finish_answer(HttpResponseRedirect(url))

    def _without_post(
        self, request: HttpRequest, response: AuthorizationResponse, sealed: transactions.SealedState
    ) -> HttpResponse:
        """Answer a login of this browser whose POST brought nothing to its session."""
        # With its cookie, the login's session had got another key meanwhile: another tab was logged in.
        if request.GET.get(_POSTED) != _NO_COOKIE or form_post_cookie.is_https(request, self.configuration):
            return self._without_transaction(request, response, sealed)
        logger.warning("form_post_needs_https: this browser keeps no Secure cookie of plain http, as Safari does not")
        error = CallbackError("The browser kept no cookie of plain http.", code="form_post_needs_https")
        return self.failure(request, error, next_url=site_urls.safe_next(request, sealed.next_url))

    def _without_transaction(
        self, request: HttpRequest, response: AuthorizationResponse, sealed: transactions.SealedState
    ) -> HttpResponse:
        """Answer a state of ours that this browser's session does not know: used already, or lost."""
        next_url = site_urls.safe_next(request, sealed.next_url)
        if request.user.is_authenticated:
            return rendering.finish_answer(HttpResponseRedirect(site_urls.landing_url(next_url)))
        if sealed.is_connect:
            # Used already, or the login that it belonged to is gone: nothing is connected, and no one logged in.
            return rendering.finish_answer(HttpResponseRedirect(site_urls.landing_url(next_url)))
        if sealed.is_silent:
            # The browser keeps no session: send it where it wanted to go, and don't try again.
            url = silent.with_marker(site_urls.landing_url(next_url), silent.LOST)
            return rendering.finish_answer(HttpResponseRedirect(url))
        if sealed.is_link:
            # The browser that holds a magic link need not be the one that asked for it: nothing goes on by itself.
            error = CallbackError("This browser did not ask for that link.", code="link_other_browser")
            again = rendering.page_path("passwordless", self.configuration, next_url)
            return self.failure(request, error, next_url=next_url, counted=False, retry_url=again)
        if not sealed.is_fresh:
            error = CallbackError("This login was started too long ago.", code="state_expired")
            return self.failure(request, error, next_url=next_url)
        if response.error is not None or sealed.restarts >= MAX_RESTARTS:
            error = CallbackError("This browser has no such login under way.", code="state_unknown")
            return self.failure(request, error, next_url=next_url, counted=response.error is None)
        logger.info("login_restarted restarts=%d", sealed.restarts + 1)
        try:
            url = begin.begin_login(
                request, configuration=self.configuration, next_url=next_url, restarts=sealed.restarts + 1
            )
        except Auth0Error as error:
            return self.failure(request, error, next_url=next_url)
        return rendering.finish_answer(HttpResponseRedirect(url))

    def _needs_hop(self, request: HttpRequest) -> bool:
        """Tell whether ``SESSION_COOKIE_SAMESITE = "Strict"`` kept the cookie from this cross-site navigation."""
        strict = str(django_settings.SESSION_COOKIE_SAMESITE).lower() == "strict"
        return strict and django_settings.SESSION_COOKIE_NAME not in request.COOKIES and _HOPPED not in request.GET

    def _hop(self, request: HttpRequest) -> HttpResponse:
        """Answer with a page of this site that leads back here, so that the cookie is sent."""
        query = request.GET.copy()
        query[_HOPPED] = "1"
        return rendering.page(request, "hop.html", {"url": f"{request.path}?{query.urlencode()}"})


def _fragment_page(request: HttpRequest) -> HttpResponse:
    """Show the page whose script posts the fragment of its address, which browsers don't send to servers."""
    return rendering.page(request, "fragment.html", {})
