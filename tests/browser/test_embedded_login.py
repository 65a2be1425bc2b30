"""Logins on the site's own pages: codes and links by mail, name and password, the second factor."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from django_auth0_flow.testing.tenant.factors import totp
from django_auth0_flow.testing.tenant.model import Authenticator
from tests.browser.person import Person
from tests.browser.site import PASSWORD, Site

pytestmark = pytest.mark.slow

SECRET = "JBSWY3DPEHPK3PXP"


def type_password(person: Person, email: str | None, password: str = PASSWORD) -> None:
    """Fill in the site's own password page."""
    person.type("E-mail address or username", email or "")
    person.type("Password", password)
    person.click("Log in")


def press_enter(person: Person) -> None:
    """Send the form as people do who have just typed something."""
    with person.page.expect_event("load"):
        person.page.keyboard.press("Enter")


def one_time_code(site: Site) -> str:
    return totp(SECRET, site.tenant.clock.now())


# -- passwordless --------------------------------------------------------------------------------------------------------


def test_a_code_by_mail(person: Person) -> None:
    person.open("/embedded/passwordless/?next=/diary/1/")
    person.look("passwordless")
    person.type("E-mail address or telephone number", "ada@example.org")
    press_enter(person)
    assert person.title == "Enter the code"
    person.look("passwordless-code")
    person.type("Code", str(person.site.tenant.last_message().code))
    person.click("Log in")
    assert (person.path, person.title) == ("/diary/1/", "Diary of day 1")
    person.page.go_back()
    assert person.title == "Diary of day 1", "the form that is done leads on"


def test_the_button_fits_what_is_being_typed(visit: Callable[..., Person], site: Site) -> None:
    person = visit(site)
    person.open("/embedded/passwordless/?next=/diary/1/")
    field = person.page.get_by_label("E-mail address or telephone number")
    send = person.page.locator("button").first
    link = person.page.get_by_role("button", name="Send me a link by e-mail")
    assert send.inner_text() == "Send me a code"
    for typed in ("a", "ada@example.org", "アダ"):
        field.fill(typed)
        assert (send.inner_text(), link.is_visible()) == ("Send me a code by e-mail", True)
    for typed in ("+", "+44 7700 900123", "０９０ー１２３４"):
        field.fill(typed)
        assert (send.inner_text(), link.is_visible()) == ("Send me a code by text message", False)
    field.fill("")
    assert (send.inner_text(), link.is_visible()) == ("Send me a code", True)
    field.fill("+44 7700 900123")
    person.look("passwordless-number")
    press_enter(person)
    assert "+447700900123" in person.page.inner_text("main")
    assert (site.tenant.last_message().kind, site.tenant.last_message().to) == ("sms", "+447700900123")
    person.page.go_back()
    assert send.inner_text() == "Send me a code by text message", "the number is still in the field"


def test_a_wrong_code_can_be_corrected_and_a_new_one_sent(person: Person) -> None:
    person.open("/embedded/passwordless/?next=/diary/1/")
    person.type("E-mail address or telephone number", "ada@example.org")
    press_enter(person)
    person.type("Code", "000000")
    person.click("Log in")
    assert "wrong" in person.page.get_by_role("alert").first.inner_text()
    person.look("passwordless-wrong-code")
    person.click("Send a new code")
    person.type("Code", str(person.site.tenant.last_message().code))
    person.click("Log in")
    assert (person.path, person.title) == ("/diary/1/", "Diary of day 1")


def test_an_address_that_is_none_is_told_at_its_field(person: Person) -> None:
    person.open("/embedded/passwordless/")
    person.type("E-mail address or telephone number", "ada at home")
    press_enter(person)
    field = person.page.get_by_label("E-mail address or telephone number")
    assert field.get_attribute("aria-invalid") == "true"
    problem = person.page.locator(f"#{field.get_attribute('aria-describedby')}")
    assert problem.is_visible()
    assert problem.inner_text()
    person.look("passwordless-malformed")


