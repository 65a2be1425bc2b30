"""Projects with a user model of their own, each tested in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("project", ["email_users", "uuid_users"])
def test_custom_user_model(project: str) -> None:
    arguments = [f"tests/projects/{project}/cases.py", f"--ds=tests.projects.{project}.settings"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments, "-q", "-p", "no:cacheprovider"],
        cwd=Path(__file__).parents[2],
        env={**os.environ},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
