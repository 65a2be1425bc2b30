"""A tenant of their own for the tenant's tests: no Django, nothing but HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from django_auth0_flow.testing.tenant import Tenant
from tests.testing.tenant.helpers import RelyingParty


@pytest.fixture
def tenant() -> Iterator[Tenant]:
    with Tenant() as tenant:
        yield tenant


@pytest.fixture
def rp(tenant: Tenant) -> RelyingParty:
    return RelyingParty(tenant)
