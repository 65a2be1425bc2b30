"""What the tenant answers to a browser: a page, a redirect back to the site, or an error. No redirect is followed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urljoin, urlsplit

from django_auth0_flow.protocol.errors import TransportError
from django_auth0_flow.protocol.http import HttpAnswer


@dataclass(frozen=True)
class BrowserAnswer:
    """``came_back``: it leads to the site, with ``fields``. ``leads_to``: where a redirect goes, without query.

    ``text`` is what a page shows, or the description of the error that a redirect carries. ``was_pushed``: it is the
    tenant's answer to a pushed request, which no browser sees.
    """

    status: int
    came_back: bool = False
    leads_to: str = ""
    error: str = ""
    text: str = ""
    fields: dict[str, str] = field(default_factory=dict, repr=False)
    was_pushed: bool = False

    @property
    def is_refusal(self) -> bool:
        return bool(self.error) or self.status >= 400

    def describe(self, printable: Callable[[str], str]) -> str:
        """Return the answer in one line; ``printable`` cleans what came from outside."""
        if not self.error:
            return f"{self.status}, page: {printable(self.text)}" if self.text else str(self.status)
        where = "at /oauth/par" if self.was_pushed else "back at the site" if self.came_back else "at the tenant"
        return f"{self.status}, {where}: {printable(self.error)}{f': {printable(self.text)}' if self.text else ''}"


def read_answer(answer: HttpAnswer, *, asked: str, back: str) -> BrowserAnswer:
    """Judge the answer to GET ``asked``, in any response mode; ``back``: the site's address that it may lead to."""
    if 300 <= answer.status < 400 and answer.headers.get("Location"):
        target = _joined(asked, answer.headers["Location"])
        return _with_fields(answer.status, target, _parameters(target), back)
    if "json" in answer.headers.get("Content-Type", ""):
        return _from_json(answer)
    page = _Page()
    page.feed(answer.body.decode("utf-8", "replace"))
    page.close()
    target = _joined(asked, page.action)
    if target and _same_place(target, back):
        return _with_fields(answer.status, target, page.inputs, back)
    return BrowserAnswer(answer.status, text=" ".join(" ".join(page.words).split()))


def _with_fields(status: int, target: str, fields: dict[str, str], back: str) -> BrowserAnswer:
    """An error page of the tenant's own design gets the same ``error`` and ``error_description`` as the callback."""
    place = target.partition("#")[0].partition("?")[0]
    return BrowserAnswer(
        status,
        came_back=_same_place(target, back),
        leads_to=place,
        error=fields.get("error", ""),
        text=fields.get("error_description", ""),
        fields=fields,
    )


def _from_json(answer: HttpAnswer) -> BrowserAnswer:
    try:
        body = answer.json_object()
    except TransportError:
        body = {}
    error, text = body.get("error"), body.get("error_description") or body.get("message")
    return BrowserAnswer(
        answer.status,
        error=error if isinstance(error, str) else "",
        text=text if isinstance(text, str) else "",
    )


def _joined(base: str, address: str | None) -> str:
    try:
        return urljoin(base, address) if address is not None else ""
    except ValueError:
        return ""


def _parameters(url: str) -> dict[str, str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return {}
    found: dict[str, str] = {}
    for text in (parts.query, parts.fragment):
        try:
            found.update(parse_qsl(text, keep_blank_values=True, max_num_fields=100))
        except ValueError:
            continue
    return found


def _same_place(url: str, back: str) -> bool:
    try:
        found, ours = urlsplit(url), urlsplit(back)
    except ValueError:
        return False
    return (found.scheme, found.netloc.lower(), found.path) == (ours.scheme, ours.netloc.lower(), ours.path)


class _Page(HTMLParser):
    """The text of a page that a person sees, and its first form."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.action: str | None = None
        self.inputs: dict[str, str] = {}
        self._hidden = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag in ("script", "style", "template", "noscript", "nav", "footer"):
            self._hidden = self._hidden or tag
        elif tag == "form" and self.action is None:
            self.action = values.get("action", "")
        elif tag == "input" and values.get("name"):
            self.inputs.setdefault(values["name"], values.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == self._hidden:
            self._hidden = ""

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(data)
