"""The documentation says what the code does: settings, commands, names, and the figures that the code knows."""

from __future__ import annotations

import ast
import re
from math import prod
from typing import Any

import pytest
from django.dispatch import Signal
from django.template import Context, RequestContext, Template
from django.test import Client, RequestFactory
from django.urls import NoReverseMatch, reverse

from django_auth0_flow import signals
from django_auth0_flow.testing.tenant import Tenant
from django_auth0_flow.testing.tenant.__main__ import build_parser
from django_auth0_flow.testing.tenant.control import CONTROLS
from django_auth0_flow.testing.tenant.faults import ENDPOINTS, FAULTS
from tests.docs import pages
from tests.docs.pages import ROOT, blocks, table
from tests.storm.servers import MODELS
from tests.storm.sites import ENGINES

README = pages.README.read_text(encoding="utf-8")
#: All pages, one after the other.
TEXT = "\n".join(path.read_text(encoding="utf-8") for path in pages.PAGES)


def test_every_template_is_documented_as_replaceable() -> None:
    rows = table("templates table").splitlines()
    templates = ROOT / "django_auth0_flow/templates/auth0"
    assert sorted(re.findall(r"`(\w+\.html)`", "\n".join(row.split("|")[1] for row in rows))) == sorted(
        path.name for path in templates.iterdir()
    )


@pytest.mark.django_db
def test_template_tags_do_what_the_example_shows(rf: RequestFactory, logged_in_client: Client, tenant: Tenant) -> None:
    (example,) = blocks("template tags")
    template = Template(example.code)
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
    assert README.index(tests) < README.index("## From nothing to a first login")


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`auth0:(\w+)`", TEXT))))
def test_url_names_exist(name: str) -> None:
    try:
        assert reverse(f"auth0:{name}")
    except NoReverseMatch as error:
        raise AssertionError(name) from error


def test_signals_are_those_of_the_code() -> None:
    known = {name for name, value in vars(signals).items() if isinstance(value, Signal)}
    documented = set(re.findall(r"^\| `(\w+)` \|", TEXT.partition("| signal |")[2].partition("\n\n")[0], re.MULTILINE))
    assert documented == known


@pytest.mark.parametrize("path", ["/auth0/logout/", "/auth0/logged-out/", "/auth0/callback/"])
def test_the_frame_works(client: Client, settings: Any, path: str) -> None:
    (frame,) = (found.code for found in blocks("frame"))
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


@pytest.mark.parametrize("tag", sorted(set(re.findall(r"{% (auth0_\w+[^%]*) %}", TEXT))))
def test_template_tags_work(rf: RequestFactory, tag: str) -> None:
    Template("{% load auth0 %}{% " + tag + " %}").render(Context({"request": rf.get("/")}))


def test_figures_of_the_storm_are_those_that_its_tests_demand() -> None:
    """One refresh, every request served, no family revoked: on each engine, for the numbers in the row's name."""
    head, _, *rows = TEXT.partition("| on one expired login |")[2].partition("\n\n")[0].splitlines()
    assert [name.strip() for name in head.strip("|").split("|")] == ["SQLite", "PostgreSQL", "MariaDB"]
    assert len(ENGINES) == 3
    for row in rows:
        name, *figures = [cell.strip() for cell in row.strip("|").split("|")]
        counted = re.search(r"(\d+) requests?$", name)
        requests = int(counted[1]) if counted else prod(map(int, re.findall(r"\d+", name)))
        assert figures == [f"1 / {requests} / 0"] * 3, name
    assert sum("workers" in row or "gunicorn" in row for row in rows) == len(MODELS)


def test_faults_are_those_of_the_local_tenant() -> None:
    rows = table("faults table").splitlines()
    assert sorted(re.findall(r"`([\w-]+)`", "\n".join(row.split("|")[2] for row in rows))) == sorted(FAULTS)
    named = re.search(r"also take `endpoint` \((.*?); by default `token`\)", TEXT.replace("\n", " "))
    assert named
    assert re.findall(r"`([\w-]+)`", named[1]) == list(ENDPOINTS)


def test_options_are_those_of_the_local_tenant() -> None:
    known = set(re.findall(r"^  (--[\w-]+)", build_parser().format_help(), re.MULTILINE))
    assert set(re.findall(r"`(--[\w-]+)`", table("tenant options"))) == known


def test_controls_are_those_of_the_local_tenant() -> None:
    rows = "\n".join(row.split("|")[1] for row in table("controls table").splitlines())
    assert sorted(re.findall(r"`([A-Z]+ /[\w/-]+)`", rows)) == sorted(
        f"{method} {path}" for method, path, *_ in CONTROLS
    )


def test_the_japanese_page_has_the_settings_and_steps_of_the_tour() -> None:
    """Comments and texts differ; what is done does not."""
    tours = {
        page: [
            (found.marker, ast.dump(ast.parse(re.sub(r"'<a.*?</a>'", "''", found.code))))
            for found in blocks()
            if found.page == page and found.marker.startswith("tour: mysite/")
        ]
        for page in ("README.md", "ja.md")
    }
    assert tours["README.md"] == tours["ja.md"]


def test_figures_of_the_doctor_are_those_of_its_test() -> None:
    """``test_few_requests_each_saying_whose_they_are`` counts the fewest and the most."""
    source = (ROOT / "tests" / "doctor" / "test_examination.py").read_text(encoding="utf-8")
    fewest = re.search(r'\["requests"\] == (\d+)\n', source)
    most = re.search(r"== len\(healthy.requests\) == (\d+)", source)
    assert fewest
    assert most
    assert f"{fewest[1]} to {most[1]} requests" in TEXT
    assert f"{fewest[1]} 件から {most[1]} 件" in TEXT
