"""The recipes for Celery with a real worker and Redis, killed in the middle of a task."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from celery import Celery
from django.contrib.auth import get_user_model
from django.test import Client

from django_auth0_flow.models import LoginSession
from django_auth0_flow.testing import expire_tokens
from django_auth0_flow.testing.site import settings_for
from django_auth0_flow.testing.tenant import Tenant
from tests.picky_api import PickyApi, picky_api
from tests.servers.celery_worker import PATIENCE, CeleryWorker
from tests.servers.redis import Redis

pytestmark = pytest.mark.django_db(transaction=True)

OF_A_USER, OF_THE_SITE = "recipes.count_appointments", "recipes.count_all_appointments"


class Api:
    """The API of the recipes. After ``hold()`` calls come in and get no answer until ``let_go()``."""

    def __init__(self, api: PickyApi) -> None:
        self.origin, self.tokens = api.origin, api.tokens
        api.body, api.rejects = b'{"count": 3}', self._wait
        self._calls, self._answers = threading.Semaphore(0), threading.Event()
        self._answers.set()

    def hold(self) -> None:
        self.tokens.clear()
        self._calls = threading.Semaphore(0)
        self._answers.clear()

    def wait_for_call(self) -> None:
        assert self._calls.acquire(timeout=PATIENCE)

    def let_go(self) -> None:
        self._answers.set()

    def _wait(self, token: str) -> bool:
        self._calls.release()
        self._answers.wait(PATIENCE)
        return False


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    with picky_api() as running:
        yield Api(running)


@pytest.fixture(scope="module")
def tenant(api: Api) -> Iterator[Tenant]:
    """One tenant for all: the worker lives longer than a test."""
    with Tenant() as running:
        running.add_api(api.origin, scopes=["read:appointments"])
        running.application.client_grants = {api.origin: ["read:appointments"]}
        yield running


@pytest.fixture(autouse=True)
def auth0(api: Api, auth0_settings: Callable[..., Any]) -> None:
    auth0_settings(AUDIENCE=api.origin)


@pytest.fixture(scope="module")
def queue(redis_server: Redis) -> Iterator[Celery]:
    with Celery(broker=redis_server.url, backend=redis_server.url) as app:
        yield app


@pytest.fixture(scope="module")
def start_worker(queue: Celery, redis_server: Redis, api: Api, tenant: Tenant) -> Callable[[], CeleryWorker]:
    auth0 = {name: value for name, value in settings_for(tenant, AUDIENCE=api.origin).items() if name != "CLOCK"}
    environment = {"TEST_REDIS": redis_server.url, "TEST_API": api.origin, "TEST_AUTH0": json.dumps(auth0)}
    return lambda: CeleryWorker(queue, environment)


@pytest.fixture(scope="module")
def worker(start_worker: Callable[[], CeleryWorker]) -> Iterator[CeleryWorker]:
    with start_worker() as running:
        yield running


@pytest.fixture
def user(client: Client, log_in: Callable[..., Any]) -> Any:
    """Ada, who has logged in and gone home; her access token has expired meanwhile."""
    log_in(client)
    expire_tokens(client)
    return get_user_model().objects.get()


@pytest.fixture
def asked(tenant: Tenant) -> Callable[[], tuple[int, int]]:
    """How often the tenant was asked for a user's token and for the site's own, since the test began."""

    def count() -> tuple[int, int]:
        path, grants = "/oauth/token", ("refresh_token", "client_credentials")
        refreshed, machine = (tenant.count(path, grant_type=grant) for grant in grants)
        return refreshed, machine

    before = count()
    return lambda: (count()[0] - before[0], count()[1] - before[1])


def test_tasks_at_the_same_moment_share_one_refresh(queue: Celery, worker: CeleryWorker, user: Any, asked: Any) -> None:
    results = [queue.send_task(OF_A_USER, [user.pk]) for _ in range(8)]
    assert [result.get(timeout=PATIENCE) for result in results] == [3] * 8
    assert asked() == (1, 0)


@pytest.mark.parametrize(("task", "requests"), [(OF_A_USER, (1, 0)), (OF_THE_SITE, (0, 1))])
def test_a_task_whose_process_is_killed_is_done_again_with_the_same_token(
    queue: Celery, worker: CeleryWorker, api: Api, user: Any, asked: Any, task: str, requests: tuple[int, int]
) -> None:
    api.hold()
    result = queue.send_task(task, [user.pk] if task == OF_A_USER else [])
    api.wait_for_call()
    worker.kill_process_of(result.id)
    api.let_go()
    assert result.get(timeout=PATIENCE) == 3
    assert len(api.tokens) == 2
    assert len(set(api.tokens)) == 1
    assert asked() == requests


def test_a_task_of_a_user_who_has_logged_out(queue: Celery, worker: CeleryWorker, client: Client, user: Any) -> None:
    client.post("/auth0/logout/")
    assert queue.send_task(OF_A_USER, [user.pk]).get(timeout=PATIENCE) == "logged out"


def test_a_task_of_a_user_whose_grant_has_ended(
    queue: Celery, worker: CeleryWorker, tenant: Tenant, user: Any, asked: Any
) -> None:
    tenant.revoke_refresh_tokens(tenant.user.sub)
    assert queue.send_task(OF_A_USER, [user.pk]).get(timeout=PATIENCE) == "has to log in again"
    assert not LoginSession.objects.exists()
    assert asked() == (1, 0)


def test_another_worker_takes_over_the_tasks_of_a_dead_one(
    queue: Celery,
    start_worker: Callable[[], CeleryWorker],
    worker: CeleryWorker,
    redis_server: Redis,
    api: Api,
    user: Any,
    asked: Any,
) -> None:
    """The last test of ``worker``. Redis keeps what it held for an hour, Celery's ``visibility_timeout``."""
    api.hold()
    results = [queue.send_task(OF_A_USER, [user.pk]), queue.send_task(OF_THE_SITE)]
    for _ in results:
        api.wait_for_call()
    worker.kill(*(result.id for result in results))
    with redis.Redis.from_url(redis_server.url) as broker:
        held = broker.zrange("unacked_index", 0, -1)
        assert len(held) == 2
        broker.zadd("unacked_index", dict.fromkeys(held, 0))  # an hour and more ago
    api.let_go()
    with start_worker():
        assert [result.get(timeout=PATIENCE) for result in results] == [3, 3]
    assert len(set(api.tokens)) == 2
    assert asked() == (1, 1)
