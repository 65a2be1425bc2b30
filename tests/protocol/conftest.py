"""Fixtures of the protocol tests: two keys made once, a monotonic clock to move, tiny servers."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from django_auth0_flow.protocol.client import Client
from django_auth0_flow.protocol.client_auth import client_secret_post
from django_auth0_flow.protocol.http import Http
from django_auth0_flow.protocol.issuer import Issuer
from django_auth0_flow.testing.tenant import Tenant
from django_auth0_flow.testing.tenant.keys import SigningKey
from tests.protocol.support import TinyServer, tiny_server


@pytest.fixture(scope="session")
def key() -> SigningKey:
    return SigningKey.generate()


@pytest.fixture(scope="session")
def other_key() -> SigningKey:
    return SigningKey.generate()


class Monotonic:
    """The monotonic clock, which ``advance`` moves."""

    def __init__(self) -> None:
        self._real = time.monotonic
        self._offset = 0.0

    def __call__(self) -> float:
        return self._real() + self._offset

    def advance(self, seconds: float) -> None:
        self._offset += seconds


@pytest.fixture
def monotonic(monkeypatch: pytest.MonkeyPatch) -> Monotonic:
    """Put a movable clock in the place of ``time.monotonic``, for our caches and for PyJWT's."""
    clock = Monotonic()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


@pytest.fixture
def server() -> Iterator[TinyServer]:
    with tiny_server() as running:
        yield running


@pytest.fixture
def stranger() -> Iterator[TinyServer]:
    """A second server, which must receive nothing."""
    with tiny_server() as running:
        yield running


@pytest.fixture
def http() -> Http:
    """The network code; tests of slow faults call ``hurry`` on it, the others have time on a busy machine."""
    return Http(timeout=60)


@pytest.fixture
def issuer(tenant: Tenant, http: Http) -> Issuer:
    return Issuer(tenant.issuer, http=http)


@pytest.fixture
def client(tenant: Tenant, issuer: Issuer, http: Http) -> Client:
    application = tenant.application
    return Client(
        issuer=issuer,
        client_id=application.client_id,
        auth=client_secret_post(application.client_id, application.client_secret),
        http=http,
        clock=tenant.clock.now,
        leeway=60,
    )
