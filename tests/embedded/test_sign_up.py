"""Sign-up and forgotten passwords on the site's own pages, over real HTTP."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
import requests
from django.contrib.auth import get_user_model
from django.core.checks import run_checks
from django.test import Client

from django_auth0_flow.models import LoginSession
from django_auth0_flow.protocol.embedded_grants import PASSWORD_REALM
from django_auth0_flow.signals import login_failed
from django_auth0_flow.testing.tenant import Tenant
from tests.visitor import Visitor
from tests.walk import FETCH, assert_nothing_stored, session_of

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.embedded_urls")]

SIGN_UP, RESET, PASSWORD = "/auth0/signup/", "/auth0/password-reset/", "/auth0/password/"
REALM = "Username-Password-Authentication"
MARY: dict[str, Any] = {"email": "mary@example.com", "given_name": "Mary", "password": "Jamaica-1805"}
ADA = {**MARY, "email": "ada@example.com"}
FIELDS = ["email", "given_name"]


@pytest.fixture(autouse=True)
def accounts(tenant: Tenant, auth0_settings: Callable[..., Any], settings: Any) -> Callable[..., Any]:
    """Switch both pages on, at the tenant and here."""
    tenant.application.grant_types |= {"password", "mfa"}
    settings.AUTHENTICATION_BACKENDS = ["django_auth0_flow.backends.Auth0Backend"]

    def configure(**keys: Any) -> Any:
        return auth0_settings(**{"PASSWORD_REALM": REALM, "SIGN_UP_FIELDS": FIELDS, **keys})

    configure()
    return configure


def sign_up(visitor: Visitor, *, next_url: str = "/plain/", **values: str) -> Any:
    visitor.open(SIGN_UP, next=next_url)
    return visitor.submit("email", "password", **{**MARY, **values})


def ask_for_reset(visitor: Visitor, email: str = "ada@example.com", *, next_url: str = "/plain/") -> Any:
    visitor.open(RESET, next=next_url)
    return visitor.submit("email", email=email)


def normal(visitor: Visitor, address: str) -> str:
    """Return a page without what differs from visit to visit."""
    return re.sub(r'value="[A-Za-z0-9]{64}"', "", visitor.text).replace(address, "ADDRESS")


# -- sign-up ---------------------------------------------------------------------------------------------------------------


def test_a_new_account_is_logged_in_at_once_and_led_to_next(tenant: Tenant) -> None:
    visitor = Visitor()
    visitor.open(SIGN_UP, next="/token/")
    before = visitor.client.session.session_key
    visitor.submit("email", "password", **MARY)
    assert visitor.path == "/token/"
    row = LoginSession.objects.get()
    assert visitor.text == row.grant.tokens.access_token
    assert row.session_key == visitor.client.session.session_key != before
    assert (row.identity.user.email, row.identity.user.first_name) == ("mary@example.com", "Mary")
    assert tenant.users[row.identity.subject].email_verified is False


def test_what_is_sent_for_it(tenant: Tenant) -> None:
    sign_up(Visitor())
    (asked,) = [request for request in tenant.requests if request.path == "/dbconnections/signup"]
    assert {name: values[0] for name, values in asked.form.items()} == {
        **MARY,
        "client_id": tenant.application.client_id,
        "connection": REALM,
    }
    (login,) = [request for request in tenant.requests if request.path == "/oauth/token"]
    sent = {name: login.form[name][0] for name in ("grant_type", "realm", "username", "password")}
    assert sent == {
        "grant_type": PASSWORD_REALM,
        "realm": REALM,
        "username": "mary@example.com",
        "password": MARY["password"],
    }


@pytest.mark.parametrize(
    ("proxies", "expected"),
    [(0, "127.0.0.1"), (1, "198.51.100.2"), (2, "203.0.113.7"), (None, None)],
)
def test_the_visitors_address_goes_along_as_with_a_password(
    tenant: Tenant, accounts: Any, proxies: int | None, expected: str | None
) -> None:
    accounts(TRUSTED_PROXY_COUNT=proxies)
    visitor = Visitor(headers={"X-Forwarded-For": "203.0.113.7, 198.51.100.2"})
    sign_up(visitor)
    ask_for_reset(Visitor(headers={"X-Forwarded-For": "203.0.113.7, 198.51.100.2"}))
    for path in ("/dbconnections/signup", "/dbconnections/change_password"):
        (sent,) = [request for request in tenant.requests if request.path == path]
        assert sent.headers.get("auth0-forwarded-for") == expected


def test_a_second_factor_follows_and_keeps_next(tenant: Tenant) -> None:
    tenant.fault("mfa-required")
    visitor = Visitor()
    sign_up(visitor)
    assert visitor.path.startswith("/auth0/mfa/")
    assert "next=%2Fplain%2F" in visitor.path
    assert not LoginSession.objects.exists()


@pytest.mark.parametrize("is_generic", [True, False])
def test_an_address_that_is_taken_is_not_told_from_any_other_refusal(tenant: Tenant, is_generic: bool) -> None:
    tenant.generic_sign_up_errors = is_generic
    taken, refused = Visitor(), Visitor()
    assert sign_up(taken, **ADA).status_code == 400
    assert taken.page.context["code"] == "sign_up_refused"
    tenant.fault("json", endpoint="signup", value={"code": "some_new_reason", "description": "no"}, status=400)
    sign_up(refused, **{**MARY, "email": "new@example.com"})
    assert normal(taken, "ada@example.com") == normal(refused, "new@example.com")
    assert "exists" not in taken.text
    assert_nothing_stored(taken.client)


@pytest.mark.parametrize("error", ["invalid_signup", "user_exists", "username_exists"])
@pytest.mark.parametrize("status", [400, 409])
def test_each_word_for_it_is_the_same_here(tenant: Tenant, error: str, status: int) -> None:
    tenant.fault("json", endpoint="signup", value={"error": error}, status=status)
    visitor = Visitor()
    answer = sign_up(visitor)
    assert (answer.status_code, answer.context["code"]) == (400, "sign_up_refused")


@pytest.mark.parametrize(
    "username", ["realmadrid10", "dpop", "passwordstrength", "passwordnouserinfo", "unknown client"]
)
@pytest.mark.parametrize("error", ["user_exists", "username_exists", "invalid_signup"])
def test_what_the_visitor_is_called_decides_nothing(
    tenant: Tenant, accounts: Any, caplog: pytest.LogCaptureFixture, username: str, error: str
) -> None:
    """The tenant's text quotes it."""
    accounts(SIGN_UP_FIELDS=["username"])
    text = f"The user already exists (username: {username})."
    body = {"name": "BadRequestError", "code": error, "description": text, "statusCode": 400}
    tenant.fault("json", endpoint="signup", value=body, status=400)
    visitor = Visitor()
    visitor.open(SIGN_UP)
    assert (
        visitor.submit("username", username=username, password="Correct-horse-1").context["code"] == "sign_up_refused"
    )
    assert "setup_mistake" not in caplog.text