def test_a_link_by_mail_opens_in_the_browser_that_asked(person: Person, visit: Callable[..., Person]) -> None:
    person.open("/embedded/passwordless/?next=/diary/2/")
    person.type("E-mail address or telephone number", "ada@example.org")
    person.click("Send me a link by e-mail")
    assert person.title == "Check your e-mail"
    person.look("passwordless-link")
    link = str(person.site.tenant.last_message().link)
    stranger = visit(person.site)
    stranger.open(link)
    assert stranger.title == "Login failed"
    assert "in the browser in which you asked for it" in stranger.page.get_by_role("alert").inner_text()
    stranger.look("passwordless-link-elsewhere")
    person.click("Send a new link")
    person.open(str(person.site.tenant.last_message().link))
    assert (person.path, person.title) == ("/diary/2/", "Diary of day 2")


# -- name and password ---------------------------------------------------------------------------------------------------


def test_name_and_password(person: Person) -> None:
    ada = person.site.add_person("Ada Lovelace")
    person.open("/embedded/password/?next=/diary/3/")
    person.look("password")
    type_password(person, ada.email, "wrong horse")
    assert "wrong" in person.page.get_by_role("alert").first.inner_text()
    person.look("password-wrong")
    type_password(person, ada.email)
    assert (person.path, person.name) == ("/diary/3/", "Ada Lovelace")
    person.click("Log out")
    assert person.name == "nobody"


def test_a_form_left_open_while_another_tab_logged_in_leads_on(anybody: Person) -> None:
    ada = anybody.site.add_person("Ada Lovelace")
    second = anybody.context.new_page()
    second.goto("/embedded/password/?next=/diary/4/")
    anybody.open("/diary/")
    anybody.log_in_at_tenant(ada)
    second.get_by_label("E-mail address or username").fill(ada.email or "")
    second.get_by_label("Password").fill(PASSWORD)
    with second.expect_event("load"):
        second.get_by_role("button", name="Log in").click()
    assert second.get_by_role("heading").inner_text() == "Diary of day 4"


def test_password_and_code_with_the_keyboard_only(anybody: Person) -> None:
    ada = anybody.site.add_person(
        "Ada Lovelace", mfa_required=True, authenticators=[Authenticator("otp", secret=SECRET)]
    )
    page, keys = anybody.page, anybody.page.keyboard

    def type_and_send(*texts: str) -> None:
        while page.evaluate("!document.activeElement.matches('input:not([type=hidden])')"):
            keys.press("Tab")
        keys.type(texts[0])
        for text in texts[1:]:
            keys.press("Tab")
            keys.type(text)
        with page.expect_event("load"):
            keys.press("Enter")

    anybody.open("/embedded/password/?next=/diary/5/")
    type_and_send(ada.email or "", PASSWORD)
    assert anybody.title == "Second step"
    type_and_send(one_time_code(anybody.site))
    assert (anybody.path, anybody.name) == ("/diary/5/", "Ada Lovelace")


# -- accounts ------------------------------------------------------------------------------------------------------------


def test_a_new_account(person: Person, site: Site) -> None:
    person.open("/embedded/password/?next=/diary/3/")
    person.look("password-linked")
    person.click("Sign up")
    person.look("sign-up")
    person.type("E-mail address", f"mary{len(site.tenant.users)}@example.com")
    person.type("First name", "Mary")
    person.type("Password", "abc")
    person.click("Sign up")
    assert "too weak" in person.page.get_by_role("alert").first.inner_text()
    assert "At least 8 characters" in person.page.locator("blockquote").inner_text()
    person.look("sign-up-weak")
    person.type("Password", "Jamaica-1805")
    person.click("Sign up")
    assert (person.path, person.title) == ("/diary/3/", "Diary of day 3")


