"""The second factor: choosing, challenges, push notifications, recovery codes, first enrolment, over real HTTP."""

from __future__ import annotations

import html
import json
import logging
import re
import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from django_auth0_flow.embedded import waiting as waiting_logins
from django_auth0_flow.models import LoginSession
from django_auth0_flow.pages.qr_code import draw_qr_code
from django_auth0_flow.protocol.embedded_grants import MFA_OOB, MFA_OTP, MFA_RECOVERY_CODE, PASSWORDLESS_OTP
from django_auth0_flow.testing.tenant import Tenant
from django_auth0_flow.testing.tenant.factors import totp
from django_auth0_flow.testing.tenant.model import Authenticator
from tests.visitor import Visitor
from tests.walk import FETCH, assert_nothing_stored, query_of, session_of

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.embedded_urls")]

PAGE = "/auth0/password/"
ADA: dict[str, Any] = {"username": "ada@example.com", "password": "correct horse"}
SECRET = "JBSWY3DPEHPK3PXP"
PHONE = "+819012345678"
OTP = ("otp", {"secret": SECRET})
SMS = ("sms", {"name": PHONE})
VOICE = ("voice", {"name": PHONE})
EMAIL = ("email", {"name": "ada@example.com"})
PUSH = ("push", {"name": "Ada's telephone"})
RECOVERY = ("recovery-code", {"secret": "ABCDEFGHJKLMNPQRSTUVWXYZ"})


@pytest.fixture(autouse=True)
def configured(tenant: Tenant, auth0_settings: Callable[..., Any], settings: Any) -> None:
    tenant.application.grant_types |= {"password", "mfa"}
    tenant.user.mfa_required = True
    settings.AUTHENTICATION_BACKENDS = [
        "django_auth0_flow.backends.Auth0PasswordBackend",
        "django_auth0_flow.backends.Auth0Backend",
    ]
    auth0_settings(PASSWORD_REALM="Username-Password-Authentication")


def enrol(tenant: Tenant, *factors: tuple[Any, dict[str, Any]]) -> list[Authenticator]:
    tenant.user.authenticators = [Authenticator(kind, **values) for kind, values in factors]
    return tenant.user.authenticators


def begin(page: str = PAGE, *, next_url: str = "/plain/") -> Visitor:
    visitor = Visitor()
    visitor.open(page, next=next_url)
    visitor.submit("username", "password", **ADA)
    return visitor


def now_code(tenant: Tenant) -> str:
    return totp(SECRET, tenant.clock.now())


def grants(tenant: Tenant, grant_type: str) -> int:
    return tenant.count("/oauth/token", grant_type=grant_type)


# -- an authenticator app --------------------------------------------------------------------------------------------------


def test_a_code_of_the_authenticator_app_logs_in_and_leads_to_next(tenant: Tenant) -> None:
    enrol(tenant, OTP)
    visitor = begin(next_url="/token/")
    assert visitor.path.startswith("/auth0/mfa/code/")
    assert not LoginSession.objects.exists()
    visitor.submit("code", code=now_code(tenant))
    assert visitor.path == "/token/"
    row = LoginSession.objects.get()
    assert visitor.text == row.grant.tokens.access_token
    assert row.grant.tokens.refresh_token
    assert grants(tenant, MFA_OTP) == 1
    assert (
        waiting_logins.SESSION_KEY not in session_of(visitor.client)
        or not session_of(visitor.client)[waiting_logins.SESSION_KEY]
    )


@pytest.mark.parametrize("page", ["/accounts/login/", "/admin/login/", "/telling-admin/login/"])
def test_the_second_factor_follows_djangos_own_login_views(tenant: Tenant, page: str) -> None:
    enrol(tenant, OTP)
    visitor = begin(page, next_url="/token/")
    assert visitor.path.startswith("/auth0/mfa/code/")
    visitor.submit("code", code=now_code(tenant))
    assert visitor.path == "/token/"
    assert LoginSession.objects.get().session_key == visitor.client.session.session_key


@pytest.mark.parametrize("page", [PAGE, "/accounts/login/"])
def test_the_session_key_changes_with_each_factor(tenant: Tenant, page: str) -> None:
    enrol(tenant, OTP)
    visitor = Visitor()
    visitor.open("/auth0/login/")
    keys = [visitor.client.session.session_key]
    visitor.open(page, next="/plain/")
    visitor.submit("username", "password", **ADA)
    keys.append(visitor.client.session.session_key)
    visitor.submit("code", code=now_code(tenant))
    keys.append(visitor.client.session.session_key)
    assert len(set(keys)) == 3
    for key in keys[:2]:
        thief = Client()
        thief.cookies["sessionid"] = str(key)
        assert not session_of(thief)


def test_a_visitor_who_is_logged_in_stays_so_when_a_second_factor_is_left_alone(tenant: Tenant) -> None:
    enrol(tenant, OTP)
    visitor = begin(next_url="/token/")
    visitor.submit("code", code=now_code(tenant))
    tenant.clock.advance(60)
    visitor.open(PAGE)
    visitor.submit("username", "password", **ADA)
    assert visitor.path.startswith("/auth0/mfa/")
    assert visitor.open("/token/").status_code == 200
    assert LoginSession.objects.get().session_key == visitor.client.session.session_key


def test_the_second_factor_leads_into_the_admin(tenant: Tenant) -> None:
    enrol(tenant, OTP)
    visitor = begin()
    visitor.submit("code", code=now_code(tenant))
    get_user_model().objects.update(is_staff=True)
    other = Visitor()
    other.open("/telling-admin/")
    other.submit("username", **ADA)
    other.submit("code", code=now_code(tenant))
    assert other.path == "/telling-admin/"


