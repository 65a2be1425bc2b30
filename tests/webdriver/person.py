"""A person at one of the browsers, by WebDriver: types, clicks, and waits for pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from selenium.common import JavascriptException, NoSuchElementException, StaleElementReferenceException
from selenium.webdriver import Remote
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from django_auth0_flow.testing.tenant import User
from tests.browser.site import PASSWORD, Site
from tests.servers.browser_engines import SECONDS

#: What a question meets while one page makes room for the next.
_BETWEEN_PAGES = (JavascriptException, NoSuchElementException, StaleElementReferenceException)

#: All at once and from the page itself, since a browser may know the next page's address before it has the page.
_WHERE = "return [location.href, document.querySelector('h1')?.textContent, document.readyState]"


class Person:
    """Somebody whom neither site nor tenant has a cookie of, at a tab of their own."""

    def __init__(self, driver: Remote, site: Site) -> None:
        self.driver, self.site = driver, site
        self._first = driver.current_window_handle
        for address in (site.url, site.tenant.issuer):
            driver.get(address)
            driver.delete_all_cookies()
        self.new_tab()

    def close(self) -> None:
        """Close all tabs but the browser's first."""
        for tab in self.driver.window_handles:
            if tab != self._first:
                self.use_tab(tab)
                self.driver.close()
        self.use_tab(self._first)

    def forget_site(self) -> None:
        """Delete the site's cookies; the tenant's stay."""
        self.driver.delete_all_cookies()

    # -- tabs ----------------------------------------------------------------------------------------------------------

    def new_tab(self) -> str:
        """Open another tab and use it; return its handle."""
        self.driver.switch_to.new_window("tab")
        return self.tab

    @property
    def tab(self) -> str:
        return self.driver.current_window_handle

    def use_tab(self, tab: str) -> None:
        self.driver.switch_to.window(tab)

    # -- where ---------------------------------------------------------------------------------------------------------

    @property
    def address(self) -> str:
        return self.driver.current_url

    @property
    def path(self) -> str:
        """The path and query of the page on the screen if it is the site's, else the whole address."""
        return self.address.removeprefix(self.site.url)

    @property
    def is_at_tenant(self) -> bool:
        return self.address.startswith(self.site.tenant.issuer)

    @property
    def title(self) -> str:
        return self.driver.find_element(By.TAG_NAME, "h1").text

    @property
    def name(self) -> str:
        """Who the site thinks this is."""
        return self.driver.find_element(By.ID, "person").text

    @property
    def text(self) -> str:
        return self.driver.find_element(By.TAG_NAME, "main").text

    def cookies(self) -> dict[str, dict[str, Any]]:
        """Return the cookies of the page on the screen, by name."""
        return {cookie["name"]: cookie for cookie in self.driver.get_cookies()}

    # -- waiting -------------------------------------------------------------------------------------------------------

    def arrive(self, path: str) -> None:
        """Wait until a page of the site is on the screen, whatever comes before it."""
        self._wait_for(lambda address, _: address == self.site.url + path, path)

    def arrive_at_tenant(self) -> None:
        """Wait for the tenant's login page."""
        issuer = self.site.tenant.issuer
        self._wait_for(lambda address, _: address.startswith(f"{issuer}u/login"), issuer)

    def arrive_at_page(self, title: str) -> None:
        """Wait for a page by its heading."""
        self._wait_for(lambda _, heading: heading == title, title)

    def _wait_for(self, is_there: Callable[[str, str | None], bool], what: str) -> None:
        """Wait until a whole page is there that has the right address and heading."""

        def is_complete(driver: Remote) -> bool:
            # Firefox answers nothing when the page goes away meanwhile.
            address, heading, state = driver.execute_script(_WHERE) or ("", None, "")
            return is_there(address, heading) and state == "complete"

        wait = WebDriverWait(self.driver, SECONDS, poll_frequency=0.05, ignored_exceptions=_BETWEEN_PAGES)
        wait.until(is_complete, f"{what} did not come")

    # -- doing ---------------------------------------------------------------------------------------------------------

    def open(self, path: str) -> None:
        """Type an address of the site."""
        self.driver.get(self.site.url + path)

    def back(self) -> None:
        self.driver.back()

    def reload(self) -> None:
        self.driver.refresh()

    def click(self, name: str) -> None:
        """Click a button or link by what it says."""
        self.driver.find_element(By.XPATH, f'//*[self::button or self::a][normalize-space()="{name}"]').click()

    def log_in_at_tenant(self, user: User) -> None:
        """Fill in the tenant's form."""
        self.arrive_at_tenant()
        for field, text in (("username", user.email or ""), ("password", PASSWORD)):
            self.driver.find_element(By.ID, field).send_keys(text)
        self.click("Continue")