def test_a_forgotten_password(person: Person) -> None:
    ada = person.site.add_person("Ada Lovelace")
    person.open("/embedded/password/?next=/diary/4/")
    person.click("Forgotten your password?")
    person.look("reset")
    person.type("E-mail address", ada.email or "")
    person.click("Send me the message")
    assert person.title == "Check your e-mail"
    person.look("reset-sent")
    site = person.page.url
    person.open(str(person.site.tenant.last_message().link))
    person.type("New password", "Analytical-1843")
    person.click("Change password")
    person.open(site)
    person.click("Log in")
    type_password(person, ada.email, "Analytical-1843")
    assert (person.path, person.name) == ("/diary/4/", "Ada Lovelace")


# -- the second factor ---------------------------------------------------------------------------------------------------


def test_a_second_factor_among_several(person: Person) -> None:
    factors = [
        Authenticator("otp", secret=SECRET),
        Authenticator("sms", name="+819012345678"),
        Authenticator("email", name="ada@example.org"),
        Authenticator("push", name="Ada's telephone"),
        Authenticator("recovery-code", secret="ABCDEFGHJKLMNPQRSTUVWXYZ"),
    ]
    ada = person.site.add_person("Ada Lovelace", mfa_required=True, authenticators=factors)
    person.open("/embedded/password/?next=/diary/6/")
    type_password(person, ada.email)
    if person.page.get_by_role("link", name="Choose another way").count():
        person.look("mfa-code")
        person.click("Choose another way")
    person.look("mfa-choice")
    person.click("Recovery code")
    person.look("mfa-recovery-code")
    person.click("Choose another way")
    person.click("Code from an authenticator app", exact=False)
    person.type("Code", one_time_code(person.site))
    person.click("Continue")
    assert (person.path, person.name) == ("/diary/6/", "Ada Lovelace")


def test_an_approved_notification_goes_on_by_itself_without_script(visit: Callable[..., Person], site: Site) -> None:
    person = visit(site, java_script_enabled=False)
    ada = site.add_person("Ada Lovelace", mfa_required=True, authenticators=[Authenticator("push", name="Telephone")])
    person.open("/embedded/password/?next=/diary/6/")
    type_password(person, ada.email)
    if person.page.get_by_role("button", name="Notification on your device").count():
        person.click("Notification on your device", exact=False)
    assert "Approve the login" in person.page.locator("main").inner_text()
    person.look("mfa-push")
    site.tenant.answer_push()
    person.page.wait_for_url("**/diary/6/", timeout=120_000)
    assert person.name == "Ada Lovelace"


def test_a_text_message_as_second_factor(person: Person) -> None:
    factors = [Authenticator("sms", name="+819012345678"), Authenticator("recovery-code", secret="ABCDEFGHJKLMNPQR")]
    ada = person.site.add_person("Ada Lovelace", mfa_required=True, authenticators=factors)
    person.open("/embedded/password/?next=/diary/7/")
    type_password(person, ada.email)
    if person.page.get_by_label("Code", exact=True).count() == 0:
        person.click("Text message", exact=False)
    person.look("mfa-sms")
    person.type("Code", "000000")
    person.click("Continue")
    assert "wrong" in person.page.get_by_role("alert").first.inner_text()
    person.look("mfa-wrong-code")
    person.type("Code", str(person.site.tenant.last_message().code))
    person.click("Continue")
    assert (person.path, person.name) == ("/diary/7/", "Ada Lovelace")


def test_the_first_factor_is_set_up_on_the_way(person: Person) -> None:
    ada = person.site.add_person("Ada Lovelace", mfa_required=True)
    person.open("/embedded/password/?next=/diary/8/")
    type_password(person, ada.email)
    assert person.title == "Set up a second step"
    person.look("mfa-enrol")
    person.click("Code from an authenticator app")
    person.page.get_by_text("It can't be scanned?").click()
    secret = person.page.locator(".auth0-secret code").first.inner_text().replace(" ", "")
    person.look("mfa-enrol-app")
    person.type("Code", totp(secret, person.site.tenant.clock.now()))
    person.click("Continue")
    assert person.title == "Your recovery code"
    person.look("mfa-recovery-codes")
    person.click("I have kept it")
    assert (person.path, person.name) == ("/diary/8/", "Ada Lovelace")


