"""A token that an API answers with 401: refreshed once however young it is, and no storm on the tenant after that."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db.backends.signals import connection_created
from django.test import Client, RequestFactory

from django_auth0_flow.models import LoginSession
from django_auth0_flow.protocol.errors import LoginRequired, NoAccessToken
from django_auth0_flow.protocol.grant import Grant, Target
from django_auth0_flow.session import Auth0Session
from django_auth0_flow.testing.tenant import Tenant
from django_auth0_flow.tokens.source import StoredTokenSource
from tests.picky_api import PickyApi, picky_api
from tests.storm.harness import Site

DAY = 86400
BILLING = "https://billing.example.com"


@pytest.fixture
def api() -> Iterator[PickyApi]:
    with picky_api() as running:
        yield running


@pytest.fixture
def client(
    client: Client, api: PickyApi, tenant: Tenant, auth0_settings: Callable[..., Any], log_in: Callable[..., Any]
) -> Client:
    """A browser that logged in a second ago, at a site that calls ``api``. Within one second tokens look the same."""
    auth0_settings(API_ORIGINS=[api.origin])
    assert log_in(client).status_code == 302
    tenant.clock.advance(1)
    return client


def call(client: Client, api: PickyApi) -> int:
    """Let the site call the API in the user's name; return the status that its view got."""
    status: int = client.get("/call/", {"url": api.url}).status_code
    return status


def refreshes(tenant: Tenant) -> int:
    return tenant.count("/oauth/token", grant_type="refresh_token")


def stored() -> str:
    return LoginSession.objects.get().grant.tokens.access_token or ""


def reject(api: PickyApi, *tokens: str) -> None:
    api.rejects = lambda token: token in tokens


def reject_everything(api: PickyApi) -> None:
    api.rejects = lambda token: True


def same_token_again(tenant: Tenant) -> None:
    """Let the tenant answer with the same access token for ever, as one that keeps opaque tokens in a cache does."""
    first: dict[str, Any] = {}

    def remember(kind: str, claims: dict[str, Any], header: dict[str, Any]) -> None:
        if kind == "access_token":
            claims.update(first or {"iat": claims["iat"], "exp": claims["exp"], "jti": "the same"})
            first.update({name: claims[name] for name in ("iat", "exp", "jti")})

    tenant.token_hook = remember


class TestOnce:
    def test_token_of_a_login_just_made(self, client: Client, api: PickyApi, tenant: Tenant) -> None:
        old = stored()
        reject(api, old)
        assert call(client, api) == 200
        assert api.tokens == [old, stored()]
        assert refreshes(tenant) == 1

    def test_token_just_refreshed(self, client: Client, api: PickyApi, tenant: Tenant) -> None:
        tenant.clock.advance(DAY)
        assert call(client, api) == 200
        tenant.clock.advance(5)
        reject(api, stored())
        assert call(client, api) == 200
        assert refreshes(tenant) == 2

    def test_token_that_somebody_replaced_meanwhile(self, client: Client, tenant: Tenant) -> None:
        old, late = stored(), StoredTokenSource(LoginSession.objects.get().pk)
        assert late.access_token().access_token == old
        StoredTokenSource(late.pk).access_token(rejected=old)
        assert late.access_token(rejected=old).access_token == stored() != old
        assert refreshes(tenant) == 1

    def test_token_that_was_replaced_and_is_stale_by_now(self, client: Client, tenant: Tenant) -> None:
        """What replaced it is refreshed as ever; nobody has rejected that one, so this is not its one refresh."""
        source, old = StoredTokenSource(LoginSession.objects.get().pk), stored()
        tenant.clock.advance(DAY)
        source.access_token()
        tenant.clock.advance(DAY)
        assert source.access_token(rejected=old).access_token == stored()
        assert refreshes(tenant) == 2
        newest = stored()
        tenant.clock.advance(1)
        assert source.access_token(rejected=newest).access_token == stored() != newest
        assert refreshes(tenant) == 3

    def test_without_a_refresh_token_the_view_gets_the_apis_answer(
        self, client: Client, api: PickyApi, tenant: Tenant
    ) -> None:
        row = LoginSession.objects.get()
        row.grant = Grant(replace(row.grant.tokens, refresh_token=None), row.grant.claims)
        row.save()
        reject_everything(api)
        assert call(client, api) == 401
        assert len(api.tokens) == 1
        assert refreshes(tenant) == 0
        row.grant = Grant(replace(row.grant.tokens, expires_at=1.0), row.grant.claims)
        row.save()
        with pytest.raises(LoginRequired) as caught:
            StoredTokenSource(row.pk).access_token(rejected=stored())
        assert caught.value.code == "no_refresh_token"

    def test_in_an_async_view(self, client: Client, api: PickyApi, tenant: Tenant, rf: RequestFactory) -> None:
        request = rf.get("/")
        request.session = client.session
        request.user = LoginSession.objects.get().identity.user
        reject(api, stored())
        answer = async_to_sync(Auth0Session(request).arequest)("GET", api.url)
        assert answer.status_code == 200
        assert refreshes(tenant) == 1

    def test_calls_of_one_async_view_run_at_once_and_refresh_once(
        self, client: Client, api: PickyApi, tenant: Tenant, rf: RequestFactory
    ) -> None:
        """The API answers none of the 32 before it has them all; the pool's threads open no database connection."""
        request = rf.get("/")
        request.session = client.session
        request.user = LoginSession.objects.get().identity.user
        old, opened = stored(), []
        reject(api, old)
        api.meeting = threading.Barrier(32)

        async def ask_all() -> list[Any]:
            login = Auth0Session(request)
            return await asyncio.gather(*(login.arequest("GET", api.url) for _ in range(32)))

        def note(**kwargs: Any) -> None:
            opened.append(threading.current_thread().name)

        connection_created.connect(note)
        try:
            answers = async_to_sync(ask_all)()
        finally:
            connection_created.disconnect(note)
        assert [answer.status_code for answer in answers] == [200] * 32
        assert (api.tokens.count(old), api.tokens.count(stored())) == (32, 32)
        assert refreshes(tenant) == 1
        assert [name for name in opened if name.startswith("auth0-api")] == []

    def test_async_tasks_that_hold_the_same_token_refresh_once(self, client: Client, tenant: Tenant) -> None:
        old, pk = stored(), LoginSession.objects.get().pk
        tenant.fault("slow", seconds=0.2, endpoint="token")

        async def ask_all() -> list[Any]:
            return await asyncio.gather(*(StoredTokenSource(pk).aaccess_token(rejected=old) for _ in range(8)))

        found = {tokens.access_token for tokens in async_to_sync(ask_all)()}
        assert found == {stored()}
        assert old not in found
        assert refreshes(tenant) == 1


