"""The rooms and their rows: who may import whom, what stays free of Django, and that nothing is too long to read."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = "django_auth0_flow"
ROOT = Path(__file__).parent.parent / PACKAGE

#: The rows, top first: a package or a module of the root imports from lines below its own only. Inside a package the
#: modules have an order too, since nothing anywhere imports in circles.
ROWS = (
    ("9", "urls apps"),
    ("8", "admin_site rest_framework decorators templatetags management"),
    ("8", "admin admin_config middleware"),
    ("7", "admin_pages"),
    ("7", "views"),
    ("6", "forms"),
    ("6", "backends error_responses"),
    ("6", "setup"),
    ("5", "embedded machine"),
    ("5", "doctor"),
    ("5", "checks"),
    ("5", "login"),
    ("5", "logout"),
    ("4", "session"),
    ("4", "access"),
    ("3", "users"),
    ("3", "tokens"),
    ("2", "models"),
    ("2", "signals pages"),
    ("1", "storage"),
    ("1", "conf"),
    ("0", "protocol"),
)
#: Inside the core: what stands on what.
CORE = (
    "connected_accounts database_connections",
    "embedded_grants redeem outbound client_credentials token_exchange",
    "client",
    "token_endpoint validation protected_calls",
    "issuer",
    "cached_document",
    "http grant authorization client_auth connection_pool prover",
    "tokens dpop signing_keys adapters",
    "claim_checks jws",
    "errors strict_json base64url addresses passwordless_channels deadline",
)
ROOT_MODULES = 16
LINES, FUNCTION_LINES = 320, 50
#: The doctor's catalogue is a list, and so is that of the log events.
LONG_MODULES = {
    "doctor.log_events": 400,
    "doctor.catalogue": 510,
}
#: What the core may use besides the standard library; urllib3 belongs to requests.
CORE_MAY_USE = {"requests", "urllib3", "jwt", "cryptography"}

#: Names with an underscore that other packages have and that may be used: Django documents the first three; no other way
#: leads from REST framework's request to Django's, or to the database that a related manager was told to use.
PRIVATE_BY_NAME_ONLY = {"_meta", "_default_manager", "_base_manager", "_request", "_db", "_hints"}

RANK = {room: -line for line, (_, rooms) in enumerate(ROWS) for room in rooms.split()}


def room_of(module: str) -> str:
    return module.partition(".")[0]


def modules() -> dict[str, Path]:
    """Return the modules that have a place among the layers: all but migrations and ``testing``."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[0] not in ("migrations", "testing", "__init__"):
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports(path: Path) -> Iterator[str]:
    """Yield the full names that a module imports, inside functions too."""
    package = [PACKAGE, *path.relative_to(ROOT).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            # ``from . import flow`` imports a module, ``from .flow import x`` names in one.
            yield from (f"{start}.{alias.name}" for alias in node.names)


def own_imports(module: str) -> Iterator[str]:
    """Yield which modules of ours a module imports; through the face of a package, the package."""
    for name in imports(MODULES[module]):
        inner = name.removeprefix(f"{PACKAGE}.")
        if inner == name:
            continue
        while inner and inner not in MODULES and not inner.startswith("testing"):
            inner = inner.rpartition(".")[0]
        if inner:
            yield inner


def test_every_room_has_its_place() -> None:
    rooms = {room_of(module) for module in MODULES}
    assert rooms - set(RANK) == set(), "give the new room a line in ROWS"
    assert set(RANK) - rooms == set(), "ROWS names a room that is gone"


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down(module: str) -> None:
    for imported in own_imports(module):
        assert not imported.startswith("testing"), "nothing imports the test support"
        here, there = room_of(module), room_of(imported)
        assert here == there or RANK[there] < RANK[here], f"{module} imports {imported}, which is not below it"


def test_nothing_imports_in_circles() -> None:
    """Imports inside functions count as well."""
    left = {module: set(own_imports(module)) - {module} for module in MODULES}
    while free := [module for module, needs in left.items() if not needs & left.keys()]:
        for module in free:
            del left[module]
    assert left == {}


def test_the_core_has_an_order() -> None:
    rank = {f"protocol.{module}": -line for line, row in enumerate(CORE) for module in row.split()}
    core = [module for module in MODULES if module.startswith("protocol.")]
    assert set(rank) == set(core)
    for module in core:
        assert all(rank[imported] < rank[module] for imported in own_imports(module) if imported != module), module


def test_the_root_is_small() -> None:
    assert len(list(ROOT.glob("*.py"))) <= ROOT_MODULES


@pytest.mark.parametrize("module", MODULES)
def test_nothing_is_too_long_to_read(module: str) -> None:
    source = MODULES[module].read_text()
    assert len(source.splitlines()) <= LONG_MODULES.get(module, LINES)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < FUNCTION_LINES, node.name


@pytest.mark.parametrize("module", [module for module in MODULES if module.startswith("protocol.")])
def test_the_core_uses_little(module: str) -> None:
    tops = {name.partition(".")[0] for name in imports(MODULES[module])}
    assert tops - set(sys.stdlib_module_names) - CORE_MAY_USE <= {PACKAGE}
    inner = {name.removeprefix(f"{PACKAGE}.") for name in imports(MODULES[module]) if name.startswith(PACKAGE)}
    assert all(name.startswith("protocol.") for name in inner), "the core knows nothing above itself"


@cache
def names_bound(module: str) -> frozenset[str]:
    """Return every name that a module defines or assigns, attributes too."""
    bound = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            bound.add(node.id if isinstance(node, ast.Name) else node.attr)
    return frozenset(bound)


def private_names_used(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.ImportFrom) and not (node.module or "").startswith((PACKAGE, "__future__")):
            yield from [*(node.module or "").split("."), *(alias.name for alias in node.names)]


@pytest.mark.parametrize("module", MODULES)
def test_nothing_private_of_another_package_is_used(module: str) -> None:
    """A private name is ours if the module, or one of ours that it imports, binds it. Equal names would deceive this."""
    ours = names_bound(module).union(*(names_bound(found) for found in own_imports(module) if found in MODULES))
    used = {name for name in private_names_used(MODULES[module]) if name.startswith("_") and name[:2] != "__"}
    assert used - ours - PRIVATE_BY_NAME_ONLY == set()


def loaded_by(*names: str) -> set[str]:
    """Return the modules that a fresh interpreter has loaded after importing ``names``."""
    code = f"import {', '.join(names)}, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    return set(done.stdout.split())


def test_the_core_loads_without_django() -> None:
    loaded = loaded_by(*(f"{PACKAGE}.{module}" for module in MODULES if module.startswith("protocol.")))
    assert "django" not in loaded
    assert not {name for name in loaded if name.startswith(PACKAGE) and ".protocol" not in name} - {PACKAGE}


def test_the_tenant_imports_neither_django_nor_the_core() -> None:
    names = [
        ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted((ROOT / "testing" / "tenant").rglob("*.py"))
        if path.stem != "__main__"
    ]
    assert len(names) > 10
    loaded = loaded_by(*names)
    assert "django" not in loaded
    ours = {name for name in loaded if name.startswith(PACKAGE)}
    assert ours - {PACKAGE, f"{PACKAGE}.testing"} == {
        name for name in ours if name.startswith(f"{PACKAGE}.testing.tenant")
    }


def test_the_fixtures_import_nothing_before_they_are_used() -> None:
    loaded = loaded_by(f"{PACKAGE}.testing.fixtures")
    assert {name for name in loaded if name.startswith(PACKAGE)} == {
        PACKAGE,
        f"{PACKAGE}.testing",
        f"{PACKAGE}.testing.fixtures",
    }
    assert not {"django", "flask", "requests"} & loaded


def test_every_logger_has_the_name_of_its_module() -> None:
    """So one entry for ``django_auth0_flow`` in a project's ``LOGGING`` catches them all."""
    calls = [
        ast.unparse(node)
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("getLogger")
    ]
    assert len(calls) > 20
    assert set(calls) == {"logging.getLogger(__name__)"}


def test_the_package_holds_its_version_only() -> None:
    body = [node for node in ast.parse((ROOT / "__init__.py").read_text()).body if not isinstance(node, ast.Expr)]
    assert [type(node) for node in body] == [ast.Assign]
