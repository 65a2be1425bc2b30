"""The authorization code flow with a person's clicks, on both sides of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.person import Person
from tests.browser.site import Site

pytestmark = pytest.mark.slow


def test_a_person_logs_in_and_out(person: Person) -> None:
    ada = person.site.add_person("Ada Lovelace")
    person.open("/")
    assert person.name == "nobody"
    person.click("Log in")
    assert person.is_at_tenant
    person.look("tenant-login")
    person.log_in_at_tenant(ada)
    assert (person.path, person.name) == ("/diary/", "Ada Lovelace")
    person.click("Log out")
    assert (person.path, person.name) == ("/", "nobody")
    person.open("/diary/2/")
    assert person.is_at_tenant, "the tenant's session has ended too"


def test_a_protected_page_is_reached_by_its_own_address(person: Person) -> None:
    ada = person.site.add_person("Ada Lovelace")
    person.open("/diary/3/?from=mail")
    person.log_in_at_tenant(ada)
    assert (person.path, person.title) == ("/diary/3/?from=mail", "Diary of day 3")


def test_a_wrong_password_stays_at_the_tenant(anybody: Person) -> None:
    ada = anybody.site.add_person("Ada Lovelace")
    anybody.open("/diary/")
    ada.password = "something else"
    anybody.log_in_at_tenant(ada)
    assert anybody.is_at_tenant
    assert anybody.page.get_by_role("alert").inner_text() == "Wrong email or password"


def test_with_the_keyboard_only(anybody: Person) -> None:
    ada = anybody.site.add_person("Ada Lovelace")
    page, keys = anybody.page, anybody.page.keyboard
    anybody.open("/")
    keys.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Log in"
    with page.expect_event("load"):
        keys.press("Enter")
    while page.evaluate("document.activeElement.id") != "username":
        keys.press("Tab")
    keys.type(ada.email or "")
    keys.press("Tab")
    keys.type(ada.password or "")
    with page.expect_event("load"):
        keys.press("Enter")
    assert anybody.name == "Ada Lovelace"
    keys.press("Tab")
    with page.expect_event("load"):
        keys.press("Enter")
    assert anybody.name == "nobody"


# -- tabs, back and reload -----------------------------------------------------------------------------------------------


def test_two_tabs_that_start_at_once_finish_in_reverse_order(anybody: Person) -> None:
    ada = anybody.site.add_person("Ada Lovelace")
    first, second = anybody.page, anybody.context.new_page()
    anybody.open("/")
    second.goto("/")
    for page, day in ((first, 1), (second, 2)):
        page.evaluate(f"location.assign('/diary/{day}/')")
    for page in (first, second):
        page.get_by_label("Password").wait_for()
    anybody.log_in_at_tenant(ada, page=second)
    anybody.log_in_at_tenant(ada, page=first)
    assert second.get_by_role("heading").inner_text() == "Diary of day 2"
    assert first.get_by_role("heading").inner_text() == "Diary of day 1"
    for page in (first, second):
        page.reload()
        assert page.locator("#person").inner_text() == "Ada Lovelace"


def test_three_tabs_restored_at_once_need_one_password(anybody: Person) -> None:
    """As a browser does in the morning; the tenant's session serves the tabs that come after the first login."""
    ada = anybody.site.add_person("Ada Lovelace")
    tabs = [anybody.page, *(anybody.context.new_page() for _ in range(2))]
    for number, page in enumerate(tabs, 1):
        page.goto(f"/diary/{number}/", wait_until="commit")
    for page in tabs:
        page.get_by_label("Password").wait_for()
    anybody.log_in_at_tenant(ada, page=tabs[1])
    for number, page in enumerate(tabs, 1):
        page.goto(f"/diary/{number}/")
        assert page.get_by_role("heading").inner_text() == f"Diary of day {number}"


