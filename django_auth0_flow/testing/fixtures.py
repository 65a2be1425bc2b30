"""pytest fixtures: logins without network, a fake API; a local tenant, settings that point at it, whole logins.

Registered as a pytest plugin by the package; nothing is imported before a fixture is used.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from django.test import Client

    from .fake_api import FakeApi
    from .tenant import Tenant


@pytest.fixture(autouse=True)
def _auth0_back_online() -> Iterator[None]:
    """Undo after each test that ``auth0_login`` or ``make_access_token`` took a tenant offline."""
    before = sys.modules.get("django_auth0_flow.testing.offline")
    if before is not None:
        with before.as_it_was():
            yield
        return
    yield
    if (offline := sys.modules.get("django_auth0_flow.testing.offline")) is not None:
        offline.go_online()


@pytest.fixture(autouse=True)
def _auth0_connections_end() -> Iterator[None]:
    """Leave no connection to an API open after a test: its server would wait for it."""
    yield
    if (pool := sys.modules.get("django_auth0_flow.protocol.connection_pool")) is not None:
        pool.close_idle_connections()


@pytest.fixture
def auth0_login(db: None) -> Callable[..., Any]:
    """Log a test client in without network: ``auth0_login(client, permissions="read:things")``."""
    from .kit import auth0_login

    return auth0_login


@pytest.fixture
def fake_api() -> Iterator[FakeApi]:
    """Answers for ``request.auth0.api``: ``fake_api.on("GET", "https://api.example.com/things", json=[])``."""
    from .fake_api import FakeApi

    with FakeApi() as api:
        yield api


@pytest.fixture
def tenant() -> Iterator[Tenant]:
    """A fresh Auth0 tenant on loopback, which knows the addresses of this site; needs the ``tenant`` extra."""
    from django.conf import settings as django_settings

    from .tenant import Tenant

    with Tenant() as running:
        if django_settings.configured:
            from django.core.cache import cache

            from .site import register_site

            # Ports are used again: what an earlier tenant said of itself must not be taken for this one's word.
            keys = f"{running.issuer}.well-known/jwks.json"
            cache.delete_many([f"auth0_flow:metadata:{running.issuer}", f"auth0_flow:jwks:{keys}"])

            register_site(running)
        yield running


@pytest.fixture
def auth0_settings(tenant: Tenant, settings: Any, request: pytest.FixtureRequest) -> Callable[..., dict[str, Any]]:
    """Point ``settings.AUTH0`` at the tenant; call it with further keys to change them."""
    from .site import TEST_SITES, settings_for

    sites = [*TEST_SITES]
    if "live_server" in request.fixturenames:
        sites.append(request.getfixturevalue("live_server").url)

    def configure(**keys: Any) -> dict[str, Any]:
        settings.AUTH0 = settings_for(tenant, sites=sites, **keys)
        configured: dict[str, Any] = settings.AUTH0
        return configured

    configure()
    return configure


@pytest.fixture
def log_in(tenant: Tenant, auth0_settings: Any, db: None) -> Callable[..., Any]:
    """Return a function that walks a whole login with a Django test client: ``log_in(client, next="/", user=…)``.

    It returns the callback's response; the tenant is asked over real HTTP.
    """
    from .site import log_in_at

    def walk(client: Client, *, next: str = "/", user: Any = None, **parameters: str) -> Any:
        return log_in_at(tenant, client, next=next, user=user, **parameters)

    return walk


@pytest.fixture
def logged_in_client(client: Client, log_in: Callable[..., Any]) -> Client:
    """Django's test client, logged in as the tenant's default user."""
    response = log_in(client)
    assert response.status_code == 302, response.content
    return client
