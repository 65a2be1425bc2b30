"""A visitor who fills in the pages' own forms: Django's test client with the CSRF check on, reading what browsers read."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

from django.test import Client

from tests.walk import NAVIGATE


@dataclass
class FormOnPage:
    action: str = ""
    hidden: dict[str, str] = field(default_factory=dict)
    fields: set[str] = field(default_factory=set)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[FormOnPage] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(FormOnPage(values.get("action", "")))
            self._inside = True
        elif self._inside and tag == "input":
            form = self.forms[-1]
            form.fields.add(values.get("name", ""))
            if values.get("type") == "hidden":
                form.hidden[values["name"]] = values.get("value", "")
        elif self._inside and tag == "button" and values.get("name"):
            self.forms[-1].buttons.append((values["name"], values.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False


class Visitor:
    """One browser. ``page`` is the last answer, ``path`` where it was found."""

    def __init__(self, **headers: str) -> None:
        self.client = Client(enforce_csrf_checks=True, headers={**NAVIGATE, **headers})
        self.path = "/"
        self.page: Any = None

    @property
    def text(self) -> str:
        return str(self.page.content.decode())

    def open(self, path: str, **data: Any) -> Any:
        """Open a page, redirects on this site followed."""
        self.path = path
        return self._follow(self.client.get(path, data))

    def forms(self) -> list[FormOnPage]:
        parser = _Forms()
        parser.feed(self.text)
        return parser.forms

    def form_with(self, *names: str, value: str | None = None) -> FormOnPage:
        """Return the form that has these fields or buttons."""
        for form in self.forms():
            known = form.fields | {name for name, _ in form.buttons}
            if set(names) <= known and (value is None or value in form.hidden.values()):
                return form
        raise AssertionError(f"no form with {names} on {self.path}: {self.text}")

    def filled(self, *names: str, value: str | None = None, **values: Any) -> tuple[str, dict[str, str]]:
        """Return address and data of a form as a browser would send it."""
        form = self.form_with(*(names or values), value=value)
        return urljoin(self.path, form.action) if form.action else self.path, {**form.hidden, **values}

    def submit(self, *names: str, value: str | None = None, follow: bool = True, **values: Any) -> Any:
        """Fill in the form that has these fields, send it, and follow redirects on this site."""
        path, data = self.filled(*names, value=value, **values)
        answer = self.client.post(path, data)
        self.path = path
        return self._follow(answer) if follow else answer

    def other_tab(self) -> Client:
        """Return the same browser as it is now, for a request that is sent beside another one."""
        client = Client(enforce_csrf_checks=True, headers=NAVIGATE)
        client.cookies = deepcopy(self.client.cookies)
        return client

    def _follow(self, answer: Any) -> Any:
        for _ in range(10):
            location = answer.get("Location", "") if answer.status_code in (301, 302, 303) else ""
            if not location or urlsplit(location).netloc not in ("", "testserver"):
                break
            self.path = urljoin(self.path, location)
            answer = self.client.get(self.path)
        self.page = answer
        return answer