def test_the_back_button_after_a_login_leads_to_no_error(anybody: Person) -> None:
    ada = anybody.site.add_person("Ada Lovelace")
    anybody.open("/")
    anybody.click("Log in")
    anybody.log_in_at_tenant(ada)
    anybody.page.go_back()
    assert anybody.is_at_tenant
    if anybody.page.get_by_label("Password").count():
        anybody.log_in_at_tenant(ada)
    anybody.page.goto("/diary/4/")
    assert (anybody.title, anybody.name) == ("Diary of day 4", "Ada Lovelace")


def test_a_stale_callback_leads_straight_on_to_next(anybody: Person) -> None:
    ada = anybody.site.add_person("Ada Lovelace")
    anybody.open("/diary/5/")
    anybody.log_in_at_tenant(ada)
    [callback] = anybody.addresses("/auth0/callback/")
    for _ in range(2):
        assert anybody.open(callback) == 200
        assert (anybody.path, anybody.name) == ("/diary/5/", "Ada Lovelace")


def test_a_stale_callback_of_nobody_starts_the_login_again(anybody: Person) -> None:
    ada = anybody.site.add_person("Ada Lovelace")
    anybody.open("/diary/6/")
    anybody.log_in_at_tenant(ada)
    [callback] = anybody.addresses("/auth0/callback/")
    anybody.click("Log out")
    anybody.open(callback)
    assert anybody.is_at_tenant
    anybody.log_in_at_tenant(ada)
    assert (anybody.path, anybody.name) == ("/diary/6/", "Ada Lovelace")


# -- no ------------------------------------------------------------------------------------------------------------------


def test_whoever_denies_can_try_again(person: Person) -> None:
    ada = person.site.add_person("Ada Lovelace")
    person.open("/diary/7/")
    person.click("Deny and go back")
    assert person.title == "Login failed"
    assert "declined" in person.page.get_by_role("alert").inner_text()
    assert person.page.get_by_text("access_denied").is_visible()
    person.look("login-failed")
    person.page.reload()
    assert person.title == "Login failed"
    person.click("Try again")
    person.log_in_at_tenant(ada)
    assert (person.path, person.name) == ("/diary/7/", "Ada Lovelace")


def test_the_failure_page_speaks_japanese(visit: Callable[..., Person], site: Site) -> None:
    person = visit(site, locale="ja-JP")
    person.open("/diary/")
    person.click("拒否して戻る")
    assert person.page.locator("html").get_attribute("lang") == "ja"
    assert person.title == "ログインできませんでした"
    person.look("login-failed-ja")


def test_consent_is_given_or_declined(person: Person) -> None:
    ada = person.site.add_person("Ada Lovelace")
    person.open("/third/login/?next=/diary/8/")
    person.log_in_at_tenant(ada)
    person.look("tenant-consent")
    person.click("Decline")
    assert person.title == "Login failed"
    person.click("Try again")
    person.click("Accept")
    assert (person.path, person.name) == ("/diary/8/", "Ada Lovelace")


def test_a_page_that_asks_for_too_much_says_so_after_one_round(person: Person) -> None:
    ada = person.site.add_person("Ada Lovelace")
    person.open("/attic/")
    person.log_in_at_tenant(ada)
    assert person.title == "You can't open this page"
    assert person.page.get_by_text("permission that this page needs").is_visible()
    person.look("forbidden")
    person.click("Use another account")
    assert person.is_at_tenant


@pytest.mark.parametrize("how", ["click", "type"])
def test_a_circle_that_a_person_began_ends_in_a_page(anybody: Person, how: str) -> None:
    """The browser calls each redirect of such a circle the person's own (``Sec-Fetch-User``)."""
    anybody.open("/diary/")
    anybody.log_in_at_tenant(anybody.site.add_person("Ada Lovelace"))
    anybody.requests.clear()
    if how == "click":
        anybody.page.evaluate("document.body.insertAdjacentHTML('beforeend', '<a href=/circle/>Circle</a>')")
        anybody.click("Circle")
    else:
        anybody.open("/circle/")
    assert anybody.page.locator("code", has_text="login_loop").is_visible()
    assert len(anybody.addresses("/auth0/callback/")) <= 3


