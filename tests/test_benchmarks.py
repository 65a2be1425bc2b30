"""The benchmarks: one command makes table and plot, and each budget that is missed is explained by a profile."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.benchmarks import growth
from tests.benchmarks.measure import TIMES, Row, Spread, compared
from tests.benchmarks.profiles import largest, shares
from tests.benchmarks.report import plot, profiles, summary, table
from tests.growth.plans import Access, Statement

ROOT = Path(__file__).resolve().parents[1]
MET = Row("Login", "with a budget", Spread(0.5, 0.4, 0.6), budget=0.7, profile=[("not shown", "1 ms")])
MISSED = Row("Import", "memory & more", Spread(2.5, 2.4, 2.6), "MiB", 2, profile=[("`models`", "1 MiB (40%)")])
COUNTED = Row("Soak", "logins lost", Spread.exactly(0), "", 0)
COMPARES = Row("Login", "ours against a peer", budget=0.2, **compared([1.0, 3.0, 2.0], [10.0, 10.0, 10.0], 1e3, "ms"))
INFORMS = Row("Import", "without a budget", Spread(1, 1, 1), "ms")


def test_table_and_plot_tell_met_from_missed() -> None:
    lines = table([MET, MISSED, INFORMS]).splitlines()
    assert f"| with a budget | 0.500 {TIMES} | 0.400 to 0.600 | ≤ 0.700 met |  |" in lines
    assert "| memory & more | 2.50 MiB | 2.40 to 2.60 | ≤ 2 **missed** |  |" in lines
    found = summary([MET, COMPARES, COUNTED, INFORMS]).splitlines()
    assert f"| with a budget | 0.500 {TIMES} |  |  | 0.400 to 0.600 | ≤ 0.700 | met |" in found
    assert f"| ours against a peer | 2000 ms | 10000 ms | 0.200 {TIMES} | 0.100 to 0.300 | ≤ 0.200 | met |" in found
    assert "| logins lost | 0 |  |  |  | ≤ 0 | met |" in found
    assert "without a budget" not in "".join(found)
    drawing = ElementTree.fromstring(plot([MET, MISSED, INFORMS], "title"))  # noqa: S314  # our own
    assert [dot.get("class") for dot in drawing.findall("{*}circle")] == ["met", "missed"]


def test_what_is_missed_is_explained_and_nothing_else() -> None:
    text = profiles([MET, MISSED, INFORMS])
    assert "Missed: Import, memory & more." in text
    assert "| `models` | 1 MiB (40%) |" in text
    assert "not shown" not in text


def test_small_parts_are_summed_up() -> None:
    found = shares({"a": 5.0, "b": 3.0, "c": 1.0, "d": 1.0})
    assert largest(found, 2) == [("a", 0.5), ("b", 0.3), ("2 others", 0.2)]
    assert largest(found, 4) == found


def test_growth_counts_what_reads_too_much() -> None:
    by_index, scan = (
        Access("auth0_flow_identity", "Index Scan", 1, 1),
        Access("auth0_flow_identity", "Seq Scan", 900, 1),
    )
    found = [Statement(growth.CONTROL, "SELECT", 1.0, [scan]), *[Statement("login", "SELECT", 0.001, [by_index])] * 3]
    assert [row.spread.median for row in growth.rows_of("postgresql", 1000, found)] == [0, 1]
    bad, _ = growth.rows_of("postgresql", 1000, [*found, Statement("search", "SELECT", 0.002, [scan])])
    assert (bad.spread.median, bad.is_met) == (1, False)
    assert bad.detail == "4 statements of 2 walks; bad: search"


@pytest.mark.slow
def test_one_command_makes_table_plot_and_profiles(tmp_path: Path) -> None:
    """The parts that need nothing but this package; the figures themselves are not judged on a machine that is busy."""
    command = [sys.executable, "-m", "tests.benchmarks", "--quick", "--only"]
    command += [
        "chain",
        "reading",
        "api_calls",
        "id_token",
        "login",
        "storm",
        "startup",
        "async_calls",
        "kills",
        "memory",
    ]
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
        "32 calls at once against one",
        "during the call, the longest wait, sqlite",
        "growth from 6 to 60 logins",
    ):
        assert f"| {measure}" in text
    assert text.count("It is made of:") == text.count("**missed**") / 2, "once in each table"
    ElementTree.parse(tmp_path / "benchmarks.svg")  # noqa: S314  # our own
