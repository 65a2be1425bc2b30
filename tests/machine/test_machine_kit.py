"""Machine tokens in the tests of a project: without network, and at the local tenant."""

from __future__ import annotations

from typing import Any

import jwt
import pytest

from django_auth0_flow.machine import machine_api, machine_token
from django_auth0_flow.models import MachineToken
from django_auth0_flow.protocol.errors import MachineTokenRefused, TransportError
from django_auth0_flow.testing import FakeApi, OfflineTenant, expire_machine_tokens
from django_auth0_flow.testing.tenant import Tenant

AUTH0 = {
    "DOMAIN": "example.eu.auth0.com",
    "CLIENT_ID": "an-id",
    "CLIENT_SECRET": "a-secret-of-some-length",
    "AUDIENCE": "https://api.example.com",
}
URL = "https://api.example.com/things"


@pytest.fixture
def offline(settings: Any, request: pytest.FixtureRequest) -> OfflineTenant:
    settings.AUTH0 = AUTH0
    tenant: OfflineTenant = request.getfixturevalue("auth0_offline")
    return tenant


class TestOffline:
    def test_a_call_in_the_sites_own_name(self, offline: OfflineTenant, fake_api: FakeApi) -> None:
        fake_api.on("GET", URL, json={"count": 3})
        api = machine_api(scope="read:things", organization="org_1")
        assert api.get(URL).json() == {"count": 3}
        (call,) = fake_api.calls
        assert call.scopes == {"read:things"}
        assert (call.claims["sub"], call.claims["org_id"]) == ("an-id@clients", "org_1")

    def test_scopes_that_nobody_named(self, offline: OfflineTenant, fake_api: FakeApi) -> None:
        offline.machine_scopes = "read:things write:things"
        fake_api.on("GET", URL)
        machine_api().get(URL)
        assert fake_api.calls[0].scopes == {"read:things", "write:things"}

    def test_a_rejected_token(self, offline: OfflineTenant, fake_api: FakeApi) -> None:
        fake_api.on("GET", URL, status=401).on("GET", URL, json={})
        assert machine_api().get(URL).status_code == 200
        first, second = (call.access_token for call in fake_api.calls)
        assert first != second

    def test_an_expired_token_and_a_tenant_that_is_down(self, offline: OfflineTenant) -> None:
        first = machine_token()
        offline.is_down = True
        assert machine_token() == first
        expire_machine_tokens()
        with pytest.raises(TransportError):
            machine_token()
        offline.is_down = False
        expire_machine_tokens()
        assert machine_token() != first

    def test_a_refusal(self, offline: OfflineTenant) -> None:
        offline.machine_error = "unauthorized_client"
        with pytest.raises(MachineTokenRefused) as caught:
            machine_token()
        assert caught.value.code == "unauthorized_client"

    def test_what_a_test_sets_ends_with_it(self, offline: OfflineTenant) -> None:
        assert (offline.machine_error, offline.machine_scopes, offline.is_down) == ("", "", False)
        assert MachineToken.objects.count() == 0


@pytest.mark.django_db
class TestLocalTenant:
    @pytest.fixture(autouse=True)
    def _granted(self, tenant: Tenant, auth0_settings: Any) -> None:
        tenant.application.client_grants = {tenant.api.identifier: ["read:appointments"]}

    @pytest.mark.parametrize(
        ("usage", "default", "asked", "given"),
        [
            ("deny", None, None, None),
            ("deny", None, "org_1", "refused"),
            ("allow", None, None, None),
            ("allow", "org_1", None, None),
            ("allow", None, "org_1", "org_1"),
            ("allow", None, "partners", "org_1"),
            ("allow", None, "org_2", "refused"),
            ("require", None, None, "refused"),
            ("require", "org_1", None, "org_1"),
            ("require", None, "org_1", "org_1"),
        ],
    )
    def test_organizations(
        self, tenant: Tenant, usage: Any, default: Any, asked: str | None, given: str | None
    ) -> None:
        """Reference 3.5.1."""
        tenant.add_organization("partners", id="org_1")
        tenant.application.client_grant_organizations = {tenant.api.identifier: usage}
        tenant.application.default_organization = default
        if given == "refused":
            with pytest.raises(MachineTokenRefused):
                machine_token(organization=asked or "")
            return
        claims = jwt.decode(machine_token(organization=asked or ""), options={"verify_signature": False})
        assert claims.get("org_id") == given

    def test_quotas_are_told_and_kept(self, tenant: Tenant) -> None:
        tenant.application.token_quota = {"per_hour": 2}
        tenant.clock.advance(3600 - tenant.clock.now() % 3600)
        told = []
        for scope in ("", "read:appointments"):
            machine_token(scope=scope)
            told.append(tenant.quota_spent.total())
        assert told == [1, 2]
        expire_machine_tokens()
        with pytest.raises(TransportError) as caught:
            machine_token()
        assert caught.value.code == "quota_exceeded"
        tenant.clock.advance(3601)
        assert machine_token()
