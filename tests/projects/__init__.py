"""Small projects with settings of their own; the tests of each are its ``cases.py``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def run_cases(
    project: str, *options: str, settings: str = "", without: tuple[str, ...] = (), **environment: str
) -> None:
    """Run the cases of a project in a process of their own, and fail with its output.

    ``options`` are pytest's. ``settings``: another module than the project's own. ``without``: variables not passed on.
    """
    kept = {name: value for name, value in os.environ.items() if name not in without}
    arguments = [f"tests/projects/{project}/cases.py", f"--ds={settings or f'tests.projects.{project}.settings'}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments, "-q", "-p", "no:cacheprovider", *options],
        cwd=Path(__file__).parents[2],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
