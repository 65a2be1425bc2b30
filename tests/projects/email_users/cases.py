"""Logins of users whose username is their e-mail address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from django_auth0_flow.models import Identity
from django_auth0_flow.testing import auth0_login
from django_auth0_flow.testing.tenant import Tenant
from tests.walk import assert_nothing_stored, code_shown, walk

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("auth0_settings")]
people: Any = get_user_model()


def test_the_username_is_the_address_and_stays_when_the_address_changes(client: Client, tenant: Tenant) -> None:
    walk(client, tenant)
    assert client.get("/name/").content.decode().startswith("ada@example.com ")
    tenant.user.email, tenant.user.given_name = "countess@example.com", "Augusta"
    walk(client, tenant)
    person = people.objects.get()
    assert (person.email, person.first_name) == ("ada@example.com", "Augusta")


def test_L7_without_an_address_there_can_be_no_user_and_no_crash(client: Client, tenant: Tenant) -> None:
    tenant.user.email = None
    answer = walk(client, tenant)
    assert (answer.status_code, code_shown(answer)) == (403, "user_not_allowed")
    assert_nothing_stored(client)


def test_L2_the_same_address_under_another_subject_is_refused(
    client: Client, tenant: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    walk(client, tenant)
    twin = tenant.add_user(sub="google-oauth2|1", email="ada@example.com", email_verified=True)
    answer = walk(Client(), tenant, user=twin)
    assert (answer.status_code, code_shown(answer)) == (403, "user_not_allowed")
    assert people.objects.count() == Identity.objects.count() == 1
    assert "reason=user_not_created" in caplog.text
    assert "LINK_BY_VERIFIED_EMAIL" in caplog.text
    assert "ada@example.com" not in caplog.text


def test_the_same_address_is_linked_where_the_policy_says_so(
    client: Client, tenant: Tenant, auth0_settings: Callable[..., Any]
) -> None:
    auth0_settings(LINK_BY_VERIFIED_EMAIL=True)
    walk(client, tenant)
    twin = tenant.add_user(sub="google-oauth2|1", email="ada@example.com", email_verified=True)
    assert walk(Client(), tenant, user=twin).status_code == 302
    assert people.objects.get().auth0_identities.count() == 2


def test_nobody_else_gets_the_groups_wrong(client: Client, tenant: Tenant, auth0_settings: Callable[..., Any]) -> None:
    auth0_settings(GROUPS_CLAIM="roles", STAFF_GROUPS=["staff"])
    tenant.user.claims["roles"] = ["staff"]
    walk(client, tenant)
    assert people.objects.get().is_staff


def test_the_test_kit(client: Client) -> None:
    auth0_login(client, sub="auth0|grace")
    assert client.get("/name/").content.decode().startswith("grace@example.com ")
    person = people.objects.create(email="alan@example.org", first_name="Alan")
    auth0_login(client, user=person)
    assert client.get("/name/").content.decode() == f"alan@example.org {person.pk}"
    person.refresh_from_db()
    assert person.first_name == "Alan"
