"""Sites for storms, each in a database of its own on one of three engines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from django_auth0_flow.testing.tenant import Tenant
from tests.servers.mariadb import MariaDB
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis
from tests.storm.harness import Site

ENGINES = ["sqlite", "postgresql", "mariadb"]
SiteFactory = Callable[..., Site]


@pytest.fixture
def make_site(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[SiteFactory]:
    """Return a factory of migrated sites: ``make_site("postgresql", sessions="cache")``."""
    with ExitStack() as stack:

        def make(engine: str, sessions: str = "db") -> Site:
            tenant = stack.enter_context(Tenant())
            tenant.application.callbacks = ["http://testserver/auth0/callback/"]
            name = f"storm_{abs(hash(request.node.nodeid)) % 10**9}"
            site = Site(tenant, database(engine, name), **environment(sessions))
            site.migrate()
            return site

        def database(engine: str, name: str) -> dict[str, Any]:
            if engine == "postgresql":
                server: Postgres = request.getfixturevalue("postgres")
                return server.django_database(name)
            if engine == "mariadb":
                maria: MariaDB = request.getfixturevalue("mariadb")
                return maria.django_database(name)
            return {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": str(tmp_path / "storm.sqlite3"),
                "OPTIONS": {"timeout": 120},
            }

        def environment(sessions: str) -> dict[str, str]:
            found = {"TEST_SESSION_ENGINE": f"django.contrib.sessions.backends.{sessions}"}
            if sessions != "db":
                redis: Redis = request.getfixturevalue("redis_server")
                found["TEST_CACHE"] = json.dumps(redis.django_cache())
            return found

        yield make
