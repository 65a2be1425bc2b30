"""Sign-up and change of password at a database connection, with the literal answers of Auth0."""

from __future__ import annotations

import re
from typing import Any

import pytest
import requests

from django_auth0_flow.testing.tenant import ALL_GRANTS, Tenant
from tests.testing.tenant.helpers import RelyingParty

REALM = "Username-Password-Authentication"
NEW: dict[str, Any] = {"email": "mary@example.com", "password": "Jamaica-1805"}
PASSWORD = "http://auth0.com/oauth/grant-type/password-realm"


@pytest.fixture(autouse=True)
def every_grant(rp: RelyingParty) -> None:
    rp.application.grant_types = set(ALL_GRANTS)


def ask(tenant: Tenant, path: str, **body: Any) -> requests.Response:
    full = {"client_id": tenant.application.client_id, "connection": REALM, **body}
    sent = {name: value for name, value in full.items() if value is not None}
    return requests.post(f"{tenant.issuer}dbconnections/{path}", json=sent, timeout=60)


def sign_up(tenant: Tenant, **changes: Any) -> requests.Response:
    return ask(tenant, "signup", **{**NEW, **changes})


def can_log_in(rp: RelyingParty, username: str, password: str) -> bool:
    answer = rp.token(PASSWORD, realm=REALM, username=username, password=password)
    return bool(answer.status_code == 200)


def test_a_new_user_gets_no_token_and_can_log_in(tenant: Tenant, rp: RelyingParty) -> None:
    answer = sign_up(tenant, email="Mary@example.com", given_name="Mary")
    assert answer.status_code == 200
    body = answer.json()
    assert {**body, "_id": ""} == {"_id": "", "email": "Mary@example.com", "email_verified": False}
    user = tenant.users[f"auth0|{body['_id']}"]
    assert (user.email, user.email_verified, user.given_name) == ("mary@example.com", False, "Mary")
    assert can_log_in(rp, "mary@example.com", NEW["password"])


def test_the_identifiers_of_a_connection(tenant: Tenant, rp: RelyingParty) -> None:
    body = sign_up(tenant, username="mary", phone_number="+12345678900").json()
    assert body["username"] == "mary"
    assert (body["phone_number"], body["phone_verified"]) == ("+12345678900", False)
    assert can_log_in(rp, "mary", NEW["password"])


@pytest.mark.parametrize("changes", [{"email": "ADA@example.com"}, {"username": "ada"}], ids=["address", "username"])
def test_a_user_who_exists(tenant: Tenant, changes: dict[str, str]) -> None:
    answer = sign_up(tenant, **changes)
    assert (answer.status_code, answer.json()) == (
        400,
        {"name": "BadRequestError", "code": "invalid_signup", "description": "Invalid sign up", "statusCode": 400},
    )
    tenant.generic_sign_up_errors = False
    body = sign_up(tenant, **changes).json()
    assert body["code"] == "user_exists"
    assert body["description"] in ("The user already exists.", "The user already exists (username: ada).")


def test_disabled_sign_ups(tenant: Tenant) -> None:
    tenant.sign_up_enabled = False
    answer = sign_up(tenant)
    assert (answer.status_code, answer.json()) == (400, {"error": "public signup is disabled"})


def test_a_weak_password(tenant: Tenant) -> None:
    body = sign_up(tenant, password="abc").json()
    assert (body["name"], body["code"], body["message"]) == (
        "PasswordStrengthError",
        "invalid_password",
        "Password is too weak",
    )
    length, kinds = body["description"]["rules"]
    assert (length["format"], length["verified"]) == ([8], False)
    assert [item["code"] for item in kinds["items"] if item["verified"]] == ["lowerCase"]
    assert body["policy"].startswith("* At least 8 characters in length\n* Contain at least 3 of the following 4 types")


@pytest.mark.parametrize(
    ("password", "name", "message"),
    [
        ("Passw0rd", "PasswordDictionaryError", "Password is too common"),
        ("Mary-is-my-name-1", "PasswordNoUserInfoError", "Password contains user information"),
    ],
)
def test_a_common_and_a_personal_password(tenant: Tenant, password: str, name: str, message: str) -> None:
    body = sign_up(tenant, password=password).json()
    assert (body["name"], body["code"], body["message"]) == (name, "invalid_password", message)


@pytest.mark.parametrize("missing", ["client_id", "connection", "password", "email"])
def test_what_must_not_be_missing(tenant: Tenant, missing: str) -> None:
    assert sign_up(tenant, **{missing: None}).json()["error_description"] == f"Missing required parameter: {missing}"


@pytest.mark.parametrize("path", ["signup", "change_password"])
def test_connections_that_the_application_may_not_use(tenant: Tenant, path: str) -> None:
    for connection in ("other", "email"):
        assert ask(tenant, path, **NEW, connection=connection).status_code == 400
    assert ask(tenant, path, **NEW, client_id="unknown").status_code == 401


def test_a_reset_gets_the_same_answer_for_any_address(tenant: Tenant) -> None:
    answers = [ask(tenant, "change_password", email=email) for email in ("Ada@example.com", "nobody@example.com")]
    assert [(answer.status_code, answer.text) for answer in answers] == [
        (200, "We've just sent you an email to reset your password.")
    ] * 2
    assert answers[0].headers["Content-Type"].startswith("text/html")
    assert [message.to for message in tenant.outbox] == ["ada@example.com"]


def test_the_newest_link_sets_a_password_once_and_ends_the_sessions(tenant: Tenant, rp: RelyingParty) -> None:
    rp.callback(tenant.user)
    links = []
    for _ in range(2):
        ask(tenant, "change_password", email="ada@example.com")
        links.append(str(tenant.last_message().link))
    old, new = links
    assert requests.post(old, data={"password": "Analytical-1843"}, timeout=60).status_code == 400
    assert "Enter a new password for ada@example.com." in requests.get(new, timeout=60).text
    weak = requests.post(new, data={"password": "x"}, timeout=60)
    assert (weak.status_code, "Password is too weak" in weak.text) == (400, True)
    assert len(tenant.sessions) == 1
    assert "Password changed" in requests.post(new, data={"password": "Analytical-1843"}, timeout=60).text
    assert not tenant.sessions
    assert requests.post(new, data={"password": "Analytical-1844"}, timeout=60).status_code == 400
    assert can_log_in(rp, "ada@example.com", "Analytical-1843")
    assert not can_log_in(rp, "ada@example.com", "correct horse")


def test_the_documented_limits(tenant: Tenant) -> None:
    tenant.limits.enforce_documented()
    answers = [ask(tenant, "change_password", email="ada@example.com") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert answers[-1].headers["Retry-After"] == "60"
    assert ask(tenant, "change_password", email="grace@example.com").status_code == 200
    tenant.clock.advance(60)
    assert ask(tenant, "change_password", email="ada@example.com").status_code == 200


def test_the_log_keeps_passwords_and_tickets_to_itself(tenant: Tenant) -> None:
    sign_up(tenant)
    ask(tenant, "change_password", email="ada@example.com")
    requests.get(str(tenant.last_message().link), timeout=60)
    shown = requests.get(f"{tenant.issuer}_tenant/log", timeout=60).text
    assert NEW["password"] not in shown
    assert re.split("ticket=", str(tenant.last_message().link))[1] not in shown
