"""Flags and groups fail closed: they come before the profile and apart from it, or nobody is logged in."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Group
from django.contrib.auth.models import User as DjangoUser
from django.core.exceptions import ValidationError
from django.db import DatabaseError, DataError, IntegrityError, OperationalError, ProgrammingError
from django.db.models.signals import ModelSignal, m2m_changed, pre_save
from django.test import Client

from django_auth0_flow.backends import Auth0Backend
from django_auth0_flow.models import Identity, LoginSession
from django_auth0_flow.testing.tenant import Tenant
from django_auth0_flow.users.mapping import ClaimsMapper
from tests.walk import SITE, code_shown, come_back, is_logged_in, start, walk

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("auth0_settings")]

Configure = Callable[..., dict[str, Any]]
ROLES = "https://example.com/roles"
ATOMIC = bool(django_settings.DATABASES["default"].get("ATOMIC_REQUESTS"))
MANAGED = {"GROUPS_CLAIM": ROLES, "STAFF_GROUPS": ["staff", "boss"], "SUPERUSER_GROUPS": ["boss"]}


@contextmanager
def refused(signal: ModelSignal, error: Exception, when: Callable[..., bool]) -> Iterator[list[Any]]:
    """Refuse what the user table is told, as a constraint of the database does; yield what was refused."""
    seen: list[Any] = []

    def refuse(sender: Any, **kwargs: Any) -> None:
        if when(**kwargs):
            seen.append(kwargs)
            raise error

    signal.connect(refuse, weak=False, dispatch_uid="refused")
    try:
        yield seen
    finally:
        signal.disconnect(dispatch_uid="refused")


def saving(name: str, value: object = None) -> Callable[..., bool]:
    """Return a condition: the UPDATE of a user sets this field (to this value)."""

    def judge(*, instance: Any, update_fields: Any, **kwargs: Any) -> bool:
        is_meant = isinstance(instance, DjangoUser) and name in (update_fields or ())
        return is_meant and (value is None or getattr(instance, name) == value)

    return judge


def adding_groups(*, action: str, **kwargs: Any) -> bool:
    return action == "post_add"


def removing_groups(*, action: str, **kwargs: Any) -> bool:
    return action == "post_remove"


def flags() -> tuple[bool, bool]:
    user = DjangoUser.objects.get()
    return user.is_staff, user.is_superuser


def groups() -> set[str]:
    return set(DjangoUser.objects.get().groups.values_list("name", flat=True))


class TestTheClaim:
    @pytest.fixture(autouse=True)
    def boss(self, client: Client, tenant: Tenant, auth0_settings: Configure) -> None:
        auth0_settings(**MANAGED)
        for name in ("editors", "by hand"):
            Group.objects.create(name=name)
        tenant.user.claims[ROLES] = ["boss", "editors"]
        walk(client, tenant)
        DjangoUser.objects.get().groups.add(Group.objects.get(name="by hand"))
        assert flags() == (True, True)
        assert groups() == {"editors", "by hand"}

    @pytest.mark.parametrize(
        "roles",
        [
            None,
            True,
            1,
            {"boss": True, "editors": True},
            "boss editors",
            "boss,editors",
            [["boss"], ["editors"]],
            "",
            [],
        ],
        ids=repr,
    )
    def test_X5_a_claim_of_another_type_removes_what_this_tenant_gave(
        self, client: Client, tenant: Tenant, roles: object
    ) -> None:
        tenant.user.claims[ROLES] = roles
        assert walk(client, tenant).status_code == 302
        assert is_logged_in(client)
        assert flags() == (False, False)
        assert groups() == {"by hand"}
        assert Identity.objects.get().managed_groups == []

    def test_X5_a_missing_claim_removes_what_this_tenant_gave(self, client: Client, tenant: Tenant) -> None:
        del tenant.user.claims[ROLES]
        walk(client, tenant)
        assert flags() == (False, False)
        assert groups() == {"by hand"}

    @pytest.mark.parametrize("noted", [{"editors": 1}, None, "editors", 7, True, [["editors"], {}, 7]], ids=repr)
    def test_a_note_that_nobody_can_read_does_not_stand_in_the_way(
        self, client: Client, tenant: Tenant, noted: object
    ) -> None:
        Identity.objects.update(managed_groups=noted if noted is not None else "null")
        tenant.user.claims[ROLES] = ["editors", "boss"]
        assert walk(client, tenant).status_code == 302
        assert groups() == {"editors", "by hand"}


class TestWhatTheDatabaseRefuses:
    @pytest.fixture(autouse=True)
    def boss(self, client: Client, tenant: Tenant, auth0_settings: Configure) -> None:
        auth0_settings(**MANAGED)
        Group.objects.create(name="editors")
        Group.objects.create(name="readers")
        tenant.user.claims[ROLES] = ["boss", "editors"]
        walk(client, tenant)
        client.post("/auth0/logout/")
        assert flags() == (True, True)

    @pytest.mark.parametrize(
        "error",
        [
            *(kind("…") for kind in (IntegrityError, DataError, ProgrammingError, OperationalError, ValidationError)),
            *(kind("…") for kind in (ValueError, TypeError, OverflowError)),  # what fields say to values
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_X5_a_refused_profile_keeps_nobody_superuser(
        self, client: Client, tenant: Tenant, error: Exception, caplog: pytest.LogCaptureFixture
    ) -> None:
        tenant.user.claims[ROLES] = []
        tenant.user.email, tenant.user.given_name, tenant.user.family_name = "taken@example.com", "Augusta", "King"
        with refused(pre_save, error, saving("email")) as seen:
            assert walk(client, tenant).status_code == 302
        assert len(seen) == 2  # with the other fields, and by itself
        assert flags() == (False, False)
        assert groups() == set()
        user = DjangoUser.objects.get()
        assert (user.email, user.first_name, user.last_name) == ("ada@example.com", "Augusta", "King")
        assert f"user_not_updated user={user.pk} fields=email\n" in caplog.text
        assert "taken@example.com" not in caplog.text

    @pytest.mark.parametrize(
        "error",
        [IntegrityError("…"), DataError("…"), ValidationError("…")],
        ids=lambda error: type(error).__name__,
    )
    def test_X5_a_first_login_does_without_the_refused_field(
        self, client: Client, tenant: Tenant, error: Exception
    ) -> None:
        def taken(*, instance: Any, **kwargs: Any) -> bool:
            return isinstance(instance, DjangoUser) and instance.email == "taken@example.com"

        alan = tenant.add_user(sub="auth0|alan", email="taken@example.com", given_name="Alan", claims={ROLES: ["boss"]})
        with refused(pre_save, error, taken):
            assert walk(client, tenant, user=alan).status_code == 302
        user = DjangoUser.objects.get(auth0_identities__subject=alan.sub)
        assert (user.email, user.first_name, user.is_superuser) == ("", "Alan", True)

    @pytest.mark.parametrize(
        "error",
        [IntegrityError("…"), DataError("…"), ValidationError("…")],
        ids=lambda error: type(error).__name__,
    )
    def test_a_user_that_is_refused_whatever_its_fields_is_not_made(
        self, client: Client, tenant: Tenant, error: Exception, caplog: pytest.LogCaptureFixture
    ) -> None:
        def is_new(*, instance: Any, **kwargs: Any) -> bool:
            return isinstance(instance, DjangoUser) and instance.pk is None

        alan = tenant.add_user(sub="auth0|alan", email="alan@example.com")
        with refused(pre_save, error, is_new):
            answer = walk(client, tenant, user=alan)
        assert (answer.status_code, code_shown(answer)) == (403, "user_not_allowed")
        assert "reason=user_not_created" in caplog.text
        assert not Identity.objects.filter(subject=alan.sub).exists()

    def test_X5_what_is_refused_is_not_in_the_user_that_logs_in(
        self, client: Client, tenant: Tenant, settings: Any
    ) -> None:
        """What a receiver of ``user_logged_in`` saves as a whole must not bring it back."""
        settings.AUTHENTICATION_BACKENDS = [f"{__name__}.SavingBackend"]
        tenant.user.email, tenant.user.given_name = "taken@example.com", "Augusta"
        with refused(pre_save, IntegrityError("…"), saving("email")):
            walk(client, tenant)
        user = DjangoUser.objects.get()
        assert (user.email, user.first_name) == ("ada@example.com", "Augusta")

    @pytest.mark.parametrize(
        "error",
        [IntegrityError("secret"), DataError("secret"), ProgrammingError("secret"), ValidationError("secret")],
        ids=lambda error: type(error).__name__,
    )
    def test_X5_without_its_rights_written_nobody_is_logged_in(
        self, client: Client, tenant: Tenant, error: Exception, caplog: pytest.LogCaptureFixture
    ) -> None:
        tenant.user.claims[ROLES] = []
        tenant.user.given_name = "Augusta"
        with refused(pre_save, error, saving("is_superuser")) as seen:
            answer = walk(client, tenant)
        assert (answer.status_code, code_shown(answer)) == (403, "user_not_allowed")
        assert seen
        assert not is_logged_in(client)
        assert not LoginSession.objects.exists()
        assert groups() == set(), "the groups are taken away all the same"
        assert DjangoUser.objects.get().first_name == "Ada", "the profile waits for a login"
        assert (
            f"reason=rights_not_written user={DjangoUser.objects.get().pk} error={type(error).__name__}" in caplog.text
        )
        assert "secret" not in caplog.text
        assert walk(client, tenant).status_code == 302
        assert flags() == (False, False)

    def test_X5_a_flag_that_can_t_be_set_keeps_no_other_one_up(
        self, client: Client, tenant: Tenant, auth0_settings: Configure
    ) -> None:
        DjangoUser.objects.update(is_staff=False)
        tenant.user.claims[ROLES] = ["staff"]
        with refused(pre_save, IntegrityError("…"), saving("is_staff", True)):
            answer = walk(client, tenant)
        assert (answer.status_code, code_shown(answer)) == (403, "user_not_allowed")
        assert flags() == (False, False)

    def test_X5_a_group_that_can_t_be_given_keeps_no_other_one(self, client: Client, tenant: Tenant) -> None:
        tenant.user.claims[ROLES] = ["readers"]
        with refused(m2m_changed, IntegrityError("…"), adding_groups) as seen:
            answer = walk(client, tenant)
        assert len(seen) == 1
        assert (answer.status_code, code_shown(answer)) == (403, "user_not_allowed")
        assert flags() == (False, False)
        assert groups() == set()
        assert Identity.objects.get().managed_groups == []

    def test_X5_a_group_that_can_t_be_taken_back_lets_nobody_in(self, client: Client, tenant: Tenant) -> None:
        tenant.user.claims[ROLES] = []
        with refused(m2m_changed, IntegrityError("…"), removing_groups) as seen:
            answer = walk(client, tenant)
        assert len(seen) == 1
        assert (answer.status_code, code_shown(answer)) == (403, "user_not_allowed")
        assert not is_logged_in(client)
        assert Identity.objects.get().managed_groups == ["editors"], "what is still there is still known"
        walk(client, tenant)
        assert groups() == set()

    def test_X5_a_group_is_never_given_without_a_note_of_it(self, client: Client, tenant: Tenant) -> None:
        """Else nothing would take it back."""

        def noting(*, instance: Any, **kwargs: Any) -> bool:
            return isinstance(instance, Identity) and "readers" in instance.managed_groups

        tenant.user.claims[ROLES] = ["editors", "readers"]
        with refused(pre_save, IntegrityError("…"), noting) as seen:
            answer = walk(client, tenant)
        assert len(seen) == 1
        assert (answer.status_code, code_shown(answer)) == (403, "user_not_allowed")
        assert groups() == {"editors"}

    def test_a_database_that_is_away_refuses_nobody(self, client: Client, tenant: Tenant) -> None:
        tenant.user.claims[ROLES] = []
        with (
            refused(pre_save, OperationalError("database is locked"), saving("is_staff")),
            pytest.raises(OperationalError, match="locked"),
        ):
            walk(client, tenant)
        assert not is_logged_in(client)

    def test_what_changes_is_saved_at_once_and_nothing_else(self, client: Client, tenant: Tenant) -> None:
        saved: list[Any] = []

        def note(*, instance: Any, update_fields: Any, **kwargs: Any) -> bool:
            if isinstance(instance, DjangoUser):
                saved.append(set(update_fields))
            return False

        tenant.user.email, tenant.user.given_name, tenant.user.family_name = "new@example.com", "Augusta", "King"
        with refused(pre_save, IntegrityError("…"), note):
            walk(client, tenant)
            assert saved == [{"email", "first_name", "last_name"}, {"last_login"}]
            tenant.user.claims[ROLES] = ["staff"]
            walk(client, tenant)
            assert saved[2:] == [{"is_superuser"}, {"last_login"}]
            walk(client, tenant)
            assert saved[4:] == [{"last_login"}]
        user = DjangoUser.objects.get()
        assert (user.email, user.first_name, user.last_name) == ("new@example.com", "Augusta", "King")


class TestAFirstLogin:
    """A database that turns one of two writers away, as SQLite and MySQL do, is asked again."""

    @pytest.fixture
    def busy(self, request: pytest.FixtureRequest) -> Iterator[list[Any]]:
        """Refuse to make a user, so many times."""
        times = request.param
        seen: list[Any] = []

        def is_new(*, instance: Any, **kwargs: Any) -> bool:
            return isinstance(instance, DjangoUser) and instance.pk is None and len(seen) < times

        def refuse(sender: Any, **kwargs: Any) -> None:
            if is_new(**kwargs):
                seen.append(sender)
                raise OperationalError("database is locked")

        pre_save.connect(refuse, weak=False, dispatch_uid="busy")
        yield seen
        pre_save.disconnect(dispatch_uid="busy")

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.skipif(ATOMIC, reason="inside a transaction nothing can be tried again")
    @pytest.mark.parametrize("busy", [1, 2], indirect=True)
    def test_is_tried_again(self, client: Client, tenant: Tenant, busy: list[Any]) -> None:
        assert walk(client, tenant).status_code == 302
        assert is_logged_in(client)
        assert DjangoUser.objects.count() == Identity.objects.count() == 1

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.skipif(ATOMIC, reason="inside a transaction nothing can be tried again")
    @pytest.mark.parametrize("busy", [99], indirect=True)
    def test_but_not_for_ever(self, client: Client, tenant: Tenant, busy: list[Any]) -> None:
        with pytest.raises(OperationalError, match="locked"):
            walk(client, tenant)
        assert len(busy) == 3
        assert not is_logged_in(client)

    @pytest.mark.parametrize("busy", [1], indirect=True)
    def test_and_not_inside_a_transaction_of_somebody_else_s(
        self, client: Client, tenant: Tenant, busy: list[Any]
    ) -> None:
        with pytest.raises(OperationalError, match="locked"):
            walk(client, tenant)
        assert len(busy) == 1


class SavingBackend(Auth0Backend):
    """Saves the whole user after the package has written it."""

    def authenticate(self, request: Any, **credentials: Any) -> Any:  # type: ignore[override]  # as its base
        user = super().authenticate(request, **credentials)
        if user is not None:
            user.save()
        return user


class OwnFields(Auth0Backend):
    """Fills the user itself, and sees what rights it has by then."""

    seen: tuple[bool, bool, int] | None = None

    def update_user(self, user: Any, claims: Mapping[str, Any], mapper: Any) -> None:
        type(self).seen = (user.is_staff, user.is_superuser, user.groups.count())
        user.last_name = "Own"
        user.save()


class OwnMapper(ClaimsMapper):
    """Puts a flag among the fields."""

    def field_values(self, claims: Mapping[str, Any]) -> dict[str, Any]:
        return {**super().field_values(claims), "is_superuser": True}


class OwnMapperBackend(Auth0Backend):
    mapper_class = OwnMapper


class BrokenRights(Auth0Backend):
    def update_flags(self, user: Any, claims: Mapping[str, Any], mapper: Any) -> None:
        raise DatabaseError

    def update_groups(self, identity: Identity, claims: Mapping[str, Any], mapper: Any) -> None:
        super().update_groups(identity, claims, mapper)


class TestBackends:
    @pytest.fixture(autouse=True)
    def managed(self, auth0_settings: Configure) -> None:
        auth0_settings(**MANAGED)
        Group.objects.create(name="boss")

    def test_X5_a_backend_with_its_own_update_user_keeps_the_rights(
        self, client: Client, tenant: Tenant, settings: Any
    ) -> None:
        settings.AUTHENTICATION_BACKENDS = [f"{__name__}.OwnFields"]
        tenant.user.claims[ROLES] = ["boss"]
        walk(client, tenant)
        assert OwnFields.seen == (True, True, 1)
        tenant.user.claims[ROLES] = ["staff"]
        walk(client, tenant)
        assert OwnFields.seen == (True, False, 0)
        assert flags() == (True, False)
        user = DjangoUser.objects.get()
        assert (user.first_name, user.last_name) == ("Ada", "Own")

    def test_X5_a_managed_flag_is_no_field_whatever_the_mapper_says(
        self, client: Client, tenant: Tenant, settings: Any
    ) -> None:
        settings.AUTHENTICATION_BACKENDS = [f"{__name__}.OwnMapperBackend"]
        tenant.user.claims[ROLES] = ["staff"]
        for _ in range(2):
            walk(client, tenant)
            assert flags() == (True, False)

    def test_X5_steps_of_one_s_own_fail_closed_too(self, client: Client, tenant: Tenant, settings: Any) -> None:
        settings.AUTHENTICATION_BACKENDS = [f"{__name__}.BrokenRights"]
        tenant.user.claims[ROLES] = ["boss"]
        answer = walk(client, tenant)
        assert (answer.status_code, code_shown(answer)) == (403, "user_not_allowed")
        assert groups() == {"boss"}
        assert not is_logged_in(client)


class TestFlagsInUserFields:
    """The checks advise against it; until somebody reads them, a flag there is a right and no text."""

    @pytest.mark.parametrize("value", [False, "true", "True", 1, "1", None, [True], {"a": True}, "missing"], ids=repr)
    def test_X5_only_the_boolean_true_sets_a_flag_and_all_else_clears_it(
        self, client: Client, tenant: Tenant, auth0_settings: Configure, value: object
    ) -> None:
        auth0_settings(USER_FIELDS={"is_superuser": "https://example.com/root", "first_name": "given_name"})
        tenant.user.claims["https://example.com/root"] = True
        walk(client, tenant)
        assert flags() == (False, True)
        tenant.user.claims["https://example.com/root"] = value
        if value == "missing":
            del tenant.user.claims["https://example.com/root"]
        walk(client, tenant)
        assert flags() == (False, False)

    def test_X5_nobody_is_made_with_a_flag_that_is_then_to_be_taken_away(
        self, client: Client, tenant: Tenant, auth0_settings: Configure
    ) -> None:
        auth0_settings(USER_FIELDS={"is_superuser": "https://example.com/root"})
        tenant.user.claims["https://example.com/root"] = "True"  # which Django's field takes for one
        with refused(pre_save, IntegrityError("…"), saving("is_superuser")) as seen:
            assert walk(client, tenant).status_code == 302
        assert not seen
        assert flags() == (False, False)

    def test_groups_decide_where_both_are_configured(
        self, client: Client, tenant: Tenant, auth0_settings: Configure
    ) -> None:
        auth0_settings(**MANAGED, USER_FIELDS={"is_superuser": "https://example.com/root"})
        tenant.user.claims |= {"https://example.com/root": True, ROLES: ["staff"]}
        walk(client, tenant)
        assert flags() == (True, False)


class TestLinking:
    """A user that was there before and is joined by its verified e-mail address."""

    @pytest.fixture(autouse=True)
    def root(self) -> DjangoUser:
        user = DjangoUser.objects.create_superuser("root", "ada@example.com")
        user.groups.add(Group.objects.create(name="editors"))
        return user

    def test_a_superuser_loses_a_managed_flag_that_the_tenant_does_not_give(
        self, client: Client, tenant: Tenant, auth0_settings: Configure
    ) -> None:
        auth0_settings(LINK_BY_VERIFIED_EMAIL=True, GROUPS_CLAIM=ROLES, SUPERUSER_GROUPS=["boss"])
        walk(client, tenant)
        assert flags() == (True, False)
        assert groups() == {"editors"}

    def test_flags_that_are_not_managed_stay(self, client: Client, tenant: Tenant, auth0_settings: Configure) -> None:
        auth0_settings(LINK_BY_VERIFIED_EMAIL=True, GROUPS_CLAIM=ROLES)
        walk(client, tenant)
        assert flags() == (True, True)
        assert is_logged_in(client)


class TestTwoTenants:
    """One user, two identities: groups go by the identity, flags by the configuration."""

    @pytest.fixture
    def partners(self, tenant: Tenant, settings: Any) -> Iterator[Tenant]:
        with Tenant() as other:
            other.application.callbacks = [f"{SITE}/partners/callback/"]
            own = {**settings.AUTH0, **MANAGED}
            partner = {**own, "ISSUER": other.issuer, "CLOCK": other.clock.now}
            settings.AUTH0 = {"default": own, "partners": partner}
            yield other

    def log_in(self, tenant: Tenant, path: str = "/auth0/login/") -> None:
        client = Client()
        assert come_back(client, tenant.login(start(client, path=path))).status_code == 302

    def join(self, partners: Tenant, user: DjangoUser) -> None:
        subject = partners.user.sub
        key = Identity.key_for(partners.issuer, subject)
        Identity.objects.create(key=key, issuer=partners.issuer, subject=subject, user=user)

    def test_a_claim_that_one_tenant_leaves_out_takes_nothing_that_the_other_gave(
        self, tenant: Tenant, partners: Tenant
    ) -> None:
        for name in ("editors", "readers"):
            Group.objects.create(name=name)
        tenant.user.claims[ROLES] = ["editors"]
        self.log_in(tenant)
        self.join(partners, DjangoUser.objects.get())
        partners.user.claims[ROLES] = ["readers", "editors"]
        self.log_in(partners, "/partners/login/")
        assert groups() == {"editors", "readers"}
        del partners.user.claims[ROLES]
        self.log_in(partners, "/partners/login/")
        assert groups() == {"editors"}
        tenant.user.claims[ROLES] = []
        self.log_in(tenant)
        assert groups() == set()

    def test_flags_are_those_of_the_last_configuration_that_manages_them(
        self, tenant: Tenant, partners: Tenant, settings: Any
    ) -> None:
        tenant.user.claims[ROLES] = ["boss"]
        self.log_in(tenant)
        self.join(partners, DjangoUser.objects.get())
        self.log_in(partners, "/partners/login/")
        assert flags() == (False, False)
        self.log_in(tenant)
        assert flags() == (True, True)
        without = {key: value for key, value in settings.AUTH0["partners"].items() if key not in MANAGED}
        settings.AUTH0 = {**settings.AUTH0, "partners": without}
        self.log_in(partners, "/partners/login/")
        assert flags() == (True, True)


def test_refusals_are_errors_in_the_log(
    client: Client, tenant: Tenant, auth0_settings: Configure, caplog: pytest.LogCaptureFixture
) -> None:
    auth0_settings(**MANAGED)
    tenant.user.claims[ROLES] = ["staff"]
    with refused(pre_save, IntegrityError("…"), saving("is_staff")):
        walk(client, tenant)
    levels = {record.levelno for record in caplog.records if "rights_not_written" in record.getMessage()}
    assert levels == {logging.ERROR}
