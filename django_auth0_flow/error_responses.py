"""Turns an error that left a view into a redirect, a page or JSON with the right status. Only this module does, and for
what has to wait ``pages/unavailable``.

A person who navigates gets redirects and pages; fetch, XHR and HTMX get JSON and headers they can act on.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING

from django.conf import settings as django_settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.utils.cache import patch_vary_headers

from django_auth0_flow.access.current_login import end_if_over
from django_auth0_flow.access.requirements import Shortfall
from django_auth0_flow.login import loops
from django_auth0_flow.pages import urls as site_urls
from django_auth0_flow.pages.messages import public_code, words_for
from django_auth0_flow.pages.rendering import (
    details_of,
    finish_answer,
    is_navigation,
    is_prefetch,
    login_path,
    not_now,
    page,
    page_path,
    plain_text,
    return_url,
    view_name_of,
)
from django_auth0_flow.pages.unavailable import unavailable, unusable
from django_auth0_flow.protocol.errors import (
    AccountNotConnected,
    AccountsRefused,
    Auth0Error,
    AuthorizationError,
    LoginRequired,
    MachineTokenRefused,
    MfaRequired,
    NoAccessToken,
    OAuthError,
    TransportError,
)
from django_auth0_flow.session import Auth0Session
from django_auth0_flow.storage.django_session_facts import noted

if TYPE_CHECKING:
    from django_auth0_flow.doctor.catalogue import Mistake
    from django_auth0_flow.pages.debug import Details

logger = logging.getLogger(__name__)

#: After so many failures in a row the page no longer offers to try again.
MAX_FAILURES = 3

#: What the same account may bring at its next login: another organization, a second factor, a fresh password.
_HELPED_BY_A_LOGIN = frozenset(["organization", "acr_values", "max_age"])

#: What no login can change.
_FAULTS_OF_THE_SITE = frozenset(["configurations", "no_access_token"])


def answer(request: HttpRequest, error: Auth0Error) -> HttpResponse:
    """Answer an error that left a view: LoginRequired, TransportError or another error of this package."""
    if isinstance(error, LoginRequired):
        return login_required(request, error)
    if isinstance(error, TransportError):
        return unavailable(request, error)
    if isinstance(error, MachineTokenRefused):
        text = "The tenant refuses this application a token of its own."
        return unusable(request, TransportError(text, code="client_rejected", status=error.status), None)
    if isinstance(error, AccountsRefused):
        setup_mistake(error)
        return unusable(request, TransportError(str(error), code=error.code, status=error.status), None)
    if isinstance(error, MfaRequired):
        return mfa_required(request, error)
    if isinstance(error, AccountNotConnected):
        return account_not_connected(request, error)
    if isinstance(error, NoAccessToken):
        return without_access_token(request, error)
    return failed(request, error)


def mfa_required(
    request: HttpRequest, error: MfaRequired, *, next_url: str | None = None, start_url: str = ""
) -> HttpResponse:
    """Send a person to the page of the second factor, keeping ``next``; answer a script 403 with its address.

    ``start_url``: where this login began, if not at this address.
    """
    from django_auth0_flow.embedded import mfa as mfa_logins

    name = error.configuration
    if next_url is None:
        wanted = error.next_url or request.POST.get(REDIRECT_FIELD_NAME) or request.GET.get(REDIRECT_FIELD_NAME)
        next_url = site_urls.safe_next(request, wanted)
    start_url = start_url or site_urls.safe_next(request, request.path)
    waiting = mfa_logins.begin_mfa(request, error, next_url=next_url, start_url=start_url)
    path = page_path("mfa", name, next_url, login=waiting.id)
    if is_navigation(request):
        return finish_answer(HttpResponseRedirect(path))
    body = {"error": "mfa_required", "message": words_for("mfa_required"), "mfa_url": path}
    response = JsonResponse(body, status=403)
    if request.headers.get("HX-Request") == "true":
        response["HX-Redirect"] = path
    return finish_answer(response)


def login_required(request: HttpRequest, error: LoginRequired, *, next_url: str | None = None) -> HttpResponse:
    """Send a person to the login and back to this address (or ``next_url``); tell a script to do so with 401.

    RFC 6750 §3.
    """
    end_if_over(request)
    login = login_of(request)
    configuration = login.configuration.name
    looping = is_looping(request, login)
    next_url = return_url(request) if next_url is None else next_url
    if not is_navigation(request):
        return _login_required_json(request, error.code, configuration, next_url)
    if is_prefetch(request):
        return not_now()
    if looping:
        return failed(request, Auth0Error("Logging in again does not help.", code="login_loop"), next_url=next_url)
    return finish_answer(HttpResponseRedirect(login_path(configuration, next_url)))


def login_of(request: HttpRequest) -> Auth0Session:
    """Return the login as this view sees it, also where our middleware is not installed."""
    login = getattr(request, "auth0", None)
    return login if isinstance(login, Auth0Session) else Auth0Session(request)


def is_looping(request: HttpRequest, login: Auth0Session) -> bool:
    """Tell whether this browser has logged in for this view again and again within seconds."""
    conf = login.configuration
    return loops.is_looping(request, conf.name, conf.clock())


def not_begun(request: HttpRequest, error: Auth0Error, *, next_url: str, configuration: str) -> HttpResponse:
    """Answer a login that could not begin: the tenant can't be reached, or refuses a pushed request."""
    if isinstance(error, TransportError):
        return unavailable(request, error)
    logger.warning("login_not_begun code=%s configuration=%s", public_code(error), configuration)
    return failed(request, error, next_url=next_url, configuration=configuration)


