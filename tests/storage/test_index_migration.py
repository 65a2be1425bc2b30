"""The indexes of a big table, built beside its traffic: deployment.md says how."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.servers.mariadb import MariaDB
from tests.servers.postgres import Postgres

pytestmark = pytest.mark.slow

BEFORE, AFTER = "0008_login_session_ceiling", "0009_indexes_for_the_admin"

SCRIPT = f"""
import io
import django
django.setup()
from django.core.management import call_command
from django.db import connection

def migrate(name, **options):
    call_command("migrate", "auth0_flow", name, verbosity=0, **options)

def indexes():
    found = {{}}
    with connection.cursor() as cursor:
        for table in ("auth0_flow_identity", "auth0_flow_loginsession"):
            constraints = connection.introspection.get_constraints(cursor, table)
            found |= {{name: (is_.get("columns"), is_.get("type"), is_.get("definition"))
                      for name, is_ in constraints.items() if is_["index"]}}
    return found

call_command("migrate", verbosity=0)
wanted = indexes()
migrate("{BEFORE}")
left = indexes()
assert len(wanted) == len(left) + 5, (wanted, left)
if connection.vendor == "postgresql":
    written = io.StringIO()
    call_command("sqlmigrate", "auth0_flow", "{AFTER}", stdout=written, no_color=True)
    statements = [line for line in written.getvalue().splitlines() if line.startswith("CREATE INDEX")]
    for statement in statements:
        with connection.cursor() as cursor:
            cursor.execute(statement.replace("CREATE INDEX", "CREATE INDEX CONCURRENTLY"))
    migrate("{AFTER}", fake=True)
    assert indexes() == wanted, (indexes(), wanted)
    migrate("{BEFORE}")
migrate("{AFTER}")
assert indexes() == wanted
call_command("migrate", check_unapplied=True, verbosity=0)
"""


@pytest.mark.parametrize("engine", ["postgresql", "mariadb"])
def test_indexes_come_and_go_and_may_be_built_beforehand(engine: str, request: pytest.FixtureRequest) -> None:
    server: Postgres | MariaDB = request.getfixturevalue("postgres" if engine == "postgresql" else "mariadb")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "TEST_DATABASE": json.dumps(server.django_database(f"indexes_{engine}")),
        },
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
