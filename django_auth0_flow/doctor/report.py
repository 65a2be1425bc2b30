"""The report, as text and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from django_auth0_flow.doctor.catalogue import WARNING
from django_auth0_flow.doctor.findings import Finding, Report

#: Raised when a member of the JSON output changes its meaning or goes away; new ones may come at any time.
SCHEMA_VERSION = 1

_WIDTH = 110

Paint = Callable[[str], str]


def as_json(settings: Sequence[Finding], reports: Sequence[Report], exit_code: int) -> dict[str, Any]:
    """Return what ``--json`` prints."""
    return {
        "version": SCHEMA_VERSION,
        "exit_code": exit_code,
        "settings": [asdict(found) for found in settings],
        "configurations": [report.as_dict() for report in reports],
    }


def as_text(
    settings: Sequence[Finding], reports: Sequence[Report], *, error: Paint, warning: Paint, good: Paint
) -> Iterator[str]:
    """Yield the lines for a terminal; the callables colour a word."""
    paint = {WARNING: warning}
    yield "Settings"
    for found in settings:
        yield from _finding(found, paint.get(found.severity, error))
    if not settings:
        yield f"  {good('Nothing wrong.')}"
    for report in reports:
        yield ""
        yield from _head(report)
        for found in report.findings:
            yield from _finding(found, paint.get(found.severity, error))
        if report.tested and not report.findings:
            yield f"  {good('Nothing wrong.')}"
        for why in dict.fromkeys(missing.why for missing in report.untested):
            tests = ", ".join(missing.test for missing in report.untested if missing.why == why)
            yield from _wrapped(f"Not tested, because {why}: {tests}.", "  ")
        if report.hints:
            yield ""
            yield "  Can't be seen from here; look in the Auth0 Dashboard:"
            for hint in report.hints:
                yield from _wrapped(hint, "  - ")


def _head(report: Report) -> Iterator[str]:
    yield f"Configuration {report.configuration!r}{f' at {report.issuer}' if report.issuer else ''}"
    if report.callback:
        yield f"  Callback URL {report.callback} ({report.address_source})"
        yield f"  Logout URL   {report.logged_out}"
    if report.tested:
        count = f"{report.requests} request{'' if report.requests == 1 else 's'}"
        yield from _wrapped(f"Tested with {count}: {', '.join(report.tested)}.", "  ")


def _finding(found: Finding, paint: Paint) -> Iterator[str]:
    yield ""
    yield f"  {paint(found.severity.upper())} {found.id}{f' {found.name}' if found.name else ''}"
    if found.answer:
        yield from _wrapped(f"{'Answer:':<8}{found.answer}", "    ")
    yield from _wrapped(f"{'Cause:':<8}{found.cause}", "    ")
    if found.fix:
        yield from _wrapped(f"{'Fix:':<8}{found.fix}", "    ")


def _wrapped(text: str, first: str) -> list[str]:
    rest = " " * (len(first) + (8 if first == "    " else 0))
    return textwrap.wrap(
        text, _WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )
