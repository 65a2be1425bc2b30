"""``auth0:account`` in a browser: two devices of one person, and the end of one login."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.person import Person
from tests.browser.site import Site

pytestmark = pytest.mark.slow

PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.5 Mobile/15E148 Safari/604.1"
)


def test_a_login_on_another_device_is_ended(person: Person, visit: Callable[..., Person], site: Site) -> None:
    ada = site.add_person("Ada Lovelace")
    phone = visit(site, user_agent=PHONE)
    for each in (phone, person):
        each.open("/diary/")
        each.log_in_at_tenant(ada)
    person.open("/auth0/account/")
    assert person.title == "Your logins"
    assert person.page.locator(".auth0-list strong").all_inner_texts() == [
        "Chrome on Linux",
        "Safari on iPhone",
        "Name and password",
    ]
    person.look("account")
    button = person.page.get_by_role("button", name="End this login")
    described = person.page.locator(f"#{button.get_attribute('aria-describedby')}")
    assert described.inner_text() == "Safari on iPhone"
    person.click("End this login")
    assert person.page.get_by_role("status").inner_text() == "1 login was ended."
    person.look("account-ended")
    person.page.reload()
    assert person.page.get_by_role("status").count() == 0
    phone.open("/")
    assert phone.name == "nobody"
    person.open("/")
    assert person.name == "Ada Lovelace"


def test_everywhere_ends_at_the_tenant_s_login_page(visit: Callable[..., Person], site: Site) -> None:
    ada = site.add_person("Ada Lovelace")
    phone, person = visit(site, user_agent=PHONE, locale="ja-JP"), visit(site, locale="ja-JP")
    for each in (phone, person):
        each.open("/diary/")
        each.log_in_at_tenant(ada)
    person.open("/auth0/account/")
    assert person.title == "あなたのログイン"
    person.look("account-japanese")
    person.click("すべての場所からログアウト")
    for each in (phone, person):
        each.open("/")
        assert each.name == "nobody"
    person.open("/diary/")
    assert person.is_at_tenant


def test_a_form_left_open_while_another_tab_logged_in_says_so(visit: Callable[..., Person], site: Site) -> None:
    ada = site.add_person("Ada Lovelace", mfa_required=False)
    person = visit(site)
    person.open("/auth0/account/")
    person.log_in_at_tenant(ada)
    phone = visit(site, user_agent=PHONE)
    phone.open("/diary/")
    phone.log_in_at_tenant(ada)
    person.page.reload()
    second = person.context.new_page()
    second.goto("/auth0/login/?next=/diary/")
    assert second.get_by_role("heading", level=1).inner_text() == "Diary of day 1"
    person.click("End this login")
    assert "Please try again." in person.page.get_by_role("alert").inner_text()
    person.look("account-expired")
    person.click("End this login")
    assert person.page.get_by_role("status").inner_text() == "1 login was ended."
