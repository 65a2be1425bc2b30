"""A browser without scripts over real HTTP: it keeps cookies, follows redirects and sends the forms of its pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

from tests.forms import Form, find_form
from tests.walk import NAVIGATE

#: How long an answer may take: a busy machine is slow, and only a hung server takes minutes.
TIMEOUT = 120
_MAX_STEPS = 20


class HttpBrowser:
    """``page`` is the last answer.

    Paths are those of ``site``, an origin. ``server`` is where it is really served, if that is not the same: tests
    have no proxy that speaks TLS in front of their sites.
    """

    page: requests.Response

    def __init__(self, site: str = "", *, server: str = "", headers: Mapping[str, str] | None = None) -> None:
        self.site, self.server = site, server or site
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers.update({**NAVIGATE, **(headers or {})})

    def close(self) -> None:
        """Close the connections that are kept alive."""
        self.session.close()

    @property
    def text(self) -> str:
        return self.page.text

    @property
    def location(self) -> str:
        """Where the last answer redirects to, "" if it doesn't."""
        target = self.page.headers.get("Location", "") if self.page.is_redirect else ""
        return urljoin(self.page.url, target) if target else ""

    def open(self, url: str, *, follow: bool = True) -> requests.Response:
        """Open an address or a path of the site, redirects followed unless told not to."""
        return self._send("GET", url, follow=follow)

    def form_with(self, *names: str, to: str = "") -> Form:
        """Return the form of the page that has these fields or buttons, and ``to`` in its action."""
        return find_form(self.text, *names, to=to)

    def submit(self, *names: str, to: str = "", follow: bool = True, **values: str) -> requests.Response:
        """Fill in the form that has these fields, or whose action holds ``to``, and send it."""
        form = self.form_with(*(names or ([] if to else values)), to=to)
        url = urljoin(self.page.url, form.action)
        return self.post(url, {**form.hidden, **values}, origin=_origin(self.page.url), follow=follow)

    def post(self, url: str, fields: Mapping[str, str], *, origin: str, follow: bool = True) -> requests.Response:
        """Send a form of a page at ``origin``; of another site's, only cookies with SameSite=None go along."""
        target, held_back = self._served_at(url), []
        if origin not in (self.site, _origin(target)):
            held_back = [cookie for cookie in self.session.cookies if not _goes_anywhere(cookie)]
            for cookie in held_back:
                self.session.cookies.clear(cookie.domain, cookie.path, cookie.name)
        self._send("POST", url, fields, {"Origin": origin}, follow=False)
        for cookie in held_back:
            if cookie.name not in self.session.cookies:
                self.session.cookies.set_cookie(cookie)
        return self._follow() if follow else self.page

    def _send(
        self,
        method: str,
        url: str,
        fields: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        follow: bool,
    ) -> requests.Response:
        url = urljoin(f"{self.site}/", url)
        behind = {"Host": urlsplit(self.site).netloc} if self.server != self.site and self.is_here(url) else {}
        self.page = self.session.request(
            method,
            self._served_at(url),
            data=fields,
            headers={**behind, **(headers or {})},
            allow_redirects=False,
            timeout=TIMEOUT,
        )
        for cookie in self.session.cookies:
            cookie.secure = False  # browsers send Secure cookies to loopback without TLS, requests would not
        return self._follow() if follow else self.page

    def _follow(self) -> requests.Response:
        for _ in range(_MAX_STEPS):
            if not self.location:
                return self.page
            self._send("GET", self.location, follow=False)
        raise AssertionError(f"redirects without end: {self.page.url}")

    def _served_at(self, url: str) -> str:
        return self.server + url.removeprefix(self.site) if self.is_here(url) else url

    def is_here(self, url: str) -> bool:
        return bool(self.site) and url.startswith(f"{self.site}/")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _goes_anywhere(cookie: Any) -> bool:
    return str(cookie.get_nonstandard_attr("SameSite", "")).lower() == "none"
