"""Login sessions in workers and commands: no request, the same tokens, the same single refresh."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import django
import pytest
from django.contrib.auth import get_user_model
from django.db import transaction
from django.test import Client

from django_auth0_flow.models import LoginSession
from django_auth0_flow.protocol.errors import LoginRequired, TransportError
from django_auth0_flow.testing.tenant import Tenant
from tests.docs.pages import blocks
from tests.protocol.support import Answer, TinyServer, tiny_server
from tests.storm.harness import Site

DAY = 86400


@pytest.fixture
def api_server() -> Iterator[TinyServer]:
    with tiny_server() as running:
        yield running


@pytest.fixture
def user(
    transactional_db: None, log_in: Callable[..., Any], auth0_settings: Any, client: Client, api_server: TinyServer
) -> Any:
    """Ada, who has logged in and gone home."""
    auth0_settings(API_ORIGINS=[api_server.origin])
    log_in(client)
    return get_user_model().objects.get()


def refreshes(tenant: Tenant) -> int:
    return tenant.count("/oauth/token", grant_type="refresh_token")


def newest(user: Any) -> LoginSession:
    row = LoginSession.objects.for_user(user).first()
    assert row is not None
    return row


def test_a_task_calls_an_api_in_the_users_name(user: Any, api_server: TinyServer, tenant: Tenant) -> None:
    row = newest(user)
    assert row.api.post(f"{api_server.origin}/things", json={"a": 1}).status_code == 200
    (received,) = api_server.received
    assert received.headers["Authorization"] == f"Bearer {row.grant.tokens.access_token}"
    assert refreshes(tenant) == 0


def test_a_task_refreshes_once_and_so_the_browser_need_not(
    user: Any, client: Client, api_server: TinyServer, tenant: Tenant
) -> None:
    tenant.clock.advance(2 * DAY)
    for _ in range(2):
        assert newest(user).api.get(f"{api_server.origin}/things").status_code == 200
    assert client.get("/token/").status_code == 200
    assert refreshes(tenant) == 1
    first, second = (received.headers["Authorization"] for received in api_server.received)
    assert first == second == f"Bearer {newest(user).grant.tokens.access_token}"


def test_for_user_is_newest_first_and_of_that_user_only(
    user: Any, log_in: Callable[..., Any], tenant: Tenant, django_assert_num_queries: Any
) -> None:
    log_in(Client())
    log_in(Client(), user=tenant.users["auth0|5f7c8ec7c33c6c004bbafe82"])
    with django_assert_num_queries(1):
        rows = list(LoginSession.objects.for_user(user))
        assert [row.identity.subject for row in rows] == [tenant.user.sub] * 2
    assert rows[0].created_at > rows[1].created_at
    assert LoginSession.objects.count() == 3


def test_a_login_that_ended_meanwhile_is_login_required(
    user: Any, client: Client, api_server: TinyServer, tenant: Tenant
) -> None:
    row = newest(user)
    client.post("/auth0/logout/")
    with pytest.raises(LoginRequired) as caught:
        row.api.get(f"{api_server.origin}/things")
    assert caught.value.code == "login_session_ended"
    assert LoginSession.objects.for_user(user).first() is None
    assert api_server.received == []


def test_a_user_who_is_no_longer_active_is_login_required(user: Any, api_server: TinyServer) -> None:
    row = newest(user)
    user.is_active = False
    user.save()
    with pytest.raises(LoginRequired) as caught:
        row.api.get(f"{api_server.origin}/things")
    assert caught.value.code == "user_inactive"


def test_a_task_in_a_transaction(user: Any, api_server: TinyServer, tenant: Tenant) -> None:
    tenant.clock.advance(2 * DAY)
    with transaction.atomic():
        assert newest(user).api.get(f"{api_server.origin}/things").status_code == 200
    assert newest(user).api.get(f"{api_server.origin}/things").status_code == 200
    assert refreshes(tenant) == 1


if django.VERSION >= (6, 0):

    def test_djangos_own_tasks_refresh_once_and_fail_visibly(user: Any, api_server: TinyServer, tenant: Tenant) -> None:
        """The recipe of the documentation, under Django's ImmediateBackend."""
        api_server.answers = [Answer(body=b'{"count": 3}')]
        (recipe,) = blocks("run: tasks")
        names: dict[str, Any] = {"__name__": "recipes"}
        exec(recipe.code.replace("https://api.example.com", api_server.origin), names)  # noqa: S102
        task = names["count_appointments"]
        tenant.clock.advance(2 * DAY)
        assert [task.enqueue(user.pk).return_value for _ in range(2)] == [3, 3]
        assert refreshes(tenant) == 1
        tenant.clock.advance(2 * DAY)
        tenant.fault("global-limit", endpoint="token", times=None)
        failed = task.enqueue(user.pk)
        assert (failed.status, failed.errors[0].exception_class) == ("FAILED", TransportError)
        tenant.clear_faults()
        tenant.clock.advance(120)
        assert task.enqueue(user.pk).return_value == 3