def test_who_has_an_account_and_types_its_password_is_logged_in(tenant: Tenant) -> None:
    tenant.user.password = ADA["password"]
    visitor = Visitor()
    sign_up(visitor, **ADA)
    assert visitor.path == "/plain/"
    assert LoginSession.objects.get().identity.subject == tenant.user.sub


def test_a_username_that_is_taken_is_never_logged_in_with(tenant: Tenant, accounts: Any) -> None:
    """Somebody else may have it, and the same password."""
    accounts(SIGN_UP_FIELDS=["username"])
    tenant.user.password = "Correct-horse-1"
    visitor = Visitor()
    visitor.open(SIGN_UP)
    answer = visitor.submit("username", username="ada", password="Correct-horse-1")
    assert answer.context["code"] == "sign_up_refused"
    assert tenant.count("/oauth/token") == 0


def test_a_username_can_be_what_a_new_account_logs_in_with(tenant: Tenant, accounts: Any) -> None:
    accounts(SIGN_UP_FIELDS=["username", "name"])
    visitor = Visitor()
    visitor.open(SIGN_UP, next="/plain/")
    visitor.submit("username", username="mary", name="Seacole", password=MARY["password"])
    assert visitor.path == "/plain/"


def test_the_address_logs_in_where_there_is_a_username_too(tenant: Tenant, accounts: Any) -> None:
    accounts(SIGN_UP_FIELDS=["username", "phone_number", "email"])
    visitor = Visitor()
    visitor.open(SIGN_UP, next="/plain/")
    assert [field.name for field in visitor.page.context["form"]] == ["username", "phone_number", "email", "password"]
    visitor.submit(
        "email", username="mary", phone_number="+81 90-1234-5678", email=" mary@example.com ", password="Jamaica-1805"
    )
    assert visitor.path == "/plain/"
    sent = next(request for request in tenant.requests if request.path == "/dbconnections/signup")
    assert (sent.form["phone_number"], sent.form["email"]) == (["+819012345678"], ["mary@example.com"])


