"""Django's sessions as seen from outside their own request: which are alive, and how to end one. Any engine."""

from __future__ import annotations

import logging
from collections.abc import Collection
from importlib import import_module
from typing import Any

from django.conf import settings as django_settings
from django.contrib.sessions.backends import cache, cached_db, db
from django.contrib.sessions.backends.base import SessionBase
from django.core.cache import caches
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache
from django.utils import timezone

logger = logging.getLogger(__name__)


def session_store() -> type[SessionBase]:
    """Return the class of ``SESSION_ENGINE``."""
    store: type[SessionBase] = import_module(django_settings.SESSION_ENGINE).SessionStore
    return store


def delete_session(key: str) -> None:
    """End the session with this key wherever it is kept; no-op if there is none. Raises what the engine raises."""
    if key:
        session_store()().delete(key)


def try_to_delete_session(key: str, login_session: object) -> bool:
    """End the Django session behind a login session (its primary key); False if the engine fails, which is logged."""
    try:
        delete_session(key)
    except Exception as error:  # noqa: BLE001  # each session engine raises its own
        logger.error("session_not_deleted login_session=%s error=%s", login_session, type(error).__name__)
        return False
    return True


def living_sessions(keys: Collection[str]) -> set[str]:
    """Return those of ``keys`` whose session is there and has not expired: one query, or a look-up each in a cache."""
    wanted = [key for key in keys if key]
    store: Any = session_store()
    if not issubclass(store, db.SessionStore):
        engine = store()
        return {key for key in wanted if engine.exists(key)}
    rows = store.get_model_class().objects.filter(session_key__in=wanted, expire_date__gt=timezone.now())
    living = set(rows.values_list("session_key", flat=True))
    if issubclass(store, cached_db.SessionStore):
        # A session that is gone from the database still counts while the cache has it.
        missing = {store.cache_key_prefix + key: key for key in wanted if key not in living}
        living.update(missing[found] for found in caches[django_settings.SESSION_CACHE_ALIAS].get_many(missing))
    return living


def why_unknowable() -> str:
    """Say why this process can't tell which sessions are alive; "" if it can.

    A cache that is down or private to each worker must not look as if no one were logged in.
    """
    store = session_store()
    if issubclass(store, cache.SessionStore):
        found = caches[django_settings.SESSION_CACHE_ALIAS]
        if isinstance(found, (LocMemCache, DummyCache)):
            return "sessions live in a cache that other processes don't see"
    if issubclass(store, db.SessionStore):
        return ""
    probe = store()
    try:
        probe.create()
    except RuntimeError:
        return "the session engine stores nothing"
    key = probe.session_key or ""
    try:
        return "" if store().exists(key) else "the session engine does not find what it stored"
    finally:
        store().delete(key)
