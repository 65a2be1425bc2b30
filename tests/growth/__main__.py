"""``python -m tests.growth ENGINE ROWS``: fill the tables, walk, print the plans; ENGINE is postgresql or mariadb.

``--json`` prints every statement for the test. The server is started here unless TEST_DATABASE names a database.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import defaultdict
from contextlib import nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.growth.plans import Statement


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.growth", description=__doc__)
    parser.add_argument("engine", choices=["postgresql", "mariadb"])
    parser.add_argument("rows", type=int)
    parser.add_argument("--json", action="store_true")
    return parser


def main() -> None:
    arguments = build_parser().parse_args()
    with nullcontext() if "TEST_DATABASE" in os.environ else server(arguments.engine) as running:
        if running is not None:
            os.environ["TEST_DATABASE"] = json.dumps(database(running))
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
        import django

        django.setup()
        from tests.growth.walks import measure

        started = time.monotonic()
        statements = measure(arguments.rows)
        if arguments.json:
            sys.stdout.write(json.dumps([asdict(statement) for statement in statements]) + "\n")
        else:
            report(arguments, statements, time.monotonic() - started)


def server(engine: str) -> Any:
    from tests.servers.mariadb import MariaDB
    from tests.servers.postgres import Postgres

    return Postgres() if engine == "postgresql" else MariaDB()


def database(running: Any) -> dict[str, Any]:
    """Return a new database; on PostgreSQL one that sorts as people do, where LIKE needs an index of its own."""
    from tests.servers.postgres import Postgres

    options = ("--template=template0", "--locale-provider=icu", "--icu-locale=en-US")
    found: dict[str, Any] = running.django_database("growth", *(options if isinstance(running, Postgres) else ()))
    return found


def report(arguments: argparse.Namespace, statements: list[Statement], seconds: float) -> None:
    """Print a line per walk, then the statements that read too much."""
    walks = defaultdict(list)
    for statement in statements:
        walks[statement.walk].append(statement)
    sys.stdout.write(f"{arguments.rows} rows on {arguments.engine}, {seconds:.0f} s in all\n")
    sys.stdout.write("| walk | statements | most rows read by one | slowest | all |\n|---|---|---|---|---|\n")
    for walk, found in walks.items():
        times = [statement.seconds * 1e3 for statement in found]
        most = max(statement.read for statement in found)
        sys.stdout.write(f"| {walk} | {len(found)} | {most:.0f} | {max(times):.1f} ms | {sum(times):.0f} ms |\n")
    bad = [statement for statement in statements if statement.is_bad]
    sys.stdout.write(f"\n{len(bad)} statements read a whole table, or too much of it.\n")
    sys.stdout.writelines(f"- {statement}\n" for statement in bad[:40])


if __name__ == "__main__":
    main()
