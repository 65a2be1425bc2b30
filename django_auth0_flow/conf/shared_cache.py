"""Django's default cache, for three uses.

It shares the tenant's documents between processes: when it is down they are fetched again, and logins go on. It remembers
what may be used once: when it is down all of that is refused. And it remembers what was sent a moment ago: when it is down
it is sent again.
"""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from django.core.cache import cache

from django_auth0_flow.protocol.errors import TransportError

logger = logging.getLogger(__name__)


class ForgivingCache:
    """Django's default cache, whose failures count as an empty cache; a ``protocol.cached_document.SharedCache``."""

    def get(self, key: str) -> Any:
        """Return what is stored, or None; also when the cache can't be reached."""
        try:
            return cache.get(key)
        except Exception as error:  # noqa: BLE001  # each cache backend has errors of its own, with no base in Django
            logger.warning("shared_cache_unavailable error=%s", type(error).__name__)
            return None

    def set(self, key: str, value: Any, timeout: float) -> None:
        """Store for ``timeout`` seconds, if the cache can be reached."""
        try:
            cache.set(key, value, timeout)
        except Exception as error:  # noqa: BLE001  # as above
            logger.warning("shared_cache_unavailable error=%s", type(error).__name__)

    def add(self, key: str, timeout: float) -> bool:
        """Store ``key`` for ``timeout`` seconds; False if it is stored already. True if the cache can't be reached."""
        try:
            return bool(cache.add(key, 1, timeout))
        except Exception as error:  # noqa: BLE001  # as above
            logger.warning("shared_cache_unavailable error=%s", type(error).__name__)
            return True

    def delete(self, key: str) -> None:
        """Forget ``key``, if the cache can be reached."""
        try:
            cache.delete(key)
        except Exception as error:  # noqa: BLE001  # as above
            logger.warning("shared_cache_unavailable error=%s", type(error).__name__)


def add_once(key: str, timeout: float) -> bool:
    """Store ``key`` for ``timeout`` seconds; False if it is stored already.

    Raises TransportError without a cache, and with one that keeps nothing (``DummyCache``): there every key is new.
    """
    try:
        is_new = cache.add(key, 1, timeout)
        is_kept = cache.get(key) is not None
    except Exception as error:  # each cache backend has errors of its own, with no base in Django
        logger.error("shared_cache_unavailable error=%s", type(error).__name__)
        raise TransportError("The cache can't be reached.", code="cache_unavailable") from error
    if not is_kept:
        logger.error(
            "shared_cache_forgets backend=%s: DPoP proofs are refused, a replay would go unnoticed; "
            "CACHES['default'] must be a cache that all processes share",
            settings.CACHES["default"]["BACKEND"],
        )
        raise TransportError("The cache keeps nothing.", code="cache_forgets", retryable=False)
    return bool(is_new)
