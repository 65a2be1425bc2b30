"""The cookie of a login whose answer comes as a cross-site POST (``response_mode=form_post``).

A browser does not send the ``SameSite=Lax`` session cookie along with such a POST. So each login of that kind has a cookie
of its own: short-lived, sealed, HttpOnly, ``SameSite=None``. It names the session that waits for this ``state``. The POST
is stored in that session, and a GET, which has the session cookie, picks it up: the session cookie stays as strict as it
is, and no login starts a session that was not there before.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from django_auth0_flow.conf import get_settings
from django_auth0_flow.conf.login_time_limits import TRANSACTION_AGE
from django_auth0_flow.storage.sealing import UnsealError, seal, secrets_of, unseal

logger = logging.getLogger(__name__)

#: So many logins of this kind may be under way in one browser; cookies beyond them are deleted, oldest first.
MAX_COOKIES = 8

_NAME = "auth0_login_"

_DIGITS = 16

_DIGEST = re.compile(r"[0-9a-f]{16}\Z")

#: Browsers take a cookie with this prefix from this host over https only, so that no other subdomain can set it.
HOST_PREFIX = "__Host-"

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")

_TO_SEND = "_auth0_cookies"


def issue(request: HttpRequest, state: str, configuration: str) -> None:
    """Have the response to this request set the cookie for ``state``; the session gets a key if it has none yet."""
    if request.session.session_key is None:
        request.session.save()
    now = get_settings(configuration).clock()
    value = seal(
        json.dumps({"k": request.session.session_key, "t": int(now)}).encode(),
        purpose="transaction_cookie",
        keys=secrets_of(configuration),
        context=_context(state, configuration),
    )
    waiting, own = _waiting(request), _name_of(request, state, configuration)
    if own is None:
        logger.warning("form_post_needs_https: no browser sends a cookie along with the tenant's POST to plain http")
        return
    waiting[own] = f"{int(now)}.{value}"
    # Only names that this site sets: another subdomain may set others, even some that no response can delete.
    known = [name for name in request.COOKIES if name[:-_DIGITS] == own[:-_DIGITS] and _DIGEST.match(name[-_DIGITS:])]
    for name in sorted(known, key=lambda name: _age_of(request.COOKIES[name]))[: max(0, len(known) - MAX_COOKIES + 1)]:
        waiting.setdefault(name, None)


def session_key_of(request: HttpRequest, state: str, configuration: str) -> str | None:
    """Return the key of the session that waits for ``state``, if this browser has the cookie, which is then deleted."""
    name = _name_of(request, state, configuration)
    if name is None or name not in request.COOKIES:
        return None
    _waiting(request)[name] = None
    sealed = request.COOKIES[name].partition(".")[2]
    try:
        data = unseal(
            sealed,
            purpose="transaction_cookie",
            keys=secrets_of(configuration),
            context=_context(state, configuration),
        )
    except UnsealError:
        return None
    found: dict[str, Any] = json.loads(data)
    return str(found["k"])


def has_changes(request: HttpRequest) -> bool:
    """Tell whether ``apply`` has cookies to set or delete."""
    return _TO_SEND in request.__dict__


def apply(request: HttpRequest, response: HttpResponseBase) -> None:
    """Set and delete the cookies that this request's logins want set and deleted."""
    for name, value in _waiting(request).items():
        if value is None:
            response.delete_cookie(name, samesite="None")
            response.cookies[name]["secure"] = True
            continue
        response.set_cookie(name, value, max_age=TRANSACTION_AGE, secure=True, httponly=True, samesite="None")


def _waiting(request: HttpRequest) -> dict[str, str | None]:
    found: dict[str, str | None] = request.__dict__.setdefault(_TO_SEND, {})
    return found


def _name_of(request: HttpRequest, state: str, configuration: str) -> str | None:
    """Return the one name that the cookie of ``state`` has at this site; None where browsers send none.

    With https it always has the prefix. Without it another subdomain could set the cookie, and this browser's answer would
    be stored in an attacker's session. Browsers refuse the prefix on plain http, so that is accepted only from hosts
    without other subdomains: loopback, and names without a dot (``testserver``).
    """
    name = _NAME + hashlib.sha256(state.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    if is_https(request, configuration):
        return HOST_PREFIX + name
    return name if _is_loopback(request) or "." not in request.get_host() else None


def _context(state: str, configuration: str) -> str:
    return f"{configuration} {hashlib.sha256(state.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _age_of(value: str) -> int:
    """Return when a cookie says that it was made, in epoch seconds: it only decides which of too many is deleted."""
    digits = value.partition(".")[0]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 15 else 0


def is_https(request: HttpRequest, configuration: str) -> bool:
    """Tell whether browsers reach this site by https, also behind a proxy that Django knows only by BASE_URL."""
    return request.is_secure() or get_settings(configuration).base_url.startswith("https://")


def _is_loopback(request: HttpRequest) -> bool:
    """Tell whether browsers treat this plain http site as trustworthy: they take Secure cookies from it then."""
    host = request.get_host()
    return host in _LOOPBACK or host.rpartition(":")[0] in _LOOPBACK
