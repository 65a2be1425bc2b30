"""R3: any number of threads and processes on an expired login make one token request, and nobody is logged out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from django_auth0_flow.testing.tenant import Tenant
from tests.storm.harness import Site

pytestmark = pytest.mark.slow


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Tenant() as tenant:
        tenant.application.callbacks = ["http://testserver/auth0/callback/"]
        database = {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(tmp_path / "storm.sqlite3"),
            "OPTIONS": {"timeout": 20},
        }
        site = Site(tenant, database)
        site.migrate()
        yield site


@pytest.mark.parametrize(("threads", "processes"), [(1, 1), (8, 1), (8, 4)], ids=["1x1", "8x1", "8x4"])
def test_R3_one_refresh_for_all(site: Site, threads: int, processes: int) -> None:
    cookies = site.log_in()
    for _expiry in range(2):
        site.expire()
        outcome = site.storm(cookies, threads=threads, processes=processes)
        assert outcome.refreshes == 1
        assert outcome.served == threads * processes
        assert len(outcome.tokens) == 1
        assert outcome.families_revoked == 0
