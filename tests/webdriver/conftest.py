"""Each test runs in each browser, at a site and a tenant of its own kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from django_auth0_flow.testing.tenant import Tenant
from tests.browser.site import Site
from tests.servers.browser_engines import ENGINES, Engine

if TYPE_CHECKING:
    from tests.webdriver.person import Person


@pytest.fixture(scope="package", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """One browser of a kind for all tests; who sits down at it finds no cookies."""
    with ENGINES[request.param]() as running:
        yield running


@pytest.fixture(scope="package")
def site(engine: Engine) -> Iterator[Site]:
    """The site as it is deployed: https. ``engine`` first: without it nothing needs to start."""
    with Tenant() as tenant, Site(tenant, https=True) as running:
        yield running


@pytest.fixture(scope="package")
def strict_site(engine: Engine) -> Iterator[Site]:
    """The site with ``SESSION_COOKIE_SAMESITE = "Strict"``."""
    with Tenant() as tenant, Site(tenant, https=True, TEST_COOKIE_SAMESITE="Strict") as running:
        yield running


@pytest.fixture(scope="package")
def plain_site(engine: Engine) -> Iterator[Site]:
    """The site as it is developed: http on ``localhost``."""
    with Tenant() as tenant, Site(tenant) as running:
        yield running


@pytest.fixture
def visit(engine: Engine) -> Iterator[Callable[[Site], Person]]:
    """Return a function that sits somebody down at the browser, in a tab of their own."""
    from tests.webdriver.person import Person

    people: list[Person] = []

    def sit_down(site: Site) -> Person:
        people.append(Person(engine.driver, site))
        return people[-1]

    yield sit_down
    for person in people:
        person.close()


@pytest.fixture
def person(visit: Callable[[Site], Person], site: Site) -> Person:
    """Somebody at the site as it is deployed."""
    return visit(site)
