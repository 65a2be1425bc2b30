"""Mixed traffic on a served site, with a tenant that has its hiccups: the short version of ``tests.benchmarks.soak``."""

from __future__ import annotations

import pytest

from tests.benchmarks.soak import FILES, MEMORY, PEOPLE, SERVERS, WORKERS, rows_of, soak

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("server", SERVERS)
def test_nobody_is_logged_out_and_nothing_piles_up(server: str) -> None:
    found = soak(server, seconds=12, rate=10)
    traffic = found.traffic
    assert not traffic.lost
    assert not traffic.unexplained
    assert traffic.done.keys() == {"logins", "pages read", "API calls", "logouts"}
    assert found.refreshes > PEOPLE / 2
    assert traffic.hiccups > 0
    assert found.families_revoked == 0
    assert found.ended_workers == 0
    assert (found.stored, found.leases) == (found.known, 0)
    assert max(reading.to_tenant + reading.to_api for reading in found.readings) <= 2 * PEOPLE * WORKERS
    assert found.left_open == (0, 0)
    assert found.files_growth <= FILES
    assert found.memory_growth <= MEMORY
    assert [row for row in rows_of(found, 12, 10) if row.is_met is False] == []
