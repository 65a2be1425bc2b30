"""Logins of users whose username is their e-mail address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
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


@pytest.mark.parametrize("address", [None, "", "\x00", 7], ids=repr)
def test_L7_without_an_address_there_can_be_no_user_and_no_crash(
    client: Client, tenant: Tenant, address: object
) -> None:
    tenant.token_hook = lambda kind, claims, header: claims.update(email=address)
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


BADGE = {"email": "email", "first_name": "given_name", "badge": "https://example.com/badge"}


class TestCollisions:
    """Another user has the value that a claim brings for a unique field."""

    @pytest.fixture(autouse=True)
    def taken(self, auth0_settings: Callable[..., Any]) -> Any:
        auth0_settings(USER_FIELDS=BADGE, GROUPS_CLAIM="roles", STAFF_GROUPS=["boss"], SUPERUSER_GROUPS=["boss"])
        return people.objects.create(email="grace@example.com", badge="17")

    def test_X5_a_superuser_who_lost_the_role_is_none_any_more(
        self, client: Client, tenant: Tenant, caplog: pytest.LogCaptureFixture
    ) -> None:
        Group.objects.create(name="boss")
        tenant.user.claims["roles"] = ["boss"]
        walk(client, tenant)
        ada = people.objects.get(email="ada@example.com")
        assert (ada.is_superuser, ada.groups.count()) == (True, 1)
        tenant.user.claims |= {"roles": [], "https://example.com/badge": "17"}
        tenant.user.given_name = "Augusta"
        for _ in range(2):
            assert walk(Client(), tenant).status_code == 302
            ada.refresh_from_db()
            assert (ada.is_staff, ada.is_superuser, ada.groups.count()) == (False, False, 0)
            assert (ada.first_name, ada.badge) == ("Augusta", None)
        assert f"user_not_updated user={ada.pk} fields=badge\n" in caplog.text

    def test_X5_a_first_login_leaves_out_what_may_be_left_out(
        self, client: Client, tenant: Tenant, caplog: pytest.LogCaptureFixture
    ) -> None:
        tenant.user.claims |= {"roles": ["boss"], "https://example.com/badge": "17"}
        assert walk(client, tenant).status_code == 302
        ada = people.objects.get(email="ada@example.com")
        assert (ada.first_name, ada.badge, ada.is_superuser) == ("Ada", None, True)
        assert f"user_not_updated user={ada.pk} fields=badge\n" in caplog.text
        assert not ada.has_usable_password()

    def test_X5_a_first_login_goes_by_the_default_where_there_is_one(
        self, client: Client, tenant: Tenant, auth0_settings: Callable[..., Any], taken: Any
    ) -> None:
        auth0_settings(USER_FIELDS={"email": "email", "card": "https://example.com/card"})
        tenant.user.claims["https://example.com/card"] = str(taken.card)
        assert walk(client, tenant).status_code == 302
        assert people.objects.get(email="ada@example.com").card != taken.card

    @pytest.mark.parametrize("name", ["mentor", "mentor_id"])
    def test_a_foreign_key_is_filled_by_the_key_of_a_row(
        self, client: Client, tenant: Tenant, auth0_settings: Callable[..., Any], taken: Any, name: str
    ) -> None:
        auth0_settings(USER_FIELDS={"email": "email", "first_name": "given_name", name: "https://example.com/mentor"})
        tenant.user.claims["https://example.com/mentor"] = taken.pk
        assert walk(client, tenant).status_code == 302
        ada = people.objects.get(email="ada@example.com")
        assert ada.mentor == taken
        for wrong in (taken.pk + 999, "nobody", [taken.pk]):
            tenant.user.claims["https://example.com/mentor"] = wrong
            tenant.user.given_name = f"not {wrong}"
            assert walk(Client(), tenant).status_code == 302
            ada.refresh_from_db()
            assert (ada.mentor, ada.first_name) == (taken, f"not {wrong}")


def test_the_test_kit(client: Client) -> None:
    auth0_login(client, sub="auth0|grace")
    assert client.get("/name/").content.decode().startswith("grace@example.com ")
    person = people.objects.create(email="alan@example.org", first_name="Alan")
    auth0_login(client, user=person)
    assert client.get("/name/").content.decode() == f"alan@example.org {person.pk}"
    person.refresh_from_db()
    assert person.first_name == "Alan"