def test_an_answer_that_was_lost_is_made_good_by_the_next_try(tenant: Tenant) -> None:
    visitor = Visitor()
    tenant.fault("drop-after", endpoint="signup")
    assert sign_up(visitor).status_code == 503
    assert "/auth0/signup/?next=%2Fplain%2F" in visitor.text
    sign_up(visitor)
    assert visitor.path == "/plain/"
    assert get_user_model().objects.count() == 1


def test_a_form_that_is_sent_twice_makes_one_account_and_leads_on_twice(tenant: Tenant) -> None:
    visitor = Visitor()
    visitor.open(SIGN_UP, next="/plain/")
    path, data = visitor.filled("email", **MARY)
    other = visitor.other_tab()
    first, again = visitor.client.post(path, data), other.post(path, data)
    assert [answer["Location"] for answer in (first, again)] == ["/plain/", "/plain/"]
    assert len([user for user in tenant.users.values() if user.email == MARY["email"]]) == 1
    assert visitor.client.post(path, data)["Location"] == "/plain/"


@pytest.mark.parametrize(
    ("password", "code"),
    [("abc", "password_too_weak"), ("Passw0rd", "password_too_common"), ("Mary-is-me-1", "password_personal")],
)
def test_a_refused_password_says_why_and_can_be_changed(tenant: Tenant, password: str, code: str) -> None:
    visitor = Visitor()
    answer = sign_up(visitor, password=password)
    assert (answer.status_code, answer.context["code"]) == (400, code)
    assert ("* At least 8 characters in length" in visitor.text) is (code == "password_too_weak")
    assert "mary@example.com" in visitor.text
    assert password not in visitor.text
    assert re.findall(r'name="(\w+)"[^>]* autofocus', visitor.text) == ["password"]
    assert tenant.count("/oauth/token") == 0
    visitor.submit("email", "password", **MARY)
    assert visitor.path == "/plain/"


def test_F10_the_rules_are_text_from_outside(tenant: Tenant) -> None:
    body = {
        "name": "PasswordStrengthError",
        "code": "invalid_password",
        "policy": "<script>alert(1)</script>\n* <b>8</b>",
    }
    tenant.fault("json", endpoint="signup", value=body, status=400)
    visitor = Visitor()
    sign_up(visitor)
    assert "<script>" not in visitor.text
    assert "* &lt;b&gt;8&lt;/b&gt;" in visitor.text


@pytest.mark.parametrize("debug", [True, False])
def test_sign_ups_that_are_off_are_said_and_the_log_tells_where_to_change_it(
    tenant: Tenant, settings: Any, caplog: pytest.LogCaptureFixture, debug: bool
) -> None:
    settings.DEBUG = debug
    tenant.sign_up_enabled = False
    visitor = Visitor()
    answer = sign_up(visitor)
    assert answer.context["code"] == "sign_up_disabled"
    assert "New accounts can&#x27;t be made here at the moment." in visitor.text
    assert "Disable Sign Ups: off" in caplog.text
    assert ("Disable Sign Ups: off" in visitor.text) is debug


def test_limits_are_passed_on(tenant: Tenant) -> None:
    visitor = Visitor()
    tenant.fault("rate-limit", endpoint="signup", retry_after=77)
    answer = sign_up(visitor)
    assert (answer.status_code, answer["Retry-After"], answer.context["code"]) == (503, "77", "rate_limited")
    tenant.fault("json", endpoint="signup", value={"error": "too_many_attempts"}, status=429)
    assert sign_up(visitor).context["code"] == "too_many_sign_ups"
    tenant.fault("rate-limit", endpoint="token")
    answer = sign_up(visitor)
    assert (answer.status_code, "/auth0/password/?next=%2Fplain%2F" in visitor.text) == (503, True)


