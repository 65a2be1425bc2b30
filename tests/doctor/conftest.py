"""A tenant with nothing wrong in it, and settings that point at it."""

from __future__ import annotations

from typing import Any

import pytest

from django_auth0_flow.testing.tenant import ALL_GRANTS, Tenant
from tests.doctor.support import SCOPE, SITE, Configure


@pytest.fixture(autouse=True)
def quiet_settings(settings: Any, db: None) -> None:
    """Leave out the one warning that a tenant on loopback deserves, and views that need more than a login."""
    settings.SILENCED_SYSTEM_CHECKS = ["auth0_flow.W007"]
    settings.ROOT_URLCONF = "tests.urlconfs.ours_only"


@pytest.fixture
def healthy(tenant: Tenant) -> Tenant:
    """A tenant in which nothing is wrong for the site at SITE, whatever kind of login it uses."""
    tenant.application.callbacks = [f"{SITE}/auth0/callback/"]
    tenant.application.logout_urls = [f"{SITE}/auth0/logged-out/"]
    tenant.application.grant_types = set(ALL_GRANTS)
    tenant.application.client_grants = {tenant.api.identifier: ["read:appointments"]}
    return tenant


@pytest.fixture
def configure(healthy: Tenant, settings: Any) -> Configure:
    """Point the settings at the tenant; call it with further keys, or None to leave one out."""

    def set_keys(**keys: Any) -> dict[str, Any]:
        values = {
            "ISSUER": healthy.issuer,
            "CLIENT_ID": healthy.application.client_id,
            "CLIENT_SECRET": healthy.application.client_secret,
            "AUDIENCE": healthy.api.identifier,
            "SCOPE": f"{SCOPE} offline_access",
            "BASE_URL": SITE,
            **keys,
        }
        settings.AUTH0 = {key: value for key, value in values.items() if value is not None}
        return values

    set_keys()
    return set_keys
