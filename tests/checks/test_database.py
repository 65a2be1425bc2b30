"""Tables that are missing, and groups that don't exist."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.checks import run_checks
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder

from django_auth0_flow.checks import check_database, check_local_database, database_messages
from tests.test_checks import GOOD, changed

ROLES = {"GROUPS_CLAIM": "https://example.com/roles"}


def ids() -> list[str | None]:
    return [found.id for found in database_messages()]


@pytest.mark.django_db
def test_W041_groups_that_do_not_exist(settings: Any) -> None:
    settings.AUTH0 = changed(**ROLES, GROUPS={"editor": "Editors", "writer": "Writers", "reader": "Editors"})
    Group.objects.create(name="Writers")
    (found,) = database_messages()
    assert (found.id, found.is_serious()) == ("auth0_flow.W041", False)
    assert "don't exist: Editors." in found.msg
    assert "Group.objects.create(name='Editors')" in str(found.hint)
    Group.objects.create(name="Editors")
    assert ids() == []


@pytest.mark.django_db
def test_W042_a_migration_that_was_not_applied(settings: Any) -> None:
    settings.AUTH0 = GOOD
    assert ids() == []
    MigrationRecorder(connections["default"]).record_unapplied("auth0_flow", "0003_seal_session_keys")
    (found,) = database_messages()
    assert (found.id, found.is_serious()) == ("auth0_flow.W042", False)
    assert "0003_seal_session_keys not applied" in found.msg
    assert found.hint == "python manage.py migrate"


@pytest.fixture
def elsewhere(settings: Any, django_db_blocker: Any) -> Iterator[Any]:
    """Let the logins be in a database of a test's own."""
    added: list[str] = []

    def at(**database: Any) -> None:
        settings.DATABASE_ROUTERS = [type("Router", (), {"db_for_write": lambda *args, **hints: "logins"})()]
        connections.settings["logins"] = {**connections.settings["default"], **database}
        added.append("logins")

    with django_db_blocker.unblock():  # what Django's own test case allows is fixed before there is another database
        yield at
    for alias in added:
        connections[alias].close()
        del connections[alias], connections.settings[alias]


def test_W042_a_file_that_is_not_there_is_not_made(elsewhere: Any, tmp_path: Path) -> None:
    elsewhere(ENGINE="django.db.backends.sqlite3", NAME=tmp_path / "db.sqlite3")
    (found,) = check_local_database()
    assert found.id == "auth0_flow.W042"
    assert "0001_initial" in found.msg
    assert list(tmp_path.iterdir()) == []


def test_W043_a_database_that_does_not_answer(elsewhere: Any, tmp_path: Path) -> None:
    (tmp_path / "db.sqlite3").write_bytes(b"no database" * 100)
    elsewhere(ENGINE="django.db.backends.sqlite3", NAME=tmp_path / "db.sqlite3")
    assert [found.id for found in check_local_database()] == ["auth0_flow.W043"]


def test_a_server_is_asked_only_if_django_says_so(elsewhere: Any, tmp_path: Path) -> None:
    elsewhere(ENGINE="django.db.backends.postgresql", NAME="x", HOST=str(tmp_path))
    assert check_local_database() == []
    assert check_database() == check_database(databases=["default"]) == []
    pytest.importorskip("psycopg")
    assert [found.id for found in check_database(databases=["logins"])] == ["auth0_flow.W043"]


@pytest.mark.parametrize("command", ["migrate", "makemigrations", "test"])
def test_commands_that_make_the_tables_hear_nothing(
    command: str, elsewhere: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere(ENGINE="django.db.backends.sqlite3", NAME=tmp_path / "db.sqlite3")
    assert [found.id for found in run_checks(tags=["auth0_flow"]) if found.id == "auth0_flow.W042"]
    monkeypatch.setattr(sys, "argv", ["manage.py", command])
    assert not [found.id for found in run_checks(tags=["auth0_flow"]) if found.id == "auth0_flow.W042"]
