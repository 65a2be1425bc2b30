"""From claims to a Django user: who it is, what is written into it, who may not come in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User as DjangoUser
from django.core.exceptions import ValidationError
from django.test import Client

from django_auth0_flow.backends import Auth0Backend
from django_auth0_flow.conf import get_settings
from django_auth0_flow.models import Identity, LoginSession
from django_auth0_flow.testing.tenant import Tenant
from django_auth0_flow.users.mapping import ClaimsMapper, clean_value
from tests.walk import SITE, assert_nothing_stored, code_shown, come_back, is_logged_in, start, walk

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("auth0_settings")]

Configure = Callable[..., dict[str, Any]]


def user_of(subject: str) -> DjangoUser:
    people = Identity.objects.select_related("user")  # compared here: MariaDB ignores case
    (user,) = [identity.user for identity in people if identity.subject == subject]
    return user


class TestLinking:
    @pytest.fixture
    def local(self) -> DjangoUser:
        return DjangoUser.objects.create_user("local", email="ada@example.com", password="of her own")

    def test_L1_linking_is_off_by_default(self, client: Client, tenant: Tenant, local: DjangoUser) -> None:
        walk(client, tenant)
        assert user_of(tenant.user.sub) != local
        assert DjangoUser.objects.filter(email="ada@example.com").count() == 2

    def test_L1_a_verified_address_links_when_the_policy_says_so(
        self, client: Client, tenant: Tenant, local: DjangoUser, auth0_settings: Configure
    ) -> None:
        auth0_settings(LINK_BY_VERIFIED_EMAIL=True)
        walk(client, tenant)
        assert user_of(tenant.user.sub) == local
        local.refresh_from_db()
        assert local.check_password("of her own")
        assert local.username == "local"

    @pytest.mark.parametrize("verified", [False, "true", "false", 0, 1, None, [True], "missing"], ids=repr)
    def test_L1_only_the_boolean_true_counts(
        self, client: Client, tenant: Tenant, local: DjangoUser, auth0_settings: Configure, verified: object
    ) -> None:
        auth0_settings(LINK_BY_VERIFIED_EMAIL=True)

        def spoil(kind: str, claims: dict[str, Any], header: dict[str, Any]) -> None:
            claims["email_verified"] = verified
            if verified == "missing":
                del claims["email_verified"]

        tenant.token_hook = spoil
        walk(client, tenant)
        assert user_of(tenant.user.sub) != local

    @pytest.mark.parametrize(
        "address",
        [
            "ADA@example.com",
            "ada@EXAMPLE.com",
            " ada@example.com",
            "ada@example.com ",
            "ada@example.com\x00",
            "ada\uff20example.com",
            "ada@evil.example@example.com",
            "ad\u0430@example.com",
        ],
        ids=ascii,
    )
    def test_L3_addresses_compare_to_the_letter(
        self, client: Client, tenant: Tenant, local: DjangoUser, auth0_settings: Configure, address: str
    ) -> None:
        auth0_settings(LINK_BY_VERIFIED_EMAIL=True)
        tenant.user.email = address
        walk(client, tenant)
        assert user_of(tenant.user.sub) != local

    def test_L3_the_kelvin_sign_is_no_k(self, client: Client, tenant: Tenant, auth0_settings: Configure) -> None:
        auth0_settings(LINK_BY_VERIFIED_EMAIL=True)
        victim = DjangoUser.objects.create_user("victim", email="mike@example.org")
        tenant.user.email = "mi\u212ae@example.org"
        walk(client, tenant)
        assert user_of(tenant.user.sub) != victim

    @pytest.mark.parametrize(
        "address",
        ["mi\u212ae@example.org", "mike\uff20example.org", "a@b@example.org", "\uff4dike@example.org"],
        ids=ascii,
    )
    def test_L3_what_a_database_might_fold_is_not_even_looked_for(self, address: str) -> None:
        """MariaDB's usual collation takes a fullwidth letter for the plain one."""
        mapper = ClaimsMapper(get_settings(), DjangoUser)
        assert mapper.verified_email({"email": address, "email_verified": True}) is None

    def test_two_users_of_one_address_are_not_guessed_between(
        self, client: Client, tenant: Tenant, local: DjangoUser, auth0_settings: Configure
    ) -> None:
        auth0_settings(LINK_BY_VERIFIED_EMAIL=True)
        DjangoUser.objects.create_user("second", email="ada@example.com")
        walk(client, tenant)
        assert user_of(tenant.user.sub).username not in ("local", "second")

    def test_linking_happens_once_and_is_no_matter_of_the_address_later(
        self, client: Client, tenant: Tenant, local: DjangoUser, auth0_settings: Configure
    ) -> None:
        auth0_settings(LINK_BY_VERIFIED_EMAIL=True)
        walk(client, tenant)
        DjangoUser.objects.create_user("other", email="new@example.com")
        tenant.user.email = "new@example.com"
        walk(client, tenant)
        assert user_of(tenant.user.sub) == local

    @pytest.mark.parametrize("linking", [False, True])
    def test_L2_the_same_verified_address_of_another_connection(
        self, client: Client, tenant: Tenant, auth0_settings: Configure, linking: bool
    ) -> None:
        auth0_settings(LINK_BY_VERIFIED_EMAIL=linking)
        twin = tenant.add_user(sub="google-oauth2|1", email="ada@example.com", email_verified=True)
        walk(client, tenant)
        walk(Client(), tenant, user=twin)
        assert (user_of(tenant.user.sub) == user_of(twin.sub)) is linking


