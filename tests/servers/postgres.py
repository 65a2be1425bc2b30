"""A throw-away PostgreSQL."""

from __future__ import annotations

from typing import Any

from tests import programs
from tests.servers.process import Server, accepts_connections

WHY = "the tests that run on PostgreSQL need the Debian package postgresql"
# Fast and careless: the data lives as long as the tests.
SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}


class Postgres(Server):
    account = "postgres"

    def _start(self) -> None:
        data = self.folder / "data"
        self._run(
            programs.require("initdb", WHY),
            *("--pgdata", data, "--username", "postgres", "--auth", "trust"),
            *("--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"),
        )
        settings = SETTINGS | {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
        }
        ready = programs.require("pg_isready", WHY)
        self._spawn(
            [
                programs.require("postgres", WHY),
                *("-D", data),
                *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
            ],
            until=lambda: accepts_connections(self.port) and self._succeeds(ready, *self._address()),
        )

    def django_database(self, name: str = "auth0_flow", *options: str) -> dict[str, Any]:
        """Return a ``DATABASES`` entry for a database of that name, created empty, with ``options``, when it is new."""
        programs.require_module("psycopg", WHY)
        exists = self._succeeds(programs.require("psql", WHY), *self._address(), "--no-psqlrc", "--command", "", name)
        if not exists:
            self._run(programs.require("createdb", WHY), *self._address(), *options, name)
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": name,
            "USER": "postgres",
            "PASSWORD": "",
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
        }

    def _address(self) -> tuple[str, ...]:
        return ("--host", "127.0.0.1", "--port", str(self.port), "--username", "postgres")
