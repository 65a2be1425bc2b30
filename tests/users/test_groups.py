"""Groups and flags that follow a claim on every login, and what they leave alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.contrib.auth.models import User as DjangoUser
from django.test import Client

from django_auth0_flow.conf import get_settings
from django_auth0_flow.testing.tenant import Tenant
from django_auth0_flow.users.mapping import ClaimsMapper
from tests.walk import (
    walk,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("auth0_settings")]

Configure = Callable[..., dict[str, Any]]


class TestGroups:
    @pytest.fixture(autouse=True)
    def claim(self, auth0_settings: Configure) -> None:
        auth0_settings(GROUPS_CLAIM="https://example.com/roles")

    def log_in_with(self, client: Client, tenant: Tenant, roles: object) -> set[str]:
        tenant.user.claims["https://example.com/roles"] = roles
        assert walk(client, tenant).status_code == 302
        return set(DjangoUser.objects.get().groups.values_list("name", flat=True))

    def test_groups_follow_the_claim_and_others_stay(self, client: Client, tenant: Tenant) -> None:
        for name in ("editors", "readers", "by hand"):
            Group.objects.create(name=name)
        assert self.log_in_with(client, tenant, ["editors", "nonexistent"]) == {"editors"}
        DjangoUser.objects.get().groups.add(Group.objects.get(name="by hand"))
        assert self.log_in_with(client, tenant, ["readers"]) == {"readers", "by hand"}
        assert self.log_in_with(client, tenant, []) == {"by hand"}
        assert not Group.objects.filter(name="nonexistent").exists()

    def test_names_compare_to_the_letter(self, client: Client, tenant: Tenant) -> None:
        """Some databases would find the group."""
        Group.objects.create(name="Admins")
        assert self.log_in_with(client, tenant, ["admins", "\uff21dmins", "\u00c1dmins"]) == set()

    def test_a_group_given_by_hand_stays_though_the_claim_names_it_for_a_while(
        self, client: Client, tenant: Tenant
    ) -> None:
        editors = Group.objects.create(name="editors")
        self.log_in_with(client, tenant, [])
        DjangoUser.objects.get().groups.add(editors)
        assert self.log_in_with(client, tenant, ["editors"]) == {"editors"}
        assert self.log_in_with(client, tenant, []) == {"editors"}

    def test_a_group_made_later_is_not_ours_because_the_claim_once_named_it(
        self, client: Client, tenant: Tenant
    ) -> None:
        self.log_in_with(client, tenant, ["later"])
        DjangoUser.objects.get().groups.add(Group.objects.create(name="later"))
        self.log_in_with(client, tenant, ["later"])
        assert self.log_in_with(client, tenant, []) == {"later"}

    def test_what_was_given_at_several_logins_is_taken_back_together(self, client: Client, tenant: Tenant) -> None:
        for name in ("editors", "readers"):
            Group.objects.create(name=name)
        self.log_in_with(client, tenant, ["editors"])
        assert self.log_in_with(client, tenant, ["editors", "readers"]) == {"editors", "readers"}
        assert self.log_in_with(client, tenant, []) == set()

    def test_a_group_that_was_deleted_and_made_again_is_not_ours(self, client: Client, tenant: Tenant) -> None:
        editors = Group.objects.create(name="editors")
        self.log_in_with(client, tenant, ["editors"])
        editors.delete()
        self.log_in_with(client, tenant, ["editors"])
        DjangoUser.objects.get().groups.add(Group.objects.create(name="editors"))
        assert self.log_in_with(Client(), tenant, []) == {"editors"}

    @pytest.mark.parametrize(
        ("roles", "expected"),
        [
            ("editors", {"editors"}),
            ("editors readers", set()),
            ("editors,readers", set()),
            (["editors", 7, None, {"a": 1}, "", ["readers"]], {"editors"}),
            ({"editors": True}, set()),
            (7, set()),
            ("EDITORS", set()),
        ],
        ids=str,
    )
    def test_the_claims_shape(self, client: Client, tenant: Tenant, roles: object, expected: set[str]) -> None:
        for name in ("editors", "readers"):
            Group.objects.create(name=name)
        assert self.log_in_with(client, tenant, roles) == expected

    def test_X20_a_text_is_one_group(self, client: Client, tenant: Tenant, auth0_settings: Configure) -> None:
        for name in ("Content Admin", "Admin", "Content"):
            Group.objects.create(name=name)
        auth0_settings(
            GROUPS_CLAIM="https://example.com/roles", STAFF_GROUPS=["Content Admin"], SUPERUSER_GROUPS=["Admin"]
        )
        assert self.log_in_with(client, tenant, "Content Admin") == {"Content Admin"}
        user = DjangoUser.objects.get()
        assert (user.is_staff, user.is_superuser) == (True, False)

    @pytest.mark.parametrize(
        ("separator", "roles", "expected"),
        [
            (",", "editors, content readers ,,", ["content readers", "editors"]),
            (",", "editors content readers", []),
            (" ", "  editors readers ", ["editors", "readers"]),
            (" ", "editors,readers", []),
            ("::", "editors::content readers", ["content readers", "editors"]),
            (",", ["editors,readers", "content readers"], ["content readers"]),
            (",", ",", []),
        ],
        ids=str,
    )
    def test_X20_several_groups_in_a_text_need_a_separator(
        self,
        client: Client,
        tenant: Tenant,
        auth0_settings: Configure,
        separator: str,
        roles: object,
        expected: list[str],
    ) -> None:
        auth0_settings(GROUPS_CLAIM="https://example.com/roles", GROUPS_SEPARATOR=separator)
        for name in ("editors", "readers", "content readers"):
            Group.objects.create(name=name)
        assert self.log_in_with(client, tenant, roles) == set(expected)

    def test_X20_a_whole_text_is_renamed(self, client: Client, tenant: Tenant, auth0_settings: Configure) -> None:
        auth0_settings(GROUPS_CLAIM="https://example.com/roles", GROUPS={"Content Admin": "editors", "Admin": "admins"})
        for name in ("editors", "admins"):
            Group.objects.create(name=name)
        assert self.log_in_with(client, tenant, "Content Admin") == {"editors"}

    def test_renamed_groups(self, client: Client, tenant: Tenant, auth0_settings: Configure) -> None:
        auth0_settings(GROUPS_CLAIM="https://example.com/roles", GROUPS={"role:ed": "editors"})
        Group.objects.create(name="editors")
        Group.objects.create(name="readers")
        assert self.log_in_with(client, tenant, ["role:ed", "readers"]) == {"editors"}

    def test_staff_and_superusers(self, client: Client, tenant: Tenant, auth0_settings: Configure) -> None:
        auth0_settings(
            GROUPS_CLAIM="https://example.com/roles", STAFF_GROUPS=["staff", "boss"], SUPERUSER_GROUPS=["boss"]
        )
        for roles, flags in ((["boss"], (True, True)), (["staff"], (True, False)), ([], (False, False))):
            self.log_in_with(client, tenant, roles)
            user = DjangoUser.objects.get()
            assert (user.is_staff, user.is_superuser) == flags

    def test_flags_are_left_alone_without_such_settings(self, client: Client, tenant: Tenant) -> None:
        self.log_in_with(client, tenant, [])
        DjangoUser.objects.update(is_staff=True, is_superuser=True)
        self.log_in_with(client, tenant, [])
        user = DjangoUser.objects.get()
        assert (user.is_staff, user.is_superuser) == (True, True)

    def test_a_flag_that_no_setting_names_is_left_alone_beside_one_that_is(
        self, client: Client, tenant: Tenant, auth0_settings: Configure
    ) -> None:
        auth0_settings(GROUPS_CLAIM="https://example.com/roles", STAFF_GROUPS=["staff"])
        self.log_in_with(client, tenant, ["staff"])
        DjangoUser.objects.update(is_superuser=True)
        self.log_in_with(client, tenant, [])
        user = DjangoUser.objects.get()
        assert (user.is_staff, user.is_superuser) == (False, True)

    @pytest.mark.parametrize(
        ("roles", "expected"), [("", set()), (["", "editors"], {"editors"}), (",,", {",,"})], ids=str
    )
    def test_an_empty_text_is_no_group(self, roles: object, expected: set[str]) -> None:
        mapper = ClaimsMapper(get_settings(), DjangoUser)
        assert mapper.claimed_values({"https://example.com/roles": roles}) == expected

    def test_without_the_setting_no_claim_gives_groups(self, auth0_settings: Configure) -> None:
        auth0_settings(GROUPS_CLAIM="")
        assert ClaimsMapper(get_settings(), DjangoUser).claimed_values({"": ["boss"]}) == set()