def test_django_login_without_next_ends_at_login_redirect_url(tenant: Tenant, settings: Any) -> None:
    settings.LOGIN_REDIRECT_URL = "/bare/"
    enrol(tenant, OTP)
    visitor = begin("/accounts/login/", next_url="")
    visitor.submit("code", code=now_code(tenant))
    assert visitor.path == "/bare/"


def test_the_second_factor_works_under_atomic_requests(tenant: Tenant, settings: Any) -> None:
    """The view's transaction is rolled back by the exception; what waits is stored after that."""
    from django.db import connection

    enrol(tenant, OTP)
    connection.settings_dict["ATOMIC_REQUESTS"], before = True, connection.settings_dict["ATOMIC_REQUESTS"]
    try:
        visitor = begin("/accounts/login/")
        visitor.submit("code", code=now_code(tenant))
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = before
    assert visitor.path == "/plain/"


def test_a_wrong_code_can_be_corrected(tenant: Tenant) -> None:
    enrol(tenant, OTP)
    visitor = begin()
    for typed in ("000000" if now_code(tenant) != "000000" else "111111", "abc"):
        answer = visitor.submit("code", code=typed)
        assert (answer.status_code, answer.context["code"]) == (400, "wrong_code")
    visitor.submit("code", code=now_code(tenant))
    assert visitor.path == "/plain/"


def test_too_many_wrong_codes_end_the_login(tenant: Tenant) -> None:
    enrol(tenant, OTP)
    visitor = begin()
    wrong = f"{(int(now_code(tenant)) + 500_000) % 1_000_000:06d}"
    for _ in range(10):
        assert visitor.submit("code", code=wrong).context["code"] == "wrong_code"
    path = visitor.path
    answer = visitor.submit("code", code=wrong)
    assert answer.context["code"] == "too_many_codes"
    assert "/auth0/password/?next=%2Fplain%2F" in visitor.text
    assert not [form for form in visitor.forms() if "code" in form.fields]
    assert visitor.open(path).context["code"] == "login_expired"


@pytest.mark.parametrize("page", [PAGE, "/accounts/login/"])
def test_after_ten_minutes_the_whole_login_begins_again(tenant: Tenant, page: str) -> None:
    enrol(tenant, OTP)
    visitor = begin(page)
    path, data = visitor.filled("code", code=now_code(tenant))
    tenant.clock.advance(601)
    answer = visitor.client.post(path, data)
    assert answer.context["code"] == "login_expired"
    assert "next=%2Fplain%2F" in answer.context["retry_url"]


@pytest.mark.parametrize(
    ("error", "description"),
    [("expired_token", "mfa_token is expired"), ("invalid_grant", "Malformed mfa_token"), ("expired_token", "")],
)
@pytest.mark.parametrize("page", [PAGE, "/accounts/login/"])
def test_an_mfa_token_that_the_tenant_no_longer_takes_leads_back_to_the_login(
    tenant: Tenant, error: str, description: str, page: str
) -> None:
    enrol(tenant, OTP)
    visitor = begin(page)
    tenant.fault("refuse", error=error, description=description, status=401)
    answer = visitor.submit("code", code=now_code(tenant))
    assert answer.context["code"] == "mfa_expired"
    assert answer.context["retry_url"] == f"{page}?next=%2Fplain%2F"


def test_the_back_button_and_a_second_submit_lead_on(tenant: Tenant) -> None:
    enrol(tenant, OTP)
    visitor = begin()
    path, data = visitor.filled("code", code=now_code(tenant))
    assert visitor.client.post(path, data)["Location"] == "/plain/"
    assert visitor.client.post(path, data)["Location"] == "/plain/"
    assert visitor.client.get(path)["Location"] == "/plain/"
    assert LoginSession.objects.count() == 1


def test_two_tabs_each_with_a_second_factor(tenant: Tenant) -> None:
    enrol(tenant, OTP)
    visitor = begin()
    first = visitor.filled("code", code=now_code(tenant))
    visitor.open(PAGE, next="/")
    visitor.submit("username", **ADA)
    assert visitor.client.post(*first)["Location"] == "/plain/"


def test_a_second_factor_without_its_csrf_token_finishes_nothing(tenant: Tenant) -> None:
    enrol(tenant, OTP)
    visitor = begin()
    assert visitor.client.post(visitor.path, {"code": now_code(tenant)}).status_code == 403
    assert grants(tenant, MFA_OTP) == 0


def test_in_another_browser_the_address_is_worth_nothing(tenant: Tenant) -> None:
    enrol(tenant, OTP)
    assert Visitor().open(begin().path).context["code"] == "login_expired"


def test_each_page_takes_its_own_kind_of_waiting_login_only(tenant: Tenant, auth0_settings: Callable[..., Any]) -> None:
    auth0_settings(PASSWORD_REALM="Username-Password-Authentication", PASSWORDLESS=["email-code"])
    tenant.application.grant_types.add(PASSWORDLESS_OTP)
    enrol(tenant, OTP)
    visitor = begin()
    mfa = query_of(visitor.path)["login"]
    visitor.open("/auth0/passwordless/", next="/plain/")
    visitor.submit("address", address="mary@example.com")
    code = query_of(visitor.path)["login"]
    for page, login in (("passwordless/code", mfa), ("mfa", code), ("mfa/code", code), ("mfa/recovery-codes", mfa)):
        answer = visitor.client.get(f"/auth0/{page}/", {"login": login, "challenge": "1"})
        assert answer.status_code == 302 or answer.context["code"] == "login_expired", page
        assert visitor.client.post(f"/auth0/{page}/?login={login}", {"code": "123456"}).status_code in (302, 400, 403)


