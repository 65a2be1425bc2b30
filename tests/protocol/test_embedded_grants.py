"""Logins without redirect at the protocol's level: what is sent, how each answer is judged, what is shown of secrets."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_auth0_flow.protocol.client import Client
from django_auth0_flow.protocol.client_auth import client_secret_basic, no_client_auth
from django_auth0_flow.protocol.embedded_grants import (
    MFA_OOB,
    MFA_OTP,
    MFA_RECOVERY_CODE,
    PASSWORD,
    PASSWORD_REALM,
    PASSWORDLESS_OTP,
    Authenticator,
    Challenge,
    EmbeddedLogins,
    Enrolment,
    Granted,
)
from django_auth0_flow.protocol.errors import (
    Auth0Error,
    InvalidGrant,
    MfaRequired,
    TokenRequestError,
    TokenValidationError,
    TransportError,
)
from django_auth0_flow.protocol.http import Http
from django_auth0_flow.protocol.issuer import Issuer
from django_auth0_flow.protocol.passwordless_channels import EMAIL_CODE, EMAIL_LINK, SMS, Channel
from django_auth0_flow.protocol.strict_json import parse_json_array
from django_auth0_flow.testing.tenant import Tenant
from django_auth0_flow.testing.tenant.factors import totp
from django_auth0_flow.testing.tenant.model import Authenticator as TenantAuthenticator

REALM = "Username-Password-Authentication"
SECRET = "JBSWY3DPEHPK3PXP"
ADA = ("ada@example.com", "correct horse")
CALLBACK = "http://testserver/auth0/callback/"


@pytest.fixture
def logins(tenant: Tenant, client: Client) -> EmbeddedLogins:
    tenant.application.grant_types |= {"password", "mfa", PASSWORDLESS_OTP}
    parameters = {"audience": tenant.api.identifier}
    return EmbeddedLogins(client, scope="openid email", parameters=parameters, visitor_address="198.51.100.2")


@pytest.fixture
def mfa_token(tenant: Tenant, logins: EmbeddedLogins) -> str:
    """The token of a login that waits for a second factor."""
    tenant.user.mfa_required = True
    tenant.user.authenticators = [
        TenantAuthenticator("otp", secret=SECRET),
        TenantAuthenticator("sms", name="+819012345678"),
        TenantAuthenticator("push", name="telephone"),
        TenantAuthenticator("recovery-code", secret="ABCDEFGH"),
        TenantAuthenticator("email", name="off@example.com", active=False),
    ]
    with pytest.raises(MfaRequired) as raised:
        logins.log_in_with_password(*ADA, realm=REALM)
    return raised.value.mfa_token


def last(tenant: Tenant, path: str = "/oauth/token") -> Any:
    return [request for request in tenant.requests if request.path == path][-1]


def form_of(tenant: Tenant) -> dict[str, str]:
    form = {name: values[0] for name, values in last(tenant).form.items()}
    return {name: form[name] for name in form if name not in ("client_id", "client_secret")}


# -- what is sent ----------------------------------------------------------------------------------------------------------


def test_password_grant(tenant: Tenant, logins: EmbeddedLogins) -> None:
    granted = logins.log_in_with_password(*ADA)
    assert granted.claims["sub"] == tenant.user.sub
    assert granted.tokens.access_token
    assert form_of(tenant) == {
        "grant_type": PASSWORD,
        "username": ADA[0],
        "password": ADA[1],
        "audience": tenant.api.identifier,
        "scope": "openid email",
    }
    assert last(tenant).headers["auth0-forwarded-for"] == "198.51.100.2"


def test_password_realm_grant(tenant: Tenant, logins: EmbeddedLogins) -> None:
    logins.log_in_with_password(*ADA, realm=REALM)
    form = form_of(tenant)
    assert (form["grant_type"], form["realm"]) == (PASSWORD_REALM, REALM)


@pytest.mark.parametrize(
    ("channel", "address", "connection"),
    [(EMAIL_CODE, "mary@example.com", "email"), (SMS, "+819012345678", "sms")],
    ids=["email", "sms"],
)
def test_passwordless_start_and_grant(
    tenant: Tenant, logins: EmbeddedLogins, channel: Channel, address: str, connection: str
) -> None:
    logins.start_passwordless(channel, address, language="ja")
    start = last(tenant, "/passwordless/start")
    assert start.headers["auth0-forwarded-for"] == "198.51.100.2"
    assert start.headers["x-request-language"] == "ja"
    granted = logins.log_in_with_code(channel, address, str(tenant.last_message().code), redirect_uri=CALLBACK)
    assert granted.claims["sub"].startswith(f"{connection}|")
    form = form_of(tenant)
    assert form == {
        "grant_type": PASSWORDLESS_OTP,
        "realm": connection,
        "username": address,
        "otp": str(tenant.last_message().code),
        "redirect_uri": CALLBACK,
        "audience": tenant.api.identifier,
        "scope": "openid email",
    }


def test_a_link_carries_its_parameters(tenant: Tenant, logins: EmbeddedLogins) -> None:
    logins.start_passwordless(EMAIL_LINK, "mary@example.com", auth_params={"state": "s", "scope": "openid"})
    assert "state=s&scope=openid" in str(tenant.last_message().link)


def test_mfa_otp_grant(tenant: Tenant, logins: EmbeddedLogins, mfa_token: str) -> None:
    granted = logins.confirm_otp(mfa_token, totp(SECRET, tenant.clock.now()))
    assert granted.claims["sub"] == tenant.user.sub
    assert set(form_of(tenant)) == {"grant_type", "mfa_token", "otp"}
    assert form_of(tenant)["grant_type"] == MFA_OTP


def test_mfa_oob_grant(tenant: Tenant, logins: EmbeddedLogins, mfa_token: str) -> None:
    sms = logins.authenticators(mfa_token)[1]
    challenge = logins.challenge(mfa_token, authenticator_id=sms.id, types="oob")
    assert challenge.asks_for_code
    code = str(tenant.last_message().code)
    logins.confirm_oob(mfa_token, challenge.oob_code, binding_code=code)
    assert form_of(tenant) == {
        "grant_type": MFA_OOB,
        "mfa_token": mfa_token,
        "oob_code": challenge.oob_code,
        "binding_code": code,
    }


def test_mfa_push_is_polled(tenant: Tenant, logins: EmbeddedLogins, mfa_token: str) -> None:
    push = logins.authenticators(mfa_token)[2]
    challenge = logins.challenge(mfa_token, authenticator_id=push.id)
    assert not challenge.asks_for_code
    with pytest.raises(TokenRequestError) as waiting:
        logins.confirm_oob(mfa_token, challenge.oob_code)
    assert waiting.value.error == "authorization_pending"
    tenant.answer_push()
    assert logins.confirm_oob(mfa_token, challenge.oob_code).claims["sub"] == tenant.user.sub
    assert "binding_code" not in form_of(tenant)


def test_mfa_recovery_code_grant(tenant: Tenant, logins: EmbeddedLogins, mfa_token: str) -> None:
    granted = logins.confirm_recovery_code(mfa_token, "ABCDEFGH")
    assert form_of(tenant)["grant_type"] == MFA_RECOVERY_CODE
    assert granted.recovery_code == tenant.user.authenticators[3].secret


def test_authenticators(logins: EmbeddedLogins, mfa_token: str) -> None:
    found = [(one.kind, one.name) for one in logins.authenticators(mfa_token)]
    assert found == [("otp", ""), ("sms", "XXXXXXXXX5678"), ("push", "telephone"), ("recovery-code", "")]


@pytest.mark.parametrize("kind", ["otp", "sms", "voice", "push", "email"])
def test_associate(tenant: Tenant, logins: EmbeddedLogins, kind: str) -> None:
    tenant.user.mfa_required = True
    with pytest.raises(MfaRequired) as raised:
        logins.log_in_with_password(*ADA, realm=REALM)
    enrolment = logins.associate(
        raised.value.mfa_token, kind, phone_number="+819012345678" if kind in ("sms", "voice") else ""
    )
    assert len(enrolment.recovery_codes) == 1
    assert bool(enrolment.secret) is (kind == "otp")
    assert enrolment.barcode_uri.startswith("otpauth://") is (kind in ("otp", "push"))
    assert enrolment.challenge.asks_for_code is (kind != "push")


# -- client authentication -------------------------------------------------------------------------------------------------


def _logins_with(tenant: Tenant, http: Http, auth: Any, secret: str | None) -> EmbeddedLogins:
    application = tenant.application
    application.grant_types |= {"password", PASSWORDLESS_OTP, "mfa"}
    client = Client(
        issuer=Issuer(tenant.issuer, http=http),
        client_id=application.client_id,
        auth=auth,
        http=http,
        clock=tenant.clock.now,
        leeway=60,
        client_secret=secret,
    )
    return EmbeddedLogins(client, scope="openid")


def test_basic_goes_into_the_body_of_the_json_endpoints(tenant: Tenant, http: Http) -> None:
    application = tenant.application
    auth = client_secret_basic(application.client_id, application.client_secret)
    logins = _logins_with(tenant, http, auth, application.client_secret)
    logins.start_passwordless(EMAIL_CODE, "mary@example.com")
    assert "Authorization" not in last(tenant, "/passwordless/start").headers
    logins.log_in_with_password(*ADA)
    assert last(tenant).headers["Authorization"].startswith("Basic ")


def test_a_public_client_sends_its_id(tenant: Tenant, http: Http) -> None:
    tenant.application.token_endpoint_auth_method = "none"
    logins = _logins_with(tenant, http, no_client_auth(tenant.application.client_id), None)
    logins.start_passwordless(EMAIL_CODE, "mary@example.com")
    assert tenant.last_message().code


# -- judging ---------------------------------------------------------------------------------------------------------------

Call = Callable[[EmbeddedLogins], object]
GRANTS: dict[str, Call] = {
    "password": lambda logins: logins.log_in_with_password(*ADA),
    "passwordless": lambda logins: logins.log_in_with_code(EMAIL_CODE, "a@b.example", "123456", redirect_uri=CALLBACK),
    "mfa-otp": lambda logins: logins.confirm_otp("token", "123456"),
    "mfa-oob": lambda logins: logins.confirm_oob("token", "oob"),
    "recovery-code": lambda logins: logins.confirm_recovery_code("token", "ABC"),
}
JSON_CALLS: dict[str, tuple[str, Call]] = {
    "start": ("passwordless", lambda logins: logins.start_passwordless(EMAIL_CODE, "a@b.example")),
    "challenge": ("mfa", lambda logins: logins.challenge("token")),
    "associate": ("mfa", lambda logins: logins.associate("token", "otp")),
    "authenticators": ("mfa", lambda logins: logins.authenticators("token")),
}
SPOILT = [
    "html",
    "empty",
    "truncated",
    "deep-json",
    "big-integer",
    "nan",
    "bad-utf8",
    "bom",
    "drop",
    "redirect",
    "slow",
]


@pytest.mark.parametrize("fault", SPOILT)
@pytest.mark.parametrize("call", JSON_CALLS)
def test_spoilt_answers_of_the_json_endpoints_are_transport_errors(
    tenant: Tenant, logins: EmbeddedLogins, http: Http, fault: str, call: str
) -> None:
    http.timeout = 1 if fault == "slow" else http.timeout
    endpoint, run = JSON_CALLS[call]
    tenant.fault(fault, endpoint=endpoint)
    with pytest.raises(TransportError):
        run(logins)


@pytest.mark.parametrize(
    ("kind", "status", "body"),
    [
        (InvalidGrant, 403, {"error": "invalid_grant", "error_description": "Wrong"}),
        (InvalidGrant, 400, {"error": "invalid_grant"}),
        (TokenRequestError, 403, {"error": "unauthorized", "error_description": "user is blocked"}),
        (TokenRequestError, 429, {"error": "too_many_attempts"}),
        (TokenRequestError, 401, {"error": "password_leaked"}),
        (
            TokenRequestError,
            500,
            {"error": "server_error", "error_description": "not configured with default connection."},
        ),
        (TransportError, 429, {"error": "too_many_requests"}),
        (TransportError, 500, {"error": "server_error"}),
        (TransportError, 500, {"error": "access_denied", "error_description": "Global limit has been reached"}),
        (TransportError, 403, {"error": "mfa_required"}),
        (TransportError, 200, {"access_token": "a", "token_type": "mac"}),
        (TransportError, 200, {"id_token": "a.b.c", "token_type": "Bearer"}),
        (TokenValidationError, 200, {"access_token": "a", "token_type": "Bearer"}),
        (TokenValidationError, 200, {"access_token": "a", "token_type": "Bearer", "id_token": "a.b.c"}),
    ],
)
@pytest.mark.parametrize("grant", GRANTS)
def test_answers_of_the_grants(
    tenant: Tenant, logins: EmbeddedLogins, grant: str, kind: type[Auth0Error], status: int, body: Any
) -> None:
    tenant.fault("status", endpoint="token", status=status, body=body)
    with pytest.raises(kind) as raised:
        GRANTS[grant](logins)
    assert type(raised.value) is kind


@pytest.mark.parametrize("fault", ["invalid-iss", "invalid-aud", "missing-sub", "expired", "sig-invalid", "alg-none"])
def test_the_id_token_is_validated_before_anything_is_returned(
    tenant: Tenant, logins: EmbeddedLogins, fault: str
) -> None:
    tenant.fault(fault)
    with pytest.raises(TokenValidationError):
        logins.log_in_with_password(*ADA)


def test_at_hash_is_checked_where_it_is(tenant: Tenant, logins: EmbeddedLogins) -> None:
    tenant.application.at_hash = True
    logins.log_in_with_password(*ADA)
    tenant.fault("at-hash-invalid")
    with pytest.raises(TokenValidationError):
        logins.log_in_with_password(*ADA)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"challenge_type": "oob"},
        {"challenge_type": "oob", "oob_code": ""},
        {"challenge_type": "oob", "oob_code": 7},
        {"challenge_type": "webauthn", "oob_code": "x"},
        {"challenge_type": ["oob"], "oob_code": "x"},
    ],
)
def test_a_challenge_that_nobody_can_answer(tenant: Tenant, logins: EmbeddedLogins, answer: Any) -> None:
    tenant.fault("json", endpoint="mfa", value=answer)
    with pytest.raises(TransportError):
        logins.challenge("token")


def test_odd_members_of_an_enrolment_are_left_out(tenant: Tenant, logins: EmbeddedLogins) -> None:
    odd = {"authenticator_type": "otp", "secret": ["x"], "barcode_uri": "a\nb", "recovery_codes": [1, "A", None]}
    tenant.fault("json", endpoint="mfa", value=odd)
    enrolment = logins.associate("token", "otp")
    assert enrolment == Enrolment(Challenge(), recovery_codes=("A",))


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_any_json_list_or_none(value: Any) -> None:
    data = json.dumps(value).encode()
    if isinstance(value, list):
        assert parse_json_array(data) == value
    else:
        with pytest.raises(ValueError, match="not a JSON array"):
            parse_json_array(data)


# -- secrets ---------------------------------------------------------------------------------------------------------------


def test_no_secret_in_any_repr(tenant: Tenant, logins: EmbeddedLogins, mfa_token: str) -> None:
    shown = [
        repr(logins),
        repr(Challenge("oob-secret")),
        repr(Enrolment(Challenge("oob-secret"), "totp-secret", "otpauth://totp-secret", ("recovery-secret",))),
        repr(logins.confirm_otp(mfa_token, totp(SECRET, tenant.clock.now()))),
        repr(Granted.__name__),
    ]
    text = "".join(shown)
    assert "secret" not in text
    assert "eyJ" not in text
    assert mfa_token not in text
    assert tenant.application.client_secret not in text


def test_errors_show_neither_passwords_nor_tokens(tenant: Tenant, logins: EmbeddedLogins, mfa_token: str) -> None:
    with pytest.raises(InvalidGrant) as refused:
        logins.log_in_with_password(ADA[0], "another secret", realm=REALM)
    with pytest.raises(InvalidGrant) as wrong:
        logins.confirm_otp(mfa_token, "000000")
    for error in (refused.value, wrong.value):
        shown = str(error) + repr(error)
        assert not [secret for secret in ("another secret", mfa_token, "000000", ADA[0]) if secret in shown]


def test_an_authenticator_is_a_value() -> None:
    assert Authenticator("totp|dev_1", "otp") == Authenticator("totp|dev_1", "otp", "")
