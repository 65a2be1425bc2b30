"""Pytest fixtures for the real programs: each starts when the first test asks and stops after the last."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tests.servers import chromium
from tests.servers.mariadb import MariaDB
from tests.servers.oidc_provider import OidcProvider
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis

if TYPE_CHECKING:
    from playwright.sync_api import Browser


class OidcProviderFactory(Protocol):
    """Return a provider with these clients and options.

    Calls with equal options share one process, which is reset at each call: use one such provider at a time.
    """

    def __call__(self, clients: Sequence[Mapping[str, Any]] = (), **options: Any) -> OidcProvider: ...


@pytest.fixture(scope="session")
def oidc_provider() -> Iterator[OidcProviderFactory]:
    running: dict[str, OidcProvider] = {}
    with ExitStack() as stack:

        def provide(clients: Sequence[Mapping[str, Any]] = (), **options: Any) -> OidcProvider:
            key = json.dumps(options, sort_keys=True)
            if key not in running:
                running[key] = stack.enter_context(OidcProvider(**options))
            provider = running[key]
            provider.reset()
            provider.register(*clients)
            return provider

        yield provide


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    with MariaDB() as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    with Redis() as server:
        yield server


@pytest.fixture
def browser() -> Iterator[Browser]:
    """A Chromium of one's own: Playwright's event loop ends with the test."""
    with chromium.launch() as browser:
        yield browser
