"""Every fault does what its name says, once, and leaves the tenant as it was."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import pytest
import requests

from django_auth0_flow.testing.tenant import Tenant
from django_auth0_flow.testing.tenant.faults import ENDPOINTS, FAULTS
from tests.testing.tenant.helpers import RelyingParty, claims_of, verified


def test_unknown_names_options_and_endpoints_are_refused(tenant: Tenant) -> None:
    with pytest.raises(ValueError, match="unknown fault 'invalid-is'"):
        tenant.fault("invalid-is")
    with pytest.raises(ValueError, match="no option wrong"):
        tenant.fault("expired", wrong=1)
    with pytest.raises(ValueError, match="unknown endpoint 'tokens'"):
        tenant.fault("drop", endpoint="tokens")


def test_times_and_clearing(tenant: Tenant, rp: RelyingParty) -> None:
    tenant.fault("html", times=2)
    assert [rp.refresh("x").status_code for _ in range(3)] == [200, 200, 403]
    tenant.fault("html", times=None)
    assert [rp.refresh("x").status_code for _ in range(3)] == [200] * 3
    tenant.clear_faults()
    assert rp.refresh("x").status_code == 403


def test_grant_type_filter(tenant: Tenant, rp: RelyingParty) -> None:
    tenant.fault("status", status=503, grant_type="refresh_token")
    token = rp.log_in()["refresh_token"]
    assert rp.refresh(token).status_code == 503
    assert rp.refresh(token).status_code == 200


ID_TOKEN_CHECKS: dict[str, Callable[[dict[str, Any], dict[str, Any]], bool]] = {
    "invalid-iss": lambda claims, good: claims["iss"] != good["iss"],
    "invalid-aud": lambda claims, good: claims["aud"] != good["aud"],
    "missing-aud": lambda claims, _: "aud" not in claims,
    "multiple-aud-no-azp": lambda claims, _: len(claims["aud"]) == 2 and "azp" not in claims,
    "foreign-azp": lambda claims, good: good["aud"] in claims["aud"] and claims["azp"] != good["aud"],
    "missing-sub": lambda claims, _: "sub" not in claims,
    "blank-sub": lambda claims, _: not claims["sub"].strip(),
    "other-sub": lambda claims, good: claims["sub"] != good["sub"],
    "missing-iat": lambda claims, _: "iat" not in claims,
    "future-iat": lambda claims, good: claims["iat"] > good["iat"] + 80000,
    "missing-exp": lambda claims, _: "exp" not in claims,
    "expired": lambda claims, good: claims["exp"] < good["iat"] - 3000,
    "nonce-invalid": lambda claims, good: claims["nonce"] != good["nonce"],
    "nonce-missing": lambda claims, _: "nonce" not in claims,
    "at-hash-invalid": lambda claims, _: bool(claims["at_hash"]),
    "c-hash-invalid": lambda claims, _: bool(claims["c_hash"]),
    "auth-time-missing": lambda claims, _: "auth_time" not in claims,
    "auth-time-old": lambda claims, good: claims["auth_time"] < good["auth_time"] - 80000,
    "org-id-missing": lambda claims, _: "org_id" not in claims and "org_name" not in claims,
    "org-id-other": lambda claims, good: claims["org_id"] != good["org_id"],
    "sid-missing": lambda claims, _: "sid" not in claims,
}


@pytest.mark.parametrize("name", ID_TOKEN_CHECKS)
def test_claim_faults(tenant: Tenant, rp: RelyingParty, name: str) -> None:
    organization = tenant.add_organization("Acme")
    tenant.user.orgs.append(organization.id)
    asked = {"max_age": "600", "organization": organization.id}
    good = claims_of(rp.log_in(**asked)["id_token"])
    tenant.fault(name)
    claims = verified(tenant, rp.log_in(**asked)["id_token"])
    assert ID_TOKEN_CHECKS[name](claims, good)
    assert set(claims_of(rp.log_in(**asked)["id_token"])) == set(good), "one-shot"


@pytest.mark.parametrize(
    ("name", "algorithm"),
    [
        ("alg-none", "none"),
        ("hs256-public-key", "HS256"),
        ("hs256-client-secret", "HS256"),
        ("rs512", "RS512"),
        ("sig-invalid", "RS256"),
    ],
)
def test_signature_faults(tenant: Tenant, rp: RelyingParty, name: str, algorithm: str) -> None:
    tenant.fault(name)
    token = rp.log_in()["id_token"]
    assert jwt.get_unverified_header(token)["alg"] == algorithm
    with pytest.raises(jwt.PyJWTError):
        verified(tenant, token)


def test_hmac_faults_are_what_they_say(tenant: Tenant, rp: RelyingParty) -> None:
    tenant.fault("hs256-client-secret")
    secret = rp.application.client_secret
    options: Any = {"verify_aud": False, "verify_iat": False}
    assert jwt.decode(rp.log_in()["id_token"], secret, algorithms=["HS256"], options=options)


def test_header_faults(tenant: Tenant, rp: RelyingParty) -> None:
    tenant.fault("kid-absent")
    assert "kid" not in jwt.get_unverified_header(rp.log_in()["id_token"])
    tenant.fault("kid-unknown")
    known = {key.kid for key in tenant.keys.published()}
    assert jwt.get_unverified_header(rp.log_in()["id_token"])["kid"] not in known
    tenant.fault("header", member="jku", value="https://evil.example/jwks.json")
    assert jwt.get_unverified_header(rp.log_in()["id_token"])["jku"] == "https://evil.example/jwks.json"
    tenant.fault("header", member="typ")
    assert "typ" not in jwt.get_unverified_header(rp.log_in()["id_token"])
    tenant.fault("crit")
    token = rp.log_in()["id_token"]
    header = json.loads(jwt.utils.base64url_decode(token.partition(".")[0]))
    assert header["crit"] == ["https://example.com/not-understood"]


def test_faults_combine(tenant: Tenant, rp: RelyingParty) -> None:
    tenant.fault("invalid-iss", value="https://evil.example/")
    tenant.fault("nonce-missing")
    tenant.fault("claim", claim="email_verified", value="true")
    claims = claims_of(rp.log_in()["id_token"])
    assert claims["iss"] == "https://evil.example/"
    assert "nonce" not in claims
    assert claims["email_verified"] == "true"


def test_id_token_left_out_or_replaced(tenant: Tenant, rp: RelyingParty) -> None:
    tenant.fault("no-id-token")
    assert "id_token" not in rp.log_in()
    tenant.fault("id-token", value="a.b")
    assert rp.log_in()["id_token"] == "a.b"
    tenant.fault("access-token-as-id-token")
    answer = rp.log_in()
    assert answer["id_token"] == answer["access_token"]


@pytest.mark.parametrize(
    ("name", "options", "check"),
    [
        ("token-type-missing", {}, lambda body: "token_type" not in body),
        ("token-type-other", {}, lambda body: body["token_type"] == "mac"),
        ("no-access-token", {}, lambda body: "access_token" not in body),
        ("no-refresh-token", {}, lambda body: "refresh_token" not in body),
        ("expires-in", {"value": "soon"}, lambda body: body["expires_in"] == "soon"),
        ("expires-in", {}, lambda body: "expires_in" not in body),
        ("scope", {"value": "openid"}, lambda body: body["scope"] == "openid"),
        ("extra", {}, lambda body: body.get("session_state") == "unexpected"),
    ],
)
def test_answer_faults(
    tenant: Tenant,
    rp: RelyingParty,
    name: str,
    options: dict[str, Any],
    check: Callable[[dict[str, Any]], bool],
) -> None:
    tenant.fault(name, **options)
    assert check(rp.log_in())
    assert not check(rp.log_in())


def test_refresh_token_echo(tenant: Tenant, rp: RelyingParty) -> None:
    rp.application.rotation = False
    token = rp.log_in()["refresh_token"]
    tenant.fault("refresh-token-echo")
    assert rp.refresh(token).json()["refresh_token"] == token


def test_tokens_under_400(tenant: Tenant, rp: RelyingParty) -> None:
    tenant.fault("tokens-400")
    answer = rp.exchange(rp.callback()["code"])
    assert answer.status_code == 400
    assert "access_token" in answer.json()


@pytest.mark.parametrize(
    ("name", "options", "status", "start"),
    [
        ("status", {"status": 502, "body": "oops", "headers": {"X-A": "b"}}, 502, b"oops"),
        ("status", {"status": 418, "body": {"a": 1}}, 418, b'{"a": 1}'),
        ("html", {}, 200, b"<!doctype html>"),
        ("empty", {}, 200, b""),
        ("deep-json", {}, 200, b"[[[["),
        ("big-integer", {}, 200, b"{"),
        ("nan", {}, 200, b"{"),
        ("list", {}, 200, b"[{"),
        ("json", {"value": None}, 200, b"null"),
        ("bad-utf8", {}, 200, b'{"access_token":"\xff'),
        ("bom", {}, 200, b"\xef\xbb\xbf{"),
        ("redirect", {}, 307, b""),
        ("redirect", {"status": 302, "location": "https://evil.example/"}, 302, b""),
        ("rate-limit", {"retry_after": 7}, 429, b'{"error": "too_many_requests"'),
        ("global-limit", {}, 500, b'{"error": "access_denied", "error_description": "Global limit'),
    ],
)
def test_body_faults(
    tenant: Tenant, rp: RelyingParty, name: str, options: dict[str, Any], status: int, start: bytes
) -> None:
    tenant.fault(name, **options)
    answer = rp.refresh("x")
    assert answer.status_code == status
    assert answer.content.startswith(start)
    if name == "rate-limit":
        assert answer.headers["Retry-After"] == "7"
    assert tenant.requests[-1].status == status


@pytest.mark.parametrize(
    "name", ["truncated", "broken-chunks", "not-http", "drop", "drop-after", "reset", "gzip-wrong"]
)
def test_broken_connections(tenant: Tenant, rp: RelyingParty, name: str) -> None:
    tenant.fault(name)
    with pytest.raises(requests.RequestException):
        rp.refresh("x")
    assert rp.refresh("x").status_code == 403


@pytest.mark.parametrize(("name", "least"), [("huge", 2_000_000), ("gzip-bomb", 2_000_000)])
def test_large_answers(tenant: Tenant, rp: RelyingParty, name: str, least: int) -> None:
    tenant.fault(name, megabytes=2)
    assert len(rp.refresh("x").content) > least


@pytest.mark.parametrize("name", ["slow", "drip-body", "drip-headers"])
def test_waiting_faults_do_not_hold_the_tenant(tenant: Tenant, rp: RelyingParty, name: str) -> None:
    tenant.fault(name, seconds=600)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(rp.refresh, "x")
        while not tenant.count("/oauth/token"):
            pass
        before = time.monotonic()
        tenant.stop()
        assert time.monotonic() - before < 120
        # http.client takes an end among the headers for the end of the headers, so not every fault raises here
        waiting.exception(timeout=60)


def test_slow_answers_in_the_end(tenant: Tenant, rp: RelyingParty) -> None:
    tenant.fault("slow", seconds=0.01)
    assert rp.log_in()["access_token"]


def test_drop_after_takes_effect(tenant: Tenant, rp: RelyingParty) -> None:
    token = rp.log_in()["refresh_token"]
    tenant.fault("drop", grant_type="refresh_token")
    with pytest.raises(requests.ConnectionError):
        rp.refresh(token)
    token = rp.refresh(token).json()["refresh_token"]
    tenant.fault("drop-after", grant_type="refresh_token")
    with pytest.raises(requests.ConnectionError):
        rp.refresh(token)
    assert rp.refresh(token).status_code == 403
    assert tenant.families_revoked == 1


def test_processed_option(tenant: Tenant, rp: RelyingParty) -> None:
    token = rp.log_in()["refresh_token"]
    tenant.fault("html", processed=True)
    assert rp.refresh(token).text.startswith("<!doctype")
    assert rp.refresh(token).status_code == 403


def test_redirect_is_followed_to_a_place_that_is_logged(tenant: Tenant, rp: RelyingParty) -> None:
    tenant.fault("redirect")
    location = rp.refresh("x").headers["Location"]
    assert location == tenant.issuer + "elsewhere"
    requests.post(location, timeout=60)
    assert tenant.count("/elsewhere") == 1


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_every_endpoint_can_fail(tenant: Tenant, endpoint: str) -> None:
    tenant.fault("status", endpoint=endpoint, status=503)
    assert requests.get(tenant.issuer + ENDPOINTS[endpoint][0][1:], timeout=60).status_code == 503
    assert requests.get(tenant.issuer + ENDPOINTS[endpoint][0][1:], timeout=60).status_code != 503


def test_key_faults(tenant: Tenant) -> None:
    def keys() -> list[Any]:
        return list(requests.get(tenant.issuer + ".well-known/jwks.json", timeout=60).json()["keys"])

    good = keys()
    tenant.fault("jwks-empty")
    assert keys() == []
    tenant.fault("jwks-junk")
    junk = keys()
    assert all(key in junk for key in good)
    assert len(junk) > len(good) + 5
    tenant.fault("jwks-enc-only")
    assert {key["use"] for key in keys()} == {"enc"}
    tenant.fault("jwks-oct")
    assert {(key["kty"], key["kid"]) for key in keys()} == {("oct", key["kid"]) for key in good}
    assert keys() == good


def test_metadata_and_userinfo_faults(tenant: Tenant, rp: RelyingParty) -> None:
    metadata_url = tenant.issuer + ".well-known/openid-configuration"
    tenant.fault("metadata-issuer-mismatch")
    assert requests.get(metadata_url, timeout=60).json()["issuer"] != tenant.issuer
    tenant.fault("metadata-missing", member="jwks_uri")
    assert "jwks_uri" not in requests.get(metadata_url, timeout=60).json()
    headers = {"Authorization": f"Bearer {rp.log_in()['access_token']}"}
    tenant.fault("userinfo-sub-other")
    assert requests.get(tenant.issuer + "userinfo", headers=headers, timeout=60).json()["sub"] != tenant.user.sub
    tenant.fault("userinfo-sub-missing")
    assert "sub" not in requests.get(tenant.issuer + "userinfo", headers=headers, timeout=60).json()


def test_authorization_response_faults(tenant: Tenant, rp: RelyingParty) -> None:
    tenant.fault("state-wrong")
    assert rp.callback()["state"] != "the-state"
    tenant.fault("state-missing")
    assert "state" not in rp.callback()
    tenant.include_iss = True
    tenant.fault("iss-wrong")
    assert rp.callback()["iss"] != tenant.issuer
    tenant.fault("iss-missing")
    assert "iss" not in rp.callback()
    tenant.fault("authorize-error", error="temporarily_unavailable", description="<b>later</b>")
    answer = rp.callback()
    assert (answer["error"], answer["error_description"]) == ("temporarily_unavailable", "<b>later</b>")
    assert answer["state"] == "the-state"


def test_every_fault_is_described(tenant: Tenant) -> None:
    for name, (_, summary, _) in FAULTS.items():
        assert summary
        tenant.fault(name)
    assert tenant.faults.pending() == list(FAULTS)


def test_rate_limits(tenant: Tenant, rp: RelyingParty) -> None:
    tenant.limits.rates = {"token": (3, 1)}
    assert [rp.refresh("x").status_code for _ in range(4)] == [403, 403, 403, 429]
    refused = rp.refresh("x")
    assert refused.headers["Retry-After"] == "1"
    assert refused.headers["X-RateLimit-Remaining"] == "0"
    assert refused.json()["error"] == "too_many_requests"
    tenant.clock.advance(2)
    assert rp.refresh("x").status_code == 403
    tenant.limits.enforce_documented()
    assert tenant.limits.rates["userinfo"][0] == 10
