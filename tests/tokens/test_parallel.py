"""Several requests of one visitor, or several visitors, at the same moment: threads on SQLite in a file."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jwt
import pytest
from django.contrib.auth.models import User as DjangoUser
from django.core.management import call_command
from django.db import connections
from django.test import Client

from django_auth0_flow.backends import Auth0Backend
from django_auth0_flow.models import Identity, LoginSession
from django_auth0_flow.testing.tenant import Tenant
from tests.picky_api import picky_api
from tests.walk import FETCH, come_back, is_logged_in, start, walk

DAY = 86400
meeting: threading.Barrier
met: set[int] = set()


class MeetingBackend(Auth0Backend):
    """Lets two first logins meet between looking for an identity and making one."""

    def get_user_for(self, claims: Any, mapper: Any) -> Any:
        if threading.get_ident() not in met:  # a second attempt has none to meet
            met.add(threading.get_ident())
            meeting.wait(120)
        return super().get_user_for(claims, mapper)


@pytest.fixture(autouse=True)
def database_file(tmp_path: Path, transactional_db: None, auth0_settings: Any) -> Iterator[None]:
    """Move SQLite from memory, where threads get in each other's way, to a file; a server needs no such thing."""
    configured = connections.settings["default"]
    if not configured["ENGINE"].endswith("sqlite3"):
        yield
        return
    before, name = connections["default"], configured["NAME"]
    configured["NAME"] = str(tmp_path / "parallel.sqlite3")
    del connections["default"]
    try:
        call_command("migrate", verbosity=0)
        yield
    finally:
        connections["default"].close()
        configured["NAME"] = name
        connections["default"] = before


def at_once(*jobs: Callable[[], Any]) -> list[Any]:
    """Run the jobs in threads that start together; return their results."""
    together = threading.Barrier(len(jobs))

    def run(job: Callable[[], Any]) -> Any:
        together.wait(120)
        try:
            return job()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return [future.result(300) for future in [pool.submit(run, job) for job in jobs]]


def same_browser(client: Client) -> Client:
    """Return another tab: the same cookies, sent by a thread of its own."""
    tab = Client()
    tab.cookies.update(client.cookies)
    return tab


def test_F12_tabs_that_start_at_the_same_moment_all_get_where_they_want(tenant: Tenant) -> None:
    client = Client()
    start(client)  # there is a session already

    def opening(number: int) -> Callable[[], str]:
        tab = same_browser(client)
        return lambda: tenant.login(start(tab, next=f"/bare/?tab={number}"))

    urls = at_once(*map(opening, range(8)))
    for number, url in enumerate(urls):
        answer = come_back(client, url)
        if answer["Location"].startswith(tenant.issuer):  # lost in a race: it starts again by itself
            answer = come_back(client, tenant.login(answer["Location"]))
        assert answer["Location"] == f"/bare/?tab={number}"
    assert is_logged_in(client)
    assert LoginSession.objects.count() == 1


def test_F12_tabs_that_finish_at_the_same_moment(tenant: Tenant) -> None:
    client = Client()
    urls = [tenant.login(start(client, next=f"/bare/?tab={number}")) for number in range(4)]

    def finishing(url: str) -> Callable[[], tuple[Client, Any]]:
        tab = same_browser(client)
        return lambda: (tab, come_back(tab, url))

    outcomes = at_once(*map(finishing, urls))
    assert all(answer.status_code == 302 for _, answer in outcomes)
    winners = [tab for tab, answer in outcomes if answer["Location"].startswith("/bare/")]
    assert winners
    # Whichever cookie the browser keeps, the next login works.
    for tab, _ in outcomes:
        walk(tab, tenant)
        assert is_logged_in(tab)
    assert DjangoUser.objects.count() == 1


