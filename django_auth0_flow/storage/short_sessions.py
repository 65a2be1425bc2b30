"""Sessions that hold a login under way and nothing else: they end with it, not after two weeks.

Every visitor of the login page gets a session, robots too. One that this package starts lives as long as a login may take.
As soon as it holds anything else, a login or a basket, it lives as long as the site has configured; what the site itself
gave it by ``set_expiry`` stays.
"""

from __future__ import annotations

from django.conf import settings as django_settings
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from django_auth0_flow.conf.login_time_limits import SHORT_LIFE

_MARK, _RENEWED = "_auth0_short", "_auth0_session_renewed"

#: Where Django keeps what ``set_expiry`` was given.
_EXPIRY = "_session_expiry"

_FAILURES = "_auth0_failures"

#: The session's entries for logins under way and for failed ones.
_OURS = frozenset(
    ("_auth0_transactions", "_auth0_waiting", "_auth0_initiated", "_auth0_silent", _FAILURES, _MARK, _EXPIRY)
)


def shorten(session: SessionBase) -> None:
    """Let a session that does not exist yet live no longer than a login may take."""
    if session.is_empty() and session.get_session_cookie_age() > SHORT_LIFE:
        session[_MARK] = True
        session.set_expiry(SHORT_LIFE)


def holds_nothing_but(name: str, session: SessionBase) -> bool:
    """Tell whether a session has at most this entry. What makes it short is left out; an expiry by the site counts."""
    is_ours = _MARK in session and session.get(_EXPIRY) == SHORT_LIFE
    return {name, *((_MARK, _EXPIRY) if is_ours else ())}.issuperset(session.keys())


def settle(session: SessionBase) -> None:
    """Give a session that holds more than logins under way the site's usual expiry.

    A new session that holds nothing but a failed login becomes a short one.
    """
    if session.session_key is None and list(session.keys()) == [_FAILURES]:
        failures = session.pop(_FAILURES)
        shorten(session)
        session[_FAILURES] = failures
    if _MARK not in session or _OURS.issuperset(session.keys()):
        return
    del session[_MARK]
    if session.get(_EXPIRY) == SHORT_LIFE:
        session.set_expiry(None)


def renew(request: HttpRequest) -> None:
    """Let the browser keep the cookie of a short session as long as the login that begins in it may take."""
    if _MARK in request.session:
        setattr(request, _RENEWED, True)


def send_cookie(request: HttpRequest, response: HttpResponseBase) -> None:
    """Send the session's cookie again if ``renew`` was called.

    Django sends it with a save only, and this copy of the session may be older than what other tabs have stored.
    """
    name, key = django_settings.SESSION_COOKIE_NAME, request.session.session_key
    if not getattr(request, _RENEWED, False) or key is None or request.COOKIES.get(name) != key:
        return
    response.set_cookie(
        name,
        key,
        max_age=request.session.get_expiry_age(),
        domain=django_settings.SESSION_COOKIE_DOMAIN,
        path=django_settings.SESSION_COOKIE_PATH,
        secure=django_settings.SESSION_COOKIE_SECURE,
        httponly=django_settings.SESSION_COOKIE_HTTPONLY,
        samesite=django_settings.SESSION_COOKIE_SAMESITE,
    )
