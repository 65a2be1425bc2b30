"""The same form sent twice: the tenant is asked once, and the second answer says so and leads on."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY as USER_KEY
from django.test import Client, RequestFactory

from django_auth0_flow.conf.login_time_limits import WAITING_AGES
from django_auth0_flow.embedded import passwordless
from django_auth0_flow.embedded import waiting as waiting_logins
from django_auth0_flow.embedded.submit import AlreadySubmitted
from django_auth0_flow.logout.cleanup import clear_logout_tokens
from django_auth0_flow.models import LoginSession
from django_auth0_flow.protocol.embedded_grants import PASSWORDLESS_OTP
from django_auth0_flow.storage.django_sessions import session_store
from django_auth0_flow.testing.tenant import Tenant
from django_auth0_flow.testing.tenant.factors import totp
from django_auth0_flow.testing.tenant.model import Authenticator
from tests.tokens.test_parallel import at_once, database_file  # noqa: F401  # a fixture, for every test here
from tests.visitor import Visitor
from tests.walk import FETCH, is_logged_in, query_of

REALM = "Username-Password-Authentication"
SECRET = "JBSWY3DPEHPK3PXP"
AGAIN = "already_submitted"


@pytest.fixture(autouse=True)
def embedded_logins(tenant: Tenant, auth0_settings: Any) -> None:
    tenant.application.grant_types |= {"password", "mfa", PASSWORDLESS_OTP}
    auth0_settings(PASSWORDLESS=["email-code"], PASSWORD_REALM=REALM)


def code_form(tenant: Tenant) -> tuple[Visitor, str]:
    visitor = Visitor()
    visitor.open("/auth0/passwordless/", next="/plain/")
    visitor.submit("address", address="mary@example.com")
    return visitor, str(tenant.last_message().code)


def form_that_leads_to_a_second_factor(tenant: Tenant) -> tuple[Visitor, str]:
    visitor, code = code_form(tenant)
    visitor.submit("code", code=code)
    user = next(user for user in tenant.users.values() if user.email == "mary@example.com")
    user.mfa_required, user.authenticators = True, [Authenticator("otp", secret=SECRET)]
    tenant.clock.advance(11)
    return code_form(tenant)


def otp_form(tenant: Tenant) -> tuple[Visitor, str]:
    visitor = second_factor(tenant, Authenticator("otp", secret=SECRET))
    return visitor, totp(SECRET, tenant.clock.now())


def second_factor(tenant: Tenant, factor: Authenticator) -> Visitor:
    tenant.user.mfa_required, tenant.user.authenticators = True, [factor]
    visitor = Visitor()
    visitor.open("/auth0/password/", next="/plain/")
    visitor.submit("username", username="ada@example.com", password="correct horse")
    return visitor


def wrong(code: str) -> str:
    return f"{(int(code) + 7) % 1_000_000:06d}"


def send_twice(tenant: Tenant, visitor: Visitor, code: str) -> list[Any]:
    """Send the form from two tabs at once to a slow tenant; return the answer that the tenant's was for, then the other."""
    path, data = visitor.filled("code", code=code)
    tabs = [visitor.other_tab(), visitor.other_tab()]
    tenant.clear_log()
    tenant.fault("slow", endpoint="token", seconds=0.3)
    answers = at_once(*[lambda tab=tab: tab.post(path, data) for tab in tabs])
    return sorted(answers, key=lambda answer: answer.status_code == 409)


def receive(client: Client, *answers: Any) -> None:
    """Take the cookies of these answers, as a browser does."""
    for answer in answers:
        for name, cookie in answer.cookies.items():
            if cookie["max-age"] == 0:
                client.cookies.pop(name, None)
            else:
                client.cookies[name] = cookie


FORMS = pytest.mark.parametrize("form", [code_form, otp_form], ids=["passwordless", "second-factor"])


# -- at the same moment ----------------------------------------------------------------------------------------------------


@FORMS
@pytest.mark.parametrize("sessions", ["db", "cached_db", "cache"])
def test_a_code_sent_twice_is_submitted_once_and_logs_in_once(
    tenant: Tenant, settings: Any, form: Any, sessions: str
) -> None:
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{sessions}"
    visitor, code = form(tenant)
    logged_in, refused = send_twice(tenant, visitor, code)
    assert logged_in["Location"] == "/plain/"
    assert (refused.status_code, refused.context["code"]) == (409, AGAIN)
    assert tenant.count("/oauth/token") == 1
    assert LoginSession.objects.count() == 1
    for order in ((logged_in, refused), (refused, logged_in)):
        browser = visitor.other_tab()
        receive(browser, *order)
        assert is_logged_in(browser)
        assert browser.get(refused.context["next_url"]).status_code == 200


