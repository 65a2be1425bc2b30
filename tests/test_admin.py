"""The admin: identities and login sessions to look at, to search and to end; and its login through Auth0."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.contrib.sessions.models import Session
from django.test import Client

from django_auth0_flow.admin import IdentityInline, log_out_everywhere
from django_auth0_flow.admin_pages import lists
from django_auth0_flow.logout import sessions
from django_auth0_flow.logout.own_logins import moment
from django_auth0_flow.machine import machine_token
from django_auth0_flow.models import Identity, LoginSession, MachineToken
from django_auth0_flow.testing.tenant import Tenant
from django_auth0_flow.tokens.fetch import revoke
from tests import stubborn_sessions
from tests.walk import NAVIGATE, code_shown, come_back, is_logged_in, walk

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("auth0_settings")]
ROWS, PEOPLE = "/admin/auth0_flow/loginsession/", "/admin/auth0_flow/identity/"
GRACE = "auth0|5f7c8ec7c33c6c004bbafe82"
users: Any = get_user_model()


@pytest.fixture
def staff(django_user_model: Any) -> Client:
    """An administrator who did not come through Auth0."""
    client = Client(headers=NAVIGATE)
    client.force_login(django_user_model.objects.create_superuser("root"), "django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def ada(tenant: Tenant) -> Client:
    client = Client()
    walk(client, tenant)
    return client


@pytest.fixture
def grace(tenant: Tenant) -> Client:
    client = Client()
    walk(client, tenant, user=tenant.users[GRACE])
    return client


def row_of(client: Client) -> LoginSession:
    return LoginSession.objects.get(session_digest=LoginSession.digest_of(client.session.session_key))


def end(staff: Client, path: str, *keys: object, action: str = "end_logins", **data: str) -> str:
    answer = staff.post(path, {"action": action, "_selected_action": [str(key) for key in keys], **data}, follow=True)
    assert answer.status_code == 200
    return str(answer.content.decode())


def found(staff: Client, path: str, term: str) -> set[str]:
    """Return the primary keys that a search lists."""
    page = staff.get(path, {"q": term}).content.decode()
    return set(re.findall(r'name="_selected_action" value="([^"]+)"', page))


class TestLooking:
    def test_lists_and_pages_open(self, staff: Client, ada: Client, grace: Client) -> None:
        row = row_of(ada)
        for path in (ROWS, PEOPLE, f"{ROWS}{row.pk}/change/", f"{PEOPLE}{row.identity_id}/change/"):
            answer = staff.get(path)
            assert answer.status_code == 200
            assert row.identity.subject in answer.content.decode()
        assert "2 login sessions" in staff.get(ROWS).content.decode()

    def test_neither_token_nor_session_key_is_shown(self, staff: Client, ada: Client) -> None:
        row = row_of(ada)
        tokens = row.grant.tokens
        secrets = [tokens.access_token, tokens.refresh_token, tokens.id_token, row.session_key, row.sealed, row.sid_key]
        secrets += [row.sealed_session_key, row.session_digest]
        for path in (ROWS, PEOPLE, f"{ROWS}{row.pk}/change/", f"{ROWS}{row.pk}/delete/", f"{ROWS}{row.pk}/history/"):
            page = staff.get(path).content.decode()
            assert not [secret for secret in secrets if secret and secret in page]

    @pytest.mark.parametrize("path", [ROWS, PEOPLE])
    def test_nobody_adds_or_changes(self, staff: Client, ada: Client, path: str) -> None:
        key = row_of(ada).pk if path == ROWS else row_of(ada).identity_id
        assert staff.get(f"{path}add/").status_code == 403
        before = LoginSession.objects.values().get(), Identity.objects.values().get()
        assert staff.post(f"{path}{key}/change/", {"configuration": "x", "subject": "x"}).status_code == 403
        assert (LoginSession.objects.values().get(), Identity.objects.values().get()) == before

    @pytest.mark.parametrize("use_tz", [True, False])
    def test_all_moments_look_alike_with_and_without_time_zones(
        self, staff: Client, ada: Client, settings: Any, use_tz: bool
    ) -> None:
        settings.USE_TZ, settings.TIME_ZONE = use_tz, "Asia/Tokyo"
        at = 1_800_000_000.5
        LoginSession.objects.update(
            created_at=moment(at), access_token_expires_at=at, last_used_at=at, session_ceiling=at, refreshed_at=1e300
        )
        assert staff.get(ROWS).content.decode().count("Jan. 15, 2027, 5 p.m.") == 2
        page = staff.get(f"{ROWS}{row_of(ada).pk}/change/").content.decode()
        assert page.count("Jan. 15, 2027, 5 p.m.") == 4
        assert not re.search(
            r"\d\d:\d\d|None", page.partition('<div class="submit-row">')[0].partition('id="content"')[2]
        )

    def test_people_are_named_and_linked(self, staff: Client, ada: Client) -> None:
        users.objects.filter(email="ada@example.com").update(first_name="Ada", last_name="<i>King</i>")
        row = row_of(ada)
        user = row.identity.user
        for path in (ROWS, PEOPLE):
            page = staff.get(path).content.decode()
            assert "Ada &lt;i&gt;King&lt;/i&gt;" in page
            assert all(f'<span class="quiet">{line}</span>' in page for line in (user.email, row.identity.subject))
        page = staff.get(f"{ROWS}{row.pk}/change/").content.decode()
        assert f'href="/admin/auth/user/{user.pk}/change/"' in page
        assert f'href="{PEOPLE}{row.identity_id}/change/"' in page
        assert f'href="{ROWS}?identity__id__exact={row.identity_id}">1</a>' in staff.get(PEOPLE).content.decode()

    def test_a_list_shows_the_logins_of_one_identity(self, staff: Client, ada: Client, grace: Client) -> None:
        page = staff.get(ROWS, {"identity__id__exact": row_of(ada).identity_id}).content.decode()
        assert str(row_of(ada).pk) in page
        assert str(row_of(grace).pk) not in page

    def test_a_user_s_page_shows_identities_and_leads_to_their_logins(
        self, staff: Client, ada: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(admin.site.get_model_admin(users), "inlines", [IdentityInline])
        identity = row_of(ada).identity
        path = f"/admin/auth/user/{identity.user_id}/change/"
        page = staff.get(path).content.decode()
        assert identity.subject in page
        assert f'href="{ROWS}?identity__id__exact={identity.pk}">1</a>' in page
        assert staff.post(path, {**self.form_of(identity.user), "auth0_identities-0-subject": "x"}).status_code == 302
        assert users.objects.get(pk=identity.user_id).first_name == "Changed"
        identity.refresh_from_db()
        assert identity.subject != "x"

    def form_of(self, user: Any) -> dict[str, Any]:
        """Return what the form of a user's page sends."""
        inline = {f"auth0_identities-{name}": "0" for name in ("TOTAL_FORMS", "INITIAL_FORMS")}
        joined = {"date_joined_0": "2026-01-01", "date_joined_1": "12:00:00"}
        return {"username": user.username, "first_name": "Changed", "is_active": "on", **joined, **inline}

    def test_a_configuration_that_was_removed(self, staff: Client, ada: Client) -> None:
        LoginSession.objects.update(configuration="gone")
        assert staff.get(ROWS).status_code == 200
        text = end(staff, ROWS, row_of(ada).pk)
        assert "1 login was ended" in text
        assert "did not confirm" in text
        assert not is_logged_in(ada)


