"""What cookies go where: a site on ``localhost`` and a tenant on ``127.0.0.1`` are two sites to the browser.

Both speak plain http. Chromium takes ``Secure`` cookies from loopback all the same, and sends them across sites when they
say ``SameSite=None``; a tenant's POST comes with no other cookie.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.person import Person
from tests.browser.site import Site

if TYPE_CHECKING:
    from playwright.sync_api import Request, Route

pytestmark = pytest.mark.slow


def cookies_of(person: Person) -> dict[str, Any]:
    """Return the cookies that the site has set, by name."""
    return {str(cookie["name"]): cookie for cookie in person.context.cookies(person.site.url)}


def request_for(person: Person, path: str, method: str) -> Request:
    """Return the newest request of this kind."""
    return next(found for found in reversed(person.requests) if path in found.url and found.method == method)


def sent_cookies(request: Request) -> set[str]:
    """Return the names of the cookies that went with a request."""
    header = request.all_headers().get("cookie", "")
    return {pair.partition("=")[0].strip() for pair in header.split(";") if pair.strip()}


# -- form_post -----------------------------------------------------------------------------------------------------------


def test_form_post_across_sites_with_default_cookie_settings(anybody: Person) -> None:
    ada = anybody.site.add_person("Ada Lovelace")
    anybody.open("/posted/login/?next=/diary/1/")
    session = cookies_of(anybody)["sessionid"]
    own = next(cookie for name, cookie in cookies_of(anybody).items() if name.startswith("auth0_login_"))
    assert (session["sameSite"], own["sameSite"], own["secure"], own["httpOnly"]) == ("Lax", "None", True, True)
    anybody.log_in_at_tenant(ada)
    anybody.page.wait_for_url("**/diary/1/")
    assert anybody.name == "Ada Lovelace"
    posted = request_for(anybody, "/posted/callback/", "POST")
    assert sent_cookies(posted) == {own["name"]}, "no Lax cookie goes with the tenant's POST"
    fetched = request_for(anybody, "/posted/callback/", "GET")
    assert "sessionid" in sent_cookies(fetched)
    assert "code=" not in fetched.url
    after = cookies_of(anybody)
    assert after["sessionid"]["value"] != session["value"]
    assert (after["sessionid"]["sameSite"], own["name"] in after) == ("Lax", False)


def test_form_post_keeps_the_session_that_the_visitor_had(anybody: Person) -> None:
    """The POST comes without session: it must neither end nor replace the login that the session holds."""
    ada, grace = anybody.site.add_person("Ada Lovelace"), anybody.site.add_person("Grace Hopper")
    anybody.open("/diary/")
    anybody.log_in_at_tenant(ada)
    anybody.open("/posted/login/?next=/diary/2/&screen_hint=signup")
    anybody.page.wait_for_url("**/diary/2/")
    assert anybody.name == "Ada Lovelace"
    anybody.context.clear_cookies(domain="127.0.0.1")
    anybody.open("/posted/login/?next=/diary/3/")
    anybody.log_in_at_tenant(grace)
    anybody.page.wait_for_url("**/diary/3/")
    assert anybody.name == "Grace Hopper"


def test_form_post_without_script_needs_one_click_more(visit: Callable[..., Person], site: Site) -> None:
    person = visit(site, java_script_enabled=False)
    ada = site.add_person("Ada Lovelace")
    person.open("/posted/login/?next=/diary/4/")
    person.log_in_at_tenant(ada)
    person.click("Submit")
    assert (person.path, person.name) == ("/diary/4/", "Ada Lovelace")


def test_form_post_in_two_tabs_and_back(anybody: Person) -> None:
    ada = anybody.site.add_person("Ada Lovelace")
    second = anybody.context.new_page()
    anybody.open("/posted/login/?next=/diary/5/")
    second.goto("/posted/login/?next=/diary/6/")
    anybody.log_in_at_tenant(ada, page=second)
    second.wait_for_url("**/diary/6/")
    anybody.log_in_at_tenant(ada)
    anybody.page.wait_for_url("**/diary/5/")
    anybody.open(request_for(anybody, "/posted/callback/", "GET").url)
    assert (anybody.title, anybody.name) == ("Diary of day 5", "Ada Lovelace")


def test_form_post_brings_a_refusal_as_well(anybody: Person) -> None:
    anybody.open("/posted/login/?next=/diary/7/")
    anybody.click("Deny and go back")
    anybody.page.get_by_role("heading", name="Login failed").wait_for()
    assert anybody.page.get_by_text("access_denied").is_visible()
    anybody.page.reload()
    assert anybody.is_at_tenant, "what was posted is spent: the login starts again"


# -- answers in the fragment, and without a code -------------------------------------------------------------------------


def test_an_id_token_alone_comes_by_post(anybody: Person) -> None:
    ada = anybody.site.add_person("Ada Lovelace")
    anybody.open("/implicit/login/?next=/diary/1/")
    anybody.log_in_at_tenant(ada)
    anybody.page.wait_for_url("**/diary/1/")
    assert anybody.name == "Ada Lovelace"


def test_a_fragment_is_brought_to_the_server_and_kept_nowhere(anybody: Person) -> None:
    ada = anybody.site.add_person("Ada Lovelace")
    anybody.open("/fragment/login/?next=/diary/2/")
    anybody.log_in_at_tenant(ada)
    anybody.page.wait_for_url("**/diary/2/")
    assert anybody.name == "Ada Lovelace"
    anybody.page.go_back()
    assert "token" not in anybody.page.url
    anybody.open("/diary/2/")
    assert anybody.name == "Ada Lovelace"


def test_a_fragment_without_script_is_explained(visit: Callable[..., Person], site: Site) -> None:
    person = visit(site, java_script_enabled=False)
    ada = site.add_person("Ada Lovelace")
    person.open("/fragment/login/?next=/diary/3/")
    person.log_in_at_tenant(ada)
    assert "needs JavaScript" in person.page.get_by_role("alert").inner_text()
    person.look("fragment-without-script")


# -- SESSION_COOKIE_SAMESITE = "Strict" ----------------------------------------------------------------------------------


@pytest.fixture(params=[True, False], ids=["script", "no-script"])
def strict(request: pytest.FixtureRequest, visit: Callable[..., Person], strict_site: Site) -> Person:
    return visit(strict_site, java_script_enabled=request.param)


def test_a_strict_session_cookie_costs_one_hop(strict: Person) -> None:
    ada = strict.site.add_person("Ada Lovelace")
    strict.open("/")
    strict.click("Log in")
    assert cookies_of(strict)["sessionid"]["sameSite"] == "Strict"
    strict.log_in_at_tenant(ada)
    strict.page.wait_for_url("**/diary/")
    assert strict.name == "Ada Lovelace"
    first, second = strict.addresses("/auth0/callback/")
    assert "same_site" not in first
    assert "same_site=1" in second
    strict.click("Log out")
    assert (strict.path, strict.name) == ("/", "nobody")


def test_a_strict_session_cookie_with_form_post(visit: Callable[..., Person], strict_site: Site) -> None:
    person = visit(strict_site)
    ada = strict_site.add_person("Ada Lovelace")
    person.open("/posted/login/?next=/diary/2/")
    person.log_in_at_tenant(ada)
    person.page.wait_for_url("**/diary/2/")
    assert person.name == "Ada Lovelace"


def test_a_denied_login_with_a_strict_session_cookie(strict: Person) -> None:
    strict.open("/diary/")
    strict.click("Deny and go back")
    strict.page.get_by_role("heading", name="Login failed").wait_for()
    assert strict.page.get_by_text("access_denied").is_visible()


def test_the_page_of_the_hop_has_a_link(visit: Callable[..., Person], strict_site: Site) -> None:
    """Whoever's browser does not follow the refresh goes on by hand."""
    person = visit(strict_site)
    ada = strict_site.add_person("Ada Lovelace")
    person.open("/diary/3/")
    person.log_in_at_tenant(ada)
    person.page.wait_for_url("**/diary/3/")
    callback = person.addresses("/auth0/callback/")[0]

    def hold(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, body=response.text().replace('http-equiv="refresh"', ""))

    person.page.route(callback, hold)
    person.context.clear_cookies()
    person.open(callback)
    assert person.title == "Logging in…"
    person.look("hop")
    person.click("Continue")
    assert person.is_at_tenant, "the session is gone, so the login starts again"
