"""T42: an API calls another one in the name of its own caller: one exchange per caller and audience, never another's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from asgiref.sync import async_to_sync
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.test import AsyncClient, Client

from django_auth0_flow.conf import get_client
from django_auth0_flow.protocol.errors import TransportError
from django_auth0_flow.protocol.token_exchange import TOKEN_EXCHANGE
from django_auth0_flow.storage.sealing import seal, secrets_of
from django_auth0_flow.testing import FakeApi, make_access_token
from django_auth0_flow.testing.tenant import Tenant, User
from django_auth0_flow.tokens import exchange
from django_auth0_flow.tokens.exchange import CallersTokens
from tests.urlconfs.on_behalf_of import BILLING
from tests.walk import walk

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.urlconfs.on_behalf_of")]
LEDGER = "https://ledger.example.com"
VIEWS = ["/token/", "/token-drf/"]


@pytest.fixture(autouse=True)
def apis(tenant: Tenant, auth0_settings: Callable[..., Any]) -> None:
    tenant.application.resource_server = tenant.api.identifier
    tenant.add_api(BILLING, scopes=["read:invoices", "write:invoices"], lifetime=3600)
    tenant.add_api(LEDGER, scopes=["read:ledger"])


def token_of(answer: Any) -> str:
    assert answer.status_code == 200, answer.content
    return str(answer.content.decode().strip('"'))


def claims_in(answer: Any) -> dict[str, Any]:
    return dict(jwt.decode(token_of(answer), options={"verify_signature": False}))


def as_caller(token: str, **headers: str) -> dict[str, Any]:
    return {"headers": {"Authorization": f"Bearer {token}", **headers}}


def exchanges(tenant: Tenant) -> int:
    return tenant.count(grant_type=TOKEN_EXCHANGE)


def grace_of(tenant: Tenant) -> User:
    return next(user for user in tenant.users.values() if user.nickname == "grace")


def kept() -> dict[str, str]:
    """Return the sealed tokens in the cache, by key."""
    found = {name.split(":", 2)[2]: name.split(":", 2)[2] for name in cache._cache}  # type: ignore[attr-defined]
    return {key: cache.get(key) for key in found if "on_behalf_of" in key}


@pytest.mark.parametrize("path", VIEWS)
def test_the_token_is_the_caller_s_for_the_other_api(client: Client, tenant: Tenant, path: str) -> None:
    claims = claims_in(client.get(path, **as_caller(tenant.make_access_token())))
    assert (claims["sub"], claims["aud"]) == (tenant.user.sub, BILLING)
    assert claims["act"] == {"sub": tenant.application.client_id}
    assert claims["scope"] == "read:invoices write:invoices"


def test_an_async_view_gets_the_same(tenant: Tenant) -> None:
    other: Any = AsyncClient()
    answer = async_to_sync(other.get)("/token-async/", **as_caller(tenant.make_access_token()))
    assert claims_in(answer)["sub"] == tenant.user.sub


def test_one_exchange_serves_all_requests_of_a_caller(client: Client, tenant: Tenant) -> None:
    token = tenant.make_access_token()
    found = {token_of(client.get(path, **as_caller(token))) for path in [*VIEWS, *VIEWS]}
    assert len(found) == 1
    assert exchanges(tenant) == 1


@pytest.mark.parametrize("timeout", [10, 0.3])
def test_threads_that_ask_at_once_wait_for_one_exchange(
    tenant: Tenant, settings: Any, auth0_settings: Callable[..., Any], timeout: float
) -> None:
    """Also where the cache keeps nothing. If it fails, they fail with it, and the next one tries again."""
    auth0_settings(HTTP_TIMEOUT=timeout)
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    token = tenant.make_access_token()
    claims = get_client().validate_access_token(token, tenant.api.identifier)
    source = CallersTokens("default", token, claims, BILLING)
    get_client().issuer.metadata()
    found: list[str | None] = []
    barrier = threading.Barrier(4)

    def ask() -> None:
        barrier.wait()
        try:
            found.append(source.access_token().access_token)
        except TransportError as error:
            found.append(error.code)

    tenant.fault("slow", seconds=0.6, endpoint="token", times=1)
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found), len(set(found)), found[0] == "tenant_timeout") == (4, 1, timeout < 1)
    assert exchanges(tenant) == 1
    assert exchange._turns == {}
    assert source.access_token().access_token


@pytest.mark.parametrize("path", VIEWS)
def test_T42_no_caller_gets_another_s(client: Client, tenant: Tenant, path: str) -> None:
    for user in (tenant.user, grace_of(tenant), tenant.user, grace_of(tenant)):
        assert claims_in(client.get(path, **as_caller(tenant.make_access_token(user))))["sub"] == user.sub


def test_T42_each_access_token_has_its_own_also_of_one_user(client: Client, tenant: Tenant) -> None:
    """Another token of the same user may be narrower, of another organization, or of another client."""
    for scope in ("openid", "read:appointments"):
        client.get("/token/", **as_caller(tenant.make_access_token(scope=scope)))
    assert exchanges(tenant) == 2


def test_T42_audiences_and_scopes_are_kept_apart(client: Client, tenant: Tenant) -> None:
    token = tenant.make_access_token()
    asked = [
        {},
        {"audience": LEDGER},
        {"scope": "read:invoices"},
        {"scope": "read:invoices write:invoices"},
        {"scope": " write:invoices  read:invoices"},
    ]
    found = [claims_in(client.get("/token/", parameters, **as_caller(token))) for parameters in asked]
    assert [claims["aud"] for claims in found] == [BILLING, LEDGER, BILLING, BILLING, BILLING]
    assert found[2]["scope"] == "read:invoices"
    assert exchanges(tenant) == 4


def test_T42_the_cache_holds_nothing_readable_and_no_entry_fits_another_caller(client: Client, tenant: Tenant) -> None:
    mine, others = tenant.make_access_token(), tenant.make_access_token(grace_of(tenant))
    token = token_of(client.get("/token/", **as_caller(mine)))
    client.get("/token/", **as_caller(others))
    entries = kept()
    assert len(entries) == 2
    for text in [*entries, *entries.values()]:
        assert token not in text
        assert mine not in text
        assert tenant.user.sub not in text
    first, second = entries
    cache.set_many({first: entries[second], second: entries[first]})
    assert claims_in(client.get("/token/", **as_caller(mine)))["sub"] == tenant.user.sub
    assert exchanges(tenant) == 3


@pytest.mark.parametrize("junk", [b"junk", "junk", 7, None, {"access_token": "x"}])
def test_T42_what_someone_else_puts_into_the_cache_is_no_token(client: Client, tenant: Tenant, junk: Any) -> None:
    token = tenant.make_access_token()
    client.get("/token/", **as_caller(token))
    (key,) = kept()
    cache.set(key, junk)
    assert claims_in(client.get("/token/", **as_caller(token)))["aud"] == BILLING


def test_a_sealed_value_of_another_version_is_no_token(client: Client, tenant: Tenant) -> None:
    token = tenant.make_access_token()
    client.get("/token/", **as_caller(token))
    (key,) = kept()
    cache.set(key, seal(b"{}", purpose="on_behalf_of", keys=secrets_of("default"), context=key))
    assert claims_in(client.get("/token/", **as_caller(token)))["aud"] == BILLING


def test_with_dpop_an_api_that_binds_no_tokens_gets_a_bearer_token(
    tenant: Tenant, auth0_settings: Callable[..., Any]
) -> None:
    token = tenant.make_access_token()
    auth0_settings(DPOP=True)
    tenant.apis[BILLING].dpop = "none"
    claims = get_client().validate_access_token(token, tenant.api.identifier)
    assert CallersTokens("default", token, claims, BILLING).access_token().token_type == "Bearer"


def test_an_expired_token_is_exchanged_anew(client: Client, tenant: Tenant) -> None:
    token = tenant.make_access_token()
    first = token_of(client.get("/token/", **as_caller(token)))
    tenant.clock.advance(3600 - 30)
    assert token_of(client.get("/token/", **as_caller(token))) != first
    assert exchanges(tenant) == 2


def test_a_stale_token_serves_while_the_tenant_is_away(client: Client, tenant: Tenant) -> None:
    token = tenant.make_access_token()
    first = token_of(client.get("/token/", **as_caller(token)))
    tenant.clock.advance(3600 - 30)
    tenant.fault("status", status=503, times=None)
    assert token_of(client.get("/token/", **as_caller(token))) == first
    tenant.clock.advance(31)
    answer = client.get("/token/", **as_caller(token, Accept="application/json"))
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")


class TestCalls:
    def test_the_api_is_called_with_it(self, client: Client, tenant: Tenant, fake_api: FakeApi) -> None:
        fake_api.on("GET", f"{BILLING}/invoices", json=[])
        assert client.get("/call/", **as_caller(tenant.make_access_token())).content == b"[]"
        sent = str(fake_api.calls[-1].headers["Authorization"]).removeprefix("Bearer ")
        assert jwt.decode(sent, options={"verify_signature": False})["aud"] == BILLING

    def test_T42_it_goes_to_that_api_s_origin_only(self, client: Client, tenant: Tenant) -> None:
        from django_auth0_flow.protocol.errors import OriginNotAllowed

        with pytest.raises(OriginNotAllowed):
            client.get("/call/?url=https://evil.example/", **as_caller(tenant.make_access_token()))

    def test_an_api_that_rejects_it_gets_a_new_one_once_in_a_while(
        self, client: Client, tenant: Tenant, fake_api: FakeApi
    ) -> None:
        fake_api.on("GET", f"{BILLING}/invoices", status=401)
        token = tenant.make_access_token()
        for _ in range(3):
            client.get("/call/", **as_caller(token))
        assert exchanges(tenant) == 1
        tenant.clock.advance(31)
        for _ in range(3):
            client.get("/call/", **as_caller(token))
        assert exchanges(tenant) == 2


class TestRefusals:
    @pytest.mark.parametrize("path", VIEWS)
    @pytest.mark.parametrize("accept", ["application/json", "*/*", "text/html"])
    def test_a_refusal_is_an_answer_for_programs(self, client: Client, tenant: Tenant, path: str, accept: str) -> None:
        tenant.apis[BILLING].user_access = "none"
        answer = client.get(path, **as_caller(tenant.make_access_token(), Accept=accept))
        assert (answer.status_code, answer.json()["error"]) == (400, "on_behalf_of_refused")

    def test_a_site_that_may_not(self, client: Client, tenant: Tenant) -> None:
        tenant.application.resource_server = None
        answer = client.get("/token/", **as_caller(tenant.make_access_token()))
        assert answer.json()["error"] == "on_behalf_of_refused"
        assert kept() == {}

    @pytest.mark.parametrize(
        "wrong",
        [{"aud": LEDGER}, {"sub": "auth0|someone-else"}, {"org_id": "org_other"}, {"iss": "https://evil.example/"}],
    )
    def test_T42_a_token_for_anything_else_is_not_handed_out(
        self, client: Client, tenant: Tenant, wrong: dict[str, str]
    ) -> None:
        token = tenant.make_access_token()
        tenant.token_hook = lambda kind, claims, header: claims.update(wrong)
        answer = client.get("/token/", **as_caller(token))
        assert (answer.status_code, answer.json()["error"]) == (400, "audience_not_granted")
        assert kept() == {}

    @pytest.mark.parametrize("others", ["org_other", None])
    def test_a_token_that_is_not_of_the_caller_s_organization_is_not_handed_out(
        self, client: Client, tenant: Tenant, others: str | None
    ) -> None:
        acme = tenant.add_organization("Acme")
        mine = [tenant.make_access_token(organization=acme.id, scope=scope) for scope in ("openid", "profile")]
        assert claims_in(client.get("/token/", **as_caller(mine[0])))["org_id"] == acme.id
        tenant.token_hook = lambda kind, claims, header: (
            claims.update(org_id=others) if others else claims.pop("org_id")
        )
        assert client.get("/token/", **as_caller(mine[1])).json()["error"] == "audience_not_granted"

    @pytest.mark.parametrize("path", ["/token-unprotected/", "/token-of-a-login/"])
    def test_T42_without_a_caller_there_is_no_token(self, client: Client, tenant: Tenant, path: str) -> None:
        """A header that no one has judged stands for no one."""
        walk(client, tenant)
        answer = client.get(path, **as_caller(tenant.make_access_token(), Accept="application/json"))
        assert (answer.status_code, answer.json()["error"]) == (400, "no_caller")
        assert exchanges(tenant) == 0

    def test_T42_no_tenant_gets_another_tenant_s_token(
        self, client: Client, tenant: Tenant, auth0_settings: Callable[..., Any], settings: Any
    ) -> None:
        mine = auth0_settings()
        settings.AUTH0 = {"default": mine, "partners": {**mine, "ISSUER": "https://partners.example.com/"}}
        with pytest.raises(ImproperlyConfigured):
            client.get("/token/?by=partners", **as_caller(tenant.make_access_token()))
        assert exchanges(tenant) == 0

    def test_a_refusal_is_remembered_for_its_caller_and_a_while(self, client: Client, tenant: Tenant) -> None:
        token, other = tenant.make_access_token(), tenant.make_access_token(grace_of(tenant))
        tenant.fault("refuse", error="access_denied", status=403, times=1)
        for _ in range(3):
            assert client.get("/token/", **as_caller(token)).json()["error"] == "on_behalf_of_refused"
        assert exchanges(tenant) == 1
        assert client.get("/token/", **as_caller(other)).status_code == 200
        assert client.get("/token/", {"audience": LEDGER}, **as_caller(token)).status_code == 200
        assert exchanges(tenant) == 3
        tenant.clock.advance(31)
        assert client.get("/token/", **as_caller(token)).status_code == 200

    def test_so_is_a_token_that_is_not_as_asked_for(self, client: Client, tenant: Tenant) -> None:
        token = tenant.make_access_token()
        tenant.token_hook = lambda kind, claims, header: claims.update(aud=LEDGER)
        for _ in range(2):
            assert client.get("/token/", **as_caller(token)).json()["error"] == "audience_not_granted"
        assert exchanges(tenant) == 1

    @pytest.mark.parametrize(("said", "seconds"), [(7, 7), (9999, 120), (None, 1)])
    def test_the_rate_limit_is_remembered_for_all_callers(
        self, client: Client, tenant: Tenant, said: int | None, seconds: int
    ) -> None:
        tokens = [tenant.make_access_token(), tenant.make_access_token(grace_of(tenant))]
        tenant.fault("rate-limit", times=None, retry_after=said)
        answers = [client.get("/token/", **as_caller(token, Accept="application/json")) for token in tokens * 2]
        assert [answer.json()["code"] for answer in answers] == ["rate_limited"] * 4
        assert int(answers[-1]["Retry-After"]) == seconds
        assert exchanges(tenant) == 1
        tenant.clear_faults()
        tenant.clock.advance(seconds + 1)
        assert client.get("/token/", **as_caller(tokens[1])).status_code == 200

    def test_a_kept_token_serves_while_the_rate_is_limited(self, client: Client, tenant: Tenant) -> None:
        token = tenant.make_access_token()
        first = token_of(client.get("/token/", **as_caller(token)))
        tenant.clock.advance(3600 - 30)
        tenant.fault("rate-limit", times=None)
        assert [token_of(client.get("/token/", **as_caller(token))) for _ in range(3)] == [first] * 3
        assert exchanges(tenant) == 2

    @pytest.mark.parametrize("junk", ["junk", "on_behalf_of_refused", "on_behalf_of_refused x", "x 1e300", 7, [1], b""])
    def test_what_someone_else_puts_into_the_cache_is_no_refusal(
        self, client: Client, tenant: Tenant, junk: Any
    ) -> None:
        token = tenant.make_access_token()
        claims = get_client().validate_access_token(token, tenant.api.identifier)
        source = CallersTokens("default", token, claims, BILLING)
        for key in (source._refusal_key, source._limit_key):
            cache.set(key, junk)
        assert client.get("/token/", **as_caller(token)).status_code == 200

    def test_no_answer_is_no_refusal(self, tenant: Tenant) -> None:
        token = tenant.make_access_token()
        claims = get_client().validate_access_token(token, tenant.api.identifier)
        tenant.stop()
        source = CallersTokens("default", token, claims, BILLING)
        assert token not in repr(source)
        with pytest.raises(TransportError):
            source.access_token()


def test_the_test_kit_answers_without_network(client: Client, fake_api: FakeApi) -> None:
    fake_api.on("GET", f"{BILLING}/invoices", json=[])
    token = make_access_token(sub="auth0|someone", organization="org_acme")
    assert client.get("/call/", **as_caller(token)).status_code == 200
    sent = str(fake_api.calls[-1].headers["Authorization"]).removeprefix("Bearer ")
    claims = jwt.decode(sent, options={"verify_signature": False})
    assert (claims["sub"], claims["aud"], claims["org_id"]) == ("auth0|someone", BILLING, "org_acme")
