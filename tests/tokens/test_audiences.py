"""Several APIs from one login: one token set per audience on one grant with one lease; Token Vault."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from asgiref.sync import async_to_sync
from django.core.cache import cache
from django.test import Client, RequestFactory

from django_auth0_flow.conf import clear_caches
from django_auth0_flow.models import LoginSession
from django_auth0_flow.protocol.errors import LoginRequired, NoAccessToken, OriginNotAllowed, TransportError
from django_auth0_flow.protocol.grant import MAX_OTHERS, Grant, Target
from django_auth0_flow.protocol.tokens import TokenSet
from django_auth0_flow.session import Auth0Session
from django_auth0_flow.testing.tenant import Tenant
from django_auth0_flow.tokens.source import StoredTokenSource
from tests.storm.harness import Site

DAY = 86400
BILLING = "https://billing.example.com"


def refreshes(tenant: Tenant) -> int:
    return tenant.count("/oauth/token", grant_type="refresh_token")


def audiences_of(token: str) -> list[str]:
    found = jwt.decode(token, options={"verify_signature": False})["aud"]
    return [found] if isinstance(found, str) else found


@pytest.fixture
def billing(tenant: Tenant) -> str:
    tenant.add_api(BILLING, scopes=["read:invoices", "pay:invoices"])
    tenant.application.refresh_policies = {BILLING: ["read:invoices"]}
    return BILLING


@pytest.fixture
def auth0(logged_in_client: Client, rf: RequestFactory) -> Auth0Session:
    request = rf.get("/")
    request.session = logged_in_client.session
    return Auth0Session(request)


class TestAudiences:
    def test_each_audience_has_its_token_fetched_once(self, billing: str, auth0: Auth0Session, tenant: Tenant) -> None:
        own = auth0.access_token()
        other = auth0.access_token(audience=billing)
        assert billing in audiences_of(other)
        assert tenant.api.identifier in audiences_of(own)
        assert auth0.access_token() == own
        assert auth0.access_token(audience=billing) == other
        assert auth0.access_token(audience=tenant.api.identifier) == own
        assert refreshes(tenant) == 1

    def test_the_token_is_kept_for_other_requests(self, billing: str, auth0: Auth0Session, tenant: Tenant) -> None:
        other = auth0.access_token(audience=billing)
        source = StoredTokenSource(LoginSession.objects.get().pk)
        assert source.access_token(Target(audience=billing)).access_token == other
        assert refreshes(tenant) == 1

    def test_every_rotation_counts_for_all(self, billing: str, auth0: Auth0Session, tenant: Tenant) -> None:
        for expected in (2, 4, 6):
            tenant.clock.advance(DAY)
            auth0.access_token(audience=billing)
            auth0.access_token()
            assert refreshes(tenant) == expected
        assert tenant.families_revoked == 0

    def test_audience_without_policy_is_refused_and_the_rotation_kept(
        self, auth0: Auth0Session, tenant: Tenant
    ) -> None:
        """Auth0 ignores such an audience and answers with the original API's token: never handed out as the other's."""
        tenant.add_api(BILLING)
        with pytest.raises(NoAccessToken) as caught:
            auth0.access_token(audience=BILLING)
        assert caught.value.code == "audience_not_granted"
        tenant.clock.advance(DAY)
        assert auth0.access_token()
        assert tenant.families_revoked == 0

    def test_audience_that_the_policy_refuses(self, billing: str, auth0: Auth0Session, tenant: Tenant) -> None:
        with pytest.raises(NoAccessToken) as caught:
            auth0.access_token(audience="https://unknown.example.com")
        assert caught.value.code == "audience_not_granted"
        assert auth0.access_token(audience=billing)

    def test_a_rotation_is_kept_when_the_other_apis_token_can_not_be_judged(
        self, billing: str, auth0: Auth0Session, tenant: Tenant
    ) -> None:
        """Its signing key is a new one, and the tenant's keys can't be had: nothing is handed out, nothing is lost."""
        tenant.rotate_keys()
        clear_caches()
        cache.clear()
        tenant.fault("drop", endpoint="jwks", times=None)
        with pytest.raises(TransportError):
            auth0.access_token(audience=billing)
        tenant.clear_faults()
        tenant.clock.advance(DAY)
        assert StoredTokenSource(LoginSession.objects.get().pk).access_token().access_token
        assert tenant.families_revoked == 0

    def test_an_application_that_is_refused_is_told_as_such(
        self, billing: str, auth0: Auth0Session, auth0_settings: Callable[..., Any]
    ) -> None:
        """Not as an API that the login has no token for: that would be forever."""
        auth0_settings(CLIENT_SECRET="rotated meanwhile")
        with pytest.raises(TransportError) as caught:
            auth0.access_token(audience=billing)
        assert caught.value.code == "client_rejected"
        assert LoginSession.objects.exists()

    def test_R4_a_revoked_grant_ends_the_login_whatever_is_asked_for(
        self, billing: str, auth0: Auth0Session, tenant: Tenant
    ) -> None:
        tenant.revoke_refresh_tokens(tenant.user.sub)
        with pytest.raises(LoginRequired) as caught:
            auth0.access_token(audience=billing)
        assert caught.value.code == "invalid_grant"
        assert not LoginSession.objects.exists()

    def test_fewer_scopes_on_request(self, auth0: Auth0Session, tenant: Tenant) -> None:
        token = auth0.access_token(scope="openid")
        assert jwt.decode(token, options={"verify_signature": False})["scope"] == "openid"
        assert auth0.access_token(scope="openid") == token
        assert auth0.access_token() != token
        assert refreshes(tenant) == 1

    def test_the_order_of_scopes_asks_for_no_other_token(self, auth0: Auth0Session, tenant: Tenant) -> None:
        token = auth0.access_token(scope="openid profile")
        assert auth0.access_token(scope="profile openid  openid") == token
        assert refreshes(tenant) == 1

    @pytest.mark.parametrize("origins", [(), ["http://billing.example.com"]], ids=["derived", "named"])
    def test_X13_no_token_goes_in_clear(self, auth0: Auth0Session, tenant: Tenant, origins: list[str]) -> None:
        with pytest.raises(OriginNotAllowed):
            auth0.api_for("http://billing.example.com", origins=origins).get("http://billing.example.com/invoices")
        assert refreshes(tenant) == 0

    def test_api_for_sends_its_token_to_its_own_origin_only(
        self, billing: str, auth0: Auth0Session, tenant: Tenant
    ) -> None:
        with pytest.raises(OriginNotAllowed):
            auth0.api_for(billing).get(tenant.api.identifier + "/things")
        with pytest.raises(OriginNotAllowed):
            auth0.api.get(billing + "/invoices")
        assert refreshes(tenant) == 0

    def test_different_wishes_never_share_a_token(self) -> None:
        wishes = [
            Target(),
            Target(audience="x"),
            Target(scope="x"),
            Target(connection="x"),
            Target(login_hint="x"),
            Target(audience="a", scope="b"),
            Target(connection="a", login_hint="b"),
            Target(audience="a\nb"),
        ]
        assert len({wish.key for wish in wishes}) == len(wishes)
        assert Target().key == ""

    def test_the_number_of_kept_tokens_is_bounded(self) -> None:
        grant = Grant(TokenSet(refresh_token="r"))
        for number in range(3 * MAX_OTHERS):
            grant = grant.with_token_set(f"https://{number}", TokenSet("token", expires_at=float(number)))
        assert len(grant.others) == MAX_OTHERS
        assert grant.token_set(f"https://{3 * MAX_OTHERS - 1}").access_token == "token"
        assert Grant.load(grant.dump()) == grant

    def test_without_refresh_token_there_is_no_other_audience(
        self, client: Client, log_in: Callable[..., Any], auth0_settings: Callable[..., Any], rf: RequestFactory
    ) -> None:
        auth0_settings(SCOPE="openid")
        log_in(client)
        request = rf.get("/")
        request.session = client.session
        with pytest.raises(NoAccessToken):
            Auth0Session(request).access_token(audience=BILLING)


ASK_IN_THREADS = """
import threading
from django_auth0_flow.conf import clear_caches
from django_auth0_flow.protocol.grant import Target
from django_auth0_flow.models import LoginSession
from django_auth0_flow.tokens.source import StoredTokenSource
pk, found = LoginSession.objects.get().pk, []
def ask(audience):
    found.append([audience, StoredTokenSource(pk).access_token(Target(audience=audience)).access_token])
    connections.close_all()