def site_with_a_login(tenant: Tenant, database: dict[str, Any], api_server: TinyServer) -> Site:
    """Return the test project as other processes run it; its API is ``api_server``."""
    tenant.application.callbacks = ["http://testserver/auth0/callback/"]
    site = Site(tenant, database)
    auth0 = json.loads(site.environment["TEST_AUTH0"])
    site.environment["TEST_AUTH0"] = json.dumps({**auth0, "API_ORIGINS": [api_server.origin]})
    site.migrate()
    site.log_in()
    return site


# Two calls in a transaction that is rolled back, one after it.
TASK = """
from django.contrib.auth import get_user_model
from django.db import transaction
from django_auth0_flow.models import LoginSession

user = get_user_model().objects.get()

def call():
    return LoginSession.objects.for_user(user).first().api.get(sys.argv[1]).status_code

class Undo(Exception):
    pass

statuses = []
try:
    with transaction.atomic():
        get_user_model().objects.update(first_name="undone")
        statuses += [call(), call()]
        raise Undo
except Undo:
    statuses.append(call())
row = LoginSession.objects.get()
print(json.dumps([statuses, get_user_model().objects.get().first_name, row.version, row.lease]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["postgres", "mariadb"])
def test_a_rollback_does_not_lose_the_rotation(
    request: pytest.FixtureRequest, api_server: TinyServer, engine: str
) -> None:
    database = request.getfixturevalue(engine).django_database("outside_requests")
    with Tenant() as tenant:
        site = site_with_a_login(tenant, database, api_server)
        for round_ in (1, 2):
            site.expire()
            statuses, first_name, _, lease = json.loads(site.run(TASK, f"{api_server.origin}/things"))
            assert (statuses, first_name, lease) == ([200, 200, 200], "Ada", "")
            assert refreshes(tenant) == round_
            assert tenant.families_revoked == 0
    assert len({received.headers["Authorization"] for received in api_server.received}) == 2


@pytest.mark.slow
def test_workers_beside_each_other_refresh_once(api_server: TinyServer, tmp_path: Path) -> None:
    """Four processes with a command each, as a scheduler starts them."""
    database = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(tmp_path / "tasks.sqlite3"),
        "OPTIONS": {"timeout": 120},
    }
    with Tenant() as tenant:
        site = site_with_a_login(tenant, database, api_server)
        site.expire()
        with ThreadPoolExecutor(4) as pool:
            printed = list(pool.map(lambda _: site.run(SHORT_TASK, f"{api_server.origin}/things"), range(4)))
        assert printed == ["200"] * 4
        assert refreshes(tenant) == 1
        assert tenant.families_revoked == 0
    assert len({received.headers["Authorization"] for received in api_server.received}) == 1


SHORT_TASK = """
from django.contrib.auth import get_user_model
from django_auth0_flow.models import LoginSession
user = get_user_model().objects.get()
print(LoginSession.objects.for_user(user).first().api.get(sys.argv[1]).status_code)
"""
