"""Sign-up and reset at the protocol's level: what is sent, and what each shape of a refusal means."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_auth0_flow.protocol.client import Client
from django_auth0_flow.protocol.database_connections import DatabaseConnection
from django_auth0_flow.protocol.errors import Auth0Error, PasswordRefused, TokenRequestError, TransportError
from django_auth0_flow.testing.tenant import Tenant

REALM = "Username-Password-Authentication"
MARY = {"email": "mary@example.com"}
GOOD = "Jamaica-1805"
STRENGTH: dict[str, Any] = {
    "name": "PasswordStrengthError",
    "code": "invalid_password",
    "message": "Password is too weak",
    "description": {
        "rules": [
            {"message": "At least %d characters in length", "format": [8], "code": "lengthAtLeast", "verified": False},
            {
                "message": "Contain at least %d of the following %d types of characters:",
                "format": [3, 4],
                "code": "containsAtLeast",
                "items": [{"message": "lower case letters (a-z)", "code": "lowerCase", "verified": True}],
                "verified": False,
            },
        ],
        "verified": False,
    },
    "policy": "* At least 8 characters in length",
    "statusCode": 400,
}


@pytest.fixture
def connection(tenant: Tenant, client: Client) -> DatabaseConnection:
    return DatabaseConnection(client, REALM, visitor_address="198.51.100.2")


def refusal(tenant: Tenant, connection: DatabaseConnection, body: Any, status: int = 400) -> Auth0Error:
    tenant.fault("json", endpoint="signup", value=body, status=status)
    with pytest.raises(Auth0Error) as raised:
        connection.sign_up(GOOD, MARY)
    return raised.value


def test_a_sign_up_sends_the_client_id_and_no_credentials(tenant: Tenant, connection: DatabaseConnection) -> None:
    connection.sign_up(GOOD, {**MARY, "given_name": "Mary"})
    sent = tenant.requests[-1]
    assert {name: values[0] for name, values in sent.form.items()} == {
        "client_id": tenant.application.client_id,
        "connection": REALM,
        "password": GOOD,
        "email": "mary@example.com",
        "given_name": "Mary",
    }
    assert sent.headers["auth0-forwarded-for"] == "198.51.100.2"
    assert "Authorization" not in sent.headers
    assert tenant.user_by_login("mary@example.com", REALM)


def test_a_reset_takes_a_sentence_for_an_answer(tenant: Tenant, connection: DatabaseConnection) -> None:
    connection.send_reset("ada@example.com")
    sent = tenant.requests[-1]
    assert {name: values[0] for name, values in sent.form.items()} == {
        "client_id": tenant.application.client_id,
        "connection": REALM,
        "email": "ada@example.com",
    }
    assert tenant.last_message().to == "ada@example.com"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (STRENGTH, "password_too_weak"),
        ({"name": "PasswordStrengthError", "error": "Bad Request", "message": "no"}, "password_too_weak"),
        ({"name": "PasswordDictionaryError", "code": "invalid_password"}, "password_too_common"),
        ({"code": "invalid_password", "message": "Password is too common"}, "password_too_common"),
        ({"name": "PasswordNoUserInfoError", "code": "invalid_password"}, "password_personal"),
        ({"error": "invalid_password", "description": "Password contains user information"}, "password_personal"),
        ({"name": "PasswordHistoryError", "code": "invalid_password"}, "password_refused"),
    ],
)
def test_refused_passwords_have_codes(
    tenant: Tenant, connection: DatabaseConnection, body: dict[str, Any], code: str
) -> None:
    error = refusal(tenant, connection, body)
    assert isinstance(error, PasswordRefused)
    assert error.code == code
    assert GOOD not in f"{error!r} {error}"


@pytest.mark.parametrize("policy", [None, "", 7, " \n"])
def test_without_a_policy_the_report_tells_the_rules(
    tenant: Tenant, connection: DatabaseConnection, policy: object
) -> None:
    error = refusal(tenant, connection, {**STRENGTH, "policy": policy})
    assert isinstance(error, PasswordRefused)
    assert error.policy == (
        "* At least 8 characters in length\n"
        "* Contain at least 3 of the following 4 types of characters:\n"
        " * lower case letters (a-z)"
    )


def test_a_format_of_a_rule_is_no_format_of_ours(tenant: Tenant, connection: DatabaseConnection) -> None:
    rules = [
        {"message": "%999999999d %s %d {0} %(a)s", "format": ["%d", 5]},
        {"message": 5},
        {"message": "%d", "format": {}},
        {"message": "x", "items": [{"message": "y", "items": [{"message": "z"}]}]},
        None,
    ]
    error = refusal(tenant, connection, {**STRENGTH, "policy": None, "description": {"rules": rules}})
    assert isinstance(error, PasswordRefused)
    assert error.policy == "* %999999999d 5 %d {0} %(a)s\n* %d\n* x\n * y"


def test_a_policy_is_bounded(tenant: Tenant, connection: DatabaseConnection) -> None:
    error = refusal(tenant, connection, {**STRENGTH, "policy": "x" * 5000})
    assert isinstance(error, PasswordRefused)
    assert len(error.policy) == 2000


@pytest.mark.parametrize(
    ("status", "body", "word"),
    [
        (
            400,
            {"name": "BadRequestError", "code": "invalid_signup", "description": "Invalid sign up"},
            "invalid_signup",
        ),
        (409, {"error": "invalid_signup"}, "invalid_signup"),
        (400, {"code": "user_exists", "description": "The user already exists."}, "user_exists"),
        (400, {"error": "public signup is disabled"}, "public signup is disabled"),
        (400, {"code": "bad_signup", "description": "Public signup is disabled."}, "public signup is disabled"),
        (429, {"error": "too_many_attempts"}, "too_many_attempts"),
    ],
)
def test_other_refusals_keep_the_tenants_word(
    tenant: Tenant, connection: DatabaseConnection, status: int, body: Any, word: str
) -> None:
    error = refusal(tenant, connection, body, status)
    assert isinstance(error, TokenRequestError)
    assert not isinstance(error, PasswordRefused)
    assert error.error == word


@pytest.mark.parametrize("act", ["signup", "change_password"])
@pytest.mark.parametrize(
    ("fault", "code"),
    [("rate-limit", "rate_limited"), ("drop-after", "tenant_unreachable"), ("redirect", "malformed_answer")],
)
def test_answers_that_are_none(tenant: Tenant, connection: DatabaseConnection, act: str, fault: str, code: str) -> None:
    tenant.fault(fault, endpoint=act)

    def attempt() -> None:
        if act == "signup":
            connection.sign_up(GOOD, MARY)
        else:
            connection.send_reset("ada@example.com")

    with pytest.raises(TransportError) as raised:
        attempt()
    assert raised.value.code == code


def test_a_sign_up_needs_an_answer_that_is_json(tenant: Tenant, connection: DatabaseConnection) -> None:
    tenant.fault("html", endpoint="signup")
    with pytest.raises(TransportError):
        connection.sign_up(GOOD, MARY)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=20) | st.sampled_from(["%d", "too weak"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["rules", "message", "format", "items", "verified"]), inner, max_size=5)
    ),
    max_leaves=20,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.dictionaries(
        st.sampled_from(["name", "code", "error", "message", "description", "policy", "statusCode"]), _JSON, max_size=7
    )
)
def test_whatever_the_refusal_is_the_error_is_ours(
    tenant: Tenant, connection: DatabaseConnection, body: dict[str, Any]
) -> None:
    assert isinstance(refusal(tenant, connection, body), Auth0Error)
