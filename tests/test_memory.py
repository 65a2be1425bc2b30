"""A worker keeps nothing of those who have logged in: neither in our caches nor anywhere else in Python's memory."""

from __future__ import annotations

import pytest

from tests.benchmarks.memory import running_worker

pytestmark = pytest.mark.slow

#: Logins between two readings.
LOGINS = 100
#: Bytes per login that may stay behind: what Django and Python keep changes a little from one reading to the next.
LEFT = 100


def test_a_hundred_logins_leave_nothing_behind() -> None:
    """The first two hundred fill the caches; a leak would show in the hundred after them."""
    with running_worker(PYTHONTRACEMALLOC="1") as worker:
        worker.memory()  # asks views that are loaded late for their attributes, which loads them
        worker.log_in(2 * LOGINS)
        before = worker.memory()
        worker.log_in(LOGINS)
        after = worker.memory()
    held = before["held"]
    assert held["django_auth0_flow.protocol.client.Client"] == 1, "the count sees our objects"
    assert {name: (held.get(name, 0), size) for name, size in after["held"].items() if size > held.get(name, 0)} == {}
    assert after["traced"] - before["traced"] < LEFT * LOGINS
