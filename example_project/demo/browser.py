"""A browser without a person: cookies, redirects and forms over real HTTP."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Self
from urllib.parse import urljoin

import requests

_TIMEOUT = 30
_MAX_REDIRECTS = 12


@dataclass
class Form:
    """A form of a page, with the values that it would send untouched."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    #: Names of buttons that send a value of their own.
    buttons: set[str] = field(default_factory=set)


class _FormReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(values.get("action", ""), values.get("method", "get").upper()))
        elif tag == "input" and self.forms and values.get("name"):
            self.forms[-1].fields[values["name"]] = values.get("value", "")
        elif tag == "button" and self.forms and values.get("name"):
            self.forms[-1].buttons.add(values["name"])


class Browser:
    """Visits addresses one at a time; ``answer`` is the newest response."""

    answer: requests.Response

    def __init__(self) -> None:
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers.update({"User-Agent": "demo-browser", "Accept": "text/html,*/*;q=0.8"})

    def twin(self) -> Self:
        """Return another window of this browser: the same cookies."""
        other = type(self)()
        other._session.cookies.update(self._session.cookies)
        return other

    def cookie(self, name: str) -> str | None:
        return self._session.cookies.get(name)

    def forget(self, name: str) -> None:
        """Delete a cookie."""
        if self.cookie(name) is not None:
            del self._session.cookies[name]

    def open(self, url: str) -> requests.Response:
        """Get one address; a redirect is not followed."""
        return self._send("GET", url)

    def submit(self, form: Form, **values: str) -> requests.Response:
        """Send a form of the current page; a redirect is not followed."""
        url = urljoin(self.answer.url, form.action)
        return self._send(form.method, url, {**form.fields, **values})

    def follow(self, *, until: str = "") -> requests.Response:
        """Follow redirects to the page they end at, or up to the address that begins with ``until``, not opened."""
        for _ in range(_MAX_REDIRECTS):
            target = self.next_url()
            if not target or (until and target.startswith(until)):
                break
            self.open(target)
        return self.answer

    def next_url(self) -> str:
        """Return where the current answer redirects to, "" if it doesn't."""
        target = self.answer.headers.get("Location", "") if self.answer.is_redirect else ""
        return urljoin(self.answer.url, target) if target else ""

    def form(self, *, to: str = "", with_field: str = "", to_itself: bool = False) -> Form | None:
        """Return the first form of the current page with this address in its action and this field or button.

        ``to_itself``: one without an action, which is sent to the page's own address.
        """
        reader = _FormReader()
        reader.feed(self.answer.text)
        fitting = (form for form in reader.forms if to in form.action and not (to_itself and form.action))
        return next((form for form in fitting if with_field in {"", *form.fields, *form.buttons}), None)

    def _send(self, method: str, url: str, form: dict[str, str] | None = None) -> requests.Response:
        headers = {"Origin": "/".join(self.answer.url.split("/")[:3])} if form is not None else {}
        self.answer = self._session.request(
            method, url, data=form, headers=headers, allow_redirects=False, timeout=_TIMEOUT
        )
        for cookie in self._session.cookies:
            # Browsers take plain http on loopback for trustworthy and send Secure cookies there; requests would not.
            cookie.secure = False
        return self.answer
