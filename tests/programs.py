"""Ask for the programs a test needs: skip without them, or fail where all of them are promised."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

REQUIRE_ALL = "DJANGO_AUTH0_FLOW_REQUIRE_ALL"


def all_required() -> bool:
    """Tell whether a missing program is a failure here, as it is in CI."""
    return os.environ.get(REQUIRE_ALL, "") not in {"", "0"}


def missing(what: str, why: str) -> NoReturn:
    """Skip the running test, or fail it where every program is required."""
    reason = f"{what} is missing: {why}"
    if all_required():
        pytest.fail(f"{reason} ({REQUIRE_ALL} is set)", pytrace=False)
    pytest.skip(reason)


def find_program(name: str) -> str | None:
    """Return the program's path; servers are often kept out of ``PATH``."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    folders = [*map(str, versions), *os.get_exec_path(), "/usr/sbin", "/usr/local/sbin"]
    return shutil.which(name, path=os.pathsep.join(folders))


def require_module(name: str, why: str) -> str:
    """Return the name of a Python module that can be imported."""
    if importlib.util.find_spec(name) is None:
        missing(f"the Python module {name}", why)
    return name


def require(name: str, why: str) -> str:
    """Return the path of a program, or the name of a Python module when no program is called so."""
    if path := find_program(name):
        return path
    if name.isidentifier() and importlib.util.find_spec(name):
        return name
    missing(name, why)
