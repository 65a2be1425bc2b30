"""A person whose browser meets this site and the tenant, and sends cookies as browsers do: by SameSite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from django.test import Client

from django_auth0_flow.testing.tenant import AuthorizationAnswer
from tests.visitor import FormOnPage, _Forms
from tests.walk import NAVIGATE

_MAX_STEPS = 20


class Visited(Protocol):
    """A tenant, or another provider in its place; what ``browser()`` returns has the tenant browser's ``authorize``."""

    @property
    def issuer(self) -> str: ...

    def browser(self) -> Any: ...


class Person:
    """One browser, at ``site`` and at the tenant. ``page`` is the last answer; ``trail`` the addresses it went through.

    ``keeps_cookies`` False: this site's cookies are thrown away, the tenant's are kept.
    """

    def __init__(
        self,
        tenant: Visited,
        *,
        site: str = "https://testserver",
        user: Any = None,
        keeps_cookies: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        parts = urlsplit(site)
        self.site, self.user, self.keeps_cookies = site, user, keeps_cookies
        self.tenant, self.tenants = tenant.browser(), {tenant.issuer: tenant.browser()}
        self.tenants[tenant.issuer] = self.tenant
        self.secure = parts.scheme == "https"
        self.client = Client(enforce_csrf_checks=True, headers={**NAVIGATE, "Host": parts.netloc, **(headers or {})})
        self.trail: list[str] = []
        self.page: Any = None

    def knows(self, tenant: Visited) -> None:
        """Let this browser visit another tenant as well."""
        self.tenants[tenant.issuer] = tenant.browser()

    # -- steps -----------------------------------------------------------------------------------------------------------

    def get(self, url: str) -> Any:
        """Open one address of this site; no redirect is followed."""
        self.trail.append(url)
        self._lose_cookies()
        self.page = self.client.get(url.removeprefix(self.site), secure=self.secure)
        return self.page

    def post_from_elsewhere(self, url: str, fields: dict[str, str]) -> Any:
        """Send a form that another site's page holds: only cookies with SameSite=None go along."""
        self.trail.append(url)
        self._lose_cookies()
        jar = self.client.cookies
        held_back = {name: morsel for name, morsel in jar.items() if morsel["samesite"].lower() != "none"}
        for name in held_back:
            del jar[name]
        headers = {"Origin": "https://tenant.example"}
        body = urlencode(fields)
        self.page = self.client.post(
            url.removeprefix(self.site),
            body,
            content_type="application/x-www-form-urlencoded",
            secure=self.secure,
            headers=headers,
        )
        for name, morsel in held_back.items():
            if name not in jar:
                dict.__setitem__(jar, name, morsel)
        return self.page

    def submit(self, **fields: str) -> Any:
        """Send the form on the page, with its hidden fields, as this site's own page does."""
        form = self.form()
        data = {**form.hidden, **fields}
        headers = {"Origin": self.site, "Referer": f"{self.site}/"}
        self.page = self.client.post(form.action, data, secure=self.secure, headers=headers)
        return self.page

    def form(self) -> FormOnPage:
        parser = _Forms()
        parser.feed(self.page.content.decode())
        return parser.forms[0]

    def at_tenant(self, url: str, *, deny: bool = False) -> AuthorizationAnswer:
        """Go to the tenant and log in there if it asks; return what the browser brings back."""
        self.trail.append(url)
        issuer = f"{urlsplit(url).scheme}://{urlsplit(url).netloc}/"
        answer: AuthorizationAnswer = self.tenants[issuer].authorize(url, self.user, deny=deny)
        return answer

    def bring(self, answer: AuthorizationAnswer) -> Any:
        """Carry the tenant's answer to this site."""
        if answer.method == "POST":
            return self.post_from_elsewhere(answer.url, answer.fields)
        if (fragment := urlsplit(answer.url).fragment) == "":
            return self.get(answer.url)
        self.get(urlsplit(answer.url)._replace(fragment="").geturl())
        return self.submit(response=fragment)

    # -- journeys --------------------------------------------------------------------------------------------------------

    def visit(self, path: str) -> Any:
        """Open a page and go wherever the redirects lead, through the tenant and back; return the last page."""
        return self.follow(self.get(f"{self.site}{path}"))

    def follow(self, answer: Any) -> Any:
        for _ in range(_MAX_STEPS):
            if answer.status_code not in (301, 302, 303):
                return answer
            url = urljoin(f"{self.site}/", answer["Location"])
            answer = self.get(url) if url.startswith(f"{self.site}/") else self.bring(self.at_tenant(url))
        raise AssertionError(f"redirects without end: {self.trail}")

    def start(self, path: str) -> str:
        """Follow redirects on this site and return the first address that leads to a tenant."""
        answer = self.get(f"{self.site}{path}")
        for _ in range(_MAX_STEPS):
            url = urljoin(f"{self.site}/", str(answer["Location"]))
            if not url.startswith(f"{self.site}/"):
                return url
            answer = self.get(url)
        raise AssertionError(f"redirects without end: {self.trail}")

    @property
    def text(self) -> str:
        return str(self.page.content.decode())

    def asked(self) -> list[dict[str, str]]:
        """Return the authorization requests of the last journey, oldest first."""
        return [dict(parse_qsl(urlsplit(url).query)) for url in self.trail if urlsplit(url).path == "/authorize"]

    def forget_trail(self) -> None:
        self.trail.clear()

    def cookie(self, name: str) -> str:
        found = self.client.cookies.get(name)
        return str(found.value) if found else ""

    def _lose_cookies(self) -> None:
        if not self.keeps_cookies:
            self.client.cookies.clear()
        for name in [name for name, morsel in self.client.cookies.items() if not morsel.value]:
            del self.client.cookies[name]  # deleted by the site
