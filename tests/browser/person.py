"""A person at Chromium: looks at pages, types and clicks, and keeps pictures of what was on the screen."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django_auth0_flow.testing.tenant import User
from tests.browser.site import PASSWORD, Site

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request

_SECONDS = 120


class Person:
    """One browser profile; ``page`` is the tab that is used. ``pictures``: the folder for screenshots."""

    def __init__(self, browser: Browser, site: Site, pictures: Path, **profile: Any) -> None:
        self.site, self.pictures = site, pictures
        self.context = browser.new_context(base_url=site.url, viewport={"width": 1100, "height": 800}, **profile)
        self.context.set_default_timeout(_SECONDS * 1000)
        self.problems = watch(self.context)
        self.requests: list[Request] = []
        self.context.on("request", lambda request: self.requests.append(request))  # noqa: PLW0108 - takes no built-in
        self.page = self.context.new_page()

    def close(self) -> None:
        self.context.close()

    # -- where ---------------------------------------------------------------------------------------------------------

    @property
    def path(self) -> str:
        """The path of the page on the screen if it is the site's, else the whole address."""
        return self.page.url.removeprefix(self.site.url)

    @property
    def is_at_tenant(self) -> bool:
        return self.page.url.startswith(self.site.tenant.issuer)

    @property
    def title(self) -> str:
        return self.page.get_by_role("heading", level=1).inner_text()

    @property
    def name(self) -> str:
        """Who the site thinks this is."""
        return self.page.locator("#person").inner_text()

    def addresses(self, path: str) -> list[str]:
        """Return the addresses with this path that the browser asked for, oldest first."""
        return [request.url for request in self.requests if urlsplit(request.url).path == path]

    # -- doing ---------------------------------------------------------------------------------------------------------

    def open(self, path: str) -> int:
        """Type an address; return the status of the page that it led to."""
        response = self.page.goto(path)
        assert response is not None
        return response.status

    def click(self, name: str, *, exact: bool = True) -> None:
        """Click a link or button by what a screen reader calls it, and wait for the page that it leads to."""
        button = self.page.get_by_role("button", name=name, exact=exact)
        found = button.or_(self.page.get_by_role("link", name=name, exact=exact))
        with self.page.expect_event("load"):
            found.first.click()

    def type(self, label: str, text: str) -> None:
        self.page.get_by_label(label, exact=True).fill(text)

    def log_in_at_tenant(self, user: User, *, page: Page | None = None) -> None:
        """Fill in the tenant's form and go wherever it leads."""
        page = page or self.page
        page.locator("input[name=username]").fill(user.email or "")
        page.locator("input[type=password]").fill(PASSWORD)
        with page.expect_event("load"):
            page.get_by_role("button", name=re.compile("^(Continue|続ける)$")).click()

    def look(self, name: str) -> None:
        """Keep pictures of the page on the screen."""
        keep_pictures(self.page, self.pictures, name)


def watch(context: BrowserContext) -> list[str]:
    """Return a list that fills with what no page should cause: violations of its policy, broken scripts, missing files."""
    problems: list[str] = []

    def note(message: ConsoleMessage) -> None:
        # An answer of 4xx or 5xx is told as well, and often what a test is about.
        if message.type in ("error", "warning") and "the server responded with a status" not in message.text:
            problems.append(f"{message.text} ({message.location['url']})")

    context.on("console", note)
    context.on("weberror", lambda error: problems.append(str(error.error)))
    return problems


def keep_pictures(page: Page, folder: Path, name: str) -> None:
    """Keep pictures of a page: on a desk in daylight, and on a narrow telephone at night, where nothing is cut off."""
    page.screenshot(path=folder / f"{name}.png", full_page=True)
    page.set_viewport_size({"width": 320, "height": 640})
    page.emulate_media(color_scheme="dark")
    page.screenshot(path=folder / f"{name}-phone-dark.png", full_page=True)
    width = page.evaluate("document.documentElement.scrollWidth")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1100, "height": 800})
    assert width <= 320, f"{name} is {width} px wide on a telephone"
