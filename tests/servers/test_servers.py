"""PostgreSQL, MariaDB and Redis: that each starts, serves Django, and stops."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from tests.servers.mariadb import MariaDB
from tests.servers.postgres import Postgres
from tests.servers.process import accepts_connections
from tests.servers.redis import Redis

pytest_plugins = ["tests.servers.fixtures"]
pytestmark = pytest.mark.slow

STORE_A_WORD = """
import json, sys
import django
from django.conf import settings
settings.configure(DATABASES={"default": json.loads(sys.argv[1])})
if settings.DATABASES["default"]["ENGINE"].endswith("mysql"):
    from tests.servers.mariadb import install_driver
    install_driver()
django.setup()
from django.db import connection
connection.check_database_version_supported()
with connection.cursor() as cursor:
    cursor.execute("CREATE TABLE IF NOT EXISTS words (word varchar(40))")
    cursor.execute("INSERT INTO words VALUES (%s)", ["日本語 🔑"])
    cursor.execute("SELECT word FROM words")
    print(ascii(cursor.fetchone()[0]), connection.vendor)
"""


def run_django(database: Mapping[str, Any]) -> str:
    """Open the database in a fresh interpreter, where Django's own settings do not matter."""
    done = subprocess.run(
        [sys.executable, "-c", STORE_A_WORD, json.dumps(database)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_postgres_serves_django(postgres: Postgres) -> None:
    entry = postgres.django_database()
    assert run_django(entry) == f"{'日本語 🔑'!a} postgresql"
    assert postgres.django_database() == entry


def test_mariadb_serves_django(mariadb: MariaDB) -> None:
    entry = mariadb.django_database()
    assert run_django(entry) == f"{'日本語 🔑'!a} mysql"
    assert mariadb.django_database() == entry


def test_redis_serves_djangos_cache(redis_server: Redis) -> None:
    from django.core.cache.backends.redis import RedisCache

    cache = RedisCache(redis_server.url, {})
    assert redis_server.django_cache()["LOCATION"] == redis_server.url
    assert cache.add("key", "value")
    assert not cache.add("key", "other")
    assert cache.get("key") == "value"
    cache.close()


def test_redis_stops() -> None:
    with Redis() as server:
        port = server.port
        assert accepts_connections(port)
    assert not accepts_connections(port)
    assert not server.folder.exists()