def test_F5_a_double_click_exchanges_the_code_once(tenant: Tenant) -> None:
    client = Client()
    url = tenant.login(start(client))

    def clicking() -> Any:
        return come_back(same_browser(client), url)

    answers = at_once(clicking, clicking)
    assert [answer.status_code for answer in answers] == [302, 302]
    assert tenant.count("/oauth/token") == 1
    assert LoginSession.objects.count() == 1


def while_a_refresh_is_under_way(
    client: Client,
    tenant: Tenant,
    *jobs: Callable[[], Any],
    leader: Callable[[], Any] | None = None,
    after: float = DAY,
) -> list[Any]:
    """Let one request refresh at a slow tenant, and the jobs begin meanwhile; return all results, its own first."""
    tenant.clock.advance(after)
    tenant.fault("slow", seconds=1, endpoint="token")
    first = same_browser(client)

    def waiting_for_the_leader(job: Callable[[], Any]) -> Callable[[], Any]:
        def begin() -> Any:
            give_up = time.monotonic() + 120
            while "slow" in tenant.faults.pending():
                assert time.monotonic() < give_up
                time.sleep(0.01)  # until the leader has reached the tenant
            return job()

        return begin

    return at_once(leader or (lambda: first.get("/token/")), *map(waiting_for_the_leader, jobs))


def test_R3_requests_of_one_process_share_the_answer_to_one_refresh(tenant: Tenant) -> None:
    client = Client()
    walk(client, tenant)
    tabs = [same_browser(client) for _ in range(3)]
    answers = while_a_refresh_is_under_way(client, tenant, *[lambda tab=tab: tab.get("/token/") for tab in tabs])
    assert {(answer.status_code, answer.content) for answer in answers} == {(200, answers[0].content)}
    assert tenant.count("/oauth/token", grant_type="refresh_token") == 1


def test_R3_requests_of_one_process_share_a_failure(tenant: Tenant) -> None:
    client = Client()
    walk(client, tenant)
    tenant.revoke_refresh_tokens(tenant.user.sub)
    tab = same_browser(client)
    answers = while_a_refresh_is_under_way(client, tenant, lambda: tab.get("/token/"))
    assert [answer["Location"] for answer in answers] == ["/auth0/login/?next=%2Ftoken%2F"] * 2
    assert tenant.count("/oauth/token", grant_type="refresh_token") == 1


def test_R3_a_token_that_is_stale_but_lives_is_used_without_waiting(tenant: Tenant) -> None:
    client = Client()
    walk(client, tenant)
    old = LoginSession.objects.get().grant.tokens.access_token
    tab = same_browser(client)
    answers = while_a_refresh_is_under_way(client, tenant, lambda: tab.get("/unmarked-token/"), after=DAY - 30)
    new = LoginSession.objects.get().grant.tokens.access_token
    assert [answer.content.decode() for answer in answers] == [new, old]
    assert new != old


def test_R3_requests_that_want_what_the_tenant_does_not_give_ask_once(tenant: Tenant) -> None:
    client = Client()
    walk(client, tenant)
    tenant.application.refresh_policies = {"https://billing.example.com": ["read:invoices"]}

    def asking() -> Any:
        return same_browser(client).get("/unmarked-token/", {"audience": "https://unknown.example.com"})

    answers = while_a_refresh_is_under_way(client, tenant, asking, leader=asking)
    assert [answer.status_code for answer in answers] == [400, 400]
    assert tenant.count("/oauth/token", grant_type="refresh_token") == 1


def test_waiting_for_another_request_of_this_process_is_bounded(tenant: Tenant, auth0_settings: Any) -> None:
    client = Client()
    walk(client, tenant)
    auth0_settings(REFRESH_WAIT=0)
    tab = same_browser(client)
    served, turned_away = while_a_refresh_is_under_way(client, tenant, lambda: tab.get("/token/", headers=FETCH))
    assert served.status_code == 200
    assert (turned_away.status_code, turned_away.json()["code"]) == (503, "refresh_busy")
    assert turned_away["Retry-After"]


