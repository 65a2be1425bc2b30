"""A throw-away MariaDB, reached through PyMySQL."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

from tests import programs
from tests.servers.process import Server, accepts_connections

WHY = "the tests that run on MariaDB need the Debian package mariadb-server"


def install_driver() -> None:
    """Let Django's MySQL backend find a driver; every process that opens such a database calls this first."""
    if importlib.util.find_spec("MySQLdb") is None:
        programs.require_module("pymysql", "the tests that run on MariaDB need PyMySQL or mysqlclient")
        import pymysql

        pymysql.install_as_MySQLdb()


class MariaDB(Server):
    account = "mysql"

    def _start(self) -> None:
        data = self.folder / "data"
        innodb = ["--innodb-log-file-size=8M", "--innodb-buffer-pool-size=32M", "--innodb-flush-method=nosync"]
        self._run(
            programs.require("mariadb-install-db", WHY),
            *("--no-defaults", f"--datadir={data}", "--skip-test-db", "--auth-root-authentication-method=normal"),
            *innodb,
        )
        self.socket = self.folder / "socket"
        self._spawn(
            [
                programs.require("mariadbd", WHY),
                *("--no-defaults", f"--datadir={data}", f"--socket={self.socket}", f"--pid-file={self.folder / 'pid'}"),
                *("--bind-address=127.0.0.1", f"--port={self.port}", "--skip-name-resolve", "--max-connections=200"),
                *("--character-set-server=utf8mb4", "--innodb-flush-log-at-trx-commit=0"),
                *innodb,
            ],
            until=lambda: accepts_connections(self.port),
            environment={**os.environ, "TZ": "America/New_York"},  # its own clock is not UTC, as on many machines
        )

    def django_database(self, name: str = "auth0_flow") -> dict[str, Any]:
        """Return a ``DATABASES`` entry for a database of that name, created empty when it is new."""
        install_driver()
        client = programs.require("mariadb", WHY)
        statement = f"CREATE DATABASE IF NOT EXISTS `{name}`"
        self._run(client, "--no-defaults", f"--socket={self.socket}", "--user=root", "--execute", statement)
        return {
            "ENGINE": "django.db.backends.mysql",
            "NAME": name,
            "USER": "root",
            "PASSWORD": "",
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "OPTIONS": {"charset": "utf8mb4"},
            "TEST": {"CHARSET": "utf8mb4"},
        }
