"""Caches of a project's own, for the system checks."""

from __future__ import annotations

from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache


class Forgetting(DummyCache):
    """Remembers nothing, by another name."""


class OfOneProcess(LocMemCache):
    """Is seen by one process, by another name."""
