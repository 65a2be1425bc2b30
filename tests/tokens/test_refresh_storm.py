"""R3: any number of threads and processes on an expired login make one token request, and nobody is logged out.

Each row is a session store and a worker model, each column an engine; ``pytest tests/tokens/test_refresh_storm.py``
ends with the table: refresh calls / requests served / refresh token families revoked.
"""

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
from tests.storm.harness import Outcome, Site
from tests.storm.servers import MODELS, ONE_PROCESS, http_storm, serving

pytestmark = pytest.mark.slow

ENGINES = ["sqlite", "postgresql", "mariadb"]
#: Views with the decorator, without it, and async.
PATHS = ["/token/", "/unmarked-token/", "/async-token/"]
SiteFactory = Callable[..., Site]
Judge = Callable[[Outcome, int], None]


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


@pytest.fixture(scope="module", autouse=True)
def table(request: pytest.FixtureRequest) -> Iterator[dict[str, dict[str, str]]]:
    """The figures by row and engine; shown when all tests have run."""
    rows: dict[str, dict[str, str]] = {}
    yield rows
    plugins: Any = request.config.pluginmanager
    reporter, capture = (plugins.get_plugin(name) for name in ("terminalreporter", "capturemanager"))
    if rows and reporter and capture:
        lines = [["", *ENGINES], ["---"] * (1 + len(ENGINES))]
        lines += [[name, *(row.get(engine, "") for engine in ENGINES)] for name, row in rows.items()]
        with capture.global_and_fixture_disabled():
            reporter.write_line("")
            for line in lines:
                reporter.write_line(f"| {' | '.join(line)} |")


@pytest.fixture
def assert_one_refresh(request: pytest.FixtureRequest, table: dict[str, dict[str, str]]) -> Judge:
    """Return what judges a storm; each one of a test, if several, has its figures in the table."""
    parameters: dict[str, Any] = dict(request.node.callspec.params)
    engine = parameters.pop("engine")
    row = table.setdefault(", ".join(f"{name} {value}" for name, value in parameters.items()), {})

    def judge(outcome: Outcome, requests: int) -> None:
        figures = f"{outcome.refreshes} / {outcome.served} of {requests} / {outcome.families_revoked}"
        row[engine] = "; ".join(dict.fromkeys([*filter(None, [row.get(engine)]), figures]))
        assert [answer["status"] for answer in outcome.answers] == [200] * requests
        assert outcome.refreshes == 1
        assert len(outcome.tokens) == 1
        assert outcome.families_revoked == 0

    return judge


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("threads", "processes"), [(1, 1), (8, 1), (8, 4)], ids=["1x1", "8x1", "8x4"])
def test_R3_one_refresh_for_all(
    make_site: SiteFactory, assert_one_refresh: Judge, engine: str, threads: int, processes: int
) -> None:
    site = make_site(engine)
    cookies = site.log_in()
    for _expiry in range(2):
        site.expire()
        assert_one_refresh(site.storm(cookies, threads=threads, processes=processes), threads * processes)


@pytest.mark.parametrize("sessions", ["cache", "cached_db"])
@pytest.mark.parametrize("engine", ENGINES)
def test_R3_with_sessions_in_redis(
    make_site: SiteFactory, assert_one_refresh: Judge, engine: str, sessions: str
) -> None:
    site = make_site(engine, sessions)
    cookies = site.log_in()
    site.expire()
    assert_one_refresh(site.storm(cookies, threads=8, processes=2), 16)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("engine", ENGINES)
def test_R3_under_real_servers(make_site: SiteFactory, assert_one_refresh: Judge, engine: str, model: str) -> None:
    site = make_site(engine)
    cookies = site.log_in()
    with serving(site, model) as address:
        for path in (*PATHS, PATHS[0]):
            site.expire()
            assert_one_refresh(http_storm(site, address, cookies, requests_at_once=32, path=path), 32)


def test_pooled_connection_is_not_held_while_the_tenant_answers(postgres: Postgres) -> None:
    """One database connection for sixteen threads, a tenant that takes five seconds: logins wait for it side by side."""
    with Tenant() as tenant:
        tenant.application.callbacks = ["http://testserver/auth0/callback/"]
        database = postgres.django_database("storm_pool")
        plain = Site(tenant, database)
        plain.migrate()
        cookies = plain.log_in(8)
        plain.expire()
        pooled = Site(tenant, {**database, "OPTIONS": {"pool": {"min_size": 1, "max_size": 1, "timeout": 120}}})
        auth0 = {**json.loads(pooled.environment["TEST_AUTH0"]), "RELEASE_CONNECTIONS": True}
        pooled.environment["TEST_AUTH0"] = json.dumps(auth0)
        tenant.fault("slow", times=None, seconds=5, endpoint="token")
        with serving(pooled, ONE_PROCESS) as address:
            outcome = http_storm(pooled, address, cookies, requests_at_once=16, path="/token/")
    assert outcome.served == 16
    assert outcome.refreshes == 8
    assert outcome.slowest < 8 * 5 / 2


@pytest.mark.parametrize("engine", ENGINES)
def test_many_logins_at_once_do_not_wait_for_each_other(make_site: SiteFactory, engine: str) -> None:
    """Eight expired logins, a tenant that takes its time: the slowest request waits for its own refresh only."""
    site = make_site(engine)
    cookies = site.log_in(8)
    site.expire()
    site.tenant.fault("slow", times=None, seconds=3, endpoint="token")
    outcome = site.storm(cookies, threads=8, processes=2)
    assert outcome.served == 16
    assert outcome.refreshes == 8
    assert outcome.families_revoked == 0
    assert outcome.slowest < 8 * 3
