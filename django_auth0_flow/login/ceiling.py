"""What Django's session and the next login know of a login's ceiling, the claim ``session_expiry`` of its ID token.

The row has it, and ``access.current_login`` ends the login there. Here Django's session is kept from outliving it, for
views that ask Django alone. And since nothing is left of either by then, a cookie of its own tells the next login that the
person must prove anew who they are (``prompt=login``): it holds a time, and only ever asks for more. Over https its name
has the prefix ``__Host-``: another subdomain could plant the plain one, and have every login ask for a password.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from django_auth0_flow.access.current_login import current_login
from django_auth0_flow.conf import get_settings
from django_auth0_flow.login.form_post_cookie import HOST_PREFIX, is_https
from django_auth0_flow.protocol.claim_checks import CEILING_MARGIN, is_past_ceiling, session_ceiling
from django_auth0_flow.storage.django_session_facts import noted_login

logger = logging.getLogger(__name__)

COOKIE = "auth0_ceiling"

#: Under this name the session's facts have the ceiling.
FACT = "until"

#: So many seconds after a ceiling its cookie goes: whoever comes back later has no session left at the tenant either.
_REMEMBERED_SECONDS = 30 * 86400

_TO_SEND = "_auth0_ceiling"


def note(request: HttpRequest, configuration: str, claims: Mapping[str, Any]) -> int | None:
    """Return the ceiling in these claims of a login; the response will tell the browser, for the login after it."""
    found = session_ceiling(claims)
    if found is None and claims.get("session_expiry") is not None:
        logger.warning("session_expiry_ignored: the post-login Action must set whole Unix seconds")
    if found is not None:
        left = max(0, found - int(get_settings(configuration).clock()))
        name, value = _cookie_name(request, configuration), f"{found}.{quote(configuration)}"
        setattr(request, _TO_SEND, (name, value, left + _REMEMBERED_SECONDS))
    elif _remembered(request, configuration):
        setattr(request, _TO_SEND, (_cookie_name(request, configuration), "", 0))
    return found


def is_fresh_login_due(request: HttpRequest, configuration: str) -> bool:
    """Tell whether this browser's last login with this configuration has reached its ceiling."""
    ceiling = _remembered(request, configuration)
    if not (ceiling.isascii() and ceiling.isdigit() and len(ceiling) < 11):
        return False
    return is_past_ceiling(int(ceiling), get_settings(configuration).clock())


def _remembered(request: HttpRequest, configuration: str) -> str:
    """Return what the cookie holds for this configuration, "" if it is of another or there is none."""
    ceiling, _, name = request.COOKIES.get(_cookie_name(request, configuration), "").partition(".")
    return ceiling if name == quote(configuration) else ""


def _cookie_name(request: HttpRequest, configuration: str) -> str:
    """Return the one name that the cookie has at this site."""
    return HOST_PREFIX + COOKIE if is_https(request, configuration) else COOKIE


def send_cookie(request: HttpRequest, response: HttpResponseBase) -> None:
    """Set or delete the cookie if ``note`` wants it."""
    name, value, seconds = getattr(request, _TO_SEND, ("", "", 0))
    if value:
        secure = name.startswith(HOST_PREFIX)
        response.set_cookie(name, value, max_age=seconds, secure=secure, httponly=True, samesite="Lax")
    elif name:
        response.delete_cookie(name, samesite="Lax")


def end_login_that_reached_it(request: HttpRequest) -> None:
    """End this browser's login before the next one is begun in its session, which would go with it."""
    if not request.COOKIES.keys().isdisjoint((COOKIE, HOST_PREFIX + COOKIE)) and has_ceiling(request):
        cap_session(request)


def has_ceiling(request: HttpRequest) -> bool:
    """Tell whether the session of this request, which has been read, holds a login with a ceiling."""
    return type(noted_login(request).get(FACT)) is int


def cap_session(request: HttpRequest) -> None:
    """Let Django's session end at its login's ceiling at the latest, and end a login that has reached it.

    A session that ends with the browser stays one: Django can't have it both ways.
    """
    facts = noted_login(request)
    try:
        left = facts[FACT] - CEILING_MARGIN - get_settings(facts["configuration"]).clock()
    except ImproperlyConfigured:
        return  # the configuration was taken out of the settings
    if left <= 0:
        current_login(request, (facts["configuration"],), any_organization=True)
        return
    session = request.session
    is_to_be_saved = session.modified or django_settings.SESSION_SAVE_EVERY_REQUEST
    if is_to_be_saved and not session.get_expire_at_browser_close() and session.get_expiry_age() > left + 1:
        session.set_expiry(timezone.now() + timedelta(seconds=left))
