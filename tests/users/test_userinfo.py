"""Claims from the userinfo endpoint, for configurations that ask for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.contrib.auth.models import User as DjangoUser
from django.test import Client

from django_auth0_flow.testing.tenant import Tenant
from tests.walk import (
    SLOW,
    is_logged_in,
    walk,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("auth0_settings")]


class TestUserinfo:
    @pytest.fixture(autouse=True)
    def asked_for(self, auth0_settings: Callable[..., Any], tenant: Tenant) -> None:
        auth0_settings(USERINFO=True, USER_FIELDS={"first_name": "nickname"})

    def test_userinfo_fills_what_the_id_token_lacks(self, client: Client, tenant: Tenant) -> None:
        tenant.fault("claim", claim="nickname")
        walk(client, tenant)
        assert DjangoUser.objects.get().first_name == "ada"

    @pytest.mark.parametrize("fault", ["userinfo-sub-other", "userinfo-sub-missing"])
    def test_U1_userinfo_about_somebody_else_is_thrown_away(self, client: Client, tenant: Tenant, fault: str) -> None:
        tenant.fault("claim", claim="nickname")
        tenant.fault(fault)
        walk(client, tenant)
        assert is_logged_in(client)
        assert DjangoUser.objects.get().first_name == ""

    @pytest.mark.parametrize(
        ("fault", "options"),
        [
            ("html", {}),
            ("slow", {"seconds": 300}),
            ("drop", {}),
            ("drip-body", {}),
            ("deep-json", {}),
            ("status", {"status": 401, "body": ""}),
            ("status", {"status": 200, "body": "eyJhbGciOiJub25lIn0.e30."}),
        ],
        ids=str,
    )
    def test_U2_broken_userinfo_neither_crashes_nor_hangs(
        self,
        client: Client,
        tenant: Tenant,
        auth0_settings: Callable[..., Any],
        fault: str,
        options: dict[str, Any],
    ) -> None:
        auth0_settings(USERINFO=True, HTTP_TIMEOUT=3 if fault in SLOW else 10)
        tenant.fault(fault, endpoint="userinfo", **options)
        walk(client, tenant)
        assert is_logged_in(client)

    def test_U2_the_bearer_token_does_not_follow_a_redirect(self, client: Client, tenant: Tenant) -> None:
        with Tenant() as other:
            tenant.fault("redirect", endpoint="userinfo", location=f"{other.issuer}userinfo")
            walk(client, tenant)
            assert is_logged_in(client)
            assert other.requests == []


class TestRightsFromUserinfo:
    """A claim that userinfo did not bring is a missing claim, whatever the reason: rights fail closed."""

    @pytest.fixture(autouse=True)
    def boss(self, client: Client, auth0_settings: Callable[..., Any], tenant: Tenant) -> None:
        auth0_settings(USERINFO=True, GROUPS_CLAIM="roles", STAFF_GROUPS=["boss"], SUPERUSER_GROUPS=["boss"])
        Group.objects.create(name="boss")
        tenant.user.claims["roles"] = ["boss"]
        tenant.token_hook = lambda kind, claims, header: claims.pop("roles", None)  # not in the ID token
        walk(client, tenant)
        user = DjangoUser.objects.get()
        assert (user.is_staff, user.is_superuser, user.groups.count()) == (True, True, 1)

    @pytest.mark.parametrize(
        ("fault", "options"),
        [
            ("status", {"endpoint": "userinfo", "status": 503}),
            ("drop", {"endpoint": "userinfo"}),
            ("html", {"endpoint": "userinfo"}),
            ("userinfo-sub-other", {}),
        ],
        ids=str,
    )
    def test_X5_rights_go_when_userinfo_fails_and_the_login_goes_on(
        self, client: Client, tenant: Tenant, fault: str, options: dict[str, Any]
    ) -> None:
        tenant.fault(fault, **options)
        assert walk(client, tenant).status_code == 302
        assert is_logged_in(client)
        user = DjangoUser.objects.get()
        assert (user.is_staff, user.is_superuser, user.groups.count()) == (False, False, 0)
        walk(client, tenant)
        user.refresh_from_db()
        assert (user.is_staff, user.is_superuser, user.groups.count()) == (True, True, 1)
