"""The table of settings in the documentation, made of their declarations: ``python -m tests.docs.settings_table``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from django_auth0_flow.conf.settings import SETTINGS, Auth0Settings
from tests.docs.pages import PAGES, table


def render() -> str:
    """Return the table as Markdown."""
    return "\n".join(["| key | type, default | meaning |", "|---|---|---|", *_rows()])


def _rows() -> Iterator[str]:
    for declared in fields(Auth0Settings):
        if said := declared.metadata:
            key = declared.name.upper()
            default = said["shown"] or f"`{_literal(said['default'])}`"
            yield f"| `{key}` | {SETTINGS[key].name}, {default} | {said['meaning']} |"


def _literal(default: Any) -> str:
    if callable(default):
        return f"{default.__module__}.{default.__name__}"
    return repr(default) if isinstance(default, (bool, float)) else json.dumps(default)


if __name__ == "__main__":
    before, after = table("settings table"), render()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        page.write_text(text.replace(before, after), encoding="utf-8")
