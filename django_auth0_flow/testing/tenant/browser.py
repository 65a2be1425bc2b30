"""A browser without a person: goes through ``/authorize`` and the tenant's pages over real HTTP."""

from __future__ import annotations

import html
import re
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from http.client import HTTPResponse
from http.cookiejar import CookieJar
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from .factors import code_hint

if TYPE_CHECKING:
    from .model import User
    from .state import TenantState

_MAX_STEPS = 15


class TenantPage(Exception):
    """The browser ended on a page of the tenant instead of the application's callback."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status
        self.text = text


@dataclass(frozen=True)
class AuthorizationAnswer:
    """What the application receives: ``url`` to GET, or with ``method`` POST the form ``fields`` to send there."""

    method: str
    url: str
    fields: dict[str, str] = field(repr=False)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def direct_opener(*handlers: urllib.request.BaseHandler) -> urllib.request.OpenerDirector:
    """Return an opener that uses no proxy and follows no redirect."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects, *handlers)


class Browser:
    """Keeps its cookies, and so its SSO session, from one visit to the next."""

    def __init__(self, state: TenantState) -> None:
        self._state = state
        self.cookies = CookieJar()
        self._opener = direct_opener(urllib.request.HTTPCookieProcessor(self.cookies))

    def authorize(self, url: str, user: User | None = None, *, deny: bool = False) -> AuthorizationAnswer:
        """Visit an authorization URL, log in as ``user`` (default: the tenant's default user) and agree to everything.

        ``deny`` presses the deny button instead. Raises TenantPage when the tenant shows an error page.
        """
        user = user or self._state.user
        data: dict[str, str] | None = None
        for _ in range(_MAX_STEPS):
            status, location, text = self.open(url, data)
            data = None
            if location is not None:
                url = urljoin(url, location)
                if not url.startswith(self._state.issuer):
                    return AuthorizationAnswer("GET", url, _fields_of(url))
                data = self._input_for(urlsplit(url).path, user, deny=deny)
                continue
            action = re.search(r'<form id="authorization-response" method="post" action="([^"]*)"', text)
            if status == 200 and action is not None:
                return AuthorizationAnswer("POST", html.unescape(action[1]), hidden_inputs(text))
            raise TenantPage(status, _plain(text))
        raise TenantPage(310, "too many steps")

    def _input_for(self, path: str, user: User, *, deny: bool) -> dict[str, str] | None:
        """Return what a person would enter on this page."""
        match path:
            case "/u/login":
                return {"action": "deny"} if deny else {"user": user.sub}
            case "/u/mfa":
                return {"code": code_hint(self._state, user)}
            case "/u/organization":
                return {"organization": user.orgs[0]}
            case "/u/connect":
                return {"action": "deny" if deny else "accept"}
            case "/u/consent":
                return {"action": "deny" if deny else "accept"}
            case _:
                return None

    def open(self, url: str, data: dict[str, str] | None = None) -> tuple[int, str | None, str]:
        """Send one request, without following redirects; return status, location and body."""
        body = urlencode(data).encode() if data is not None else None
        try:
            with self._opener.open(urllib.request.Request(url, data=body), timeout=30) as answer:  # noqa: S310 - own
                return _parts(answer)
        except urllib.error.HTTPError as error:
            with error:
                location = error.headers.get("Location")
                return error.code, location, error.read().decode("utf-8", "replace")


def _parts(answer: HTTPResponse) -> tuple[int, str | None, str]:
    return answer.status, answer.headers.get("Location"), answer.read().decode("utf-8", "replace")


def _fields_of(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    return dict(parse_qsl(parts.fragment or parts.query, keep_blank_values=True))


def hidden_inputs(page: str) -> dict[str, str]:
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', page)
    return {html.unescape(name): html.unescape(value) for name, value in found}


def _plain(page: str) -> str:
    without_head = re.sub(r"(?s)<(head|style|script).*?</\1>", " ", page)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", without_head)).split())
