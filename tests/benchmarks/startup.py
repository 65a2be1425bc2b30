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

from tests.benchmarks.measure import Row, Spread, ratios, write_rows
from tests.benchmarks.names import FLOOR, LOGIN_PATHS, OURS
from tests.benchmarks.profiles import largest, shares

GROUP = "Start-up"
ROOT = Path(__file__).resolve().parents[2]
_PRELOADED = f"{OURS} with all that a login needs"
_IMPORT = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s*(\S+)")


class Processes:
    """Starts sites; compiled modules are in the folder ``bytecode``, as those of an installation are in their own."""

    def __init__(self, python: str, bytecode: str) -> None:
        self._python = python
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": bytecode}
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def start(self, kind: str) -> tuple[float, float]:
        """Return CPU milliseconds and resident MiB of one process."""
        found: list[float] = json.loads(self._run(kind).stdout)
        return found[0], found[1]

    def import_times(self, kind: str) -> dict[str, int]:
        """Return the microseconds that each module took, without those it imports."""
        told = self._run(kind, "-X", "importtime").stderr
        return {name: int(own) for own, name in _IMPORT.findall(told)}

    def _run(self, kind: str, *options: str) -> subprocess.CompletedProcess[str]:
        arguments = [OURS, "preload"] if kind == _PRELOADED else [kind]
        return subprocess.run(
            [self._python, *options, "-m", "tests.benchmarks.startup_site", *arguments],
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


def rows(found: dict[str, list[tuple[float, float]]], parts: list[tuple[str, str]]) -> list[Row]:
    cpu = {kind: [spent for spent, _ in values] for kind, values in found.items()}
    memory = {kind: Spread.of([used for _, used in values]) for kind, values in found.items()}
    plain = Spread.of(cpu[FLOOR])
    until = "CPU time until the first answer, against plain Django"
    loaded = [with_all - without for with_all, without in zip(cpu[_PRELOADED], cpu[OURS], strict=True)]
    peers = [kind for kind in found if kind not in (FLOOR, OURS, _PRELOADED)]
    table = [
        Row(GROUP, until, ratios(cpu[OURS], cpu[FLOOR]), budget=1.5, detail=f"{plain.median:.0f} ms", profile=parts),
        *(Row(GROUP, f"the same, {peer}", ratios(cpu[peer], cpu[FLOOR])) for peer in peers),
        Row(
            GROUP, "CPU time to load what a login needs, before the fork or at the first login", Spread.of(loaded), "ms"
        ),
        *(Row(GROUP, f"resident memory, {kind}", spread, "MiB") for kind, spread in memory.items() if kind != OURS),
    ]
    budget = min((memory[peer].median for peer in peers), default=None)
    return [*table, Row(GROUP, f"resident memory, {OURS}", memory[OURS], "MiB", budget, "at most the leanest peer's")]


def main(rounds: int, python: str = "") -> None:
    peers = [name for name, paths in LOGIN_PATHS.items() if paths.distribution] if python else []
    kinds = [FLOOR, OURS, _PRELOADED, *peers]
    found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in kinds}
    with tempfile.TemporaryDirectory(prefix="benchmark-bytecode-") as bytecode:
        processes = Processes(python or sys.executable, bytecode)
        for kind in kinds:
            processes.start(kind)  # compiles
        for _ in range(rounds):
            for kind in random.sample(kinds, len(kinds)):
                found[kind].append(processes.start(kind))
        parts = made_of(processes.import_times(OURS), processes.import_times(FLOOR))
    write_rows(rows(found, parts))


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
