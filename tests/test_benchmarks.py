"""The benchmarks: one command makes table and plot, and each budget that is missed is explained by a profile."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.benchmarks.measure import TIMES, Row, Spread
from tests.benchmarks.profiles import largest, shares
from tests.benchmarks.report import plot, profiles, table

ROOT = Path(__file__).resolve().parents[1]
MET = Row("Login", "with a budget", Spread(0.5, 0.4, 0.6), budget=0.7, profile=[("not shown", "1 ms")])
MISSED = Row("Import", "memory & more", Spread(2.5, 2.4, 2.6), "MiB", 2, profile=[("`models`", "1 MiB (40%)")])
INFORMS = Row("Import", "without a budget", Spread(1, 1, 1), "ms")


def test_table_and_plot_tell_met_from_missed() -> None:
    lines = table([MET, MISSED, INFORMS]).splitlines()
    assert f"| with a budget | 0.500 {TIMES} | 0.400 to 0.600 | ≤ 0.700 met |  |" in lines
    assert "| memory & more | 2.50 MiB | 2.40 to 2.60 | ≤ 2 **missed** |  |" in lines
    drawing = ElementTree.fromstring(plot([MET, MISSED, INFORMS], "title"))  # noqa: S314  # our own
    assert len(drawing.findall("{*}circle")) == 2


def test_what_is_missed_is_explained_and_nothing_else() -> None:
    text = profiles([MET, MISSED, INFORMS])
    assert "Missed: Import, memory & more." in text
    assert "| `models` | 1 MiB (40%) |" in text
    assert "not shown" not in text


def test_small_parts_are_summed_up() -> None:
    found = shares({"a": 5.0, "b": 3.0, "c": 1.0, "d": 1.0})
    assert largest(found, 2) == [("a", 0.5), ("b", 0.3), ("2 others", 0.2)]
    assert largest(found, 4) == found


@pytest.mark.slow
def test_one_command_makes_table_plot_and_profiles(tmp_path: Path) -> None:
    """The parts that need nothing but this package; the figures themselves are not judged on a machine that is busy."""
    command = [sys.executable, "-m", "tests.benchmarks", "--quick", "--only"]
    command += ["reading", "api_calls", "id_token", "startup", "login"]
    done = subprocess.run(
        [*command, "--out", str(tmp_path)], cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    text = (tmp_path / "benchmarks.md").read_text()
    assert text == done.stdout
    for measure in (
        "claims, scopes and organization against `request.user`, startproject's chain",
        "django-auth0-flow, connections opened",
        "validation against `jwt.decode` with the same checks",
        "a page for somebody logged in, CPU time until the answer, against plain Django",
        "django-auth0-flow",
    ):
        assert f"| {measure}" in text
    assert text.count("It is made of:") == text.count("**missed**")
    ElementTree.parse(tmp_path / "benchmarks.svg")  # noqa: S314  # our own
