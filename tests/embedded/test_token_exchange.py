"""T41: a login by the token of another system ends as every login does, and is checked as one."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.views.debug import ExceptionReporter

from django_auth0_flow.embedded import waiting
from django_auth0_flow.embedded.token_exchange import alog_in_with_token, log_in_with_token
from django_auth0_flow.models import LoginSession
from django_auth0_flow.protocol.errors import (
    Auth0Error,
    LoginRequired,
    OAuthError,
    TokenRequestError,
    TokenValidationError,
    TransportError,
)
from django_auth0_flow.protocol.token_exchange import TOKEN_EXCHANGE
from django_auth0_flow.testing.tenant import LoggedRequest, Tenant
from django_auth0_flow.testing.tenant.model import Authenticator
from django_auth0_flow.tokens import connection_pool
from django_auth0_flow.tokens.exchange import aexchange_token, exchange_token
from tests.walk import FETCH, NAVIGATE, walk

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.urlconfs.token_exchange")]
OLD = "urn:example:old-session"
Configure = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def profile(tenant: Tenant, auth0_settings: Configure) -> None:
    """Let the tenant's Action know the old system's tokens: ``old-`` and the nickname."""
    people = {f"old-{user.nickname}": user for user in tenant.users.values()}
    tenant.application.allow_token_exchange = True
    tenant.token_exchange_profiles[OLD] = people.get
    auth0_settings(SCOPE="openid profile email offline_access")


@pytest.fixture
def request_here() -> HttpRequest:
    request = RequestFactory().get("/")
    request.session = SessionStore()
    return request


def asked(tenant: Tenant) -> LoggedRequest:
    """Return the newest token request."""
    return [found for found in tenant.requests if found.path == "/oauth/token"][-1]


def refused(ask: Callable[[], object]) -> Auth0Error:
    with pytest.raises(Auth0Error) as caught:
        ask()
    return caught.value


def test_a_person_of_the_old_system_is_logged_in(client: Client, tenant: Tenant) -> None:
    client.cookies["old_session"] = "old-ada"
    answer = client.get("/from-the-old-site/?next=/bare/")
    assert (answer.status_code, answer["Location"]) == (302, "/bare/")
    assert client.get("/bare/").status_code == 200
    row = LoginSession.objects.get()
    assert row.identity.user == get_user_model().objects.get()
    assert row.grant.tokens.refresh_token
    form = asked(tenant).form
    assert form["grant_type"] == [TOKEN_EXCHANGE]
    assert not {"requested_token_type", "resource", "actor_token", "organization"} & set(form)


def test_T41_the_session_key_changes_and_an_older_login_is_replaced(client: Client, tenant: Tenant) -> None:
    walk(client, tenant)
    before = client.session.session_key
    client.cookies["old_session"] = "old-grace"
    client.get("/from-the-old-site/")
    assert client.session.session_key != before
    assert [row.identity.subject for row in LoginSession.objects.all()] == ["auth0|5f7c8ec7c33c6c004bbafe82"]


def test_it_ends_where_the_site_says_and_nowhere_else(client: Client) -> None:
    client.cookies["old_session"] = "old-ada"
    assert client.get("/from-the-old-site/?next=https://evil.example/")["Location"] == "/"


def test_the_refresh_works(client: Client, tenant: Tenant) -> None:
    client.cookies["old_session"] = "old-ada"
    client.get("/from-the-old-site/")
    tenant.clock.advance(90000)
    assert client.get("/bare/").status_code == 200
    assert tenant.count(grant_type="refresh_token") == 1


def test_a_token_that_the_action_refuses_logs_no_one_in(request_here: HttpRequest) -> None:
    error = refused(lambda: log_in_with_token(request_here, "old-nobody", OLD))
    assert isinstance(error, OAuthError)
    assert error.code == "invalid_request"
    assert not LoginSession.objects.exists()


SPOILT = [
    "sig-invalid",
    "invalid-iss",
    "invalid-aud",
    "expired",
    "missing-sub",
    "alg-none",
    "no-id-token",
    "future-iat",
]


@pytest.mark.parametrize("fault", SPOILT)
def test_T41_the_id_token_is_judged_as_at_every_login(request_here: HttpRequest, tenant: Tenant, fault: str) -> None:
    tenant.fault(fault)
    assert isinstance(refused(lambda: log_in_with_token(request_here, "old-ada", OLD)), TokenValidationError)
    assert not get_user_model().objects.exists()


@pytest.mark.parametrize("fault", sorted(set(SPOILT) - {"no-id-token"}))
def test_T41_so_is_one_that_comes_with_a_token_set(tenant: Tenant, fault: str) -> None:
    tenant.fault(fault)
    error = refused(lambda: exchange_token("old-ada", OLD, scope="openid"))
    assert isinstance(error, TokenValidationError)


@pytest.mark.parametrize(
    ("token", "kind", "code"),
    [
        ("", OLD, "subject_token_invalid"),
        ("   ", OLD, "subject_token_invalid"),
        ("Bearer old-ada", OLD, "subject_token_invalid"),
        ("x" * 70000, OLD, "subject_token_invalid"),
        ("old-ada", "", "subject_token_type_invalid"),
        ("old-ada", "old-session", "subject_token_type_invalid"),
        ("old-ada", "http://example.com/old", "subject_token_type_invalid"),
        ("old-ada", "urn:ietf:params:oauth:token-type:access_token", "subject_token_type_invalid"),
        ("old-ada", "URN:AUTH0:mine", "subject_token_type_invalid"),
        ("old-ada", "https://okta.com/mine", "subject_token_type_invalid"),
    ],
)
def test_what_auth0_would_refuse_is_not_sent(tenant: Tenant, token: str, kind: str, code: str) -> None:
    tenant.clear_log()
    assert refused(lambda: exchange_token(token, kind)).code == code
    assert tenant.requests == []


@pytest.mark.parametrize("half", [{"actor_token": "a"}, {"actor_token_type": "urn:example:a"}])
def test_an_actor_token_goes_with_its_type(half: dict[str, str]) -> None:
    assert refused(lambda: exchange_token("old-ada", OLD, **half)).code == "actor_token_incomplete"


@pytest.mark.parametrize(("policy", "kind"), [("none", "Bearer"), ("allowed", "DPoP")])
def test_with_dpop_a_token_set_is_bound_where_the_api_binds(
    tenant: Tenant, auth0_settings: Configure, policy: Any, kind: str
) -> None:
    tenant.api.dpop = policy
    auth0_settings(DPOP=True)
    assert exchange_token("old-ada", OLD, audience=tenant.api.identifier).token_type == kind


def test_a_token_set_stores_nothing(tenant: Tenant) -> None:
    tokens = exchange_token("old-ada", OLD, audience=tenant.api.identifier, scope="read:appointments")
    assert tokens.scope == {"read:appointments"}
    assert tokens.id_token is None
    assert "old-ada" not in repr(tokens)
    assert not LoginSession.objects.exists()
    assert asked(tenant).form["audience"] == [tenant.api.identifier]


@pytest.mark.parametrize("others", ["org_other", None])
def test_the_organization_of_a_token_set_is_checked_without_an_id_token(tenant: Tenant, others: str | None) -> None:
    acme = tenant.add_organization("Acme")
    tenant.user.orgs.append(acme.id)
    wanted = {"audience": tenant.api.identifier, "scope": "read:appointments"}
    assert exchange_token("old-ada", OLD, organization=acme.id, **wanted).id_token is None
    tenant.token_hook = lambda kind, claims, header: claims.update(org_id=others) if others else claims.pop("org_id")
    assert refused(lambda: exchange_token("old-ada", OLD, organization=acme.id, **wanted)).code == "token_org_id"
    assert exchange_token("old-ada", OLD, organization=acme.id, scope="read:appointments").access_token, "opaque"


def test_what_goes_beside_it_reaches_the_tenant_and_replaces_nothing(tenant: Tenant) -> None:
    extra = {"device": "kiosk", "grant_type": "password", "subject_token": "x", "organization": "org_x"}
    exchange_token("old-ada", OLD, extra={**extra, "client_id": "another"})
    form = asked(tenant).form
    assert (form["device"], form["grant_type"]) == (["kiosk"], [TOKEN_EXCHANGE])
    assert form["client_id"] == [tenant.application.client_id]
    assert "organization" not in form


def test_only_a_login_gives_the_database_connection_back(
    request_here: HttpRequest, auth0_settings: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A view may be reading a cursor while it asks for a token set; a login is documented not to allow that."""
    closed: list[bool] = []
    pooled = SimpleNamespace(
        settings_dict={"OPTIONS": {"pool": True}},
        autocommit=True,
        in_atomic_block=False,
        close=lambda: closed.append(True),
    )
    auth0_settings(RELEASE_CONNECTIONS=True)
    monkeypatch.setattr(connection_pool, "connections", {"default": pooled})
    exchange_token("old-ada", OLD)
    assert closed == []
    log_in_with_token(request_here, "old-ada", OLD)
    assert closed == [True]


