"""The forms of a page, as the two browsers of the tests read them: ``visitor.Visitor`` and ``http_browser.HttpBrowser``."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Form:
    """``action`` is empty where a form is sent to its own page."""

    action: str = ""
    hidden: dict[str, str] = field(default_factory=dict)
    #: The names of all its inputs and choices, hidden ones too.
    fields: set[str] = field(default_factory=set)
    #: Names and values of the buttons that have a name.
    buttons: list[tuple[str, str]] = field(default_factory=list)


class _FormReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(values.get("action", "")))
            self._inside = True
        elif self._inside and tag in ("input", "select", "textarea"):
            form = self.forms[-1]
            form.fields.add(values.get("name", ""))
            if values.get("type") == "hidden":
                form.hidden[values["name"]] = values.get("value", "")
        elif self._inside and tag == "button" and values.get("name"):
            self.forms[-1].buttons.append((values["name"], values.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False


def forms_on(page: str) -> list[Form]:
    reader = _FormReader()
    reader.feed(page)
    return reader.forms


def find_form(page: str, *names: str, to: str = "", value: str | None = None) -> Form:
    """Return the first form that has these fields or buttons, ``to`` in its action, and ``value`` in a hidden field."""
    for form in forms_on(page):
        known = form.fields | {name for name, _ in form.buttons}
        if set(names) <= known and to in form.action and (value is None or value in form.hidden.values()):
            return form
    raise AssertionError(f"no form {to} with {names} on the page: {page}")
