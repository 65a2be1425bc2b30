"""What comes in between: a visitor who leaves, a save that fails, a logout, a rollback, somebody else's wish."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.signals import user_logged_out
from django.contrib.sessions.models import Session
from django.db import OperationalError, connection, transaction
from django.http import HttpResponse
from django.test import AsyncClient, Client
from django.urls import path

from django_auth0_flow.conf import get_client
from django_auth0_flow.models import LoginSession
from django_auth0_flow.protocol.errors import LoginRequired, NoAccessToken, TransportError
from django_auth0_flow.protocol.grant import Target
from django_auth0_flow.signals import tokens_refreshed
from django_auth0_flow.testing.tenant import Tenant
from django_auth0_flow.tokens.source import StoredTokenSource
from tests import stubborn_sessions
from tests.sample_views import Request
from tests.urls import urlpatterns as site_urls
from tests.walk import LOGOUT, is_logged_in

DAY = 86400
BILLING = "https://billing.example.com"


async def unmarked_async_token(request: Request) -> HttpResponse:
    return HttpResponse(await request.auth0.aaccess_token())


def unmarked_permissions(request: Request) -> HttpResponse:
    return HttpResponse(" ".join(sorted(request.auth0.permissions)))


def two_tokens(request: Request) -> HttpResponse:
    """Fetch the login's own token and another API's."""
    return HttpResponse(" ".join([request.auth0.access_token(), request.auth0.access_token(audience=BILLING)]))


def two_tokens_then_error(request: Request) -> HttpResponse:
    two_tokens(request)
    raise RuntimeError("the view fails after both refreshes")


urlpatterns = [
    *site_urls,
    path("two-tokens-then-error/", two_tokens_then_error),
    path("unmarked-async-token/", unmarked_async_token),
    path("unmarked-permissions/", unmarked_permissions),
    path("two-tokens/", two_tokens),
]


def refreshes(tenant: Tenant) -> int:
    return tenant.count("/oauth/token", grant_type="refresh_token")


@pytest.fixture
def billing(tenant: Tenant) -> str:
    tenant.add_api(BILLING, scopes=["read:invoices"])
    tenant.application.refresh_policies = {BILLING: ["read:invoices"]}
    return BILLING


@pytest.fixture
def nobody_waits(auth0_settings: Callable[..., Any]) -> None:
    """Let a request that would have to wait for a lease fail at once."""
    auth0_settings(REFRESH_WAIT=0)


@contextmanager
def column_that_cannot_be_written(column: str) -> Iterator[None]:
    """Let the database refuse the statements that write this column, and nothing else."""
    table = LoginSession._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TRIGGER broken BEFORE UPDATE OF {column} ON {table} BEGIN DELETE FROM nowhere; END")  # noqa: S608 - ours
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER broken")


class TestAsync:
    @pytest.mark.urls(__name__)
    def test_R5_a_visitor_who_leaves_during_the_refresh_takes_no_token_along(
        self, logged_in_client: Client, tenant: Tenant
    ) -> None:
        browser = AsyncClient()
        browser.cookies.update(logged_in_client.cookies)
        tenant.clock.advance(DAY)
        asked, left, saved = threading.Event(), threading.Event(), threading.Event()

        def answer_later(kind: str, claims: dict[str, Any], header: dict[str, Any]) -> None:
            asked.set()
            assert left.wait(120)

        def note(**values: Any) -> None:
            saved.set()

        async def leave_too_early() -> bool:
            request = asyncio.ensure_future(browser.get("/unmarked-async-token/"))
            assert await asyncio.to_thread(asked.wait, 10)
            request.cancel()
            with suppress(asyncio.CancelledError):
                await request
            assert request.cancelled()
            left.set()
            return await asyncio.to_thread(saved.wait, 5)

        tenant.token_hook = answer_later
        tokens_refreshed.connect(note)
        try:
            assert async_to_sync(leave_too_early)()
        finally:
            tokens_refreshed.disconnect(note)
        assert LoginSession.objects.get().lease == ""
        tenant.clock.advance(DAY)
        assert logged_in_client.get("/token/").status_code == 200
        assert refreshes(tenant) == 2
        assert tenant.families_revoked == 0

    def test_a_token_in_hand_that_an_api_rejects_is_not_handed_out_again(
        self, logged_in_client: Client, tenant: Tenant
    ) -> None:
        source = StoredTokenSource(LoginSession.objects.get().pk)
        old = async_to_sync(source.aaccess_token)().access_token
        tenant.clock.advance(1)
        new = async_to_sync(source.aaccess_token)(rejected=old).access_token
        assert new == LoginSession.objects.get().grant.tokens.access_token != old
        assert refreshes(tenant) == 1

    @pytest.mark.parametrize("fault", ["mfa-required", "access-denied"])
    def test_a_refusal_is_asked_for_once(self, logged_in_client: Client, tenant: Tenant, fault: str) -> None:
        """The middleware refreshes before the view; the view that wants the token gets the same answer."""
        tenant.clock.advance(DAY)
        tenant.fault(fault, times=None)
        assert logged_in_client.get("/async-token/").status_code == 302
        assert refreshes(tenant) == 1

    def test_synchronous_code_of_a_request_that_is_refreshing_does_not_wait_for_itself(
        self, logged_in_client: Client, tenant: Tenant
    ) -> None:
        """It has the thread that the refresh needs for its save: waiting would only end by the clock."""
        pk = LoginSession.objects.get().pk
        tenant.clock.advance(DAY)
        asked, turned_away = threading.Event(), threading.Event()

        def answer_later(kind: str, claims: dict[str, Any], header: dict[str, Any]) -> None:
            asked.set()
            assert turned_away.wait(120)

        async def ask_twice() -> str | None:
            refresh = asyncio.ensure_future(StoredTokenSource(pk).aaccess_token())
            assert await asyncio.to_thread(asked.wait, 10)
            try:
                with pytest.raises(TransportError, match="This request is refreshing") as caught:
                    await sync_to_async(StoredTokenSource(pk).access_token)()
                assert (caught.value.code, caught.value.retry_after) == ("refresh_busy", 1)
            finally:
                turned_away.set()
            return (await refresh).access_token

        tenant.token_hook = answer_later
        assert async_to_sync(ask_twice)() == LoginSession.objects.get().grant.tokens.access_token
        assert refreshes(tenant) == 1

    def test_B1_who_logs_in_over_somebody_elses_session_can_be_ended_by_the_tenant(
        self, tenant: Tenant, log_in_async: Any
    ) -> None:
        """Django throws that session away, and its key with it: the new one is known only when the request ends."""
        grace = tenant.users["auth0|5f7c8ec7c33c6c004bbafe82"]
        browser = AsyncClient()
        log_in_async(browser, tenant.user)
        log_in_async(browser, grace)
        get = async_to_sync(browser.get)
        assert get("/bare/").content == f"bare {grace.sub}".encode()
        row = LoginSession.objects.get(identity__subject=grace.sub)
        sent = urlencode({"logout_token": tenant.make_logout_token(sid=str(row.grant.claims["sid"]))})
        form = "application/x-www-form-urlencoded"
        assert Client().post("/auth0/backchannel-logout/", sent, content_type=form).status_code == 200
        assert not LoginSession.objects.filter(pk=row.pk).exists()
        assert get("/").content == b"home of nobody"

    @pytest.fixture
    def log_in_async(self, tenant: Tenant, auth0_settings: Any, db: None) -> Callable[[AsyncClient, Any], None]:
        def log_in(browser: AsyncClient, user: Any) -> None:
            begun = async_to_sync(browser.get)("/auth0/login/", {"next": "/"})
            url = tenant.login(begun["Location"], user=user)
            answer = async_to_sync(browser.get)(url.removeprefix("http://testserver"))
            assert answer.status_code == 302, answer.content

        return log_in


@pytest.mark.usefixtures("nobody_waits")
class TestLeases:
    @pytest.fixture
    def pk(self, nobody_waits: None, logged_in_client: Client, billing: str) -> Any:
        """The login session, at a tenant that takes a refresh token that was rotated a moment ago."""
        return LoginSession.objects.get().pk

    def test_who_finds_the_token_refreshed_gives_the_lease_back(self, pk: Any, tenant: Tenant) -> None:
        late = StoredTokenSource(pk)
        assert late.row.version == 1
        tenant.clock.advance(DAY)
        token = StoredTokenSource(pk).access_token()
        assert late.access_token() == token
        assert LoginSession.objects.get().lease == ""
        assert late.access_token(Target(audience=BILLING)).access_token
        assert refreshes(tenant) == 2

    def test_who_gets_no_token_gives_the_lease_back(self, pk: Any, tenant: Tenant) -> None:
        source = StoredTokenSource(pk)
        for audience in ("https://unknown.example.com", "https://other.example.com"):
            with pytest.raises(NoAccessToken):
                source.access_token(Target(audience=audience))
        assert source.access_token(Target(audience=BILLING)).access_token
        assert LoginSession.objects.get().lease == ""

    @pytest.mark.parametrize("fault", ["mfa-required", "access-denied"])
    def test_who_is_told_to_log_in_again_gives_the_lease_back(
        self, pk: Any, logged_in_client: Client, tenant: Tenant, fault: str
    ) -> None:
        tenant.clock.advance(DAY)
        tenant.fault(fault)
        assert logged_in_client.get("/unmarked-token/").status_code == 302
        assert LoginSession.objects.get().lease == ""
        assert logged_in_client.get("/unmarked-token/").status_code == 200

    @pytest.mark.django_db(transaction=True)
    def test_R5_tokens_that_could_not_be_saved_leave_no_lease(
        self, pk: Any, logged_in_client: Client, tenant: Tenant
    ) -> None:
        """The request is served; the next one has the old refresh token, good for some seconds more, and need not wait."""
        tenant.application.overlap = 60
        tenant.clock.advance(DAY)
        with column_that_cannot_be_written("sealed"):
            assert logged_in_client.get("/unmarked-token/").status_code == 200
        row = LoginSession.objects.get()
        assert (row.version, row.lease) == (1, "")
        assert logged_in_client.get("/unmarked-token/").status_code == 200
        assert LoginSession.objects.get().version == 2
        assert tenant.families_revoked == 0

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("in_transaction", [False, True])
    def test_R5_tokens_that_could_not_be_saved_at_once_are_saved_after_the_response(
        self, pk: Any, tenant: Tenant, in_transaction: bool
    ) -> None:
        tenant.clock.advance(DAY)
        source = StoredTokenSource(pk)
        whole = transaction.atomic() if in_transaction else nullcontext()
        with column_that_cannot_be_written("sealed"), whole:
            token = source.access_token().access_token
            assert source.access_token().access_token == token
        source.save_lost_rotation()
        row = LoginSession.objects.get()
        assert (row.version, row.lease, row.grant.tokens.access_token) == (2, "", token)
        tenant.clock.advance(DAY)
        assert StoredTokenSource(pk).access_token().access_token != token
        assert (refreshes(tenant), tenant.families_revoked) == (2, 0)

    @pytest.mark.django_db(transaction=True)
    def test_a_database_that_takes_no_lease_is_no_matter_while_the_token_lives(
        self, pk: Any, logged_in_client: Client, tenant: Tenant
    ) -> None:
        old = LoginSession.objects.get().grant.tokens.access_token or ""
        with column_that_cannot_be_written("lease"):
            tenant.clock.advance(DAY - 30)
            assert logged_in_client.get("/unmarked-token/").content.decode() == old
            tenant.clock.advance(31)
            assert logged_in_client.get("/unmarked-token/").status_code == 503
        assert refreshes(tenant) == 0
        assert logged_in_client.get("/unmarked-token/").status_code == 200

    @pytest.mark.django_db(transaction=True)
    def test_a_refresh_that_ended_in_an_unforeseen_error_stands_in_nobodys_way(self, pk: Any, tenant: Tenant) -> None:
        """The database breaks down when a failure is to be noted."""
        tenant.clock.advance(DAY)
        tenant.fault("rate-limit")
        with column_that_cannot_be_written("retry_at"), pytest.raises(OperationalError):
            StoredTokenSource(pk).access_token()
        LoginSession.objects.update(lease="")  # as its time does
        assert StoredTokenSource(pk).access_token().access_token

    def test_R4_a_refresh_token_that_somebody_else_rotated_meanwhile_ends_nothing(
        self, pk: Any, tenant: Tenant
    ) -> None:
        """As when a lease has run out: the other one's token is used and stays."""
        tenant.clock.advance(DAY)
        client = get_client()
        original = client.refresh

        def overtaken(*arguments: Any, **keywords: Any) -> Any:
            other = LoginSession.objects.get()
            newer = replace(other.grant.tokens, access_token="newer", expires_at=tenant.clock.now() + DAY)
            assert other.save_grant(replace(other.grant, tokens=newer), refreshed_at=tenant.clock.now())
            return original(*arguments, **keywords)

        client.refresh = overtaken  # type: ignore[method-assign]
        tenant.fault("refuse", error="invalid_grant", description="Unknown or invalid refresh token.", status=403)
        assert StoredTokenSource(pk).access_token().access_token == "newer"
        row = LoginSession.objects.get()
        assert (row.grant.tokens.access_token, row.version, row.lease) == ("newer", 2, "")

    def test_R4_tokens_that_come_at_the_last_moment_are_not_deleted(self, pk: Any, tenant: Tenant) -> None:
        """Between the look at the row, after the tenant's refusal, and its end: the end is of the row that was seen."""
        tenant.clock.advance(DAY)
        other = LoginSession.objects.get()
        overtaken: list[bool] = []

        def overtake(execute: Any, sql: str, *arguments: Any) -> Any:
            if sql.startswith("DELETE") and not overtaken:
                newer = replace(other.grant.tokens, access_token="newer", expires_at=tenant.clock.now() + DAY)
                overtaken.append(other.save_grant(replace(other.grant, tokens=newer), refreshed_at=1.0))
            return execute(sql, *arguments)

        tenant.revoke_refresh_tokens(tenant.user.sub)
        with connection.execute_wrapper(overtake), suppress(LoginRequired):
            StoredTokenSource(pk).access_token()
        assert overtaken == [True]
        assert StoredTokenSource(pk).access_token().access_token == "newer"


