"""Logins without a redirect: password, realm, passwordless, client credentials, Token Vault."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from django_auth0_flow.testing.tenant import ALL_GRANTS, Tenant, TenantPage
from django_auth0_flow.testing.tenant.model import PASSWORD_REALM, PASSWORDLESS_OTP, TOKEN_VAULT
from tests.testing.tenant.helpers import CALLBACK, RelyingParty, claims_of, error_of

ADA = {"username": "ada@example.com", "password": "correct horse"}
WRONG = (403, "invalid_grant", "Wrong email or password.")
REALM = "Username-Password-Authentication"


@pytest.fixture(autouse=True)
def every_grant(rp: RelyingParty) -> None:
    rp.application.grant_types = set(ALL_GRANTS)


def test_password(tenant: Tenant, rp: RelyingParty) -> None:
    answer = rp.token("password", **ADA, audience=tenant.api.identifier, scope="openid offline_access")
    assert answer.status_code == 200
    body = answer.json()
    assert claims_of(body["access_token"])["gty"] == "password"
    claims = claims_of(body["id_token"])
    assert claims["sub"] == tenant.user.sub
    assert not {"sid", "nonce", "amr"} & set(claims)
    assert rp.refresh(body["refresh_token"]).status_code == 200


def test_scopes_when_none_are_asked_for(tenant: Tenant, rp: RelyingParty) -> None:
    assert rp.token("password", **ADA).json()["scope"] == "openid profile email address phone"
    answer = rp.token("password", **ADA, audience=tenant.api.identifier)
    assert answer.json()["scope"] == "read:appointments write:appointments"


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({**ADA, "password": "wrong"}, WRONG),
        ({**ADA, "username": "nobody@example.com"}, WRONG),
        (
            {**ADA, "audience": "https://nowhere"},
            (400, "invalid_request", "invalid audience specified for password grant exchange"),
        ),
        ({"username": "ada@example.com"}, (400, "invalid_request", "Missing required parameter: password")),
    ],
)
def test_password_refused(rp: RelyingParty, form: dict[str, str], expected: tuple[int, str, str]) -> None:
    assert error_of(rp.token("password", **form)) == expected


def test_the_two_setup_errors_of_the_seed(tenant: Tenant, rp: RelyingParty) -> None:
    tenant.default_directory = None
    assert error_of(rp.token("password", **ADA)) == (
        500,
        "server_error",
        "Authorization server not configured with default connection.",
    )
    assert rp.token(PASSWORD_REALM, **ADA, realm=REALM).status_code == 200
    rp.application.grant_types = {"authorization_code"}
    for grant_type in ("password", PASSWORD_REALM):
        answer = rp.token(grant_type, **ADA, realm=REALM)
        assert error_of(answer)[2] == f"Grant type '{grant_type}' not allowed for the client."


def test_password_tick_covers_the_realm(rp: RelyingParty) -> None:
    rp.application.grant_types = {"password"}
    assert rp.token(PASSWORD_REALM, **ADA, realm=REALM).status_code == 200
    assert rp.token(PASSWORD_REALM, **ADA, realm="elsewhere").status_code == 400


def test_blocked_leaked_and_denied(tenant: Tenant, rp: RelyingParty) -> None:
    tenant.user.password_leaked = True
    assert error_of(rp.token("password", **ADA))[:2] == (401, "password_leaked")
    tenant.user.password_leaked = False
    tenant.user.deny_reason = "Not today"
    assert error_of(rp.token("password", **ADA)) == (403, "access_denied", "Not today")
    tenant.block(tenant.user.sub)
    assert error_of(rp.token("password", **ADA)) == (403, "unauthorized", "user is blocked")


def test_brute_force_protection_counts_by_address(tenant: Tenant, rp: RelyingParty) -> None:
    def attempt(address: str, password: str = "wrong") -> int:
        headers = {"auth0-forwarded-for": address}
        form = {"username": "ada@example.com", "password": password}
        return rp.token("password", headers=headers, **form).status_code

    rp.application.trust_forwarded_for = True
    assert [attempt("198.51.100.1") for _ in range(11)] == [403] * 10 + [429]
    assert attempt("198.51.100.1", "correct horse") == 429, "even the right password"
    assert attempt("198.51.100.2", "correct horse") == 200
    rp.application.trust_forwarded_for = False
    for _ in range(10):
        attempt("198.51.100.3")
    assert attempt("198.51.100.4") == 429, "untrusted header: everybody shares one address"
    tenant.unblock()
    assert attempt("198.51.100.4", "correct horse") == 200


def start(rp: RelyingParty, **body: Any) -> requests.Response:
    full = {
        "client_id": rp.application.client_id,
        "client_secret": rp.application.client_secret,
        "connection": "email",
        "email": "new@example.com",
        "send": "code",
        **body,
    }
    sent = {name: value for name, value in full.items() if value is not None}
    return requests.post(rp.tenant.issuer + "passwordless/start", json=sent, timeout=60)


def otp(rp: RelyingParty, code: str | None, **form: Any) -> requests.Response:
    full = {"username": "new@example.com", "realm": "email", "otp": code, "scope": "openid email", **form}
    return rp.token(PASSWORDLESS_OTP, **full)


def test_email_code(tenant: Tenant, rp: RelyingParty) -> None:
    answer = start(rp)
    assert answer.status_code == 200
    assert answer.json()["email"] == "new@example.com"
    assert answer.json()["email_verified"] is False
    message = tenant.last_message()
    assert (message.to, message.kind) == ("new@example.com", "email-code")
    claims = claims_of(otp(rp, message.code).json()["id_token"])
    assert claims["sub"] == f"email|{answer.json()['_id']}"
    assert claims["email_verified"] is True
    assert error_of(otp(rp, message.code)) == (403, "invalid_grant", "Wrong email or verification code.")
    start(rp)
    again = otp(rp, tenant.last_message().code)
    assert claims_of(again.json()["id_token"])["sub"] == claims["sub"]


def test_sms_code(tenant: Tenant, rp: RelyingParty) -> None:
    number = "+15555550123"
    answer = start(rp, connection="sms", email=None, send=None, phone_number=number)
    assert answer.json()["phone_number"] == number
    wrong = otp(rp, "x", realm="sms", username=number)
    assert error_of(wrong)[2] == "Wrong phone number or verification code."
    right = otp(rp, tenant.last_message().code, realm="sms", username=number, scope="openid")
    assert claims_of(right.json()["id_token"])["sub"].startswith("sms|")


def test_codes_expire_and_run_out(tenant: Tenant, rp: RelyingParty) -> None:
    start(rp)
    code = tenant.last_message().code
    for _ in range(3):
        assert error_of(otp(rp, "wrong!"))[2] == "Wrong email or verification code."
    too_many = "You've reached the maximum number of attempts. Please try to login again."
    assert error_of(otp(rp, code))[2] == too_many
    start(rp)
    tenant.clock.advance(181)
    expired = "The verification code has expired. Please try to login again."
    assert error_of(otp(rp, tenant.last_message().code))[2] == expired


def test_only_the_newest_code_counts(tenant: Tenant, rp: RelyingParty) -> None:
    start(rp)
    old = tenant.last_message().code
    while tenant.last_message().code == old:
        start(rp)
    assert otp(rp, old).status_code == 403
    assert otp(rp, tenant.last_message().code).status_code == 200


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"client_secret": "wrong"}, (401, "access_denied", "Unauthorized")),
        ({"connection": "carrier-pigeon"}, (400, "bad.connection", "Connection does not exist")),
        ({"connection": None}, (400, "bad.connection", "Missing required property: connection")),
        ({"client_id": None}, (400, "bad.client_id", "Missing required property: client_id")),
        (
            {"connection": "sms", "phone_number": "0123"},
            (400, "bad.phone_number", r"String does not match pattern: ^\+[0-9]{1,15}$"),
        ),
        (
            {"authParams": "x"},
            (400, "bad.authParams", "error in authParams - invalid type: string (expected object)"),
        ),
        ({"color": "red"}, (400, "bad.request", "the following properties are not allowed: color")),
    ],
)
def test_start_refused(rp: RelyingParty, body: dict[str, Any], expected: tuple[int, str, str]) -> None:
    assert error_of(start(rp, **body)) == expected


def test_magic_link(tenant: Tenant, rp: RelyingParty) -> None:
    wanted = {"scope": "openid email", "state": "s1", "nonce": "n1", "redirect_uri": CALLBACK, "response_type": "code"}
    start(rp, send=None, authParams=wanted)
    message = tenant.last_message()
    assert message.kind == "email-link"
    assert message.code is None
    assert message.link is not None
    answer = tenant.authorize(message.link)
    assert answer.fields["state"] == "s1"
    tokens = rp.exchange(answer.fields["code"], code_verifier=None)
    assert claims_of(tokens.json()["id_token"])["nonce"] == "n1"
    with pytest.raises(TenantPage, match="Wrong email or verification code"):
        tenant.authorize(message.link)


def test_client_credentials(tenant: Tenant, rp: RelyingParty) -> None:
    def ask(**form: str) -> requests.Response:
        return rp.token("client_credentials", **form)

    audience = tenant.api.identifier
    assert error_of(ask())[2] == "Non-global clients are not allowed access to APIv1"
    assert error_of(ask(audience="https://x"))[2] == "Service not enabled within domain: https://x"
    assert str(error_of(ask(audience=audience))[2]).startswith(f'Client is not authorized to access "{audience}".')
    rp.application.client_grants = {audience: ["read:appointments"]}
    refused = ask(audience=audience, scope="write:appointments")
    assert error_of(refused)[2] == "Client has not been granted scopes: write:appointments"
    body = ask(audience=audience).json()
    claims = claims_of(body["access_token"])
    assert claims["sub"] == f"{rp.application.client_id}@clients"
    assert claims["gty"] == "client-credentials"
    assert set(body) == {"access_token", "scope", "expires_in", "token_type"}


def test_token_vault(tenant: Tenant, rp: RelyingParty) -> None:
    kind = "http://auth0.com/oauth/token-type/federated-connection-access-token"
    tenant.user.linked_connections["google-oauth2"] = "google-token"
    form = {
        "subject_token": rp.log_in()["refresh_token"],
        "subject_token_type": "urn:ietf:params:oauth:token-type:refresh_token",
        "requested_token_type": kind,
        "connection": "google-oauth2",
    }
    assert rp.token(TOKEN_VAULT, **form).status_code == 401, "rotation is on"
    rp.application.rotation = False
    body = rp.token(TOKEN_VAULT, **form).json()
    assert (body["access_token"], body["issued_token_type"]) == ("google-token", kind)
    assert rp.token(TOKEN_VAULT, **{**form, "connection": "github"}).status_code == 401


def test_unknown_grant_type(rp: RelyingParty) -> None:
    assert error_of(rp.token("magic"))[1:] == ("unsupported_grant_type", "Unsupported grant type: magic")
