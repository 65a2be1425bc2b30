"""Some of the tests once more: on other databases, with other session stores, and under settings that change requests.

SQLite with database sessions is what the suite runs on anyway. Which tests run again is chosen by what they depend on:

- on PostgreSQL and MariaDB what reads and writes rows that others may write too: leases and tokens, users and
  identities, groups, waiting logins, logins that end;
- with sessions in Redis what stores, moves and deletes Django's sessions;
- under LoginRequiredMiddleware and ATOMIC_REQUESTS whole requests through views.

What judges tokens, parameters and bodies is the same everywhere and runs once.
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
ROWS = [
    "tests/storage/test_ended_logins.py",
    "tests/storage/test_prepared_models.py",
    "tests/test_admin.py::TestSearching",
    "tests/tokens/test_refresh.py",
    "tests/users/test_users.py",
    "tests/users/test_groups.py",
    "tests/embedded/test_double_submit.py",
    "tests/login/test_connect.py::TestAccountPage",
    "tests/logout/test_backchannel.py",
    "tests/test_logins.py::TestGoodLogin",
    "tests/views/test_account.py::TestWhatIsKept",
]
SESSIONS = [
    "tests/embedded/test_double_submit.py",
    "tests/login/test_ended_meanwhile.py",
    "tests/logout/test_backchannel.py",
    "tests/logout/test_logout.py",
    "tests/logout/test_moved_sessions.py",
    "tests/test_logins.py::TestGoodLogin",
    "tests/views/test_account.py::TestEnding",
]
REQUESTS = [
    "tests/decorators",
    "tests/login/test_connect.py::TestThereAndBack",
    "tests/logout/test_backchannel.py",
    "tests/logout/test_logout.py",
    "tests/test_logins.py::TestGoodLogin",
    "tests/tokens/test_refresh.py",
    "tests/views/test_callback.py",
]


def run_suite(environment: dict[str, str], *suite: str) -> None:
    """Run part of the suite in a process of its own and fail with its output."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *suite, "-q", "-m", "not slow", "-p", "no:cacheprovider", "--no-header"],
        env={**os.environ, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


@pytest.mark.parametrize("engine", ["postgresql", "mariadb"])
def test_rows_on(engine: str, request: pytest.FixtureRequest) -> None:
    server: Postgres | MariaDB = request.getfixturevalue("postgres" if engine == "postgresql" else "mariadb")
    run_suite({"TEST_DATABASE": json.dumps(server.django_database(f"suite_{engine}"))}, *ROWS)


@pytest.mark.parametrize("sessions", ["cache", "cached_db"])
def test_sessions_in_redis(redis_server: Redis, sessions: str) -> None:
    environment = {
        "TEST_CACHE": json.dumps(redis_server.django_cache()),
        "TEST_SESSION_ENGINE": f"django.contrib.sessions.backends.{sessions}",
    }
    run_suite(environment, *SESSIONS)


@pytest.mark.parametrize("variable", ["TEST_LOGIN_REQUIRED_MIDDLEWARE", "TEST_ATOMIC_REQUESTS"])
def test_requests_under(variable: str) -> None:
    run_suite({variable: "1"}, *REQUESTS)