class TestEndings:
    def test_O3_a_refresh_during_the_logout_does_not_keep_the_login(
        self, logged_in_client: Client, tenant: Tenant
    ) -> None:
        """Another request of this visitor refreshes after the logout has read the row, and before it deletes it."""
        pk = LoginSession.objects.get().pk
        tenant.clock.advance(DAY)

        def refresh(**values: Any) -> None:
            assert StoredTokenSource(pk).access_token().access_token

        user_logged_out.connect(refresh)
        try:
            assert logged_in_client.post(LOGOUT).status_code == 302
        finally:
            user_logged_out.disconnect(refresh)
        assert refreshes(tenant) == 1
        assert not LoginSession.objects.exists()
        assert not is_logged_in(logged_in_client)

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize(
        ("fault", "options"),
        [
            ("refuse", {"error": "unauthorized", "description": "user is blocked", "status": 403}),
            ("refuse", {"error": "access_denied", "description": "user is blocked", "status": 401}),
            ("refuse", {"error": "invalid_grant", "description": "Unknown or invalid refresh token.", "status": 403}),
            ("other-sub", {}),
        ],
        ids=["blocked", "blocked-401", "revoked", "somebody-else"],
    )
    def test_R4_a_login_that_the_tenant_ended_does_not_come_back_with_a_rollback(
        self, client: Client, log_in: Callable[..., Any], tenant: Tenant, fault: str, options: dict[str, Any]
    ) -> None:
        """The view's transaction is rolled back by the very error that the refresh raised."""
        log_in(client)
        tenant.clock.advance(DAY)
        tenant.fault(fault, grant_type="refresh_token", **options)
        connection.settings_dict["ATOMIC_REQUESTS"] = True
        try:
            answer = client.get("/unmarked-token/")
        finally:
            connection.settings_dict["ATOMIC_REQUESTS"] = False
        assert (answer.status_code, answer["Location"]) == (302, "/auth0/login/?next=%2Funmarked-token%2F")
        assert not LoginSession.objects.exists()
        assert client.get("/").content == b"home of nobody"

    def test_R4_a_refusal_ends_the_session_under_the_key_it_has_by_now(
        self, logged_in_client: Client, tenant: Tenant
    ) -> None:
        """Another request of this browser changes the key while the tenant is asked."""
        tenant.clock.advance(DAY)
        original = get_client().refresh

        def overtaken(*arguments: Any, **keywords: Any) -> Any:
            session = logged_in_client.session
            session.cycle_key()
            LoginSession.objects.get().follow_session(session.session_key)
            return original(*arguments, **keywords)

        get_client().refresh = overtaken  # type: ignore[method-assign]
        tenant.revoke_refresh_tokens(tenant.user.sub)
        with pytest.raises(LoginRequired):
            StoredTokenSource(LoginSession.objects.get().pk).access_token()
        assert not LoginSession.objects.exists()
        assert not Session.objects.exists()

    @pytest.mark.parametrize("in_request", [False, True])
    def test_R4_a_session_that_can_t_be_deleted_keeps_its_row_until_it_can(
        self, logged_in_client: Client, tenant: Tenant, settings: Any, monkeypatch: pytest.MonkeyPatch, in_request: bool
    ) -> None:
        settings.SESSION_ENGINE = "tests.stubborn_sessions"
        monkeypatch.setattr(stubborn_sessions, "spared", logged_in_client.session.session_key)
        tenant.clock.advance(DAY)
        tenant.revoke_refresh_tokens(tenant.user.sub)
        if in_request:
            browser = Client(raise_request_exception=False)  # a new one: its middleware uses that engine too
            browser.cookies.update(logged_in_client.cookies)
            assert browser.get("/unmarked-token/").status_code == 500  # Django's own logout fails
        else:
            with pytest.raises(LoginRequired) as caught:
                StoredTokenSource(LoginSession.objects.get().pk).access_token()
            assert caught.value.code == "invalid_grant"
        row = LoginSession.objects.get()
        assert (row.lease, row.refresh_failure) == ("", "invalid_grant")
        stubborn_sessions.spared = None
        assert logged_in_client.get("/unmarked-token/").status_code == 302
        assert not LoginSession.objects.exists()
        assert not is_logged_in(logged_in_client)

    def test_R4_bad_words_about_something_else_block_nobody(self, logged_in_client: Client, tenant: Tenant) -> None:
        tenant.clock.advance(DAY)
        tenant.fault("refuse", error="temporarily_unavailable", description="blocked by a firewall", status=403)
        logged_in_client.get("/unmarked-token/")
        assert LoginSession.objects.exists()