def _login_required_json(request: HttpRequest, code: str, configuration: str, next_url: str) -> HttpResponse:
    login_url = login_path(configuration, next_url)
    response = JsonResponse({"error": "login_required", "code": code, "login_url": login_url}, status=401)
    response["WWW-Authenticate"] = 'Session realm="login"'
    if request.headers.get("HX-Request") == "true":
        response["HX-Redirect"] = login_url
    patch_vary_headers(response, ("Accept", "Sec-Fetch-Mode", "HX-Request", "X-Requested-With"))
    return finish_answer(response)


def failed(
    request: HttpRequest,
    error: Auth0Error,
    *,
    next_url: str = "",
    configuration: str = "default",
    counted: bool = True,
    retry_url: str = "",
) -> HttpResponse:
    """Answer a login that failed: 403 if it was refused on purpose, else 400.

    The page offers another try, until logins have failed MAX_FAILURES times in a row.

    Only failures of logins that began here are ``counted``: a forged response changes nothing in the session.
    ``retry_url``: where to try again, if not at the login view.
    """
    code = public_code(error)
    mistake = setup_mistake(error)
    status = HTTPStatus.FORBIDDEN if _is_refusal(error, code) else HTTPStatus.BAD_REQUEST
    if not is_navigation(request):
        return finish_answer(JsonResponse({"error": code, "message": words_for(code)}, status=status))
    failures = int(request.session.get(loops.FAILURES_KEY, 0)) + 1
    if counted:
        request.session[loops.FAILURES_KEY] = failures
    if code == "login_loop":
        loops.count_anew(request)
    may_retry = failures < MAX_FAILURES and code not in ("login_loop", "client_rejected")
    context = {
        "code": code,
        "words": words_for(code),
        "retry_url": (retry_url or login_path(configuration, next_url)) if may_retry else "",
        "tenant_says": error.error_description
        if isinstance(error, AuthorizationError) and _is_refusal(error, code)
        else "",
        "mistake": mistake,
        "debug_details": details_of(error),
    }
    return page(request, "login_failed.html", context, status)


