"""Logins without redirect that wait for the visitor: a code on its way, a second factor, recovery codes to be shown.

They live in the visitor's Django session, sealed, bounded in number and age, written through at once. What is in them (an
``mfa_token``, a TOTP secret) never leaves the server but for what a page shows on purpose. The id in an address is a
handle: it opens nothing without the session.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from django.conf import settings as django_settings
from django.contrib.auth import SESSION_KEY as USER_SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.http import HttpRequest

from django_auth0_flow.conf import DEFAULT, get_settings
from django_auth0_flow.models import LoginSession
from django_auth0_flow.storage.sealing import UnsealError, seal, secrets_of, unseal
from django_auth0_flow.storage.session_store import change_stored, write_lock
from django_auth0_flow.storage.short_sessions import renew, shorten

T = TypeVar("T")

SESSION_KEY = "_auth0_pending"

#: Under this key a session knows by which pending login it was made, so that a second submit finds it.
MADE_BY_KEY = "_auth0_made_by"

MAX_PENDING = 8

#: Seconds that each kind lives. Auth0's ``mfa_token`` is good for ten minutes.
MAX_AGE = {"code": 1800, "link": 3600, "mfa": 600, "recovery": 600, "moved": 60}

_MOVED = "moved"

#: Seconds within which a second submit of the same form may share what came of the first one.
SHARE_SECONDS = 60

#: A submit takes no longer than the HTTP timeout and these seconds; a second one waits that long, and looks this often.
_GRACE, _POLL = 2, 0.1


@dataclass(frozen=True)
class Pending:
    """One login that waits. ``data`` is what was sealed; ``next_url`` must have gone through ``safe_next``."""

    id: str
    kind: str
    configuration: str
    next_url: str
    started_at: float
    data: Mapping[str, Any] = field(repr=False)


def add(
    request: HttpRequest, kind: str, configuration: str, data: Mapping[str, Any], *, next_url: str, origin: str = ""
) -> Pending:
    """Store a login that waits; the oldest give way. ``origin``: the id of the waiting login that it goes on from."""
    now = get_settings(configuration).clock()
    pending = Pending(secrets.token_urlsafe(12), kind, configuration, next_url, now, data)

    def change(stored: dict[str, Any]) -> None:
        for key in sorted(stored, key=lambda key: stored[key].get("at", 0)):
            if len(stored) >= MAX_PENDING or not _is_alive(stored[key]):
                del stored[key]
        stored[pending.id] = {**_dump(pending), "origin": origin}

    change_stored(request, SESSION_KEY, change)
    renew(request)
    return pending


def find(request: HttpRequest, pending_id: str, *kinds: str) -> Pending | None:
    """Return the login with this id if it is one of ``kinds``, of this browser, and not too old."""
    stored = request.session.get(SESSION_KEY)
    entry = stored.get(pending_id) if isinstance(stored, dict) else None
    return _load(pending_id, entry) if isinstance(entry, dict) and entry.get("kind") in kinds else None


def find_last(request: HttpRequest, kind: str, configuration: str) -> Pending | None:
    """Return the newest login of a kind that this browser has waiting."""
    stored = request.session.get(SESSION_KEY)
    entries = stored if isinstance(stored, dict) else {}
    found = [_load(key, entry) for key, entry in entries.items() if isinstance(entry, dict)]
    fitting = [one for one in found if one is not None and (one.kind, one.configuration) == (kind, configuration)]
    return max(fitting, key=lambda one: one.started_at, default=None)


def update(request: HttpRequest, pending: Pending, **data: Any) -> Pending:
    """Store further data of a login that is still there."""
    changed = replace(pending, data={**pending.data, **data})
    _change(request, pending, lambda entry: entry.update(_dump(changed)))
    return changed


def remove(request: HttpRequest, pending: Pending) -> None:
    """Forget a login: it is done, or over."""
    change_stored(request, SESSION_KEY, lambda stored: stored.pop(pending.id, None), only_if=pending.id)


def claim(request: HttpRequest, pending: Pending, proof: str) -> bool:
    """Win the right to submit this login to the tenant; False while another request of this browser does so."""
    now, seconds = time.time(), _twin_seconds(pending.configuration)

    def change(entry: dict[str, Any]) -> bool:
        if entry.get("busy", 0) > now:
            return False
        entry["busy"], entry["tried"] = now + seconds, _digest(pending.id, proof)
        return True

    return bool(_change(request, pending, change))


def release(request: HttpRequest, pending: Pending) -> None:
    """Give that right back: the tenant said no, and the visitor may try again."""
    _change(request, pending, lambda entry: entry.update(busy=0))


def is_untried(request: HttpRequest, pending: Pending, proof: str) -> bool:
    """Tell whether this login still waits and what was submitted for it last is something else than ``proof``."""
    digest = _digest(pending.id, proof)
    return bool(_change(request, pending, lambda entry: not hmac.compare_digest(str(entry.get("tried")), digest)))


def _change(request: HttpRequest, pending: Pending, change: Callable[[dict[str, Any]], T]) -> T | None:
    """Change the stored entry of ``pending``; None if it is gone, or only tells any more where the login went on."""

    def change_entry(stored: dict[str, Any]) -> T | None:
        entry = stored[pending.id]
        return change(entry) if entry.get("kind") == pending.kind else None

    return change_stored(request, SESSION_KEY, change_entry, only_if=pending.id)


def login_id(request: HttpRequest, pending_id: str) -> uuid.UUID:
    """Return the primary key of the LoginSession that this pending login will make in this browser."""
    cookie = request.COOKIES.get(django_settings.SESSION_COOKIE_NAME, "")
    return uuid.UUID(bytes=hashlib.sha256(f"auth0_flow login\0{pending_id}\0{cookie}".encode()).digest()[:16])


def remember_maker(request: HttpRequest, pending_id: str, proof: str) -> None:
    """Note in the new session what was submitted to make it; only a digest is kept."""
    request.session[MADE_BY_KEY] = _digest(pending_id, proof)


def share_login(request: HttpRequest, pending_id: str, proof: str, configuration: str) -> bool:
    """Give this request the session that an equal submit made a moment ago; tell whether there is one.

    A browser that sends a form twice sees the second answer only, and the first has used the code up. Sharing takes the
    same session cookie from before the login, the same pending login and the same code.
    """
    row = LoginSession.objects.filter(pk=login_id(request, pending_id)).first()
    if row is None or abs(get_settings(configuration).clock() - row.logged_in_at) > SHARE_SECONDS:
        return False
    made = type(request.session)(row.session_key or None)
    known = made.get(MADE_BY_KEY)
    if not isinstance(known, str) or not hmac.compare_digest(known, _digest(pending_id, proof)):
        if proof and made.pop(MADE_BY_KEY, None) is not None:
            with suppress(UpdateError):  # logged out just now
                made.save()  # an honest second submit is equal to the first: one that differs is the last to be looked at
        return False
    made.modified = True
    request.session = made
    return True


def await_twin(request: HttpRequest, pending_id: str, proof: str, configuration: str) -> bool:
    """Wait for another request that submits the same login; tell whether its login is ours now.

    False too when the other one was refused, or led on to another waiting login: see ``find_successor``.
    """
    key = request.session.session_key
    deadline = time.monotonic() + _twin_seconds(configuration)
    while time.monotonic() < deadline:
        if share_login(request, pending_id, proof, configuration):
            return True
        fresh = type(request.session)(key)
        stored = fresh.get(SESSION_KEY)
        entry = stored.get(pending_id) if isinstance(stored, dict) else None
        if isinstance(entry, dict) and entry.get("kind") == _MOVED:
            request.session = fresh
            return False
        if isinstance(entry, dict) and entry.get("busy", 0) <= time.time():
            return False
        time.sleep(_POLL)
    return False


def move_on(
    request: HttpRequest,
    kind: str,
    configuration: str,
    data: Mapping[str, Any],
    *,
    next_url: str,
    origin: str = "",
    proof: str = "",
) -> Pending:
    """Store a login that waits in a session with a new key and the same contents: the first factor was right.

    Whoever else knew the old key does not come along. An equal submit of the waiting login ``origin`` still does. Nor does
    a logged-in session come back that was ended while the tenant answered.
    """
    old = request.session
    new = type(old)()
    ended = old.session_key is not None and not old.exists(old.session_key)
    if not (ended and USER_SESSION_KEY in old):
        new.update(dict(old.items()))
    shorten(new)
    if origin:
        new[SESSION_KEY] = {key: entry for key, entry in new.get(SESSION_KEY, {}).items() if key != origin}
    new.create()
    request.session = new
    pending = add(request, kind, configuration, data, next_url=next_url, origin=origin)
    # Only now: an equal submit looks at the old session at any moment, and must find what it leads to.
    if origin and old.session_key and not ended:
        _leave_pointer(old, configuration, origin, proof, str(new.session_key))
    else:
        old.flush()
    return pending


def _leave_pointer(old: SessionBase, configuration: str, origin: str, proof: str, key: str) -> None:
    for name in list(old.keys()):
        del old[name]
    old[SESSION_KEY] = {
        origin: {
            "kind": _MOVED,
            "configuration": configuration,
            "at": get_settings(configuration).clock(),
            "proof": _digest(origin, proof),
            "sealed": _seal(key, configuration, f"{origin} {_MOVED}"),
        }
    }
    old.set_expiry(SHARE_SECONDS)
    with write_lock(str(old.session_key)), suppress(UpdateError):  # ended just now
        old.save()


def find_successor(request: HttpRequest, pending_id: str, proof: str) -> Pending | None:
    """Return the waiting login of this browser that goes on from another one, which is no longer there.

    A request that still comes with the session from before gets the new one if it proves the same.
    """
    stored = request.session.get(SESSION_KEY)
    if found := _successor(stored, pending_id):
        return found
    if request.session.session_key:
        fresh = type(request.session)(request.session.session_key)  # the other submit may have ended since we looked
        if fresh.get(SESSION_KEY) != stored and fresh.session_key:
            request.session, stored = fresh, fresh.get(SESSION_KEY)
            if found := _successor(stored, pending_id):
                return found
    entry = stored.get(pending_id) if isinstance(stored, dict) else None
    if not isinstance(entry, dict) or entry.get("kind") != _MOVED or not _is_alive(entry):
        return None
    if not hmac.compare_digest(str(entry.get("proof")), _digest(pending_id, proof)):
        if proof and isinstance(stored, dict):
            del stored[pending_id]  # one guess, as in share_login; a page that is only looked at brings none
            request.session.modified = True
        return None
    try:
        key = _unseal(entry, f"{pending_id} {_MOVED}").decode()
    except UnsealError:
        return None
    moved = type(request.session)(key)
    found = _successor(moved.get(SESSION_KEY), pending_id)
    if found is not None:
        moved.modified = True
        request.session = moved
    return found


def _successor(stored: object, pending_id: str) -> Pending | None:
    for key, entry in stored.items() if isinstance(stored, dict) else ():
        if isinstance(entry, dict) and pending_id and entry.get("origin") == pending_id:
            return _load(key, entry)
    return None


def _twin_seconds(configuration: str) -> float:
    return get_settings(configuration).http_timeout + _GRACE


def _digest(pending_id: str, proof: str) -> str:
    return hashlib.sha256(f"{pending_id}\0{proof}".encode("utf-8", "surrogatepass")).hexdigest()


def _dump(pending: Pending) -> dict[str, Any]:
    document = {"n": pending.next_url, "d": pending.data}
    return {
        "kind": pending.kind,
        "configuration": pending.configuration,
        "at": pending.started_at,
        "sealed": _seal(
            json.dumps(document, separators=(",", ":")), pending.configuration, f"{pending.id} {pending.kind}"
        ),
    }


def _seal(text: str, configuration: str, context: str) -> str:
    return seal(text.encode(), purpose="pending_login", keys=secrets_of(configuration), context=context)


def _unseal(entry: Mapping[str, Any], context: str) -> bytes:
    keys = secrets_of(str(entry.get("configuration", DEFAULT)))
    return unseal(str(entry.get("sealed", "")), purpose="pending_login", keys=keys, context=context)


def _load(pending_id: str, entry: Mapping[str, Any]) -> Pending | None:
    if not _is_alive(entry):
        return None
    name, kind = str(entry.get("configuration", DEFAULT)), str(entry.get("kind"))
    try:
        document = json.loads(_unseal(entry, f"{pending_id} {kind}"))
        return Pending(pending_id, kind, name, document["n"], entry["at"], document["d"])
    except (UnsealError, ValueError, KeyError, TypeError):
        return None


def _is_alive(entry: Mapping[str, Any]) -> bool:
    at, age = entry.get("at"), MAX_AGE.get(str(entry.get("kind")))
    if isinstance(at, bool) or not isinstance(at, (int, float)) or age is None:
        return False
    now = get_settings(str(entry.get("configuration", DEFAULT))).clock()
    return -60 <= now - at <= age
