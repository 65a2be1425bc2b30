"""README.md says what the code does: settings, commands, names."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.management import get_commands
from django.template import Context, RequestContext, Template
from django.test import Client, RequestFactory
from django.urls import NoReverseMatch, reverse

from django_auth0_flow import signals
from django_auth0_flow.conf import Auth0Settings, keys
from django_auth0_flow.testing.tenant import Tenant

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TABLE = README.partition("<!-- settings table -->")[2].strip().partition("\n\n")[0]
DOCUMENTED = {key for row in TABLE.splitlines() for key in re.findall(r"`([A-Z0-9_]+)`", row.split("|")[1])}


def test_settings_table_has_every_key_and_no_other() -> None:
    assert set(keys.KEYS) == DOCUMENTED


@pytest.mark.parametrize("row", [row for row in TABLE.splitlines() if re.match(r"\| `[A-Z_]+` \|", row)])
def test_settings_table_gives_the_default(row: str) -> None:
    """Plain defaults (numbers, True/False, texts) stand literally in the second column."""
    _, key, kind, *_ = row.split("|")
    name = key.strip(" `").lower()
    default = getattr(Auth0Settings(), name)
    if name in ("response_mode", "domain", "client_id") or callable(default):
        return
    if isinstance(default, (bool, int, float, str)):
        shown = f'"{default}"' if isinstance(default, str) else f"{default}"
        assert f"`{shown}`" in kind


def test_every_template_is_documented_as_replaceable() -> None:
    table = README.partition("<!-- templates table -->")[2].strip().partition("\n\n")[0]
    templates = ROOT / "django_auth0_flow/templates/auth0"
    assert sorted(re.findall(r"`(\w+\.html)`", "\n".join(row.split("|")[1] for row in table.splitlines()))) == sorted(
        path.name for path in templates.iterdir()
    )


@pytest.mark.django_db
def test_template_tags_do_what_the_example_shows(rf: RequestFactory, logged_in_client: Client, tenant: Tenant) -> None:
    example = README.partition("<!-- template tags -->\n```html\n")[2].partition("\n```")[0]
    template = Template(example)
    anonymous = rf.get("/welcome/")
    shown = template.render(RequestContext(anonymous))
    assert '<a class="button" href="/auth0/login/?next=%2Fwelcome%2F" rel="nofollow">Come in</a>' in shown
    assert 'href="/auth0/login/?next=%2Fwelcome%2F&amp;screen_hint=signup"' in shown
    request = logged_in_client.get("/").wsgi_request
    shown = template.render(RequestContext(request))
    assert str(tenant.user.email) in shown
    assert ">Bye</button>" in shown
    assert "Come in" not in shown


def test_both_commands_come_first_and_create_their_environment() -> None:
    demo, tests = re.findall(r"<!-- (?:demo|test) command -->\n```sh\n(.*?)\n```", README, flags=re.DOTALL)
    assert demo.startswith("python3 -m venv .venv && ")
    assert demo.endswith("python example_project/manage.py demo")
    assert tests.startswith("python3 -m venv .venv && ")
    assert tests.endswith("python -m pytest -n auto")
    assert README.index(tests) < README.index("## Five-minute tour")


@pytest.mark.parametrize("name", sorted(set(re.findall(r"manage\.py (auth0_\w+)", README))))
def test_management_commands_exist(name: str) -> None:
    assert get_commands()[name] == "django_auth0_flow"


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`auth0:(\w+)`", README))))
def test_url_names_exist(name: str) -> None:
    try:
        assert reverse(f"auth0:{name}")
    except NoReverseMatch as error:
        raise AssertionError(name) from error


@pytest.mark.parametrize(
    "line", sorted(set(re.findall(r"^from (django_auth0_flow[\w.]*) import ([\w, ]+)$", README, re.MULTILINE)))
)
def test_imports_work(line: tuple[str, str]) -> None:
    module, names = line
    for name in names.split(", "):
        assert hasattr(importlib.import_module(module), name)


def test_signals_are_those_of_the_code() -> None:
    for name in ("login_failed", "tokens_refreshed", "login_session_ended"):
        assert hasattr(signals, name)
        assert f"`{name}`" in README


LOG_TABLE = README.partition("**In the log**")[2].partition("\n\n")[2].partition("\n\n")[0]
LOGGED = {event for row in LOG_TABLE.splitlines() for event in re.findall(r"`([a-z]+_[a-z_]+)", row.split("|")[1])}
SOURCES = {
    path: path.read_text(encoding="utf-8")
    for path in (ROOT / "django_auth0_flow").rglob("*.py")
    if not {"testing", "doctor"} & set(path.parts)
}


@pytest.mark.parametrize("event", sorted(LOGGED - {"duration_ms"}))
def test_log_events_are_those_of_the_code(event: str) -> None:
    """Some are put together where they are logged: ``<what>_unavailable``, and codes of ours."""
    written = re.compile(rf'"{event}[ :"]|code=["]?{event}|"{event.removesuffix("_unavailable")}"')
    assert any(written.search(source) for source in SOURCES.values())


def test_every_log_event_is_explained() -> None:
    events = {
        event for source in SOURCES.values() for event in re.findall(r'logger\.\w+\(\s*"([a-z]+_[a-z_]+)[ :]', source)
    }
    assert len(events) > 30
    assert events - LOGGED == set()


@pytest.mark.parametrize("path", ["/auth0/logout/", "/auth0/logged-out/", "/auth0/callback/"])
def test_the_frame_works(client: Client, settings: Any, path: str) -> None:
    (frame,) = re.findall(r"<!-- frame -->\n```html\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
    loaders = [
        ("django.template.loaders.locmem.Loader", {"auth0/base.html": frame}),
        "django.template.loaders.app_directories.Loader",
    ]
    (engine,) = settings.TEMPLATES
    options = {**engine.get("OPTIONS", {}), "loaders": loaders}
    settings.TEMPLATES = [{**engine, "APP_DIRS": False, "OPTIONS": options}]
    text = client.get(path).content.decode()
    assert "<header>Harbour Clinic</header>" in text
    assert "auth0/auth0.css" in text
    assert 'class="auth0-title"' in text.partition('class="auth0-card"')[2]


@pytest.mark.parametrize("tag", sorted(set(re.findall(r"{% (auth0_\w+[^%]*) %}", README))))
def test_template_tags_work(rf: RequestFactory, tag: str) -> None:
    Template("{% load auth0 %}{% " + tag + " %}").render(Context({"request": rf.get("/")}))


def test_table_of_contents_leads_somewhere() -> None:
    headings = {
        re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-")
        for title in re.findall(r"^##+ (.*)$", README, re.MULTILINE)
    }
    for target in re.findall(r"\]\(#([^)]+)\)", README):
        assert target in headings, target
