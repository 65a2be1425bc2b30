"""Turns an error that left a view into a redirect, a page or JSON with the right status. Only this module does.

A person who navigates gets redirects and pages; fetch, XHR and HTMX get JSON and headers they can act on.
"""

from __future__ import annotations

import logging
import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.conf import settings as django_settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.utils.cache import patch_vary_headers

from django_auth0_flow.access.current_login import end_if_over
from django_auth0_flow.login import loops
from django_auth0_flow.pages import urls as site_urls
from django_auth0_flow.pages.messages import public_code, words_for
from django_auth0_flow.pages.rendering import (
    finish_answer,
    is_navigation,
    is_prefetch,
    login_path,
    not_now,
    page,
    page_path,
    return_url,
)
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

logger = logging.getLogger(__name__)

#: After so many failures in a row the page no longer offers to try again.
MAX_FAILURES = 3

#: Seconds to wait before the next try, where the tenant names none.
_RETRY_AFTER = 5

#: A page that has to wait for longer does not try again by itself.
_MAX_COUNTDOWN = 120

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
        return _unusable(request, TransportError(text, code="client_rejected", status=error.status), None)
    if isinstance(error, AccountsRefused):
        _setup_mistake(error)
        return _unusable(request, TransportError(str(error), code=error.code, status=error.status), None)
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


def unavailable(request: HttpRequest, error: TransportError, *, retry_url: str | None = None) -> HttpResponse:
    """Answer 503: the tenant or our database is out of reach, and waiting may help.

    ``retry_url``: the address to try again, by default this one. If the tenant has answered but the answer can't be used,
    the status is 502, without ``Retry-After``.
    """
    if error.is_unusable_answer:
        return _unusable(request, error, retry_url)
    seconds = error.retry_after or _RETRY_AFTER
    cause = "database" if error.code == "database_unavailable" else "tenant"
    logger.warning("%s_unavailable code=%s retry_after=%d", cause, error.code, seconds)
    if is_navigation(request):
        context = _retry_context(request, error.code, retry_url, seconds)
        response = page(request, "unavailable.html", context, HTTPStatus.SERVICE_UNAVAILABLE)
    else:
        response = finish_answer(
            JsonResponse({"error": "temporarily_unavailable", "code": error.code, "retry_after": seconds}, status=503)
        )
    response["Retry-After"] = str(seconds)
    return response


def _unusable(request: HttpRequest, error: TransportError, retry_url: str | None) -> HttpResponse:
    logger.error("tenant_answer_unusable code=%s status=%s: %s", error.code, error.status or "unknown", error)
    words = words_for(error.code)
    if not is_navigation(request):
        body = {"error": "unusable_answer", "code": error.code, "message": words}
        return finish_answer(JsonResponse(body, status=HTTPStatus.BAD_GATEWAY))
    context = _retry_context(request, error.code, retry_url, _RETRY_AFTER)
    return page(request, "unusable_answer.html", context, HTTPStatus.BAD_GATEWAY)


def _retry_context(request: HttpRequest, code: str, retry_url: str | None, seconds: int) -> dict[str, Any]:
    """Return what a page says about the next try. Only what was asked for by GET is asked for again by itself."""
    retry_url = return_url(request) if retry_url is None else retry_url
    may_help = bool(retry_url) and code != "client_rejected" and seconds <= _MAX_COUNTDOWN
    return {
        "code": code,
        "words": words_for(code),
        "retry_url": retry_url,
        "retry_after": seconds,
        "retry_minutes": math.ceil(seconds / 60) if seconds > 90 else 0,
        "tries_itself": may_help and request.method == "GET",
    }


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
    mistake = _setup_mistake(error)
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
    }
    return page(request, "login_failed.html", context, status)


def without_access_token(request: HttpRequest, error: NoAccessToken) -> HttpResponse:
    """Answer 400 for a view that wants a token which this login lacks; another login would not bring one either."""
    logger.warning("no_access_token code=%s: %s", error.code, error)
    if not is_navigation(request):
        return finish_answer(JsonResponse({"error": error.code, "message": words_for(error.code)}, status=400))
    context = {"code": error.code, "words": words_for(error.code), "no_access_token": True}
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


def forbidden(request: HttpRequest, test: str, *, next_url: str) -> HttpResponse:
    """Answer 403: the login was made again for this page and still does not satisfy it."""
    logger.info("page_refused test=%s", test)
    if not is_navigation(request):
        return finish_answer(JsonResponse({"error": "forbidden", "code": test, "message": words_for(test)}, status=403))
    context = {
        "code": test,
        "words": words_for(test),
        "retry_url": login_path(login_of(request).configuration.name, next_url),
        "account_matters": test not in _FAULTS_OF_THE_SITE,
        "log_in_again_helps": test in _HELPED_BY_A_LOGIN,
    }
    return page(request, "forbidden.html", context, HTTPStatus.FORBIDDEN)


def _setup_mistake(error: Auth0Error) -> Mistake | None:
    """Log what is wrong with the set-up; with ``DEBUG`` also return it for the page.

    Anyone can forge an authorization response with an error in it, so in production these are not logged as mistakes.
    """
    if isinstance(error, AuthorizationError) and not django_settings.DEBUG:
        return None
    from django_auth0_flow.doctor.setup_mistakes import note_setup_mistake

    mistake = note_setup_mistake(error)
    return mistake if django_settings.DEBUG else None


def _is_refusal(error: Auth0Error, code: str) -> bool:
    refused = ("access_denied", "unauthorized", "user_not_allowed", "organization_not_allowed", "login_loop")
    return code in refused or (isinstance(error, OAuthError) and error.error == "mfa_required")