class TestNoStorm:
    def test_api_that_rejects_everything(self, client: Client, api: PickyApi, tenant: Tenant) -> None:
        reject_everything(api)
        for passing, expected in [(0, 1), (0, 1), (15, 1), (14, 1), (2, 2), (0, 2), (29, 2), (2, 3)]:
            tenant.clock.advance(passing)
            assert call(client, api) == 401
            assert refreshes(tenant) == expected
        assert len(api.tokens) == 8 + 3, "repeated only with another token"
        assert tenant.families_revoked == 0

    def test_the_other_tokens_of_the_login_count_as_well(
        self, client: Client, api: PickyApi, tenant: Tenant, rf: RequestFactory
    ) -> None:
        tenant.add_api(BILLING, scopes=["read:invoices"])
        tenant.application.refresh_policies = {BILLING: ["read:invoices"]}
        request = rf.get("/")
        request.session = client.session
        request.user = LoginSession.objects.get().identity.user
        auth0 = Auth0Session(request)
        auth0.access_token(audience=BILLING)
        reject_everything(api)
        for _ in range(3):
            assert auth0.api_for(BILLING, origins=[api.origin]).get(api.url).status_code == 401
            assert auth0.api.get(api.url).status_code == 401
        assert refreshes(tenant) == 2

    def test_every_login_has_its_own(
        self, client: Client, api: PickyApi, tenant: Tenant, log_in: Callable[..., Any]
    ) -> None:
        reject_everything(api)
        assert call(client, api) == 401
        other = Client()
        log_in(other)
        assert call(other, api) == 401
        log_in(client)
        assert call(client, api) == 401
        assert refreshes(tenant) == 3

    def test_refresh_that_brings_the_same_token_again(self, client: Client, api: PickyApi, tenant: Tenant) -> None:
        same_token_again(tenant)
        tenant.clock.advance(DAY)
        assert call(client, api) == 200
        reject_everything(api)
        tenant.clear_log()
        api.tokens.clear()
        for _ in range(4):
            assert call(client, api) == 401
        assert refreshes(tenant) == 1
        assert len(set(api.tokens)) == 1
        assert len(api.tokens) == 4, "the API is not asked again with the token that it has just rejected"

    def test_ordinary_refreshes_go_on_and_start_no_new_time(
        self, client: Client, api: PickyApi, tenant: Tenant
    ) -> None:
        tenant.api.lifetime = 12
        tenant.clock.advance(DAY)
        reject_everything(api)
        assert call(client, api) == 401
        assert refreshes(tenant) == 2, "one because it was stale, one because it was rejected"
        tenant.clock.advance(13)
        source, old = StoredTokenSource(LoginSession.objects.get().pk), stored()
        assert source.access_token(rejected=old).access_token == stored() != old, "expired: refreshed anyway"
        assert call(client, api) == 401
        assert refreshes(tenant) == 3
        tenant.clock.advance(18)
        tenant.api.lifetime = DAY
        assert call(client, api) == 401
        assert refreshes(tenant) == 5

    def test_the_tenant_that_gives_no_token_instead_is_asked_once(self, client: Client, tenant: Tenant) -> None:
        """The user took back the identity provider's consent: it rejects the token, and the Token Vault has no other."""
        from django_auth0_flow.testing.tenant.model import ALL_GRANTS

        tenant.application.grant_types = set(ALL_GRANTS)
        tenant.application.rotation = False
        tenant.user.linked_connections = {"google-oauth2": "idp-token"}
        google, pk = Target(connection="google-oauth2"), LoginSession.objects.get().pk
        token = StoredTokenSource(pk).access_token(google).access_token
        tenant.user.linked_connections = {}
        tenant.clear_log()
        with pytest.raises(NoAccessToken):
            StoredTokenSource(pk).access_token(google, rejected=token)
        for _ in range(3):
            assert StoredTokenSource(pk).access_token(google, rejected=token).access_token == token
        assert tenant.count("/oauth/token") == 1
        assert LoginSession.objects.get().lease == ""

    def test_a_tenant_in_trouble_is_left_alone_and_the_refresh_is_made_up_for(
        self, client: Client, api: PickyApi, tenant: Tenant
    ) -> None:
        reject(api, stored())
        tenant.fault("rate-limit", times=None, retry_after=20)
        for _ in range(3):
            assert call(client, api) == 503
        assert refreshes(tenant) == 1
        tenant.clear_faults()
        tenant.clock.advance(21)
        assert call(client, api) == 200
        assert refreshes(tenant) == 2


