"""Every block of code in the documentation is executed, or at least checked: ``pages`` says which marker means what."""

from __future__ import annotations

import ast
import gc
import importlib
import inspect
import json
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from asgiref.sync import async_to_sync
from django.conf import global_settings
from django.http import HttpRequest
from django.template import Template
from django.test import Client

from django_auth0_flow.conf import configurations, find_chooser_problems, find_problems
from django_auth0_flow.doctor.catalogue import MISTAKES
from django_auth0_flow.doctor.findings import Finding
from django_auth0_flow.doctor.report import as_text
from django_auth0_flow.testing import FakeApi
from django_auth0_flow.testing.tenant import Tenant
from django_auth0_flow.testing.tenant.control import CONTROLS
from django_auth0_flow.testing.tenant.model import ConnectedAccount
from tests.client_keys import client_key
from tests.docs.commands import check_commands
from tests.docs.pages import PAGES, Block, blocks, prose
from tests.projects.readme import settings as readme_settings

MARKERS = {
    "python": (
        r"((celery|proxy|sub-path) )?settings|module(?:: \w+)?|in a view(, with Token Vault)?|in an async view|run: [\w-]+|"
        r"tour: mysite/\w+\.py"
    ),
    "sh": r"shell|controls|tour: (shell|tenant)|(demo|test) command",
    "html": r"template|template tags|frame",
    "text": r"|doctor output",
    "nginx": "proxy",
}
SETTINGS = ("settings", "proxy settings", "sub-path settings", "tour: mysite/settings.py")
NEW_PROJECT: dict[str, Any] = {
    "INSTALLED_APPS": ["django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes"],
    "MIDDLEWARE": ["django.contrib.auth.middleware.AuthenticationMiddleware"],
    "AUTH0": {"DOMAIN": "example.eu.auth0.com", "CLIENT_ID": "an-id", "CLIENT_SECRET": "a-secret-of-some-length"},
}


@pytest.mark.parametrize("block", blocks(), ids=str)
def test_every_block_has_a_marker_that_says_how_it_is_tested(block: Block) -> None:
    assert block.language in MARKERS
    assert re.fullmatch(MARKERS[block.language], block.marker), block.marker


@pytest.fixture
def module_of_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """What settings name by its path."""
    package, tenants = ModuleType("mysite"), ModuleType("mysite.tenants")
    vars(tenants)["choose"] = lambda request: "default"
    monkeypatch.setitem(sys.modules, "mysite", package)
    monkeypatch.setitem(sys.modules, "mysite.tenants", tenants)


