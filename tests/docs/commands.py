"""What tells whether a command line in the documentation would work: programs, commands and options exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from argparse import ArgumentError
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

from django.core.management import get_commands, load_command_class
from django.core.management.base import CommandError

from django_auth0_flow.testing.tenant.__main__ import build_parser
from tests.docs.pages import ROOT
from tests.growth.__main__ import build_parser as build_growth_parser

#: Of the system or of Django: nothing here that could change.
_FOREIGN = {".", "cp", "django-admin", "export"}


def check_commands(code: str) -> None:
    """Raise AssertionError for a command of this package or its repository that does not exist with these arguments."""
    for line in code.splitlines():
        words = shlex.split(line, comments=True)
        for command in _split(words):
            _check(command)


def _split(words: Sequence[str]) -> list[list[str]]:
    """Return the commands of a line: its parts between ``&&``, without variables set before them."""
    commands: list[list[str]] = [[]]
    for word in words:
        if word == "&&":
            commands.append([])
        elif commands[-1] or not re.match(r"[A-Z0-9_]+=", word):
            commands[-1].append(word)
    return [command for command in commands if command]


def _check(command: list[str]) -> None:
    program, *arguments = command
    program = program.removeprefix(".venv/bin/")
    if program in ("python", "python3"):
        _check_python(arguments)
    elif program == "manage.py":
        _check_python(command)
    elif program == "pip":
        _check_pip(arguments)
    elif program == "pytest":
        _check_pytest(arguments)
    else:
        assert program in _FOREIGN, command


def _check_python(arguments: list[str]) -> None:
    if arguments[0] == "-m":
        _check_module(arguments[1], arguments[2:])
        return
    path, name, *rest = arguments
    assert path in ("manage.py", "example_project/manage.py")
    if name == "demo":
        assert 'sys.argv[1:2] == ["demo"]' in (ROOT / "example_project" / "manage.py").read_text()
        return
    parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
    try:
        parser.parse_args(rest)
    except CommandError as error:
        raise AssertionError(f"{name}: {error}") from error


def _check_module(module: str, arguments: list[str]) -> None:
    if module == "django_auth0_flow.testing.tenant":
        parser = build_parser()
        parser.exit_on_error = False
        try:
            assert parser.parse_known_args(arguments)[1] == []
        except ArgumentError as error:
            raise AssertionError(error) from error
    elif module == "django_auth0_flow.setup":
        _check_python(["manage.py", "auth0_setup", *arguments])
    elif module == "pytest":
        _check_pytest(arguments)
    elif module == "tests.benchmarks":
        known = _help_of(module)
        assert [option for option in arguments if option not in known] == []
    elif module == "tests.benchmarks.memory":
        assert [argument for argument in arguments if not argument.isdigit()] == []
    elif module == "tests.growth":
        build_growth_parser().parse_args(arguments)
    else:
        assert module in ("venv", "build")


@cache
def _help_of(module: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout


def _check_pip(arguments: list[str]) -> None:
    assert arguments[0] in ("install", "wheel")
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for extra in re.findall(r"\[([\w,]+)\]", " ".join(arguments)):
        assert set(extra.split(",")) <= set(known)


def _check_pytest(arguments: list[str]) -> None:
    paths = [word for word in arguments if word.startswith("tests/")]
    assert [path for path in paths if not (ROOT / path).exists()] == []
    for option, value in pairwise(arguments):
        if option == "-k":
            assert any(f"_{value}(" in (ROOT / path).read_text() for path in paths), value
