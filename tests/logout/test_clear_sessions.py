"""``auth0_clearsessions``: what is dead goes, in bounded batches; what is alive or under way stays."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from django.utils import timezone

from django_auth0_flow.logout import cleanup
from django_auth0_flow.models import Identity, LoginSession
from django_auth0_flow.protocol.grant import Grant
from django_auth0_flow.signals import login_session_ended
from django_auth0_flow.storage.logout_tokens import SpentLogoutToken
from django_auth0_flow.testing.tenant import Tenant
from tests.servers.redis import Redis
from tests.urls import urlpatterns as site_urls

LogIn = Callable[..., Any]


def cycle_and_clear(request: HttpRequest) -> HttpResponse:
    """Change the session key and let the clean-up run before the new key is written down."""
    request.session.cycle_key()
    return HttpResponse(clear())


urlpatterns = [*site_urls, path("cycle-and-clear/", cycle_and_clear)]


def clear(*arguments: str) -> str:
    output = StringIO()
    call_command("auth0_clearsessions", *arguments, stdout=output)
    return output.getvalue().strip()


def pass_time(seconds: float = cleanup.MISSING_SECONDS + 1) -> None:
    """Let it be that long ago that sessions were found missing."""
    earlier = F("session_missing_since") - timedelta(seconds=seconds)
    LoginSession.objects.filter(session_missing_since__isnull=False).update(session_missing_since=earlier)


def end_django_session(client: Client) -> None:
    client.session.flush()


@pytest.fixture
def identity(db: None) -> Identity:
    user = get_user_model().objects.create_user("ada")
    key = Identity.key_for("https://t.example.com/", "auth0|1")
    return Identity.objects.create(key=key, issuer="https://t.example.com/", subject="auth0|1", user=user)


def make_rows(identity: Identity, number: int, **fields: Any) -> list[LoginSession]:
    rows = []
    for _ in range(number):
        row = LoginSession(identity=identity, sid_key="", logged_in_at=0, **fields)
        row.session_key = uuid.uuid4().hex
        row.grant = Grant()
        rows.append(row)
    return LoginSession.objects.bulk_create(rows)


def long_missing(identity: Identity, number: int) -> list[LoginSession]:
    return make_rows(identity, number, session_missing_since=timezone.now() - timedelta(seconds=301))


# -- which are dead ------------------------------------------------------------------------------------------------------


def set_engine(settings: Any, engine: str, folder: Path) -> None:
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    settings.SESSION_FILE_PATH = str(folder)
    if engine.startswith("cache"):
        backend = "django.core.cache.backends.filebased.FileBasedCache"
        settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": str(folder)}}


@pytest.mark.parametrize("engine", ["db", "cached_db", "cache", "file"])
def test_login_session_goes_when_its_session_was_missing_twice(
    settings: Any, tmp_path: Path, log_in: LogIn, engine: str
) -> None:
    set_engine(settings, engine, tmp_path)
    check_that_dead_ones_go(log_in)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["cache", "cached_db"])
def test_login_session_goes_with_redis(settings: Any, redis_server: Redis, log_in: LogIn, engine: str) -> None:
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    settings.CACHES = {"default": redis_server.django_cache()}
    check_that_dead_ones_go(log_in)


def check_that_dead_ones_go(log_in: LogIn) -> None:
    alive, dead = Client(), Client()
    log_in(alive)
    log_in(dead)
    end_django_session(dead)
    first = "2 login sessions looked at: 0 deleted, 1 without a session for now. 0 used logout tokens deleted."
    assert clear() == first
    assert clear() == first  # a minute later it is still too early
    pass_time()
    assert clear().startswith("2 login sessions looked at: 1 deleted, 0 without")
    assert alive.get("/bare/").status_code == 200
    assert clear().startswith("1 login sessions looked at: 0 deleted, 0 without")


def test_expired_session_is_gone(settings: Any, client: Client, log_in: LogIn) -> None:
    log_in(client)
    store = import_module(settings.SESSION_ENGINE).SessionStore
    store.get_model_class().objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert "1 without a session" in clear()
    pass_time()
    assert "1 deleted" in clear()


def test_session_that_only_the_cache_still_has_is_alive(
    settings: Any, tmp_path: Path, client: Client, log_in: LogIn
) -> None:
    set_engine(settings, "cached_db", tmp_path)
    log_in(client)
    store = import_module(settings.SESSION_ENGINE).SessionStore
    store.get_model_class().objects.all().delete()
    assert "0 without a session" in clear()
    assert client.get("/bare/").status_code == 200


def test_login_that_is_being_finished_stays(identity: Identity) -> None:
    make_rows(identity, 1)  # its session is saved a moment later, with the response
    assert "0 deleted, 1 without" in clear()
    pass_time(cleanup.MISSING_SECONDS - 10)
    assert "0 deleted, 1 without" in clear()


@pytest.mark.urls(__name__)
def test_session_that_changes_its_key_beside_the_clean_up_stays(client: Client, log_in: LogIn) -> None:
    log_in(client)
    assert b"1 without a session" in client.get("/cycle-and-clear/").content
    pass_time()
    assert "0 deleted, 0 without" in clear()
    assert client.get("/bare/").status_code == 200


def test_session_that_comes_back_is_forgiven(identity: Identity, client: Client, log_in: LogIn) -> None:
    log_in(client)
    LoginSession.objects.update(session_missing_since=timezone.now() - timedelta(days=1))
    assert "0 deleted, 0 without" in clear()
    assert LoginSession.objects.get().session_missing_since is None


def test_session_key_that_changes_between_look_and_deletion_is_spared(identity: Identity) -> None:
    long_missing(identity, 2)

    def change_key(reason: str, login_session: LoginSession, **kwargs: Any) -> None:
        for other in LoginSession.objects.exclude(pk=login_session.pk):
            other.follow_session("another")

    login_session_ended.connect(change_key)
    try:
        assert "1 deleted" in clear()
    finally:
        login_session_ended.disconnect(change_key)
    assert LoginSession.objects.get().session_key == "another"


def test_receivers_hear_of_each(identity: Identity) -> None:
    heard = []

    def receiver(reason: str, login_session: LoginSession, **kwargs: Any) -> None:
        heard.append((reason, login_session.pk))

    rows = long_missing(identity, 3)
    login_session_ended.connect(receiver)
    try:
        clear()
    finally:
        login_session_ended.disconnect(receiver)
    assert sorted(heard) == sorted(("session_gone", row.pk) for row in rows)


# -- refusing to guess ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("engine", "backend", "why"),
    [
        ("cache", "locmem.LocMemCache", "other processes don't see"),
        ("cache", "dummy.DummyCache", "other processes don't see"),
        ("signed_cookies", "locmem.LocMemCache", "does not find what it stored"),
    ],
)
def test_a_store_that_cannot_tell_deletes_nothing(
    settings: Any, identity: Identity, engine: str, backend: str, why: str
) -> None:
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    settings.CACHES = {"default": {"BACKEND": f"django.core.cache.backends.{backend}"}}
    long_missing(identity, 1)
    with pytest.raises(CommandError, match=why):
        clear()
    assert LoginSession.objects.count() == 1


def test_a_cache_that_is_down_deletes_nothing(settings: Any, identity: Identity) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    settings.CACHES = {"default": {"BACKEND": "tests.logout.test_clear_sessions.DeafCache"}}
    long_missing(identity, 1)
    with pytest.raises(CommandError, match="stores nothing"):
        clear()
    assert LoginSession.objects.count() == 1


class DeafCache:
    """A cache client that keeps quiet when its server is down, as some for memcached do."""

    def __init__(self, location: str, params: Any) -> None:
        self.location = location

    def __contains__(self, key: str) -> bool:
        return False

    def add(self, *args: Any, **kwargs: Any) -> bool:
        return False

    def close(self, **kwargs: Any) -> None:
        return None


# -- batches -------------------------------------------------------------------------------------------------------------


def test_dry_run_changes_nothing(identity: Identity) -> None:
    long_missing(identity, 3)
    make_rows(identity, 2)
    SpentLogoutToken.objects.spend("https://t.example.com/", "1", expires_at=1)
    expected = "5 login sessions looked at: 3 to delete, 2 without a session for now. 1 used logout tokens to delete."
    assert clear("--dry-run") == expected
    assert LoginSession.objects.filter(session_missing_since__isnull=True).count() == 2
    assert (LoginSession.objects.count(), SpentLogoutToken.objects.count()) == (5, 1)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
def test_batches_of_any_size_see_every_row_once(identity: Identity, size: int) -> None:
    long_missing(identity, 7)
    make_rows(identity, 4)
    counts = cleanup.clear_login_sessions(batch_size=size)
    assert (counts.looked_at, counts.deleted, counts.missing) == (11, 7, 4)
    assert LoginSession.objects.count() == 4


def test_a_limited_run_goes_round_from_where_it_starts(identity: Identity) -> None:
    make_rows(identity, 9)
    rows = list(LoginSession.objects.order_by("pk").values_list("pk", flat=True))
    start = rows[5]
    counts = cleanup.clear_login_sessions(batch_size=2, limit=5, start=start)
    assert counts.looked_at == 5
    marked = LoginSession.objects.filter(session_missing_since__isnull=False).values_list("pk", flat=True)
    assert set(marked) == {*rows[6:], *rows[:2]}
    counts = cleanup.clear_login_sessions(batch_size=4, limit=100, start=start)
    assert (counts.looked_at, counts.missing) == (9, 9)


def test_limited_runs_reach_everything_in_the_end(identity: Identity) -> None:
    long_missing(identity, 20)
    for _ in range(200):
        clear("--limit=5", "--batch-size=2", "--verbosity=0")
        if not LoginSession.objects.exists():
            break
    assert not LoginSession.objects.exists()


@pytest.mark.parametrize("argument", ["--batch-size=0", "--limit=-1", "--limit=many"])
def test_arguments_that_make_no_sense(db: None, argument: str) -> None:
    with pytest.raises(CommandError):
        clear(argument)


def test_a_batch_costs_the_same_whatever_its_size(identity: Identity, django_assert_max_num_queries: Any) -> None:
    long_missing(identity, 400)
    make_rows(identity, 400)
    with django_assert_max_num_queries(5):  # look, sessions, mark, delete, look
        assert cleanup.clear_login_sessions(batch_size=1000).deleted == 400


# -- used logout tokens --------------------------------------------------------------------------------------------------


def test_used_logout_tokens_stay_until_they_expire(tenant: Tenant, auth0_settings: Any, db: None) -> None:
    now = tenant.clock.now()
    for number in range(5):
        SpentLogoutToken.objects.spend("https://t.example.com/", str(number), expires_at=now + 100 * number - 250)
    assert clear("--batch-size=2").endswith("3 used logout tokens deleted.")
    assert SpentLogoutToken.objects.count() == 2
    tenant.clock.advance(1000)
    assert clear().endswith("2 used logout tokens deleted.")
