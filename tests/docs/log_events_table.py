"""The table of log events in the documentation, made of their list: ``python -m tests.docs.log_events_table``."""

from __future__ import annotations

from django_auth0_flow.doctor.log_events import EVENTS
from tests.docs.pages import PAGES, table


def render() -> str:
    """Return the table as Markdown; what tells of an attack, or of someone kept out, is marked."""
    rows = [
        f"| `{event.name}` | {' or '.join(event.levels.split())}{', security' if event.is_security else ''} | "
        f"{', '.join(f'`{field}`' for field in event.fields.split())} | {event.when} | {event.look_at} |"
        for event in EVENTS
    ]
    return "\n".join(["| event | level | fields | says | look at |", "|---|---|---|---|---|", *rows])


if __name__ == "__main__":
    before, after = table("log events table"), render()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        page.write_text(text.replace(before, after), encoding="utf-8")
