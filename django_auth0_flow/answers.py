"""Errors become answers here and nowhere else: a redirect, a page or JSON, with the right status.

A person who navigates gets redirects and pages; fetch, XHR and HTMX get JSON and headers they can act on.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings as django_settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

from . import flow, mfa_flow, site_urls
from .access.current_login import end_if_over, is_session_gone
from .cache_headers import forbid_storing
from .direct_errors import note_setup_mistake
from .protocol.errors import (
    Auth0Error,
    AuthorizationError,
    LoginRequired,
    MfaRequired,
    NoAccessToken,
    OAuthError,
    TokenRequestError,
    TransportError,
)
from .session import Auth0Session
from .storage.session_facts import noted
from .words import words_for

if TYPE_CHECKING:
    from .doctor.catalogue import Mistake

logger = logging.getLogger("django_auth0_flow.answers")

#: After so many failures in a row the page no longer offers to try again.
MAX_FAILURES = 3
_RETRY_AFTER = 5


def is_navigation(request: HttpRequest) -> bool:
    """Tell a person's navigation, which may be redirected to a login page, from a script's request."""
    headers = request.headers
    if headers.get("HX-Request") == "true" or headers.get("X-Requested-With") == "XMLHttpRequest":
        return False
    if mode := headers.get("Sec-Fetch-Mode"):
        return mode == "navigate"
    accept = headers.get("Accept", "").strip()
    return "text/html" in accept or accept in ("", "*/*")


def is_prefetch(request: HttpRequest) -> bool:
    """Tell a browser's speculative request, which must not start anything."""
    purposes = [request.headers.get(name, "").lower() for name in ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")]
    return any("prefetch" in purpose or "preview" in purpose or "prerender" in purpose for purpose in purposes)


def not_now() -> HttpResponse:
    """Answer a speculative request: nothing was started, the real one will."""
    return finish_answer(HttpResponse(status=HTTPStatus.NO_CONTENT))


def finish_answer(response: HttpResponse) -> HttpResponse:
    """Mark an answer as one that nobody stores and whose address goes to nobody."""
    forbid_storing(response)
    response["Referrer-Policy"] = "no-referrer"
    return response


def probe_cookies(request: HttpRequest, url: str) -> HttpResponse:
    """Redirect to ``url`` on this site with a cookie, so that the next request shows whether the browser keeps it."""
    response = finish_answer(HttpResponseRedirect(url))
    response.set_cookie("auth0_cookies", "1", httponly=True, secure=request.is_secure(), samesite="Lax")
    return response


def page(request: HttpRequest, template: str, context: Mapping[str, Any], status: int = 200) -> HttpResponse:
    """Render one of the pages under ``auth0/``."""
    response = finish_answer(render(request, f"auth0/{template}", dict(context), status=status))
    if b"csrfmiddlewaretoken" in response.content:
        # From a page without referrer browsers send forms with "Origin: null", which Django's CSRF check refuses.
        response["Referrer-Policy"] = "same-origin"
    return response


def answer(request: HttpRequest, error: Auth0Error) -> HttpResponse:
    """Answer an error that left a view: LoginRequired, TransportError or another error of this package."""
    if isinstance(error, LoginRequired):
        return login_required(request, error)
    if isinstance(error, TransportError):
        return unavailable(request, error)
    if isinstance(error, MfaRequired):
        return mfa_required(request, error)
    if isinstance(error, NoAccessToken):
        return without_access_token(request, error)
    return failed(request, error)


def mfa_required(
    request: HttpRequest,
    error: MfaRequired,
    *,
    next_url: str | None = None,
    start_url: str = "",
    origin: str = "",
    proof: str = "",
) -> HttpResponse:
    """Lead a person to the second factor, ``next`` kept.

    ``start_url``: where this login began, if not at this address; ``origin`` and ``proof`` as in ``begin_mfa``.
    """
    name = error.configuration
    if next_url is None:
        wanted = request.POST.get(REDIRECT_FIELD_NAME) or request.GET.get(REDIRECT_FIELD_NAME)
        next_url = site_urls.safe_next(request, wanted)
    start_url = start_url or site_urls.safe_next(request, request.path)
    waiting = mfa_flow.begin_mfa(request, error, next_url=next_url, start_url=start_url, origin=origin, proof=proof)
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
    if error.parameters and not is_session_gone(request):
        try:
            url = flow.begin_login(request, configuration=configuration, next_url=next_url, parameters=error.parameters)
        except Auth0Error as trouble:
            return not_begun(request, trouble, next_url=next_url, configuration=configuration)
        return finish_answer(HttpResponseRedirect(url))
    return finish_answer(HttpResponseRedirect(login_path(configuration, next_url)))


def login_of(request: HttpRequest) -> Auth0Session:
    """Return the login as this view sees it, also where our middleware is not installed."""
    login = getattr(request, "auth0", None)
    return login if isinstance(login, Auth0Session) else Auth0Session(request)


def is_looping(request: HttpRequest, login: Auth0Session) -> bool:
    """Tell whether this browser has logged in for this view again and again within seconds."""
    conf = login.configuration
    return flow.is_looping(noted(request), conf.name, conf.clock())


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
    """Answer 503: the tenant or our database is out of reach, and waiting may help. ``retry_url``: instead of this one.

    An answer of the tenant that can't be used is 502, and no promise that it will be better in a while.
    """
    if error.is_unusable_answer:
        return _unusable(request, error, retry_url)
    seconds = error.retry_after or _RETRY_AFTER
    cause = "database" if error.code == "database_unavailable" else "tenant"
    logger.warning("%s_unavailable code=%s retry_after=%d", cause, error.code, seconds)
    if is_navigation(request):
        retry_url = return_url(request) if retry_url is None else retry_url
        context = {"code": error.code, "words": words_for(error.code), "retry_url": retry_url}
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
    retry_url = return_url(request) if retry_url is None else retry_url
    context = {"code": error.code, "words": words, "retry_url": retry_url}
    return page(request, "unusable_answer.html", context, HTTPStatus.BAD_GATEWAY)


def failed(
    request: HttpRequest,
    error: Auth0Error,
    *,
    next_url: str = "",
    configuration: str = "default",
    counted: bool = True,
    retry_url: str = "",
) -> HttpResponse:
    """Answer a login that failed: 403 when somebody decided so, else 400; with a way on, until it has failed too often.

    Only failures of logins that began here are ``counted``: a forged response changes nothing in the session.
    ``retry_url``: where to try again, if not at the login view.
    """
    code = public_code(error)
    mistake = _setup_mistake(error)
    status = HTTPStatus.FORBIDDEN if _is_refusal(error, code) else HTTPStatus.BAD_REQUEST
    if not is_navigation(request):
        return finish_answer(JsonResponse({"error": code, "message": words_for(code)}, status=status))
    failures = int(request.session.get(flow.FAILURES_KEY, 0)) + 1
    if counted:
        request.session[flow.FAILURES_KEY] = failures
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


def forbidden(request: HttpRequest, test: str, *, next_url: str) -> HttpResponse:
    """Answer 403: the login was made again for this page and still does not satisfy it."""
    logger.info("page_refused test=%s", test)
    if not is_navigation(request):
        return finish_answer(JsonResponse({"error": "forbidden", "code": test, "message": words_for(test)}, status=403))
    context = {
        "code": test,
        "words": words_for(test),
        "retry_url": login_path(login_of(request).configuration.name, next_url),
    }
    return page(request, "forbidden.html", context, HTTPStatus.FORBIDDEN)


def public_code(error: Auth0Error) -> str:
    """Return the code shown for an error: the tenant refusing the application itself is told from refusing the user."""
    if isinstance(error, TokenRequestError) and (error.status == 401 or error.error == "unauthorized_client"):
        return "client_rejected"
    return error.code


def _setup_mistake(error: Auth0Error) -> Mistake | None:
    """Tell the log what is wrong with the set-up, and return it for the page of a site under development.

    Anybody can write an error into an authorization response: in production those are no alarm.
    """
    if isinstance(error, AuthorizationError) and not django_settings.DEBUG:
        return None
    mistake = note_setup_mistake(error)
    return mistake if django_settings.DEBUG else None


def _is_refusal(error: Auth0Error, code: str) -> bool:
    refused = ("access_denied", "unauthorized", "user_not_allowed", "organization_not_allowed", "login_loop")
    return code in refused or (isinstance(error, OAuthError) and error.error == "mfa_required")


def login_path(configuration: str, next_url: str) -> str:
    """Return the path that starts a login which comes back to ``next_url``."""
    return page_path("login", configuration, next_url)


def page_path(name: str, configuration: str, next_url: str = "", **query: str) -> str:
    """Return the path of one of our pages, with ``next`` and what else belongs into its query."""
    path = site_urls.url_of(name, configuration)
    values = {**query, **({"next": next_url} if next_url else {})}
    return f"{path}?{urlencode(values)}" if values else path


def return_url(request: HttpRequest) -> str:
    """Return where a visitor comes back to: this address, or the page that a POST or a script's request came from.

    An unsafe method is never repeated after a login, and a script's address is no page for a person.
    """
    if request.method in ("GET", "HEAD") and is_navigation(request):
        return site_urls.safe_next(request, request.get_full_path())
    return _path_here(request, request.headers.get("HX-Current-URL") or request.headers.get("Referer", ""))


def _path_here(request: HttpRequest, url: str) -> str:
    safe = site_urls.safe_next(request, url)
    parts = urlsplit(safe)
    return site_urls.safe_next(request, parts.path + (f"?{parts.query}" if parts.query else "")) if safe else ""
