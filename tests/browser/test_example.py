"""The example project's demo, as somebody clicks through it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from django_auth0_flow.testing.tenant.factors import totp
from tests.browser.person import keep_pictures, watch
from tests.test_example_project import address_in, running_demo

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, ViewportSize

pytestmark = pytest.mark.slow

#: The size of ``docs/images/appointments.png``, which ``docs/testing.md`` says how to renew.
README_PICTURE: ViewportSize = {"width": 860, "height": 560}


@pytest.fixture
def demo() -> Iterator[str]:
    with running_demo() as (process, said):
        # Read on, or the demo stops when the pipe is full.
        threading.Thread(target=process.communicate, daemon=True).start()
        yield address_in(said)


@pytest.fixture
def page(chromium: Browser, demo: str) -> Iterator[Page]:
    context = chromium.new_context(base_url=demo, viewport={"width": 1100, "height": 800})
    context.set_default_timeout(120_000)
    problems = watch(context)
    yield context.new_page()
    context.close()
    assert problems == []


def choose(page: Page, name: str) -> None:
    """Click a link or button, and wait for the page that it leads to."""
    button = page.get_by_role("button", name=name)
    with page.expect_event("load"):
        button.or_(page.get_by_role("link", name=name)).first.click()


def test_the_demo_is_clicked_through(page: Page, pictures: Path) -> None:
    page.goto("/")
    keep_pictures(page, pictures, "home")
    choose(page, "日本語")
    for path in ("/", "/ways/"):
        page.goto(path)
        keep_pictures(page, pictures, f"{path.strip('/') or 'home'}-japanese")
    choose(page, "English")
    page.goto("/appointments/")
    choose(page, "Grace Hopper")
    assert page.locator("#refreshes").inner_text() == "0"
    keep_pictures(page, pictures, "appointments")
    with page.expect_event("load"):
        page.locator("form[action$='/expire-token/'] button").click()
    assert page.locator("#refreshes").inner_text() == "1"
    keep_pictures(page, pictures, "appointments-refreshed")
    page.set_viewport_size(README_PICTURE)
    page.screenshot(path=pictures / "readme.png")
    for path in ("/profile/", "/rota/", "/admin/"):
        page.goto(path)
        assert page.url.endswith(path)
        keep_pictures(page, pictures, path.strip("/"))
    page.goto("/results/")
    page.get_by_label("One-time code").fill("123456")
    choose(page, "Continue")
    assert "Haemoglobin" in page.inner_text("main")
    keep_pictures(page, pictures, "results")
    choose(page, "Log out")
    page.wait_for_url("**/")
    page.goto("/profile/")
    assert page.get_by_label("Password").is_visible(), "the tenant's session has ended too"


def test_tokens_come_through_the_browser(page: Page, pictures: Path) -> None:
    page.goto("/ways/")
    keep_pictures(page, pictures, "ways")
    choose(page, "Both tokens in the fragment")
    choose(page, "Ada Lovelace")
    page.wait_for_url("**/appointments/")
    assert page.evaluate("location.hash") == ""
    assert page.locator(".day").count() == 3
    page.locator("form[action$='/expire-token/'] button").click()
    page.locator(".messages", has_text="you were logged in again").wait_for()
    assert page.locator(".day").count() == 3
    page.goto("/ways/")
    page.get_by_role("link", name="ID token, then an access token").click()
    page.wait_for_url("**/ways/access-token/")
    assert "You logged in by an ID token alone." in page.inner_text("main")
    keep_pictures(page, pictures, "access-token")
    page.reload()
    assert page.url.endswith("/ways/access-token/")


def test_a_first_second_factor_is_set_up(page: Page, pictures: Path) -> None:
    page.goto("/ways/")
    choose(page, "Password, and a second factor")
    page.get_by_label("E-mail").fill("clara@example.com")
    page.get_by_label("Password", exact=True).fill("field hospital")
    page.get_by_role("main").get_by_role("button", name="Log in").click()
    page.get_by_role("button", name="Code from an authenticator app").click()
    page.get_by_text("It can't be scanned?").click()
    key = page.locator(".auth0-secret code").inner_text().replace(" ", "")
    page.get_by_label("Code", exact=True).fill(totp(key, time.time()))
    choose(page, "Continue")
    assert "Keep this in a safe place" in page.inner_text("main")
    assert page.locator(".auth0-secret li").count() == 1
    keep_pictures(page, pictures, "recovery-code")
    choose(page, "I have kept it")
    assert page.url.endswith("/profile/")
    assert page.locator("#configuration").inner_text() == "direct"


def test_the_picture_of_the_flow_lights_up_beside_the_site(page: Page, pictures: Path) -> None:
    page.goto("/demo/flow/")
    assert page.locator("li.step").count() == 7
    assert page.locator("li.taken").count() == 0
    site = page.context.new_page()
    site.goto("/appointments/")
    page.locator("li.latest[data-step=authorize]").wait_for()
    choose(site, "Ada Lovelace")
    page.locator("li.latest[data-step=api]").wait_for()
    steps = ["ask", "authorize", "callback", "exchange", "api"]
    assert [step.get_attribute("data-step") for step in page.locator("li.taken").all()] == steps
    assert page.locator("svg .taken").count() == len(steps)
    site.locator("form[action$='/expire-token/'] button").click()
    page.locator("li.taken[data-step=refresh]").wait_for()
    page.locator("li.taken[data-step=api] small", has_text="· 2").wait_for()
    keep_pictures(page, pictures, "flow")
    page.locator("li.latest").wait_for()
    choose(site, "Log out")
    page.locator("li.latest[data-step=logout]").wait_for()
    shown = page.locator(".flow-steps").inner_text()
    page.reload()
    assert page.locator(".flow-steps").inner_text() == shown, "a page without scripts shows the same"


def test_a_message_appears_where_its_code_is_asked_for(page: Page) -> None:
    page.goto("/ways/")
    choose(page, "A code or link by e-mail, or a code by text message")
    page.locator("main input:not([type=hidden])").first.fill("new@example.com")
    page.get_by_role("main").get_by_role("button", name="e-mail").first.click()
    codes = page.locator(".letters code")
    codes.first.wait_for()
    first = codes.first.inner_text()
    other = page.context.new_page()
    other.goto(page.url)
    other.get_by_role("button", name="Send a new code").click()
    page.locator(".letters li:nth-child(2) code", has_text=first).wait_for()
    assert codes.first.inner_text() != first
    page.get_by_label("Code", exact=True).fill(codes.first.inner_text())
    page.get_by_role("main").get_by_role("button", name="Log in").click()
    page.wait_for_url("**/profile/")


@pytest.mark.parametrize("shown_by", ["telephone", "demo"])
def test_an_authenticator_app_works_after_the_clock_was_put_forward(page: Page, shown_by: str) -> None:
    """A telephone goes by the real time; the demo says what an app would show by its own."""
    page.goto("/appointments/")
    choose(page, "Ada Lovelace")
    with page.expect_event("load"):
        page.locator("form[action$='/expire-token/'] button").click()
    page.goto("/ways/direct/password/")
    page.get_by_label("E-mail").fill("clara@example.com")
    page.get_by_label("Password", exact=True).fill("field hospital")
    page.get_by_role("main").get_by_role("button", name="Log in").click()
    page.get_by_role("button", name="Code from an authenticator app").click()
    page.locator("summary").click()
    key = page.locator(".auth0-secret code").inner_text().replace(" ", "")
    code = totp(key, time.time()) if shown_by == "telephone" else page.locator(".demo-hint code").inner_text()
    page.get_by_label("Code", exact=True).fill(code)
    choose(page, "Continue")
    assert page.locator(".auth0-secret li").count() == 1, "a recovery code: the code was good"


def test_the_same_card_is_clicked_again_and_again(page: Page) -> None:
    page.goto("/ways/")
    choose(page, "Authorization code")
    choose(page, "Ada Lovelace")
    for _ in range(5):
        page.goto("/ways/")
        choose(page, "Authorization code")
        assert page.url.endswith("/profile/")


@pytest.mark.parametrize("language", ["English", "日本語"])
def test_nothing_is_wider_than_a_telephone(page: Page, language: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/")
    choose(page, language)
    page.goto("/appointments/")
    tenant = page.url.partition("/u/")[0]
    japanese = language != "English"
    assert page.locator("html").get_attribute("lang") == ("ja" if japanese else "en"), "the tenant speaks it too"
    wide = [(page.url, width_of(page))]
    page.locator("#username").fill("ada@example.com")
    page.locator("#password").fill("wrong")
    page.locator("button[value=login]").click()
    page.locator("#problem").wait_for()
    wide.append((page.url, width_of(page)))
    choose(page, "Ada Lovelace")
    own = ["/", "/ways/", "/appointments/", "/profile/", "/rota/", "/results/", "/demo/flow/", "/demo/outbox/"]
    own += [f"/ways/{name}/" for name in ("silent", "invoices", "bill", "board", "access-token")]
    own += [f"/ways/direct/{name}/" for name in ("passwordless", "password", "signup", "password-reset")]
    for url in [*own, "/auth0/account/", "/auth0/logout/", f"{tenant}/", f"{tenant}/_tenant/", f"{tenant}/authorize"]:
        page.goto(url)
        wide.append((page.url, width_of(page)))
    assert [found for found in wide if found[1] > 390] == []


def width_of(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth"))
