"""The tests of refresh, first logins and back-channel logout once more, on PostgreSQL and MariaDB, with each session store.

SQLite with database sessions is what the suite runs on anyway.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.mariadb import MariaDB
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
SUITE = [
    f"tests/{name}.py"
    for name in (
        "tokens/test_refresh",
        "users/test_users",
        "users/test_groups",
        "embedded/test_double_submit",
        "logout/test_backchannel",
        "test_logins",
    )
]


def run_suite(environment: dict[str, str], *suite: str) -> None:
    """Run part of the suite in a process of its own and fail with its output."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *suite, "-q", "-m", "not slow", "-p", "no:cacheprovider", "--no-header"],
        env={**os.environ, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


@pytest.mark.parametrize("engine", ["postgresql", "mariadb"])
def test_suite_on(engine: str, request: pytest.FixtureRequest) -> None:
    server: Postgres | MariaDB = request.getfixturevalue("postgres" if engine == "postgresql" else "mariadb")
    run_suite({"TEST_DATABASE": json.dumps(server.django_database(f"suite_{engine}"))}, *SUITE)


@pytest.mark.parametrize("sessions", ["cache", "cached_db"])
def test_suite_with_sessions_in_redis(redis_server: Redis, sessions: str) -> None:
    environment = {
        "TEST_CACHE": json.dumps(redis_server.django_cache()),
        "TEST_SESSION_ENGINE": f"django.contrib.sessions.backends.{sessions}",
    }
    run_suite(environment, *SUITE)


@pytest.mark.parametrize("variable", ["TEST_LOGIN_REQUIRED_MIDDLEWARE", "TEST_ATOMIC_REQUESTS"])
def test_suite_under(variable: str) -> None:
    run_suite(
        {variable: "1"},
        *SUITE,
        "tests/views/test_callback.py",
        "tests/test_protection.py",
        "tests/logout/test_logout.py",
    )
