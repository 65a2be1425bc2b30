"""``docs/errors.md`` has a row for every code of the package, and for no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from django_auth0_flow.protocol.errors import KNOWN_OAUTH_ERRORS
from tests.docs.pages import DOCS, ROOT

PACKAGE = ROOT / "django_auth0_flow"
SOURCES = [path for path in PACKAGE.rglob("*.py") if not {"testing", "doctor"} & set(path.relative_to(PACKAGE).parts)]
TOKEN_ERRORS = ("TokenValidationError", "TokenExpired", "SigningKeyNotFound")
#: Claims that reach a TokenValidationError in a variable.
CLAIMS = {"at_hash", "auth_time", "azp", "c_hash", "exp", "iat", "iss", "jti", "nbf", "org_id", "org_name", "sub"}
ROW = re.compile(r"^\| `([\w.]+)` \| (.+) \| (.+) \| (.+) \|$", re.MULTILINE)
ROWS = ROW.findall((DOCS / "errors.md").read_text(encoding="utf-8"))


def raised(path: Path) -> Iterator[str]:
    """Yield the codes that stand in a module: ``code="…"``, a class's ``code``, the claim of a token error."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            given = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
            for value in given:
                yield from _texts(value)
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            if name in TOKEN_ERRORS and node.args and not given:
                yield from (f"token_{claim}" for claim in _texts(node.args[0]))
        elif isinstance(node, ast.Assign):
            yield from _texts(node.value) if ast.unparse(node.targets[0]) == "code" else ()
        elif isinstance(node, ast.Return) and path.name == "error_codes.py":
            yield from _texts(node.value)


def _texts(node: ast.expr | None) -> Iterator[str]:
    branches = [node.body, node.orelse] if isinstance(node, ast.IfExp) else [node]
    for branch in branches:
        if isinstance(branch, ast.Constant) and isinstance(branch.value, str) and branch.value:
            yield branch.value


def codes() -> set[str]:
    found = {code for path in SOURCES for code in raised(path)}
    assert len(found) > 70
    messages = (PACKAGE / "pages" / "messages.py").read_text(encoding="utf-8")
    explained = set(re.findall(r'^    "([\w.]+)": (?:_\(|_[A-Z])', messages, re.MULTILINE))
    assert len(explained) > 80
    return found | {f"token_{claim}" for claim in CLAIMS} | explained | KNOWN_OAUTH_ERRORS


def test_every_code_has_a_row() -> None:
    assert codes() - {code for code, *_ in ROWS} == set()


def test_there_is_no_row_for_anything_else() -> None:
    assert {code for code, *_ in ROWS} - codes() == set()


def test_no_code_stands_twice() -> None:
    documented = [code for code, *_ in ROWS]
    assert len(documented) == len(set(documented))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_says_what_it_means_who_sees_it_and_what_to_do(row: tuple[str, str, str, str]) -> None:
    _, meaning, seen_by, remedy = row
    assert meaning.strip()
    assert remedy.strip()
    assert set(seen_by.split(", ")) <= {"visitor", "caller", "code", "log"}


def test_claims_that_come_in_a_variable_are_those_of_the_protocol() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (PACKAGE / "protocol").glob("*.py"))
    assert [claim for claim in sorted(CLAIMS) if f'"{claim}"' not in text] == []
