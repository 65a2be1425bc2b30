"""The test kit for users' projects: logins without network, stale and revoked tokens, the fake API, its fixtures."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.test import AsyncClient, Client, TestCase, override_settings

from django_auth0_flow.conf import get_client
from django_auth0_flow.models import Identity, LoginSession
from django_auth0_flow.protocol.errors import Auth0Error, TransportError
from django_auth0_flow.testing import (
    FakeApi,
    UnexpectedCall,
    aauth0_login,
    auth0_login,
    expire_tokens,
    go_online,
    log_in_at,
    login_session_of,
    make_access_token,
    offline_tenant,
    revoke_tokens,
    settings_for,
)
from django_auth0_flow.testing.canned import CannedAdapter
from django_auth0_flow.testing.tenant import Tenant
from tests.http_browser import HttpBrowser
from tests.sample_views import MFA
from tests.walk import FETCH, LOGIN, NAVIGATE, is_logged_in

pytestmark = pytest.mark.django_db
THINGS = "https://api.example.com/things"
#: Nothing listens there: whatever asks the network fails.
AUTH0 = {
    "DOMAIN": "nobody.invalid",
    "CLIENT_ID": "client",
    "CLIENT_SECRET": "secret",
    "AUDIENCE": "https://api.example.com",
    "SCOPE": "openid profile email offline_access",
}
users: Any = get_user_model()


@pytest.fixture(autouse=True)
def configured(settings: Any) -> Any:
    settings.AUTH0 = AUTH0
    return settings


@pytest.fixture
def api() -> Any:
    with FakeApi() as running:
        yield running


def call(client: Client, url: str = THINGS, **extra: Any) -> Any:
    return client.get("/call/", {"url": url}, **extra)


def json_of(answer: Any) -> Any:
    return json.loads(answer.content)


class TestLogin:
    def test_views_open_and_tokens_work(self, client: Client) -> None:
        row = auth0_login(client, sub="auth0|ada", scopes="openid read:things", permissions="write:things")
        assert client.get("/").content == b"home of auth0.ada"
        assert client.get("/bare/").content == b"bare auth0|ada"
        assert [client.get(path).status_code for path in ("/scoped/", "/permitted/")] == [200, 200]
        assert client.get("/token/").content.decode() == row.grant.tokens.access_token
        assert users.objects.get().email == "ada@example.com"

    def test_what_was_not_given_is_missing(self, client: Client) -> None:
        auth0_login(client)
        answer = client.get("/permitted/", headers=FETCH)
        assert (answer.status_code, answer.json()["code"]) == (403, "permissions")
        assert client.get("/scoped/", headers=FETCH).json()["code"] == "scopes"

    def test_an_existing_user_keeps_fields_groups_and_flags(self, client: Client, configured: Any) -> None:
        configured.AUTH0 = {**AUTH0, "GROUPS_CLAIM": "roles", "GROUPS": {"doc": "doctors"}, "STAFF_GROUPS": ["staff"]}
        user = users.objects.create_user("ada", "ada@example.org", first_name="Ada", is_staff=True)
        user.groups.add(Group.objects.create(name="doctors"))
        auth0_login(client, user=user)
        user.refresh_from_db()
        assert client.get("/").content == b"home of ada"
        assert (user.email, user.first_name, user.is_staff) == ("ada@example.org", "Ada", True)
        assert [group.name for group in user.groups.all()] == ["doctors"]

    def test_the_same_user_twice_has_one_identity(self, client: Client) -> None:
        user = users.objects.create_user("ada")
        for _ in range(5):
            auth0_login(client, user=user)
        assert Identity.objects.count() == LoginSession.objects.count() == 1
        assert client.get(LOGIN, headers=NAVIGATE).status_code == 302  # no loop is seen in it

    def test_a_subject_of_somebody_else_is_a_mistake(self, client: Client) -> None:
        auth0_login(client, sub="auth0|ada")
        with pytest.raises(ValueError, match="another user"):
            auth0_login(client, sub="auth0|ada", user=users.objects.create_user("eve"))

    def test_claims_and_organization(self, client: Client) -> None:
        row = auth0_login(client, organization="org_9ybsU1dN2dKfDkBi", claims={"email": "x@example.com", "acr": MFA})
        assert client.get("/organized/").content == b"organized org_9ybsU1dN2dKfDkBi"
        assert client.get("/strong/").status_code == 200
        assert row.grant.claims["email"] == "x@example.com"
        assert auth0_login(client, organization="Acme").grant.claims["org_name"] == "acme"

    def test_who_may_not_log_in_does_not(self, client: Client) -> None:
        user = users.objects.create_user("ada", is_active=False)
        with pytest.raises(Auth0Error) as caught:
            auth0_login(client, user=user)
        assert caught.value.code == "user_not_allowed"
        assert not is_logged_in(client)

    def test_permissions_need_an_audience(self, client: Client, configured: Any) -> None:
        configured.AUTH0 = {**AUTH0, "AUDIENCE": ""}
        assert auth0_login(client).grant.tokens.access_token
        with pytest.raises(ValueError, match="AUDIENCE"):
            auth0_login(client, permissions="read:things")

    @pytest.mark.parametrize(
        "keys",
        [
            {"DPOP": True},
            {"ID_TOKEN_ALGORITHM": "HS256", "CLIENT_SECRET": "s" * 64},
            {"ID_TOKEN_ALGORITHM": "PS256"},
            {"USERINFO": True},
            {"USERINFO": True, "AUDIENCE": "", "API_ORIGINS": ["https://api.example.com"]},
            {"PUSHED_AUTHORIZATION": True},
            {"ALLOWED_ORGANIZATIONS": ["acme"]},
        ],
        ids=str,
    )
    def test_settings_of_all_kinds(self, client: Client, configured: Any, api: FakeApi, keys: dict[str, Any]) -> None:
        configured.AUTH0 = {**AUTH0, **keys}
        api.on("GET", THINGS, json=[])
        auth0_login(client, organization="other")
        assert call(client).status_code == 200
        expire_tokens(client)
        assert call(client).status_code == 200
        first, second = (made.access_token for made in api.calls)
        assert first != second
        assert client.get(LOGIN, headers=NAVIGATE)["Location"].startswith("https://nobody.invalid/authorize?")

    def test_a_named_configuration(self, client: Client, configured: Any) -> None:
        configured.AUTH0 = {"default": AUTH0, "partners": {**AUTH0, "DOMAIN": "partners.invalid"}}
        row = auth0_login(client, configuration="partners", permissions="write:things")
        assert (row.configuration, row.identity.issuer) == ("partners", "https://partners.invalid/")
        configured.ROOT_URLCONF = "tests.urlconfs.access"
        assert client.get("/of-partners-scoped/").content.decode().endswith(" partners")
        assert client.get("/of-default/", headers=FETCH).status_code == 401

    def test_logout_works_as_well(self, client: Client) -> None:
        auth0_login(client)
        answer = client.post("/auth0/logout/")
        assert answer["Location"].startswith("https://nobody.invalid/oidc/logout?")
        assert "id_token_hint=" in answer["Location"]
        assert not LoginSession.objects.exists()

    def test_the_rest_of_the_session_survives(self, client: Client) -> None:
        session = client.session
        session["cart"] = [1]
        session.save()
        key = session.session_key
        auth0_login(client)
        assert client.session["cart"] == [1]
        assert client.session.session_key != key

    def test_in_an_async_test(self) -> None:
        async def log_in_and_look() -> bytes:
            client = AsyncClient()
            await aauth0_login(client, sub="auth0|ada")
            return bytes((await client.get("/async/")).content)

        assert async_to_sync(log_in_and_look)() == b"async auth0|ada"


class TestStaleTokens:
    def test_an_expired_token_is_refreshed(self, client: Client) -> None:
        auth0_login(client, permissions="write:things")
        before = client.get("/token/").content
        expire_tokens(client)
        after = client.get("/token/").content
        assert after != before
        assert client.get("/permitted/").status_code == 200

    def test_permissions_of_an_expired_token_come_from_a_new_one(self, client: Client) -> None:
        auth0_login(client, permissions="write:things")
        expire_tokens(client)
        assert client.get("/permitted/").status_code == 200

    def test_without_offline_access_an_expired_token_ends_the_login(self, client: Client, configured: Any) -> None:
        configured.AUTH0 = {**AUTH0, "SCOPE": "openid"}
        auth0_login(client)
        expire_tokens(client)
        assert client.get("/token/", headers=NAVIGATE)["Location"].startswith(LOGIN)

    def test_revoked_tokens_ask_for_a_login(self, client: Client) -> None:
        auth0_login(client)
        revoke_tokens(client)
        assert client.get("/token/", headers=NAVIGATE)["Location"].startswith(LOGIN)
        assert not is_logged_in(client)
        with pytest.raises(LookupError):
            login_session_of(client)

    def test_expires_in(self, client: Client) -> None:
        row = auth0_login(client, expires_in=1)
        assert client.get("/token/").status_code == 200
        assert row.access_token_expires_at is not None
        assert 0 < row.access_token_expires_at - row.logged_in_at <= 1.5

    def test_with_the_local_tenant_too(self, client: Client, tenant: Tenant, log_in: Callable[..., Any]) -> None:
        log_in(client)
        expire_tokens(client)
        assert client.get("/token/").status_code == 200
        assert tenant.count("/oauth/token", grant_type="refresh_token") == 1
        revoke_tokens(client)
        assert client.get("/token/", headers=NAVIGATE).status_code == 302
        assert tenant.count("/oauth/revoke") == 1

    def test_a_tenant_that_is_down(self, client: Client) -> None:
        auth0_login(client)
        expire_tokens(client)
        with offline_tenant() as tenant:
            tenant.is_down = True
            assert client.get("/token/", headers=NAVIGATE).status_code == 503
        assert is_logged_in(client)


class TestFakeApi:
    def test_calls_are_answered_and_remembered(self, client: Client, api: FakeApi) -> None:
        api.on("GET", THINGS, json=[{"id": 1}], headers={"X-Total": "1"}).on("POST", THINGS, status=201, text="made")
        row = auth0_login(client, scopes="openid read:things")
        assert json_of(call(client, f"{THINGS}?page=2")) == [{"id": 1}]
        posted = client.post(f"/call/?url={THINGS}", b'{"a": 1}', content_type="application/json")
        assert (posted.status_code, posted.content) == (201, b"made")
        got, sent = api.calls
        assert (got.method, got.url, got.query) == ("GET", THINGS, {"page": "2"})
        assert got.access_token == row.grant.tokens.access_token
        assert got.scopes == frozenset({"openid", "read:things"})
        assert got.claims["aud"] == "https://api.example.com"
        assert sent.json() == {"a": 1}
        assert api.called("post", THINGS) == [sent]
        assert row.grant.tokens.access_token not in repr(api.calls)

    def test_a_401_refreshes_once_and_tries_again(self, client: Client, api: FakeApi) -> None:
        api.on("GET", THINGS, status=401).on("GET", THINGS, json="fine")
        auth0_login(client)
        assert json_of(call(client)) == "fine"
        first, second = (made.access_token for made in api.calls)
        assert first != second

    def test_an_unknown_call_fails_the_test_and_says_what_is_known(self, client: Client, api: FakeApi) -> None:
        auth0_login(client)
        api.on("POST", THINGS)
        with pytest.raises(UnexpectedCall, match=r"No answer for GET .*/things; there are answers for: POST https"):
            call(client)

    def test_errors_and_foreign_origins(self, client: Client, api: FakeApi) -> None:
        auth0_login(client)
        api.on("GET", THINGS, error=requests.ConnectionError("down"))
        with pytest.raises(requests.ConnectionError):
            call(client)
        with pytest.raises(Exception, match="API_ORIGINS"):
            call(client, "https://evil.example/")
        assert len(api.calls) == 1

    def test_outside_requests_and_afterwards(self, client: Client) -> None:
        row = auth0_login(client)
        with FakeApi() as api:
            api.on("GET", THINGS, text="hello")
            assert row.api.get(THINGS).text == "hello"
        assert not isinstance(row.api.get_adapter(THINGS), CannedAdapter)

    def test_several_audiences(self, client: Client, api: FakeApi) -> None:
        row = auth0_login(client)
        api.on("GET", "https://other.example.com/x", text="other")
        from django_auth0_flow.protocol.grant import Target
        from django_auth0_flow.tokens.source import StoredTokenSource

        target = Target(audience="https://other.example.com")
        session = StoredTokenSource(row.pk).api_session(["https://other.example.com"], target)
        assert session.get("https://other.example.com/x").text == "other"
        assert api.calls[0].claims["aud"] == "https://other.example.com"


class TestAccessTokens:
    @pytest.mark.parametrize(
        ("arguments", "status"),
        [
            ({"scopes": "read:things"}, 200),
            ({"scopes": ["read:things", "x"], "sub": "robot@clients"}, 200),
            ({}, 403),
            ({"scopes": "read:things", "expires_in": -3600}, 401),
            ({"scopes": "read:things", "audience": "https://other.example.com"}, 401),
            ({"scopes": "read:things", "claims": {"iss": "https://evil.example/"}}, 401),
        ],
        ids=str,
    )
    def test_an_api_judges_them_as_real_ones(self, client: Client, arguments: dict[str, Any], status: int) -> None:
        token = make_access_token(**arguments)
        assert client.get("/api/things/", headers={"Authorization": f"Bearer {token}"}).status_code == status

    def test_permissions(self, client: Client) -> None:
        token = make_access_token(permissions=["write:things"])
        assert client.get("/api/things/write/", headers={"Authorization": f"Bearer {token}"}).status_code == 200


class TestOffline:
    def test_each_test_starts_online(self) -> None:
        with pytest.raises(TransportError):
            get_client().issuer.metadata()

    def test_the_context_ends(self) -> None:
        with offline_tenant() as tenant:
            assert get_client().issuer.metadata().issuer == tenant.issuer
            with offline_tenant():
                pass
            assert get_client().issuer.metadata().issuer == tenant.issuer
        with pytest.raises(TransportError):
            get_client().issuer.metadata()

    def test_nothing_of_it_gets_into_the_shared_cache(self, client: Client) -> None:
        cache.clear()
        auth0_login(client, permissions="write:things")
        client.get("/permitted/")
        for name in ("metadata:https://nobody.invalid/", "jwks:https://nobody.invalid/.well-known/jwks.json"):
            assert cache.get(f"auth0_flow:{name}") is None

    def test_other_tenants_are_asked_over_the_network_meanwhile(
        self, client: Client, tenant: Tenant, auth0_settings: Callable[..., Any]
    ) -> None:
        keys = auth0_settings()
        with override_settings(AUTH0={"default": AUTH0, "local": keys}):
            auth0_login(client)
            assert get_client("local").issuer.signing_keys(None)
            assert get_client("default").issuer.metadata().issuer == "https://nobody.invalid/"
        assert tenant.count("/.well-known/jwks.json") == 1


class TestUnittest(TestCase):
    """The plain functions in a ``TestCase``: no fixture is needed."""

    def setUp(self) -> None:
        self.enterContext(override_settings(AUTH0=AUTH0))
        self.enterContext(offline_tenant())
        self.api = self.enterContext(FakeApi())

    def test_a_login_and_a_call(self) -> None:
        auth0_login(self.client, permissions="write:things")
        self.api.on("GET", THINGS, json=[])
        assert json_of(call(self.client)) == []
        assert self.client.get("/permitted/").status_code == 200

    def test_go_online(self) -> None:
        auth0_login(self.client)
        go_online()
        with pytest.raises(TransportError):
            get_client().issuer.metadata()


class TestFixtures:
    """``tenant``, ``auth0_settings``, ``log_in`` in projects that are not laid out like this one."""

    def test_the_fixtures_need_no_network(self, auth0_login: Callable[..., Any], fake_api: FakeApi) -> None:
        client = Client()
        auth0_login(client)
        fake_api.on("GET", THINGS, text="fine")
        assert call(client).content == b"fine"

    def test_another_prefix_for_the_include(self, settings: Any, tenant: Tenant, client: Client) -> None:
        settings.ROOT_URLCONF = "tests.urlconfs.elsewhere"
        settings.AUTH0 = settings_for(tenant)
        assert "http://testserver/members/login-service/callback/" in tenant.application.callbacks
        answer = log_in_at(tenant, client, next="/page/")
        assert (answer.status_code, answer["Location"]) == (302, "/page/")
        assert client.post("/members/login-service/logout/").status_code == 302

    def test_a_site_that_redirects_to_https(self, settings: Any, client: Client, log_in: Callable[..., Any]) -> None:
        settings.SECURE_SSL_REDIRECT = True
        settings.SESSION_COOKIE_SECURE = True
        assert log_in(client, next="/page/")["Location"] == "/page/"
        assert is_logged_in(client)

    def test_a_script_name(self, settings: Any, client: Client, log_in: Callable[..., Any], tenant: Tenant) -> None:
        settings.FORCE_SCRIPT_NAME = "/sub"
        settings.AUTH0 = settings_for(tenant)
        client.get("/")  # what sets the prefix that reverse() adds
        settings.AUTH0 = settings_for(tenant)
        assert log_in(client, next="/sub/page/")["Location"] == "/sub/page/"

    @pytest.mark.parametrize("mode", ["form_post", "query"])
    def test_response_modes(
        self, client: Client, auth0_settings: Callable[..., Any], log_in: Callable[..., Any], mode: str
    ) -> None:
        auth0_settings(RESPONSE_MODE=mode)
        assert log_in(client, next="/bare/")["Location"] == "/bare/"
        assert is_logged_in(client)

    @pytest.mark.django_db(transaction=True)
    def test_a_live_server(self, auth0_settings: Any, live_server: Any, tenant: Tenant) -> None:
        assert f"{live_server.url}/auth0/callback/" in tenant.application.callbacks
        browser = HttpBrowser(live_server.url)
        browser.open(LOGIN)
        answer = browser.visit(tenant.login(browser.next_url))
        assert answer.text == "home of auth0.602e93db83fa6f00749a23e6"


def test_importing_the_kit_imports_nothing_else() -> None:
    code = "import django_auth0_flow.testing, sys; print(*sys.modules)"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert not {"django", "flask", "requests", "jwt"} & set(done.stdout.split())


def test_without_flask_the_local_tenant_says_what_to_install() -> None:
    code = "import sys; sys.modules['flask'] = None; import django_auth0_flow.testing.tenant"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=root)
    assert done.stderr.endswith('pip install "django-auth0-flow[tenant]"\n')
