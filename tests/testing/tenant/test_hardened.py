"""PAR, signed request objects, private_key_jwt, DPoP."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from django_auth0_flow.testing.tenant import Application, Tenant, TenantPage
from tests.testing.tenant.helpers import CALLBACK, CHALLENGE, SCOPE, VERIFIER, RelyingParty, claims_of, error_of

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC_PEM = (
    KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
)


def request_parameters(rp: RelyingParty, **changes: Any) -> dict[str, Any]:
    return {
        "response_type": "code",
        "client_id": rp.application.client_id,
        "redirect_uri": CALLBACK,
        "scope": SCOPE,
        "state": "pushed-state",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **changes,
    }


def push(rp: RelyingParty, **changes: Any) -> requests.Response:
    form = request_parameters(rp, **{"client_secret": rp.application.client_secret, **changes})
    return rp.post("oauth/par", form)


def pushed_url(rp: RelyingParty, request_uri: str) -> str:
    return f"{rp.tenant.issuer}authorize?client_id={rp.application.client_id}&request_uri={request_uri}"


def test_par(tenant: Tenant, rp: RelyingParty) -> None:
    answer = push(rp)
    assert answer.status_code == 201
    assert answer.json()["expires_in"] == 30
    assert answer.json()["request_uri"].startswith("urn:ietf:params:oauth:request_uri:")
    url = pushed_url(rp, answer.json()["request_uri"])
    fields = tenant.authorize(url).fields
    assert fields["state"] == "pushed-state"
    assert rp.exchange(fields["code"]).status_code == 200
    with pytest.raises(TenantPage, match="unknown, used or expired"):
        tenant.authorize(url)


def test_par_expires(tenant: Tenant, rp: RelyingParty) -> None:
    url = pushed_url(rp, push(rp).json()["request_uri"])
    tenant.clock.advance(31)
    with pytest.raises(TenantPage, match="unknown, used or expired"):
        tenant.authorize(url)


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "access_denied"),
        ({"redirect_uri": "https://evil.example/"}, 400, "invalid_request"),
        ({"response_type": ""}, 400, "invalid_request"),
        ({"request_uri": "urn:x"}, 400, "invalid_request"),
        ({"state": "x" * 11000}, 413, "invalid_request"),
    ],
)
def test_par_refused(rp: RelyingParty, changes: dict[str, str], status: int, error: str) -> None:
    assert error_of(push(rp, **changes))[:2] == (status, error)


def test_par_switched_off_or_required(tenant: Tenant, rp: RelyingParty) -> None:
    rp.application.require_par = True
    with pytest.raises(TenantPage, match="Pushed Authorization Requests are required"):
        rp.callback()
    assert push(rp).status_code == 201
    tenant.allow_par = False
    assert push(rp).status_code == 400
    metadata = requests.get(tenant.issuer + ".well-known/openid-configuration", timeout=60).json()
    assert "pushed_authorization_request_endpoint" not in metadata


def test_par_is_not_for_public_applications(tenant: Tenant) -> None:
    rp = RelyingParty(tenant, tenant.add_application(token_endpoint_auth_method="none"))
    assert error_of(push(rp))[:2] == (403, "unauthorized_client")


def signed_request(rp: RelyingParty, **changes: Any) -> str:
    now = int(rp.tenant.clock.now())
    client_id = rp.application.client_id
    claims = {
        **request_parameters(rp),
        "iss": client_id,
        "aud": rp.tenant.issuer,
        "exp": now + 60,
        "iat": now,
        "state": "signed-state",
        **changes,
    }
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, KEY, algorithm="RS256")


def test_signed_request_object(tenant: Tenant, rp: RelyingParty) -> None:
    rp.application.public_keys = {"": PUBLIC_PEM}
    rp.application.require_jar = True
    with pytest.raises(TenantPage, match="Signed request objects are required"):
        rp.callback()
    url = f"{tenant.issuer}authorize?client_id={rp.application.client_id}&state=outside&request="
    assert tenant.authorize(url + signed_request(rp)).fields["state"] == "signed-state"
    for bad in ({"aud": "https://other/"}, {"iss": "other"}, {"exp": 1}, {"client_id": None}):
        with pytest.raises(TenantPage, match="invalid_request_object"):
            tenant.authorize(url + signed_request(rp, **bad))
    rp.application.public_keys = {}
    with pytest.raises(TenantPage, match="signature"):
        tenant.authorize(url + signed_request(rp))


def test_signed_request_object_by_par(tenant: Tenant, rp: RelyingParty) -> None:
    rp.application.public_keys = {"": PUBLIC_PEM}
    rp.application.require_jar = rp.application.require_par = True
    form = {
        "client_id": rp.application.client_id,
        "client_secret": rp.application.client_secret,
        "request": signed_request(rp),
    }
    answer = rp.post("oauth/par", form)
    assert answer.status_code == 201
    fields = tenant.authorize(pushed_url(rp, answer.json()["request_uri"])).fields
    assert fields["state"] == "signed-state"


@pytest.fixture
def key_application(tenant: Tenant) -> Application:
    return tenant.add_application(token_endpoint_auth_method="private_key_jwt", public_keys={"k1": PUBLIC_PEM})


def assertion(tenant: Tenant, application: Application, *, kid: str | None = "k1", **changes: Any) -> str:
    now = int(tenant.clock.now())
    claims = {
        "iss": application.client_id,
        "sub": application.client_id,
        "aud": tenant.issuer,
        "exp": now + 60,
        "iat": now,
        "jti": secrets.token_urlsafe(16),
        **changes,
    }
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, KEY, algorithm="RS256", headers={"kid": kid} if kid else None)


def exchange_with(tenant: Tenant, application: Application, signed: str) -> requests.Response:
    rp = RelyingParty(tenant, application)
    form = {
        "grant_type": "authorization_code",
        "code": rp.callback()["code"],
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": signed,
    }
    return rp.post("oauth/token", form)


@pytest.mark.parametrize("kid", ["k1", None])
def test_private_key_jwt(tenant: Tenant, key_application: Application, kid: str | None) -> None:
    signed = assertion(tenant, key_application, kid=kid)
    assert exchange_with(tenant, key_application, signed).status_code == 200
    assert error_of(exchange_with(tenant, key_application, signed))[:2] == (401, "invalid_client"), "jti was used"


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "http://127.0.0.1:1/oauth/token"},
        {"aud": ["list"]},
        {"iss": "other"},
        {"sub": "other"},
        {"exp": 1},
        {"exp": 9999999999},
        {"jti": None},
        {"jti": "x" * 65},
        {"nbf": 9999999999},
        {"kid": "unknown"},
    ],
)
def test_private_key_jwt_refused(tenant: Tenant, key_application: Application, changes: dict[str, Any]) -> None:
    answer = exchange_with(tenant, key_application, assertion(tenant, key_application, **changes))
    assert error_of(answer)[:2] == (401, "invalid_client")


def test_private_key_jwt_application_has_no_secret(tenant: Tenant, key_application: Application) -> None:
    answer = RelyingParty(tenant, key_application).refresh("x")
    assert error_of(answer) == (401, "access_denied", "Unauthorized")


class ProofMaker:
    """A DPoP key."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.jwk = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key()))

    @property
    def jkt(self) -> str:
        members = {name: self.jwk[name] for name in ("crv", "kty", "x", "y")}
        canonical = json.dumps(members, separators=(",", ":"), sort_keys=True).encode()
        return base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()

    def proof(self, tenant: Tenant, path: str = "oauth/token", method: str = "POST", **changes: Any) -> str:
        claims = {
            "htm": method,
            "htu": tenant.issuer + path,
            "iat": int(tenant.clock.now()),
            "jti": secrets.token_urlsafe(12),
            **changes,
        }
        return jwt.encode(claims, self.key, algorithm="ES256", headers={"typ": "dpop+jwt", "jwk": self.jwk})