def test_a_person_who_clicks_and_clicks_is_no_circle(anybody: Person) -> None:
    anybody.open("/diary/")
    anybody.log_in_at_tenant(anybody.site.add_person("Ada Lovelace"))
    for _ in range(6):
        link = "<a href=/auth0/login/?next=/diary/>Again</a>"
        anybody.page.evaluate(f"document.body.insertAdjacentHTML('beforeend', '{link}')")
        anybody.click("Again")
        assert anybody.path == "/diary/"
    assert len(anybody.addresses("/auth0/callback/")) == 7


def test_a_tenant_in_trouble_is_a_page_with_a_way_on(person: Person) -> None:
    ada = person.site.add_person("Ada Lovelace")
    person.open("/diary/9/")
    headers = {"Retry-After": "300"}  # the page must not try again by itself meanwhile
    person.site.tenant.fault("status", times=2, endpoint="token", status=503, headers=headers)
    person.log_in_at_tenant(ada)
    person.site.tenant.clear_faults()
    assert person.title == "One moment, please"
    person.look("unavailable")
    person.click("Try again")
    assert (person.path, person.name) == ("/diary/9/", "Ada Lovelace")


def test_the_page_counts_down_and_tries_again_by_itself_once(visit: Callable[..., Person], site: Site) -> None:
    person = visit(site)
    ada = site.add_person("Ada Lovelace")
    page = person.page
    page.clock.install(time="2026-06-14T12:00:00")
    page.clock.pause_at("2026-06-14T12:00:01")
    site.tenant.fault("drop", times=2, endpoint="token")
    person.open("/diary/10/")
    person.log_in_at_tenant(ada)
    assert person.title == "One moment, please"
    timer = page.get_by_role("timer")
    assert timer.inner_text() == "0:05"
    page.clock.run_for(2000)
    assert timer.inner_text() == "0:03"
    callbacks = len(person.addresses("/auth0/callback/"))
    with page.expect_event("load"):
        page.clock.run_for(4000)
    page.wait_for_url("**/auth0/callback/**")
    assert page.get_by_text("has tried again by itself").is_visible()
    assert len(person.addresses("/auth0/callback/")) == callbacks + 1
    asked = len(person.requests)
    page.clock.run_for(120_000)
    assert len(person.requests) == asked, "a second failure waits for a person"
    person.look("unavailable-tried")
    person.click("Try again")
    assert (person.path, person.name) == ("/diary/10/", "Ada Lovelace")


# -- more of the same ----------------------------------------------------------------------------------------------------


def test_a_second_factor_is_asked_for_by_the_page_that_needs_it(person: Person) -> None:
    ada = person.site.add_person("Ada Lovelace")
    person.open("/diary/")
    person.log_in_at_tenant(ada)
    person.open("/vault/")
    assert person.is_at_tenant
    person.look("tenant-second-factor")
    person.type("One-time code", "123456")
    person.click("Continue")
    assert (person.path, person.title, person.name) == ("/vault/", "Vault", "Ada Lovelace")


def test_the_logout_page_asks_first(person: Person) -> None:
    ada = person.site.add_person("Ada Lovelace")
    person.open("/diary/")
    person.log_in_at_tenant(ada)
    person.open("/auth0/logout/?next=/diary/")
    assert person.title == "Log out?"
    person.look("logout")
    person.click("Stay logged in")
    assert person.name == "Ada Lovelace"
    person.open("/auth0/logout/")
    person.click("Log out")
    assert (person.path, person.name) == ("/", "nobody")
    person.open("/auth0/logged-out/")
    assert person.title == "You are logged out"
    person.look("logged-out")


def test_a_script_is_told_instead_of_redirected(anybody: Person) -> None:
    ask = "fetch('/numbers/').then(async answer => [answer.status, await answer.json()])"
    ada = anybody.site.add_person("Ada Lovelace")
    anybody.open("/")
    status, body = anybody.page.evaluate(ask)
    assert (status, body["error"], body["login_url"]) == (401, "login_required", "/auth0/login/?next=%2F")
    anybody.open(body["login_url"])
    anybody.log_in_at_tenant(ada)
    assert anybody.path == "/"
    assert anybody.page.evaluate(ask) == [200, {"numbers": [1, 2, 3]}]
