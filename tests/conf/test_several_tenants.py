"""Two configurations at one site: two tenants, two callbacks, no mix-ups."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User as DjangoUser
from django.test import Client

from django_auth0_flow.models import LoginSession
from django_auth0_flow.testing.tenant import Tenant
from tests.walk import (
    SITE,
    assert_nothing_stored,
    code_shown,
    come_back,
    is_logged_in,
    query_of,
    session_of,
    start,
    walk,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("auth0_settings")]


class TestSeveralConfigurations:
    """F15: two tenants at one site, each with its own callback."""

    @pytest.fixture
    def partners(self, tenant: Tenant, settings: Any) -> Any:
        with Tenant() as other:
            other.application.callbacks = [f"{SITE}/partners/callback/"]
            own = settings.AUTH0
            settings.AUTH0 = {"default": own, "partners": {**own, "ISSUER": other.issuer, "CLOCK": other.clock.now}}
            yield other

    def test_each_logs_in_at_its_own_tenant(self, client: Client, tenant: Tenant, partners: Tenant) -> None:
        url = start(client, path="/partners/login/", next="/bare/")
        assert url.startswith(partners.issuer)
        assert query_of(url)["redirect_uri"] == f"{SITE}/partners/callback/"
        assert come_back(client, partners.login(url))["Location"] == "/bare/"
        assert LoginSession.objects.get().configuration == "partners"
        assert tenant.count("/oauth/token") == 0

    def test_F15_the_answer_of_one_tenant_at_the_others_callback_is_refused(
        self, client: Client, tenant: Tenant, partners: Tenant
    ) -> None:
        start(client, path="/partners/login/")
        url = tenant.login(start(client)).replace("/auth0/callback/", "/partners/callback/")
        answer = come_back(client, url)
        assert (answer.status_code, code_shown(answer)) == (400, "state_unknown")
        assert partners.count("/oauth/token") == tenant.count("/oauth/token") == 0
        assert_nothing_stored(client)

    def test_L5_the_same_subject_of_two_tenants_is_two_people(
        self, client: Client, tenant: Tenant, partners: Tenant
    ) -> None:
        walk(client, tenant)
        come_back(other := Client(), partners.login(start(other, path="/partners/login/")))
        assert is_logged_in(other)
        assert DjangoUser.objects.count() == 2
        assert session_of(client)["_auth_user_id"] != session_of(other)["_auth_user_id"]
