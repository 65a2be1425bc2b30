"""Back-channel logout: what ends, once, with every session engine, and real deliveries."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.backends import db as db_sessions
from django.core.cache import cache
from django.db import OperationalError, connection, connections
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path, resolve
from pytest_django.live_server_helper import LiveServer

from django_auth0_flow.logout.sessions import end_sessions
from django_auth0_flow.models import LoginSession
from django_auth0_flow.signals import login_session_ended
from django_auth0_flow.storage.logout_tokens import SpentLogoutToken
from django_auth0_flow.testing.tenant import Tenant
from tests import oidc_site
from tests.logout.support import PATH, LogIn, assert_done, assert_refused, name_at_home, row_of, send, sid_of
from tests.servers.fixtures import OidcProviderFactory
from tests.servers.redis import Redis
from tests.storm.harness import Site
from tests.urls import urlpatterns as site_urls

LOCAL_MEMORY = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "backchannel"}}


# -- a site with views of its own ----------------------------------------------------------------------------------------


def cycle(request: HttpRequest) -> HttpResponse:
    """Change the session key, as Django does after a change of password."""
    request.session.cycle_key()
    return HttpResponse("cycled")


def cycle_and_be_logged_out(request: HttpRequest) -> HttpResponse:
    """Change the session key and be logged out by the tenant before the new key is written down."""
    request.session.cycle_key()
    return HttpResponse(status=send(request.GET["token"]).status_code)


urlpatterns = [
    *site_urls,
    path("cycle/", cycle),
    path("cycle-and-be-logged-out/", cycle_and_be_logged_out),
    path("elsewhere/", resolve(PATH, "tests.urls").func, {"configuration": "partners"}),
]


class SessionStore(db_sessions.SessionStore):
    """A session engine (this module's) whose ``delete`` does something else first, once: ``interruption``."""

    interruption: Callable[[], None] | None = None

    def delete(self, session_key: str | None = None) -> None:
        interruption, SessionStore.interruption = SessionStore.interruption, None
        if interruption is not None:
            interruption()
        super().delete(session_key)

    @classmethod
    def get_model_class(cls) -> Any:
        return db_sessions.SessionStore.get_model_class()


@pytest.fixture
def interrupt(settings: Any) -> Iterator[Callable[[Callable[[], None]], None]]:
    """Use the session engine above; call with what its next ``delete`` does first."""
    settings.SESSION_ENGINE = __name__

    def at_next_delete(work: Callable[[], None]) -> None:
        SessionStore.interruption = staticmethod(work)

    yield at_next_delete
    SessionStore.interruption = None


# -- B1: what ends -------------------------------------------------------------------------------------------------------


def test_B1_sid_ends_that_login_only(browsers: list[Client], tenant: Tenant) -> None:
    row = row_of(browsers[0])
    assert_done(send(tenant.make_logout_token(sub=tenant.user.sub, sid=sid_of(row))))
    assert [name_at_home(client) != "nobody" for client in browsers] == [False, True, True]
    assert not LoginSession.objects.filter(pk=row.pk).exists()
    assert browsers[0].get("/bare/").status_code == 302
    assert browsers[1].get("/bare/").content == b"bare auth0|602e93db83fa6f00749a23e6"


def test_B1_sid_alone_is_enough(browsers: list[Client], tenant: Tenant) -> None:
    assert_done(send(tenant.make_logout_token(sid=sid_of(row_of(browsers[0])))))
    assert [name_at_home(client) != "nobody" for client in browsers] == [False, True, True]


def test_B1_subject_ends_all_of_that_person(browsers: list[Client], tenant: Tenant) -> None:
    assert_done(send(tenant.make_logout_token(sub=tenant.user.sub)))
    assert [name_at_home(client) != "nobody" for client in browsers] == [False, False, True]
    assert LoginSession.objects.count() == 1


def test_B1_login_without_sid_is_ended_by_subject_and_by_no_sid(log_in: LogIn, tenant: Tenant) -> None:
    tenant.fault("sid-missing")
    client = Client()
    log_in(client)
    assert row_of(client).sid_key == ""
    assert_done(send(tenant.make_logout_token(sub=tenant.user.sub, sid="another")))
    assert name_at_home(client) != "nobody"
    assert_done(send(tenant.make_logout_token(sub=tenant.user.sub)))
    assert name_at_home(client) == "nobody"


@pytest.mark.parametrize("typ", ["JWT", "jwt", "logout+jwt", "application/logout+jwt", None])
def test_B1_types_of_token_that_are_accepted(browsers: list[Client], tenant: Tenant, typ: str | None) -> None:
    def set_type(kind: str, claims: dict[str, Any], header: dict[str, Any]) -> None:
        header.update(typ=typ)
        if typ is None:
            del header["typ"]

    tenant.token_hook = set_type
    assert_done(send(tenant.make_logout_token(sid=sid_of(row_of(browsers[0])))))
    assert name_at_home(browsers[0]) == "nobody"


def test_B1_works_under_login_required_middleware(settings: Any, browsers: list[Client], tenant: Tenant) -> None:
    required = "django.contrib.auth.middleware.LoginRequiredMiddleware"
    settings.MIDDLEWARE = [*(name for name in settings.MIDDLEWARE if name != required), required]
    assert_done(send(tenant.make_logout_token(sid=sid_of(row_of(browsers[0])))))


def test_B1_stands_outside_atomic_requests() -> None:
    assert resolve(PATH).func._non_atomic_requests == set(connections)  # type: ignore[attr-defined]  # Django's mark


@pytest.mark.parametrize(
    ("engine", "caches"),
    [
        ("db", None),
        ("cached_db", LOCAL_MEMORY),
        ("cache", LOCAL_MEMORY),
        ("file", None),
        pytest.param("cache", "redis", marks=pytest.mark.slow),
        pytest.param("cached_db", "redis", marks=pytest.mark.slow),
    ],
)
def test_B1_every_session_engine(
    settings: Any, request: pytest.FixtureRequest, log_in: LogIn, tenant: Tenant, engine: str, caches: Any
) -> None:
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    if caches == "redis":
        redis: Redis = request.getfixturevalue("redis_server")
        caches = {"default": redis.django_cache()}
    if caches is not None:
        settings.CACHES = caches
    settings.SESSION_FILE_PATH = str(request.getfixturevalue("tmp_path"))
    first, second = Client(), Client()
    log_in(first)
    log_in(second)
    assert_done(send(tenant.make_logout_token(sid=sid_of(row_of(first)))))
    assert [name_at_home(first), name_at_home(second) == "nobody"] == ["nobody", False]
    assert_done(send(tenant.make_logout_token(sub=tenant.user.sub)))
    assert name_at_home(second) == "nobody"


@pytest.mark.parametrize("engine", ["db", "cached_db", "cache"])
@pytest.mark.urls(__name__)
def test_B1_session_that_changed_its_key_is_ended(
    settings: Any, log_in: LogIn, client: Client, tenant: Tenant, engine: str
) -> None:
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    settings.CACHES = LOCAL_MEMORY
    log_in(client)
    before = client.session.session_key
    client.get("/cycle/")
    row = row_of(client)
    assert row.session_key == client.session.session_key != before
    assert_done(send(tenant.make_logout_token(sid=sid_of(row))))
    assert name_at_home(client) == "nobody"


def test_B1_session_that_another_users_login_flushed_is_ended(client: Client, log_in: LogIn, tenant: Tenant) -> None:
    log_in(client)
    log_in(client, user=tenant.users["auth0|5f7c8ec7c33c6c004bbafe82"])
    row = LoginSession.objects.get()
    assert row.session_key == client.session.session_key
    assert_done(send(tenant.make_logout_token(sid=sid_of(row))))
    assert name_at_home(client) == "nobody"


@pytest.mark.urls(__name__)
def test_B1_logout_while_the_session_key_changes(client: Client, log_in: LogIn, tenant: Tenant) -> None:
    log_in(client)
    token = tenant.make_logout_token(sid=sid_of(row_of(client)))
    assert client.get("/cycle-and-be-logged-out/", {"token": token}).status_code == 200
    assert name_at_home(client) == "nobody"
    assert not db_sessions.SessionStore.get_model_class().objects.exists()


def test_B1_session_key_that_changes_during_the_logout_is_followed(
    interrupt: Any, client: Client, log_in: LogIn, tenant: Tenant
) -> None:
    log_in(client)
    row = row_of(client)
    moved = db_sessions.SessionStore()
    moved.update(client.session.items())
    moved.save()
    interrupt(lambda: row_of(client).follow_session(moved.session_key))
    assert_done(send(tenant.make_logout_token(sid=sid_of(row))))
    assert not LoginSession.objects.exists()
    assert not db_sessions.SessionStore.get_model_class().objects.exists()


def fail_to_delete() -> None:
    raise RuntimeError("this engine is down")


@pytest.mark.parametrize("repeat", ["the same token", "a new token"])
def test_X10_session_that_cannot_be_deleted_is_ended_by_the_repeat(
    interrupt: Any, client: Client, log_in: LogIn, tenant: Tenant, caplog: pytest.LogCaptureFixture, repeat: str
) -> None:
    log_in(client)
    sid = sid_of(row_of(client))
    token = tenant.make_logout_token(sid=sid)
    for _ in range(2):
        interrupt(fail_to_delete)
        response = send(token)
        assert (response.status_code, json.loads(response.content)["error"]) == (400, "server_error")
        assert response["Cache-Control"] == "private, no-store"
        assert LoginSession.objects.count() == 1
    assert "session_not_deleted" in caplog.text
    assert client.get("/bare/").status_code == 200
    assert tenant.refresh_tokens.live() == 1
    again = token if repeat == "the same token" else tenant.make_logout_token(sid=sid)
    assert_done(send(again))
    assert not LoginSession.objects.exists()
    assert name_at_home(client) == "nobody"
    assert tenant.refresh_tokens.live() == 0
    assert_refused(send(again), "This logout token was used before")


def test_X10_one_session_that_cannot_be_deleted_spares_no_other(
    interrupt: Any, browsers: list[Client], tenant: Tenant
) -> None:
    interrupt(fail_to_delete)
    token = tenant.make_logout_token(sub=tenant.user.sub)
    assert send(token).status_code == 400
    assert LoginSession.objects.count() == 2
    assert sorted(name_at_home(client) == "nobody" for client in browsers) == [False, False, True]
    assert_done(send(token))
    assert [name_at_home(client) != "nobody" for client in browsers] == [False, False, True]


def test_X10_a_logout_that_breaks_off_gives_its_token_back(
    transactional_db: None, client: Client, log_in: LogIn, tenant: Tenant
) -> None:
    """As when the server ends a worker that takes too long: SystemExit out of whatever it does."""

    def break_off(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith("DELETE") and LoginSession._meta.db_table in sql:
            raise SystemExit(1)
        return execute(sql, *rest)

    log_in(client)
    token = tenant.make_logout_token(sid=sid_of(row_of(client)))
    with connection.execute_wrapper(break_off), pytest.raises(SystemExit):
        send(token)
    assert_done(send(token))
    assert not LoginSession.objects.exists()


def test_B1_receivers_hear_of_each_login_session(browsers: list[Client], tenant: Tenant) -> None:
    heard: list[tuple[str, Any]] = []

    def receiver(reason: str, login_session: LoginSession, **kwargs: Any) -> None:
        heard.append((reason, login_session.pk))
        raise RuntimeError("a receiver's fault is its own")

    expected = {row_of(browsers[0]).pk, row_of(browsers[1]).pk}
    login_session_ended.connect(receiver)
    try:
        assert_done(send(tenant.make_logout_token(sub=tenant.user.sub)))
    finally:
        login_session_ended.disconnect(receiver)
    assert {reason for reason, _ in heard} == {"backchannel_logout"}
    assert {pk for _, pk in heard} == expected


def test_B1_the_refresh_tokens_are_revoked(browsers: list[Client], tenant: Tenant) -> None:
    assert tenant.refresh_tokens.live() == 3
    assert_done(send(tenant.make_logout_token(sub=tenant.user.sub)))
    assert tenant.refresh_tokens.live() == 1
    assert tenant.count("/oauth/revoke") == 2


def test_B1_a_tenant_that_fails_to_revoke_is_asked_once(browsers: list[Client], tenant: Tenant) -> None:
    tenant.fault("status", times=None, status=500, endpoint="revoke")
    assert_done(send(tenant.make_logout_token(sub=tenant.user.sub)))
    assert tenant.count("/oauth/revoke") == 1
    assert [name_at_home(client) != "nobody" for client in browsers] == [False, False, True]


def test_B1_unreadable_tokens_are_no_obstacle(browsers: list[Client], tenant: Tenant) -> None:
    row = row_of(browsers[0])
    token = tenant.make_logout_token(sid=sid_of(row))
    LoginSession.objects.filter(pk=row.pk).update(sealed="not sealed by us")
    assert_done(send(token))
    assert name_at_home(browsers[0]) == "nobody"


def test_B1_several_logins_cost_the_same_queries_to_find(
    browsers: list[Client], tenant: Tenant, django_assert_max_num_queries: Any
) -> None:
    token = tenant.make_logout_token(sid=sid_of(row_of(browsers[0])))
    with django_assert_max_num_queries(7):  # record the jti within a savepoint (3), find, end the session (2), delete
        assert_done(send(token))


@pytest.mark.urls(__name__)
def test_B1_only_logins_of_the_client_that_was_told(
    settings: Any, browsers: list[Client], tenant: Tenant, auth0_settings: Any
) -> None:
    ours = auth0_settings()
    settings.AUTH0 = {
        "default": ours,
        "twin": {**ours, "AUDIENCE": "https://other.example.com"},
        "partners": {**ours, "CLIENT_ID": "another-client"},
        "broken": {},
    }
    rows = [row_of(client) for client in browsers]
    LoginSession.objects.filter(pk=rows[0].pk).update(configuration="twin")
    LoginSession.objects.filter(pk=rows[1].pk).update(configuration="partners")
    assert_done(send(tenant.make_logout_token(sub=tenant.user.sub)))
    assert [name_at_home(client) != "nobody" for client in browsers] == [False, True, True]
    theirs = tenant.make_logout_token(sub=tenant.user.sub, client_id="another-client")
    assert_refused(send(theirs), "aud")
    assert_done(send(theirs, to="/elsewhere/"))
    assert name_at_home(browsers[1]) == "nobody"


def test_end_sessions_needs_to_know_whose(auth0_settings: Any, db: None) -> None:
    with pytest.raises(ValueError, match="sid or a subject"):
        end_sessions("default", sid="", subject=None)


# -- B6: replay ----------------------------------------------------------------------------------------------------------


def test_B6_replayed_token_spares_a_later_login(client: Client, log_in: LogIn, tenant: Tenant) -> None:
    log_in(client)
    token = tenant.make_logout_token(sub=tenant.user.sub)
    assert_done(send(token))
    log_in(client)
    assert_refused(send(token), "This logout token was used before")
    tenant.clock.advance(119 + 59)  # still within exp and leeway: the record must be there
    assert_refused(send(token), "This logout token was used before")
    assert name_at_home(client) != "nobody"
    assert SpentLogoutToken.objects.get().expires_at >= tenant.clock.now()
    tenant.clock.advance(10)
    assert_refused(send(token), "exp")


def test_B6_the_same_jti_of_another_issuer_is_another(db: None) -> None:
    assert SpentLogoutToken.objects.spend("https://a.example.com/", "1", expires_at=1e12)
    assert SpentLogoutToken.objects.spend("https://b.example.com/", "1", expires_at=1e12)
    assert not SpentLogoutToken.objects.spend("https://a.example.com/", "1", expires_at=1e12)


def test_B6_token_stays_good_when_the_database_fails(
    transactional_db: None, browsers: list[Client], tenant: Tenant
) -> None:
    def block(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith("DELETE") and LoginSession._meta.db_table in sql:
            raise OperationalError("the database is tired")
        return execute(sql, *rest)

    token = tenant.make_logout_token(sid=sid_of(row_of(browsers[0])))
    with connection.execute_wrapper(block):
        response = send(token)
    assert (response.status_code, json.loads(response.content)["error"]) == (400, "server_error")
    assert response["Cache-Control"] == "private, no-store"
    assert_done(send(token))
    assert LoginSession.objects.count() == 2


SPEND = """
import threading
from urllib.parse import urlencode
from django.db import connections
from django.test import Client
from django_auth0_flow.conf import get_client
token, statuses, gate = sys.argv[1], [], threading.Barrier(4)
get_client().issuer.signing_keys(None)

def send():
    gate.wait()
    form = urlencode({"logout_token": token})
    answer = Client().post("/auth0/backchannel-logout/", form, content_type="application/x-www-form-urlencoded")
    statuses.append(answer.status_code)
    connections.close_all()

threads = [threading.Thread(target=send) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(json.dumps(statuses))
"""


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def real_site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """The test project as other processes run it, on each database."""
    if request.param == "sqlite":
        name = str(tmp_path / "backchannel.sqlite3")
        database = {"ENGINE": "django.db.backends.sqlite3", "NAME": name, "OPTIONS": {"timeout": 120}}
    else:
        database = request.getfixturevalue(request.param).django_database("backchannel")
    with Tenant() as tenant:
        tenant.application.callbacks = ["http://testserver/auth0/callback/"]
        site = Site(tenant, database)
        site.migrate()
        yield site


@pytest.mark.slow
def test_B6_one_of_many_processes_wins(real_site: Site) -> None:
    real_site.log_in()
    token = real_site.tenant.make_logout_token(sub=real_site.tenant.user.sub)
    with ThreadPoolExecutor(3) as pool:
        printed = list(pool.map(lambda _: real_site.run(SPEND, token), range(3)))
    statuses = sorted(status for line in printed for status in json.loads(line))
    assert statuses == [200] + [400] * 11
    left = real_site.run("from django_auth0_flow.models import LoginSession; print(LoginSession.objects.count())")
    assert left == "0"


# With cookies alone: the sid of the first login. With a logout token too: its answer, then those of a protected page.
LOG_OUT = """
from urllib.parse import urlencode
from django.test import Client
from django_auth0_flow.models import LoginSession
browsers = []
for cookie in json.loads(sys.argv[1]):
    browsers.append(Client())
    browsers[-1].cookies["sessionid"] = cookie
if len(sys.argv) == 2:
    print(LoginSession.objects.get(pk=browsers[0].session["_auth0"]["id"]).grant.claims["sid"])
else:
    form = urlencode({"logout_token": sys.argv[2]})
    answer = Client().post("/auth0/backchannel-logout/", form, content_type="application/x-www-form-urlencoded")
    print(json.dumps([answer.status_code, [browser.get("/bare/").status_code for browser in browsers]]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("sessions", ["db", "cache", "cached_db"])
def test_B1_every_database_with_every_kind_of_session(real_site: Site, redis_server: Redis, sessions: str) -> None:
    real_site.environment["TEST_SESSION_ENGINE"] = f"django.contrib.sessions.backends.{sessions}"
    real_site.environment["TEST_CACHE"] = json.dumps(redis_server.django_cache())
    tenant, cookies = real_site.tenant, real_site.log_in(2)
    sid = real_site.run(LOG_OUT, json.dumps(cookies))
    by_sid = real_site.run(LOG_OUT, json.dumps(cookies), tenant.make_logout_token(sid=sid))
    assert json.loads(by_sid) == [200, [302, 200]]
    by_subject = real_site.run(LOG_OUT, json.dumps(cookies[1:]), tenant.make_logout_token(sub=tenant.user.sub))
    assert json.loads(by_subject) == [200, [302]]


# -- B9: nobody meant ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [{"sid": "unknown"}, {"sub": "auth0|unknown"}, {"sub": "auth0|u", "sid": "s" * 5000}])
def test_B9_unknown_sid_or_subject_is_calm(browsers: list[Client], tenant: Tenant, names: dict[str, str]) -> None:
    assert_done(send(tenant.make_logout_token(**names)))
    assert all(name_at_home(client) != "nobody" for client in browsers)


def test_B9_again_is_calm(browsers: list[Client], tenant: Tenant) -> None:
    for _ in range(2):
        assert_done(send(tenant.make_logout_token(sub=tenant.user.sub)))
    assert name_at_home(browsers[2]) != "nobody"


# -- a refresh under way -------------------------------------------------------------------------------------------------


def test_late_refresh_is_discarded_and_revoked(
    transactional_db: None, client: Client, log_in: LogIn, tenant: Tenant
) -> None:
    """The logout comes while the tenant is answering the refresh: what it answers ends too."""
    log_in(client)
    tenant.clock.advance(90_000)
    token = tenant.make_logout_token(sid=sid_of(row_of(client)))
    shared: Any = connections["default"]
    statuses: list[int] = []
    shared.inc_thread_sharing()

    def log_out_meanwhile(kind: str, claims: dict[str, Any], header: dict[str, Any]) -> None:
        if kind == "access_token" and not statuses:
            connections["default"] = shared  # the test's own connection: it waits for the tenant meanwhile
            statuses.append(send(token).status_code)

    tenant.token_hook = log_out_meanwhile
    try:
        response = client.get("/token/")
    finally:
        shared.dec_thread_sharing()
    assert statuses == [200]
    assert (response.status_code, response["Location"].split("?")[0]) == (302, "/auth0/login/")
    assert tenant.count("/oauth/token", grant_type="refresh_token") == 1
    assert tenant.refresh_tokens.live() == 0
    assert tenant.count("/oauth/revoke") == 2  # the one that was stored, then the late one
    assert not LoginSession.objects.exists()
    assert name_at_home(client) == "nobody"


# -- real deliveries -----------------------------------------------------------------------------------------------------


def end_server_threads() -> None:
    """Wait for a live server's threads: they share the test's database connection."""
    for thread in threading.enumerate():
        if "process_request_thread" in thread.name:
            thread.join(120)


def test_B1_the_tenant_delivers(
    live_server: LiveServer, client: Client, log_in: LogIn, tenant: Tenant, transactional_db: None
) -> None:
    tenant.application.backchannel_logout_uri = live_server.url + PATH
    log_in(client)
    tenant.end_sessions(tenant.user.sub)
    for thread in threading.enumerate():
        if thread.name == "logout-token":
            thread.join(120)
    end_server_threads()
    assert tenant.logout_deliveries == [(live_server.url + PATH, 200)]
    assert name_at_home(client) == "nobody"


@pytest.mark.slow
def test_B1_a_certified_provider_delivers(
    oidc_provider: OidcProviderFactory, settings: Any, live_server: LiveServer, transactional_db: None
) -> None:
    cache.clear()
    site = oidc_site.Site(oidc_provider(apiScopes=["read:things"]), settings, live_server.url)
    site.register(backchannel_logout_uri=live_server.url + PATH)
    other = site.another_person()
    for person, name in ((site, "auth0|ada"), (other, "auth0|grace")):
        assert person.log_in(name).status_code == 302
    site.browser.logout(f"{site.provider.issuer}oidc/logout")
    end_server_threads()
    assert site.provider.counts()["backchannel_logouts"] == {"ok": 1, "failed": 0}
    assert name_at_home(site.client) == "nobody"
    assert other.get("/bare/").content == b"bare auth0|grace"
    assert LoginSession.objects.get().identity.subject == "auth0|grace"
    cache.clear()
