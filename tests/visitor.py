"""A browser over Django's test client: it keeps cookies by SameSite, fills in forms, and goes to the tenant and back."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from django.test import Client

from django_auth0_flow.testing.tenant import AuthorizationAnswer
from tests.forms import Form, find_form, forms_on
from tests.walk import NAVIGATE

_MAX_STEPS = 20


class Visited(Protocol):
    """A tenant, or another provider in its place; what ``browser()`` returns has ``authorize`` like the tenant's."""

    @property
    def issuer(self) -> str: ...

    def browser(self) -> Any: ...


class Visitor:
    """Visits ``site`` with the CSRF check on, and the tenant, if one is given, as ``user``.

    ``page`` is the last answer and ``path`` where it was found; ``trail`` the addresses that were opened.
    ``keeps_cookies`` False: the site's cookies are thrown away, the tenant's are kept.
    """

    def __init__(
        self,
        tenant: Visited | None = None,
        *,
        site: str = "https://testserver",
        user: Any = None,
        keeps_cookies: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        parts = urlsplit(site)
        self.site, self.user, self.keeps_cookies = site, user, keeps_cookies
        self.tenants: dict[str, Any] = {}
        self.secure = parts.scheme == "https"
        self.client = Client(enforce_csrf_checks=True, headers={**NAVIGATE, "Host": parts.netloc, **(headers or {})})
        self.trail: list[str] = []
        self.path = "/"
        self.page: Any = None
        if tenant is not None:
            self.knows(tenant)
            self.tenant = self.tenants[tenant.issuer]

    def knows(self, tenant: Visited) -> None:
        """Let this browser visit this tenant as well; one that it knew forgets its login there."""
        self.tenants[tenant.issuer] = tenant.browser()

    def other_tab(self) -> Client:
        """Return the same browser as it is now, for a request that is sent beside another one."""
        client = Client(enforce_csrf_checks=True, headers={**NAVIGATE, "Host": urlsplit(self.site).netloc})
        client.cookies = deepcopy(self.client.cookies)
        return client

    # -- what there is to see --------------------------------------------------------------------------------------------

    @property
    def text(self) -> str:
        return str(self.page.content.decode())

    def forms(self) -> list[Form]:
        return forms_on(self.text)

    def form_with(self, *names: str, value: str | None = None) -> Form:
        """Return the form that has these fields or buttons."""
        return find_form(self.text, *names, value=value)

    def filled(self, *names: str, value: str | None = None, **values: Any) -> tuple[str, dict[str, str]]:
        """Return address and data of a form as a browser would send it."""
        form = self.form_with(*(names or values), value=value)
        return urljoin(self.path, form.action) if form.action else self.path, {**form.hidden, **values}

    def cookie(self, name: str) -> str:
        found = self.client.cookies.get(name)
        return str(found.value) if found else ""

    def asked(self) -> list[dict[str, str]]:
        """Return the authorization requests of the last journey, oldest first."""
        return [dict(parse_qsl(urlsplit(url).query)) for url in self.trail if urlsplit(url).path == "/authorize"]

    def forget_trail(self) -> None:
        self.trail.clear()

    # -- one request -----------------------------------------------------------------------------------------------------

    def get(self, url: str) -> Any:
        """Open one address of this site; no redirect is followed."""
        self.trail.append(url)
        self.lose_cookies()
        self.path = url.removeprefix(self.site)
        self.page = self.client.get(self.path, secure=self.secure)
        return self.page

    def post_from_elsewhere(self, url: str, fields: dict[str, str]) -> Any:
        """Send a form that another site's page holds: only cookies with SameSite=None go along."""
        self.trail.append(url)
        self.lose_cookies()
        jar = self.client.cookies
        held_back = {name: morsel for name, morsel in jar.items() if morsel["samesite"].lower() != "none"}
        for name in held_back:
            del jar[name]
        self.page = self.client.post(
            url.removeprefix(self.site),
            urlencode(fields),
            content_type="application/x-www-form-urlencoded",
            secure=self.secure,
            headers={"Origin": "https://tenant.example"},
        )
        for name, morsel in held_back.items():
            if name not in jar:
                dict.__setitem__(jar, name, morsel)
        return self.page

    def submit(self, *names: str, value: str | None = None, follow: bool = True, **values: Any) -> Any:
        """Fill in the form that has these fields, send it, and follow redirects on this site unless told not to."""
        self.path, data = self.filled(*names, value=value, **values)
        headers = {"Origin": self.site, "Referer": f"{self.site}/"}
        self.page = self.client.post(self.path, data, secure=self.secure, headers=headers)
        return self._follow_here() if follow else self.page

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
        return self.submit(follow=False, response=fragment)

    def lose_cookies(self) -> None:
        """Throw away what the site deleted, and everything if this browser keeps no cookies."""
        if not self.keeps_cookies:
            self.client.cookies.clear()
        for name in [name for name, morsel in self.client.cookies.items() if not morsel.value]:
            del self.client.cookies[name]

    # -- journeys --------------------------------------------------------------------------------------------------------

    def open(self, path: str, **query: Any) -> Any:
        """Open a page, redirects on this site followed."""
        self.get(f"{path}?{urlencode(query)}" if query else path)
        return self._follow_here()

    def visit(self, path: str) -> Any:
        """Open a page and go wherever the redirects lead, through the tenant and back; return the last page."""
        return self.follow(self.get(f"{self.site}{path}"))

    def follow(self, answer: Any) -> Any:
        for _ in range(_MAX_STEPS):
            if not _is_redirect(answer):
                return answer
            url = urljoin(f"{self.site}/", answer["Location"])
            answer = self.get(url) if self._is_here(url) else self.bring(self.at_tenant(url))
        raise AssertionError(f"redirects without end: {self.trail}")

    def start(self, path: str) -> str:
        """Follow redirects on this site and return the first address that leads to a tenant."""
        answer = self.get(f"{self.site}{path}")
        for _ in range(_MAX_STEPS):
            url = urljoin(f"{self.site}/", str(answer["Location"]))
            if not self._is_here(url):
                return url
            answer = self.get(url)
        raise AssertionError(f"redirects without end: {self.trail}")

    def _follow_here(self) -> Any:
        for _ in range(_MAX_STEPS):
            url = urljoin(f"{self.site}{self.path}", self.page["Location"]) if _is_redirect(self.page) else ""
            if not self._is_here(url):
                return self.page
            self.get(url)
        raise AssertionError(f"redirects without end: {self.trail}")

    def _is_here(self, url: str) -> bool:
        return url.startswith(f"{self.site}/")


def _is_redirect(answer: Any) -> bool:
    return answer.status_code in (301, 302, 303)
