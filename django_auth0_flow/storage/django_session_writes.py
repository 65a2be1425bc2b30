"""Changes to a Django session that are stored at once, on a freshly loaded copy: parallel requests lose nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.http import HttpRequest

from django_auth0_flow.storage.short_sessions import holds_nothing_but, shorten

T = TypeVar("T")

_write_locks = [threading.Lock() for _ in range(64)]


def change_stored(
    request: HttpRequest,
    name: str,
    change: Callable[[dict[str, Any]], T],
    *,
    only_if: str = "",
    or_flush: bool = False,
) -> T | None:
    """Apply ``change`` to the dict that this session holds under ``name``, and store the result at once.

    ``only_if``: do nothing and return None unless the dict has this key. ``or_flush``: a session that was made for this
    alone, and holds nothing any more, ends instead of being stored.
    """
    return change_session(request.session, name, change, only_if=only_if, or_flush=or_flush)


def change_session(
    session: SessionBase,
    name: str,
    change: Callable[[dict[str, Any]], T],
    *,
    only_if: str = "",
    or_flush: bool = False,
) -> T | None:
    """As ``change_stored``, for a session that need not be the visitor's."""
    key = session.session_key
    if key is not None:
        with write_lock(key):
            # Not read in this request yet: reading it now is as fresh as a copy, and one query less.
            fresh = session if not session.accessed else type(session)(key)
            pending = _stored(fresh, name)
            if fresh.session_key == key:  # else the session is gone and this is an empty one
                if only_if and only_if not in pending:
                    return None
                before = _stored(fresh, name)
                result = change(pending)
                fresh[name] = pending
                if or_flush and not pending and all(holds_nothing_but(name, found) for found in (fresh, session)):
                    session.flush()
                    return result
                # Nothing new is not written: it would undo what another request writes just now.
                if pending == before or _save(fresh):
                    if fresh is session:
                        session.modified = False
                    else:
                        modified = session.modified
                        session[name] = pending
                        session.modified = modified
                    return result
        if session.session_key == key:
            # Another request logged in or out just now, which ended this session: nothing of it may come back.
            session.flush()
    return _change_unsaved(session, name, change, only_if)


def write_lock(key: str) -> threading.Lock:
    """Return the lock that keeps this process's threads from writing the session with this key at the same moment."""
    return _write_locks[hash(key) % len(_write_locks)]


def _save(session: SessionBase) -> bool:
    try:
        session.save()
    except UpdateError:
        return False
    return True


def _change_unsaved(
    session: SessionBase, name: str, change: Callable[[dict[str, Any]], T], only_if: str = ""
) -> T | None:
    """Change a session that has no key. No other request knows it; Django saves it with the response."""
    pending = _stored(session, name)
    if only_if and only_if not in pending:
        return None
    result = change(pending)
    shorten(session)
    session[name] = pending
    return result


def _stored(session: SessionBase, name: str) -> dict[str, Any]:
    found = session.get(name)
    if not isinstance(found, dict):
        return {}
    return {key: dict(value) for key, value in found.items() if isinstance(value, dict)}