def test_async_twins(request_here: HttpRequest, tenant: Tenant) -> None:
    assert async_to_sync(aexchange_token)("old-ada", OLD).access_token
    assert async_to_sync(alog_in_with_token)(request_here, "old-ada", OLD, next_url="/bare/") == "/bare/"


#: Global, for a report of an error shows what is local to this file's functions.
SECRETS = ["old-" + name for name in ("ada", "actor", "extra")]
BESIDE: dict[str, Any] = {"actor_token": SECRETS[1], "actor_token_type": OLD, "extra": {"x": SECRETS[2]}}


async def exchange_in_async_code(request: HttpRequest) -> object:
    return await aexchange_token(SECRETS[0], OLD, **BESIDE)


async def log_in_in_async_code(request: HttpRequest) -> object:
    return await alog_in_with_token(request, SECRETS[0], OLD, **BESIDE)


@pytest.mark.parametrize(
    "ask",
    [
        lambda request: exchange_token(SECRETS[0], OLD, **BESIDE),
        lambda request: log_in_with_token(request, SECRETS[0], OLD, **BESIDE),
        async_to_sync(exchange_in_async_code),
        async_to_sync(log_in_in_async_code),
    ],
    ids=["exchange", "login", "async-exchange", "async-login"],
)
def test_no_token_is_in_the_report_of_an_error(
    request_here: HttpRequest, tenant: Tenant, auth0_settings: Configure, ask: Callable[[HttpRequest], object]
) -> None:
    def broken_clock() -> float:
        if tenant.count("/oauth/token"):
            raise ZeroDivisionError
        return tenant.clock.now()

    auth0_settings(CLOCK=broken_clock)
    with pytest.raises(ZeroDivisionError) as caught:
        ask(request_here)
    reporter = ExceptionReporter(None, caught.type, caught.value, caught.tb)
    report = reporter.get_traceback_html() + reporter.get_traceback_text()
    assert "broken_clock" in report
    assert [secret for secret in SECRETS if secret in report] == []


class TestDemands:
    def test_T41_the_organization_that_the_site_demands_is_asked_for_and_checked(
        self, request_here: HttpRequest, tenant: Tenant, auth0_settings: Configure
    ) -> None:
        acme = tenant.add_organization("Acme")
        auth0_settings(ORGANIZATION=acme.id)
        assert refused(lambda: log_in_with_token(request_here, "old-ada", OLD)).code == "invalid_request"
        tenant.user.orgs.append(acme.id)
        log_in_with_token(request_here, "old-ada", OLD)
        assert LoginSession.objects.get().grant.claims["org_id"] == acme.id
        tenant.fault("org-id-other")
        assert refused(lambda: log_in_with_token(request_here, "old-ada", OLD)).code == "token_org_id"

    def test_T41_an_organization_that_no_one_asked_for_is_refused(
        self, request_here: HttpRequest, tenant: Tenant
    ) -> None:
        tenant.token_hook = lambda kind, claims, header: claims.update(org_id="org_other")
        assert refused(lambda: log_in_with_token(request_here, "old-ada", OLD)).code == "organization_not_allowed"

    @pytest.mark.parametrize(
        ("demand", "code"), [({"acr_values": "urn:mfa"}, "token_acr"), ({"max_age": "300"}, "token_auth_time")]
    )
    def test_T41_a_login_that_proves_less_than_the_site_demands_is_refused(
        self, request_here: HttpRequest, auth0_settings: Configure, demand: dict[str, str], code: str
    ) -> None:
        auth0_settings(AUTHORIZATION_PARAMS=demand)
        assert refused(lambda: log_in_with_token(request_here, "old-ada", OLD)).code == code
        assert not LoginSession.objects.exists()

    @pytest.mark.parametrize(
        "demand", [{"organization": "org_x"}, {"acr_values": "urn:mfa"}, {"max_age": "300"}, {"max_age": "0"}]
    )
    def test_none_is_forgotten_over_a_second_factor(
        self, request_here: HttpRequest, tenant: Tenant, auth0_settings: Configure, demand: dict[str, str]
    ) -> None:
        auth0_settings(AUTHORIZATION_PARAMS=demand)
        tenant.fault("mfa-required")
        assert refused(lambda: log_in_with_token(request_here, "old-ada", OLD)).code == "stronger_login_needed"

    def test_T41_a_login_past_its_ceiling_is_refused(self, request_here: HttpRequest, tenant: Tenant) -> None:
        tenant.user.claims["session_expiry"] = int(tenant.clock.now())
        error = refused(lambda: log_in_with_token(request_here, "old-ada", OLD))
        assert isinstance(error, LoginRequired)
        assert error.code == "session_expired"


