"""A browser without scripts over real HTTP: it keeps cookies, follows redirects and sends the forms of its pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

from tests.forms import find_form

#: How long an answer may take: a busy machine is slow, and only a hung server takes minutes.
TIMEOUT = 120
NAVIGATE = {"Accept": "text/html,*/*;q=0.8", "Sec-Fetch-Mode": "navigate"}
_MAX_REDIRECTS = 20


class HttpBrowser:
    """Visits one page at a time; ``answer`` is the newest response. Redirects are followed on request only.

    Paths are those of ``site``, an origin. ``server`` is where it is really served, if that is not the same: few tests
    have a proxy that speaks TLS in front of their sites, and none a name server.
    """

    answer: requests.Response
    #: The address of the answer.
    url: str

    def __init__(self, site: str, *, server: str = "", headers: Mapping[str, str] | None = None) -> None:
        self.site, self.server = site, server or site
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers.update({**NAVIGATE, **(headers or {})})

    def close(self) -> None:
        """Close the connections that are kept alive."""
        self.session.close()

    @property
    def next_url(self) -> str:
        """Where the current answer redirects to, "" if it doesn't."""
        target = self.answer.headers.get("Location", "") if self.answer.is_redirect else ""
        return urljoin(self.url, target) if target else ""

    def open(self, url: str) -> requests.Response:
        """Get an address, or a path of the site."""
        return self._send("GET", url)

    def visit(self, url: str) -> requests.Response:
        """Get an address, or a path of the site, and follow redirects."""
        self.open(url)
        return self.follow()

    def follow(self) -> requests.Response:
        """Follow redirects to the page they end at."""
        for _ in range(_MAX_REDIRECTS):
            if not self.next_url:
                return self.answer
            self.open(self.next_url)
        raise AssertionError(f"redirects without end: {self.url}")

    def submit(self, *names: str, to: str = "", **values: str) -> requests.Response:
        """Send the form of the current page that has these fields and ``to`` in its action."""
        form = find_form(self.answer.text, *names, to=to)
        url, origin = urljoin(self.url, form.action), _origin(self.url)
        return self._send("POST", url, {**form.hidden, **values}, origin=origin)

    def post_from_elsewhere(self, url: str, fields: Mapping[str, str]) -> requests.Response:
        """Send a form that another site's page holds: only cookies with SameSite=None go along."""
        jar = self.session.cookies
        held_back = [cookie for cookie in jar if not _goes_anywhere(cookie)]
        for cookie in held_back:
            jar.clear(cookie.domain, cookie.path, cookie.name)
        self._send("POST", url, fields, origin="https://tenant.example")
        for cookie in held_back:
            if cookie.name not in jar:
                jar.set_cookie(cookie)
        return self.answer

    def is_here(self, url: str) -> bool:
        return url.startswith(f"{self.site}/")

    def _send(
        self, method: str, url: str, fields: Mapping[str, str] | None = None, *, origin: str = ""
    ) -> requests.Response:
        url, headers = urljoin(f"{self.site}/", url), {"Origin": origin} if origin else {}
        self.url = url
        if self.server != self.site and self.is_here(url):
            headers["Host"] = urlsplit(self.site).netloc
            url = self.server + url.removeprefix(self.site)
        self.answer = self.session.request(
            method, url, data=fields, headers=headers, allow_redirects=False, timeout=TIMEOUT
        )
        for cookie in self.session.cookies:
            cookie.secure = False  # browsers send Secure cookies to loopback without TLS, requests would not
        return self.answer


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _goes_anywhere(cookie: Any) -> bool:
    return str(cookie.get_nonstandard_attr("SameSite", "")).lower() == "none"
