"""Fixtures that several test modules share."""

from __future__ import annotations

import pytest
from django.core.cache import cache

pytest_plugins = [
    "tests.log_watch",
    "tests.parallel",
    "tests.require_all",
    "tests.servers.fixtures",
    "tests.storm.sites",
]


@pytest.fixture(autouse=True)
def empty_cache() -> None:
    """Start with nothing cached: a tenant of an earlier test may have had this port and said other things."""
    cache.clear()
