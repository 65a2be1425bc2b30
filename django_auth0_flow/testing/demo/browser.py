"""A browser without a person: cookies, redirects and forms over real HTTP."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import requests

#: Seconds; generous, since a busy computer is no fault of the site.
TIMEOUT = 300
_MAX_REDIRECTS = 12


class NoSuchForm(LookupError):
    """The page has no form like the one to be sent."""


@dataclass
class Form:
    """A form of a page, with the values that it would send untouched."""

    url: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    #: Names of buttons that send a value of their own, and of lists to choose from.
    others: set[str] = field(default_factory=set)


class _FormReader(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.page, self.forms = page, list[Form]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            url = urljoin(self.page, values.get("action", ""))
            self.forms.append(Form(url, values.get("method", "get").upper()))
        elif self.forms and (name := values.get("name")):
            if tag == "input":
                self.forms[-1].fields[name] = values.get("value", "")
            elif tag in ("button", "select"):
                self.forms[-1].others.add(name)


class Browser:
    """Visits a site's pages one at a time; ``answer`` is the newest response. Redirects are followed on request only."""

    answer: requests.Response

    def __init__(self, site: str, *, user_agent: str = "demo-browser") -> None:
        self.site = site
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers.update({"User-Agent": user_agent, "Accept": "text/html,*/*;q=0.8"})

    def another_window(self) -> Browser:
        """Return a browser with the same cookies."""
        other = Browser(self.site)
        other._session.cookies.update(self._session.cookies)
        return other

    @property
    def path(self) -> str:
        """The path of the current page."""
        return urlsplit(self.answer.url).path

    def cookie(self, name: str) -> str | None:
        return self._session.cookies.get(name)

    def bring(self, name: str, value: str) -> None:
        """Set a cookie that the browser has got elsewhere, for the site's host."""
        self._session.cookies.set(name, value, domain=urlsplit(self.site).hostname)

    def forget(self, name: str) -> None:
        """Delete a cookie, if it is there."""
        if self.cookie(name) is not None:
            del self._session.cookies[name]

    def open(self, url: str) -> requests.Response:
        """Get an address, or a path of the site."""
        return self._send("GET", urljoin(self.site, url))

    def visit(self, url: str) -> requests.Response:
        """Get an address, or a path of the site, and follow redirects."""
        self.open(url)
        return self.follow()

    def submit(self, field: str = "", *, to: str = "", **values: str) -> requests.Response:
        """Send the current page's first form that has ``field`` and goes to a path with ``to`` in it.

        Raises NoSuchForm.
        """
        form = self.form(field, to=to)
        return self._send(form.method, form.url, {**form.fields, **values})

    def form(self, field: str = "", *, to: str = "") -> Form:
        """Return the form that ``submit`` would send. Raises NoSuchForm."""
        reader = _FormReader(self.answer.url)
        reader.feed(self.answer.text)
        for form in reader.forms:
            if to in urlsplit(form.url).path and field in {"", *form.fields, *form.others}:
                return form
        raise NoSuchForm(f"{self.path} has no form with the field {field!r} that goes to {to!r}")

    def follow(self, *, until: str = "") -> requests.Response:
        """Follow redirects to the page they end at, or up to the address that begins with ``until``, not opened."""
        for _ in range(_MAX_REDIRECTS):
            target = self.next_url
            if not target or (until and target.startswith(until)):
                break
            self.open(target)
        return self.answer

    @property
    def next_url(self) -> str:
        """Where the current answer redirects to, "" if it doesn't."""
        target = self.answer.headers.get("Location", "") if self.answer.is_redirect else ""
        return urljoin(self.answer.url, target) if target else ""

    def _send(self, method: str, url: str, form: dict[str, str] | None = None) -> requests.Response:
        headers = {"Origin": "{0.scheme}://{0.netloc}".format(urlsplit(self.answer.url))} if form is not None else {}
        self.answer = self._session.request(
            method, url, data=form, headers=headers, allow_redirects=False, timeout=TIMEOUT
        )
        for cookie in self._session.cookies:
            # Browsers take plain http on loopback for trustworthy and send Secure cookies there; requests would not.
            cookie.secure = False
        return self.answer
