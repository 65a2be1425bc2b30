"""Whole logins in Chromium, Firefox and WebKit, with the cookies that each sends by its own defaults.

The site is ``https://localhost``, its tenant ``http://127.0.0.1``: two sites to a browser.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.browser.site import Site
from tests.servers.browser_engines import Engine

if TYPE_CHECKING:
    from tests.webdriver.person import Person

pytestmark = pytest.mark.slow


# -- the code flow ---------------------------------------------------------------------------------------------------------


def test_a_person_logs_in_and_out(person: Person) -> None:
    ada = person.site.add_person("Ada Lovelace")
    person.open("/")
    assert person.name == "nobody"
    person.click("Log in")
    person.log_in_at_tenant(ada)
    person.arrive("/diary/")
    assert person.name == "Ada Lovelace"
    session = person.cookies()["sessionid"]
    assert (session["sameSite"], session["secure"], session["httpOnly"]) == ("Lax", True, True)
    person.click("Log out")
    person.arrive("/")
    assert (person.name, "sessionid" in person.cookies()) == ("nobody", False)
    person.open("/diary/2/")
    person.arrive_at_tenant()  # whose session has ended too


def test_a_protected_page_is_reached_by_its_own_address(person: Person) -> None:
    ada = person.site.add_person("Ada Lovelace")
    person.open("/diary/3/?from=mail")
    person.log_in_at_tenant(ada)
    person.arrive("/diary/3/?from=mail")
    assert person.title == "Diary of day 3"


def test_on_localhost_without_https(visit: Callable[[Site], Person], plain_site: Site) -> None:
    person = visit(plain_site)
    ada = plain_site.add_person("Ada Lovelace")
    person.open("/diary/4/")
    person.log_in_at_tenant(ada)
    person.arrive("/diary/4/")
    assert person.name == "Ada Lovelace"
    person.click("Log out")
    person.arrive("/")
    assert person.name == "nobody"


def test_whoever_denies_can_try_again(person: Person) -> None:
    ada = person.site.add_person("Ada Lovelace")
    person.open("/diary/5/")
    person.arrive_at_tenant()
    person.click("Deny and go back")
    person.arrive_at_page("Login failed")
    person.click("Try again")
    person.log_in_at_tenant(ada)
    person.arrive("/diary/5/")
    assert person.name == "Ada Lovelace"


# -- tabs and the back button ----------------------------------------------------------------------------------------------


def test_two_tabs_that_start_at_once_finish_in_reverse_order(person: Person) -> None:
    ada = person.site.add_person("Ada Lovelace")
    first = person.tab
    person.open("/diary/1/")
    second = person.new_tab()
    person.open("/diary/2/")
    for tab, path in ((second, "/diary/2/"), (first, "/diary/1/")):
        person.use_tab(tab)
        person.log_in_at_tenant(ada)
        person.arrive(path)
    for tab in (second, first):
        person.use_tab(tab)
        person.reload()
        assert person.name == "Ada Lovelace"


def test_back_after_a_login_leads_to_no_error_of_the_site(person: Person) -> None:
    """Chromium and Firefox ask the tenant for its page again, WebKit shows it from memory."""
    ada = person.site.add_person("Ada Lovelace")
    person.open("/")
    person.click("Log in")
    person.log_in_at_tenant(ada)
    person.arrive("/diary/")
    person.back()
    assert person.is_at_tenant
    person.back()
    person.arrive("/")
    person.reload()
    assert person.name == "Ada Lovelace"


def test_back_after_a_logout_opens_nothing(person: Person) -> None:
    """Chromium and WebKit show the page that was there from memory, Firefox asks for it; a request meets the login."""
    ada = person.site.add_person("Ada Lovelace")
    person.open("/diary/6/")
    person.log_in_at_tenant(ada)
    person.arrive("/diary/6/")
    person.click("Log out")
    person.arrive("/")
    person.back()
    if not person.is_at_tenant:
        assert (person.path, person.title) == ("/diary/6/", "Diary of day 6")
        person.reload()
    person.arrive_at_tenant()


# -- form_post -------------------------------------------------------------------------------------------------------------


def test_form_post_across_sites(person: Person) -> None:
    ada = person.site.add_person("Ada Lovelace")
    person.open("/posted/login/?next=/diary/1/")
    person.log_in_at_tenant(ada)
    person.arrive("/diary/1/")
    assert person.name == "Ada Lovelace"
    [own] = person.site.received("/posted/callback/", "POST")[-1]
    assert own.startswith("__Host-auth0_login_"), "no Lax cookie goes with the tenant's POST"
    assert "sessionid" in person.site.received("/posted/callback/", "GET")[-1]
    assert set(person.cookies()) == {"sessionid", "csrftoken"}, "its own cookie is gone"


def test_form_post_keeps_the_session_that_the_visitor_had(person: Person) -> None:
    ada = person.site.add_person("Ada Lovelace")
    person.open("/diary/")
    person.log_in_at_tenant(ada)
    person.arrive("/diary/")
    person.open("/posted/login/?next=/diary/2/&screen_hint=signup")
    person.arrive("/diary/2/")
    assert person.name == "Ada Lovelace"


def test_form_post_in_two_tabs_and_back(person: Person) -> None:
    ada = person.site.add_person("Ada Lovelace")
    first = person.tab
    person.open("/posted/login/?next=/diary/3/")
    second = person.new_tab()
    person.open("/posted/login/?next=/diary/4/")
    for tab, path in ((second, "/diary/4/"), (first, "/diary/3/")):
        person.use_tab(tab)
        person.log_in_at_tenant(ada)
        person.arrive(path)
    person.back()
    person.open("/diary/5/")
    assert person.name == "Ada Lovelace"


def test_form_post_on_localhost_without_https(
    visit: Callable[[Site], Person], plain_site: Site, engine: Engine
) -> None:
    """Chromium and Firefox trust loopback as they trust https; WebKit keeps no Secure cookie there."""
    person = visit(plain_site)
    ada = plain_site.add_person("Ada Lovelace")
    person.open("/posted/login/?next=/diary/6/")
    person.log_in_at_tenant(ada)
    if engine.trusts_loopback:
        person.arrive("/diary/6/")
        assert person.name == "Ada Lovelace"
    else:
        person.arrive_at_page("Login failed")
        assert "https" in person.text
        assert "form_post_needs_https" in person.text


# -- the fragment ----------------------------------------------------------------------------------------------------------


def test_a_fragment_is_brought_to_the_server_and_kept_nowhere(person: Person) -> None:
    ada = person.site.add_person("Ada Lovelace")
    person.open("/fragment/login/?next=/diary/1/")
    person.log_in_at_tenant(ada)
    person.arrive("/diary/1/")
    assert person.name == "Ada Lovelace"
    person.back()
    assert "token" not in person.address
    person.open("/diary/2/")
    assert person.name == "Ada Lovelace"


# -- SESSION_COOKIE_SAMESITE = "Strict" ------------------------------------------------------------------------------------


def test_a_strict_session_cookie_costs_one_hop(visit: Callable[[Site], Person], strict_site: Site) -> None:
    person = visit(strict_site)
    ada = strict_site.add_person("Ada Lovelace")
    person.open("/")
    person.click("Log in")
    person.log_in_at_tenant(ada)
    person.arrive("/diary/")
    assert (person.name, person.cookies()["sessionid"]["sameSite"]) == ("Ada Lovelace", "Strict")
    first, second = strict_site.received("/auth0/callback/", "GET")[-2:]
    assert ("sessionid" in first, "sessionid" in second) == (False, True)
    person.click("Log out")
    person.arrive("/")
    assert person.name == "nobody"


def test_a_strict_session_cookie_with_form_post(visit: Callable[[Site], Person], strict_site: Site) -> None:
    person = visit(strict_site)
    ada = strict_site.add_person("Ada Lovelace")
    person.open("/posted/login/?next=/diary/2/")
    person.log_in_at_tenant(ada)
    person.arrive("/diary/2/")
    assert person.name == "Ada Lovelace"


def test_a_denied_login_with_a_strict_session_cookie(visit: Callable[[Site], Person], strict_site: Site) -> None:
    person = visit(strict_site)
    person.open("/diary/")
    person.arrive_at_tenant()
    person.click("Deny and go back")
    person.arrive_at_page("Login failed")
    assert "access_denied" in person.text


# -- silent login ----------------------------------------------------------------------------------------------------------


def test_a_visitor_whom_the_tenant_does_not_know_is_let_through(person: Person) -> None:
    asked = len(person.site.received("/auth0/callback/", "GET"))
    for _ in range(2):
        person.open("/news/")
        person.arrive("/news/")
        assert person.name == "nobody"
    assert len(person.site.received("/auth0/callback/", "GET")) == asked + 1, "asked once only"


@pytest.mark.parametrize("kind", ["site", "plain_site", "strict_site"])
def test_a_session_at_the_tenant_is_adopted_without_a_page(
    visit: Callable[[Site], Person], request: pytest.FixtureRequest, kind: str
) -> None:
    site: Site = request.getfixturevalue(kind)
    person = visit(site)
    ada = site.add_person("Ada Lovelace")
    person.open("/diary/")
    person.log_in_at_tenant(ada)
    person.arrive("/diary/")
    person.forget_site()
    person.open("/news/")
    person.arrive("/news/")
    assert (person.title, person.name) == ("News", "Ada Lovelace")
