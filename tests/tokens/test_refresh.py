"""Refresh of stored tokens: what is asked of the tenant, what is saved, who stays logged in. One database, one process."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.auth import SESSION_KEY as USER_KEY
from django.db import OperationalError, connection, connections, transaction
from django.test import Client
from django.utils import timezone

from django_auth0_flow.conf import get_client, get_settings
from django_auth0_flow.models import LoginSession
from django_auth0_flow.protocol.errors import LoginRequired, NoAccessToken, TransportError
from django_auth0_flow.protocol.grant import Grant
from django_auth0_flow.signals import login_session_ended, tokens_refreshed
from django_auth0_flow.testing.tenant import Tenant
from django_auth0_flow.tokens import single_flight
from django_auth0_flow.tokens.lease import RETRY_SECONDS
from django_auth0_flow.tokens.source import StoredTokenSource

DAY = 86400


def refreshes(tenant: Tenant) -> int:
    return tenant.count("/oauth/token", grant_type="refresh_token")


@pytest.fixture
def row(logged_in_client: Client) -> LoginSession:
    return LoginSession.objects.get()


@pytest.fixture
def source(row: LoginSession) -> StoredTokenSource:
    return StoredTokenSource(row.pk)


def token_of(source: StoredTokenSource) -> str:
    return source.access_token().access_token or ""


class TestWhenToRefresh:
    def test_live_token_costs_one_query_and_no_network(
        self, source: StoredTokenSource, tenant: Tenant, django_assert_num_queries: Any
    ) -> None:
        tenant.clear_log()
        with django_assert_num_queries(1):
            first = token_of(source)
        with django_assert_num_queries(0):
            assert token_of(source) == first
        assert tenant.requests == []

    def test_token_within_the_margin_is_refreshed(self, source: StoredTokenSource, tenant: Tenant) -> None:
        old = token_of(source)
        tenant.clock.advance(DAY - 59)
        assert token_of(source) != old
        assert refreshes(tenant) == 1

    def test_short_lived_token_is_not_refreshed_at_once(
        self, logged_in_client: Client, log_in: Callable[..., Any], tenant: Tenant
    ) -> None:
        tenant.api.lifetime = 30
        log_in(logged_in_client)
        source = StoredTokenSource(LoginSession.objects.get().pk)
        token_of(source)
        assert refreshes(tenant) == 0
        tenant.clock.advance(21)
        token_of(source)
        assert refreshes(tenant) == 1

    def test_refresh_token_is_kept_when_the_answer_has_none_R2(self, source: StoredTokenSource, tenant: Tenant) -> None:
        tenant.application.rotation = False
        for _ in range(2):
            tenant.clock.advance(DAY)
            token_of(source)
        assert refreshes(tenant) == 2

    def test_every_rotation_is_saved(self, row: LoginSession, tenant: Tenant) -> None:
        for expected in (1, 2, 3):
            tenant.clock.advance(DAY)
            token_of(StoredTokenSource(row.pk))
            assert refreshes(tenant) == expected
        assert tenant.families_revoked == 0

    def test_without_refresh_token_the_user_logs_in_again(self, source: StoredTokenSource, row: LoginSession) -> None:
        row.grant = Grant(replace(row.grant.tokens, refresh_token=None, expires_at=1.0), row.grant.claims)
        row.save()
        with pytest.raises(LoginRequired) as caught:
            source.access_token()
        assert caught.value.code == "no_refresh_token"

    def test_login_without_any_access_token_says_so(self, source: StoredTokenSource, row: LoginSession) -> None:
        row.grant = Grant(replace(row.grant.tokens, refresh_token=None, access_token=None), row.grant.claims)
        row.save()
        with pytest.raises(NoAccessToken):
            source.access_token()

    def test_first_claims_survive_a_refresh_that_lacks_them(
        self, client: Client, log_in: Callable[..., Any], tenant: Tenant
    ) -> None:
        log_in(client)
        before = LoginSession.objects.get().grant.claims
        tenant.clock.advance(DAY)
        assert client.get("/token/").status_code == 200
        after = LoginSession.objects.get()
        assert after.version == 2
        assert after.grant.claims == before
        assert after.grant.claims["nonce"]


class TestFailures:
    @pytest.mark.parametrize(
        ("fault", "options", "code"),
        [
            ("rate-limit", {}, "rate_limited"),
            ("global-limit", {}, "rate_limited"),
            ("html", {}, "malformed_answer"),
            ("truncated", {}, "malformed_answer"),
            ("status", {"status": 500, "body": ""}, "tenant_unreachable"),
            ("status", {"status": 503, "body": "<h1>down</h1>"}, "tenant_unreachable"),
        ],
        ids=["429", "500-global-limit", "html", "truncated", "500-empty", "503-html"],
    )
    def test_R4_bad_weather_logs_nobody_out(
        self, row: LoginSession, tenant: Tenant, fault: str, options: dict[str, Any], code: str
    ) -> None:
        tenant.clock.advance(DAY)
        tenant.fault(fault, times=None, **options)
        with pytest.raises(TransportError) as caught:
            token_of(StoredTokenSource(row.pk))
        assert caught.value.code == code
        assert caught.value.retry_after is not None
        tenant.clear_faults()
        tenant.clock.advance(200)
        assert token_of(StoredTokenSource(row.pk))
        assert tenant.families_revoked == 0

    def test_stale_but_live_token_is_used_in_bad_weather(self, row: LoginSession, tenant: Tenant) -> None:
        tenant.clock.advance(DAY - 30)
        tenant.fault("rate-limit", times=None)
        old = row.grant.tokens.access_token
        assert token_of(StoredTokenSource(row.pk)) == old

    def test_after_a_failure_nobody_asks_again_for_a_moment(self, row: LoginSession, tenant: Tenant) -> None:
        tenant.clock.advance(DAY)
        tenant.fault("rate-limit", times=None, retry_after=30)
        for _ in range(5):
            with pytest.raises(TransportError) as caught:
                token_of(StoredTokenSource(row.pk))
            assert 0 < (caught.value.retry_after or 0) <= 30  # the clock goes on
        assert refreshes(tenant) == 1
        tenant.clear_faults()
        tenant.clock.advance(31)
        assert token_of(StoredTokenSource(row.pk))

    def test_failure_that_another_worker_met_meanwhile_counts(self, row: LoginSession, tenant: Tenant) -> None:
        tenant.clock.advance(DAY)
        late = StoredTokenSource(row.pk)
        assert late.row.retry_at is None
        tenant.fault("rate-limit", times=None, retry_after=30)
        for source in (StoredTokenSource(row.pk), late):
            with pytest.raises(TransportError) as caught:
                token_of(source)
            assert (caught.value.code, caught.value.retry_after) == ("rate_limited", 30)
        assert refreshes(tenant) == 1
        stored = LoginSession.objects.get()
        assert (stored.lease, stored.refresh_failure) == ("", "rate_limited")
        tenant.clear_faults()
        tenant.clock.advance(31)
        assert token_of(late)

    def test_the_pause_that_a_tenant_asks_for_is_bounded(self, row: LoginSession, tenant: Tenant) -> None:
        tenant.clock.advance(DAY)
        tenant.fault("rate-limit", times=None, retry_after=86400)
        for passing, expected in ((0, 1), (60, 1), (61, 2)):
            tenant.clock.advance(passing)
            with pytest.raises(TransportError) as caught:
                token_of(StoredTokenSource(row.pk))
            assert 0 < (caught.value.retry_after or 0) <= 120
            assert refreshes(tenant) == expected

    def test_R4_lost_answer_is_asked_for_once_more_at_once(self, row: LoginSession, tenant: Tenant) -> None:
        tenant.clock.advance(DAY)
        tenant.fault("drop")
        assert token_of(StoredTokenSource(row.pk))
        assert refreshes(tenant) == 2
        assert tenant.families_revoked == 0

    @pytest.mark.parametrize("fault", ["token-type-missing", "token-type-other"])
    def test_refresh_token_beside_an_unusable_access_token_is_kept(
        self, row: LoginSession, tenant: Tenant, fault: str
    ) -> None:
        before = row.grant.tokens
        tenant.clock.advance(DAY)
        tenant.fault(fault)
        with pytest.raises(TransportError) as caught:
            token_of(StoredTokenSource(row.pk))
        assert (caught.value.code, caught.value.refresh_token) == ("token_type_unsupported", None)
        row = LoginSession.objects.get()
        assert row.grant.tokens.refresh_token != before.refresh_token
        assert row.grant.tokens.access_token == before.access_token
        assert (row.refresh_failure, row.refreshed_at, row.lease) == ("token_type_unsupported", None, "")
        with pytest.raises(TransportError):  # nobody asks again for a moment
            token_of(StoredTokenSource(row.pk))
        assert refreshes(tenant) == 1
        tenant.clock.advance(RETRY_SECONDS + 1)
        assert token_of(StoredTokenSource(row.pk)) != before.access_token
        assert tenant.families_revoked == 0

    def test_stale_but_live_token_is_used_while_answers_are_unusable(self, row: LoginSession, tenant: Tenant) -> None:
        before = row.grant.tokens
        tenant.clock.advance(DAY - 30)
        tenant.fault("token-type-missing")
        assert token_of(StoredTokenSource(row.pk)) == before.access_token
        assert LoginSession.objects.get().grant.tokens.refresh_token != before.refresh_token

    def test_answer_lost_after_the_rotation_survives_within_the_overlap(
        self, row: LoginSession, tenant: Tenant
    ) -> None:
        tenant.application.overlap = 30
        tenant.clock.advance(DAY)
        tenant.fault("drop-after")
        assert token_of(StoredTokenSource(row.pk))
        tenant.clock.advance(DAY)
        assert token_of(StoredTokenSource(row.pk))
        assert tenant.families_revoked == 0

    def test_answer_lost_after_the_rotation_without_overlap_ends_cleanly(
        self, logged_in_client: Client, tenant: Tenant
    ) -> None:
        tenant.clock.advance(DAY)
        tenant.fault("drop-after")
        response = logged_in_client.get("/token/")
        assert response.status_code == 302
        assert response["Location"].startswith("/auth0/login/?next=")
        assert not LoginSession.objects.exists()

    def test_a_tenant_that_wants_to_see_the_user_ends_nothing_here(
        self, logged_in_client: Client, tenant: Tenant
    ) -> None:
        tenant.clock.advance(DAY)
        tenant.fault("mfa-required")
        assert logged_in_client.get("/token/")["Location"] == "/auth0/login/?next=%2Ftoken%2F"
        assert logged_in_client.get("/").content != b"home of nobody"
        assert LoginSession.objects.exists()

    def test_R4_invalid_grant_ends_the_login_session(self, logged_in_client: Client, tenant: Tenant) -> None:
        tenant.revoke_refresh_tokens(tenant.user.sub)
        tenant.clock.advance(DAY)
        ended: list[dict[str, Any]] = []

        def remember(**values: Any) -> None:
            ended.append(values)

        login_session_ended.connect(remember)
        try:
            response = logged_in_client.get("/unmarked-token/")
        finally:
            login_session_ended.disconnect(remember)
        assert (response.status_code, response["Location"]) == (302, "/auth0/login/?next=%2Funmarked-token%2F")
        # A transaction that is rolled back takes the first end along, and what receivers wrote: they hear of it again.
        times = 2 if connection.settings_dict["ATOMIC_REQUESTS"] else 1
        assert [values["reason"] for values in ended] == ["invalid_grant"] * times
        assert not LoginSession.objects.exists()
        assert logged_in_client.get("/").content == b"home of nobody"
        assert refreshes(tenant) == 1

    @pytest.mark.parametrize(("fault", "code"), [("mfa-required", "mfa_required"), ("access-denied", "access_denied")])
    def test_tenant_that_wants_the_user_back_gets_a_login(
        self, row: LoginSession, tenant: Tenant, fault: str, code: str
    ) -> None:
        tenant.clock.advance(DAY)
        tenant.fault(fault)
        with pytest.raises(LoginRequired) as caught:
            token_of(StoredTokenSource(row.pk))
        assert caught.value.code == code
        assert LoginSession.objects.get().refresh_failure == code

    def test_refused_application_logs_nobody_out(
        self, row: LoginSession, tenant: Tenant, auth0_settings: Callable[..., Any]
    ) -> None:
        auth0_settings(CLIENT_SECRET="rotated meanwhile")
        tenant.clock.advance(DAY)
        with pytest.raises(TransportError) as caught:
            token_of(StoredTokenSource(row.pk))
        assert caught.value.code == "client_rejected"
        auth0_settings()
        tenant.clock.advance(5)
        assert token_of(StoredTokenSource(row.pk))

    @pytest.mark.parametrize("fault", ["other-sub", "invalid-iss", "invalid-aud", "sig-invalid", "alg-none"])
    def test_R1_refreshed_id_token_about_somebody_else_ends_the_session(
        self, row: LoginSession, tenant: Tenant, fault: str
    ) -> None:
        tenant.clock.advance(DAY)
        tenant.fault(fault)
        with pytest.raises(LoginRequired) as caught:
            token_of(StoredTokenSource(row.pk))
        assert caught.value.code == "identity_changed"
        assert not LoginSession.objects.exists()

    @pytest.mark.parametrize("fault", ["kid-unknown", "expired", "future-iat", "no-id-token"])
    def test_rotated_token_is_kept_when_only_the_id_token_can_not_be_judged(
        self, row: LoginSession, tenant: Tenant, fault: str
    ) -> None:
        tenant.clock.advance(DAY)
        tenant.fault(fault)
        assert token_of(StoredTokenSource(row.pk))
        tenant.clock.advance(DAY)
        assert token_of(StoredTokenSource(row.pk))
        assert tenant.families_revoked == 0

    def test_W8_a_session_that_became_somebody_elses_gets_no_token(
        self, logged_in_client: Client, django_user_model: Any
    ) -> None:
        """As with packages that let staff act as another user: they change who is logged in, and nothing else."""
        other = django_user_model.objects.create_user("other")
        session = logged_in_client.session
        session[USER_KEY], session[HASH_SESSION_KEY] = str(other.pk), other.get_session_auth_hash()
        session.save()
        assert logged_in_client.get("/").content == b"home of other"
        assert logged_in_client.get("/token/").status_code == 302

    def test_row_that_can_not_be_unsealed_means_log_in_again(self, logged_in_client: Client, settings: Any) -> None:
        LoginSession.objects.update(sealed="AAAA")
        response = logged_in_client.get("/token/")
        assert (response.status_code, response["Location"][:13]) == (302, "/auth0/login/")

    def test_secret_key_rotation_with_fallback_keeps_logins(self, row: LoginSession, settings: Any) -> None:
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "new" * 20
        assert token_of(StoredTokenSource(row.pk))

    def test_secret_key_rotation_without_fallback_means_log_in_again(self, row: LoginSession, settings: Any) -> None:
        settings.SECRET_KEY = "new" * 20
        with pytest.raises(LoginRequired) as caught:
            token_of(StoredTokenSource(row.pk))
        assert caught.value.code == "login_session_unreadable"

    def test_L9_deactivated_user_gets_no_token(self, row: LoginSession, tenant: Tenant) -> None:
        user = row.identity.user
        user.is_active = False
        user.save()
        with pytest.raises(LoginRequired) as caught:
            token_of(StoredTokenSource(row.pk))
        assert caught.value.code == "user_inactive"
        tenant.clock.advance(DAY)
        with pytest.raises(LoginRequired):
            token_of(StoredTokenSource(row.pk))
        assert refreshes(tenant) == 0

    def test_receiver_that_raises_breaks_nothing(self, row: LoginSession, tenant: Tenant) -> None:
        def raising(**values: Any) -> None:
            raise RuntimeError("a receiver's mistake")

        tokens_refreshed.connect(raising)
        try:
            tenant.clock.advance(DAY)
            assert token_of(StoredTokenSource(row.pk))
        finally:
            tokens_refreshed.disconnect(raising)


class TestRejectedTokens:
    def test_rejected_token_that_is_still_stored_is_refreshed(self, row: LoginSession, tenant: Tenant) -> None:
        tenant.clock.advance(3600)
        source = StoredTokenSource(row.pk)
        old = token_of(source)
        assert source.access_token(rejected=old).access_token != old
        assert refreshes(tenant) == 1

    def test_rejected_token_that_somebody_replaced_is_not_refreshed_again(
        self, row: LoginSession, tenant: Tenant
    ) -> None:
        tenant.clock.advance(3600)
        first, second = StoredTokenSource(row.pk), StoredTokenSource(row.pk)
        old = token_of(first)
        assert token_of(second) == old
        new = first.access_token(rejected=old).access_token
        assert second.access_token(rejected=old).access_token == new
        assert refreshes(tenant) == 1

    def test_api_that_rejects_everything_causes_no_storm(self, row: LoginSession, tenant: Tenant) -> None:
        tenant.clock.advance(3600)
        source = StoredTokenSource(row.pk)
        for _ in range(5):
            source.access_token(rejected=token_of(source))
        assert refreshes(tenant) == 1


class TestLease:
    def test_lease_of_a_dead_holder_expires(self, row: LoginSession, tenant: Tenant) -> None:
        assert row.claim("dead", 30)
        assert not row.claim("other", 30)
        LoginSession.objects.update(lease_expires_at=timezone.now() - timedelta(hours=1))
        tenant.clock.advance(DAY)
        assert token_of(StoredTokenSource(row.pk))
        assert refreshes(tenant) == 1

    def test_lease_outlasts_the_call_with_its_repetition(self, row: LoginSession, tenant: Tenant) -> None:
        tenant.clock.advance(DAY)
        client = get_client(row.configuration)
        original, left = client.refresh, []

        def looking(*arguments: Any, **keywords: Any) -> Any:
            ends = LoginSession.objects.get().lease_expires_at
            assert ends is not None
            left.append((ends - timezone.now()).total_seconds())
            return original(*arguments, **keywords)

        client.refresh = looking  # type: ignore[method-assign]
        assert token_of(StoredTokenSource(row.pk))
        assert left[0] > get_settings().http_timeout

    def test_lease_of_another_worker_does_not_hold_up_a_live_token(self, row: LoginSession, tenant: Tenant) -> None:
        row.claim("other", 30)
        tenant.clock.advance(DAY - 30)
        assert token_of(StoredTokenSource(row.pk)) == row.grant.tokens.access_token
        assert refreshes(tenant) == 0

    def test_waiting_for_another_worker_is_bounded(
        self, row: LoginSession, tenant: Tenant, auth0_settings: Callable[..., Any]
    ) -> None:
        auth0_settings(REFRESH_WAIT=0)
        row.claim("other", 30)
        tenant.clock.advance(DAY)
        with pytest.raises(TransportError) as caught:
            token_of(StoredTokenSource(row.pk))
        assert caught.value.code == "refresh_busy"

    def test_late_result_after_a_logout_is_discarded_and_revoked(self, row: LoginSession, tenant: Tenant) -> None:
        tenant.clock.advance(DAY)
        original = get_client(row.configuration).refresh
        client = get_client(row.configuration)

        def slow(*arguments: Any, **keywords: Any) -> Any:
            answer = original(*arguments, **keywords)
            LoginSession.objects.all().delete()
            return answer

        client.refresh = slow  # type: ignore[method-assign]
        with pytest.raises(LoginRequired):
            token_of(StoredTokenSource(row.pk))
        assert tenant.count("/oauth/revoke") == 1

    def test_result_of_a_refresh_that_was_overtaken_is_not_stored(self, row: LoginSession, tenant: Tenant) -> None:
        grant = row.grant
        stale = LoginSession.objects.get()
        assert row.save_grant(replace(grant, tokens=replace(grant.tokens, access_token="newer")), refreshed_at=1.0)
        assert not stale.save_grant(grant, refreshed_at=2.0)
        assert LoginSession.objects.get().grant.tokens.access_token == "newer"


@pytest.mark.django_db(transaction=True)
class TestTransactions:
    def test_rotation_inside_a_rolled_back_transaction_is_saved_after_the_response(
        self, client: Client, log_in: Callable[..., Any], tenant: Tenant
    ) -> None:
        log_in(client)
        tenant.clock.advance(DAY)
        source = StoredTokenSource(LoginSession.objects.get().pk)
        with transaction.atomic():
            token_of(source)
            transaction.set_rollback(True)
        source.save_lost_rotation()
        tenant.clock.advance(DAY)
        assert token_of(StoredTokenSource(source.pk))
        assert refreshes(tenant) == 2
        assert tenant.families_revoked == 0

    @pytest.mark.parametrize("path", ["/token-then-error/", "/unmarked-token-then-error/"])
    def test_view_that_raises_under_atomic_requests_loses_no_rotation(
        self, client: Client, log_in: Callable[..., Any], tenant: Tenant, path: str
    ) -> None:
        connection.settings_dict["ATOMIC_REQUESTS"] = True
        client.raise_request_exception = False
        try:
            log_in(client)
            for expiry in (1, 2, 3):
                tenant.clock.advance(DAY)
                assert client.get(path).status_code == 500
                assert refreshes(tenant) == expiry
            assert client.get("/token/").status_code == 200
        finally:
            connection.settings_dict["ATOMIC_REQUESTS"] = False
        assert tenant.families_revoked == 0

    def test_response_500_loses_no_rotation(self, client: Client, log_in: Callable[..., Any], tenant: Tenant) -> None:
        client.raise_request_exception = False
        log_in(client)
        for expiry in (1, 2):
            tenant.clock.advance(DAY)
            assert client.get("/unmarked-token-then-error/").status_code == 500
            assert refreshes(tenant) == expiry
        assert client.get("/token/").status_code == 200
        assert tenant.families_revoked == 0

    def test_leader_in_one_process_leaves_its_answer_and_nothing_behind(
        self, client: Client, log_in: Callable[..., Any], tenant: Tenant
    ) -> None:
        if connection.vendor == "sqlite" and "mode=memory" in str(connection.settings_dict["NAME"]):
            connections["default"].inc_thread_sharing()
        log_in(client)
        pk = LoginSession.objects.get().pk
        tenant.clock.advance(DAY)
        tenant.fault("slow", seconds=0.3)

        def lead() -> None:
            token_of(StoredTokenSource(pk))
            connections.close_all()

        leader = threading.Thread(target=lead)
        leader.start()
        while pk not in single_flight._flights:
            leader.join(0.005)
        flight = single_flight._flights[pk]
        flight.answer.result(timeout=120)
        leader.join()
        assert single_flight._flights == {}
        assert refreshes(tenant) == 1


class TestWithinOneRequest:
    def test_session_that_names_the_login_of_somebody_else_gets_no_token(
        self, logged_in_client: Client, row: LoginSession, django_user_model: Any
    ) -> None:
        row.identity.user = django_user_model.objects.create_user("stranger")
        row.identity.save()
        response = logged_in_client.get("/unmarked-token/")
        assert (response.status_code, response["Location"][:13]) == (302, "/auth0/login/")

    @pytest.mark.parametrize(("fault", "status"), [("rate-limit", 503), ("html", 502), ("status", 503)])
    def test_a_tenant_in_trouble_is_asked_once(
        self, logged_in_client: Client, tenant: Tenant, fault: str, status: int
    ) -> None:
        """Not by the middleware and by the view: a tenant that is slow would be waited for twice."""
        tenant.clock.advance(DAY)
        tenant.fault(fault, times=None)
        assert logged_in_client.get("/token/").status_code == status
        assert refreshes(tenant) == 1

    @pytest.mark.parametrize("fault", ["mfa-required", "access-denied"])
    def test_a_refusal_is_asked_for_once(self, logged_in_client: Client, tenant: Tenant, fault: str) -> None:
        """The middleware refreshes before the view; the view that wants the token gets the same answer."""
        tenant.clock.advance(DAY)
        tenant.fault(fault, times=None)
        assert logged_in_client.get("/token/").status_code == 302
        assert refreshes(tenant) == 1

    def test_login_of_a_configuration_that_is_gone_is_no_login(self, logged_in_client: Client, settings: Any) -> None:
        settings.AUTH0 = {"other": settings.AUTH0, "default": settings.AUTH0}
        session = logged_in_client.session
        session["_auth0"] = {**session["_auth0"], "configuration": "removed"}
        session.save()
        assert logged_in_client.get("/bare/").status_code == 302


class TestLog:
    """Who is paged at night sees which of tenant, database and user it is."""

    @pytest.fixture
    def said(self, caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
        caplog.set_level(logging.INFO, "django_auth0_flow")

        def said() -> list[str]:
            return [record.getMessage() for record in caplog.records if record.name.startswith("django_auth0_flow")]

        return said

    def test_refresh_says_how_long_the_tenant_took(
        self, row: LoginSession, tenant: Tenant, said: Callable[[], list[str]]
    ) -> None:
        tenant.clock.advance(DAY)
        tenant.fault("slow", seconds=0.2)
        heard: list[float] = []

        def receiver(duration: float, **values: Any) -> None:
            heard.append(duration)

        tokens_refreshed.connect(receiver)
        token_of(StoredTokenSource(row.pk))
        (event,) = [line for line in said() if line.startswith("tokens_refreshed")]
        found = re.fullmatch(rf"tokens_refreshed login_session={row.pk} duration_ms=(\d+)", event)
        assert found
        assert 200 <= int(found[1]) < 10_000
        assert heard[0] == pytest.approx(int(found[1]) / 1000, abs=0.01)

    def test_tenant_in_trouble(
        self, logged_in_client: Client, row: LoginSession, tenant: Tenant, said: Callable[[], list[str]]
    ) -> None:
        tenant.clock.advance(DAY)
        tenant.fault("rate-limit", times=None, retry_after=30)
        logged_in_client.get("/token/")
        assert said()[-2:] == [
            f"refresh_failed login_session={row.pk} code=rate_limited retry_in=30 cause=none",
            "tenant_unavailable code=rate_limited retry_after=30 cause=none",
        ]

    def test_why_a_tenant_is_out_of_reach(
        self, logged_in_client: Client, row: LoginSession, tenant: Tenant, said: Callable[[], list[str]]
    ) -> None:
        tenant.clock.advance(DAY)
        tenant.stop()
        logged_in_client.get("/token/")
        why = "code=tenant_unreachable retry_in=1 cause=ConnectionRefusedError"
        assert f"refresh_failed login_session={row.pk} {why}" in said()

    def test_database_in_trouble(
        self,
        logged_in_client: Client,
        row: LoginSession,
        tenant: Tenant,
        said: Callable[[], list[str]],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def full(*arguments: Any) -> bool:
            raise OperationalError("database or disk is full")

        tenant.clock.advance(DAY)
        monkeypatch.setattr(LoginSession, "claim", full)
        assert logged_in_client.get("/unmarked-token/").status_code == 503
        assert said()[-2:] == [
            f"refresh_not_begun login_session={row.pk} error=OperationalError",
            "database_unavailable code=database_unavailable retry_after=1 cause=OperationalError",
        ]

    def test_user_whose_grant_was_revoked(
        self, logged_in_client: Client, row: LoginSession, tenant: Tenant, said: Callable[[], list[str]]
    ) -> None:
        tenant.revoke_refresh_tokens(tenant.user.sub)
        tenant.clock.advance(DAY)
        logged_in_client.get("/token/")
        assert f"login_session_ended login_session={row.pk} reason=invalid_grant" in said()