class TestSubjects:
    @pytest.mark.parametrize(
        "other",
        ["AUTH0|ABC", "auth0|abc ", " auth0|abc", "auth0|abc.", "auth0|a\u0062\u0301c", "auth0|\u1e03c", "auth0.abc"],
        ids=ascii,
    )
    def test_L4_subjects_that_almost_agree_are_different_people(
        self, client: Client, tenant: Tenant, other: str
    ) -> None:
        for subject in ("auth0|abc", other):
            walk(Client(), tenant, user=tenant.add_user(sub=subject, email="same@example.com"))
        assert user_of("auth0|abc") != user_of(other)
        assert len(set(DjangoUser.objects.values_list("username", flat=True))) == 2

    def test_L4_long_subjects_that_differ_at_the_end(self, client: Client, tenant: Tenant) -> None:
        subjects = ["auth0|" + "x" * 248 + ending for ending in "ab"]
        for subject in subjects:
            walk(Client(), tenant, user=tenant.add_user(sub=subject))
        assert user_of(subjects[0]) != user_of(subjects[1])
        assert all(len(name) <= 150 for name in DjangoUser.objects.values_list("username", flat=True))

    def test_L6_mutable_claims_identify_nobody(self, client: Client, tenant: Tenant) -> None:
        walk(client, tenant)
        before = user_of(tenant.user.sub)
        thief = tenant.add_user(sub="auth0|thief", nickname=tenant.user.nickname, name=tenant.user.name)
        thief.claims["preferred_username"] = before.username
        walk(Client(), tenant, user=thief)
        assert user_of("auth0|thief") != before
        tenant.user.nickname = tenant.user.email = "changed@example.com"
        walk(Client(), tenant)
        assert user_of(tenant.user.sub) == before

    def test_a_username_that_is_taken_gets_a_longer_one(self, client: Client, tenant: Tenant) -> None:
        local = DjangoUser.objects.create_user("auth0.602e93db83fa6f00749a23e6")
        walk(client, tenant)
        made = user_of(tenant.user.sub)
        assert made != local
        assert made.username.startswith(f"{local.username}.")

    def test_a_subject_without_a_letter_that_a_username_takes(self, client: Client, tenant: Tenant) -> None:
        for subject in ("\u3042|\u3044", "\u3046"):
            assert walk(Client(), tenant, user=tenant.add_user(sub=subject)).status_code == 302
        names = [user_of(subject).username for subject in ("\u3042|\u3044", "\u3046")]
        assert names[0] == "user"
        assert names[1].startswith("user.")

    def test_L7_without_address_and_names(self, client: Client, tenant: Tenant) -> None:
        bare = tenant.add_user(sub="sms|5f7c")
        walk(client, tenant, user=bare)
        walk(client, tenant, user=bare)
        user = user_of("sms|5f7c")
        assert (user.email, user.first_name, user.last_name) == ("", "", "")

    def test_L7_an_address_that_changes(self, client: Client, tenant: Tenant) -> None:
        walk(client, tenant)
        tenant.user.email = "lovelace@example.com"
        walk(client, tenant)
        assert DjangoUser.objects.get().email == "lovelace@example.com"

    def test_L7_an_address_that_goes_missing_leaves_the_field_alone(self, client: Client, tenant: Tenant) -> None:
        walk(client, tenant)
        tenant.user.email = None
        walk(client, tenant)
        assert DjangoUser.objects.get().email == "ada@example.com"