class TestClocks:
    def test_a_step_back_does_not_keep_a_token_for_days(self, client: Client, api: PickyApi, tenant: Tenant) -> None:
        reject_everything(api)
        assert call(client, api) == 401
        tenant.clock.advance(-3600)
        for _ in range(3):
            assert call(client, api) == 401
        assert refreshes(tenant) == 2

    def test_workers_whose_clocks_differ_make_no_storm(
        self, client: Client, api: PickyApi, tenant: Tenant, auth0_settings: Callable[..., Any]
    ) -> None:
        reject_everything(api)
        for fast in (True, False) * 3:
            auth0_settings(API_ORIGINS=[api.origin], CLOCK=lambda ahead=5 if fast else 0: tenant.clock.now() + ahead)
            assert call(client, api) == 401
        assert refreshes(tenant) == 1


def test_a_login_stored_before_there_was_such_a_note_can_be_read(client: Client) -> None:
    grant = LoginSession.objects.get().grant
    document = json.loads(grant.dump())
    assert set(document) == {"tokens", "claims"}
    assert Grant.load(json.dumps(document).encode()) == grant
    noted = replace(grant, rejected_at=1.5)
    assert Grant.load(noted.dump()) == noted != grant


@pytest.mark.django_db(transaction=True)
def test_a_rollback_takes_the_note_along_only_for_a_moment(client: Client, api: PickyApi, tenant: Tenant) -> None:
    """The view fails after its calls, in a transaction: what was refreshed, and why, is saved after the response."""
    from django.db import transaction

    source, old = StoredTokenSource(LoginSession.objects.get().pk), stored()
    with transaction.atomic():
        new = source.access_token(rejected=old).access_token
        transaction.set_rollback(True)
    source.save_lost_rotation()
    assert stored() == new != old
    assert StoredTokenSource(source.pk).access_token(rejected=new).access_token == new
    assert refreshes(tenant) == 1


REJECTED_IN_THREADS = """
import threading
from django.db import connections
from django_auth0_flow.models import LoginSession
from django_auth0_flow.tokens.source import StoredTokenSource
pk, found = LoginSession.objects.get().pk, []
def ask():
    try:
        found.append(StoredTokenSource(pk).access_token(rejected=sys.argv[1]).access_token)
    finally:
        connections.close_all()
threads = [threading.Thread(target=ask) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps(found))
"""
STORED = """
from django_auth0_flow.models import LoginSession
print(LoginSession.objects.get().grant.tokens.access_token)
"""


@pytest.mark.slow
def test_threads_of_several_processes_refresh_a_rejected_token_once(tmp_path: Path) -> None:
    database = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(tmp_path / "rejected.sqlite3"),
        "OPTIONS": {"timeout": 120},
    }
    with Tenant() as tenant:
        tenant.application.callbacks = ["http://testserver/auth0/callback/"]
        site = Site(tenant, database)
        site.migrate()
        site.log_in()
        old = site.run(STORED)
        tenant.fault("slow", times=None, seconds=0.5, endpoint="token")
        with ThreadPoolExecutor(4) as pool:
            found = [json.loads(text) for text in pool.map(lambda _: site.run(REJECTED_IN_THREADS, old), range(4))]
        assert [len(tokens) for tokens in found] == [8] * 4
        assert {token for tokens in found for token in tokens} == {site.run(STORED)} - {old}
        assert refreshes(tenant) == 1
        assert tenant.families_revoked == 0