@FORMS
def test_a_wrong_code_sent_twice_costs_one_attempt_and_can_be_corrected(tenant: Tenant, form: Any) -> None:
    visitor, code = form(tenant)
    told, refused = send_twice(tenant, visitor, wrong(code))
    assert [told.status_code, refused.status_code] == [400, 409]
    assert "This code is wrong" in told.content.decode()
    assert tenant.count("/oauth/token") == 1
    visitor.submit("code", code=code)
    assert visitor.path == "/plain/"


def test_a_code_that_leads_to_a_second_factor_sent_twice_leads_there_once(tenant: Tenant) -> None:
    visitor, code = form_that_leads_to_a_second_factor(tenant)
    led_on, refused = send_twice(tenant, visitor, code)
    assert (refused.status_code, refused.context["code"]) == (409, AGAIN)
    assert tenant.count("/oauth/token") == 1
    receive(visitor.client, led_on, refused)
    visitor.open(led_on["Location"])
    visitor.submit("code", code=totp(SECRET, tenant.clock.now()))
    assert visitor.path == "/plain/"


def test_two_tabs_that_wait_for_a_push_notification_ask_once(tenant: Tenant) -> None:
    visitor = second_factor(tenant, Authenticator("push", name="telephone"))
    tenant.clock.advance(6)
    tabs = [visitor.other_tab(), visitor.other_tab()]
    tenant.clear_log()
    tenant.fault("slow", endpoint="token", seconds=0.3)
    answers = at_once(*[lambda tab=tab: tab.get(visitor.path) for tab in tabs])
    assert [answer.status_code for answer in answers] == [200, 200]
    assert all(answer["Refresh"] for answer in answers)
    assert tenant.count("/oauth/token") == 1
    tenant.answer_push()
    tenant.clock.advance(6)
    visitor.open(visitor.path)
    assert visitor.path == "/plain/"


# -- one after the other ---------------------------------------------------------------------------------------------------


@FORMS
def test_the_form_sent_again_from_before_the_login_gets_a_page_that_leads_on(tenant: Tenant, form: Any) -> None:
    visitor, code = form(tenant)
    path, data = visitor.filled("code", code=code)
    late, again = visitor.other_tab(), "/auth0/password/" if form is otp_form else "/auth0/passwordless/"
    assert visitor.client.post(path, data)["Location"] == "/plain/"
    tenant.clear_log()
    for answer in (late.post(path, data), late.post(path, {**data, "code": wrong(code)}), late.get(path)):
        assert (answer.status_code, answer.context["code"]) == (409, AGAIN)
        assert "This login is being checked already, or it was used." in answer.content.decode()
        assert 'href="/plain/"' in answer.content.decode()
        assert answer["Cache-Control"] == "private, no-store"
        # The browser may have the new session's cookie by now: this answer must not delete it.
        assert "sessionid" not in answer.cookies
    assert answer.context["start_url"].endswith("?next=%2Fplain%2F")
    assert form is otp_form or answer.context["start_url"].startswith(again)
    assert tenant.count("/oauth/token") == 0
    assert LoginSession.objects.count() == 1


@pytest.mark.parametrize("settings_", [{}, {"SESSION_SAVE_EVERY_REQUEST": True}], ids=["usual", "saved-every-time"])
def test_the_answer_to_the_form_sent_again_keeps_the_new_cookie(
    tenant: Tenant, settings: Any, settings_: dict[str, Any]
) -> None:
    for name, value in settings_.items():
        setattr(settings, name, value)
    visitor, code = code_form(tenant)
    path, data = visitor.filled("code", code=code)
    late = visitor.other_tab()
    first = visitor.client.post(path, data)
    second = late.post(path, data)
    assert second.status_code == 409
    receive(late, first, second)
    assert is_logged_in(late)


def test_a_script_that_sends_it_again_is_told_in_json(tenant: Tenant) -> None:
    visitor, code = code_form(tenant)
    path, data = visitor.filled("code", code=code)
    late = visitor.other_tab()
    visitor.client.post(path, data)
    answer = late.post(path, data, headers=FETCH)
    assert (answer.status_code, answer.json()["error"]) == (409, AGAIN)


