"""Logins where Django's database router has its own mind, and a replica has not heard of them yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.test import Client

from django_auth0_flow.models import Identity, LoginSession
from django_auth0_flow.storage.logout_tokens import SpentLogoutToken
from django_auth0_flow.testing import auth0_login, expire_tokens
from django_auth0_flow.testing.tenant import Tenant
from tests.walk import NAVIGATE, is_logged_in, walk

pytestmark = [
    pytest.mark.django_db(databases=["default", "people", "replica"]),
    pytest.mark.usefixtures("auth0_settings"),
]
users: Any = get_user_model()


def test_everything_is_where_the_router_says(client: Client, tenant: Tenant) -> None:
    walk(client, tenant)
    counts = [Identity.objects.using("people").count(), LoginSession.objects.using("people").count()]
    assert [*counts, users.objects.using("people").count()] == [1, 1, 1]
    assert not LoginSession.objects.using("replica").exists()
    assert Session.objects.using("default").exists()


def test_two_logins_in_a_row_are_the_same_user(client: Client, tenant: Tenant) -> None:
    for browser in (client, Client(), client):
        assert walk(browser, tenant).status_code == 302
        assert is_logged_in(browser)
    assert users.objects.count() == Identity.objects.count() == 1
    assert LoginSession.objects.count() == 2


def test_tokens_are_refreshed_and_saved(client: Client, tenant: Tenant) -> None:
    walk(client, tenant)
    tenant.clock.advance(90000)
    for path in ("/token/", "/unmarked-token/", "/token/"):
        assert client.get(path).status_code == 200
    assert tenant.count("/oauth/token", grant_type="refresh_token") == 1
    assert LoginSession.objects.get().version == 2


def test_permissions_of_a_login_a_moment_old(client: Client, tenant: Tenant) -> None:
    tenant.api.rbac = tenant.api.add_permissions = True
    tenant.user.permissions[tenant.api.identifier] = ["write:things"]
    walk(client, tenant)
    assert client.get("/permitted/").status_code == 200


def test_logout_finds_the_row_and_revokes_its_grant(client: Client, tenant: Tenant) -> None:
    walk(client, tenant)
    client.post("/auth0/logout/")
    assert not LoginSession.objects.exists()
    assert tenant.count("/oauth/revoke") == 1


def test_back_channel_logout(client: Client, tenant: Tenant) -> None:
    walk(client, tenant)
    form = f"logout_token={tenant.make_logout_token(sub=tenant.user.sub)}"
    kind = "application/x-www-form-urlencoded"
    assert client.post("/auth0/backchannel-logout/", form, content_type=kind).status_code == 200
    assert not is_logged_in(client)
    assert client.post("/auth0/backchannel-logout/", form, content_type=kind).status_code == 400
    assert SpentLogoutToken.objects.using("people").count() == 1


def test_outside_requests(client: Client, tenant: Tenant) -> None:
    walk(client, tenant)
    row = LoginSession.objects.for_user(users.objects.get()).first()
    assert row is not None
    assert row.api.auth is not None


def test_clearing_away(client: Client, tenant: Tenant, capsys: pytest.CaptureFixture[str]) -> None:
    walk(client, tenant)
    Session.objects.all().delete()
    call_command("auth0_clearsessions")
    LoginSession.objects.filter(session_missing_since__isnull=False).update(session_missing_since="2020-01-01T00:00Z")
    call_command("auth0_clearsessions")
    assert not LoginSession.objects.exists()


def test_the_admin(tenant: Tenant, client: Client) -> None:
    walk(client, tenant)
    staff = Client(headers=NAVIGATE)
    auth0_login(staff, user=users.objects.create_superuser("root"))
    path = "/admin/auth0_flow/loginsession/"
    row = LoginSession.objects.get(identity__subject=tenant.user.sub)
    assert tenant.user.sub in staff.get(path).content.decode()
    answer = staff.post(path, {"action": "end_logins", "_selected_action": [str(row.pk)]}, follow=True)
    assert "1 login was ended" in answer.content.decode()
    assert not is_logged_in(client)


def test_the_test_kit(client: Client, log_in: Callable[..., Any]) -> None:
    auth0_login(client)
    expire_tokens(client)
    assert client.get("/token/").status_code == 200
