"""The recipes for Celery, in a worker that is killed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.projects import run_cases


@pytest.mark.slow
def test_the_recipes_in_a_worker_that_is_killed(tmp_path: Path) -> None:
    """The worker and its tests share a database in a file."""
    name = str(tmp_path / "tasks.db")
    database = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": name,
        "TEST": {"NAME": name},
        "OPTIONS": {"timeout": 120},
    }
    run_cases("tasks", settings="tests.settings", TEST_DATABASE=json.dumps(database))