def test_dpop_bound_tokens(tenant: Tenant, rp: RelyingParty) -> None:
    maker = ProofMaker()
    body = rp.exchange(rp.callback()["code"], headers={"DPoP": maker.proof(tenant)}).json()
    assert body["token_type"] == "DPoP"
    token = body["access_token"]
    assert claims_of(token)["cnf"] == {"jkt": maker.jkt}
    ath = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
    url = tenant.issuer + "userinfo"
    assert requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=60).status_code == 401
    headers = {"Authorization": f"DPoP {token}", "DPoP": maker.proof(tenant, "userinfo", "GET", ath=ath)}
    assert requests.get(url, headers=headers, timeout=60).json()["sub"] == tenant.user.sub
    replayed = requests.get(url, headers=headers, timeout=60)
    assert replayed.status_code == 401
    assert replayed.headers["WWW-Authenticate"] == 'DPoP error="invalid_dpop_proof", algs="ES256"'
    refreshed = rp.refresh(body["refresh_token"], headers={"DPoP": maker.proof(tenant)}).json()
    assert claims_of(refreshed["access_token"])["cnf"] == {"jkt": maker.jkt}


@pytest.mark.parametrize("confidential", [True, False])
def test_dpop_nonce(tenant: Tenant, rp: RelyingParty, confidential: bool) -> None:
    if confidential:
        tenant.require_dpop_nonce = True
    else:
        rp = RelyingParty(tenant, tenant.add_application(token_endpoint_auth_method="none"))
    maker, code = ProofMaker(), rp.callback()["code"]
    refused = rp.exchange(code, headers={"DPoP": maker.proof(tenant)})
    assert error_of(refused) == (400, "use_dpop_nonce", "Authorization server requires nonce in DPoP proof")
    proof = maker.proof(tenant, nonce=refused.headers["DPoP-Nonce"])
    body = rp.exchange(code, headers={"DPoP": proof}).json()
    assert body["token_type"] == "DPoP"
    other, nonce = ProofMaker(), refused.headers["DPoP-Nonce"]
    stolen = rp.refresh(body["refresh_token"], headers={"DPoP": other.proof(tenant, nonce=nonce)})
    assert stolen.status_code == (200 if confidential else 403), "a public application's refresh token is bound too"


