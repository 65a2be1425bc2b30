"""Whether statements stay cheap where tables are large: ``python -m tests.benchmarks.growth ROWS ENGINE …`` prints rows.

``python -m tests.growth`` prints the plans behind them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import django

from tests.benchmarks.measure import Row, Spread, scaled, write_rows
from tests.storm.engines import installed
from tests.storm.harness import ROOT

if TYPE_CHECKING:
    from tests.growth.plans import Statement

#: The walk of ``tests.growth`` that must be found bad.
CONTROL = "control"


def statements_of(engine: str, count: int) -> list[Statement]:
    from tests.growth.plans import Access, Statement

    command = [sys.executable, "-m", "tests.growth", engine, str(count), "--json"]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True, check=True
    )
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return [Statement(**{**one, "accesses": [Access(**access) for access in one["accesses"]]}) for one in found]


def rows_of(engine: str, count: int, statements: Sequence[Statement]) -> list[Row]:
    group = f"Growth: {count} users, identities and login sessions on {engine}"
    statements = [statement for statement in statements if statement.walk != CONTROL]
    bad = [statement for statement in statements if statement.is_bad]
    slowest = max(statements, key=lambda statement: statement.seconds)
    walks = len({statement.walk for statement in statements})
    what = f"{len(statements)} statements of {walks} walks; bad: {', '.join({one.walk for one in bad}) or 'none'}"
    return [
        Row(group, "statements that read a whole table, or too much of one", Spread.exactly(len(bad)), "", 0, what),
        Row(
            group,
            "a statement",
            scaled([statement.seconds for statement in statements], 1e3),
            "ms",
            detail=f"the slowest {slowest.seconds * 1e3:.1f} ms: {slowest.walk}",
        ),
    ]


def main(count: int, *engines: str) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()
    write_rows([row for engine in installed(engines) for row in rows_of(engine, count, statements_of(engine, count))])


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
