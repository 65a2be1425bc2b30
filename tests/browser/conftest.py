"""One Chromium and one site for all tests in this folder; a profile of its own for each person."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from django_auth0_flow.testing.tenant import Tenant
from tests.browser.person import Person
from tests.browser.site import Site
from tests.servers import chromium as program

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ARTEFACTS = "AUTH0_FLOW_ARTEFACTS"


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    with program.launch() as browser:
        yield browser


@pytest.fixture(scope="package")
def site(chromium: Browser) -> Iterator[Site]:
    """The site as most are set up. ``chromium`` first: without it nothing needs to start."""
    with Tenant() as tenant, Site(tenant) as running:
        yield running


@pytest.fixture(scope="package")
def strict_site(chromium: Browser) -> Iterator[Site]:
    """The site with ``SESSION_COOKIE_SAMESITE = "Strict"``."""
    with Tenant() as tenant, Site(tenant, TEST_COOKIE_SAMESITE="Strict") as running:
        yield running


@pytest.fixture
def pictures(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The folder for this test's screenshots, below the one that the environment names."""
    if not (folder := os.environ.get(ARTEFACTS)):
        return tmp_path
    path = Path(folder) / re.sub(r"[^\w-]+", "-", request.node.name)
    path.mkdir(parents=True, exist_ok=True)
    return path


@pytest.fixture
def visit(chromium: Browser, pictures: Path) -> Iterator[Callable[..., Person]]:
    """Return a function that sits a person down at a browser: ``visit(site, java_script_enabled=False)``.

    At the end of the test no page may have broken its policy, or asked for a file that is not there.
    """
    people: list[Person] = []

    def sit_down(site: Site, **profile: Any) -> Person:
        people.append(Person(chromium, site, pictures, **profile))
        return people[-1]

    yield sit_down
    for person in people:
        person.close()
    assert [problem for person in people for problem in person.problems] == []


@pytest.fixture(params=[True, False], ids=["script", "no-script"])
def person(request: pytest.FixtureRequest, visit: Callable[..., Person], site: Site) -> Person:
    """Somebody at the site, with JavaScript and without."""
    return visit(site, java_script_enabled=request.param)


@pytest.fixture
def anybody(visit: Callable[..., Person], site: Site) -> Person:
    """Somebody at the site, in a browser as it comes."""
    return visit(site)
