"""ID tokens and access tokens, claim by claim."""

from __future__ import annotations

from typing import Any

import jwt
import pytest
import requests

from django_auth0_flow.testing.tenant import Tenant
from tests.testing.tenant.helpers import RelyingParty, claims_of, verified


def test_id_token(tenant: Tenant, rp: RelyingParty) -> None:
    token = rp.log_in()["id_token"]
    claims = verified(tenant, token, audience=rp.application.client_id, issuer=tenant.issuer)
    assert claims["sub"] == "auth0|602e93db83fa6f00749a23e6"
    assert claims["nonce"] == "the-nonce"
    assert claims["exp"] - claims["iat"] == 36000
    assert len(claims["sid"]) == 32
    assert (claims["email"], claims["email_verified"]) == ("ada@example.com", True)
    assert claims["updated_at"] == "2026-06-14T21:36:26.399Z"
    assert not {"auth_time", "acr", "amr", "at_hash", "azp", "org_id"} & set(claims)
    header = jwt.get_unverified_header(token)
    assert set(header) == {"alg", "typ", "kid"}
    assert len(header["kid"]) == 21


def test_claims_follow_scopes(rp: RelyingParty) -> None:
    claims = claims_of(rp.log_in(scope="openid")["id_token"])
    assert not {"email", "name", "picture"} & set(claims)
    assert "id_token" not in rp.log_in(scope="read:appointments")


@pytest.mark.parametrize("changes", [{"prompt": "login"}, {"max_age": "60"}])
def test_auth_time_when_asked_for(rp: RelyingParty, changes: dict[str, str]) -> None:
    claims = claims_of(rp.log_in(**changes)["id_token"])
    assert abs(claims["auth_time"] - claims["iat"]) <= 1


def test_custom_claims_and_user_without_email(tenant: Tenant, rp: RelyingParty) -> None:
    user = tenant.add_user(claims={"https://app.example.com/roles": ["editor"]})
    claims = claims_of(rp.log_in(user)["id_token"])
    assert claims["https://app.example.com/roles"] == ["editor"]
    assert "email" not in claims


def test_refreshed_id_token_lacks_what_auth0_leaves_out(tenant: Tenant, rp: RelyingParty) -> None:
    first = rp.log_in(max_age="60")
    claims = claims_of(rp.refresh(first["refresh_token"]).json()["id_token"])
    assert not {"nonce", "acr", "amr", "auth_time"} & set(claims)
    assert claims["sid"] == claims_of(first["id_token"])["sid"]
    assert claims["iss"] == tenant.issuer


def test_access_token_of_an_api(tenant: Tenant, rp: RelyingParty) -> None:
    token = rp.log_in()["access_token"]
    claims = verified(tenant, token, audience=tenant.api.identifier)
    assert claims["aud"] == [tenant.api.identifier, tenant.issuer + "userinfo"]
    assert claims["azp"] == rp.application.client_id
    assert claims["scope"] == "openid profile email offline_access read:appointments"
    assert jwt.get_unverified_header(token)["typ"] == "JWT"
    assert not {"permissions", "gty", "jti", "client_id"} & set(claims)


def test_audience_is_a_string_without_openid(tenant: Tenant, rp: RelyingParty) -> None:
    assert claims_of(rp.log_in(scope="read:appointments")["access_token"])["aud"] == tenant.api.identifier


def test_rfc9068_profile(tenant: Tenant, rp: RelyingParty) -> None:
    tenant.api.profile = "rfc9068"
    token = rp.log_in()["access_token"]
    claims = claims_of(token)
    assert jwt.get_unverified_header(token)["typ"] == "at+jwt"
    assert claims["client_id"] == rp.application.client_id
    assert claims["jti"]
    assert "azp" not in claims


def test_rbac_cuts_scopes_and_lists_permissions(tenant: Tenant, rp: RelyingParty) -> None:
    tenant.api.rbac = True
    tenant.user.permissions[tenant.api.identifier] = ["write:appointments", "delete:appointments"]
    claims = claims_of(rp.log_in(scope="openid read:appointments write:appointments")["access_token"])
    assert claims["scope"] == "openid write:appointments"
    assert claims["permissions"] == ["write:appointments", "delete:appointments"]


def test_opaque_access_token_without_audience(tenant: Tenant, rp: RelyingParty) -> None:
    answer = rp.log_in(audience=None)
    parts = answer["access_token"].split(".")
    assert len(parts) == 5
    assert parts[1] == ""
    assert answer["access_token"].startswith("eyJhbGciOiJkaXIi")
    userinfo = requests.get(
        tenant.issuer + "userinfo", headers={"Authorization": f"Bearer {answer['access_token']}"}, timeout=60
    )
    assert userinfo.json()["sub"] == tenant.user.sub


def test_resource_stands_in_for_audience(tenant: Tenant, rp: RelyingParty) -> None:
    token = rp.log_in(audience=None, resource=tenant.api.identifier)["access_token"]
    assert tenant.api.identifier in claims_of(token)["aud"]


def test_organization_claims(tenant: Tenant, rp: RelyingParty) -> None:
    organization = tenant.add_organization("Acme")
    tenant.user.orgs.append(organization.id)
    for value in (organization.id, "acme", "ACME"):
        answer = rp.log_in(organization=value)
        claims = claims_of(answer["id_token"])
        assert (claims["org_id"], claims["org_name"]) == (organization.id, "acme")
        assert claims_of(answer["access_token"])["org_id"] == organization.id
    tenant.allow_organization_names = False
    assert "org_name" not in claims_of(rp.log_in(organization=organization.id)["id_token"])
    refusal = rp.callback(organization="acme")
    assert refusal["error_description"] == "authorization request parameter organization must be an organization id"