@pytest.mark.usefixtures("module_of_the_reader")
@pytest.mark.parametrize(
    "block", blocks("settings", "proxy settings", "sub-path settings", "tour: mysite/settings.py"), ids=str
)
def test_settings_have_no_problems(block: Block, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("new", "old"):
        (tmp_path / f"{name}.pem").write_text(client_key(name).pem)
    monkeypatch.setenv("AUTH0_CLIENT_ID", "an-id")
    monkeypatch.setenv("AUTH0_CLIENT_SECRET", "a-secret-of-some-length")
    names: dict[str, Any] = {name: type(value)(value) for name, value in NEW_PROJECT.items()}
    code = block.code.replace("/run/secrets/", f"{tmp_path}/")
    exec(compile(code, str(block), "exec"), names)  # noqa: S102
    setting = names["AUTH0"]
    assert [problem.message for problem in find_chooser_problems(setting)] == []
    for name, configuration in configurations(setting).items():
        assert [problem.message for problem in find_problems(configuration, name=name)] == []
    known = {*dir(global_settings), "AUTH0"}
    assert {name for name in names if name.isupper()} - known == set()


@pytest.mark.parametrize("block", blocks("module"), ids=str)
def test_modules_can_be_imported(block: Block) -> None:
    names: dict[str, Any] = {"__name__": "mysite.example"}
    exec(compile(block.code, str(block), "exec"), names)  # noqa: S102
    names.clear()
    gc.collect()  # receivers of signals are known by weak references: they end here


@pytest.mark.parametrize("block", blocks(language="python"), ids=str)
def test_imports_work(block: Block) -> None:
    """Also where the block itself is run elsewhere, in a project that it may not name everything in."""
    for node in ast.walk(ast.parse(block.code)):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("django_auth0_flow"):
            module = importlib.import_module(str(node.module))
            assert [name.name for name in node.names if not hasattr(module, name.name)] == []


class AnyApi(FakeApi):
    """Answers every call."""

    def _respond(self, request: requests.PreparedRequest) -> requests.Response:
        self.on(str(request.method), str(request.url), json={})
        return super()._respond(request)


@pytest.fixture
def request_of_a_visitor(client: Client, settings: Any, auth0_login: Callable[..., Any]) -> HttpRequest:
    settings.AUTH0 = readme_settings.AUTH0
    auth0_login(client, claims={"email": "ada@example.com"})
    found: HttpRequest = client.get("/").wsgi_request
    return found


@pytest.mark.parametrize("block", blocks("in a view"), ids=str)
def test_lines_of_a_view_run(block: Block, request_of_a_visitor: HttpRequest) -> None:
    with AnyApi():
        exec(compile(block.code, str(block), "exec"), {"request": request_of_a_visitor})  # noqa: S102


@pytest.mark.parametrize("block", blocks("in a view, with Token Vault"), ids=str)
def test_lines_of_a_view_get_tokens_of_identity_providers(
    block: Block, tenant: Tenant, logged_in_client: Client
) -> None:
    tenant.user.linked_connections["google-oauth2"] = "google-token"
    tenant.user.connected_accounts["cac_1"] = ConnectedAccount("cac_1", "google-oauth2")
    tenant.allow_connected_accounts(google_oauth2=["openid"])
    names: dict[str, Any] = {"request": logged_in_client.get("/").wsgi_request}
    exec(compile(block.code, str(block), "exec"), names)  # noqa: S102
    if "disconnect" in block.code:
        assert tenant.user.connected_accounts == {}
        assert names["link"] == "/auth0/connect/?connection=google-oauth2&next=%2Fcalendar%2F"
    else:
        assert names["token"] == "google-token"


@pytest.mark.parametrize("block", blocks("in an async view"), ids=str)
def test_lines_of_an_async_view_run(block: Block, request_of_a_visitor: HttpRequest) -> None:
    code = compile(block.code, str(block), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)

    async def run() -> None:
        waiting = eval(code, {"request": request_of_a_visitor})  # noqa: S307
        assert inspect.isawaitable(waiting)
        await waiting

    with AnyApi():
        async_to_sync(run)()


@pytest.mark.parametrize("block", blocks("template"), ids=str)
def test_templates_compile(block: Block) -> None:
    Template(block.code)


@pytest.mark.parametrize("block", blocks(language="sh"), ids=str)
def test_commands_exist_with_these_arguments(block: Block) -> None:
    if block.marker != "controls":
        check_commands(block.code)


def inline_commands() -> list[str]:
    """Return the commands that stand within sentences and tables."""
    code = [found for page in PAGES for found in re.findall(r"`([^`\n]+)`", prose(page))]
    return sorted({found for found in code if re.match(r"(python )?manage\.py |python -m |pip |pytest ", found)})


@pytest.mark.parametrize("command", inline_commands())
def test_commands_in_sentences_exist(command: str) -> None:
    check_commands(command)


@pytest.mark.parametrize("command", [line for found in blocks("controls") for line in found.code.splitlines()])
def test_controls_of_the_local_tenant(command: str, tenant: Tenant) -> None:
    (program, *words) = shlex.split(command)
    assert program == "curl"
    method, body = "GET", None
    while words[:-1]:
        option, value = words.pop(0), words.pop(0)
        if option == "-X":
            method = value
        else:
            assert option == "--json"
            method, body = "POST", json.loads(value)
    address = words[0].replace("http://127.0.0.1:9400/", tenant.issuer)
    answer = requests.request(method, address, json=body, timeout=10)
    assert answer.status_code == 200, answer.text


def test_controls_are_documented_whole() -> None:
    documented = set()
    for line in "".join(found.code for found in blocks("controls")).splitlines():
        words = shlex.split(line)
        method = "POST" if "--json" in words else words[words.index("-X") + 1] if "-X" in words else "GET"
        documented.add((method, urlsplit(words[-1]).path.removeprefix("/_tenant")))
    assert documented == {(method, path) for method, path, *_ in CONTROLS}


@pytest.mark.parametrize("block", blocks("doctor output"), ids=str)
def test_the_doctor_says_this(block: Block) -> None:
    """The page ends some texts early, with an ellipsis; the tenant's answer and the URL are the page's own."""
    shown = " ".join(block.code.split("\n", 1)[1].split())
    ((id_, answer, url),) = re.findall(r"ERROR (\w+) .* Answer: (.*?) … .* The URL: (\S+)", shown)
    mistake = MISTAKES[id_]
    cause = f"{mistake.cause} The URL: {url}"
    found = Finding(id_, mistake.name, mistake.severity, "authorize", cause, mistake.fix, f"{answer} …")
    lines = as_text([found], [], error=str, warning=str, good=str)
    said = " ".join(" ".join(lines).split()).removeprefix("Settings ")
    assert said.startswith(shown.removesuffix(" …"))
