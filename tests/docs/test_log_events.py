"""The documented log events are those of the list, and the list is what the code logs; ``log_watch`` sees the rest."""

from __future__ import annotations

import ast
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest

from django_auth0_flow.doctor.log_events import BY_NAME, ERROR, EVENTS, INFO, WARNING, LogEvent
from tests.docs.log_events_table import render
from tests.docs.pages import ROOT, blocks, table
from tests.log_watch import fault_of

SOURCES = [
    ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "django_auth0_flow").rglob("*.py"))
    if "testing" not in path.parts and path.name != "log_events.py"
]


def logged() -> Iterator[tuple[str, str]]:
    """Yield level and text of each call of a logger in the package."""
    for node in (node for source in SOURCES for node in ast.walk(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("logger."):
            text = node.args[0]
            assert isinstance(text, ast.Constant), ast.unparse(node)
            yield ast.unparse(node.func).removeprefix("logger.").upper(), str(text.value)


CALLS = list(logged())


def test_the_table_is_made_of_the_list() -> None:
    assert table("log events table") == render(), "python -m tests.docs.log_events_table writes it anew"


def test_an_event_has_all_that_its_row_needs() -> None:
    assert len(EVENTS) == len(BY_NAME) > 50
    for event in EVENTS:
        assert set(event.levels.split()) <= {INFO, WARNING, ERROR}
        assert event.when
        assert event.look_at


@pytest.mark.parametrize(
    ("level", "text"), [call for call in CALLS if not call[1].startswith("%s")], ids=lambda part: part[:40]
)
def test_a_call_logs_what_the_list_announces(level: str, text: str) -> None:
    assert fault_of(level, text) == ""


def test_few_calls_put_their_event_together() -> None:
    assert sorted(text for _, text in CALLS if text.startswith("%s")) == [
        "%s code=%s",
        "%s code=%s",
        "%s code=%s: the old copy is used",
        "%s: %s",
        "%s_unavailable code=%s retry_after=%d cause=%s",
    ]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_each_event_is_in_the_code(event: LogEvent) -> None:
    texts = {
        node.value
        for source in SOURCES
        for node in ast.walk(source)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    name = event.name
    put_together = name.removesuffix("_unavailable") if name.endswith("_unavailable") else name
    assert {name, put_together} & texts or any(text.startswith((f"{name} ", f"{name}:")) for text in texts)


@pytest.mark.parametrize("event", [event for event in EVENTS if event.is_security], ids=lambda event: event.name)
def test_security_events_are_shown_by_django_s_default(event: LogEvent) -> None:
    assert INFO not in event.levels.split()


def test_the_watch_notices() -> None:
    assert fault_of("WARNING", "login_failed code=x configuration=default: exp: the token a=b") == ""
    assert "not in doctor/log_events" in fault_of("WARNING", "login_odd code=x")
    assert "announced as WARNING" in fault_of("INFO", "login_failed code=x")
    assert "['token']" in fault_of("WARNING", "login_failed token=x code=y")


#: Logs a line of each level, as a site with these settings does.
_SITE = """
import logging, django
from django.conf import settings
settings.configure(DEBUG=False, {setting})
django.setup()
logger = logging.getLogger("django_auth0_flow.access.bearer")
logger.info("login_finished user=1")
logger.warning("bearer_token_refused code=token_exp")
"""


def shown(setting: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _SITE.replace("{setting}", setting)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout + done.stderr


def test_what_django_s_default_and_the_documented_logging_show() -> None:
    """In a process of its own: ``LOGGING`` is the whole process's."""
    default = shown("")
    assert "bearer_token_refused code=token_exp" in default
    assert "login_finished" not in default
    (block,) = [found for found in blocks("settings") if "LOGGING = {" in found.code]
    values: dict[str, object] = {}
    exec(block.code, values)  # noqa: S102  # the documentation's own
    lines = shown(f"LOGGING={values['LOGGING']!r}").splitlines()
    assert [line.partition(" django_auth0_flow.access.bearer ")[2] for line in lines] == [
        "login_finished user=1",
        "bearer_token_refused code=token_exp",
    ]
    assert logging.getLogger("django_auth0_flow").level == logging.NOTSET
