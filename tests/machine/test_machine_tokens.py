"""Tokens of the site itself: one request for all who ask, and what each answer of the tenant means."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import jwt
import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext

from django_auth0_flow.conf import get_settings
from django_auth0_flow.machine import amachine_token, machine_api, machine_token
from django_auth0_flow.machine.lease import REFUSED_SECONDS, UNUSABLE_SECONDS, MachineLease
from django_auth0_flow.models import MachineToken
from django_auth0_flow.protocol.dpop import DPoPKey
from django_auth0_flow.protocol.errors import MachineTokenRefused, OriginNotAllowed, TransportError
from django_auth0_flow.testing.tenant import Tenant
from tests.client_keys import Certificates, client_key, make_certificates, tls_edge
from tests.picky_api import PickyApi, picky_api
from tests.storm.harness import ROOT

pytestmark = pytest.mark.django_db

DAY = 86400
Configure = Callable[..., dict[str, Any]]
BILLING = "https://billing.example.com"


@pytest.fixture(autouse=True)
def audience(tenant: Tenant, auth0_settings: Configure) -> str:
    """The API that the application has a client grant for."""
    tenant.application.client_grants = {tenant.api.identifier: ["read:appointments", "write:appointments"]}
    return tenant.api.identifier


@pytest.fixture
def billing(tenant: Tenant) -> str:
    """A second API."""
    tenant.add_api(BILLING, scopes=["read:invoices"])
    tenant.application.client_grants[BILLING] = ["read:invoices"]
    return BILLING


@pytest.fixture
def api(auth0_settings: Configure) -> Iterator[PickyApi]:
    with picky_api() as running:
        auth0_settings(API_ORIGINS=[running.origin])
        yield running


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def asked(tenant: Tenant) -> int:
    """Return how many tokens were asked for."""
    return tenant.count("/oauth/token", grant_type="client_credentials")


def last_form(tenant: Tenant) -> dict[str, str]:
    form = [request.form for request in tenant.requests if request.path == "/oauth/token"][-1]
    return {name: "".join(values) for name, values in form.items()}


def claims_of(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


def unhurried(tenant: Tenant) -> None:
    """Within one second tokens look the same."""
    tenant.clock.advance(1)


class TestOneRequest:
    def test_all_who_ask_get_the_same_token(self, tenant: Tenant, audience: str) -> None:
        token = machine_token(audience)
        assert [machine_token(audience), machine_token(), async_to_sync(amachine_token)(audience)] == [token] * 3
        assert asked(tenant) == 1
        claims = claims_of(token)
        assert (claims["sub"], claims["aud"]) == (f"{tenant.application.client_id}@clients", audience)
        assert claims["scope"] == "read:appointments write:appointments"

    def test_it_outlives_the_process(self, tenant: Tenant, audience: str) -> None:
        """What a new process has is the row: nothing is remembered beside it."""
        token = machine_token(audience)
        MachineToken.objects.get().refresh_from_db()
        assert machine_token(audience) == token
        MachineToken.objects.all().delete()
        unhurried(tenant)
        assert machine_token(audience) != token
        assert asked(tenant) == 2

    def test_a_live_token_costs_one_query_and_a_session_that_has_it_none(
        self, tenant: Tenant, api: PickyApi, django_assert_num_queries: Any
    ) -> None:
        machine_token()
        with django_assert_num_queries(1):
            machine_token()
        session = machine_api()
        with django_assert_num_queries(1):
            session.get(api.url)
            session.get(api.url)
        assert asked(tenant) == 1

    def test_each_access_has_its_own_token(self, tenant: Tenant, audience: str, billing: str) -> None:
        organization = tenant.add_organization("partners")
        tenant.application.client_grant_organizations = {audience: "allow"}
        kinds: list[dict[str, str]] = [
            {"audience": audience},
            {"audience": audience, "scope": "read:appointments"},
            {"audience": audience, "organization": organization.id},
            {"audience": billing},
        ]
        tokens = [machine_token(**kind) for kind in kinds]
        assert [machine_token(**kind) for kind in kinds] == tokens
        assert len(set(tokens)) == asked(tenant) == MachineToken.objects.count() == 4
        assert [claims_of(token).get("org_id") for token in tokens] == [None, None, organization.id, None]
        assert [claims_of(token)["aud"] for token in tokens] == [audience, audience, audience, billing]

    def test_scopes_in_another_order_are_the_same(self, tenant: Tenant) -> None:
        assert machine_token(scope="write:appointments  read:appointments") == machine_token(
            scope="read:appointments write:appointments"
        )
        assert asked(tenant) == 1
        assert last_form(tenant)["scope"] == "read:appointments write:appointments"

    def test_another_configuration_or_client_never_gets_this_token(
        self, tenant: Tenant, settings: Any, audience: str
    ) -> None:
        other = tenant.add_application(client_grants={audience: ["read:appointments"]})
        first = machine_token(audience)
        changed = {**settings.AUTH0, "CLIENT_ID": other.client_id, "CLIENT_SECRET": other.client_secret}
        settings.AUTH0 = {"default": settings.AUTH0, "other": changed, "strict": {**settings.AUTH0, "DPOP": True}}
        assert machine_token(audience) == first
        assert claims_of(machine_token(audience, configuration="other"))["azp"] == other.client_id
        assert "cnf" in claims_of(machine_token(audience, configuration="strict"))
        settings.AUTH0 = changed
        assert claims_of(machine_token(audience))["azp"] == other.client_id

    def test_hosts_with_different_keys_do_not_replace_each_others_tokens(self, tenant: Tenant, settings: Any) -> None:
        """As while ``ENCRYPTION_KEYS`` are being changed, one host after the other."""
        keys = ["a" * 40, "b" * 40]
        for _round in range(3):
            for key in keys:
                settings.AUTH0 = {**settings.AUTH0, "ENCRYPTION_KEYS": [key]}
                machine_token()
        assert asked(tenant) == 2

    def test_without_an_audience_it_says_so(self, auth0_settings: Configure) -> None:
        auth0_settings(AUDIENCE="", API_ORIGINS=[])
        with pytest.raises(ImproperlyConfigured, match=r"AUTH0\['AUDIENCE'\]"):
            machine_token()


class TestRenewal:
    def test_before_expiry_by_the_margin(self, tenant: Tenant, audience: str) -> None:
        first = machine_token(audience)
        tenant.clock.advance(DAY - 61)
        assert machine_token(audience) == first
        tenant.clock.advance(2)
        second = machine_token(audience)
        assert second != first
        assert machine_token(audience) == second
        assert asked(tenant) == 2

    def test_a_long_lived_session_goes_on(self, tenant: Tenant, api: PickyApi) -> None:
        session = machine_api()
        for _day in range(3):
            assert session.get(api.url).status_code == 200
            tenant.clock.advance(DAY)
        assert (asked(tenant), len(set(api.tokens))) == (3, 3)

    def test_nobody_waits_while_the_old_one_lives(self, tenant: Tenant, audience: str) -> None:
        """Another host renews, and takes its time."""
        first = machine_token(audience)
        tenant.clock.advance(DAY - 30)
        assert MachineToken.objects.get().claim("another host", 20)
        assert machine_token(audience) == first
        assert asked(tenant) == 1

    def test_a_host_that_died_is_followed_by_the_next(self, tenant: Tenant, audience: str) -> None:
        machine_token(audience)
        tenant.clock.advance(DAY)
        MachineToken.objects.get().claim("dead host", 20)
        MachineToken.objects.update(lease_expires_at=Now() - timedelta(seconds=1))
        assert machine_token(audience)
        assert asked(tenant) == 2

    def test_a_row_that_is_deleted_meanwhile_is_made_again(self, tenant: Tenant, audience: str) -> None:
        machine_token(audience)
        tenant.clock.advance(DAY)
        deleted: list[int] = []

        def overtake(execute: Any, sql: str, *arguments: Any) -> Any:
            if sql.startswith("UPDATE") and '"sealed"' in sql.replace("`", '"') and not deleted:
                deleted.append(MachineToken.objects.all().delete()[0])
            return execute(sql, *arguments)

        with connection.execute_wrapper(overtake):
            token = machine_token(audience)
        assert deleted == [1]
        assert machine_token(audience) == token
        assert asked(tenant) == 2

    def test_a_row_that_cannot_be_read_is_replaced(self, tenant: Tenant, caplog: pytest.LogCaptureFixture) -> None:
        machine_token()
        row = MachineToken.objects.get()
        row.sealed = row.sealed[:-4] + "AAAA"
        row.save()
        assert machine_token()
        assert machine_token()
        assert asked(tenant) == 2
        assert "machine_token_unreadable" in caplog.text


class TestApi:
    def test_the_token_goes_to_the_configurations_origins(self, api: PickyApi, tenant: Tenant) -> None:
        session = machine_api(scope="read:appointments")
        assert session.get(api.url).status_code == 200
        assert claims_of(api.tokens[0])["scope"] == "read:appointments"
        with pytest.raises(OriginNotAllowed):
            session.get("https://elsewhere.example.com/")

    def test_the_token_of_another_api_does_not_go_there(self, api: PickyApi, billing: str) -> None:
        with pytest.raises(OriginNotAllowed):
            machine_api(billing).get(api.url)
        assert api.tokens == []
        assert machine_api(billing, origins=[api.origin]).get(api.url).status_code == 200

    def test_a_rejected_token_is_renewed_once_and_the_call_repeated(self, api: PickyApi, tenant: Tenant) -> None:
        first = machine_token()
        unhurried(tenant)
        api.rejects = lambda token: token == first
        assert machine_api().get(api.url).status_code == 200
        assert (asked(tenant), len(api.tokens)) == (2, 2)

    def test_an_api_that_rejects_everything_costs_one_token(self, api: PickyApi, tenant: Tenant) -> None:
        machine_token()
        api.rejects = lambda token: True
        for _ in range(5):
            unhurried(tenant)
            assert machine_api().get(api.url).status_code == 401
        assert asked(tenant) == 2
        tenant.clock.advance(MachineLease.REJECTED_COOL_DOWN)
        assert machine_api().get(api.url).status_code == 401
        assert asked(tenant) == 3

    def test_async(self, api: PickyApi, tenant: Tenant) -> None:
        async def call() -> int:
            return (await machine_api().arequest("GET", api.url)).status_code

        assert async_to_sync(call)() == 200
        assert asked(tenant) == 1

    def test_no_token_in_what_is_shown_and_logged(
        self, api: PickyApi, tenant: Tenant, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG, "django_auth0_flow")
        session, token = machine_api(), machine_token()
        session.get(api.url)
        row = MachineToken.objects.get()
        assert "machine_token_renewed" in caplog.text
        shown = repr(session) + repr(row) + str(row) + repr(row.grant) + row.sealed + caplog.text
        for part in (token, token.rpartition(".")[2], get_settings().client_secret):
            assert part not in shown


class TestAnswers:
    def test_a_rate_limit_is_respected_by_all(self, tenant: Tenant) -> None:
        tenant.fault("rate-limit", times=None, retry_after=90, endpoint="token")
        for _ in range(3):
            with pytest.raises(TransportError) as caught:
                machine_token()
            assert (caught.value.code, caught.value.retry_after) == ("rate_limited", 90)
        assert asked(tenant) == 1
        tenant.clear_faults()
        tenant.clock.advance(91)
        assert machine_token()

    def test_a_tenant_that_asks_to_wait_for_a_day_is_asked_sooner(self, tenant: Tenant) -> None:
        tenant.fault("status", status=503, body="", headers={"Retry-After": "86400"}, endpoint="token")
        with pytest.raises(TransportError) as caught:
            machine_token()
        assert caught.value.retry_after == 120
        tenant.clock.advance(121)
        assert machine_token()

    def test_a_quota_that_is_used_up_says_when_there_is_more(self, tenant: Tenant, billing: str) -> None:
        tenant.application.token_quota = {"per_hour": 1, "per_day": 50}
        tenant.clock.advance(3600 - tenant.clock.now() % 3600 + 600)
        machine_token()
        for _ in range(2):
            with pytest.raises(TransportError) as caught:
                machine_token(billing)
            assert caught.value.code == "quota_exceeded"
            assert 2990 <= (caught.value.retry_after or 0) <= 3001
        assert asked(tenant) == 2
        assert machine_token(), "the token that there is serves on"
        tenant.clock.advance(3010)
        assert machine_token(billing)

    @pytest.mark.parametrize(
        ("headers", "wait"),
        [
            ({}, None),
            ({"Retry-After": "20"}, 20),
            ({"Auth0-Client-Quota-Limit": "b=per_hour;q=10;r=7;t=3540,b=per_day;q=50;r=0;t=900"}, 900),
            ({"Auth0-Organization-Quota-Limit": "b=per_hour;q=10;r=0;t=7, b=per_day;q=1;r=0;t=70"}, 70),
            ({"Auth0-Client-Quota-Limit": "junk;;=,r=0;t=x,r=0;t=-5"}, None),
        ],
    )
    def test_quota_headers_are_matched_loosely(self, tenant: Tenant, headers: dict[str, str], wait: int | None) -> None:
        body = {"error": "too_many_requests", "error_description": "Client quota exceeded"}
        remaining = {"X-RateLimit-Remaining": "1"}
        tenant.fault("status", status=429, body=json.dumps(body), headers={**remaining, **headers}, endpoint="token")
        with pytest.raises(TransportError) as caught:
            machine_token()
        assert (caught.value.code, caught.value.retry_after) == ("quota_exceeded", wait or 1)

    @pytest.mark.parametrize("fault", ["drop", "html", "reset"])
    def test_the_old_token_serves_while_the_tenant_is_down(self, tenant: Tenant, fault: str) -> None:
        first = machine_token()
        tenant.clock.advance(DAY - 30)
        tenant.fault(fault, times=None, endpoint="token")
        assert [machine_token() for _ in range(3)] == [first] * 3
        assert asked(tenant) <= 3, "at most one renewal, with one repetition"
        tenant.clock.advance(31)
        with pytest.raises(TransportError):
            machine_token()

    def test_a_lost_answer_is_asked_for_once_more(self, tenant: Tenant) -> None:
        tenant.fault("drop-after", endpoint="token")
        assert machine_token()
        assert asked(tenant) == 2

    @pytest.mark.parametrize(
        ("break_it", "code", "fix"),
        [
            (lambda tenant: tenant.application.grant_types.clear(), "unauthorized_client", "tick Client Credentials"),
            (lambda tenant: tenant.application.client_grants.clear(), "access_denied", "Client Access: Grant Access"),
            (lambda tenant: tenant.apis.clear(), "access_denied", "copy its Identifier to the letter"),
        ],
        ids=["grant off", "no client grant", "no such API"],
    )
    def test_a_refusal_is_typed_explained_and_not_repeated_at_once(
        self, tenant: Tenant, caplog: pytest.LogCaptureFixture, break_it: Any, code: str, fix: str
    ) -> None:
        granted = dict(tenant.application.client_grants), set(tenant.application.grant_types), dict(tenant.apis)
        break_it(tenant)
        for _ in range(3):
            with pytest.raises(MachineTokenRefused) as caught:
                machine_token()
            assert caught.value.code == code
        assert asked(tenant) == 1
        assert f"code={code}" in caplog.text
        assert fix in caplog.text
        tenant.application.client_grants, tenant.application.grant_types, tenant.apis = granted
        tenant.clock.advance(REFUSED_SECONDS + 1)
        assert machine_token()

    def test_a_scope_that_was_not_granted(self, caplog: pytest.LogCaptureFixture) -> None:
        with pytest.raises(MachineTokenRefused):
            machine_token(scope="delete:everything")
        assert "tick the permission" in caplog.text

    def test_a_wrong_secret_is_a_refusal_too(self, tenant: Tenant, auth0_settings: Configure) -> None:
        auth0_settings(CLIENT_SECRET="wrong")
        with pytest.raises(MachineTokenRefused) as caught:
            machine_token()
        assert caught.value.status == 401

    @pytest.mark.parametrize("error", ["invalid_grant", "mfa_required", "login_required"])
    def test_no_answer_is_taken_for_the_end_of_a_login(self, tenant: Tenant, error: str) -> None:
        tenant.fault("refuse", error=error, grant_type="client_credentials")
        with pytest.raises(MachineTokenRefused) as caught:
            machine_token()
        assert type(caught.value) is MachineTokenRefused

    @pytest.mark.parametrize("path", ["/machine-token/", "/async-machine-token/"])
    def test_in_a_view_it_is_the_sites_mistake_and_no_failed_login(self, tenant: Tenant, path: str) -> None:
        tenant.application.grant_types.discard("client_credentials")
        browser = Client(headers={"Accept": "text/html", "Sec-Fetch-Mode": "navigate"})
        for _ in range(4):
            response = browser.get(path)
            assert (response.status_code, "Retry-After" in response) == (502, False)
            assert "client_rejected" in response.content.decode()
            assert "/auth0/login/" not in response.content.decode()
        assert not browser.session.keys()

    def test_in_a_view_a_quota_is_503(self, tenant: Tenant) -> None:
        tenant.application.token_quota = {"per_hour": 0}
        response = Client().get("/machine-token/", headers={"Accept": "application/json"})
        assert (response.status_code, response.json()["code"]) == (503, "quota_exceeded")
        assert 0 < int(response["Retry-After"]) <= 3600

    def test_a_visitor_is_not_logged_out_by_it(
        self, tenant: Tenant, client: Client, log_in: Callable[..., Any]
    ) -> None:
        log_in(client)
        tenant.application.grant_types.discard("client_credentials")
        with pytest.raises(MachineTokenRefused):
            machine_token()
        assert client.get("/token/").status_code == 200

    def test_an_answer_without_token_is_not_asked_for_again_and_again(self, tenant: Tenant) -> None:
        tenant.fault("no-access-token", times=None, grant_type="client_credentials")
        for _ in range(3):
            with pytest.raises(TransportError) as caught:
                machine_token()
            assert caught.value.code == "access_token_missing"
        assert asked(tenant) == 1
        tenant.clear_faults()
        tenant.clock.advance(UNUSABLE_SECONDS + 1)
        assert machine_token()


class TestOrganizations:
    @pytest.fixture(autouse=True)
    def _organizations(self, tenant: Tenant, audience: str) -> None:
        tenant.application.client_grant_organizations = {audience: "allow"}

    def test_an_org_id_that_was_not_asked_for_is_no_mismatch(self, tenant: Tenant, audience: str) -> None:
        organization = tenant.add_organization("partners")
        tenant.application.client_grant_organizations = {audience: "require"}
        tenant.application.default_organization = organization.id
        assert claims_of(machine_token())["org_id"] == organization.id
        assert "organization" not in last_form(tenant)

    @pytest.mark.parametrize("by", ["id", "name"])
    def test_one_that_was_asked_for(self, tenant: Tenant, by: str) -> None:
        organization = tenant.add_organization("Partners")
        asked_for = organization.id if by == "id" else "Partners"
        assert claims_of(machine_token(organization=asked_for))["org_id"] == organization.id
        assert last_form(tenant)["organization"] == asked_for

    @pytest.mark.parametrize("by", ["id", "name"])
    @pytest.mark.parametrize(
        "claims",
        [
            {"org_id": "org_other"},
            {"org_id": "org_other", "org_name": "others"},
            {"org_name": "others"},
            {"org_id": "org_other", "org_name": ["partners"]},
            {},
        ],
        ids=str,
    )
    def test_a_token_for_another_organization_is_not_used(
        self, tenant: Tenant, claims: dict[str, Any], by: str
    ) -> None:
        organization = tenant.add_organization("partners")
        asked_for = organization.id if by == "id" else "partners"

        def swap(kind: str, found: dict[str, Any], header: dict[str, Any]) -> None:
            for name in ("org_id", "org_name"):
                found.pop(name, None)
            found.update(claims)

        tenant.token_hook = swap
        for _ in range(2):
            with pytest.raises(TransportError) as caught:
                machine_token(organization=asked_for)
            assert caught.value.code == "organization_mismatch"
        assert asked(tenant) == 1

    def test_the_tenants_refusal(self, tenant: Tenant, audience: str) -> None:
        tenant.application.client_grant_organizations = {}
        with pytest.raises(MachineTokenRefused):
            machine_token(organization=tenant.add_organization("partners").id)


class TestClientAuthentication:
    def test_client_secret_basic(self, tenant: Tenant, auth0_settings: Configure) -> None:
        auth0_settings(CLIENT_AUTH="client_secret_basic")
        assert machine_token()
        assert "client_secret" not in last_form(tenant)

    def test_private_key_jwt(self, tenant: Tenant, auth0_settings: Configure) -> None:
        tenant.application.token_endpoint_auth_method = "private_key_jwt"
        tenant.application.public_keys = {"new": client_key("new").public_pem}
        entries = [{"key": client_key("new").pem, "kid": "new", "alg": "RS256"}]
        auth0_settings(CLIENT_SECRET="", CLIENT_ASSERTION_KEYS=entries)
        assert machine_token()
        assert "client_assertion" in last_form(tenant)

    def test_mutual_tls(
        self,
        tenant: Tenant,
        certificates: Certificates,
        auth0_settings: Configure,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.ca))
        with tls_edge(tenant, certificates):
            tenant.application.token_endpoint_auth_method = "tls_client_auth"
            tenant.application.certificates = [certificates.client.read_text()]
            pair = {"cert": str(certificates.client), "key": str(certificates.client_key)}
            auth0_settings(CLIENT_SECRET="", CLIENT_CERTIFICATE=pair)
            assert machine_token()

    def test_dpop_binds_the_token_and_keeps_its_key(
        self, tenant: Tenant, auth0_settings: Configure, api: PickyApi
    ) -> None:
        tenant.api.dpop = "required"
        tenant.application.require_dpop = True
        auth0_settings(DPOP=True, API_ORIGINS=[api.origin])
        keys = set()
        for _ in range(2):
            token = machine_token()
            tokens = MachineToken.objects.get().grant.tokens
            assert tokens.token_type == "DPoP"
            assert claims_of(token)["cnf"]["jkt"] == DPoPKey.load(tokens.dpop_key or "").thumbprint
            keys.add(tokens.dpop_key)
            tenant.clock.advance(DAY)
        assert len(keys) == 1
        assert machine_api().get(api.url).status_code == 200

    def test_dpop_with_an_api_that_binds_no_tokens(
        self, tenant: Tenant, auth0_settings: Configure, api: PickyApi
    ) -> None:
        tenant.api.dpop = "none"
        auth0_settings(DPOP=True, API_ORIGINS=[api.origin])
        assert machine_api().get(api.url).status_code == 200
        assert "cnf" not in claims_of(machine_token())

    def test_the_resource_parameter_of_other_providers(self, tenant: Tenant, auth0_settings: Configure) -> None:
        auth0_settings(AUDIENCE="", RESOURCE=tenant.api.identifier)
        assert machine_token()
        assert (last_form(tenant)["resource"], last_form(tenant).get("audience")) == (tenant.api.identifier, None)


class TestCleanUp:
    @pytest.fixture(autouse=True)
    def _two_rows(self, tenant: Tenant, billing: str) -> None:
        tenant.apis[billing].lifetime = 30 * DAY
        machine_token()
        machine_token(billing)

    def clear(self, capsys: pytest.CaptureFixture[str], *options: str) -> str:
        call_command("auth0_clearsessions", *options)
        return capsys.readouterr().out

    def test_dead_rows_go_and_living_ones_stay(self, tenant: Tenant, capsys: pytest.CaptureFixture[str]) -> None:
        assert "machine tokens" not in self.clear(capsys)
        tenant.clock.advance(DAY + 3601)
        assert "1 machine tokens to delete." in self.clear(capsys, "--dry-run")
        assert MachineToken.objects.count() == 2
        assert "1 machine tokens deleted." in self.clear(capsys)
        assert MachineToken.objects.get().audience == BILLING
        assert machine_token()

    def test_batches_miss_no_row(self, tenant: Tenant, capsys: pytest.CaptureFixture[str]) -> None:
        for scope in ("read:appointments", "write:appointments"):
            machine_token(scope=scope)
        tenant.clock.advance(40 * DAY)
        assert "4 machine tokens to delete." in self.clear(capsys, "--batch-size", "1", "--dry-run")
        with CaptureQueriesContext(connection) as queries:
            assert "4 machine tokens deleted." in self.clear(capsys, "--batch-size", "1")
        assert sum("DELETE" in query["sql"] and "machinetoken" in query["sql"] for query in queries) == 4

    def test_a_row_that_is_being_renewed_or_waited_for_stays(
        self, tenant: Tenant, capsys: pytest.CaptureFixture[str]
    ) -> None:
        tenant.clock.advance(40 * DAY)
        row, other = MachineToken.objects.order_by("audience")
        assert row.claim("a worker", 60)
        other.retry_at = tenant.clock.now() + 60
        other.save()
        assert "machine tokens" not in self.clear(capsys)


def test_a_site_that_does_not_use_it_loads_none_of_it() -> None:
    code = (
        "import django, sys; django.setup(); import django_auth0_flow.urls, django_auth0_flow.middleware, "
        "django_auth0_flow.decorators; print([name for name in sys.modules if 'django_auth0_flow.machine' in name])"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
