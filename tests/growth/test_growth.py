"""A site with many logins: no statement of a login, a refresh, a logout, the clean-up or the admin reads a whole table.

100,000 rows, where the planners choose as they do for a million: ``python -m tests.growth postgresql 1000000``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.growth.__main__ import database
from tests.growth.plans import Access, Statement
from tests.growth.walks import CONTROL

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
ROWS = 100_000


@pytest.mark.parametrize("engine", ["postgresql", "mariadb"])
def test_each_statement_finds_its_rows_by_an_index(engine: str, request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue("postgres" if engine == "postgresql" else "mariadb")
    done = subprocess.run(
        [sys.executable, "-m", "tests.growth", engine, str(ROWS), "--json"],
        env={**os.environ, "TEST_DATABASE": json.dumps(database(server))},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    statements = [
        Statement(**{**found, "accesses": [Access(**access) for access in found["accesses"]]})
        for found in json.loads(done.stdout.splitlines()[-1])
    ]
    bad = {statement.walk: statement for statement in statements if statement.is_bad}
    assert bad.pop(CONTROL).read >= ROWS
    assert not bad, "\n".join(map(str, bad.values()))
    assert len({statement.walk for statement in statements}) > 50