@pytest.mark.parametrize(
    "changes",
    [{"htm": "GET"}, {"htu": "http://elsewhere/"}, {"iat": 1}, {"iat": 9999999999}, {"jti": ""}, {"iat": "now"}],
)
def test_dpop_proof_refused(tenant: Tenant, rp: RelyingParty, changes: dict[str, Any]) -> None:
    answer = rp.refresh("x", headers={"DPoP": ProofMaker().proof(tenant, **changes)})
    assert error_of(answer)[:2] == (400, "invalid_dpop_proof")


@pytest.mark.parametrize(
    ("policy", "required", "sends", "outcome"),
    [
        (None, False, False, "Bearer"),
        (None, False, True, "DPoP"),
        (None, True, False, "refused"),
        (None, True, True, "DPoP"),
        ("none", False, False, "Bearer"),
        ("allowed", False, False, "Bearer"),
        ("required", False, False, "refused"),
        ("none", False, True, "Bearer"),
        ("allowed", False, True, "DPoP"),
        ("required", False, True, "DPoP"),
        ("none", True, False, "refused"),
        ("allowed", True, False, "refused"),
        ("none", True, True, "refused"),
        ("allowed", True, True, "DPoP"),
    ],
)
def test_binding_table(
    tenant: Tenant, rp: RelyingParty, policy: Any, required: bool, sends: bool, outcome: str
) -> None:
    rp.application.require_dpop = required
    tenant.api.dpop = policy or "none"
    code = rp.callback(audience=tenant.api.identifier if policy else None)["code"]
    headers = {"DPoP": ProofMaker().proof(tenant)} if sends else None
    answer = rp.exchange(code, headers=headers)
    assert (answer.json()["token_type"] if answer.status_code == 200 else "refused") == outcome


def test_code_bound_to_a_dpop_key(tenant: Tenant, rp: RelyingParty) -> None:
    maker = ProofMaker()
    code = rp.callback(dpop_jkt=maker.jkt)["code"]
    answer = rp.exchange(code, headers={"DPoP": ProofMaker().proof(tenant)})
    assert error_of(answer)[1] == "invalid_dpop_proof"