def test_recovery_codes_are_copied_printed_and_kept_as_a_file(anybody: Person) -> None:
    ada = anybody.site.add_person(
        "Ada Lovelace", mfa_required=True, authenticators=[Authenticator("recovery-code", secret="ABCDEFGHJKLMNPQR")]
    )
    page = anybody.page
    anybody.context.grant_permissions(["clipboard-read", "clipboard-write"])
    anybody.open("/embedded/password/?next=/diary/9/")
    type_password(anybody, ada.email)
    anybody.type("Recovery code", "ABCD EFGH JKLM NPQR")
    anybody.click("Continue")
    assert anybody.title == "Your recovery code"
    code = ada.authenticators[0].secret
    page.get_by_role("button", name="Copy", exact=True).click()
    page.get_by_role("button", name="Copied", exact=True).wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == code
    page.evaluate("window.print = () => { window.printed = true; }")
    page.get_by_role("button", name="Print", exact=True).click()
    assert page.evaluate("window.printed")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download", exact=True).click()
    assert download.value.path().read_text().split() == [
        "Recovery",
        "code",
        "for",
        f"localhost:{anybody.site.port}",
        code,
    ]
    anybody.look("mfa-recovery-code-kept")
    page.emulate_media(media="print")
    assert not page.get_by_role("button", name="Print", exact=True).is_visible()
    assert page.locator(".auth0-secret").is_visible()


def test_without_script_recovery_codes_are_kept_as_a_file(visit: Callable[..., Person], site: Site) -> None:
    person = visit(site, java_script_enabled=False)
    ada = site.add_person(
        "Ada Lovelace", mfa_required=True, authenticators=[Authenticator("recovery-code", secret="ABCDEFGHJKLMNPQR")]
    )
    person.open("/embedded/password/?next=/diary/9/")
    type_password(person, ada.email)
    person.type("Recovery code", "ABCDEFGHJKLMNPQR")
    person.click("Continue")
    assert not person.page.get_by_role("button", name="Copy").is_visible()
    assert not person.page.get_by_role("button", name="Print").is_visible()
    with person.page.expect_download() as download:
        person.page.get_by_role("link", name="Download", exact=True).click()
    assert ada.authenticators[0].secret in download.value.path().read_text()


def test_a_second_step_is_chosen_and_set_up_with_the_keyboard_only(anybody: Person) -> None:
    ada = anybody.site.add_person("Ada Lovelace", mfa_required=True)
    page, keys = anybody.page, anybody.page.keyboard
    anybody.open("/embedded/password/?next=/diary/9/")
    type_password(anybody, ada.email)
    order = []
    for _ in range(4):
        keys.press("Tab")
        order.append(page.evaluate("document.activeElement.value"))
    assert order == ["otp", "push", "sms", "email"]
    keys.press("Shift+Tab")
    with page.expect_event("load"):
        keys.press("Enter")
    assert anybody.title == "Your telephone number"
    keys.type("+81 90 1234 5678")
    with page.expect_event("load"):
        keys.press("Enter")
    assert "+819012345678" in page.inner_text("main")
    keys.type(str(anybody.site.tenant.last_message().code))
    with page.expect_event("load"):
        keys.press("Enter")
    assert anybody.title == "Your recovery code"


def test_a_form_whose_answer_is_trouble_is_not_sent_again_by_itself(anybody: Person, site: Site) -> None:
    ada = site.add_person("Ada Lovelace", mfa_required=True, authenticators=[Authenticator("otp", secret=SECRET)])
    anybody.page.clock.install()
    anybody.open("/embedded/password/?next=/diary/9/")
    type_password(anybody, ada.email)
    site.tenant.fault("drop", endpoint="token")
    anybody.type("Code", one_time_code(site))
    anybody.click("Continue")
    assert anybody.title == "One moment, please"
    asked = len(anybody.requests)
    anybody.page.clock.run_for(300_000)
    assert len(anybody.requests) == asked
    anybody.click("Try again")
    anybody.type("Code", one_time_code(site))
    anybody.click("Continue")
    assert (anybody.path, anybody.name) == ("/diary/9/", "Ada Lovelace")