@pytest.mark.parametrize(("address", "end"), [("/from-the-old-site/?next=/bare/", "/bare/"), ("/to-a-page/", "/page/")])
def test_a_second_factor_goes_on_at_the_page_for_it(client: Client, tenant: Tenant, address: str, end: str) -> None:
    tenant.application.grant_types.add("mfa")
    tenant.user.mfa_required = True
    tenant.user.authenticators.append(Authenticator("otp", secret="JBSWY3DPEHPK3PXP"))
    client.cookies["old_session"] = "old-ada"
    answer = client.get(address, headers=NAVIGATE)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/auth0/mfa/")
    assert parse_qs(urlsplit(answer["Location"]).query)["next"] == [end]


def test_trouble_at_the_tenant_is_a_transport_error(request_here: HttpRequest, tenant: Tenant) -> None:
    tenant.fault("status", status=503, times=None)
    assert isinstance(refused(lambda: log_in_with_token(request_here, "old-ada", OLD)), TransportError)


def test_a_site_that_may_not_is_told_in_the_log(request_here: HttpRequest, tenant: Tenant, caplog: Any) -> None:
    tenant.application.allow_token_exchange = False
    assert refused(lambda: log_in_with_token(request_here, "old-ada", OLD)).code == "unauthorized_client"
    assert "setup_mistake name=exchange_grant_off" in caplog.text
    assert "old-ada" not in caplog.text


def test_the_visitor_s_address_goes_along(client: Client, tenant: Tenant) -> None:
    client.cookies["old_session"] = "old-ada"
    client.get("/from-the-old-site/", REMOTE_ADDR="203.0.113.7")
    assert asked(tenant).headers["auth0-forwarded-for"] == "203.0.113.7"


def test_so_does_an_address_that_a_view_names(tenant: Tenant) -> None:
    exchange_token("old-ada", OLD, visitor_address="203.0.113.7")
    assert asked(tenant).headers["auth0-forwarded-for"] == "203.0.113.7"
    exchange_token("old-ada", OLD)
    assert "auth0-forwarded-for" not in asked(tenant).headers


@pytest.mark.parametrize("headers", [FETCH, NAVIGATE])
def test_mfa_can_not_be_lost_in_a_token_set(client: Client, tenant: Tenant, headers: dict[str, str]) -> None:
    """The visitor need not be the token's subject: a refusal, and no login of that subject begins in their session."""
    tenant.user.mfa_required = True
    error = refused(lambda: client.get("/for-a-token/?token=old-ada", headers=headers))
    assert isinstance(error, TokenRequestError)
    assert (error.code, error.status) == ("mfa_required", 403)
    assert waiting.SESSION_KEY not in client.session