def test_not_a_member(tenant: Tenant, rp: RelyingParty) -> None:
    organization = tenant.add_organization("Acme")
    refusal = rp.callback(organization=organization.id)
    assert refusal["error"] == "access_denied"
    expected = f"user {tenant.user.sub} is not part of the {organization.id} organization"
    assert refusal["error_description"] == expected


def test_invitation_is_good_once(tenant: Tenant, rp: RelyingParty) -> None:
    organization = tenant.add_organization("Acme")
    invitation = tenant.invite(organization, email="ada@example.com")
    asked = {"organization": organization.id, "invitation": invitation.ticket}
    link = tenant.invitation_link(invitation, "https://app.example.com/login/")
    assert link.startswith(f"https://app.example.com/login/?invitation={invitation.ticket}&organization=org_")
    assert claims_of(rp.log_in(**asked)["id_token"])["org_id"] == organization.id
    assert rp.callback(**asked)["error_description"] == "invitation not found or already used"


def test_organization_usage(tenant: Tenant, rp: RelyingParty) -> None:
    organization = tenant.add_organization("Acme")
    rp.application.organization_usage = "require"
    assert rp.callback()["error_description"] == "parameter organization is required for this client"
    rp.application.organization_usage = "deny"
    answer = rp.callback(organization=organization.id)
    assert answer["error_description"] == "parameter organization is not allowed for this client"


def test_organization_prompt(tenant: Tenant, rp: RelyingParty) -> None:
    rp.application.organization_prompt = True
    assert rp.callback()["error_description"].startswith("client requires organization membership")
    tenant.user.orgs = [tenant.add_organization("Acme").id, tenant.add_organization("Zeta").id]
    assert claims_of(rp.log_in()["id_token"])["org_id"] == tenant.user.orgs[0]


def test_hs256_and_ps256(tenant: Tenant, rp: RelyingParty) -> None:
    rp.application.id_token_alg = "HS256"
    token = rp.log_in()["id_token"]
    secret, client_id = rp.application.client_secret, rp.application.client_id
    assert jwt.decode(token, secret, algorithms=["HS256"], audience=client_id, options={"verify_iat": False})
    rp.application.id_token_alg = "PS256"
    tenant.jwks_with_alg = False
    token = rp.log_in()["id_token"]
    jwk = requests.get(f"{tenant.issuer}.well-known/jwks.json", timeout=60).json()["keys"][0]
    assert "alg" not in jwk
    key = jwt.PyJWK(jwk, algorithm="PS256")
    assert jwt.decode(token, key, algorithms=["PS256"], audience=client_id, options={"verify_iat": False})


def test_rotation_of_keys(tenant: Tenant, rp: RelyingParty) -> None:
    def kids() -> list[str]:
        keys = requests.get(f"{tenant.issuer}.well-known/jwks.json", timeout=60).json()["keys"]
        return [key["kid"] for key in keys]

    current, following = kids()
    old = rp.log_in()["id_token"]
    tenant.rotate_keys()
    assert kids()[0] == following
    assert kids()[2] == current
    assert verified(tenant, old)["sub"]
    assert jwt.get_unverified_header(rp.log_in()["id_token"])["kid"] == following
    tenant.rotate_keys(revoke_previous=True)
    assert len(kids()) == 2
    assert following not in kids()


def test_userinfo(tenant: Tenant, rp: RelyingParty) -> None:
    url = tenant.issuer + "userinfo"
    token = rp.log_in()["access_token"]
    answer = requests.post(url, headers={"Authorization": f"Bearer {token}"}, timeout=60)
    assert answer.json()["email"] == "ada@example.com"
    assert answer.json()["updated_at"] == "2026-06-14T21:36:26.399Z"
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    for bad in ("Bearer nonsense", "", f"Bearer {rp.log_in(scope='read:appointments')['access_token']}"):
        refused = requests.get(url, headers={"Authorization": bad}, timeout=60)
        assert (refused.status_code, refused.text) == (401, "Unauthorized")
        assert refused.headers["WWW-Authenticate"].startswith('Bearer realm="Users", error="invalid_token"')
    tenant.clock.advance(86401)
    assert requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=60).status_code == 401


def test_userinfo_refuses_hs256_tokens(tenant: Tenant, rp: RelyingParty) -> None:
    tenant.api.signing_alg = "HS256"
    headers = {"Authorization": f"Bearer {rp.log_in()['access_token']}"}
    assert requests.get(tenant.issuer + "userinfo", headers=headers, timeout=60).status_code == 401


def test_made_tokens(tenant: Tenant) -> None:
    assert verified(tenant, tenant.make_access_token(scope="read:appointments"))["scope"] == "read:appointments"
    assert verified(tenant, str(tenant.make_id_token(nonce="n")))["nonce"] == "n"
    assert verified(tenant, tenant.sign({"sub": "x"}, typ="at+jwt")) == {"sub": "x"}
    seen: list[str] = []

    def hook(kind: str, claims: dict[str, Any], _: dict[str, Any]) -> None:
        seen.append(kind)
        claims["extra"] = 1

    tenant.token_hook = hook
    assert claims_of(tenant.make_access_token())["extra"] == 1
    assert seen == ["access_token"]