@pytest.mark.parametrize("round_", range(3))
def test_first_login_from_two_browsers_at_once_makes_one_user(tenant: Tenant, settings: Any, round_: int) -> None:
    global meeting  # noqa: PLW0603 - Django makes the backend, nothing can be handed to it
    meeting = threading.Barrier(2)
    met.clear()
    settings.AUTHENTICATION_BACKENDS = ["tests.tokens.test_parallel.MeetingBackend"]
    clients = [Client(), Client()]

    def logging_in(client: Client) -> Callable[[], Any]:
        url = tenant.login(start(client, next="/bare/"))
        return lambda: come_back(client, url)

    answers = at_once(*map(logging_in, clients))
    assert [answer["Location"] for answer in answers] == ["/bare/", "/bare/"]
    assert DjangoUser.objects.count() == Identity.objects.count() == 1
    assert LoginSession.objects.count() == 2
    assert all(map(is_logged_in, clients))


def test_W8_each_visitor_gets_their_own_token(tenant: Tenant) -> None:
    users = [tenant.add_user(sub=f"auth0|{number}", name=str(number)) for number in range(4)]
    clients = [Client() for _ in users]
    for client, user in zip(clients, users, strict=True):
        walk(client, tenant, user=user)
    tenant.clock.advance(86400)

    def asking(client: Client) -> Callable[[], list[bytes]]:
        return lambda: [client.get("/token/").content for _ in range(3)]

    for user, tokens in zip(users, at_once(*map(asking, clients)), strict=True):
        subjects = {jwt.decode(token, options={"verify_signature": False})["sub"] for token in tokens}
        assert subjects == {user.sub}
    assert tenant.count("/oauth/token", grant_type="refresh_token") == len(users)


@pytest.mark.parametrize("path", ["/token/", "/call/"], ids=["after-a-refresh", "after-the-login"])
def test_R3_requests_whose_token_an_api_rejects_refresh_once(tenant: Tenant, auth0_settings: Any, path: str) -> None:
    """All have sent the same token when the API's 401 reaches them; the token is seconds old."""
    client = Client()
    with picky_api() as api:
        auth0_settings(API_ORIGINS=[api.origin])
        walk(client, tenant)
        if path == "/token/":
            tenant.clock.advance(DAY)
            assert client.get(path).status_code == 200
        before = tenant.count("/oauth/token", grant_type="refresh_token")
        tenant.clock.advance(2)
        old = LoginSession.objects.get().grant.tokens.access_token
        api.rejects, api.meeting = lambda token: token == old, threading.Barrier(16)
        tabs = [same_browser(client) for _ in range(16)]
        answers = at_once(*[lambda tab=tab: tab.get("/call/", {"url": api.url}) for tab in tabs])
        assert [answer.status_code for answer in answers] == [200] * 16
        assert len(set(api.tokens)) == 2
        assert tenant.count("/oauth/token", grant_type="refresh_token") == before + 1

        api.rejects, api.meeting = lambda token: True, None
        answers = at_once(*[lambda tab=tab: tab.get("/call/", {"url": api.url}) for tab in tabs])
        assert [answer.status_code for answer in answers] == [401] * 16
        assert tenant.count("/oauth/token", grant_type="refresh_token") == before + 1


def test_R3_who_waits_for_another_api_does_not_get_the_leaders_failure(tenant: Tenant) -> None:
    client = Client()
    walk(client, tenant)
    tenant.application.refresh_policies = {"https://billing.example.com": ["read:invoices"]}
    refused, own = same_browser(client), same_browser(client)
    refused_answer, own_answer = while_a_refresh_is_under_way(
        client,
        tenant,
        lambda: own.get("/unmarked-token/"),
        leader=lambda: refused.get("/unmarked-token/", {"audience": "https://unknown.example.com"}),
    )
    assert (refused_answer.status_code, own_answer.status_code) == (400, 200)