def test_an_address_may_ask_for_twenty_accounts_an_hour(tenant: Tenant, accounts: Callable[..., Any]) -> None:
    accounts(TRUSTED_PROXY_COUNT=1)

    def ask(address: str, number: int, **values: str) -> str:
        visitor = Visitor(headers={"X-Forwarded-For": address})
        sign_up(visitor, email=f"mary{number}@example.com", **values)
        return str((visitor.page.context or {}).get("code", ""))

    tenant.sign_up_enabled = False  # who is refused counts too, and this is quicker
    before = [ask("2606:4700::1", number) for number in range(20)]
    assert set(before) == {"sign_up_disabled"}
    sent = tenant.count("/dbconnections/signup")
    assert ask("2606:4700::2", 20) == "too_many_sign_ups", "the same network"
    assert tenant.count("/dbconnections/signup") == sent
    assert ask("8.8.8.8", 21) == "sign_up_disabled"


def test_neither_a_proxys_address_nor_a_weak_password_counts(tenant: Tenant, accounts: Callable[..., Any]) -> None:
    accounts(TRUSTED_PROXY_COUNT=1)
    for address, password in (("10.0.0.1", MARY["password"]), ("8.8.4.4", "weak")):
        visitor = Visitor(headers={"X-Forwarded-For": address})
        tenant.sign_up_enabled = password == "weak"
        for _ in range(21):
            sign_up(visitor, password=password)
        assert visitor.page.context["code"] in ("sign_up_disabled", "password_too_weak")


def test_too_many_attempts_count_for_the_account_that_is_there(tenant: Tenant) -> None:
    visitor = Visitor()
    for _ in range(10):
        assert sign_up(visitor, **ADA).context["code"] == "sign_up_refused"
    assert sign_up(visitor, **ADA).context["code"] == "too_many_attempts"


def test_an_account_whose_login_is_refused_is_there_nevertheless(tenant: Tenant) -> None:
    tenant.fault("access-denied", description="Please verify your e-mail first.")
    visitor = Visitor()
    answer = sign_up(visitor)
    assert (answer.status_code, answer.context["code"]) == (400, "access_denied")
    assert "Your account has been made" in visitor.text
    assert "Please verify your e-mail first." in visitor.text
    assert "/auth0/password/?next=%2Fplain%2F" in visitor.text
    assert not [form for form in visitor.forms() if "email" in form.fields]
    assert_nothing_stored(visitor.client)


def test_bot_detection_points_to_the_login_services_own_page(tenant: Tenant) -> None:
    tenant.bot_detection = True
    visitor = Visitor()
    sign_up(visitor)
    assert "/auth0/login/?next=%2Fplain%2F" in visitor.text


@pytest.mark.parametrize("fault", ["invalid-iss", "expired", "sig-invalid", "no-id-token"])
def test_a_bad_id_token_logs_nobody_in(tenant: Tenant, fault: str) -> None:
    tenant.fault(fault)
    visitor = Visitor()
    assert sign_up(visitor).status_code == 400
    assert_nothing_stored(visitor.client)


def test_people_who_may_not_come_in_get_403(accounts: Any) -> None:
    accounts(CREATE_USERS=False)
    visitor = Visitor()
    answer = sign_up(visitor)
    assert (answer.status_code, answer.context["code"]) == (403, "user_not_allowed")


@pytest.mark.parametrize("changes", [{"email": "mary at home"}, {"given_name": ""}, {"password": ""}])
def test_what_is_filled_in_wrongly_asks_nobody(tenant: Tenant, changes: dict[str, str]) -> None:
    visitor = Visitor()
    assert sign_up(visitor, **changes).status_code == 400
    assert set(visitor.page.context["form"].errors) == set(changes)
    assert tenant.count("/dbconnections/signup") == 0