class TestFields:
    @pytest.mark.parametrize(
        ("value", "stored"),
        [
            ("Ada\x00", "Ada"),
            ("A\ud800da", "Ada"),
            ("A\r\nda", "Ada"),
            ("x" * 5000, "x" * 150),
            ("あ" * 5000, "あ" * 150),
            (7, ""),
            ({"a": 1}, ""),
            ([], ""),
            (True, ""),
        ],
        ids=lambda value: ascii(value)[:14],
    )
    def test_L8_odd_names_are_cleaned_cut_or_left_out(
        self, client: Client, tenant: Tenant, value: object, stored: str
    ) -> None:
        tenant.user.claims["given_name"] = value
        walk(client, tenant)
        assert DjangoUser.objects.get().first_name == stored

    def test_L8_an_address_that_does_not_fit_is_left_out_not_cut(self, client: Client, tenant: Tenant) -> None:
        tenant.user.email = "a" * 300 + "@example.com"
        walk(client, tenant)
        assert DjangoUser.objects.get().email == ""

    def test_L8_what_a_field_can_t_hold_is_logged_by_the_field_s_name(
        self, client: Client, tenant: Tenant, caplog: pytest.LogCaptureFixture
    ) -> None:
        tenant.user.claims["given_name"] = ["Mata", "Hari"]
        walk(client, tenant)
        assert "user_not_updated fields=first_name reason=unreadable_claim" in caplog.text
        assert "Hari" not in caplog.text

    def test_user_fields_choose_claims(self, client: Client, tenant: Tenant, auth0_settings: Configure) -> None:
        auth0_settings(USER_FIELDS={"last_name": "nickname", "first_name": "https://example.com/first"})
        tenant.user.claims["https://example.com/first"] = "Augusta"
        walk(client, tenant)
        user = DjangoUser.objects.get()
        assert (user.email, user.first_name, user.last_name) == ("", "Augusta", "ada")

    def test_fields_follow_on_every_login_and_only_the_mapped_ones(self, client: Client, tenant: Tenant) -> None:
        walk(client, tenant)
        DjangoUser.objects.update(is_staff=True, first_name="local", username="chosen")
        walk(client, tenant)
        user = DjangoUser.objects.get()
        assert (user.first_name, user.is_staff, user.username) == ("Ada", True, "chosen")


class ChoosyBackend(Auth0Backend):
    """Lets only people of one domain in."""

    def is_allowed(self, request: Any, claims: Mapping[str, Any]) -> bool:
        return str(claims.get("email", "")).endswith("@example.com")


class TestWhoMayNotComeIn:
    def test_L9_a_deactivated_user_can_neither_log_in_nor_go_on(self, client: Client, tenant: Tenant) -> None:
        walk(client, tenant)
        row = LoginSession.objects.get()
        DjangoUser.objects.update(is_active=False)
        answer = client.get("/token/")
        assert answer["Location"].startswith("/auth0/login/")
        assert client.get("/unmarked-token/")["Location"].startswith("/auth0/login/")
        with pytest.raises(Exception, match="active"):
            row.api.get("https://api.example.com/")
        other = Client()
        answer = walk(other, tenant)
        assert (answer.status_code, code_shown(answer)) == (403, "user_not_allowed")
        assert not is_logged_in(other)
        assert tenant.count("/oauth/token", grant_type="refresh_token") == 0

    def test_unknown_users_stay_outside_without_create_users(
        self, client: Client, tenant: Tenant, auth0_settings: Configure
    ) -> None:
        auth0_settings(CREATE_USERS=False, LINK_BY_VERIFIED_EMAIL=True)
        answer = walk(client, tenant)
        assert (answer.status_code, code_shown(answer)) == (403, "user_not_allowed")
        assert_nothing_stored(client)
        DjangoUser.objects.create_user("invited", email="ada@example.com")
        walk(client, tenant)
        assert is_logged_in(client)

    def test_a_backend_that_chooses(self, client: Client, tenant: Tenant, settings: Any) -> None:
        settings.AUTHENTICATION_BACKENDS = ["tests.users.test_users.ChoosyBackend"]
        tenant.user.email = "ada@elsewhere.example"
        assert code_shown(walk(client, tenant)) == "user_not_allowed"
        assert_nothing_stored(client)
        tenant.user.email = "ada@example.com"
        walk(client, tenant)
        assert is_logged_in(client)

    def test_passwords_are_none_of_this_backends_business(self) -> None:
        DjangoUser.objects.create_user("local", password="secret")
        assert authenticate(None, username="local", password="wrong") is None
        assert authenticate(None, username="local", password="secret") is not None

    def test_deleting_a_user_deletes_identity_and_logins(self, client: Client, tenant: Tenant) -> None:
        walk(client, tenant)
        DjangoUser.objects.all().delete()
        assert not Identity.objects.exists()
        assert not LoginSession.objects.exists()
        assert client.get("/bare/")["Location"].startswith("/auth0/login/")
        walk(client, tenant)
        assert is_logged_in(client)