threads = [threading.Thread(target=ask, args=(audience,)) for audience in ["", sys.argv[1]] * 6]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps(found))
"""


@pytest.mark.slow
def test_threads_that_want_different_audiences_spend_each_refresh_token_once(tmp_path: Path) -> None:
    with Tenant() as tenant:
        tenant.application.callbacks = ["http://testserver/auth0/callback/"]
        tenant.add_api(BILLING, scopes=["read:invoices"])
        tenant.application.refresh_policies = {BILLING: ["read:invoices"]}
        site = Site(tenant, {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "site.sqlite3")})
        site.migrate()
        site.log_in()
        site.expire()
        found = json.loads(site.run(ASK_IN_THREADS, BILLING))
        assert len(found) == 12
        assert len({token for _, token in found}) == 2
        assert all(BILLING in audiences_of(token) for audience, token in found if audience)
        assert refreshes(tenant) == 2
        assert tenant.families_revoked == 0


class TestTokenVault:
    @pytest.fixture
    def vault(self, tenant: Tenant) -> None:
        from django_auth0_flow.testing.tenant.model import ALL_GRANTS

        tenant.application.grant_types = set(ALL_GRANTS)
        tenant.application.rotation = False
        tenant.user.linked_connections = {"google-oauth2": "idp-token"}

    def test_connection_token(self, vault: None, auth0: Auth0Session, tenant: Tenant) -> None:
        token = auth0.connection_token("google-oauth2")
        assert token
        assert auth0.connection_token("google-oauth2") == token
        asked = [request for request in tenant.requests if "federated" in (request.grant_type or "")]
        assert len(asked) == 1
        tenant.clock.advance(DAY)
        assert auth0.access_token()

    def test_connection_token_in_an_async_view(self, vault: None, auth0: Auth0Session) -> None:
        token = async_to_sync(auth0.aconnection_token)("google-oauth2")
        assert token
        assert auth0.connection_token("google-oauth2") == token

    def test_rotation_on_is_said_in_a_clear_error(self, vault: None, auth0: Auth0Session, tenant: Tenant) -> None:
        tenant.application.rotation = True
        with pytest.raises(NoAccessToken, match="rotation off") as caught:
            auth0.connection_token("google-oauth2")
        assert caught.value.code == "connection_token_refused"
        assert auth0.access_token()

    def test_R4_a_revoked_grant_ends_the_login(self, vault: None, auth0: Auth0Session, tenant: Tenant) -> None:
        tenant.fault("refuse", error="invalid_grant", description="Unknown or invalid refresh token.", status=403)
        with pytest.raises(LoginRequired) as caught:
            auth0.connection_token("google-oauth2")
        assert caught.value.code == "invalid_grant"
        assert not LoginSession.objects.exists()

    def test_unlinked_connection_ends_no_login(self, vault: None, auth0: Auth0Session) -> None:
        with pytest.raises(NoAccessToken):
            auth0.connection_token("github")
        assert LoginSession.objects.exists()