def test_a_field_that_is_not_asked_for_is_not_passed_on(tenant: Tenant) -> None:
    visitor = Visitor()
    sign_up(visitor, user_metadata="admin", picture="https://evil.example/", username="ada", client_id="x")
    sent = next(request for request in tenant.requests if request.path == "/dbconnections/signup")
    assert set(sent.form) == {"client_id", "connection", "email", "given_name", "password"}
    assert sent.form["client_id"] == [tenant.application.client_id]


def test_passwords_and_addresses_stay_out_of_logs_and_sessions(
    tenant: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    heard: list[str] = []
    login_failed.connect(lambda error, **kwargs: heard.append(f"{error!r} {error}"), weak=False, dispatch_uid="heard")
    visitor = Visitor()
    sign_up(visitor, password="abc-secret")
    sign_up(visitor, **ADA)
    ask_for_reset(visitor)
    login_failed.disconnect(dispatch_uid="heard")
    assert len(heard) == 2
    said = f"{caplog.text} {heard} {session_of(visitor.client)}"
    assert not [word for word in ("abc-secret", MARY["password"], "ada@example.com") if word in said]


# -- both ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "is_on"),
    [
        ({}, (True, True)),
        ({"SIGN_UP_FIELDS": []}, (False, True)),
        ({"PASSWORD_REALM": True, "SIGN_UP_FIELDS": []}, (False, False)),
        ({"PASSWORD_REALM": "", "SIGN_UP_FIELDS": []}, (False, False)),
    ],
)
def test_the_pages_are_there_where_they_are_switched_on(
    accounts: Any, keys: dict[str, Any], is_on: tuple[bool, bool]
) -> None:
    accounts(**keys)
    for page, on in zip((SIGN_UP, RESET), is_on, strict=True):
        assert Client().get(page).status_code == (200 if on else 404)
        assert Client().post(page, MARY).status_code == (302 if on else 404)
    if keys.get("PASSWORD_REALM", REALM):
        shown = Client().get(PASSWORD, {"next": "/plain/"}).content.decode()
        assert tuple(f"{page}?next=%2Fplain%2F" in shown for page in (SIGN_UP, RESET)) == is_on


PROBLEMS = [
    ("E034", {"SIGN_UP_FIELDS": ["email", "user_metadata"]}, "'user_metadata'"),
    ("E034", {"SIGN_UP_FIELDS": ["name"]}, "log in with"),
    ("E034", {"PASSWORD_REALM": True}, "PASSWORD_REALM"),
    ("E034", {"PASSWORD_REALM": ""}, "PASSWORD_REALM"),
    ("W014", {"CREATE_USERS": False}, "can't log in here"),
]


@pytest.mark.parametrize(("check", "keys", "says"), PROBLEMS)
def test_the_setting_is_checked(settings: Any, check: str, keys: dict[str, Any], says: str) -> None:
    settings.AUTH0 = {**settings.AUTH0, "PASSWORD_REALM": REALM, "SIGN_UP_FIELDS": FIELDS}
    assert not [found for found in run_checks() if "SIGN_UP_FIELDS" in found.msg]
    settings.AUTH0 = {**settings.AUTH0, **keys}
    (found,) = [found for found in run_checks() if "SIGN_UP_FIELDS" in found.msg]
    assert found.id == f"auth0_flow.{check}"
    assert says in found.msg


@pytest.mark.parametrize("page", [SIGN_UP, RESET])
@pytest.mark.parametrize(
    "next_url", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"]
)
def test_next_stays_on_this_site(page: str, next_url: str) -> None:
    visitor = Visitor()
    visitor.open(page, next=next_url)
    assert "evil" not in visitor.text
    assert "alert" not in visitor.text
    path, data = visitor.filled("email", **MARY)
    answer = visitor.client.post(path, {**data, "next": next_url})
    assert answer["Location"].startswith(("/auth0/password-reset/?login=", "/")[page == SIGN_UP :])
    assert "evil" not in answer["Location"]


@pytest.mark.parametrize("page", [SIGN_UP, RESET])
def test_a_form_without_its_csrf_token_does_nothing(tenant: Tenant, page: str) -> None:
    visitor = Visitor()
    visitor.open(page)
    answer = visitor.client.post(page, MARY)
    assert answer.status_code == 403
    assert not [request for request in tenant.requests if request.path.startswith("/dbconnections/")]
    assert b'name="email"' in answer.content


