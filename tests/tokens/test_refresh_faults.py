"""Refresh when things break: workers killed, connections lost, disks full, clocks that step.

After each fault: who is still logged in, what was lost, how long a request waited (``asks`` and ``visit`` measure it). The
workers that die run in processes of their own; what they do is told to them as code, so that nothing here is patched in the
process under test.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from django_auth0_flow.conf import clear_caches, get_settings
from django_auth0_flow.models import LoginSession
from django_auth0_flow.protocol.errors import TransportError
from django_auth0_flow.testing.tenant import Tenant
from django_auth0_flow.tokens.source import StoredTokenSource
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis
from tests.storm.harness import Site
from tests.storm.kills import DEATHS, DIES_AFTER_THE_ANSWER, DIES_BEFORE_THE_CALL, FETCH, begin_lease, run_to_death

DAY = 86400
#: Seconds that no request is to wait longer, where nothing is slow: below the default of REFRESH_WAIT.
WAIT = 10
#: The same after a worker was killed that had begun to refresh.
KILLED_WAIT = 15
LOGIN = (302, "/auth0/login/?next=%2Ftoken%2F")

ASKS = """
from django.test import Client
client = Client()
client.cookies["sessionid"] = sys.argv[1]
import time
started = time.monotonic()
response = client.get("/token/")
print(json.dumps([response.status_code, response.get("Location", ""), time.monotonic() - started]))
"""
EXPIRES_WITHIN_THE_MARGIN = """
import time
from dataclasses import replace
from django_auth0_flow.protocol.grant import Grant
from django_auth0_flow.models import LoginSession
row = LoginSession.objects.get()
lived = replace(row.grant.tokens, obtained_at=time.time() - 80000, expires_at=time.time() + 600)
row.grant = Grant(lived, row.grant.claims)
row.save()
"""
LEASE_RUNS_OUT = """
from datetime import timedelta
from django.utils import timezone
from django_auth0_flow.models import LoginSession
LoginSession.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
"""
LEASES = """
from django_auth0_flow.models import LoginSession
print(LoginSession.objects.exclude(lease="").count())
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Tenant() as tenant:
        tenant.application.callbacks = ["http://testserver/auth0/callback/"]
        database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "site.sqlite3")}
        site = Site(tenant, database)
        site.migrate()
        yield site


def asks(site: Site, cookie: str, *, code: str = ASKS, within: float = WAIT) -> tuple[int, str]:
    """Ask for the token in a process of its own; return status and address of the answer, which came in time."""
    status, location, seconds = json.loads(site.run(code, cookie))
    assert seconds < within
    return status, location


def visit(client: Client, path: str = "/token/", *, within: float = WAIT) -> tuple[int, str]:
    """As ``asks``, in this process."""
    started = time.monotonic()
    response = client.get(path)
    assert time.monotonic() - started < within
    return response.status_code, response.get("Location", "")


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["sqlite", "postgresql", "mariadb"])
@pytest.mark.parametrize("die", DEATHS)
def test_a_killed_worker_costs_a_wait_and_no_error(
    request: pytest.FixtureRequest, tmp_path: Path, engine: str, die: Callable[[Site], None]
) -> None:
    """Those who come while the dead worker still has the lease wait for its end; one of them takes over for all."""
    if engine == "sqlite":
        path = str(tmp_path / "site.sqlite3")
        database: dict[str, Any] = {"ENGINE": "django.db.backends.sqlite3", "NAME": path, "OPTIONS": {"timeout": 20}}
    else:
        server = request.getfixturevalue("postgres" if engine == "postgresql" else "mariadb")
        database = server.django_database(f"killed_{die.__name__}_{engine}")
    with Tenant() as tenant:
        tenant.application.callbacks = ["http://testserver/auth0/callback/"]
        tenant.application.overlap = 60
        site = Site(tenant, database)
        # Shorter than the default, so that the lease is; the wait follows from it.
        site.environment["TEST_AUTH0"] = json.dumps({**json.loads(site.environment["TEST_AUTH0"]), "HTTP_TIMEOUT": 4})
        site.migrate()
        cookies = site.log_in()
        site.expire()
        die(site)
        outcome = site.storm(cookies, threads=4, processes=2, just_before=lambda: begin_lease(site))
        assert [answer["status"] for answer in outcome.answers] == [200] * 8
        assert len(outcome.tokens) == 1
        assert 1 < outcome.slowest < KILLED_WAIT, "they came while the lease was held"
        assert tenant.families_revoked == 0
        assert site.run(LEASES) == "0"


