"""DPoP from end to end: the key of a login, the token endpoint, refresh, userinfo, outbound calls, and the API's side."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from django.core.cache import cache, caches
from django.test import Client
from pytest_django.live_server_helper import LiveServer

from django_auth0_flow.conf import get_client
from django_auth0_flow.login import transactions
from django_auth0_flow.models import LoginSession
from django_auth0_flow.protocol.dpop import DPoPKey
from django_auth0_flow.protocol.embedded_grants import PASSWORDLESS_OTP
from django_auth0_flow.protocol.grant import Grant, Target
from django_auth0_flow.protocol.tokens import TokenSet
from django_auth0_flow.testing.tenant import Tenant
from django_auth0_flow.tokens.source import StoredTokenSource
from tests.visitor import Visitor
from tests.walk import (
    assert_nothing_stored,
    code_shown,
    come_back,
    is_logged_in,
    query_of,
    session_of,
    start,
    walk,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("dpop")]

DAY = 86400


def says(caplog: pytest.LogCaptureFixture, claim: str) -> bool:
    """Tell whether the log names the claim that did not pass, which the answer keeps to itself."""
    return any(f": {claim}: " in found.getMessage() for found in caplog.records if found.levelname == "WARNING")


@pytest.fixture
def dpop(tenant: Tenant, auth0_settings: Callable[..., Any]) -> Callable[..., Any]:
    """Switch DPoP on at both sides."""
    cache.clear()
    tenant.api.dpop = "required"
    tenant.application.require_dpop = True
    auth0_settings(DPOP=True)
    return lambda **keys: auth0_settings(DPOP=True, **keys)


def proofs(tenant: Tenant, path: str = "/oauth/token") -> list[dict[str, Any]]:
    """Return header and claims, in one, of the proofs that were sent to ``path``."""
    texts = [
        request.headers["DPoP"] for request in tenant.requests if request.path == path and "DPoP" in request.headers
    ]
    return [
        {**jwt.get_unverified_header(text), **jwt.decode(text, options={"verify_signature": False})} for text in texts
    ]


def stored() -> TokenSet:
    tokens: TokenSet = LoginSession.objects.get().grant.tokens
    return tokens


def binding(access_token: str | None) -> Any:
    return jwt.decode(access_token or "", options={"verify_signature": False})["cnf"]["jkt"]


class TestLogin:
    def test_code_token_and_stored_key_belong_together(self, client: Client, tenant: Tenant) -> None:
        url = start(client)
        come_back(client, tenant.login(url))
        assert is_logged_in(client)
        tokens = stored()
        thumbprint = DPoPKey.load(tokens.dpop_key or "").thumbprint
        assert query_of(url)["dpop_jkt"] == thumbprint == binding(tokens.access_token)
        assert tokens.token_type == "DPoP"
        [proof] = proofs(tenant)
        assert (proof["htm"], proof["htu"]) == ("POST", tenant.issuer + "oauth/token")
        assert "ath" not in proof

    def test_every_login_has_a_key_of_its_own(self, client: Client, tenant: Tenant) -> None:
        walk(client, tenant)
        walk(Client(), tenant)
        first, second = (row.grant.tokens.dpop_key for row in LoginSession.objects.all())
        assert first != second

    def test_the_key_is_sealed_wherever_it_lies(self, client: Client, tenant: Tenant) -> None:
        url = start(client)
        [pending] = session_of(client)[transactions.SESSION_KEY].values()
        come_back(client, tenant.login(url))
        key = stored().dpop_key or ""
        assert pending["dpop_key"]
        assert key not in json.dumps(pending)
        row = LoginSession.objects.get()
        assert key not in row.sealed + json.dumps(session_of(client)) + repr(row.grant)
        assert "dpop_key" not in json.dumps(session_of(client))

    def test_keys_of_two_tabs_are_not_mixed_up(self, client: Client, tenant: Tenant) -> None:
        first, second = start(client), start(client)
        assert query_of(first)["dpop_jkt"] != query_of(second)["dpop_jkt"]
        for url in (second, first):
            come_back(client, tenant.login(url))
            assert binding(stored().access_token) == query_of(url)["dpop_jkt"]

    def test_a_key_sealed_with_a_secret_that_is_gone_ends_the_login_calmly(
        self, client: Client, tenant: Tenant
    ) -> None:
        url = tenant.login(start(client))
        session = client.session
        [(state, pending)] = session[transactions.SESSION_KEY].items()
        session[transactions.SESSION_KEY] = {state: {**pending, "dpop_key": "AAAA"}}
        session.save()
        answer = come_back(client, url)
        assert (answer.status_code, code_shown(answer)) == (400, "state_expired")
        assert_nothing_stored(client)

    def test_the_nonce_that_the_tenant_wants(self, client: Client, tenant: Tenant) -> None:
        tenant.require_dpop_nonce = True
        walk(client, tenant)
        assert is_logged_in(client)
        assert ["nonce" in proof for proof in proofs(tenant)] == [False, True]
        walk(Client(), tenant)
        assert len(proofs(tenant)) == 3, "the nonce is remembered"
        tenant.clock.advance(400)
        walk(Client(), tenant)
        assert len(proofs(tenant)) == 5, "an old one is replaced"

    def test_a_public_client(self, client: Client, tenant: Tenant, dpop: Callable[..., Any]) -> None:
        tenant.application.token_endpoint_auth_method = "none"
        dpop(CLIENT_AUTH="none", CLIENT_SECRET="")
        walk(client, tenant)
        tenant.clock.advance(DAY)
        assert client.get("/token/").status_code == 200, "its refresh token is bound to the key as well"

    def test_a_nonce_that_never_pleases(self, client: Client, tenant: Tenant) -> None:
        body = {"error": "use_dpop_nonce"}
        url = tenant.login(start(client))
        tenant.fault("status", None, status=400, body=body, headers={"DPoP-Nonce": "again"})
        answer = come_back(client, url)
        assert (answer.status_code, code_shown(answer)) == (400, "use_dpop_nonce")
        assert len(proofs(tenant)) == 2
        assert_nothing_stored(client)

    def test_a_token_that_was_not_bound_is_refused(
        self, client: Client, tenant: Tenant, dpop: Callable[..., Any]
    ) -> None:
        tenant.api.dpop, tenant.application.require_dpop = "none", False
        answer = walk(client, tenant)
        assert (answer.status_code, code_shown(answer)) == (400, "token_not_bound")
        assert_nothing_stored(client)

    def test_T1_a_bound_token_that_nobody_asked_for(
        self, client: Client, tenant: Tenant, auth0_settings: Callable[..., Any]
    ) -> None:
        tenant.api.dpop, tenant.application.require_dpop = "none", False
        auth0_settings()
        tenant.fault("token-type-other", value="DPoP")
        assert code_shown(walk(client, tenant)) == "token_type_unsupported"
        assert_nothing_stored(client)

    def test_userinfo(self, client: Client, tenant: Tenant, dpop: Callable[..., Any]) -> None:
        tenant.require_dpop_nonce = True
        dpop(USERINFO=True)
        walk(client, tenant)
        [proof] = proofs(tenant, "/userinfo")
        assert proof["ath"]
        assert [request.status for request in tenant.requests if request.path == "/userinfo"] == [200]

    def test_userinfo_with_a_nonce_challenge(self, client: Client, tenant: Tenant, dpop: Callable[..., Any]) -> None:
        dpop(USERINFO=True)
        challenge = {"WWW-Authenticate": 'DPoP error="use_dpop_nonce"', "DPoP-Nonce": "wanted"}
        tenant.fault("status", endpoint="userinfo", status=401, body="", headers=challenge)
        walk(client, tenant)
        assert [proof.get("nonce") for proof in proofs(tenant, "/userinfo")] == [None, "wanted"]

    def test_a_login_by_code_is_bound_too(self, tenant: Tenant, dpop: Callable[..., Any]) -> None:
        tenant.application.grant_types.add(PASSWORDLESS_OTP)
        dpop(PASSWORDLESS=["email-code"])
        visitor = Visitor()
        visitor.open("/auth0/passwordless/", next="/token/")
        visitor.submit("address", address="mary@example.com", kind="email-code")
        visitor.submit("code", code=str(tenant.last_message().code))
        assert binding(visitor.text) == DPoPKey.load(stored().dpop_key or "").thumbprint

    def test_a_magic_link(self, tenant: Tenant, dpop: Callable[..., Any]) -> None:
        dpop(PASSWORDLESS=["email-link"])
        visitor = Visitor()
        visitor.open("/auth0/passwordless/", next="/token/")
        visitor.submit("address", address="mary@example.com", kind="email-link")
        opened = requests.get(str(tenant.last_message().link), allow_redirects=False, timeout=120)
        visitor.open(opened.headers["Location"])
        assert binding(visitor.text) == DPoPKey.load(stored().dpop_key or "").thumbprint


class TestRefresh:
    def test_the_same_key_goes_on(self, client: Client, tenant: Tenant) -> None:
        tenant.require_dpop_nonce = True
        walk(client, tenant)
        before = stored()
        tenant.clock.advance(DAY)
        assert client.get("/token/").status_code == 200
        after = stored()
        assert before.access_token != after.access_token
        assert before.dpop_key == after.dpop_key
        assert binding(before.access_token) == binding(after.access_token)
        assert tenant.families_revoked == 0

    def test_another_audience_is_bound_to_the_login_s_key(self, client: Client, tenant: Tenant) -> None:
        tenant.add_api("https://other.example.com", dpop="required")
        tenant.application.refresh_policies = {"https://other.example.com": []}
        walk(client, tenant)
        source = StoredTokenSource(LoginSession.objects.get().pk)
        tokens = source.access_token(Target(audience="https://other.example.com"))
        assert tokens.dpop_key == stored().dpop_key
        assert binding(tokens.access_token) == binding(stored().access_token)
        [other] = json.loads(LoginSession.objects.get().grant.dump())["others"].values()
        assert "dpop_key" not in other, "it is kept once"

    def test_a_login_from_before_gets_its_key_at_the_next_refresh(
        self, client: Client, tenant: Tenant, auth0_settings: Callable[..., Any]
    ) -> None:
        tenant.api.dpop, tenant.application.require_dpop = "allowed", False
        auth0_settings()
        walk(client, tenant)
        assert stored().token_type == "Bearer"
        tenant.api.dpop, tenant.application.require_dpop = "required", True
        auth0_settings(DPOP=True)
        tenant.clock.advance(DAY)
        assert client.get("/token/").status_code == 200
        assert binding(stored().access_token) == DPoPKey.load(stored().dpop_key or "").thumbprint
        tenant.clock.advance(DAY)
        assert client.get("/token/").status_code == 200
        assert len({json.dumps(proof["jwk"]) for proof in proofs(tenant)}) == 1

    def test_a_bound_login_outlives_the_setting(
        self, client: Client, tenant: Tenant, auth0_settings: Callable[..., Any]
    ) -> None:
        walk(client, tenant)
        auth0_settings()
        tenant.clock.advance(DAY)
        assert client.get("/token/").status_code == 200
        assert stored().token_type == "DPoP"

    def test_a_token_that_is_no_longer_bound_is_used_and_no_rotation_is_lost(
        self, client: Client, tenant: Tenant
    ) -> None:
        walk(client, tenant)
        tenant.api.dpop, tenant.application.require_dpop = "none", False
        for _ in range(2):
            tenant.clock.advance(DAY)
            assert client.get("/token/").status_code == 200
        assert stored().token_type == "Bearer"
        assert tenant.families_revoked == 0

    def test_a_grant_written_before_there_were_keys_is_still_read(self) -> None:
        old = {"tokens": {"access_token": "a", "token_type": "Bearer", "scope": ["openid"]}, "claims": {}}
        assert Grant.load(json.dumps(old).encode()).tokens.dpop_key is None


@pytest.mark.django_db(transaction=True)
class TestOutboundAndApi:
    """Our client against our API, over real sockets: ``/call/`` calls a view under ``bearer_token_required``."""

    @pytest.fixture
    def browser(self, client: Client, tenant: Tenant, live_server: LiveServer, dpop: Callable[..., Any]) -> Client:
        tenant.api.scopes += ["read:things"]
        dpop(API_ORIGINS=[live_server.url], SCOPE="openid offline_access read:things")
        walk(client, tenant)
        return client

    def call(self, browser: Client, live_server: LiveServer, method: str = "GET", path: str = "/api/things/") -> Any:
        url = f"{live_server.url}{path}"
        return getattr(browser, method.lower())(f"/call/?url={url}")

    def test_calls_in_the_user_s_name(self, browser: Client, tenant: Tenant, live_server: LiveServer) -> None:
        for method in ("GET", "POST", "GET"):
            answer = self.call(browser, live_server, method, "/api/things/?page=2")
            assert json.loads(answer.content) == {"sub": tenant.user.sub, "method": method}

    def test_a_call_after_the_token_expired(self, browser: Client, tenant: Tenant, live_server: LiveServer) -> None:
        tenant.clock.advance(DAY + 100)
        assert self.call(browser, live_server).status_code == 200
        assert tenant.count(grant_type="refresh_token") == 1


class TestApi:
    """What ``bearer_token_required`` takes and refuses."""

    URL = "http://testserver/api/things/"

    @pytest.fixture
    def key(self, tenant: Tenant) -> DPoPKey:
        tenant.api.scopes += ["read:things"]
        tenant.api.rbac = False
        return DPoPKey.generate()

    def token(self, tenant: Tenant, key: DPoPKey | None, **fields: Any) -> str:
        scope = fields.pop("scope", "openid read:things")
        return tenant.make_access_token(scope=scope, jkt=key.thumbprint if key else None, **fields)

    def ask(self, token: str, proof: str | None, *, scheme: str = "DPoP", method: str = "get", **extra: Any) -> Any:
        headers = {"Authorization": f"{scheme} {token}", **({"DPoP": proof} if proof is not None else {})}
        return getattr(Client(), method)(extra.pop("path", "/api/things/"), headers=headers, **extra)

    def proof(self, tenant: Tenant, key: DPoPKey, token: str, **changes: Any) -> str:
        values = {"method": "GET", "url": self.URL, "now": tenant.clock.now(), "access_token": token, **changes}
        return key.proof(values.pop("method"), values.pop("url"), **values)

    @pytest.mark.parametrize("scheme", ["DPoP", "dpop", "DPOP"])
    def test_a_bound_token_with_its_proof(self, tenant: Tenant, key: DPoPKey, scheme: str) -> None:
        token = self.token(tenant, key)
        assert self.ask(token, self.proof(tenant, key, token), scheme=scheme).json()["sub"] == tenant.user.sub

    def test_post_query_and_the_address_below_base_url(
        self, tenant: Tenant, key: DPoPKey, dpop: Callable[..., Any]
    ) -> None:
        dpop(BASE_URL="https://www.example.com")
        token = self.token(tenant, key)
        posted = self.proof(tenant, key, token, method="POST")
        assert self.ask(token, posted, method="post").status_code == 200
        outside = self.proof(tenant, key, token, url="https://www.example.com/api/things/?a=b")
        assert self.ask(token, outside, path="/api/things/?a=b").status_code == 200

    def test_a_proof_counts_once(self, tenant: Tenant, key: DPoPKey, caplog: pytest.LogCaptureFixture) -> None:
        token = self.token(tenant, key)
        proof = self.proof(tenant, key, token)
        assert self.ask(token, proof).status_code == 200
        answer = self.ask(token, proof)
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"] == (
            'DPoP realm="api", error="invalid_dpop_proof", error_description="The proof was refused.", algs="ES256"'
        )
        assert says(caplog, "jti")
        assert self.ask(token, self.proof(tenant, key, token)).status_code == 200

    def test_an_api_that_binds_no_logins_itself_checks_proofs_all_the_same(
        self, tenant: Tenant, key: DPoPKey, auth0_settings: Callable[..., Any]
    ) -> None:
        auth0_settings(DPOP=False)
        token = self.token(tenant, key)
        for proof in (
            None,
            self.proof(tenant, DPoPKey.generate(), token),
            self.proof(tenant, key, token, method="PUT"),
        ):
            answer = self.ask(token, proof)
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_dpop_proof")
        assert self.ask(token, self.proof(tenant, key, token)).status_code == 200

    def test_a_bound_token_as_bearer_is_refused_and_told_what_to_do(self, tenant: Tenant, key: DPoPKey) -> None:
        token = self.token(tenant, key)
        for proof in (None, self.proof(tenant, key, token)):
            answer = self.ask(token, proof, scheme="Bearer")
            assert answer.status_code == 401
            assert answer["WWW-Authenticate"].startswith('Bearer realm="api", error="invalid_token"')
            assert answer["WWW-Authenticate"].endswith(', DPoP algs="ES256"')

    def test_an_unbound_token_is_none_for_dpop(self, tenant: Tenant, key: DPoPKey) -> None:
        token = self.token(tenant, None)
        answer = self.ask(token, self.proof(tenant, key, token))
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
        assert self.ask(token, None, scheme="Bearer").status_code == 200

    @pytest.mark.parametrize(
        "cnf", ["text", {}, {"x5t#S256": "x"}, {"jkt": 7}, {"jkt": "x", "x5t#S256": "y"}, None, [], ["jkt"], "jkt"]
    )
    def test_other_bindings(self, tenant: Tenant, key: DPoPKey, cnf: Any) -> None:
        def bind(kind: str, claims: dict[str, Any], header: dict[str, Any]) -> None:
            claims["cnf"] = {**cnf, "jkt": key.thumbprint} if isinstance(cnf, dict) and "x5t#S256" in cnf else cnf

        tenant.token_hook = bind
        token = self.token(tenant, None)
        answer = self.ask(token, self.proof(tenant, key, token))
        assert answer.status_code == 401
        assert self.ask(token, None, scheme="Bearer").status_code == 401

    @pytest.mark.parametrize(
        ("changes", "claim"),
        [
            ({"method": "POST"}, "htm"),
            ({"url": "http://testserver/api/things/write/"}, "htu"),
            ({"url": "http://evil.example/api/things/"}, "htu"),
            ({"now": 1}, "iat"),
            ({"access_token": "another"}, "ath"),
            ({"access_token": None}, "ath"),
        ],
    )
    def test_proofs_for_something_else(
        self, tenant: Tenant, key: DPoPKey, changes: dict[str, Any], claim: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        token = self.token(tenant, key)
        answer = self.ask(token, self.proof(tenant, key, token, **changes))
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_dpop_proof")
        assert "was refused." in answer["WWW-Authenticate"]
        assert says(caplog, claim)
        assert answer["Cache-Control"] == "private, no-store"

    @pytest.mark.parametrize("htu", ["/api/things/", "//testserver/api/things/", "api/things/", "", None])
    def test_proofs_for_no_whole_address(
        self, tenant: Tenant, htu: str | None, caplog: pytest.LogCaptureFixture
    ) -> None:
        private_key = ec.generate_private_key(ec.SECP256R1())
        key = DPoPKey(private_key)
        token = self.token(tenant, key)
        good = self.proof(tenant, key, token)
        claims = {**jwt.decode(good, options={"verify_signature": False}), "htu": htu}
        header = {"typ": "dpop+jwt", "jwk": key.jwk}
        answer = self.ask(token, jwt.encode(claims, private_key, "ES256", headers=header))
        assert "was refused." in answer["WWW-Authenticate"]
        assert says(caplog, "htu")
        assert self.ask(token, good).status_code == 200

    @pytest.mark.parametrize("proof", [None, "", "x", "a.b.c", "é", "x" * 9000])
    def test_no_proof(self, tenant: Tenant, key: DPoPKey, proof: str | None) -> None:
        sent = proof.encode().decode("latin-1") if proof else proof
        answer = self.ask(self.token(tenant, key), sent)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_dpop_proof")

    def test_a_stolen_token_with_the_thief_s_key(
        self, tenant: Tenant, key: DPoPKey, caplog: pytest.LogCaptureFixture
    ) -> None:
        token = self.token(tenant, key)
        answer = self.ask(token, self.proof(tenant, DPoPKey.generate(), token))
        assert "was refused." in answer["WWW-Authenticate"]
        assert says(caplog, "jkt")

    def test_expired_tokens_and_missing_scopes_answer_in_their_scheme(self, tenant: Tenant, key: DPoPKey) -> None:
        token = self.token(tenant, key, scope="openid")
        answer = self.ask(token, self.proof(tenant, key, token))
        assert (answer.status_code, answer["WWW-Authenticate"][:5]) == (403, "DPoP ")
        assert 'scope="read:things", algs="ES256"' in answer["WWW-Authenticate"]
        tenant.clock.advance(DAY + 61)
        answer = self.ask(token, self.proof(tenant, key, token))
        assert (answer.status_code, answer["WWW-Authenticate"][:34]) == (401, 'DPoP realm="api", error="invalid_t')
        assert self.ask("a b", "x").status_code == 400

    def test_without_a_token_both_schemes_are_offered(self, auth0_settings: Callable[..., Any]) -> None:
        assert Client().get("/api/things/")["WWW-Authenticate"] == 'Bearer realm="api", DPoP algs="ES256"'
        auth0_settings()
        assert Client().get("/api/things/")["WWW-Authenticate"] == 'Bearer realm="api"'

    @pytest.mark.parametrize("ahead", [0, 30])
    def test_a_proof_is_remembered_for_as_long_as_it_could_count_again(
        self, tenant: Tenant, key: DPoPKey, settings: Any, ahead: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        """One from a clock that is 30 s ahead counts for 330 s, to the very last of them."""
        settings.CACHES = {
            "default": {"BACKEND": "tests.clocked_cache.ClockedCache", "OPTIONS": {"clock": tenant.clock.now}}
        }
        token = self.token(tenant, key)
        proof = self.proof(tenant, key, token, now=tenant.clock.now() + ahead)
        assert self.ask(token, proof).status_code == 200
        claims = []
        for seconds in (1, 29, 265, 30):
            tenant.clock.advance(seconds)
            caplog.clear()
            answer = self.ask(token, proof)
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_dpop_proof")
            claims.append("jti" if says(caplog, "jti") else "iat" if says(caplog, "iat") else "")
        assert claims == ["jti", "jti", "jti", "jti" if ahead else "iat"], "after 325 s the one has not run out"
        tenant.clock.advance(30)
        memory: Any = caches["default"]
        kept = [name for name in memory._cache if "auth0_flow:dpop:" in name and not memory._has_expired(name)]
        assert kept, "clocks differ and caches round"
        tenant.clock.advance(60)
        assert all(memory._has_expired(name) for name in kept)

    def test_X15_a_cache_that_keeps_nothing_lets_nothing_in(
        self, tenant: Tenant, key: DPoPKey, settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
        token = self.token(tenant, key)
        with caplog.at_level(logging.WARNING, "django_auth0_flow"):
            answers = [self.ask(token, self.proof(tenant, key, token)) for _ in range(2)]
        for answer in answers:
            assert (answer.status_code, answer.json()["code"]) == (503, "cache_forgets")
            assert answer["Cache-Control"] == "private, no-store"
            assert "Retry-After" not in answer, "waiting mends no settings"
        said = [record for record in caplog.records if record.getMessage().startswith("shared_cache_forgets")]
        assert [record.levelname for record in said] == ["ERROR", "ERROR"]
        assert "DummyCache" in said[0].getMessage()
        assert token not in caplog.text
        unbound = self.token(tenant, None)
        assert self.ask(unbound, None, scheme="Bearer").status_code == 200, "bearer tokens need no memory"

    def test_X15_nor_does_it_under_rest_framework(self, tenant: Tenant, key: DPoPKey, settings: Any) -> None:
        settings.ROOT_URLCONF = "tests.urlconfs.drf"
        token = self.token(tenant, key)
        url = "http://testserver/things/"
        for backend, status in (("locmem.LocMemCache", 200), ("dummy.DummyCache", 503)):
            settings.CACHES = {"default": {"BACKEND": f"django.core.cache.backends.{backend}"}}
            assert self.ask(token, self.proof(tenant, key, token, url=url), path="/things/").status_code == status

    def test_no_cache_no_entry(
        self, tenant: Tenant, key: DPoPKey, settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A proof whose first use can't be noted might be a replay."""
        token = self.token(tenant, key)
        get_client().validate_access_token(token, tenant.api.identifier)
        settings.CACHES = {
            "default": {
                "BACKEND": "django.core.cache.backends.redis.RedisCache",
                "LOCATION": "redis://127.0.0.1:9/0",
            }
        }
        with caplog.at_level(logging.ERROR):
            answer = self.ask(token, self.proof(tenant, key, token))
        assert (answer.status_code, answer.json()["code"]) == (503, "cache_unavailable")
        assert "redis://" not in caplog.text