@pytest.mark.parametrize("page", [SIGN_UP, RESET])
def test_pages_are_stored_nowhere(page: str) -> None:
    for answer in (Client().get(page), Client().post(page, {**MARY, "email": "?"})):
        assert answer["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize("page", [SIGN_UP, RESET])
def test_a_site_whose_logins_belong_to_an_organization_sends_people_to_the_tenant(accounts: Any, page: str) -> None:
    accounts(ORGANIZATION="org_9ybsU1dN2dKfDkBi")
    answer = Client().get(page, {"next": "/plain/"})
    assert answer["Location"] == "/auth0/login/?next=%2Fplain%2F"


def test_a_script_gets_json(tenant: Tenant) -> None:
    client = Client(headers=FETCH)
    answer = client.post(SIGN_UP, {**MARY, "password": "abc"})
    assert (answer.status_code, answer.json()["error"]) == (400, "password_too_weak")
    answer = client.post(RESET, {"email": "?"})
    assert (answer.status_code, answer.json()["error"]) == (400, "malformed_request")


def test_each_configuration_has_its_own(tenant: Tenant, settings: Any) -> None:
    other = tenant.add_application(grant_types={"password"}, name="partners")
    common = {**settings.AUTH0, "PASSWORD_REALM": REALM, "SIGN_UP_FIELDS": FIELDS}
    settings.AUTH0 = {
        "default": {**common, "PASSWORD_REALM": "", "SIGN_UP_FIELDS": []},
        "partners": {**common, "CLIENT_ID": other.client_id, "CLIENT_SECRET": other.client_secret},
    }
    visitor = Visitor()
    assert visitor.open(RESET).status_code == 404
    visitor.open("/partners/password/", next="/plain/")
    assert "/partners/signup/?next=%2Fplain%2F" in visitor.text
    visitor.open("/partners/password-reset/")
    visitor.submit("email", email="ada@example.com")
    sent_page = visitor.path
    assert sent_page.startswith("/partners/password-reset/?login=")
    visitor.open("/partners/signup/", next="/plain/")
    visitor.submit("email", **MARY)
    assert LoginSession.objects.get().configuration == "partners"
    asked = [request for request in tenant.requests if request.path.startswith("/dbconnections/")]
    assert [request.form["client_id"][0] for request in asked] == [other.client_id] * 2


# -- forgotten passwords ---------------------------------------------------------------------------------------------------


def test_a_message_leads_to_a_new_password_and_that_logs_in(tenant: Tenant) -> None:
    visitor = Visitor()
    visitor.open(PASSWORD, next="/plain/")
    ask_for_reset(visitor)
    assert "ada@example.com" in visitor.text
    link = str(tenant.last_message().link)
    assert "changed successfully" in requests.post(link, data={"password": "Analytical-1843"}, timeout=60).text
    (url,) = re.findall(r'class="auth0-button" href="([^"]+)"', visitor.text)
    visitor.open(url)
    visitor.submit("username", username="ada@example.com", password="Analytical-1843")
    assert visitor.path == "/plain/"


def test_the_page_is_the_same_for_a_known_and_an_unknown_address(tenant: Tenant) -> None:
    known, stranger = Visitor(), Visitor()
    ask_for_reset(known)
    ask_for_reset(stranger, "nobody@example.com")
    assert known.page.status_code == stranger.page.status_code == 200
    assert normal(known, "ada@example.com") == normal(stranger, "nobody@example.com")
    assert [message.to for message in tenant.outbox] == ["ada@example.com"]


@pytest.mark.parametrize(
    "body",
    [
        {"error": "something_new"},
        {"error": "unauthorized", "error_description": "user is blocked"},
        {"name": "Error", "code": "user_missing", "message": "The user does not exist."},
    ],
)
def test_a_refusal_that_may_be_about_the_account_looks_like_success(
    tenant: Tenant, caplog: pytest.LogCaptureFixture, body: dict[str, str]
) -> None:
    known, refused = Visitor(), Visitor()
    ask_for_reset(known)
    tenant.fault("json", endpoint="change_password", value=body, status=400)
    ask_for_reset(refused, "nobody@example.com")
    assert normal(known, "ada@example.com") == normal(refused, "nobody@example.com")
    assert "password_reset_not_sent code=" in caplog.text


def test_trouble_that_is_about_nobody_is_told(tenant: Tenant, accounts: Any) -> None:
    visitor = Visitor()
    tenant.fault("rate-limit", endpoint="change_password", retry_after=60)
    answer = ask_for_reset(visitor)
    assert (answer.status_code, answer["Retry-After"], answer.context["code"]) == (503, "60", "rate_limited")
    assert "/auth0/password-reset/?next=%2Fplain%2F" in visitor.text
    tenant.fault("html", endpoint="change_password", status=400)
    assert ask_for_reset(visitor).status_code == 502
    accounts(CLIENT_ID="unknown")
    answer = ask_for_reset(visitor)
    assert (answer.status_code, answer.context["code"]) == (400, "client_rejected")


def test_a_form_that_is_sent_twice_sends_one_message(tenant: Tenant) -> None:
    visitor = Visitor()
    ask_for_reset(visitor)
    first = visitor.path
    ask_for_reset(visitor)
    assert (visitor.path, len(tenant.outbox)) == (first, 1)
    ask_for_reset(visitor, "grace@example.com")
    assert len(tenant.outbox) == 2


def test_an_address_gets_one_message_a_minute_whichever_browsers_ask(tenant: Tenant, settings: Any) -> None:
    clocked = {"BACKEND": "tests.clocked_cache.ClockedCache", "OPTIONS": {"clock": tenant.clock.now}}
    settings.CACHES = {"default": clocked}
    first, other = Visitor(), Visitor()
    ask_for_reset(first)
    tenant.clock.advance(59)
    ask_for_reset(first)
    ask_for_reset(other, "ADA@example.com")
    assert normal(first, "ada@example.com") == normal(other, "ADA@example.com")
    assert tenant.count("/dbconnections/change_password") == 1
    ask_for_reset(other, "nobody@example.com")
    assert tenant.count("/dbconnections/change_password") == 2
    tenant.clock.advance(2)
    ask_for_reset(other)
    assert [message.to for message in tenant.outbox] == ["ada@example.com"] * 2


@pytest.mark.parametrize(
    "backend",
    [
        {"BACKEND": "django.core.cache.backends.dummy.DummyCache"},
        {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:9/0"},
    ],
    ids=["forgets", "down"],
)
def test_without_a_cache_messages_are_sent(tenant: Tenant, settings: Any, backend: dict[str, str]) -> None:
    settings.CACHES = {"default": backend}
    for _ in range(2):
        ask_for_reset(Visitor())
    tenant.fault("drop", endpoint="change_password")
    assert ask_for_reset(Visitor()).status_code == 503
    assert len(tenant.outbox) == 2


def test_a_message_that_could_not_be_asked_for_is_asked_for_again(tenant: Tenant) -> None:
    visitor = Visitor()
    tenant.fault("drop", endpoint="change_password")
    assert ask_for_reset(visitor).status_code == 503
    ask_for_reset(visitor)
    assert len(tenant.outbox) == 1


def test_a_reload_sends_nothing_and_another_browser_sees_the_form(tenant: Tenant) -> None:
    visitor, stranger = Visitor(), Visitor()
    ask_for_reset(visitor)
    visitor.open(visitor.path)
    assert len(tenant.outbox) == 1
    stranger.open(visitor.path)
    assert "ada@example.com" not in stranger.text
    assert "email" in stranger.form_with("email").fields


def test_an_address_is_escaped_and_one_that_is_none_is_told(tenant: Tenant) -> None:
    visitor = Visitor()
    answer = ask_for_reset(visitor, '"<b>"@example.com')
    assert "<b>" not in visitor.text
    assert ask_for_reset(visitor, "ada").status_code == 400
    assert answer.status_code in (200, 400)
    assert tenant.count("/dbconnections/change_password") <= 1


def test_japanese(tenant: Tenant, settings: Any) -> None:
    settings.LANGUAGE_CODE = "ja"
    visitor = Visitor()
    sign_up(visitor, password="abc")
    assert "このパスワードは弱すぎます。" in visitor.text
    ask_for_reset(visitor)
    assert "新しいパスワードを設定するためのリンク" in visitor.text
