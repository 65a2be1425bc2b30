"""Compares all that is logged during the tests with the list of log events: names, levels and fields."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator

import pytest

from django_auth0_flow.doctor.log_events import BY_NAME

_LINE = re.compile(r"([a-z]+(?:_[a-z]+)*)((?: [a-z_]+=[^ ]*)*)")


def fault_of(level: str, line: str) -> str:
    """Return what is wrong with a line, "" for one that the list announces."""
    found = _LINE.match(line)
    event = BY_NAME.get(found[1]) if found else None
    if found is None or event is None:
        return f"not in doctor/log_events: {line}"
    if level not in event.levels.split():
        return f"is {level}, announced as {event.levels}: {line}"
    strange = set(re.findall(r" ([a-z_]+)=", found[2])) - set(event.fields.split())
    return f"has fields that are not announced, {sorted(strange)}: {line}" if strange else ""


class _Watch(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if ".testing" not in record.name and (fault := fault_of(record.levelname, record.getMessage())):
            self.faults.append(fault)


@pytest.fixture(autouse=True)
def log_as_announced() -> Iterator[None]:
    """Fail a test in which this package logs what its list does not announce."""
    watch, logger = _Watch(), logging.getLogger("django_auth0_flow")
    logger.addHandler(watch)
    yield
    logger.removeHandler(watch)
    assert watch.faults == []
