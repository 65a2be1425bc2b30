"""A database of each engine outside a test run, for benchmarks; ``sites`` has them as fixtures."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.programs import find_program
from tests.servers.mariadb import MariaDB
from tests.servers.postgres import Postgres

_SERVERS: dict[str, tuple[str, Callable[[], Postgres | MariaDB]]] = {
    "postgresql": ("initdb", Postgres),
    "mariadb": ("mariadbd", MariaDB),
}


def installed(engines: tuple[str, ...]) -> list[str]:
    """Return those that this machine has, and say which it has not."""
    found = [engine for engine in engines if engine not in _SERVERS or find_program(_SERVERS[engine][0])]
    for engine in set(engines).difference(found):
        sys.stderr.write(f"not measured on {engine}: it is not installed\n")
    return found


@contextmanager
def running(engine: str) -> Iterator[Callable[[str], dict[str, Any]]]:
    """Start the engine; yield what makes an empty database of a name and returns its ``DATABASES`` entry."""
    if engine in _SERVERS:
        with _SERVERS[engine][1]() as server:
            yield server.django_database
        return
    with tempfile.TemporaryDirectory(prefix="sqlite-") as folder:
        sqlite = {"ENGINE": "django.db.backends.sqlite3", "OPTIONS": {"timeout": 120}}
        yield lambda name: {**sqlite, "NAME": str(Path(folder) / f"{name}.sqlite3")}
