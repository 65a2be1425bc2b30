"""The layers of style.md: who may import whom, and what stays free of Django."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = "django_auth0_flow"
ROOT = Path(__file__).parent.parent / PACKAGE

#: The rows of style.md, top first. Where modules of one row build on each other it is written as several lines, in their
#: order: a module imports from later lines only. A new module needs its place here.
ROWS = (
    # 7
    ("7", "urls apps"),
    # 6
    ("6", "admin_site"),
    ("6", "management.commands.auth0_doctor"),
    ("6", "doctor.visit"),
    ("6", "doctor.examination doctor.hints doctor.report"),
    ("6", "doctor.token_probes"),
    ("6", "doctor.metadata_probes doctor.authorize_probes doctor.logout_probe doctor.addresses"),
    ("6", "doctor.subject doctor.browser_answers doctor.findings"),
    ("6", "doctor.literal"),
    ("6", "mfa_views"),
    ("6", "direct_views"),
    ("6", "callback"),
    ("6", "decorators views"),
    ("6", "silent"),
    ("6", "admin admin_config rest_framework"),
    ("6", "middleware templatetags.auth0 management.commands.auth0_clearsessions"),
    ("6", "management.commands.auth0_import_identities"),
    ("6", "answers bearer backchannel forms"),
    # 5
    ("5", "mfa_flow"),
    ("5", "direct_flow requirements"),
    ("5", "flow logout_flow"),
    # 4
    ("4", "backends pending transaction_cookie"),
    ("4", "session transactions admission direct_errors"),
    ("4", "access.current_login"),
    ("4", "site_urls"),
    ("4", "setup_mistakes"),
    ("4", "doctor.catalogue doctor.refusals"),
    # 3
    ("3", "refresh single_logout cleanup mapping identity_import"),
    ("3", "single_flight identity_sources"),
    ("3", "exchange steps connection_pool"),
    # 2
    ("2", "models checks"),
    ("2", "crypto signals words django_sessions short_sessions client_address storage.session_facts"),
    # 1
    ("1", "conf"),
    ("1 below", "shared_cache"),
    ("1", "settings_problems"),
    ("1", "stronger"),
    ("1", "problems"),
    # The core
    ("e", "protocol.direct protocol.front_channel protocol.outbound"),
    ("d", "protocol.client"),
    ("c", "protocol.token_requests protocol.validation"),
    ("b", "protocol.issuer"),
    ("b", "protocol.authenticated"),
    ("a", "protocol.http protocol.authorization protocol.tokens protocol.client_auth protocol.request_object"),
    ("a", "protocol.dpop protocol.signing_keys"),
    ("0", "protocol.errors protocol.strict_json protocol.deadline"),
    ("0", "protocol.tls"),
)
#: Imports that go up, each inside a function.
UPWARDS = {
    ("models", "refresh"): "login_session.api: a row's shortcut into the layer that is built on rows",
}
#: What the core may use besides the standard library; urllib3 belongs to requests.
CORE_MAY_USE = {"requests", "urllib3", "jwt", "cryptography"}

RANK = {module: -line for line, (_, modules) in enumerate(ROWS) for module in modules.split()}


def modules() -> dict[str, Path]:
    """Return the modules that have a place among the layers: all but migrations and ``testing``."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[0] not in ("migrations", "testing") and parts[-1] != "__init__":
            found[".".join(parts)] = path
    return found


MODULES = modules()


def imports(module: str, path: Path) -> Iterator[tuple[str, bool]]:
    """Yield the full names that a module imports, and whether that happens inside a function."""
    tree = ast.parse(path.read_text())
    late = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(node)
    }
    package = [PACKAGE, *module.split(".")[:-1]]
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            # ``from . import flow`` imports a module, ``from .flow import x`` names in one.
            names = [f"{start}.{alias.name}" for alias in node.names]
        yield from ((name, id(node) in late) for name in names)


def own_imports(module: str) -> Iterator[tuple[str, bool]]:
    """Yield which modules of ours a module imports."""
    for name, late in imports(module, MODULES[module]):
        if not name.startswith(f"{PACKAGE}."):
            continue
        inner = name.removeprefix(f"{PACKAGE}.")
        while inner and inner not in MODULES and not inner.startswith("testing"):
            inner = inner.rpartition(".")[0]
        if inner:
            yield inner, late


def test_every_module_has_its_place() -> None:
    assert set(MODULES) - set(RANK) == set(), "give the new module a line in ROWS"
    assert set(RANK) - set(MODULES) == set(), "ROWS names a module that is gone"


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down(module: str) -> None:
    for imported, late in own_imports(module):
        assert not imported.startswith("testing"), "nothing imports the test support"
        if imported == module or not {imported, module} <= set(RANK):
            continue  # the test above names modules without a place
        if (module, imported) in UPWARDS:
            assert late, f"{module} may import {imported} inside a function only"
            continue
        assert RANK[imported] < RANK[module], f"{module} imports {imported}, which is not below it"


def test_exceptions_are_still_needed() -> None:
    used = {(module, imported) for module in MODULES for imported, _ in own_imports(module)}
    assert set(UPWARDS) <= used


@pytest.mark.parametrize("module", [module for module in MODULES if module.startswith("protocol.")])
def test_the_core_uses_little(module: str) -> None:
    tops = {name.partition(".")[0] for name, _ in imports(module, MODULES[module])}
    assert tops - set(sys.stdlib_module_names) - CORE_MAY_USE <= {PACKAGE}
    inner = {
        name.removeprefix(f"{PACKAGE}.") for name, _ in imports(module, MODULES[module]) if name.startswith(PACKAGE)
    }
    assert all(name.startswith("protocol.") for name in inner), "the core knows nothing above itself"


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


def test_the_package_holds_its_version_only() -> None:
    body = [node for node in ast.parse((ROOT / "__init__.py").read_text()).body if not isinstance(node, ast.Expr)]
    assert [type(node) for node in body] == [ast.Assign]
