"""Embedded logins that wait for the visitor: a code on its way, a second factor, recovery codes to be shown.

They live in the visitor's Django session, sealed, bounded in number and age, written through at once. What is in them (an
``mfa_token``, a TOTP secret) never leaves the server but for what a page shows on purpose. The id in an address is a
handle: it opens nothing without the session.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.contrib.auth import SESSION_KEY as USER_SESSION_KEY
from django.db import router
from django.db.models import QuerySet
from django.http import HttpRequest

from django_auth0_flow.conf import DEFAULT, get_settings
from django_auth0_flow.conf.login_time_limits import WAITING_AGES
from django_auth0_flow.storage.db_types import exact_key
from django_auth0_flow.storage.django_session_writes import change_stored
from django_auth0_flow.storage.logout_tokens import SpentLogoutToken
from django_auth0_flow.storage.sealing import UnsealError, seal, secrets_of, unseal
from django_auth0_flow.storage.short_sessions import renew, shorten

SESSION_KEY = "_auth0_waiting"

MAX_WAITING = 8

#: What stands in the place of an issuer in the row of a claimed login.
_CLAIM = "waiting login"

_PURPOSE = "waiting_login"


@dataclass(frozen=True)
class WaitingLogin:
    """One login that waits. ``data`` is what was sealed; ``next_url`` must have gone through ``safe_next``."""

    id: str
    kind: str
    configuration: str
    next_url: str
    started_at: float
    data: Mapping[str, Any] = field(repr=False)


def add(request: HttpRequest, kind: str, configuration: str, data: Mapping[str, Any], *, next_url: str) -> WaitingLogin:
    """Store a login that waits; the oldest give way."""
    now = get_settings(configuration).clock()
    waiting = WaitingLogin(secrets.token_urlsafe(12), kind, configuration, next_url, now, data)

    def change(stored: dict[str, Any]) -> None:
        for key in sorted(stored, key=lambda key: stored[key].get("at", 0)):
            if len(stored) >= MAX_WAITING or not _is_alive(stored[key]):
                del stored[key]
        stored[waiting.id] = _dump(waiting)

    change_stored(request, SESSION_KEY, change)
    renew(request)
    return waiting


def add_under_new_key(
    request: HttpRequest, kind: str, configuration: str, data: Mapping[str, Any], *, next_url: str
) -> WaitingLogin:
    """As ``add``, after the first factor was right: the session changes its key, and the old key opens nothing.

    A login of this browser that was ended while the tenant answered does not come back with it.
    """
    session = request.session
    if USER_SESSION_KEY in session and session.session_key and not session.exists(session.session_key):
        session.flush()
    shorten(session)
    session.cycle_key()
    return add(request, kind, configuration, data, next_url=next_url)


def find(request: HttpRequest, waiting_id: str, *kinds: str) -> WaitingLogin | None:
    """Return the login with this id if it is one of ``kinds``, of this browser, and not too old."""
    entry = _stored(request).get(waiting_id)
    return _load(waiting_id, entry) if isinstance(entry, dict) and entry.get("kind") in kinds else None


def find_last(request: HttpRequest, kind: str, configuration: str) -> WaitingLogin | None:
    """Return the newest login of a kind that this browser has waiting."""
    found = [_load(key, entry) for key, entry in _stored(request).items() if isinstance(entry, dict)]
    fitting = [one for one in found if one is not None and (one.kind, one.configuration) == (kind, configuration)]
    return max(fitting, key=lambda one: one.started_at, default=None)


def update(request: HttpRequest, waiting: WaitingLogin, **data: Any) -> WaitingLogin:
    """Store further data of a login that is still there."""
    changed = replace(waiting, data={**waiting.data, **data})
    change_stored(request, SESSION_KEY, lambda stored: stored.update({waiting.id: _dump(changed)}), only_if=waiting.id)
    return changed


def remove(request: HttpRequest, waiting: WaitingLogin) -> None:
    """Forget a login: it is done, or over."""
    change_stored(request, SESSION_KEY, lambda stored: stored.pop(waiting.id, None), only_if=waiting.id)


def claim(waiting: WaitingLogin) -> bool:
    """Win the right to submit this login to the tenant; False if another request has it, or has used it.

    A row with a unique key decides, so of several processes one wins, with any session engine. It stays for as long as the
    login could wait: an old copy of the session, saved late, brings back nothing that can be submitted again.
    """
    expires_at = waiting.started_at + WAITING_AGES[waiting.kind]
    return SpentLogoutToken.objects.spend(_CLAIM, waiting.id, expires_at=expires_at)


def release(waiting: WaitingLogin) -> None:
    """Give that right back: the tenant said no, and the visitor may try again."""
    _claims(waiting.id).delete()


def is_claimed(waiting_id: str) -> bool:
    """Tell whether a login is being submitted, or was used."""
    return _claims(waiting_id).exists()


def _claims(waiting_id: str) -> QuerySet[SpentLogoutToken]:
    rows = SpentLogoutToken.objects.using(router.db_for_write(SpentLogoutToken))
    return rows.filter(key=exact_key(_CLAIM, waiting_id))


def _stored(request: HttpRequest) -> Mapping[str, Any]:
    stored = request.session.get(SESSION_KEY)
    return stored if isinstance(stored, dict) else {}


def _dump(waiting: WaitingLogin) -> dict[str, Any]:
    document = json.dumps({"n": waiting.next_url, "d": waiting.data}, separators=(",", ":"))
    name = waiting.configuration
    sealed = seal(document.encode(), purpose=_PURPOSE, keys=secrets_of(name), context=f"{waiting.id} {waiting.kind}")
    return {"kind": waiting.kind, "configuration": name, "at": waiting.started_at, "sealed": sealed}


def _load(waiting_id: str, entry: Mapping[str, Any]) -> WaitingLogin | None:
    if not _is_alive(entry):
        return None
    name, kind = str(entry.get("configuration", DEFAULT)), str(entry.get("kind"))
    sealed, context = str(entry.get("sealed", "")), f"{waiting_id} {kind}"
    try:
        document = json.loads(unseal(sealed, purpose=_PURPOSE, keys=secrets_of(name), context=context))
        return WaitingLogin(waiting_id, kind, name, document["n"], entry["at"], document["d"])
    except (UnsealError, ValueError, KeyError, TypeError):
        return None


def _is_alive(entry: Mapping[str, Any]) -> bool:
    at, age = entry.get("at"), WAITING_AGES.get(str(entry.get("kind")))
    if isinstance(at, bool) or not isinstance(at, (int, float)) or age is None:
        return False
    now = get_settings(str(entry.get("configuration", DEFAULT))).clock()
    return -60 <= now - at <= age
