"""A cache whose time is a test's to move."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.cache.backends.locmem import LocMemCache


class ClockedCache(LocMemCache):
    """Django's local-memory cache, by the clock in ``OPTIONS``."""

    _expire_info: dict[str, float | None]

    def __init__(self, name: str, params: dict[str, Any]) -> None:
        options = dict(params["OPTIONS"])
        self._clock: Callable[[], float] = options.pop("clock")
        super().__init__(name, {**params, "OPTIONS": options})

    def get_backend_timeout(self, timeout: Any = None) -> float | None:
        return None if timeout is None else self._clock() + timeout

    def _has_expired(self, key: str) -> bool:
        expires_at = self._expire_info.get(key, -1)
        return expires_at is not None and expires_at <= self._clock()