def test_by_default_the_wait_outlasts_the_lease_of_a_killed_worker(auth0_settings: Callable[..., Any]) -> None:
    for timeout in (0.5, 10, 15):
        auth0_settings(HTTP_TIMEOUT=timeout)
        conf = get_settings()
        assert conf.http_timeout < conf.refresh_lease < conf.refresh_wait
    auth0_settings()
    assert get_settings().refresh_lease < get_settings().refresh_wait <= KILLED_WAIT


@pytest.mark.slow
class TestKilledHolders:
    def test_while_the_dead_holder_has_the_lease_a_request_waits_no_longer_than_told(self, site: Site) -> None:
        auth0 = {**json.loads(site.environment["TEST_AUTH0"]), "REFRESH_WAIT": 1}
        site.environment["TEST_AUTH0"] = json.dumps(auth0)
        cookie = site.log_in()[0]
        site.expire()
        run_to_death(site, DIES_BEFORE_THE_CALL)
        assert asks(site, cookie)[0] == 503, "sooner than by the default of REFRESH_WAIT"
        site.run(LEASE_RUNS_OUT)
        assert asks(site, cookie)[0] == 200

    def test_killed_after_the_answer_without_overlap_is_a_clean_login(self, site: Site) -> None:
        """The one case in which a grant is lost: nobody knows the rotated token any more."""
        cookie = site.log_in()[0]
        site.expire()
        run_to_death(site, DIES_AFTER_THE_ANSWER)
        site.run(LEASE_RUNS_OUT)
        assert asks(site, cookie) == LOGIN


