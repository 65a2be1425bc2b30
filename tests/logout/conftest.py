"""Browsers that are logged in, for the tests of back-channel logout."""

from __future__ import annotations

import pytest
from django.test import Client

from django_auth0_flow.testing.tenant import Tenant
from tests.logout.support import LogIn


@pytest.fixture
def browsers(log_in: LogIn, tenant: Tenant) -> list[Client]:
    """Three browsers: two of Ada's, one of Grace's."""
    clients = [Client(), Client(), Client()]
    grace = tenant.users["auth0|5f7c8ec7c33c6c004bbafe82"]
    for client, user in zip(clients, [tenant.user, tenant.user, grace], strict=True):
        assert log_in(client, user=user).status_code == 302
    return clients
