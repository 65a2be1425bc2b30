"""``docs/security.md``: every threat that a test's name carries has a row, and every row names tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "django_auth0_flow" / "docs" / "security.md"
ROW = re.compile(r"^\| ([SCFTJULWOBRX]\d+) \| (.+) \| (.+) \|$", re.MULTILINE)
NAMED = re.compile(r"def test_\w+|(?<=[\"'])[SCFTJULWOBRX]\d{1,2}(?=[ _:-])")
ID = re.compile(r"(?:_|^)([SCFTJULWOBRX]\d{1,2})(?=_|$)")


def rows() -> dict[str, str]:
    return {row[1]: row[3] for row in ROW.finditer(PAGE.read_text())}


def test_every_threat_in_a_test_has_its_row() -> None:
    found = {
        threat
        for path in TESTS.rglob("*.py")
        if "node_modules" not in path.parts
        for name in NAMED.findall(path.read_text())
        for threat in ID.findall(name)
    }
    assert len(found) > 100
    assert found - set(rows()) == set()


def test_no_threat_stands_twice() -> None:
    ids = [row[1] for row in ROW.finditer(PAGE.read_text())]
    assert len(ids) == len(set(ids))
    assert {f"X{number}" for number in range(1, 24)} <= set(ids)


@pytest.mark.parametrize("threat", rows())
def test_the_tests_of_a_row_are_there(threat: str) -> None:
    named = re.findall(r"`([\w/.]+)::(test_\w+)`", rows()[threat])
    assert named
    for file, name in named:
        assert f"def {name}(" in (TESTS / file).read_text(), f"{file}::{name}"
