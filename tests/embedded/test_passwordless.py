"""Logins by a code or a magic link, over real HTTP with the tenant's outbox in the place of a mailbox."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.test import Client

from django_auth0_flow.conf.login_time_limits import WAITING_AGES
from django_auth0_flow.embedded import waiting as waiting_logins
from django_auth0_flow.models import Identity, LoginSession
from django_auth0_flow.protocol.embedded_grants import PASSWORDLESS_OTP
from django_auth0_flow.testing.tenant import Tenant
from django_auth0_flow.testing.tenant.model import Authenticator
from tests.visitor import Visitor
from tests.walk import FETCH, SITE, assert_nothing_stored, session_of

pytestmark = pytest.mark.django_db

PAGE = "/auth0/passwordless/"
ALL = ["email-code", "email-link", "sms"]
ADDRESS = "mary@example.com"
PHONE = "+819012345678"


@pytest.fixture(autouse=True)
def kinds(tenant: Tenant, auth0_settings: Callable[..., Any]) -> Callable[..., Any]:
    """Switch passwordless logins on, at the tenant and here."""
    tenant.application.grant_types |= {PASSWORDLESS_OTP, "mfa"}

    def configure(*kinds: str, **keys: Any) -> Any:
        return auth0_settings(**{"PASSWORDLESS": list(kinds), **keys})

    configure(*ALL)
    return configure


def ask(visitor: Visitor, kind: str = "email-code", address: str = ADDRESS, *, next_url: str = "/plain/") -> Any:
    visitor.open(PAGE, next=next_url)
    return visitor.submit("address", address=address, kind=kind)


def log_in(visitor: Visitor, tenant: Tenant, **values: Any) -> Any:
    ask(visitor, **values)
    return visitor.submit("code", code=str(tenant.last_message().code))


def starts(tenant: Tenant) -> list[Any]:
    return [request for request in tenant.requests if request.path == "/passwordless/start"]


def wrong(tenant: Tenant) -> str:
    return f"{(int(str(tenant.last_message().code)) + 1) % 1_000_000:06d}"


# -- codes -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "address", "strategy"), [("email-code", ADDRESS, "email"), ("sms", PHONE, "sms")], ids=["email", "sms"]
)
def test_a_code_logs_in_and_leads_to_next(tenant: Tenant, kind: str, address: str, strategy: str) -> None:
    visitor = Visitor()
    log_in(visitor, tenant, kind=kind, address=address, next_url="/token/")
    assert visitor.path == "/token/"
    row = LoginSession.objects.get()
    assert visitor.text == row.grant.tokens.access_token
    assert row.grant.tokens.refresh_token
    assert row.identity.subject.startswith(f"{strategy}|")
    assert row.session_key == visitor.client.session.session_key


def test_what_is_sent_to_the_tenant(tenant: Tenant) -> None:
    visitor = Visitor(headers={"Accept-Language": "ja"})
    log_in(visitor, tenant)
    start = starts(tenant)[-1]
    assert start.headers["x-request-language"] == "ja"
    assert start.headers["auth0-forwarded-for"] == "127.0.0.1"
    grant = next(request for request in tenant.requests if request.grant_type == PASSWORDLESS_OTP)
    form = {name: values[0] for name, values in grant.form.items()}
    assert form["realm"] == "email"
    assert form["username"] == ADDRESS
    assert form["audience"] == "https://api.example.com"
    assert form["scope"] == "openid profile email offline_access"
    assert form["redirect_uri"] == "https://testserver/auth0/callback/"
    assert form["client_secret"]
    assert grant.headers["auth0-forwarded-for"] == "127.0.0.1"


def test_the_secret_goes_in_the_body_of_json_endpoints_also_with_basic_authentication(
    tenant: Tenant, kinds: Any
) -> None:
    kinds("email-code", CLIENT_AUTH="client_secret_basic")
    visitor = Visitor()
    log_in(visitor, tenant)
    assert visitor.path == "/plain/"
    assert "Authorization" not in starts(tenant)[-1].headers


def test_the_session_key_changes(tenant: Tenant) -> None:
    visitor = Visitor()
    ask(visitor)
    before = visitor.client.session.session_key
    visitor.submit("code", code=str(tenant.last_message().code))
    assert visitor.client.session.session_key != before


@pytest.mark.parametrize("typed", ["{0}", " {0} ", "{1} {2}", "{1}-{2}", "full-width"])
def test_codes_are_read_kindly(tenant: Tenant, typed: str) -> None:
    visitor = Visitor()
    ask(visitor)
    code = str(tenant.last_message().code)
    wide = "".join(chr(ord(digit) + 0xFEE0) for digit in code)
    text = wide if typed == "full-width" else typed.format(code, code[:3], code[3:])
    visitor.submit("code", code=text)
    assert visitor.path == "/plain/"


@pytest.mark.parametrize("typed", ["+81 90-1234-5678", "+81(90)1234.5678", "+819012345678"])
def test_telephone_numbers_are_read_kindly(tenant: Tenant, typed: str) -> None:
    ask(Visitor(), "sms", typed)
    assert tenant.last_message().to == PHONE


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("email-code", "not an address"),
        ("email-code", "a@b@example.com"),
        ("email-code", ""),
        ("sms", "090-1234-5678"),
        ("sms", "+12"),
        ("sms", "+1234567890123456"),
        ("sms", "+81 90 1234 567x"),
        ("email-code", "x" * 400 + "@example.com"),
        ("email-code", "a\0b@example.com"),
    ],
)
def test_a_malformed_address_is_told_at_once(tenant: Tenant, kinds: Any, kind: str, address: str) -> None:
    kinds(kind)
    visitor = Visitor()
    answer = ask(visitor, kind, address)
    assert answer.status_code == 400
    assert answer.context["form"].errors["address"]
    assert not starts(tenant)


def test_the_address_decides_between_e_mail_and_sms(tenant: Tenant) -> None:
    assert "e-mail" in str(ask(Visitor(), "sms", "nonsense").context["form"].errors)
    assert "country code" in str(ask(Visitor(), "email-code", "090-1234").context["form"].errors)
    ask(Visitor(), "email-code", PHONE)
    assert tenant.last_message().kind == "sms"
    ask(Visitor(), "sms", ADDRESS)
    assert tenant.last_message().kind == "email-code"


@pytest.mark.parametrize(
    ("configured", "buttons"),
    [
        (ALL, ["Send me a code", "Send me a link by e-mail"]),
        (["email-link", "sms"], ["Send me a message"]),
        (["email-code", "email-link"], ["Send me a code by e-mail", "Send me a link by e-mail"]),
        (["email-link"], ["Send me a link by e-mail"]),
        (["sms"], ["Send me a code by text message"]),
    ],
    ids=lambda value: " ".join(value) if "sms" in value else None,
)
def test_one_next_step_is_obvious_and_fits_what_may_be_typed(
    kinds: Any, configured: list[str], buttons: list[str]
) -> None:
    kinds(*configured)
    visitor = Visitor()
    visitor.open(PAGE)
    assert re.findall(r"<button[^>]*>([^<]+)</button>", visitor.text) == buttons


@pytest.mark.parametrize("kind", ["", "email-code", "email-link"])
def test_whatever_button_is_pressed_a_number_is_sent_no_e_mail(tenant: Tenant, kind: str) -> None:
    visitor = Visitor()
    ask(visitor, kind, "+８１ー９０ー１２３４ー５６７８")
    assert [(message.to, message.kind) for message in tenant.outbox] == [(PHONE, "sms")]


def test_a_new_code_is_announced_and_an_old_page_does_not_say_so_again(tenant: Tenant) -> None:
    visitor = Visitor()
    ask(visitor)
    assert 'role="status"' not in visitor.text
    visitor.submit("again", again="1")
    assert 'role="status">A new message is on its way.' in visitor.text
    tenant.clock.advance(30)
    visitor.open(visitor.path)
    assert 'role="status"' not in visitor.text


def test_other_ways_to_log_in_are_linked_and_keep_next(kinds: Any) -> None:
    visitor = Visitor()
    visitor.open(PAGE, next="/plain/")
    assert "/auth0/password/" not in visitor.text
    assert 'href="/auth0/login/?next=%2Fplain%2F"' in visitor.text
    kinds(*ALL, PASSWORD_REALM="Username-Password-Authentication")
    visitor.open(PAGE, next="/plain/")
    assert 'href="/auth0/password/?next=%2Fplain%2F"' in visitor.text


def test_a_kind_that_is_not_offered_is_not_used(tenant: Tenant, kinds: Any) -> None:
    kinds("email-code")
    visitor = Visitor()
    ask(visitor, "email-link")
    assert tenant.last_message().kind == "email-code"


def test_switched_off_the_pages_are_not_there(kinds: Any) -> None:
    kinds()
    assert Client().get(PAGE).status_code == 404
    assert Client().get("/auth0/passwordless/code/").status_code == 404


# -- wrong, expired, too many ----------------------------------------------------------------------------------------------


def test_a_wrong_code_can_be_corrected(tenant: Tenant) -> None:
    visitor = Visitor()
    ask(visitor)
    answer = visitor.submit("code", code=wrong(tenant))
    assert (answer.status_code, answer.context["code"]) == (400, "wrong_code")
    visitor.submit("code", code=str(tenant.last_message().code))
    assert visitor.path == "/plain/"


def test_an_expired_code_leads_to_a_new_one(tenant: Tenant) -> None:
    visitor = Visitor()
    ask(visitor)
    tenant.clock.advance(181)
    assert visitor.submit("code", code=str(tenant.last_message().code)).context["code"] == "code_expired"
    visitor.submit("again", again="1")
    visitor.submit("code", code=str(tenant.last_message().code))
    assert visitor.path == "/plain/"


def test_after_too_many_wrong_codes_only_a_new_one_helps(tenant: Tenant) -> None:
    visitor = Visitor()
    ask(visitor)
    for _ in range(3):
        assert visitor.submit("code", code=wrong(tenant)).context["code"] == "wrong_code"
    assert visitor.submit("code", code=wrong(tenant)).context["code"] == "too_many_codes"
    assert_nothing_stored(visitor.client)
    visitor.submit("again", again="1")
    visitor.submit("code", code=str(tenant.last_message().code))
    assert visitor.path == "/plain/"


def use_up(visitor: Visitor, tenant: Tenant) -> None:
    """Enter wrong codes until the tenant takes none any more."""
    for _ in range(3):
        assert visitor.submit("code", code=wrong(tenant)).context["code"] == "wrong_code"
    assert visitor.submit("code", code=str(tenant.last_message().code)).context["code"] == "too_many_codes"


@pytest.mark.parametrize(("kind", "address"), [("email-code", ADDRESS), ("sms", PHONE)], ids=["email", "sms"])
@pytest.mark.parametrize("end", ["used up", "expired"])
def test_a_code_that_is_over_is_followed_by_a_new_one_at_once(
    tenant: Tenant, kind: str, address: str, end: str
) -> None:
    """No ten seconds of "a code is on its way" in which every code is refused, for whoever starts again."""
    visitor = Visitor()
    ask(visitor, kind, address)
    if end == "used up":
        use_up(visitor, tenant)
    else:
        tenant.fault(
            "refuse", error="invalid_grant", description="The verification code has expired. Please try again."
        )
        assert visitor.submit("code", code=str(tenant.last_message().code)).context["code"] == "code_expired"
    ask(visitor, kind, address)
    assert len(tenant.outbox) == 2
    visitor.submit("code", code=str(tenant.last_message().code))
    assert visitor.path == "/plain/"


def test_the_page_of_a_used_up_code_says_so_until_a_new_one_is_sent(tenant: Tenant) -> None:
    visitor = Visitor()
    ask(visitor)
    path = visitor.path
    use_up(visitor, tenant)
    for _ in range(2):
        assert "is on its way" not in visitor.text
        assert not [form for form in visitor.forms() if "code" in form.fields]
        visitor.open(path)  # reloaded
    visitor.submit("again", again="1")
    assert "is on its way" in visitor.text
    assert len(tenant.outbox) == 2
    visitor.submit("code", code=str(tenant.last_message().code))
    assert visitor.path == "/plain/"


def test_a_code_used_up_in_an_older_tab_is_followed_by_a_new_one_as_well(tenant: Tenant) -> None:
    """The tenant knows one code per address, whichever page it is typed into."""
    older, newer = Visitor(), Visitor()
    newer.client = older.client
    ask(older)
    newer.open(older.path)
    newer.submit("again", again="1")
    assert older.path != newer.path
    use_up(older, tenant)
    ask(newer)
    assert len(tenant.outbox) == 3
    newer.submit("code", code=str(tenant.last_message().code))
    assert newer.path == "/plain/"


def test_a_wrong_code_alone_sends_nothing_new(tenant: Tenant) -> None:
    visitor = Visitor()
    ask(visitor)
    visitor.submit("code", code=wrong(tenant))
    ask(visitor)
    assert len(tenant.outbox) == 1
    visitor.submit("code", code=str(tenant.last_message().code))
    assert visitor.path == "/plain/"


def test_asking_twice_after_a_used_up_code_sends_one_message(tenant: Tenant) -> None:
    visitor = Visitor()
    ask(visitor)
    use_up(visitor, tenant)
    visitor.open(PAGE, next="/plain/")
    path, data = visitor.filled("address", address=ADDRESS, kind="email-code")
    assert visitor.client.post(path, data)["Location"] == visitor.client.post(path, data)["Location"]
    assert len(tenant.outbox) == 2


def test_another_address_of_this_browser_keeps_its_code(tenant: Tenant) -> None:
    visitor, other = Visitor(), Visitor()
    other.client = visitor.client
    ask(visitor)
    ask(other, address="other@example.com")
    kept = str(tenant.last_message().code)
    used = next(message for message in tenant.outbox if message.to == ADDRESS)
    for _ in range(3):
        visitor.submit("code", code=f"{(int(str(used.code)) + 1) % 1_000_000:06d}")
    assert visitor.submit("code", code=str(used.code)).context["code"] == "too_many_codes"
    ask(other, address="other@example.com")
    assert len(tenant.outbox) == 2
    other.submit("code", code=kept)
    assert other.path == "/plain/"


def test_a_code_that_no_code_can_be_costs_no_attempt(tenant: Tenant) -> None:
    visitor = Visitor()
    ask(visitor)
    before = tenant.count("/oauth/token")
    for typed in ("", "ü1234", "12#456", "1" * 200):
        assert visitor.submit("code", code=typed).status_code == 400
    assert tenant.count("/oauth/token") == before


def test_a_login_that_waited_for_too_long_starts_again_with_its_next(tenant: Tenant) -> None:
    visitor = Visitor()
    ask(visitor)
    path, data = visitor.filled("code", code=str(tenant.last_message().code))
    tenant.clock.advance(WAITING_AGES["code"] + 1)
    answer = visitor.client.post(path, data)
    assert answer.context["code"] == "login_expired"
    assert answer.context["retry_url"] == "/auth0/passwordless/?next=%2Fplain%2F"


@pytest.mark.parametrize(
    ("code", "options"),
    [
        ("user_blocked", {"error": "unauthorized", "description": "user is blocked", "status": 403}),
        ("access_denied", {"error": "access_denied", "description": "Not today", "status": 403}),
        (
            "client_rejected",
            {"error": "unauthorized_client", "description": "Grant type 'x' not allowed for the client."},
        ),
        ("too_many_attempts", {"error": "too_many_attempts", "status": 429}),
        ("wrong_code", {"error": "invalid_grant", "status": 400}),
    ],
)
def test_refusals_of_the_code_grant(tenant: Tenant, code: str, options: dict[str, Any]) -> None:
    visitor = Visitor()
    ask(visitor)
    tenant.fault("refuse", **options)
    assert visitor.submit("code", code=str(tenant.last_message().code)).context["code"] == code
    assert_nothing_stored(visitor.client)


def test_a_tenant_in_trouble_is_503_and_the_code_can_be_sent_again(tenant: Tenant) -> None:
    visitor = Visitor()
    ask(visitor)
    path, data = visitor.filled("code", code=str(tenant.last_message().code))
    tenant.fault("status", endpoint="token", status=502)
    assert visitor.client.post(path, data).status_code == 503
    assert visitor.client.post(path, data)["Location"] == "/plain/"


# -- starting --------------------------------------------------------------------------------------------------------------


def _start_refused(tenant: Tenant, **answer: Any) -> None:
    tenant.fault("status", endpoint="passwordless", **answer)


def _normal(visitor: Visitor) -> str:
    """Return a page without what differs from visit to visit."""
    return re.sub(r'value="[A-Za-z0-9]{64}"', "", visitor.text)


@pytest.mark.parametrize(
    "body",
    [
        {"error": "bad.connection", "error_description": "Public signup is disabled"},
        {"error": "unauthorized", "error_description": "user is blocked"},
        {"error": "access_denied", "error_description": "no"},
        {"error": "something_new"},
        {"statusCode": 400, "code": "user_missing", "message": "The user does not exist."},
    ],
    ids=lambda body: body.get("error", "legacy"),
)
def test_no_page_tells_whether_an_address_has_an_account(tenant: Tenant, body: dict[str, Any]) -> None:
    known, stranger = Visitor(), Visitor()
    ask(known)
    known.submit("code", code=wrong(tenant))
    _start_refused(tenant, status=400, body=body)
    ask(stranger)
    stranger.submit("code", code=wrong(tenant))
    assert _normal(known) == _normal(stranger)
    assert stranger.page.context["code"] == "wrong_code"


@pytest.mark.parametrize(
    ("code", "status", "body"),
    [
        ("client_rejected", 400, {"error": "bad.connection", "error_description": "Connection does not exist"}),
        ("client_rejected", 400, {"error": "bad.connection", "error_description": "Connection is disabled"}),
        ("client_rejected", 401, {"error": "access_denied", "error_description": "Unauthorized"}),
        ("client_rejected", 400, {"error": "bad.authParams", "error_description": "error in authParams"}),
        ("bad.email", 400, {"error": "bad.email"}),
        ("sms_provider_error", 400, {"error": "sms_provider_error", "error_description": "(Code: 21211)"}),
    ],
)
def test_what_is_wrong_with_message_or_set_up_is_told(tenant: Tenant, code: str, status: int, body: Any) -> None:
    _start_refused(tenant, status=status, body=body)
    visitor = Visitor()
    answer = ask(visitor)
    assert (answer.status_code, answer.context["code"]) == (400, code)
    assert visitor.path == PAGE or visitor.path.startswith(PAGE + "?")


@pytest.mark.parametrize(("fault", "status"), [("rate-limit", 503), ("drop", 503), ("html", 502), ("list", 502)])
def test_a_start_that_gets_no_usable_answer(tenant: Tenant, fault: str, status: int) -> None:
    tenant.fault(fault, endpoint="passwordless")
    visitor = Visitor()
    answer = ask(visitor)
    assert (answer.status_code, "Retry-After" in answer) == (status, status == 503)
    assert not session_of(visitor.client).get(waiting_logins.SESSION_KEY)


# -- second submits, back button, tabs -------------------------------------------------------------------------------------


def test_the_first_form_sent_twice_sends_one_message(tenant: Tenant) -> None:
    visitor = Visitor()
    visitor.open(PAGE, next="/plain/")
    path, data = visitor.filled("address", address=ADDRESS, kind="email-code")
    first, second = visitor.client.post(path, data), visitor.client.post(path, data)
    assert first["Location"] == second["Location"]
    assert len(tenant.outbox) == 1
    tenant.clock.advance(11)
    visitor.client.post(path, data)
    assert len(tenant.outbox) == 2


def test_asking_again_for_another_page_leads_there(tenant: Tenant) -> None:
    visitor = Visitor()
    ask(visitor, next_url="/plain/")
    ask(visitor, next_url="/token/")
    visitor.submit("code", code=str(tenant.last_message().code))
    assert visitor.path == "/token/"


def test_a_message_that_could_not_be_sent_is_none_on_its_way(tenant: Tenant) -> None:
    visitor = Visitor()
    _start_refused(tenant, status=400, body={"error": "bad.email"})
    assert ask(visitor).status_code == 400
    ask(visitor)
    assert len(tenant.outbox) == 1
    visitor.submit("code", code=str(tenant.last_message().code))
    assert visitor.path == "/plain/"


def test_the_code_sent_again_after_the_login_leads_on(tenant: Tenant) -> None:
    visitor = Visitor()
    ask(visitor)
    path, data = visitor.filled("code", code=str(tenant.last_message().code))
    assert visitor.client.post(path, data)["Location"] == "/plain/"
    assert visitor.client.post(path, data)["Location"] == "/plain/"
    assert visitor.client.get(path)["Location"] == "/plain/"
    assert LoginSession.objects.count() == 1


def test_two_tabs_each_with_their_own_address(tenant: Tenant) -> None:
    visitor = Visitor()
    ask(visitor, next_url="/plain/")
    first, first_code = visitor.path, str(tenant.last_message().code)
    first_form = visitor.filled("code", code=first_code)
    ask(visitor, address="other@example.com", next_url="/")
    assert visitor.path != first
    answer = visitor.client.post(*first_form)
    assert answer["Location"] == "/plain/"
    assert Identity.objects.get().user.email == ADDRESS


def test_logins_that_wait_are_bounded_and_sealed(tenant: Tenant) -> None:
    visitor = Visitor()
    for number in range(waiting_logins.MAX_WAITING + 4):
        ask(visitor, address=f"user{number}@example.com")
    stored = visitor.client.session[waiting_logins.SESSION_KEY]
    assert len(stored) == waiting_logins.MAX_WAITING
    assert "example.com" not in repr(stored)
    visitor.submit("code", code=str(tenant.last_message().code))
    assert visitor.path == "/plain/"


def test_a_waiting_login_that_was_changed_or_sealed_by_others_is_none(tenant: Tenant, settings: Any) -> None:
    visitor = Visitor()
    ask(visitor)
    path = visitor.path
    session = visitor.client.session
    ((key, entry),) = session[waiting_logins.SESSION_KEY].items()
    session[waiting_logins.SESSION_KEY] = {key: {**entry, "kind": "mfa"}}
    session.save()
    assert visitor.client.get(path).context["code"] == "login_expired"
    assert visitor.client.get(path.replace("/passwordless/code/", "/mfa/")).context["code"] == "login_expired"


def test_in_another_browser_the_address_of_the_second_step_is_worth_nothing(tenant: Tenant) -> None:
    visitor, other = Visitor(), Visitor()
    ask(visitor)
    assert other.open(visitor.path).context["code"] == "login_expired"


@pytest.mark.parametrize("next_url", ["//evil.example", "https://evil.example/", "javascript:alert(1)"])
def test_next_stays_on_this_site(tenant: Tenant, next_url: str) -> None:
    visitor = Visitor()
    visitor.open(PAGE)
    path, data = visitor.filled("address", address=ADDRESS)
    visitor.page = visitor.client.post(path, {**data, "next": next_url}, follow=True)
    visitor.path = visitor.page.redirect_chain[-1][0]
    answer = visitor.submit("code", follow=False, code=str(tenant.last_message().code))
    assert answer["Location"] == "/"


def test_a_form_without_its_csrf_token_sends_nothing(tenant: Tenant) -> None:
    visitor = Visitor()
    visitor.open(PAGE)
    assert visitor.client.post(PAGE, {"address": ADDRESS}).status_code == 403
    assert not tenant.outbox


def test_a_script_gets_json(tenant: Tenant) -> None:
    client = Client(headers=FETCH)
    assert client.post(PAGE, {"address": "nonsense"}).json()["error"] == "malformed_request"


def test_a_second_factor_after_a_code(tenant: Tenant) -> None:
    visitor = Visitor()
    log_in(visitor, tenant)
    user = tenant.users[Identity.objects.get().subject]
    user.mfa_required, user.authenticators = True, [Authenticator("sms", name=PHONE)]
    tenant.clock.advance(11)
    second = Visitor()
    ask(second)
    second.submit("code", code=str(tenant.last_message().code))
    assert second.path.startswith("/auth0/mfa/")
    second.submit("code", code=str(tenant.last_message().code))
    assert second.path == "/plain/"


def test_no_code_and_no_address_in_log_and_url(tenant: Tenant, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    visitor = Visitor()
    ask(visitor)
    code = str(tenant.last_message().code)
    wrong_code = wrong(tenant)
    visitor.submit("code", code=wrong_code)
    assert ADDRESS not in visitor.path
    visitor.submit("code", code=code)
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("django_auth0_flow"))
    for secret in (code, wrong_code, ADDRESS):
        assert secret not in ours


# -- magic links -----------------------------------------------------------------------------------------------------------


def open_link(tenant: Tenant, link: str | None = None) -> str:
    """Open the link of the newest message, as a mailbox would; return the address of our callback."""
    answer = requests.get(link or str(tenant.last_message().link), allow_redirects=False, timeout=120)
    return answer.headers["Location"].removeprefix(SITE)


def test_a_link_logs_in_in_the_browser_that_asked_for_it(tenant: Tenant) -> None:
    visitor = Visitor()
    ask(visitor, "email-link", next_url="/token/")
    assert tenant.last_message().code is None
    assert visitor.path.startswith("/auth0/passwordless/code/")
    visitor.open(open_link(tenant))
    assert visitor.path == "/token/"
    assert LoginSession.objects.get().identity.subject.startswith("email|")


def test_the_link_stands_for_a_whole_authorization_request(tenant: Tenant) -> None:
    visitor = Visitor()
    ask(visitor, "email-link")
    sent = {name: values[0] for name, values in parse_qs(urlsplit(str(tenant.last_message().link)).query).items()}
    assert sent["response_type"] == "code"
    assert sent["redirect_uri"] == "https://testserver/auth0/callback/"
    assert sent["scope"] == "openid profile email offline_access"
    assert sent["audience"] == "https://api.example.com"
    assert len(sent["nonce"]) >= 43
    assert sent["code_challenge_method"] == "S256"
    assert len(sent["code_challenge"]) == 43
    assert sent["state"]


@pytest.mark.parametrize("fault", ["nonce-invalid", "nonce-missing"])
def test_the_links_nonce_is_checked(tenant: Tenant, fault: str) -> None:
    visitor = Visitor()
    ask(visitor, "email-link")
    tenant.fault(fault)
    visitor.open(open_link(tenant))
    assert visitor.page.status_code == 400
    assert_nothing_stored(visitor.client)


def test_in_another_browser_the_link_is_refused_and_nothing_starts_by_itself(tenant: Tenant) -> None:
    visitor, other = Visitor(), Visitor()
    ask(visitor, "email-link")
    callback = open_link(tenant)
    before = tenant.count("/oauth/token")
    answer = other.open(callback)
    assert (answer.status_code, answer.context["code"]) == (400, "link_other_browser")
    assert answer.context["retry_url"] == "/auth0/passwordless/?next=%2Fplain%2F"
    assert tenant.count("/oauth/token") == before
    assert_nothing_stored(other.client)
    # The browser that asked is not harmed.
    visitor.open(callback)
    assert visitor.path == "/plain/"


def test_a_stranger_whose_link_a_victim_opens_does_not_become_the_victims_login(tenant: Tenant) -> None:
    attacker, victim = Visitor(), Visitor()
    log_in(victim, tenant, address="victim@example.com")
    ask(attacker, "email-link", "attacker@example.com")
    victim.open(open_link(tenant))
    assert victim.path == "/plain/"
    row = LoginSession.objects.get()
    assert row.identity.user.email == "victim@example.com"


def test_the_same_link_again_leads_on(tenant: Tenant) -> None:
    visitor = Visitor()
    ask(visitor, "email-link")
    callback = open_link(tenant)
    visitor.open(callback)
    visitor.open(callback)
    assert visitor.path == "/plain/"
    assert LoginSession.objects.count() == 1


def test_an_error_in_the_links_answer_leads_back_to_the_passwordless_page(tenant: Tenant) -> None:
    visitor = Visitor()
    ask(visitor, "email-link")
    tenant.fault("authorize-error", error="access_denied", description="Not today")
    answer = visitor.open(open_link(tenant))
    assert answer.context["code"] == "access_denied"
    assert answer.context["retry_url"] == "/auth0/passwordless/?next=%2Fplain%2F"


def test_strict_cookies_need_one_hop(tenant: Tenant, settings: Any) -> None:
    settings.SESSION_COOKIE_SAMESITE = "Strict"
    visitor, crossing = Visitor(), Visitor()
    ask(visitor, "email-link")
    callback = open_link(tenant)
    hop = crossing.open(callback).context["url"]
    visitor.open(hop)
    assert visitor.path == "/plain/"