@pytest.mark.slow
class TestDatabase:
    def test_connection_lost_between_the_answer_and_the_save(self, postgres: Postgres) -> None:
        with Tenant() as tenant:
            tenant.application.callbacks = ["http://testserver/auth0/callback/"]
            site = Site(tenant, postgres.django_database("connection_lost"))
            site.migrate()
            cookie = site.log_in()[0]
            site.expire()
            token = site.run(
                FETCH
                + """
from django.db import connection
def answered(*arguments, **keywords):
    answer = refresh(*arguments, **keywords)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
    other.close()
    return answer
client.refresh = answered
print(bool(StoredTokenSource(row.pk).access_token().access_token))
"""
            )
            assert token == "True"
            site.expire()
            assert asks(site, cookie)[0] == 200
            assert tenant.families_revoked == 0

    def test_disk_full_at_the_save_serves_the_request_and_saves_afterwards(self, site: Site) -> None:
        cookie = site.log_in()[0]
        site.expire()
        printed = site.run(
            FETCH
            + """
from django.db import OperationalError
save = LoginSession.save_grant
failures = []
def full(row, grant, *, refreshed_at):
    if len(failures) < 3:
        failures.append(1)
        raise OperationalError("database or disk is full")
    return save(row, grant, refreshed_at=refreshed_at)
LoginSession.save_grant = full
from django.test import Client
browser = Client()
browser.cookies["sessionid"] = sys.argv[1]
print(browser.get("/token/").status_code, len(failures))
""",
            cookie,
        )
        assert printed == "200 3"
        site.expire()
        assert asks(site, cookie)[0] == 200
        assert site.tenant.families_revoked == 0

    def test_disk_that_is_full_before_the_refresh_asks_the_tenant_nothing(self, site: Site) -> None:
        """The kernel lets no file grow: no lease can be taken, and what the tenant rotated to could not be kept."""
        cookie = site.log_in()[0]
        site.expire()
        full = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))"
        assert asks(site, cookie, code=full + ASKS)[0] == 503
        assert site.tenant.count("/oauth/token", grant_type="refresh_token") == 0
        assert asks(site, cookie)[0] == 200
        assert site.tenant.families_revoked == 0

    def test_full_disk_is_no_matter_while_the_token_lives(self, site: Site) -> None:
        cookie = site.log_in()[0]
        auth0 = {**json.loads(site.environment["TEST_AUTH0"]), "REFRESH_MARGIN": 3600}
        site.environment["TEST_AUTH0"] = json.dumps(auth0)
        full = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))"
        site.run(EXPIRES_WITHIN_THE_MARGIN)
        assert asks(site, cookie, code=full + ASKS)[0] == 200
        assert site.tenant.count("/oauth/token", grant_type="refresh_token") == 0

    @pytest.mark.parametrize("overlap", [60, 0])
    def test_disk_that_is_full_at_the_save(self, site: Site, overlap: int) -> None:
        """No page is left for longer tokens: this request is served, the next one as the overlap allows."""
        site.tenant.application.overlap = overlap
        cookie = site.log_in()[0]
        site.expire()
        database = json.loads(site.environment["TEST_DATABASE"])
        with closing(sqlite3.connect(database["NAME"])) as connection:
            connection.execute("VACUUM")
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
        site.tenant.token_hook = lambda kind, claims, header: claims.update(long="x" * 20_000)
        database["OPTIONS"] = {"init_command": f"PRAGMA max_page_count = {pages}"}
        full = Site(site.tenant, database)
        assert asks(full, cookie)[0] == 200
        status, location = asks(site, cookie)
        assert site.tenant.count("/oauth/token", grant_type="refresh_token") == 2
        assert (status, "login" in location) == ((200, False) if overlap else (302, True))
        assert site.tenant.families_revoked == (0 if overlap else 1)

    def test_no_second_connection_for_a_refresh_inside_a_transaction(self, postgres: Postgres) -> None:
        """The pool is used up: the caller's own connection must do, and the rotation outlives its rollback."""
        with Tenant() as tenant:
            tenant.application.callbacks = ["http://testserver/auth0/callback/"]
            database = postgres.django_database("pool_used_up")
            plain = Site(tenant, database)
            plain.migrate()
            cookie = plain.log_in()[0]
            plain.expire()
            pool = {"pool": {"min_size": 1, "max_size": 1, "timeout": 0.5}}
            site = Site(tenant, {**database, "OPTIONS": pool}, TEST_ATOMIC_REQUESTS="1")
            assert asks(site, cookie, code=ASKS.replace("/token/", "/unmarked-token/"))[0] == 200
            assert tenant.count("/oauth/token", grant_type="refresh_token") == 1
            plain.expire()
            assert asks(plain, cookie)[0] == 200
            assert tenant.families_revoked == 0

    def test_work_that_its_owner_commits_by_hand_is_not_given_back_with_the_connection(
        self, postgres: Postgres
    ) -> None:
        with Tenant() as tenant:
            site = Site(tenant, {**postgres.django_database("by_hand"), "OPTIONS": {"pool": True}})
            auth0 = {**json.loads(site.environment["TEST_AUTH0"]), "RELEASE_CONNECTIONS": True}
            site.environment["TEST_AUTH0"] = json.dumps(auth0)
            site.migrate()
            found = site.run(
                """
from django.contrib.auth.models import User
from django.db import transaction
from django_auth0_flow.tokens.connection_pool import give_back_connection
transaction.set_autocommit(False)
User.objects.create_user("ada")
give_back_connection("default")
transaction.commit()
transaction.set_autocommit(True)
print(User.objects.count())
"""
            )
            assert found.strip() == "1"

    @pytest.mark.parametrize("engine", ["postgresql", "mariadb"])
    def test_rotation_inside_a_rolled_back_transaction_stays(self, request: pytest.FixtureRequest, engine: str) -> None:
        """The refresh runs on a connection of its own, holds no lock in the caller's transaction and commits by itself."""
        server = request.getfixturevalue("postgres" if engine == "postgresql" else "mariadb")
        with Tenant() as tenant:
            tenant.application.callbacks = ["http://testserver/auth0/callback/"]
            site = Site(tenant, server.django_database(f"rolled_back_{engine}"))
            site.migrate()
            cookie = site.log_in()[0]
            site.expire()
            site.run(
                FETCH
                + """
from django.db import transaction
with transaction.atomic():
    StoredTokenSource(row.pk).access_token()
    transaction.set_rollback(True)
assert LoginSession.objects.get().version == row.version + 1
"""
            )
            site.expire()
            assert asks(site, cookie)[0] == 200
            assert tenant.count("/oauth/token", grant_type="refresh_token") == 2
            assert tenant.families_revoked == 0


