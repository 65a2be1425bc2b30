"""pytest fixtures: a local tenant, settings that point at it, a clock to move, a client that is logged in.

Registered as a pytest plugin by the package; nothing is imported before a fixture is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from django.test import Client

    from .tenant import Tenant


@pytest.fixture
def tenant() -> Iterator[Tenant]:
    """A fresh Auth0 tenant on loopback; needs the ``tenant`` extra."""
    from .tenant import Tenant

    with Tenant() as running:
        running.application.callbacks = ["http://testserver/auth0/callback/"]
        running.application.logout_urls = ["http://testserver/auth0/logged-out/"]
        yield running


@pytest.fixture
def auth0_settings(tenant: Tenant, settings: Any) -> Callable[..., dict[str, Any]]:
    """Point ``settings.AUTH0`` at the tenant; call it with further keys to change them."""

    def configure(**keys: Any) -> dict[str, Any]:
        settings.AUTH0 = {
            "ISSUER": tenant.issuer,
            "CLIENT_ID": tenant.application.client_id,
            "CLIENT_SECRET": tenant.application.client_secret,
            "AUDIENCE": tenant.api.identifier,
            "SCOPE": "openid profile email offline_access",
            "CLOCK": tenant.clock.now,
            **keys,
        }
        configured: dict[str, Any] = settings.AUTH0
        return configured

    configure()
    return configure


@pytest.fixture
def log_in(tenant: Tenant, auth0_settings: Any, db: None) -> Callable[..., Any]:
    """Return a function that walks a whole login with a Django test client: ``log_in(client, next="/", user=…)``.

    It returns the callback's response; the tenant is asked over real HTTP.
    """

    def walk(client: Client, *, next: str = "/", user: Any = None, **parameters: str) -> Any:
        start = client.get("/auth0/login/", {"next": next, **parameters})
        assert start.status_code == 302, start.content
        callback = tenant.login(start["Location"], user=user)
        return client.get(callback.removeprefix("http://testserver"))

    return walk


@pytest.fixture
def logged_in_client(client: Client, log_in: Callable[..., Any]) -> Client:
    """Django's test client, logged in as the tenant's default user."""
    response = log_in(client)
    assert response.status_code == 302, response.content
    return client
