"""``auth0:login``: the way to the tenant's login page."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.debug import sensitive_variables

from django_auth0_flow import error_responses
from django_auth0_flow.conf import get_settings
from django_auth0_flow.login import begin, loops
from django_auth0_flow.pages import rendering, session_transfer
from django_auth0_flow.pages import urls as site_urls
from django_auth0_flow.protocol.errors import Auth0Error, CallbackError, LoginRequired
from django_auth0_flow.views.base import Auth0View

_PROBED = "cookies"

_INITIATED_KEY = "_auth0_initiated"


class LoginView(Auth0View):
    """``auth0:login``: GET sends a person to the tenant's login page. ``next`` says where to come back to.

    It is also the Application Login URI: ``iss`` must then be the tenant's, ``target_link_uri`` may replace ``next``, and
    an invitation goes on with its organization. OpenID Connect Core §4; Auth0: Configure Default Login Routes.

    With ``session_transfer_token`` in ``FORWARDED_PARAMS`` a native application may hand its login over.
    """

    http_method_names = ["get", "head", "options"]

    @sensitive_variables()
    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        transfer = session_transfer.take(request)
        next_url = site_urls.safe_next(request, request.GET.get("next") or request.GET.get("target_link_uri"))
        if rendering.is_prefetch(request):
            return rendering.not_now()
        if not rendering.is_navigation(request):
            return error_responses.login_required(request, LoginRequired("A script can't log in."), next_url=next_url)
        try:
            once = self.session_transfer(transfer)
            if (probe := self.check_initiator(request)) is not None and not once:
                return probe  # its redirect would lose a session transfer token, which no tenant's loop brings
            url = begin.begin_login(
                request,
                configuration=self.configuration,
                next_url=next_url,
                forwarded=self.forwarded_parameters(request),
                once=once,
            )
        except Auth0Error as error:
            return self.failure(request, error, next_url=next_url)
        # permission_required and the like may send a visitor here for ever. Checked last: the session is in memory by now.
        looping = loops.is_looping(request, self.configuration, get_settings(self.configuration).clock())
        if looping or self.is_sent_back_again(request):
            return self.failure(request, Auth0Error("Logging in again does not help.", code="login_loop"))
        return rendering.finish_answer(HttpResponseRedirect(url))

    def check_initiator(self, request: HttpRequest) -> HttpResponse | None:
        """Check the ``iss`` of a login that the tenant initiates; None to go on, else a redirect that tests for cookies.

        The tenant sends a browser here that has lost the tenant's cookies. If it keeps no cookies at all, that would
        repeat for ever. Raises CallbackError.
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
        return rendering.probe_cookies(request, f"{request.path}?{query.urlencode()}")

    def is_sent_back_again(self, request: HttpRequest) -> bool:
        """Tell whether the tenant has initiated a login here again and again within seconds; counts this one."""
        if "iss" not in request.GET:
            return False
        now = get_settings(self.configuration).clock()
        found = request.session.get(_INITIATED_KEY)
        times = [at for at in (found if isinstance(found, list) else []) if abs(now - at) < loops.LOOP_SECONDS]
        request.session[_INITIATED_KEY] = [*times[-loops.LOOP_ROUNDS :], now]
        return len(times) >= loops.LOOP_ROUNDS

    def session_transfer(self, values: list[str]) -> dict[str, str]:
        """Return the parameter of a login that is handed over; empty where the site takes none. Raises CallbackError."""
        if session_transfer.NAME not in get_settings(self.configuration).forwarded_params or not any(values):
            return {}
        if len(values) > 1:
            raise CallbackError("A parameter stands twice in the request.", code="parameter_repeated")
        if len(values[0]) > 2048 or not values[0].isascii() or not values[0].isprintable():
            raise CallbackError("A parameter of the request is malformed.", code="malformed_request")
        return {session_transfer.NAME: values[0]}

    def forwarded_parameters(self, request: HttpRequest) -> dict[str, str]:
        """Return the parameters of the request that go on to the tenant: those in ``FORWARDED_PARAMS``, well-formed.

        An invitation's ``organization_name`` is for display only; the tenant wants ``organization``.
        """
        found = {}
        for name in get_settings(self.configuration).forwarded_params:
            values = request.GET.getlist(name)
            if len(values) > 1:
                raise CallbackError("A parameter occurs twice in the request.", code="parameter_repeated")
            if values and values[0]:
                if len(values[0]) > 500 or not values[0].isprintable():
                    raise CallbackError("A parameter of the request is malformed.", code="malformed_request")
                found[name] = values[0]
        return found