def test_L1_an_unverified_address_prepares_no_account_for_its_owner(
    client: Client, tenant: Tenant, auth0_settings: Any
) -> None:
    """Somebody registers the victim's address, unverified, and waits for the owner to be linked to that account."""
    auth0_settings(LINK_BY_VERIFIED_EMAIL=True)
    tenant.user.email, tenant.user.email_verified = "victim@example.com", False
    walk(client, tenant)
    assert DjangoUser.objects.get().email == ""
    owner = tenant.add_user(sub="google-oauth2|1", email="victim@example.com", email_verified=True, name="The owner")
    walk(Client(), tenant, user=owner)
    assert DjangoUser.objects.count() == 2


@pytest.mark.parametrize("verified", [True, False])
def test_L1_an_address_out_of_another_claim_is_nobody_s_word(
    client: Client, tenant: Tenant, auth0_settings: Configure, verified: bool
) -> None:
    """``email_verified`` speaks of ``email``."""
    mail = "https://example.com/mail"
    auth0_settings(LINK_BY_VERIFIED_EMAIL=True, USER_FIELDS={"email": mail})
    tenant.user.email_verified = verified
    tenant.user.claims[mail] = "victim@example.com"
    walk(client, tenant)
    assert DjangoUser.objects.get().email == ""
    tenant.user.claims[mail] = tenant.user.email
    walk(client, tenant)
    assert DjangoUser.objects.get().email == ("ada@example.com" if verified else "")


class TestTheOtherConfiguration:
    """Users are shared: where one configuration links by address, no other one may store an unverified one."""

    @pytest.fixture
    def partners(self, tenant: Tenant, settings: Any) -> Iterator[Tenant]:
        with Tenant() as other:
            other.application.callbacks = [f"{SITE}/partners/callback/"]
            own = settings.AUTH0
            partner = {**own, "ISSUER": other.issuer, "CLOCK": other.clock.now}
            settings.AUTH0 = {"default": {**own, "LINK_BY_VERIFIED_EMAIL": True}, "partners": partner}
            yield other

    def log_in(self, partners: Tenant) -> DjangoUser:
        client = Client()
        assert come_back(client, partners.login(start(client, path="/partners/login/"))).status_code == 302
        return user_of(partners.user.sub)

    def test_L1_an_unverified_address_is_not_stored_though_this_one_does_not_link(
        self, client: Client, tenant: Tenant, partners: Tenant
    ) -> None:
        owner = tenant.add_user(sub="auth0|owner", email="victim@example.com", email_verified=True)
        partners.user.email, partners.user.email_verified = "victim@example.com", False
        stranger = self.log_in(partners)
        assert (stranger.email, stranger.first_name) == ("", "Ada")
        assert self.log_in(partners).email == "", "nor at the next login"
        walk(client, tenant, user=owner)
        assert user_of(owner.sub) != stranger

    def test_a_verified_one_is_stored_and_links_nobody(self, client: Client, tenant: Tenant, partners: Tenant) -> None:
        owner = tenant.add_user(sub="auth0|owner", email="ada@example.com", email_verified=True)
        partners.user.email, partners.user.email_verified = owner.email, True
        stranger = self.log_in(partners)
        assert stranger.email == owner.email
        walk(client, tenant, user=owner)
        assert user_of(owner.sub) != stranger, "somebody logs in there from a tenant whose word is not taken"

    def test_it_is_stored_where_nobody_links(self, tenant: Tenant, partners: Tenant, settings: Any) -> None:
        settings.AUTH0 = {**settings.AUTH0, "default": {**settings.AUTH0["default"], "LINK_BY_VERIFIED_EMAIL": False}}
        partners.user.email, partners.user.email_verified = "new@example.com", False
        assert self.log_in(partners).email == "new@example.com"


def test_a_claim_for_a_foreign_key_names_a_row_that_exists(django_user_model: Any) -> None:
    """Most databases would notice a missing one at the end of the request only, and undo all of it."""
    field: Any = Identity._meta.get_field("user")
    user = django_user_model.objects.create_user("ada")
    assert clean_value(field, str(user.pk)) == user.pk
    with pytest.raises(ValidationError):
        clean_value(field, user.pk + 1)