def test_a_tenant_in_trouble_is_503_and_the_code_can_be_sent_again(tenant: Tenant) -> None:
    enrol(tenant, OTP)
    visitor = begin()
    path, data = visitor.filled("code", code=now_code(tenant))
    tenant.fault("drop", endpoint="token")
    assert visitor.client.post(path, data).status_code == 503
    assert visitor.client.post(path, data)["Location"] == "/plain/"


@pytest.mark.parametrize("fault", ["invalid-iss", "sig-invalid", "expired", "no-id-token"])
def test_a_bad_id_token_after_the_second_factor_logs_nobody_in(tenant: Tenant, fault: str) -> None:
    enrol(tenant, OTP)
    visitor = begin()
    tenant.fault(fault)
    assert visitor.submit("code", code=now_code(tenant)).status_code == 400
    assert_nothing_stored(visitor.client)


def test_the_mfa_grant_switched_off_is_explained_to_the_operators(
    tenant: Tenant, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    enrol(tenant, OTP)
    visitor = begin()
    tenant.application.grant_types -= {"mfa"}
    answer = visitor.submit("code", code=now_code(tenant))
    assert answer.context["code"] == "client_rejected"
    assert "Grant Types: tick MFA" in caplog.text
    assert "Dashboard" not in visitor.text


# -- messages --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [SMS, VOICE, EMAIL], ids=lambda factor: factor[0])
def test_a_code_from_a_message_logs_in(tenant: Tenant, factor: Any) -> None:
    enrol(tenant, factor, OTP)
    visitor = begin()
    assert visitor.path.startswith("/auth0/mfa/?")
    assert not tenant.outbox
    visitor.submit("factor", factor="0")
    assert visitor.path.startswith("/auth0/mfa/code/")
    visitor.submit("code", code=str(tenant.last_message().code))
    assert visitor.path == "/plain/"
    assert grants(tenant, MFA_OOB) == 1


@pytest.mark.parametrize("factor", [SMS, VOICE, EMAIL], ids=lambda factor: factor[0])
def test_the_only_factor_goes_straight_on_and_sends_one_message_however_often_the_page_is_opened(
    tenant: Tenant, factor: Any
) -> None:
    enrol(tenant, factor, RECOVERY)
    visitor = begin()
    assert visitor.path.startswith("/auth0/mfa/code/")
    again = {"login": query_of(visitor.path)["login"], "next": "/plain/"}
    for _ in range(3):
        tenant.clock.advance(61)
        visitor.open("/auth0/mfa/", **again)
        assert visitor.path.startswith("/auth0/mfa/code/")
    assert len(tenant.outbox) == 1
    visitor.submit("code", code=str(tenant.last_message().code))
    assert visitor.path == "/plain/"


@pytest.mark.parametrize("headers", [{"Sec-Purpose": "prefetch"}, {"Sec-Fetch-Site": "cross-site"}])
def test_a_prefetch_or_another_sites_link_sends_no_message(tenant: Tenant, headers: dict[str, str]) -> None:
    enrol(tenant, SMS)
    visitor = Visitor()
    visitor.open(PAGE, next="/plain/")
    path = str(visitor.submit("username", **ADA, follow=False)["Location"])
    assert visitor.client.get(path, headers=headers).status_code == 200
    assert visitor.client.head(path).status_code == 200
    assert not tenant.outbox
    visitor.open(path)
    assert len(tenant.outbox) == 1


@pytest.mark.parametrize("page", ["/auth0/mfa/?", "/auth0/mfa/enrol/?"])
def test_X32_a_page_that_tries_again_by_itself_sends_no_second_message(tenant: Tenant, page: str) -> None:
    tenant.mfa_factors = ["email"]
    if page == "/auth0/mfa/?":
        enrol(tenant, EMAIL, RECOVERY)
    visitor = Visitor()
    visitor.open(PAGE, next="/plain/")
    path = str(visitor.submit("username", **ADA, follow=False)["Location"])
    while not path.startswith(page):
        path = str(visitor.client.get(path)["Location"])
    visitor.client.get(path, headers={"Sec-Fetch-Site": "cross-site"})  # reads the factors, and no more
    tenant.fault("drop-after", endpoint="mfa")
    answer = visitor.open(path)
    assert (answer.status_code, len(tenant.outbox)) == (503, 1)
    assert answer.context["tries_itself"]
    visitor.open(answer.context["retry_url"])
    assert len(tenant.outbox) == 1
    pressed: dict[str, Any] = dict(visitor.form_with("factor" if page == "/auth0/mfa/?" else "kind").buttons[:1])
    visitor.submit(*pressed, **pressed)
    assert visitor.path.startswith("/auth0/mfa/code/")
    assert len(tenant.outbox) == 2


def test_the_only_factor_that_cannot_be_challenged_is_told_with_the_choice(tenant: Tenant) -> None:
    enrol(tenant, SMS, RECOVERY)
    visitor = Visitor()
    visitor.open(PAGE, next="/plain/")
    path = str(visitor.submit("username", **ADA, follow=False)["Location"])
    tenant.fault("json", endpoint="mfa", value=[{"id": "sms|1", "authenticator_type": "oob", "oob_channel": "sms"}])
    tenant.fault("status", endpoint="mfa", status=400, body={"error": "unsupported_challenge_type"})
    answer = visitor.open(path)
    assert (answer.status_code, answer.context["code"]) == (400, "factor_unusable")
    assert visitor.form_with("factor").buttons


def test_several_authenticator_apps_are_one_way(tenant: Tenant) -> None:
    enrol(tenant, ("otp", {"secret": "KRSXG5CTMVRXEZLU"}), OTP)
    visitor = begin()
    assert visitor.path.startswith("/auth0/mfa/code/")
    visitor.submit("code", code=now_code(tenant))
    assert visitor.path == "/plain/"


@pytest.mark.parametrize(
    ("factor", "says"),
    [
        (SMS, "XXXXXXXXX5678</strong> by text message"),
        (VOICE, 'You are being called at <strong dir="ltr">XXXXXXXXX5678'),
        (EMAIL, "***@exam*******</strong> by e-mail"),
    ],
)
def test_the_code_page_says_where_the_code_went_and_sends_another(tenant: Tenant, factor: Any, says: str) -> None:
    enrol(tenant, factor)
    visitor = begin()
    assert says in visitor.text
    visitor.submit("again", again="1")
    assert len(tenant.outbox) == 1, "a moment ago"
    tenant.clock.advance(30)
    visitor.submit("again", again="1")
    assert len(tenant.outbox) == 2
    assert says in visitor.text
    assert 'role="status"' in visitor.text
    tenant.clock.advance(30)
    visitor.open(visitor.path)
    assert 'role="status"' not in visitor.text
    visitor.submit("code", code=str(tenant.last_message().code))
    assert visitor.path == "/plain/"


def test_a_notification_can_be_sent_again(tenant: Tenant) -> None:
    enrol(tenant, PUSH)
    visitor = begin()
    assert visitor.path.startswith("/auth0/mfa/code/")
    tenant.clock.advance(30)
    visitor.submit("again", again="1")
    assert tenant.count("/mfa/challenge") == 2
    tenant.answer_push()
    tenant.clock.advance(6)
    visitor.submit("csrfmiddlewaretoken")
    assert visitor.path == "/plain/"


def test_another_message_that_the_tenant_refuses_is_told_on_the_page(tenant: Tenant) -> None:
    enrol(tenant, SMS)
    visitor = begin()
    tenant.clock.advance(30)
    tenant.fault("status", endpoint="mfa", status=429, body={"error": "too_many_attempts"})
    assert visitor.submit("again", again="1").context["code"] == "too_many_codes"


def test_opening_pages_sends_no_message_and_a_button_pressed_twice_sends_one(tenant: Tenant) -> None:
    enrol(tenant, SMS, EMAIL)
    visitor = begin()
    for _ in range(3):
        visitor.open(visitor.path)
    path, data = visitor.filled("factor", factor="0")
    first, second = visitor.client.post(path, data), visitor.client.post(path, data)
    assert first["Location"] == second["Location"]
    assert len(tenant.outbox) == 1
    tenant.clock.advance(11)
    visitor.client.post(path, data)
    assert len(tenant.outbox) == 2


def test_the_list_of_factors_is_asked_for_once(tenant: Tenant) -> None:
    enrol(tenant, SMS, OTP)
    visitor = begin()
    for _ in range(3):
        visitor.open(visitor.path)
    assert tenant.count("/mfa/authenticators") == 1


def test_a_wrong_code_of_a_message_can_be_corrected_and_a_new_one_be_sent(tenant: Tenant) -> None:
    enrol(tenant, SMS, EMAIL)
    visitor = begin()
    visitor.submit("factor", factor="0")
    wrong = f"{(int(str(tenant.last_message().code)) + 1) % 1_000_000:06d}"
    assert visitor.submit("code", code=wrong).context["code"] == "wrong_code"
    tenant.clock.advance(301)
    assert visitor.submit("code", code=str(tenant.last_message().code)).context["code"] == "wrong_code"
    visitor.open(visitor.page.context["factors_url"])
    visitor.submit("factor", factor="0")
    visitor.submit("code", code=str(tenant.last_message().code))
    assert visitor.path == "/plain/"


def test_the_visitor_chooses_among_factors_and_may_choose_again(tenant: Tenant) -> None:
    enrol(tenant, OTP, SMS, RECOVERY)
    tenant.user.authenticators.append(Authenticator("email", name="old@example.com", active=False))
    visitor = begin()
    labels = ["Code from an authenticator app", "Text message", "Recovery code"]
    assert [label for label in labels if label in visitor.text] == labels
    assert "E-mail" not in visitor.text
    assert PHONE not in visitor.text
    assert "XXXXXXXXX5678" in visitor.text
    visitor.submit("factor", factor="1")
    by_message = visitor.path
    visitor.open(visitor.page.context["factors_url"])
    visitor.submit("factor", factor="0")
    # The back button: the older step still takes its code.
    visitor.open(by_message)
    visitor.submit("code", code=str(tenant.last_message().code))
    assert visitor.path == "/plain/"


@pytest.mark.parametrize("chosen", ["", "7", "-1", "x", "9" * 50, "²"])
def test_a_factor_that_is_not_on_the_list_is_no_error(tenant: Tenant, chosen: str) -> None:
    enrol(tenant, SMS, EMAIL)
    visitor = begin()
    path, data = visitor.filled("factor", factor=chosen)
    answer = visitor.client.post(path, data)
    assert answer.status_code == 302
    assert not tenant.outbox


@pytest.mark.parametrize(
    ("code", "body", "status"),
    [
        ("factor_unusable", {"error": "unsupported_challenge_type"}, 400),
        ("too_many_codes", {"error": "too_many_attempts"}, 429),
        ("mfa_expired", {"error": "expired_token", "error_description": "mfa_token is expired"}, 401),
        ("client_rejected", {"error": "access_denied", "error_description": "Unauthorized"}, 401),
    ],
)
def test_refusals_of_the_challenge(tenant: Tenant, code: str, body: Any, status: int) -> None:
    enrol(tenant, SMS, EMAIL)
    visitor = begin()
    tenant.fault("status", endpoint="mfa", status=status, body=body)
    answer = visitor.submit("factor", factor="0")
    assert (answer.status_code, answer.context["code"]) == (400, code)


@pytest.mark.parametrize(("fault", "status"), [("html", 502), ("drop", 503), ("json", 502)])
def test_a_challenge_that_gets_no_usable_answer(tenant: Tenant, fault: str, status: int) -> None:
    enrol(tenant, SMS, EMAIL)
    visitor = begin()
    options: dict[str, Any] = {"value": {"challenge_type": "magic"}} if fault == "json" else {}
    tenant.fault(fault, endpoint="mfa", **options)
    assert visitor.submit("factor", factor="0").status_code == status
    visitor.open(visitor.path)
    visitor.submit("factor", factor="0")
    assert visitor.path.startswith("/auth0/mfa/code/")


def test_a_list_of_factors_that_cannot_be_had_is_503_and_comes_with_a_reload(tenant: Tenant) -> None:
    enrol(tenant, OTP)
    tenant.fault("drop", endpoint="mfa")
    visitor = begin()
    assert visitor.page.status_code == 503
    visitor.open(visitor.path)
    assert visitor.path.startswith("/auth0/mfa/code/")


@pytest.mark.parametrize("body", [[], [1, None, {}, {"id": "x"}, {"id": 7, "authenticator_type": "otp"}]])
def test_a_list_of_factors_that_makes_no_sense_leaves_what_the_refusal_named(tenant: Tenant, body: Any) -> None:
    enrol(tenant, SMS, EMAIL)
    tenant.fault("json", endpoint="mfa", value=body)
    visitor = begin()
    assert "Text message" in visitor.text
    visitor.submit("factor", factor="0")
    visitor.submit("code", code=str(tenant.last_message().code))
    assert visitor.path == "/plain/"


# -- push ------------------------------------------------------------------------------------------------------------------


def test_a_push_notification_is_waited_for_without_a_script(tenant: Tenant) -> None:
    enrol(tenant, PUSH, EMAIL)
    visitor = begin()
    visitor.submit("factor", factor="0")
    assert visitor.page["Refresh"] == f"6; url={visitor.path}"
    assert "<script" not in visitor.text
    polls = grants(tenant, MFA_OOB)
    tenant.clock.advance(6)
    visitor.open(visitor.path)
    assert grants(tenant, MFA_OOB) == polls + 1
    assert visitor.page["Refresh"]
    tenant.answer_push()
    tenant.clock.advance(6)
    visitor.open(visitor.path)
    assert visitor.path == "/plain/"


def test_the_button_asks_too(tenant: Tenant) -> None:
    enrol(tenant, PUSH, EMAIL)
    visitor = begin()
    visitor.submit("factor", factor="0")
    tenant.answer_push()
    tenant.clock.advance(6)
    visitor.submit("csrfmiddlewaretoken")
    assert visitor.path == "/plain/"


def test_the_button_pressed_too_early_says_that_there_is_no_answer_yet(tenant: Tenant) -> None:
    enrol(tenant, PUSH, EMAIL)
    visitor = begin()
    visitor.submit("factor", factor="0")
    assert 'role="alert"' not in visitor.text
    visitor.submit("csrfmiddlewaretoken")
    assert "There is no answer from your device yet." in visitor.text
    assert 'role="alert"' in visitor.text
    assert visitor.page["Refresh"]


@pytest.mark.parametrize("page", ["mfa/", "mfa/code/", "mfa/enrol/"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_page_of_a_login_that_is_over_leads_back_to_the_start(tenant: Tenant, page: str, method: str) -> None:
    answer = getattr(Client(), method)(f"/auth0/{page}?login=gone&next=%2Fplain%2F")
    assert (answer.status_code, answer.context["code"]) == (400, "login_expired")
    assert answer.context["retry_url"] == "/auth0/login/?next=%2Fplain%2F"


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_challenge_that_is_not_there_leads_to_the_choice_of_factors(tenant: Tenant, method: str) -> None:
    enrol(tenant, PUSH, EMAIL)
    visitor = begin()
    visitor.submit("factor", factor="0")
    path = visitor.path.replace("challenge=1", "challenge=7")
    assert path != visitor.path
    answer = (
        visitor.client.get(path)
        if method == "get"
        else visitor.client.post(path, visitor.filled("csrfmiddlewaretoken")[1])
    )
    assert answer.status_code == 302
    assert answer["Location"].startswith("/auth0/mfa/?")


def test_reloading_wildly_asks_no_more_often_than_allowed(tenant: Tenant) -> None:
    enrol(tenant, PUSH, EMAIL)
    visitor = begin()
    visitor.submit("factor", factor="0")
    polls = grants(tenant, MFA_OOB)
    for _ in range(20):
        visitor.open(visitor.path)
        visitor.submit("csrfmiddlewaretoken")
    assert grants(tenant, MFA_OOB) == polls


def test_slow_down_makes_the_page_slower(tenant: Tenant) -> None:
    enrol(tenant, PUSH, EMAIL)
    visitor = begin()
    visitor.submit("factor", factor="0")
    tenant.clock.advance(6)
    tenant.fault("refuse", error="slow_down", status=400)
    visitor.open(visitor.path)
    visitor.open(visitor.path)
    assert visitor.page["Refresh"].startswith("11;")
    polls = grants(tenant, MFA_OOB)
    tenant.clock.advance(6)
    visitor.open(visitor.path)
    assert grants(tenant, MFA_OOB) == polls
    tenant.answer_push()
    tenant.clock.advance(6)
    visitor.open(visitor.path)
    assert visitor.path == "/plain/"


@pytest.mark.parametrize("error", ["access_denied", "invalid_grant"])
def test_a_refused_notification_is_told(tenant: Tenant, error: str) -> None:
    enrol(tenant, PUSH, EMAIL)
    visitor = begin()
    visitor.submit("factor", factor="0")
    tenant.clock.advance(6)
    if error == "access_denied":
        tenant.answer_push(approve=False)
    else:
        tenant.fault("refuse", error=error, description="MFA Authorization rejected.", status=403)
    answer = visitor.open(visitor.path)
    assert answer.context["code"] == "mfa_rejected"
    assert "Refresh" not in answer
    assert_nothing_stored(visitor.client)


@pytest.mark.parametrize("headers", [{"Sec-Purpose": "prefetch"}, {"Sec-Fetch-Site": "cross-site"}])
def test_a_prefetch_or_another_sites_link_asks_nothing(tenant: Tenant, headers: dict[str, str]) -> None:
    enrol(tenant, PUSH, EMAIL)
    visitor = begin()
    visitor.submit("factor", factor="0")
    polls = grants(tenant, MFA_OOB)
    tenant.answer_push()
    tenant.clock.advance(6)
    assert visitor.client.get(visitor.path, headers=headers).status_code == 200
    assert visitor.client.head(visitor.path).status_code == 200
    assert grants(tenant, MFA_OOB) == polls


def test_a_script_that_polls_gets_json(tenant: Tenant) -> None:
    enrol(tenant, PUSH, EMAIL)
    visitor = begin()
    visitor.submit("factor", factor="0")
    answer = visitor.client.get(visitor.path, headers=FETCH)
    assert (answer.status_code, answer.json()["error"]) == (202, "push_pending")


# -- recovery codes --------------------------------------------------------------------------------------------------------


def test_a_recovery_code_logs_in_and_the_next_one_is_shown_until_it_is_written_down(tenant: Tenant) -> None:
    factors = enrol(tenant, OTP, RECOVERY)
    visitor = begin()
    visitor.open(visitor.page.context["factors_url"])
    visitor.submit("factor", factor="1")
    visitor.submit("code", code="abcd")
    assert visitor.page.context["code"] == "wrong_code"
    visitor.submit("code", code=" ABCD-EFGH JKLM-NPQRSTUVWXYZ ")
    assert visitor.path.startswith("/auth0/mfa/recovery-codes/")
    assert factors[1].secret != RECOVERY[1]["secret"]
    assert factors[1].secret in visitor.text
    assert grants(tenant, MFA_RECOVERY_CODE) == 2
    shown_at = visitor.path
    visitor.open(shown_at)
    assert factors[1].secret in visitor.text
    assert factors[1].secret not in json.dumps(session_of(visitor.client))
    visitor.submit("csrfmiddlewaretoken")
    assert visitor.path == "/plain/"
    visitor.open(shown_at)
    assert factors[1].secret not in visitor.text


def test_recovery_codes_are_not_shown_after_a_logout_or_elsewhere(tenant: Tenant) -> None:
    factors = enrol(tenant, OTP, RECOVERY)
    visitor = begin()
    visitor.open(visitor.page.context["factors_url"])
    visitor.submit("factor", factor="1")
    visitor.submit("code", code=RECOVERY[1]["secret"])
    path = visitor.path
    for other in (Client(), visitor.client):
        if other is visitor.client:
            other.logout()
        for address in (path, f"{path}&download=1"):
            assert factors[1].secret not in other.get(address).content.decode()


def test_recovery_codes_can_be_kept_as_a_file(tenant: Tenant) -> None:
    factors = enrol(tenant, OTP, RECOVERY)
    visitor = begin()
    visitor.open(visitor.page.context["factors_url"])
    visitor.submit("factor", factor="1")
    visitor.submit("code", code=RECOVERY[1]["secret"])
    file = visitor.client.get(visitor.page.context["download_url"])
    assert file.content.decode() == f"Recovery code for testserver\r\n\r\n{factors[1].secret}\r\n"
    assert file["Content-Type"] == "text/plain; charset=utf-8"
    assert file["Content-Disposition"] == 'attachment; filename="recovery-codes.txt"'
    assert file["Cache-Control"] == "private, no-store"
    visitor.open(visitor.path)
    secret = factors[1].secret
    assert secret in visitor.text, "it is shown until it is kept"
    groups = [secret[start : start + 4] for start in range(0, 24, 4)]
    assert "".join(f'<span class="auth0-group">{group}</span>' for group in groups) in visitor.text


# -- first enrolment -------------------------------------------------------------------------------------------------------


def test_a_user_without_a_factor_sets_up_an_authenticator_app(tenant: Tenant) -> None:
    visitor = begin()
    assert visitor.path.startswith("/auth0/mfa/enrol/")
    visitor.submit("kind", kind="otp")
    page = html.unescape(visitor.text)
    (uri,) = re.findall(r'href="(otpauth://[^"]+)"', page)
    (secret,) = re.findall(r"secret=([A-Z2-7]+)", uri)
    grouped = " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))
    assert grouped in page
    visitor.submit("code", code="000000" if totp(secret, tenant.clock.now()) != "000000" else "111111")
    assert visitor.page.context["code"] == "wrong_code"
    assert grouped in visitor.text
    visitor.submit("code", code=totp(secret, tenant.clock.now()))
    assert visitor.path.startswith("/auth0/mfa/recovery-codes/")
    recovery = next(factor.secret for factor in tenant.user.authenticators if factor.kind == "recovery-code")
    assert recovery in visitor.text
    visitor.submit("csrfmiddlewaretoken")
    assert visitor.path == "/plain/"
    assert [factor.kind for factor in tenant.user.authenticators] == ["otp", "recovery-code"]


def test_the_secret_of_the_app_is_sealed_in_the_session(tenant: Tenant, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    visitor = begin()
    visitor.submit("kind", kind="otp")
    (secret,) = set(re.findall(r"secret=([A-Z2-7]+)", visitor.text))
    assert secret not in json.dumps(session_of(visitor.client))
    assert secret not in caplog.text
    assert secret not in visitor.path


@pytest.mark.parametrize("kind", ["otp", "push"])
def test_the_qr_code_holds_the_address_that_the_page_links(tenant: Tenant, kind: str) -> None:
    visitor = begin()
    visitor.submit("kind", kind=kind)
    (uri,) = re.findall(r'href="(otpauth://[^"]+)"', visitor.text)
    drawn = draw_qr_code(html.unescape(uri))
    assert drawn is not None
    (svg,) = re.findall(r"<svg class=\"auth0-qr-code\".*</svg>", visitor.text)
    assert f'viewBox="0 0 {drawn.size} {drawn.size}"' in svg
    assert f'd="{drawn.path}"' in svg
    assert 'role="img" aria-label="QR code for the app on your device"' in svg
    assert not {"style=", "<style", "data:", "<script", "<image"} & set(re.findall(r"style=|<\w+|data:", visitor.text))


@pytest.mark.parametrize("kind", ["otp", "push"])
def test_without_the_extra_the_page_shows_key_and_link_alone(
    tenant: Tenant, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "segno", None)
    visitor = begin()
    visitor.submit("kind", kind=kind)
    assert "otpauth://" in visitor.text
    assert "auth0-qr-code" not in visitor.text
    assert "Scan" not in visitor.text


def test_an_address_that_is_no_otpauth_is_neither_linked_nor_drawn(tenant: Tenant) -> None:
    visitor = begin()
    answer = {"authenticator_type": "otp", "secret": SECRET, "barcode_uri": "javascript:alert(1)"}
    tenant.fault("json", endpoint="mfa", value=answer)
    visitor.submit("kind", kind="otp")
    assert "JBSW Y3DP EHPK 3PXP" in visitor.text
    assert "javascript:" not in visitor.text
    assert "auth0-qr-code" not in visitor.text


@pytest.mark.parametrize("kind", ["sms", "email"])
def test_a_user_without_a_factor_sets_up_messages(tenant: Tenant, kind: str) -> None:
    visitor = begin()
    number: dict[str, Any] = {"phone_number": "+81 90-1234-5678"} if kind == "sms" else {}
    visitor.submit("kind", kind=kind, **number)
    message = tenant.last_message()
    assert message.to == (PHONE if kind == "sms" else "ada@example.com")
    visitor.submit("code", code=str(message.code))
    visitor.submit("csrfmiddlewaretoken")
    assert visitor.path == "/plain/"


def test_a_user_without_a_factor_sets_up_push(tenant: Tenant) -> None:
    visitor = begin()
    visitor.submit("kind", kind="push")
    assert "enrollment_tx_id" in visitor.text
    assert visitor.page["Refresh"]
    tenant.answer_push()
    tenant.clock.advance(6)
    visitor.open(visitor.path)
    assert visitor.path.startswith("/auth0/mfa/recovery-codes/")


def test_what_to_set_up_is_chosen_first_and_one_way_is_recommended(tenant: Tenant) -> None:
    visitor = begin()
    (form,) = visitor.forms()
    assert form.buttons == [("kind", "otp"), ("kind", "push"), ("kind", "sms"), ("kind", "email")]
    assert form.fields == {"csrfmiddlewaretoken"}
    assert visitor.text.count("Recommended") == 1
    assert "Step 1 of 2" in visitor.text


def test_a_telephone_is_asked_for_its_number_once_whether_it_gets_a_message_or_a_call(tenant: Tenant) -> None:
    visitor = begin()
    visitor.submit("kind", kind="sms")
    assert tenant.count("/mfa/associate") == 0
    assert visitor.text.count('name="phone_number"') == 1
    assert "+1 202 555 0143" in visitor.text
    assert visitor.form_with("phone_number").buttons == [("kind", "sms"), ("kind", "voice")]
    visitor.submit("phone_number", kind="voice", phone_number="090-1234")
    assert visitor.page.status_code == 400
    assert 'value="090-1234"' in visitor.text
    visitor.submit("phone_number", kind="voice", phone_number="+81 90-1234-5678")
    assert f'You are being called at <strong dir="ltr">{PHONE}</strong>' in visitor.text
    assert tenant.last_message().to == PHONE
    assert "Use another number" in visitor.text
    visitor.open(visitor.page.context["number_url"])
    assert visitor.form_with("phone_number").buttons[0] == ("kind", "voice")


def test_a_number_that_the_tenant_refuses_is_told_beside_it(tenant: Tenant) -> None:
    visitor = begin()
    visitor.submit("kind", kind="sms")
    body = {"error": "invalid_request", "error_description": "Invalid phone_number"}
    tenant.fault("status", endpoint="mfa", status=400, body=body)
    visitor.submit("phone_number", kind="sms", phone_number=PHONE)
    assert visitor.page.status_code == 400
    assert f'value="{PHONE}"' in visitor.text
    visitor.submit("phone_number", kind="sms", phone_number=PHONE)
    visitor.submit("code", code=str(tenant.last_message().code))
    assert visitor.path.startswith("/auth0/mfa/recovery-codes/")


@pytest.mark.parametrize("kind", ["sms", "email"])
def test_the_message_of_an_enrolment_is_sent_again(tenant: Tenant, kind: str) -> None:
    visitor = begin()
    number: dict[str, Any] = {"phone_number": PHONE} if kind == "sms" else {}
    visitor.submit("kind", kind=kind)
    if number:
        visitor.submit("phone_number", kind=kind, **number)
    tenant.clock.advance(30)
    visitor.submit("again", again="1")
    assert [message.to for message in tenant.outbox] == [PHONE if number else "ada@example.com"] * 2
    visitor.submit("code", code=str(tenant.last_message().code))
    assert visitor.path.startswith("/auth0/mfa/recovery-codes/")


@pytest.mark.parametrize("kind", ["otp", "email"])
def test_the_only_kind_to_set_up_goes_straight_on_once(tenant: Tenant, kind: str) -> None:
    tenant.mfa_factors = [kind]
    visitor = begin()
    assert visitor.path.startswith("/auth0/mfa/code/")
    assert "Your account needs a second step from now on." in visitor.text
    assert "Step 2" not in visitor.text
    assert "Choose another way" not in visitor.text
    login = query_of(visitor.path)["login"]
    tenant.clock.advance(60)
    visitor.open("/auth0/mfa/enrol/", login=login, next="/plain/")
    assert visitor.path.startswith("/auth0/mfa/code/")
    assert tenant.count("/mfa/associate") == 1
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert b"Set up a second step" in visitor.client.get(f"/auth0/mfa/enrol/?login={login}", headers=headers).content


def test_only_the_telephone_goes_straight_to_its_number(tenant: Tenant) -> None:
    tenant.mfa_factors = ["phone"]
    visitor = begin()
    assert visitor.form_with("phone_number").buttons == [("kind", "sms"), ("kind", "voice")]
    assert "Choose another way" not in visitor.text


def test_another_way_to_set_up_is_one_link_away(tenant: Tenant) -> None:
    visitor = begin()
    visitor.submit("kind", kind="otp")
    visitor.open(visitor.page.context["factors_url"])
    visitor.submit("kind", kind="email")
    visitor.submit("code", code=str(tenant.last_message().code))
    assert visitor.path.startswith("/auth0/mfa/recovery-codes/")


def test_a_template_of_ones_own_may_send_kind_and_number_at_once(tenant: Tenant) -> None:
    visitor = begin()
    path, data = visitor.filled("kind", kind="sms", phone_number=PHONE)
    assert visitor.client.post(path, data)["Location"].startswith("/auth0/mfa/code/")


@pytest.mark.parametrize("number", ["", "090-1234", "+12345678901234567"])
def test_a_telephone_number_that_is_none_is_told(tenant: Tenant, number: str) -> None:
    visitor = begin()
    visitor.submit("kind", kind="sms", phone_number=number)
    assert visitor.page.status_code == 400
    assert visitor.page.context["form"].errors["phone_number"]
    assert tenant.count("/mfa/associate") == 0


def test_a_kind_that_may_not_be_set_up_is_refused(tenant: Tenant) -> None:
    visitor = begin()
    path, data = visitor.filled("kind", kind="otp")
    assert visitor.client.post(path, {**data, "kind": "webauthn"}).status_code == 400
    assert tenant.count("/mfa/associate") == 0


def test_a_tenant_that_names_no_requirements_still_leads_to_the_right_page(tenant: Tenant) -> None:
    tenant.mfa_requirements = False
    visitor = begin()
    assert visitor.path.startswith("/auth0/mfa/enrol/")
    enrol(tenant, SMS, EMAIL)
    visitor = begin()
    visitor.submit("factor", factor="0")
    visitor.submit("code", code=str(tenant.last_message().code))
    assert visitor.path == "/plain/"


def test_association_required_leads_to_the_enrolment(tenant: Tenant) -> None:
    enrol(tenant, SMS, EMAIL)
    visitor = begin()
    body = {"error": "association_required", "error_description": "User is not enrolled with guardian"}
    tenant.fault("status", endpoint="mfa", status=403, body=body)
    visitor.submit("factor", factor="0")
    assert visitor.path.startswith("/auth0/mfa/enrol/")


def test_enrolled_meanwhile_is_told_and_leads_to_the_factors(tenant: Tenant) -> None:
    visitor = begin()
    enrol(tenant, SMS, EMAIL)
    answer = visitor.submit("kind", kind="otp")
    assert answer.status_code == 400
    assert answer.context["code"] == "access_denied"
    assert "User is already enrolled" in visitor.text


# -- nothing leaves --------------------------------------------------------------------------------------------------------


def test_the_mfa_token_never_leaves_the_server(tenant: Tenant, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    enrol(tenant, OTP, SMS)
    visitor, pages = Visitor(), []
    for page in (PAGE, "/accounts/login/"):
        visitor.open(page, next="/plain/")
        visitor.submit("username", **ADA)
        pages.append(visitor.text + visitor.path)
        visitor.submit("factor", factor="1")
        pages.append(visitor.text + visitor.path)
        pages.append(json.dumps(session_of(visitor.client)))
        visitor.submit("code", code="12345")
        pages.append(visitor.text)
    assert "Fe26" in str([request.form for request in tenant.requests])
    assert "Fe26" not in "".join(pages) + caplog.text


def test_a_script_that_logs_in_is_told_where_the_second_factor_is(tenant: Tenant) -> None:
    enrol(tenant, OTP)
    client = Client(headers=FETCH)
    answer = client.post(PAGE, {**ADA, "next": "/plain/"})
    assert (answer.status_code, answer.json()["error"]) == (403, "mfa_required")
    assert answer.json()["mfa_url"].startswith("/auth0/mfa/?login=")
    answer = client.post(PAGE, ADA, headers={"HX-Request": "true"})
    assert answer["HX-Redirect"] == answer.json()["mfa_url"]


def test_no_rest_is_left_after_mfa_required_without_a_token(tenant: Tenant) -> None:
    visitor = Visitor()
    visitor.open(PAGE)
    path, data = visitor.filled("username", **ADA)
    tenant.fault("status", endpoint="token", status=403, body={"error": "mfa_required"})
    assert visitor.client.post(path, data).status_code == 502