def test_in_japanese(tenant: Tenant) -> None:
    visitor, code = code_form(tenant)
    path, data = visitor.filled("code", code=code)
    late = visitor.other_tab()
    visitor.client.post(path, data)
    answer = late.post(path, data, headers={"Accept-Language": "ja"})
    assert "このログインはすでに確認中か、使用済みです。" in answer.content.decode()


@pytest.mark.parametrize("difference", ["cookie", "login"])
def test_a_login_that_is_not_this_browsers_is_just_not_there(tenant: Tenant, difference: str) -> None:
    visitor, code = code_form(tenant)
    path, data = visitor.filled("code", code=code)
    other = visitor.other_tab()
    if difference == "cookie":
        other.cookies["sessionid"] = "a" * 32
    else:
        path = path.replace("login=", "login=x")
    assert other.post(path, data).context["code"] == "login_expired"
    visitor.submit("code", code=code)
    assert visitor.path == "/plain/"


# -- what is old -----------------------------------------------------------------------------------------------------------


def test_a_submit_that_was_read_before_the_login_and_acts_after_it_asks_nothing(tenant: Tenant) -> None:
    visitor, code = code_form(tenant)
    early = RequestFactory().post("/")
    early.session = session_store()(visitor.client.session.session_key)
    waiting = waiting_logins.find(early, query_of(visitor.path)["login"], "code")
    assert waiting is not None
    visitor.submit("code", code=code)
    tenant.clear_log()
    with pytest.raises(AlreadySubmitted):
        passwordless.finish_passwordless(early, waiting, code)
    assert tenant.count("/oauth/token") == 0
    assert USER_KEY not in early.session


@pytest.mark.parametrize("form", [code_form, form_that_leads_to_a_second_factor], ids=["login", "second-factor"])
def test_an_old_copy_of_the_session_brings_no_used_login_back(tenant: Tenant, form: Any) -> None:
    visitor, code = form(tenant)
    path, data = visitor.filled("code", code=code)
    stale = session_store()()
    stale.update(dict(visitor.client.session.items()))
    visitor.submit("code", code=code)
    stale.create()  # as if another request had saved what it had read before
    late = visitor.other_tab()
    late.cookies["sessionid"] = str(stale.session_key)
    tenant.clear_log()
    assert late.get(path).status_code == 200  # it waits there, as far as that session knows
    token = late.cookies["csrftoken"].value
    answer = late.post(path, {**data, "csrfmiddlewaretoken": token})
    assert (answer.status_code, answer.context["code"]) == (409, AGAIN)
    assert tenant.count("/oauth/token") == 0


def test_a_claim_is_kept_for_as_long_as_the_login_could_wait(tenant: Tenant) -> None:
    visitor, code = code_form(tenant)
    visitor.submit("code", code=code)
    tenant.clock.advance(WAITING_AGES["code"] - 60)
    assert clear_logout_tokens() == 0
    tenant.clock.advance(61)
    assert clear_logout_tokens() == 1


# -- the session's new key -------------------------------------------------------------------------------------------------


def test_W3_the_old_cookie_opens_nothing_of_the_session_that_goes_on(tenant: Tenant) -> None:
    visitor, code = form_that_leads_to_a_second_factor(tenant)
    session = visitor.client.session
    session["basket"] = ["apples"]
    session.save()
    path, data = visitor.filled("code", code=code)
    thief = visitor.other_tab()
    visitor.submit("code", code=code)
    assert "/auth0/mfa/" in visitor.path
    assert visitor.client.session["basket"] == ["apples"]
    assert not session.exists(str(session.session_key))
    assert thief.get(visitor.path).context["code"] == "login_expired"
    assert thief.post(path, data).context["code"] == AGAIN


@pytest.mark.parametrize("logged_in", [True, False])
def test_W3_a_login_that_ended_meanwhile_does_not_come_back_with_the_second_factor(logged_in: bool) -> None:
    """Its owner logged out in another tab while the tenant looked at the first factor; others keep what they had."""
    session = session_store()()
    session.update({"basket": ["apples"], **({USER_KEY: "1"} if logged_in else {})})
    session.create()
    request = RequestFactory().post("/")
    request.session = session_store()(session.session_key)
    assert request.session["basket"]
    session.flush()
    waiting_logins.add_under_new_key(request, "mfa", "default", {}, next_url="")
    assert request.session.session_key
    assert USER_KEY not in request.session
    assert ("basket" in request.session) is not logged_in
