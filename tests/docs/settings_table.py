"""The table of settings in the documentation, made of their declarations: ``python -m tests.docs.settings_table``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from django_auth0_flow.conf.settings import SETTINGS, Auth0Settings

ROOT = Path(__file__).resolve().parents[2]
MARKER = "<!-- settings table -->\n"


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


def find_page() -> Path:
    """Return the page that has the table."""
    pages = [ROOT / "README.md", *sorted((ROOT / "django_auth0_flow" / "docs").glob("*.md"))]
    (page,) = [page for page in pages if MARKER in page.read_text(encoding="utf-8")]
    return page


def committed() -> str:
    """Return the table as it stands in the documentation."""
    return find_page().read_text(encoding="utf-8").partition(MARKER)[2].partition("\n\n")[0]


if __name__ == "__main__":
    page = find_page()
    page.write_text(page.read_text(encoding="utf-8").replace(committed(), render()), encoding="utf-8")