def without_access_token(request: HttpRequest, error: NoAccessToken) -> HttpResponse:
    """Answer 400 for a view that wants a token which this login lacks; another login would not bring one either."""
    logger.warning("no_access_token code=%s: %s", error.code, error)
    if not is_navigation(request):
        return finish_answer(JsonResponse({"error": error.code, "message": words_for(error.code)}, status=400))
    context = {
        "code": error.code,
        "words": words_for(error.code),
        "no_access_token": True,
        "debug_details": details_of(error),
    }
    return page(request, "login_failed.html", context, HTTPStatus.BAD_REQUEST)


def account_not_connected(request: HttpRequest, error: AccountNotConnected) -> HttpResponse:
    """Lead a person to the page that connects an account, and back; answer a script 403 with its address.

    Whoever has just been there would go round in circles: what is missing then is something else.
    """
    login = login_of(request)
    connection, at = noted(request).get("connected") or ("", 0)
    if connection == error.connection and abs(login.configuration.clock() - at) < loops.LOOP_SECONDS:
        text = "An account was connected just now, and Token Vault gives no token: is refresh token rotation off?"
        return without_access_token(request, NoAccessToken(text, code="connection_token_refused"))
    url = error.connect_url or login.connect_url(error.connection)
    if is_prefetch(request):
        return not_now()
    if is_navigation(request):
        return finish_answer(HttpResponseRedirect(url))
    body = {"error": error.code, "message": words_for(error.code), "connect_url": url}
    response = JsonResponse(body, status=HTTPStatus.FORBIDDEN)
    if request.headers.get("HX-Request") == "true":
        response["HX-Redirect"] = url
    return finish_answer(response)


def forbidden(request: HttpRequest, shortfall: Shortfall, *, next_url: str) -> HttpResponse:
    """Answer 403: the login was made again for this page and still does not satisfy it.

    The log names user, view and what is missing; with DEBUG the answer does too, with what the login has.
    """
    test, missing = shortfall.test, plain_text(",".join(shortfall.missing))
    user, view = getattr(request, "user", None), view_name_of(request)
    logger.warning("page_refused test=%s user=%s view=%s missing=%s", test, getattr(user, "pk", None), view, missing)
    details = _details_of_refusal(request, shortfall)
    if not is_navigation(request):
        body = {"error": "forbidden", "code": test, "message": words_for(test)}
        debug = {"debug": {"missing": shortfall.missing, "held": shortfall.held}} if details else {}
        return finish_answer(JsonResponse({**body, **debug}, status=403))
    context = {
        "code": test,
        "words": words_for(test),
        "retry_url": login_path(login_of(request).configuration.name, next_url),
        "debug_details": details,
        "account_matters": test not in _FAULTS_OF_THE_SITE,
        "log_in_again_helps": test in _HELPED_BY_A_LOGIN,
    }
    return page(request, "forbidden.html", context, HTTPStatus.FORBIDDEN)


def _details_of_refusal(request: HttpRequest, shortfall: Shortfall) -> Details | None:
    """Return what a developer should know about a refusal; None without DEBUG."""
    if not django_settings.DEBUG:
        return None
    from django_auth0_flow.pages.debug import details_of_test

    has_audience = bool(login_of(request).configuration.api_audience)
    return details_of_test(shortfall.test, missing=shortfall.missing, held=shortfall.held, has_audience=has_audience)


def setup_mistake(error: Auth0Error) -> Mistake | None:
    """Log what is wrong with the set-up; with ``DEBUG`` also return it for the page.

    Anyone can forge an authorization response with an error in it, so in production these are not logged as mistakes.
    """
    is_forgeable = isinstance(error, AuthorizationError) or isinstance(error.__cause__, AuthorizationError)
    if is_forgeable and not django_settings.DEBUG:
        return None
    from django_auth0_flow.doctor.setup_mistakes import note_setup_mistake

    mistake = note_setup_mistake(error)
    return mistake if django_settings.DEBUG else None


def _is_refusal(error: Auth0Error, code: str) -> bool:
    refused = ("access_denied", "unauthorized", "user_not_allowed", "organization_not_allowed", "login_loop")
    return code in refused or (isinstance(error, OAuthError) and error.error == "mfa_required")