@pytest.mark.urls(__name__)
def test_two_tokens_in_one_request_are_two_refreshes(logged_in_client: Client, billing: str, tenant: Tenant) -> None:
    tenant.clock.advance(DAY)
    own, other = logged_in_client.get("/two-tokens/").content.decode().split()
    assert BILLING in jwt.decode(other, options={"verify_signature": False})["aud"]
    assert own != other
    assert logged_in_client.get("/two-tokens/").content.decode() == f"{own} {other}"
    assert refreshes(tenant) == 2
    assert LoginSession.objects.get().lease == ""


@pytest.mark.django_db(transaction=True)
@pytest.mark.urls(__name__)
def test_R5_a_rollback_after_two_refreshes_loses_neither_rotation(
    client: Client, log_in: Callable[..., Any], billing: str, tenant: Tenant
) -> None:
    client.raise_request_exception = False
    log_in(client)
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        for expected in (2, 4):
            tenant.clock.advance(DAY)
            assert client.get("/two-tokens-then-error/").status_code == 500
            assert refreshes(tenant) == expected
        assert client.get("/two-tokens/").status_code == 200
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False
    assert (refreshes(tenant), tenant.families_revoked) == (4, 0)


@pytest.mark.urls(__name__)
class TestPermissions:
    """Those of the stored access token, which must be valid when it is looked at."""

    def test_an_expired_token_is_refreshed_first(self, client: Client, log_in: Any, tenant: Tenant) -> None:
        tenant.api.rbac = True
        tenant.user.permissions[tenant.api.identifier] = ["read:things"]
        log_in(client)
        tenant.user.permissions[tenant.api.identifier] = ["read:things", "write:things"]
        assert client.get("/unmarked-permissions/").content == b"read:things"
        tenant.clock.advance(2 * DAY)
        assert client.get("/unmarked-permissions/").content == b"read:things write:things"
        assert refreshes(tenant) == 1

    @pytest.mark.parametrize(
        "claim",
        [{"write:things": True}, "write:things", [["write:things"], {"write:things": 1}, 7, None], 7, True, None],
        ids=["object", "text", "list-of-others", "number", "true", "null"],
    )
    def test_a_claim_of_another_type_permits_nothing(
        self, client: Client, log_in: Any, tenant: Tenant, claim: Any
    ) -> None:
        def give(kind: str, claims: dict[str, Any], header: dict[str, Any]) -> None:
            if kind == "access_token":
                claims["permissions"] = claim

        log_in(client)
        tenant.token_hook = give
        tenant.clock.advance(2 * DAY)
        assert client.get("/unmarked-permissions/").content == b""
        assert refreshes(tenant) == 1