class TestSearching:
    def test_by_subject_user_address_sid_and_id(self, staff: Client, ada: Client, grace: Client) -> None:
        row, other = row_of(ada), row_of(grace)
        sid = row.grant.claims["sid"]
        user = row.identity.user
        assert found(staff, ROWS, "") == {str(row.pk), str(other.pk)}
        terms = [
            row.identity.subject,
            row.identity.subject[:9],
            "ada@example.com",
            "ada@",
            "Ada@Example.com",
            user.username,
        ]
        for term in (*terms, f"  {sid} ", str(row.pk), row.pk.hex):
            assert found(staff, ROWS, term) == {str(row.pk)}, term
        assert found(staff, ROWS, sid[:-1]) == set()
        assert found(staff, PEOPLE, "ada@example.com") == {str(row.identity_id)}
        for term in terms:
            assert found(staff, PEOPLE, term) == {str(row.identity_id)}, term
        for term in ("nobody", "da@example.com", "%", "_da@example.com"):
            assert found(staff, PEOPLE, term) == found(staff, ROWS, term) == set(), term

    def test_what_stands_for_anything_in_a_pattern_stands_for_itself(
        self, staff: Client, ada: Client, django_user_model: Any
    ) -> None:
        identities = {}
        for name in ("a%b", "a_b", "a\\b", "a'b", "axb", "a%%s", "日本%"):
            user = django_user_model.objects.create_user(name)
            key = Identity.key_for("https://tenant.example/", name)
            row = Identity.objects.create(key=key, issuer="https://tenant.example/", subject=f"x|{name}", user=user)
            identities[name] = {str(row.pk)}
        for name, expected in identities.items():
            for term in (name, f"x|{name}"):
                assert found(staff, PEOPLE, term) == expected, term
        assert found(staff, PEOPLE, "a%") == identities["a%b"] | identities["a%%s"]
        for term, name in (("a_", "a_b"), ("a\\", "a\\b"), ("a'", "a'b"), ("日本", "日本%")):
            assert found(staff, PEOPLE, term) == identities[name], term
        for term in ("%", "_", "\\", "a%_", "a\x00", "\ud800", "{}", "x" * 5000):
            assert staff.get(PEOPLE, {"q": term.encode("utf-8", "surrogatepass")}).status_code == 200
            assert staff.get(ROWS, {"q": term.encode("utf-8", "surrogatepass")}).status_code == 200

    def test_when_more_match_than_are_listed_that_is_said(
        self, staff: Client, ada: Client, grace: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert len(found(staff, PEOPLE, "auth0|")) == 2
        for module in ("django_auth0_flow.admin", "django_auth0_flow.admin_pages.search"):
            monkeypatch.setattr(f"{module}.MOST", 1)
        page = staff.get(PEOPLE, {"q": "auth0|"}).content.decode()
        assert "More than 1 match; some are not listed." in page
        assert page.count('name="_selected_action"') == 1


class TestManyRows:
    """A list that counts 1 row only, as if two were a million."""

    @pytest.fixture(autouse=True)
    def counts_little(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(lists, "COUNTED", 1)

    @pytest.mark.parametrize("path", [ROWS, PEOPLE])
    def test_a_list_counts_no_further_than_it_must_and_says_so(
        self, staff: Client, ada: Client, grace: Client, path: str
    ) -> None:
        page = staff.get(path).content.decode()
        assert "Only the first 1 are counted and listed." in page
        LoginSession.objects.exclude(pk=row_of(ada).pk).delete()
        Identity.objects.exclude(pk=row_of(ada).identity_id).delete()
        assert "are counted and listed" not in staff.get(path).content.decode()

    @pytest.mark.parametrize("action", ["end_logins", "log_out_everywhere"])
    def test_all_means_all_that_are_counted(self, staff: Client, ada: Client, grace: Client, action: str) -> None:
        text = end(staff, ROWS, row_of(ada).pk, action=action, select_across="1")
        assert "1 login was ended on this site." in text
        assert is_logged_in(ada), "the older of the two"
        assert not is_logged_in(grace)

    def test_filters_offer_what_there_is(self, staff: Client, ada: Client, grace: Client) -> None:
        assert "By configuration" not in staff.get(ROWS).content.decode(), "there is one only"
        LoginSession.objects.filter(pk=row_of(ada).pk).update(configuration="gone", refresh_failure="timeout")
        page = staff.get(ROWS).content.decode()
        assert set(re.findall(r'href="\?(configuration=\w+|refresh_failure=\w+)"', page)) == {
            *("configuration=default", "configuration=gone", "refresh_failure=timeout")
        }
        for query in ({"configuration": "gone"}, {"refresh_failure": "timeout"}):
            assert str(row_of(grace).pk) not in staff.get(ROWS, query).content.decode()


SECRET = ("session_key", "sealed_session_key", "session_digest", "sealed", "sid_key", "lease")
#: Where a list is filtered by a secret column: the path, what leads from its model to the login sessions.
LISTS = [(ROWS, ""), (PEOPLE, "login_sessions__"), ("/admin/auth/user/", "auth0_identities__login_sessions__")]


class TestNothingIsSpelledOut:
    """Staff who may only look: what an answer tells must not depend on how a secret begins."""

    @pytest.fixture
    def looker(self) -> Client:
        user = users.objects.create_user("looker", is_staff=True)
        wanted = Permission.objects.filter(codename__in=["view_loginsession", "view_identity", "view_user"])
        user.user_permissions.set(wanted)
        client = Client(headers=NAVIGATE)
        client.force_login(user, "django.contrib.auth.backends.ModelBackend")
        return client

    def seen(self, looker: Client, path: str, query: dict[str, str]) -> tuple[Any, ...]:
        answer = looker.get(path, query)
        listed = [row.pk for row in answer.context["cl"].result_list] if answer.status_code == 200 else []
        return answer.status_code, answer.get("Location"), listed

    def attack(self, looker: Client, row: LoginSession, path: str, lookup: str, name: str) -> None:
        """Ask for a value that is right and for one that is wrong; the answers are alike, and none is a list."""
        value = str(getattr(row, name))
        right, wrong = {
            "startswith": (value[:1], "~"),
            "istartswith": (value[:1], "~"),
            "endswith": (value[-1:], "~"),
            "contains": (value[3:5], "~~"),
            "icontains": (value[3:5], "~~"),
            "regex": (f"^{re.escape(value[:2])}", "^~"),
            "iregex": (f"^{re.escape(value[:2])}", "^~"),
            "gt": (" ", "~"),
            "gte": (" ", "~"),
            "lt": ("~", " "),
            "lte": ("~", " "),
            "range": (" ,~", "~,~"),
            "iexact": (value.upper(), "~"),
        }[lookup.rpartition("__")[2]]
        answers = [self.seen(looker, path, {lookup: guess}) for guess in (right, wrong)]
        assert answers[0] == answers[1]
        status, location, _ = answers[0]
        assert status == 400 or (status, location) == (302, f"{path}?e=1")

    LOOKUPS = (
        *("startswith", "istartswith", "endswith", "contains", "icontains", "regex", "iregex"),
        *("gt", "gte", "lt", "lte", "range", "iexact"),
    )

    @pytest.mark.parametrize("curious", [False, True], ids=["our admins", "plain admins"])
    @pytest.mark.parametrize("name", SECRET)
    @pytest.mark.parametrize("lookup", LOOKUPS)
    def test_X4_no_lookup_by_a_part_of_a_secret(
        self, looker: Client, ada: Client, settings: Any, lookup: str, name: str, curious: bool
    ) -> None:
        if curious:
            settings.ROOT_URLCONF = "tests.urlconfs.curious_admin"
        LoginSession.objects.update(lease="0123456789abcdef" * 2)
        row = LoginSession.objects.get()
        for path, way in LISTS:
            self.attack(looker, row, path, f"{way}{name}__{lookup}", name)

    @pytest.mark.parametrize("name", SECRET)
    def test_X4_our_admins_filter_by_no_secret_at_all(self, looker: Client, ada: Client, name: str) -> None:
        value = str(getattr(LoginSession.objects.get(), name))
        for path, way in LISTS[:2]:
            for lookup in ("", "__exact", "__in", "__isnull", "__length", "__length__gt"):
                status, location, _ = self.seen(looker, path, {f"{way}{name}{lookup}": value})
                assert status == 400 or (status, location) == (302, f"{path}?e=1")

    def test_X4_no_list_is_ordered_or_searched_by_a_secret(self, looker: Client, ada: Client, grace: Client) -> None:
        for path, _ in LISTS[:2]:
            plain = self.seen(looker, path, {})
            assert (plain[0], len(plain[2])) == (200, 2)
            for name in SECRET:
                assert self.seen(looker, path, {"o": name}) == plain
                assert self.seen(looker, path, {"o": f"-{name}"}) == plain
        for row in LoginSession.objects.all():
            for name in SECRET:
                assert found(looker, ROWS, str(getattr(row, name))[:6] or "~") == set()

    def test_X4_what_is_no_secret_can_still_be_filtered(self, looker: Client, ada: Client, grace: Client) -> None:
        _, _, listed = self.seen(looker, PEOPLE, {"issuer": row_of(ada).identity.issuer})
        assert len(listed) == 2
        assert self.seen(looker, ROWS, {"configuration__startswith": "~"})[0] == 200


class TestEnding:
    def test_the_action_ends_the_login_here_and_its_grant_at_the_tenant(
        self, staff: Client, ada: Client, grace: Client, tenant: Tenant
    ) -> None:
        refresh_token = row_of(ada).grant.tokens.refresh_token
        text = end(staff, ROWS, row_of(ada).pk)
        assert "1 login was ended on this site." in text
        assert "The tenant has revoked 1 refresh token." in text
        assert "can come back without a password" in text
        assert not is_logged_in(ada)
        assert is_logged_in(grace)
        assert [request.form["token"][0] for request in tenant.requests if request.path == "/oauth/revoke"] == [
            refresh_token
        ]
        assert LogEntry.objects.count() == 1

    @pytest.fixture
    def bystander(self, tenant: Tenant) -> Client:
        walk(client := Client(), tenant, user=tenant.add_user(email="bystander@example.com"))
        return client

    @pytest.fixture
    def second(self, ada: Client, grace: Client) -> Client:
        """A login of Ada's by a second identity."""
        Identity.objects.filter(subject=GRACE).update(user=row_of(ada).identity.user)
        return grace

    @pytest.mark.parametrize("path", [ROWS, PEOPLE])
    def test_everywhere_is_by_every_identity_of_the_person(
        self, staff: Client, ada: Client, second: Client, bystander: Client, tenant: Tenant, path: str
    ) -> None:
        row = row_of(ada)
        text = end(staff, path, row.pk if path == ROWS else row.identity_id, action="log_out_everywhere")
        assert "2 logins were ended on this site." in text
        assert LoginSession.objects.get() == row_of(bystander)
        assert tenant.count("/oauth/revoke") == LogEntry.objects.count() == 2

    def test_the_admin_of_the_users_may_offer_it_too(
        self, staff: Client, ada: Client, second: Client, bystander: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path, user = "/admin/auth/user/", row_of(ada).identity.user
        monkeypatch.setattr(admin.site.get_model_admin(users), "actions", [log_out_everywhere])
        assert "2 logins were ended on this site." in end(staff, path, user.pk, action="log_out_everywhere")
        assert LoginSession.objects.get() == row_of(bystander)
        assert LogEntry.objects.get().get_change_message() == "Ended the logins."
        looker = users.objects.create_user("looker", is_staff=True)
        looker.user_permissions.add(Permission.objects.get(codename="view_user"))
        client = Client()
        client.force_login(looker, "django.contrib.auth.backends.ModelBackend")
        end(client, path, row_of(bystander).identity.user_id, action="log_out_everywhere")
        assert is_logged_in(bystander)

    def test_deleting_does_the_same(self, staff: Client, ada: Client, tenant: Tenant) -> None:
        answer = staff.post(f"{ROWS}{row_of(ada).pk}/delete/", {"post": "yes"}, follow=True)
        assert "The tenant has revoked 1 refresh token." in answer.content.decode()
        assert not is_logged_in(ada)
        assert not LoginSession.objects.exists()

    def test_a_login_is_not_deleted_but_logged_out(self, staff: Client, ada: Client) -> None:
        row = row_of(ada)
        assert "delete_selected" not in staff.get(ROWS).content.decode()
        page = staff.get(f"{ROWS}{row.pk}/change/").content.decode()
        assert re.search(r'<a role="button" href="[^"]*/delete/" class="deletelink">Log out</a>', page)
        page = staff.get(f"{ROWS}{row.pk}/delete/").content.decode()
        assert "Log this person out?" in page
        assert "the browser is logged out with its next request" in page
        assert row.identity.user.email in page
        assert "Are you sure" not in page

    def test_who_may_only_look_is_offered_no_end(self, ada: Client) -> None:
        user = users.objects.create_user("looker", is_staff=True)
        user.user_permissions.add(Permission.objects.get(codename="view_loginsession"))
        client = Client()
        client.force_login(user, "django.contrib.auth.backends.ModelBackend")
        page = client.get(f"{ROWS}{row_of(ada).pk}/change/").content.decode()
        assert "Close" in page
        assert "deletelink" not in page
        assert "end_logins" not in client.get(ROWS).content.decode()

    def test_what_deleting_an_identity_does_is_said_before(self, staff: Client, ada: Client) -> None:
        key = row_of(ada).identity_id
        page = staff.get(f"{PEOPLE}{key}/delete/").content.decode()
        assert "Its logins end on this site at once" in page
        assert "Login sessions: 1" in page
        assert "Their logins end on this site at once" in end(staff, PEOPLE, key, action="delete_selected")
        assert is_logged_in(ada)

    def test_deleting_several(self, staff: Client, ada: Client, grace: Client, tenant: Tenant) -> None:
        keys = [row_of(client).identity_id for client in (ada, grace)]
        text = end(staff, PEOPLE, *keys, action="delete_selected", post="yes")
        assert "2 logins were ended on this site." in text
        assert "The tenant has revoked 2 refresh tokens." in text
        assert tenant.count("/oauth/revoke") == 2

    def test_an_identity_s_logins_end_and_it_stays(self, staff: Client, ada: Client, tenant: Tenant) -> None:
        walk(Client(), tenant)
        text = end(staff, PEOPLE, row_of(ada).identity_id)
        assert "2 logins were ended" in text
        assert Identity.objects.count() == 1
        assert LogEntry.objects.get().get_change_message() == "Ended the logins."

    def test_deleting_an_identity_ends_its_logins_and_keeps_the_user(
        self, staff: Client, ada: Client, tenant: Tenant
    ) -> None:
        answer = staff.post(f"{PEOPLE}{row_of(ada).identity_id}/delete/", {"post": "yes"}, follow=True)
        assert "1 login was ended" in answer.content.decode()
        assert not Identity.objects.exists()
        assert users.objects.filter(email="ada@example.com").exists()
        assert not is_logged_in(ada)
        assert tenant.count("/oauth/revoke") == 1

    @pytest.mark.parametrize("action", ["delete_selected", ""])
    def test_who_logs_in_while_the_tenant_revokes_has_a_login_session(
        self, staff: Client, ada: Client, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, action: str
    ) -> None:
        """It was deleted with the identity, and the Django session lived on."""
        late = Client()

        def revoke_slowly(*arguments: Any, **options: Any) -> Any:
            walk(late, tenant)
            return revoke(*arguments, **options)

        monkeypatch.setattr(sessions, "revoke", revoke_slowly)
        key = row_of(ada).identity_id
        if action:
            end(staff, PEOPLE, key, action=action, post="yes")
        else:
            staff.post(f"{PEOPLE}{key}/delete/", {"post": "yes"})
        assert not is_logged_in(ada)
        assert LoginSession.objects.get() == row_of(late)
        assert not Identity.objects.filter(pk=key).exists()

    @pytest.mark.parametrize("fault", ["drop", "status"])
    def test_a_tenant_that_is_down_is_said(
        self, staff: Client, ada: Client, grace: Client, tenant: Tenant, fault: str
    ) -> None:
        tenant.fault(fault, times=None, endpoint="revoke", **({"status": 503} if fault == "status" else {}))
        text = end(staff, ROWS, row_of(ada).pk, row_of(grace).pk)
        assert "2 logins were ended" in text
        assert "did not confirm that it has revoked 2 refresh tokens" in text
        assert tenant.count("/oauth/revoke") == 1  # asked once, not once per login
        assert not is_logged_in(ada)

    def test_a_tenant_that_refuses_is_said(
        self, staff: Client, ada: Client, tenant: Tenant, auth0_settings: Callable[..., Any]
    ) -> None:
        auth0_settings(CLIENT_SECRET="wrong")
        assert "did not confirm that it has revoked 1 refresh token." in end(staff, ROWS, row_of(ada).pk)

    def test_a_row_that_can_t_be_read_ends_too(self, staff: Client, ada: Client) -> None:
        LoginSession.objects.update(sealed="junk")
        text = end(staff, ROWS, row_of(ada).pk)
        assert "1 login was ended" in text
        assert "tenant has revoked" not in text
        assert not is_logged_in(ada)

    @pytest.mark.parametrize(
        ("path", "action"), [(ROWS, "end_logins"), (PEOPLE, "end_logins"), (PEOPLE, "delete_selected")]
    )
    def test_X10_a_session_that_can_t_be_deleted_is_said_and_its_login_can_be_ended_again(
        self, staff: Client, ada: Client, settings: Any, path: str, action: str
    ) -> None:
        settings.SESSION_ENGINE = "tests.stubborn_sessions"
        stubborn_sessions.spared = ada.session.session_key
        row = row_of(ada)
        key = row.pk if path == ROWS else row.identity_id
        text = end(staff, path, key, action=action, post="yes")
        assert "1 session could not be deleted: its visitor stays logged in here. Please try again." in text
        assert LoginSession.objects.get() == row
        assert is_logged_in(ada)
        stubborn_sessions.spared = None
        assert "1 login was ended on this site." in end(staff, path, key, action=action, post="yes")
        assert not LoginSession.objects.exists()
        assert not is_logged_in(ada)

    @pytest.mark.parametrize("path", [ROWS, PEOPLE])
    def test_X10_a_page_does_not_say_deleted_of_what_is_left(
        self, staff: Client, ada: Client, settings: Any, path: str
    ) -> None:
        settings.SESSION_ENGINE = "tests.stubborn_sessions"
        stubborn_sessions.spared = ada.session.session_key
        key = row_of(ada).pk if path == ROWS else row_of(ada).identity_id
        text = staff.post(f"{path}{key}/delete/", {"post": "yes"}, follow=True).content.decode()
        stubborn_sessions.spared = None
        assert "1 session could not be deleted" in text
        assert "deleted successfully" not in text
        assert is_logged_in(ada)

    @pytest.mark.parametrize("storage", ["fallback.FallbackStorage", "session.SessionStorage"])
    @pytest.mark.parametrize("always", [False, True])
    def test_ending_one_s_own_login(self, ada: Client, settings: Any, storage: str, always: bool) -> None:
        settings.MESSAGE_STORAGE = f"django.contrib.messages.storage.{storage}"
        settings.SESSION_SAVE_EVERY_REQUEST = always
        users.objects.update(is_staff=True, is_superuser=True)
        answer = ada.post(ROWS, {"action": "end_logins", "_selected_action": [str(row_of(ada).pk)]})
        assert answer.status_code == 302
        assert not is_logged_in(ada)
        assert not LoginSession.objects.exists()

    def test_who_may_only_look_can_t_end(self, ada: Client, tenant: Tenant) -> None:
        user = users.objects.create_user("looker", is_staff=True)
        user.user_permissions.add(Permission.objects.get(codename="view_loginsession"))
        client = Client()
        client.force_login(user, "django.contrib.auth.backends.ModelBackend")
        assert client.get(ROWS).status_code == 200
        end(client, ROWS, row_of(ada).pk)
        assert client.post(f"{ROWS}{row_of(ada).pk}/delete/", {"post": "yes"}).status_code == 403
        assert is_logged_in(ada)


class TestMachineTokens:
    PATH = "/admin/auth0_flow/machinetoken/"

    @pytest.fixture
    def row(self, tenant: Tenant) -> MachineToken:
        tenant.application.client_grants = {tenant.api.identifier: ["read:appointments"]}
        machine_token()
        return MachineToken.objects.get()

    def test_they_are_shown_without_the_token(self, staff: Client, row: MachineToken) -> None:
        for path in (self.PATH, f"{self.PATH}{row.pk}/change/", f"{self.PATH}{row.pk}/delete/"):
            page = staff.get(path).content.decode()
            assert row.audience in page
            assert row.sealed not in page
            assert str(row.grant.tokens.access_token) not in page
        assert staff.get(f"{self.PATH}add/").status_code == 403
        assert staff.post(f"{self.PATH}{row.pk}/change/", {"audience": "x"}).status_code == 403

    @pytest.mark.parametrize("by", ["action", "page"])
    def test_one_that_is_forgotten_is_asked_for_again(
        self, staff: Client, row: MachineToken, tenant: Tenant, by: str
    ) -> None:
        page = staff.get(f"{self.PATH}{row.pk}/delete/").content.decode()
        assert "Forget this token?" in page
        assert "stays valid until it expires" in page
        if by == "action":
            text = end(staff, self.PATH, row.pk, action="forget")
        else:
            text = staff.post(f"{self.PATH}{row.pk}/delete/", {"post": "yes"}, follow=True).content.decode()
        assert "1 token was forgotten." in text
        assert not MachineToken.objects.exists()
        assert LogEntry.objects.count() == 1
        before = tenant.count("/oauth/token", grant_type="client_credentials")
        machine_token()
        assert tenant.count("/oauth/token", grant_type="client_credentials") == before + 1

    def test_who_may_only_look_can_t_forget(self, row: MachineToken) -> None:
        user = users.objects.create_user("looker", is_staff=True)
        user.user_permissions.add(Permission.objects.get(codename="view_machinetoken"))
        client = Client()
        client.force_login(user, "django.contrib.auth.backends.ModelBackend")
        assert client.get(self.PATH).status_code == 200
        end(client, self.PATH, row.pk, action="forget")
        assert client.post(f"{self.PATH}{row.pk}/delete/", {"post": "yes"}).status_code == 403
        assert MachineToken.objects.exists()

    @pytest.mark.parametrize("name", ["sealed", "lease"])
    def test_X4_no_list_is_filtered_by_a_secret(self, staff: Client, row: MachineToken, name: str) -> None:
        for lookup in ("", "__exact", "__in", "__isnull", "__startswith", "__gt", "__regex", "__length"):
            assert staff.get(self.PATH, {f"{name}{lookup}": row.sealed[:8]}).status_code == 400


class TestLoginThroughAuth0:
    """``Auth0AdminSite`` in place of Django's admin site."""

    @pytest.fixture(autouse=True)
    def auth0_admin(self, settings: Any) -> None:
        settings.ROOT_URLCONF = "tests.urlconfs.auth0_admin"

    def follow(self, client: Client, tenant: Tenant, path: str) -> Any:
        """Walk as a browser does: this site's redirects, the tenant, and back; stop when somebody goes in circles."""
        for _ in range(12):
            answer = client.get(path, headers=NAVIGATE)
            if answer.status_code != 302:
                return answer
            path = answer["Location"]
            if path.startswith(tenant.issuer):
                path = come_back(client, tenant.login(path))["Location"]
        raise AssertionError(f"a loop, last at {path}")

    def test_staff_comes_in_by_auth0_and_lands_where_it_wanted(self, client: Client, tenant: Tenant) -> None:
        walk(client, tenant)
        users.objects.update(is_staff=True, is_superuser=True)
        other = Client()
        page = self.follow(other, tenant, PEOPLE)
        assert page.status_code == 200
        assert urlsplit(page.request["PATH_INFO"]).path == PEOPLE
        assert other.get("/admin/login/", headers=NAVIGATE)["Location"] == "/admin/"

    def test_others_get_a_page_to_log_out_on_and_no_loop(self, client: Client, tenant: Tenant) -> None:
        page = self.follow(client, tenant, PEOPLE)
        assert (page.status_code, code_shown(page)) == (403, "not_staff")
        assert tenant.count("/oauth/token") == 1
        assert 'action="/auth0/logout/"' in page.content.decode()
        again = self.follow(client, tenant, page.context["retry_url"])
        assert (again.status_code, code_shown(again)) == (403, "not_staff")

    def test_others_of_another_backend(self, client: Client) -> None:
        client.force_login(users.objects.create_user("local"), "django.contrib.auth.backends.ModelBackend")
        assert client.get("/admin/", headers=NAVIGATE)["Location"] == "/admin/login/?next=/admin/"
        assert client.get("/admin/login/?next=/admin/", headers=NAVIGATE).status_code == 403

    @pytest.mark.parametrize("next_url", ["https://evil.example/", "//evil.example/", "/admin/login/?next=/admin/"])
    def test_next_stays_here(self, client: Client, tenant: Tenant, next_url: str) -> None:
        walk(client, tenant)
        users.objects.update(is_staff=True)
        answer = client.get("/admin/login/", {"next": next_url}, headers=NAVIGATE)
        assert answer["Location"] in ("/admin/", "/admin/login/?next=/admin/")

    def test_no_password_form_takes_anything(self, client: Client) -> None:
        users.objects.create_superuser("root", password="correct")
        answer = client.post("/admin/login/", {"username": "root", "password": "correct"}, headers=NAVIGATE)
        assert (answer.status_code, urlsplit(answer["Location"]).path) == (302, "/auth0/login/")
        assert not Session.objects.exists()

    def test_logging_out_ends_the_login_at_the_tenant_too(self, client: Client, tenant: Tenant) -> None:
        walk(client, tenant)
        users.objects.update(is_staff=True)
        answer = client.post("/admin/logout/")
        assert answer["Location"].startswith(f"{tenant.issuer}oidc/logout?")
        assert tenant.count("/oauth/revoke") == 1
        assert not LoginSession.objects.exists()

    def test_logging_out_needs_the_form(self, tenant: Tenant) -> None:
        client = Client(enforce_csrf_checks=True)
        walk(client, tenant)
        users.objects.update(is_staff=True)
        assert client.post("/admin/logout/").status_code == 403
        assert client.get("/admin/logout/").status_code == 405
        assert is_logged_in(client)

    def test_scripts_are_told(self, client: Client) -> None:
        assert client.get("/admin/login/", headers={"Accept": "application/json"}).status_code == 401

    def test_the_app_config_makes_it_the_admin_site(self) -> None:
        from django_auth0_flow.admin_config import Auth0AdminConfig

        assert Auth0AdminConfig.default_site == "django_auth0_flow.admin_site.Auth0AdminSite"
