"""The same form sent twice at the same moment: the browser shows the second answer only, and it must be logged in."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY as USER_KEY
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from django_auth0_flow.embedded import waiting as waiting_logins
from django_auth0_flow.models import LoginSession
from django_auth0_flow.protocol.embedded import PASSWORDLESS_OTP
from django_auth0_flow.storage.django_sessions import session_store
from django_auth0_flow.testing.tenant import Tenant
from django_auth0_flow.testing.tenant.factors import totp
from django_auth0_flow.testing.tenant.model import Authenticator
from tests.tokens.test_parallel import at_once, database_file  # noqa: F401  # a fixture, for every test here
from tests.visitor import Visitor
from tests.walk import is_logged_in, query_of

REALM = "Username-Password-Authentication"
SECRET = "JBSWY3DPEHPK3PXP"


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
    tenant.user.mfa_required, tenant.user.authenticators = True, [Authenticator("otp", secret=SECRET)]
    visitor = Visitor()
    visitor.open("/auth0/password/", next="/plain/")
    visitor.submit("username", username="ada@example.com", password="correct horse")
    return visitor, totp(SECRET, tenant.clock.now())


def send_twice(visitor: Visitor, code: str) -> tuple[list[Any], list[Any]]:
    path, data = visitor.filled("code", code=code)
    browsers = [visitor.twin(), visitor.twin()]
    return browsers, at_once(*[lambda browser=browser: browser.post(path, data) for browser in browsers])


@pytest.mark.parametrize("form", [code_form, otp_form], ids=["passwordless", "second-factor"])
@pytest.mark.parametrize("delay", [0, 0.5], ids=["quick-tenant", "slow-tenant"])
def test_a_code_sent_twice_makes_one_login_that_both_answers_bring(tenant: Tenant, form: Any, delay: float) -> None:
    visitor, code = form(tenant)
    if delay:
        tenant.fault("slow", endpoint="token", seconds=delay)
    tenant.clear_log()
    browsers, answers = send_twice(visitor, code)
    assert [answer.headers.get("Location") for answer in answers] == ["/plain/", "/plain/"]
    assert all(is_logged_in(browser) for browser in browsers)
    assert browsers[0].session.session_key == browsers[1].session.session_key
    assert LoginSession.objects.count() == 1
    assert tenant.count("/oauth/token") == 1


@pytest.mark.parametrize("form", [code_form, otp_form], ids=["passwordless", "second-factor"])
def test_a_wrong_code_sent_twice_costs_one_attempt_and_can_be_corrected(tenant: Tenant, form: Any) -> None:
    visitor, code = form(tenant)
    tenant.clear_log()
    tenant.fault("slow", endpoint="token", seconds=0.5)
    browsers, answers = send_twice(visitor, f"{(int(code) + 7) % 1_000_000:06d}")
    assert [answer.context["code"] for answer in answers] == ["wrong_code", "wrong_code"]
    assert tenant.count("/oauth/token") == 1
    path, data = visitor.filled("code", code=code)
    assert browsers[1].post(path, data)["Location"] == "/plain/"


@pytest.mark.parametrize("form", [code_form, otp_form], ids=["passwordless", "second-factor"])
def test_a_code_that_corrects_one_which_is_still_being_refused_is_tried_too(tenant: Tenant, form: Any) -> None:
    visitor, code = form(tenant)
    tenant.clear_log()
    tenant.fault("slow", endpoint="token", seconds=0.5)
    path, data = visitor.filled("code", code=code)
    hasty, corrected = visitor.twin(), visitor.twin()

    def correct() -> Any:
        while not tenant.count("/oauth/token"):
            threading.Event().wait(0.01)
        return corrected.post(path, data)

    wrong = {**data, "code": f"{(int(code) + 7) % 1_000_000:06d}"}
    answers = at_once(lambda: hasty.post(path, wrong), correct)
    assert answers[0].context["code"] == "wrong_code"
    assert answers[1].headers.get("Location") == "/plain/"
    assert is_logged_in(corrected)


def test_a_code_that_leads_to_a_second_factor_sent_twice_leads_there_twice(tenant: Tenant) -> None:
    visitor, code = form_that_leads_to_a_second_factor(tenant)
    browsers, answers = send_twice(visitor, code)
    assert answers[0]["Location"] == answers[1]["Location"]
    assert "/auth0/mfa/" in answers[0]["Location"]
    assert browsers[0].get(answers[0]["Location"], follow=True).status_code == 200


@pytest.mark.parametrize("form", [form_that_leads_to_a_second_factor, otp_form], ids=["passwordless", "second-factor"])
def test_a_second_submit_that_was_read_early_and_acts_late_follows_the_first(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, form: Any
) -> None:
    """It has found the waiting login before the first submit moved it on, and claims it only afterwards."""
    visitor, code = form(tenant)
    claim, answered, late = waiting_logins.claim, threading.Event(), threading.local()

    def claim_late(*arguments: Any, **options: Any) -> bool:
        if getattr(late, "yes", False):
            assert answered.wait(10)
        return claim(*arguments, **options)

    monkeypatch.setattr(waiting_logins, "claim", claim_late)
    path, data = visitor.filled("code", code=code)
    browsers = [visitor.twin(), visitor.twin()]
    tenant.clear_log()

    def first() -> Any:
        try:
            return browsers[0].post(path, data)
        finally:
            answered.set()

    def second() -> Any:
        late.yes = True
        return browsers[1].post(path, data)

    answers = at_once(first, second)
    assert answers[0]["Location"] == answers[1]["Location"]
    assert browsers[0].session.session_key == browsers[1].session.session_key
    assert tenant.count("/oauth/token") == 1


def test_W3_whoever_knew_the_old_cookie_gets_nothing_of_the_session_that_goes_on(tenant: Tenant) -> None:
    """After the first factor the old session only leads equal submits on, for a minute."""
    visitor, code = form_that_leads_to_a_second_factor(tenant)
    session = visitor.client.session
    session["basket"] = ["apples"]
    session.save()
    before = str(session.session_key)
    visitor.submit("code", code=code)
    assert "/auth0/mfa/" in visitor.path
    assert visitor.client.session.session_key != before
    assert visitor.client.session["basket"] == ["apples"]
    left = type(session)(before)
    assert left.keys() - {"_session_expiry"} == {waiting_logins.SESSION_KEY}
    assert [entry["kind"] for entry in left[waiting_logins.SESSION_KEY].values()] == ["moved"]
    assert left.get_expiry_age() <= waiting_logins.SHARE_SECONDS


def test_who_knows_the_old_cookie_can_not_guess_the_code_of_a_login_that_went_on(tenant: Tenant) -> None:
    visitor, code = form_that_leads_to_a_second_factor(tenant)
    path, data = visitor.filled("code", code=code)
    planted = visitor.client.cookies.output()
    attackers = [visitor.twin(), visitor.twin()]
    assert "/auth0/mfa/" in visitor.twin().post(path, data)["Location"]
    for attacker, guess in zip(attackers, (f"{(int(code) + 7) % 1_000_000:06d}", code), strict=True):
        assert attacker.cookies.output() == planted
        assert attacker.post(path, {**data, "code": guess}).context["code"] == "login_expired"


def test_a_second_submit_that_looks_while_the_first_moves_on_follows_it(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor, code = form_that_leads_to_a_second_factor(tenant)
    add, looks = waiting_logins.add, threading.Event()

    def add_slowly(request: Any, kind: str, *arguments: Any, **options: Any) -> Any:
        if kind == "mfa":
            looks.wait(0.5)  # nothing sets it: several looks of the other submit
        return add(request, kind, *arguments, **options)

    monkeypatch.setattr(waiting_logins, "add", add_slowly)
    browsers, answers = send_twice(visitor, code)
    assert [answer.status_code for answer in answers] == [302, 302]
    assert answers[0]["Location"] == answers[1]["Location"]
    assert browsers[0].session.session_key == browsers[1].session.session_key


def test_a_claim_that_is_refused_writes_nothing(tenant: Tenant, rf: RequestFactory) -> None:
    """It would write an old copy of the session over what the other submit has just left there."""
    visitor, _ = code_form(tenant)
    key, request = visitor.client.session.session_key, rf.get("/")
    request.session = type(visitor.client.session)(key)
    waiting = waiting_logins.find(request, query_of(visitor.path)["login"], "code")
    assert waiting is not None
    assert waiting_logins.claim(request, waiting, "1")
    with CaptureQueriesContext(connection) as queries:
        assert not waiting_logins.claim(request, waiting, "1")
    assert [query["sql"] for query in queries if not query["sql"].startswith("SELECT")] == []


@pytest.mark.parametrize("origin", ["", "waiting-login"], ids=["password", "code"])
@pytest.mark.parametrize("logged_in", [True, False])
def test_W3_a_login_that_ended_meanwhile_does_not_come_back_with_the_second_factor(
    origin: str, logged_in: bool
) -> None:
    """Its owner logged out in another tab while the tenant looked at the first factor; others keep what they had."""
    session = session_store()()
    session.update(
        {"basket": ["apples"], waiting_logins.SESSION_KEY: {origin: {}}, **({USER_KEY: "1"} if logged_in else {})}
    )
    session.create()
    request = RequestFactory().post("/")
    request.session = session_store()(session.session_key)
    assert request.session["basket"]
    session.flush()
    waiting_logins.move_on(request, "mfa", "default", {}, next_url="", origin=origin, proof="123456")
    assert request.session.session_key
    assert USER_KEY not in request.session
    assert ("basket" in request.session) is not logged_in