class TestParallelSessions:
    def test_tab_that_saves_its_session_meanwhile_takes_nothing_along(
        self, logged_in_client: Client, tenant: Tenant
    ) -> None:
        other_tab = logged_in_client.session
        other_tab["shopping"] = "cart"
        tenant.clock.advance(DAY)
        assert logged_in_client.get("/token/").status_code == 200
        other_tab.save()
        tenant.clock.advance(DAY)
        assert logged_in_client.get("/token/").status_code == 200
        assert tenant.families_revoked == 0

    def test_session_row_and_cookie_hold_no_token(self, logged_in_client: Client) -> None:
        tokens = LoginSession.objects.get().grant.tokens
        kept = json.dumps(dict(logged_in_client.session.items())) + str(logged_in_client.cookies)
        for secret in (tokens.access_token, tokens.refresh_token, tokens.id_token):
            assert secret
            assert secret not in kept


class TestSurroundings:
    def test_flushed_cache_costs_a_fetch_and_no_login(self, logged_in_client: Client, tenant: Tenant) -> None:
        cache.clear()
        clear_caches()
        tenant.clock.advance(DAY)
        assert visit(logged_in_client)[0] == 200

    @pytest.mark.slow
    @pytest.mark.parametrize("during_the_refresh", [False, True], ids=["before", "during"])
    @pytest.mark.parametrize("sessions", ["cached_db", "cache"])
    def test_flushed_redis(
        self,
        redis_server: Redis,
        client: Client,
        log_in: Callable[..., Any],
        tenant: Tenant,
        settings: Any,
        sessions: str,
        during_the_refresh: bool,
    ) -> None:
        """Sessions that are nowhere else are gone: a clean login. The tokens, and those that the database has, stay."""
        settings.CACHES = {"default": redis_server.django_cache()}
        settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{sessions}"
        log_in(client)
        tenant.clock.advance(DAY)
        if during_the_refresh:
            tenant.token_hook = lambda kind, claims, header: cache.clear()
            assert visit(client)[0] == 200  # the session had been read
            tenant.token_hook = None
        else:
            cache.clear()
        assert visit(client) == ((200, "") if sessions == "cached_db" else LOGIN)
        assert LoginSession.objects.get().version == (2 if during_the_refresh or sessions == "cached_db" else 1)
        log_in(client)
        tenant.clock.advance(DAY)
        assert visit(client)[0] == 200
        assert tenant.families_revoked == 0

    def test_cache_that_is_down_costs_a_fetch_and_no_login(
        self, client: Client, log_in: Callable[..., Any], settings: Any
    ) -> None:
        settings.CACHES = {
            "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:9"}
        }
        assert log_in(client).status_code == 302
        assert visit(client)[0] == 200

    @pytest.mark.parametrize("step", [-2 * DAY, -1, 20 * DAY])
    def test_clock_that_jumps_and_comes_back(self, logged_in_client: Client, tenant: Tenant, step: float) -> None:
        """Everybody's clock: nobody is logged out, and no more is asked of the tenant than one refresh per expiry."""
        for jump in (step, -step, step, -step):
            tenant.clock.advance(jump)
            assert visit(logged_in_client)[0] == 200
        tenant.clock.advance(21 * DAY)
        assert visit(logged_in_client)[0] == 200
        assert tenant.count("/oauth/token", grant_type="refresh_token") == (2 if step == 20 * DAY else 1)
        assert tenant.families_revoked == 0

    def test_clock_that_jumps_past_the_life_of_the_refresh_token_is_a_clean_login(
        self, logged_in_client: Client, tenant: Tenant
    ) -> None:
        tenant.clock.advance(40 * DAY)
        assert visit(logged_in_client) == LOGIN

    def test_clock_that_jumps_back_after_a_failure_keeps_nobody_waiting(
        self, logged_in_client: Client, tenant: Tenant
    ) -> None:
        """When to ask again was written down by a clock that was wrong by days."""
        tenant.clock.advance(20 * DAY)
        tenant.fault("rate-limit", times=None)
        assert visit(logged_in_client)[0] == 503
        tenant.clear_faults()
        tenant.clock.advance(-18 * DAY)
        assert visit(logged_in_client)[0] == 200
        assert tenant.count("/oauth/token", grant_type="refresh_token") == 2

    def test_own_clock_far_ahead_refreshes_and_keeps_the_login(
        self, logged_in_client: Client, tenant: Tenant, auth0_settings: Callable[..., Any]
    ) -> None:
        auth0_settings(CLOCK=lambda: tenant.clock.now() + 2 * DAY)
        assert visit(logged_in_client)[0] == 200
        auth0_settings()
        assert visit(logged_in_client)[0] == 200
        assert tenant.count("/oauth/token", grant_type="refresh_token") == 1

    def test_row_that_was_deleted_is_a_login(self, logged_in_client: Client) -> None:
        LoginSession.objects.all().delete()
        assert visit(logged_in_client) == LOGIN

    @pytest.mark.parametrize(("status", "calls"), [(503, 1), (429, 1), (None, 2)], ids=["503", "429", "answer-lost"])
    def test_only_a_lost_answer_is_asked_for_once_more(
        self, logged_in_client: Client, tenant: Tenant, status: int | None, calls: int
    ) -> None:
        tenant.clock.advance(DAY + 1)
        tenant.fault("status" if status else "drop-after", times=None, **({"status": status} if status else {}))
        tenant.clear_log()
        assert logged_in_client.get("/token/").status_code == 503
        assert tenant.count("/oauth/token") == calls

    def test_who_waited_for_a_refresh_that_failed_does_not_fail_it_again(
        self, logged_in_client: Client, tenant: Tenant
    ) -> None:
        """Another worker has read the row before, and gets the lease as soon as it is free."""
        pk = LoginSession.objects.get().pk
        sources = [StoredTokenSource(pk), StoredTokenSource(pk)]
        assert all(source.row.pk == pk for source in sources)
        tenant.clock.advance(DAY + 1)
        tenant.fault("status", status=503)
        tenant.clear_log()
        for source in sources:
            with pytest.raises(TransportError):
                source.access_token()
        assert tenant.count("/oauth/token") == 1
        tenant.clock.advance(2)
        assert sources[1].access_token().access_token

    def test_tenant_down_then_up(self, logged_in_client: Client, tenant: Tenant) -> None:
        tenant.clock.advance(DAY)
        tenant.stop()
        response = logged_in_client.get("/token/")
        assert response.status_code == 503
        assert int(response["Retry-After"]) >= 1
        tenant.start()
        tenant.clock.advance(5)
        assert visit(logged_in_client)[0] == 200

    def test_slow_tenant_is_waited_for_no_longer_than_the_timeout(
        self, logged_in_client: Client, tenant: Tenant, auth0_settings: Callable[..., Any]
    ) -> None:
        auth0_settings(HTTP_TIMEOUT=0.3)
        tenant.clock.advance(DAY)
        tenant.fault("slow", times=None, seconds=300)
        assert visit(logged_in_client, within=120)[0] == 503
        tenant.clear_faults()
        auth0_settings()
        tenant.clock.advance(5)
        assert visit(logged_in_client)[0] == 200
        assert tenant.families_revoked == 0

    def test_an_answer_lost_late_is_not_waited_for_a_second_time(
        self, logged_in_client: Client, tenant: Tenant, auth0_settings: Callable[..., Any]
    ) -> None:
        """Half of the timeout is over: the second try would make the visitor wait longer than the setting says."""
        auth0_settings(HTTP_TIMEOUT=1)
        tenant.clock.advance(DAY)
        asked: list[str] = []

        def late(kind: str, claims: dict[str, Any], header: dict[str, Any]) -> None:
            asked.append(kind)
            hurry.wait(300)

        hurry = threading.Event()
        tenant.token_hook = late
        try:
            assert visit(logged_in_client, "/unmarked-token/", within=120)[0] == 503
            assert asked.count("access_token") == 1
        finally:
            hurry.set()

    def test_source_for_a_row_that_is_gone_says_so(self, logged_in_client: Client) -> None:
        source = StoredTokenSource(LoginSession.objects.get().pk)
        assert source.access_token().access_token
        assert repr(source.tokens).count("ey") == 0


def test_W3_session_key_changes_also_when_the_same_user_logs_in_again(
    logged_in_client: Client, log_in: Callable[..., Any]
) -> None:
    before = logged_in_client.cookies["sessionid"].value
    assert log_in(logged_in_client).status_code == 302
    after = logged_in_client.cookies["sessionid"].value
    assert after != before
    assert LoginSession.objects.get().session_key == after
    stale = Client()
    stale.cookies["sessionid"] = before
    assert stale.get("/").content == b"home of nobody"
