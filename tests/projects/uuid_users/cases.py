"""Logins of users with a UUID for a key, without groups, with fields of their own."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.test import Client

from django_auth0_flow.conf import get_settings
from django_auth0_flow.models import Identity
from django_auth0_flow.rest_framework import AccessTokenUser
from django_auth0_flow.testing import auth0_login
from django_auth0_flow.testing.tenant import Tenant
from django_auth0_flow.users.mapping import ClaimsMapper
from tests.walk import walk

pytestmark = [pytest.mark.django_db]
members: Any = get_user_model()


@pytest.fixture(autouse=True)
def configured(auth0_settings: Callable[..., Any]) -> Callable[..., Any]:
    auth0_settings(
        USER_FIELDS={"contact": "email", "logins": "https://example.com/logins", "born": "birthdate"},
        GROUPS_CLAIM="roles",
        STAFF_GROUPS=["staff"],
    )
    return auth0_settings


def test_the_whole_login_and_a_refresh(client: Client, tenant: Tenant) -> None:
    tenant.user.claims |= {"https://example.com/logins": 7, "birthdate": "1815-12-10", "roles": ["staff"]}
    walk(client, tenant)
    member = members.objects.get()
    assert (member.contact, member.logins, member.born.year) == ("ada@example.com", 7, 1815)
    tenant.clock.advance(90000)
    assert client.get("/name/").content.decode() == f"{member.handle} {member.pk}"
    assert tenant.count("/oauth/token", grant_type="refresh_token") == 1


@pytest.mark.parametrize("value", [-1, 10**30, 10**400, 1.5e300, "many", [1], {"a": 1}, True], ids=str)
def test_L8_numbers_that_the_column_does_not_take_are_left_out(client: Client, tenant: Tenant, value: object) -> None:
    tenant.token_hook = lambda kind, claims, header: claims.update({"https://example.com/logins": value})
    assert walk(client, tenant).status_code == 302
    assert all(member.logins in (None, 1) for member in members.objects.all())


@pytest.mark.parametrize(
    "claims",
    [
        {"birthdate": 7},
        {"birthdate": ["1815"]},
        {"birthdate": "1815-13-10"},
        {"https://example.com/logins": float("inf")},
    ],
    ids=str,
)
def test_L8_whatever_a_field_says_to_a_value_it_is_left_out(claims: dict[str, Any]) -> None:
    assert ClaimsMapper(get_settings(), members).field_values(claims) == {}


def test_a_value_that_another_user_has_is_left_out_and_the_login_goes_on(
    client: Client, tenant: Tenant, configured: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    configured(USER_FIELDS={"badge": "https://example.com/badge"})
    walk(client, tenant)
    members.objects.create(handle="grace", badge="17")
    tenant.user.claims["https://example.com/badge"] = "17"
    assert walk(Client(), tenant).status_code == 302
    assert members.objects.get(auth0_identities__subject=tenant.user.sub).badge is None
    assert "user_not_updated" in caplog.text


def test_L7_a_long_subject_gives_a_username_that_fits_and_stays_unique(client: Client, tenant: Tenant) -> None:
    for ending in ("a", "b"):
        user = tenant.add_user(sub="auth0|" + "x" * 60 + ending, email="same@example.com")
        assert walk(Client(), tenant, user=user).status_code == 302
    handles = set(members.objects.values_list("handle", flat=True))
    assert len(handles) == 2
    assert all(len(handle) <= 30 for handle in handles)


def test_X11_a_subject_that_is_a_user_s_uuid_finds_nobodys_rows(client: Client, tenant: Tenant) -> None:
    walk(client, tenant)
    key = members.objects.get().pk
    for subject in (str(key), key.hex):
        robot: Any = AccessTokenUser({"iss": tenant.issuer, "sub": subject})
        for value in (robot, robot.pk):
            assert not Identity.objects.filter(user=value).exists()
            assert not members.objects.filter(pk=value).exists()
            with pytest.raises(TypeError, match="no row in the database"):
                Identity.objects.update(user=value)
    assert Identity.objects.filter(user=key).exists()


def test_linking_uses_the_models_own_field_for_addresses(
    client: Client, tenant: Tenant, configured: Callable[..., Any]
) -> None:
    member = members.objects.create(handle="ada", contact="ada@example.com")
    configured(LINK_BY_VERIFIED_EMAIL=True, USER_FIELDS={})
    walk(client, tenant)
    assert members.objects.get() == member
    assert client.get("/name/").content.decode() == f"ada {member.pk}"


def test_accounts_left_behind_by_another_package_find_users_by_their_uuid(auth0_settings: Any) -> None:
    ada = members.objects.create(handle="ada")
    column = ada._meta.pk.db_type(connection)
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE socialaccount_socialaccount (id int, provider text, uid text, user_id {column})")
        cursor.execute(
            "INSERT INTO socialaccount_socialaccount VALUES (1, 'auth0', 'auth0|abc', %s)",
            [ada._meta.pk.get_db_prep_value(ada.pk, connection)],
        )
    call_command("auth0_import_identities", "allauth", "--apply", stdout=io.StringIO())
    assert Identity.objects.get().user == ada


def test_the_test_kit(client: Client) -> None:
    auth0_login(client, sub="auth0|ada")
    assert client.get("/name/").content.decode() == f"auth0.ada {members.objects.get().pk}"
    member = members.objects.create(handle="grace", contact="grace@example.com", logins=3, born="1906-12-09")
    auth0_login(client, user=member)
    assert client.get("/name/").content.decode() == f"grace {member.pk}"
    member.refresh_from_db()
    assert (member.contact, member.logins, member.born.year) == ("grace@example.com", 3, 1906)
