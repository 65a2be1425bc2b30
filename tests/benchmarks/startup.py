"""What a worker process takes until its first answer; ``python -m tests.benchmarks.startup ROUNDS [PYTHON]`` prints rows.

Processes take turns: plain Django, ours, ours with all that a login needs, and the peers if PYTHON is an interpreter
that has them; all run with that one then.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from tests.benchmarks.measure import Row, Spread, compared, write_rows
from tests.benchmarks.names import FLOOR, LOGIN_PATHS, OURS
from tests.benchmarks.profiles import largest, shares

GROUP = "Start-up"
ROOT = Path(__file__).resolve().parents[2]
#: Modes of the sites' page, in words.
PAGES = {"": "a page for anybody", "visitor": "a page for somebody logged in"}
_IMPORT = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s*(\S+)")

#: Site and mode.
Kind = tuple[str, str]
_PRELOADED: Kind = (OURS, "preload")


class Processes:
    """Starts sites. In ``folder`` are their databases, and compiled modules as an installation has them."""

    def __init__(self, python: str, folder: Path) -> None:
        self._python, self._folder = python, folder
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(folder)}
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def start(self, kind: Kind) -> tuple[float, float]:
        """Return CPU milliseconds and resident MiB of one process."""
        found: list[float] = json.loads(self.run(kind).stdout)
        return found[0], found[1]

    def import_times(self, kind: Kind) -> dict[str, int]:
        """Return the microseconds that each module took, without those it imports."""
        told = self.run(kind, "-X", "importtime").stderr
        return {name: int(own) for own, name in _IMPORT.findall(told)}

    def run(self, kind: Kind, *options: str) -> subprocess.CompletedProcess[str]:
        name, mode = kind
        site = [name, str(self._folder / f"{name}.sqlite3"), mode]
        return subprocess.run(
            [self._python, *options, "-m", "tests.benchmarks.startup_site", *site],
            env=self._environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )


def made_of(ours: dict[str, int], plain: dict[str, int]) -> list[tuple[str, str]]:
    """Return which packages the modules belong to that plain Django does not load, rooms of ours apart."""
    found: defaultdict[str, float] = defaultdict(float)
    for name, own in ours.items():
        if name not in plain:
            depth = 2 if name.startswith("django_auth0_flow.") else 1
            found["`" + ".".join(name.split(".")[:depth]) + "`"] += own
    return [(name, f"{share:.0%}") for name, share in largest(shares(found))]


def rows(found: dict[Kind, list[tuple[float, float]]], parts: list[tuple[str, str]]) -> list[Row]:
    cpu = {kind: [spent for spent, _ in values] for kind, values in found.items()}
    memory = {kind: Spread.of([used for _, used in values]) for kind, values in found.items()}
    table = []
    for mode, page in PAGES.items():
        peers = [name for name, at in found if at == mode and name not in (FLOOR, OURS)]
        floor = cpu[FLOOR, mode]
        until = f"{page}, CPU time until the answer, against plain Django"
        table.append(Row(GROUP, until, budget=1.5, profile=parts, **compared(cpu[OURS, mode], floor, 1, "ms")))
        table += [Row(GROUP, f"the same, {peer}", **compared(cpu[peer, mode], floor, 1, "ms")) for peer in peers]
        table += [Row(GROUP, f"{page}, resident memory, {name}", memory[name, mode], "MiB") for name in [FLOOR, *peers]]
        leanest = min((memory[peer, mode].median for peer in peers), default=None)
        resident = memory[OURS, mode]
        table.append(Row(GROUP, f"{page}, resident memory, {OURS}", resident, "MiB", leanest, profile=parts))
    loaded = [with_all - without for with_all, without in zip(cpu[_PRELOADED], cpu[OURS, ""], strict=True)]
    table.append(Row(GROUP, "what a login needs, CPU time to load it", Spread.of(loaded), "ms"))
    return [*table, Row(GROUP, "resident memory with all that a login needs", memory[_PRELOADED], "MiB")]


def main(rounds: int, python: str = "") -> None:
    peers = [name for name, paths in LOGIN_PATHS.items() if paths.distribution] if python else []
    kinds = [_PRELOADED, *((name, mode) for name in (FLOOR, OURS, *peers) for mode in PAGES)]
    found: dict[Kind, list[tuple[float, float]]] = {kind: [] for kind in kinds}
    with tempfile.TemporaryDirectory(prefix="benchmark-startup-") as folder:
        processes = Processes(python or sys.executable, Path(folder))
        for name in (FLOOR, OURS, *peers):
            processes.run((name, "prepare"))
        for kind in kinds:
            processes.start(kind)  # compiles
        for _ in range(rounds):
            for kind in random.sample(kinds, len(kinds)):
                found[kind].append(processes.start(kind))
        parts = made_of(processes.import_times((OURS, "")), processes.import_times((FLOOR, "")))
    write_rows(rows(found, parts))


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
