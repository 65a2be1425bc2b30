"""``auth0:account``: what people see of their own logins, and ending them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from django_auth0_flow.logout import own_logins
from django_auth0_flow.models import Identity, LoginSession
from django_auth0_flow.signals import login_session_ended
from django_auth0_flow.storage.django_sessions import living_sessions
from django_auth0_flow.testing.tenant import Tenant, User
from tests import stubborn_sessions
from tests.costs import counted
from tests.walk import NAVIGATE, come_back, is_logged_in, query_of, walk

pytestmark = pytest.mark.django_db
ACCOUNT = "/auth0/account/"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.5 Mobile/15E148 Safari/604.1"
)
LogIn = Callable[..., Client]


@pytest.fixture(autouse=True)
def page_is_on(auth0_settings: Callable[..., Any]) -> None:
    auth0_settings(ACCOUNT_PAGE=True)


@pytest.fixture
def log_in(tenant: Tenant) -> LogIn:
    """Log a new browser in."""

    def log_in(user: User | None = None, user_agent: str = FIREFOX, **options: Any) -> Client:
        client = Client(headers={**NAVIGATE, "User-Agent": user_agent}, **options)
        walk(client, tenant, user=user)
        return client

    return log_in


@pytest.fixture
def here(log_in: LogIn) -> Client:
    return log_in()


@pytest.fixture
def there(log_in: LogIn) -> Client:
    return log_in(user_agent=SAFARI)


@pytest.fixture
def grace(tenant: Tenant, log_in: LogIn) -> Client:
    """Somebody else."""
    return log_in(user=next(user for user in tenant.users.values() if user.nickname == "grace"))


@pytest.fixture
def reasons() -> Iterator[list[str]]:
    heard: list[str] = []

    def hear(*, reason: str, **kwargs: Any) -> None:
        heard.append(reason)

    login_session_ended.connect(hear)
    yield heard
    login_session_ended.disconnect(hear)


def row_of(client: Client) -> LoginSession:
    return LoginSession.objects.get(session_digest=LoginSession.digest_of(client.session.session_key))


def end(client: Client, which: object) -> Any:
    return client.post(ACCOUNT, {"end": str(which)})


def alive(client: Client) -> bool:
    """Tell whether the site takes this browser for logged in."""
    return bool(client.get("/bare/").status_code == 200)


def revoked(tenant: Tenant) -> list[str]:
    return [request.form["token"][0] for request in tenant.requests if request.path == "/oauth/revoke"]


class TestWhoComesIn:
    @pytest.mark.parametrize("logged_in", [True, False])
    def test_no_one_where_it_is_not_switched_on(
        self, client: Client, tenant: Tenant, auth0_settings: Callable[..., Any], logged_in: bool
    ) -> None:
        auth0_settings()
        if logged_in:
            walk(client, tenant)
        assert client.get(ACCOUNT).status_code == client.post(ACCOUNT, {"end": "all"}).status_code == 404
        assert is_logged_in(client) == logged_in

    def test_visitors_log_in_first_and_come_back(self, client: Client, here: Client) -> None:
        answer = client.get(ACCOUNT, headers=NAVIGATE)
        assert answer["Location"] == "/auth0/login/?next=%2Fauth0%2Faccount%2F"
        assert client.get(ACCOUNT, headers={"Accept": "application/json"}).status_code == 401
        assert end(client, "all").status_code == 302
        assert is_logged_in(here)

    def test_a_user_of_the_site_who_did_not_come_through_auth0_does_not(self, here: Client) -> None:
        other = Client(headers=NAVIGATE)
        other.force_login(get_user_model().objects.get(), "django.contrib.auth.backends.ModelBackend")
        assert other.get(ACCOUNT)["Location"].startswith("/auth0/login/")
        assert end(other, "all")["Location"].startswith("/auth0/login/")
        assert is_logged_in(here)

    def test_a_login_that_was_ended_elsewhere_sees_nothing_and_ends_nothing(self, here: Client, there: Client) -> None:
        row_of(here).end("admin")
        assert end(here, "all")["Location"].startswith("/auth0/login/")
        assert alive(there)
        assert here.get(ACCOUNT)["Location"].startswith("/auth0/login/")

    def test_no_form_of_another_site(self, log_in: LogIn, there: Client) -> None:
        here = log_in(enforce_csrf_checks=True)
        for which in ("all", "others", row_of(there).pk, row_of(here).pk):
            answer = end(here, which)
            assert answer.status_code == 403
            assert "Please try again." in answer.content.decode()
        assert LoginSession.objects.count() == 2
        token = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', here.get(ACCOUNT).content.decode())[0]
        here.post(ACCOUNT, {"end": "others", "csrfmiddlewaretoken": token})
        assert LoginSession.objects.count() == 1

    def test_a_site_may_ask_for_a_fresh_login_first(self, tenant: Tenant, here: Client, settings: Any) -> None:
        settings.ROOT_URLCONF = "tests.urlconfs.fresh_account"
        come_back(here, tenant.login(here.get(ACCOUNT)["Location"]))
        assert here.get(ACCOUNT).status_code == 200
        tenant.clock.advance(400)
        for answer in (here.get(ACCOUNT), end(here, "all")):
            assert query_of(answer["Location"])["max_age"] == "300"
        assert LoginSession.objects.exists()


class TestWhatIsShown:
    def test_own_logins_in_words_with_this_one_marked(
        self, tenant: Tenant, here: Client, there: Client, grace: Client
    ) -> None:
        page = here.get(ACCOUNT)
        assert page.status_code == 200
        first, second = page.context["logins"]
        assert (first.device, first.is_current, first.id) == ("Firefox on Windows", True, row_of(here).pk)
        assert (second.device, second.is_current, second.id) == ("Safari on iPhone", False, row_of(there).pk)
        assert first.logged_in_at == own_logins.moment(row_of(here).logged_in_at)
        (identity,) = page.context["identities"]
        assert (identity.provider, identity.subject) == ("Name and password", tenant.user.sub)
        text = page.content.decode()
        assert text.count("this browser") == 1
        assert str(row_of(grace).pk) not in text
        assert page["Cache-Control"] == "private, no-store"
        assert "sessionid" not in text

    def test_in_japanese(self, here: Client, there: Client) -> None:
        text = here.get(ACCOUNT, headers={"Accept-Language": "ja"}).content.decode()
        assert "Firefox\uff08Windows\uff09" in text
        assert "このブラウザー" in text

    def test_no_token_no_sid_no_session_key(self, here: Client, there: Client) -> None:
        text = here.get(ACCOUNT).content.decode()
        for client in (here, there):
            row = row_of(client)
            tokens = row.grant.tokens
            secrets = [tokens.access_token, tokens.refresh_token, tokens.id_token, row.grant.claims["sid"]]
            secrets += [row.session_key, row.sealed, row.sid_key, row.sealed_session_key, row.session_digest]
            assert [secret for secret in secrets if not secret or secret in text] == []

    def test_logins_whose_session_is_gone_are_left_out(self, here: Client, there: Client) -> None:
        there.session.delete()
        assert [login.is_current for login in here.get(ACCOUNT).context["logins"]] == [True]

    def test_a_login_whose_session_key_can_t_be_read_may_be_alive(self, here: Client, there: Client) -> None:
        row = row_of(there)
        LoginSession.objects.filter(pk=row.pk).update(sealed_session_key="AAAA")
        assert [login.id for login in here.get(ACCOUNT).context["logins"]] == [row_of(here).pk, row.pk]

    def test_long_lists_are_cut_off_and_say_so(
        self, log_in: LogIn, here: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(own_logins, "MAX_SHOWN", 2)
        newest = [log_in(), log_in()][-1]
        page = here.get(ACCOUNT)
        assert [login.id for login in page.context["logins"]] == [row_of(here).pk, row_of(newest).pk]
        assert "more logins" in page.content.decode()

    def test_its_cost(self, tenant: Tenant, here: Client, log_in: LogIn) -> None:
        def cost() -> int:
            with counted(ACCOUNT, tenant) as cost:
                here.get(ACCOUNT)
            assert cost.http == []
            return len(cost.sql)

        cost_of_one = cost()
        assert cost_of_one <= 6
        for _ in range(5):
            log_in()
        assert cost() <= cost_of_one + 1  # whether the others' sessions live

    def test_a_subclass_and_its_template(self, here: Client, rf: Any, settings: Any) -> None:
        from django_auth0_flow.views import AccountView

        class MyView(AccountView):
            template_name = "mine.html"

        loader = ("django.template.loaders.locmem.Loader", {"auth0/mine.html": "{{ logins.0.device }}"})
        (engine,) = settings.TEMPLATES
        options = {**engine["OPTIONS"], "loaders": [loader]}
        settings.TEMPLATES = [{**engine, "APP_DIRS": False, "OPTIONS": options}]
        request = here.get("/").wsgi_request
        assert MyView.as_view()(request).content == b"Firefox on Windows"


class TestEnding:
    def test_one(self, tenant: Tenant, here: Client, there: Client, reasons: list[str]) -> None:
        refresh_token, key = row_of(there).grant.tokens.refresh_token, str(there.session.session_key)
        answer = end(here, row_of(there).pk)
        assert (answer.status_code, answer["Location"]) == (302, ACCOUNT)
        assert living_sessions([key]) == set()
        assert LoginSession.objects.get() == row_of(here)
        assert revoked(tenant) == [refresh_token]
        assert reasons == ["ended_by_user"]
        assert not alive(there)
        assert alive(here)

    @pytest.mark.parametrize("engine", ["db", "cached_db", "cache", "file"])
    def test_whatever_keeps_the_sessions(self, settings: Any, tmp_path: Path, log_in: LogIn, engine: str) -> None:
        settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
        settings.SESSION_FILE_PATH = str(tmp_path)
        here, there, third = log_in(), log_in(user_agent=SAFARI), log_in()
        keys = [str(client.session.session_key) for client in (there, third)]
        assert len(here.get(ACCOUNT).context["logins"]) == 3
        third.session.delete()
        assert [login.device for login in here.get(ACCOUNT).context["logins"]] == [
            "Firefox on Windows",
            "Safari on iPhone",
        ]
        end(here, row_of(there).pk)
        assert living_sessions(keys) == set()
        assert [alive(here), alive(there)] == [True, False]
        end(here, "all")
        assert not LoginSession.objects.exists()
        assert not alive(here)

    def test_the_page_says_once_how_many(self, here: Client, there: Client) -> None:
        end(here, row_of(there).pk)
        assert "1 login was ended." in here.get(ACCOUNT).content.decode()
        assert "was ended" not in here.get(ACCOUNT).content.decode()

    def test_all_others(self, tenant: Tenant, log_in: LogIn, here: Client, there: Client, grace: Client) -> None:
        third = log_in()
        assert end(here, "others")["Location"] == ACCOUNT
        assert "2 logins were ended." in here.get(ACCOUNT).content.decode()
        assert [alive(client) for client in (here, there, third, grace)] == [True, False, False, True]
        assert len(revoked(tenant)) == 2

    def test_all(self, tenant: Tenant, here: Client, there: Client, grace: Client) -> None:
        id_token = row_of(here).grant.tokens.id_token
        answer = end(here, "all")
        assert answer["Location"].startswith(f"{tenant.issuer}oidc/logout?")
        assert query_of(answer["Location"])["id_token_hint"] == id_token
        assert [alive(client) for client in (here, there, grace)] == [False, False, True]
        assert len(revoked(tenant)) == 2

    def test_this_one_is_a_logout(self, tenant: Tenant, here: Client, there: Client, reasons: list[str]) -> None:
        answer = end(here, row_of(here).pk)
        assert answer["Location"].startswith(f"{tenant.issuer}oidc/logout?")
        assert [alive(client) for client in (here, there)] == [False, True]
        assert reasons == ["logout"]

    def test_another_person_s_is_not_found(self, tenant: Tenant, here: Client, grace: Client) -> None:
        answer = end(here, row_of(grace).pk)
        assert answer.status_code == 404
        assert alive(grace)
        assert revoked(tenant) == []
        # As for one that never was.
        other = end(here, uuid.uuid4())
        assert (other.status_code, other.context["not_found"]) == (404, answer.context["not_found"])

    def test_one_that_is_gone_is_said_to_be(self, here: Client, there: Client) -> None:
        key = row_of(there).pk
        end(here, key)
        answer = end(here, key)
        assert answer.status_code == 404
        assert "This login has ended already." in answer.content.decode()
        assert alive(here)

    @pytest.mark.parametrize("which", ["", "ALL", "none", "\0", "default", "\uff41\uff4c\uff4c", "1" * 5000])
    def test_anything_else_ends_nothing(self, here: Client, there: Client, which: str) -> None:
        assert end(here, which).status_code == 404
        assert here.get(ACCOUNT, {"end": "all"}).status_code == 200
        assert LoginSession.objects.count() == 2

    @pytest.mark.parametrize("fault", [("drop", {}), ("status", {"status": 503})])
    def test_the_tenant_being_down_keeps_no_one_logged_in(
        self, tenant: Tenant, here: Client, there: Client, fault: Any
    ) -> None:
        name, options = fault
        tenant.fault(name, endpoint="revoke", times=None, **options)
        answer = end(here, "all")
        assert (answer.status_code, answer.context["tenant_left"]) == (200, True)
        assert not LoginSession.objects.exists()
        assert [is_logged_in(client) for client in (here, there)] == [False, False]

    def test_who_is_told_that_something_is_left_can_try_again(
        self, log_in: LogIn, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.SESSION_ENGINE = "tests.stubborn_sessions"
        here, there = log_in(), log_in()
        monkeypatch.setattr(stubborn_sessions, "spared", there.session.session_key)
        assert end(here, "all")["Location"] == ACCOUNT
        text = here.get(ACCOUNT).content.decode()
        assert "1 login could not be ended" in text
        assert is_logged_in(there)
        stubborn_sessions.spared = None
        assert "/oidc/logout?" in end(here, "all")["Location"]
        assert not LoginSession.objects.exists()


class TestSeveralIdentitiesAndConfigurations:
    @pytest.fixture
    def partners(self, tenant: Tenant, settings: Any) -> Iterator[Tenant]:
        """A second tenant with a configuration of its own, where the same user has another identity."""
        with Tenant(clock=tenant.clock.now) as running:
            keys = {
                "ISSUER": running.issuer,
                "CLIENT_ID": running.application.client_id,
                "CLIENT_SECRET": running.application.client_secret,
                "SCOPE": "openid profile email offline_access",
                "CLOCK": tenant.clock.now,
            }
            running.application.callbacks = ["http://testserver/partners/callback/"]
            settings.AUTH0 = {"default": settings.AUTH0, "partners": keys}
            yield running

    @pytest.fixture
    def both(self, tenant: Tenant, partners: Tenant, here: Client) -> Client:
        """The same user at the second tenant."""
        user = get_user_model().objects.get()
        issuer, subject = partners.issuer, partners.user.sub
        Identity.objects.create(key=Identity.key_for(issuer, subject), issuer=issuer, subject=subject, user=user)
        other = Client(headers=NAVIGATE)
        url = other.get("/partners/login/")["Location"]
        other.get(partners.login(url).removeprefix("http://testserver"))
        assert row_of(other).configuration == "partners"
        return other

    def test_each_sees_and_ends_the_other(self, tenant: Tenant, partners: Tenant, here: Client, both: Client) -> None:
        row = row_of(both)
        assert (row.device, row.last_used_at) == ("Unknown browser", None), "its configuration has no such page"
        page = both.get(ACCOUNT)
        assert {login.id for login in page.context["logins"]} == {row_of(here).pk, row.pk}
        assert [identity.issuer for identity in page.context["identities"]] == ["127.0.0.1"] * 2
        assert "With" in page.content.decode()
        assert both.get("/partners/account/").status_code == 404
        refresh_token = row_of(here).grant.tokens.refresh_token
        assert end(both, "others")["Location"] == ACCOUNT
        assert (revoked(tenant), revoked(partners)) == ([refresh_token], [])
        assert LoginSession.objects.get() == row
        assert end(both, "all")["Location"].startswith(f"{partners.issuer}oidc/logout?")

    def test_the_page_of_a_configuration_leads_back_to_itself(
        self, here: Client, both: Client, settings: Any, client: Client
    ) -> None:
        default, partners = settings.AUTH0["default"], settings.AUTH0["partners"]
        settings.AUTH0 = {"default": default, "partners": {**partners, "ACCOUNT_PAGE": True}}
        path = "/partners/account/"
        assert here.post(path, {"end": "others"})["Location"] == path
        assert client.get(path, headers=NAVIGATE)["Location"].startswith("/partners/login/?next=%2Fpartners%2Faccount")

    def test_a_configuration_that_was_removed(self, here: Client, both: Client, settings: Any) -> None:
        settings.AUTH0 = settings.AUTH0["default"]
        assert len(here.get(ACCOUNT).context["logins"]) == 2
        assert end(here, "others")["Location"] == ACCOUNT
        assert LoginSession.objects.get() == row_of(here)


class TestWhatIsKept:
    def test_words_from_a_short_list_and_the_hour(self, tenant: Tenant, here: Client) -> None:
        row = row_of(here)
        assert (row.browser, row.system) == ("Firefox", "Windows")
        assert row.last_used_at is not None
        assert row.last_used_at % 3600 == 0
        assert 0 <= tenant.clock.now() - row.last_used_at < 3600

    def test_nothing_where_it_is_switched_off(
        self, log_in: LogIn, tenant: Tenant, auth0_settings: Callable[..., Any]
    ) -> None:
        auth0_settings(ACCOUNT_PAGE=True, LOGIN_DETAILS=False)
        client = log_in()
        tenant.clock.advance(7200)
        page = client.get(ACCOUNT)
        assert "Unknown browser" in page.content.decode()
        row = row_of(client)
        assert (row.browser, row.system, row.last_used_at) == ("", "", None)

    def test_nothing_without_the_page(self, log_in: LogIn, tenant: Tenant, auth0_settings: Callable[..., Any]) -> None:
        auth0_settings()
        client = log_in()
        tenant.clock.advance(7200)
        assert alive(client)
        row = row_of(client)
        assert (row.browser, row.system, row.last_used_at) == ("", "", None)

    def test_the_last_use_is_written_once_an_hour(self, tenant: Tenant, here: Client) -> None:
        def writes(path: str) -> int:
            with counted(path, tenant) as cost:
                assert here.get(path).status_code == 200
            return sum(sql.startswith("UPDATE") and "last_used_at" in sql for sql in cost.sql)

        first = row_of(here).last_used_at or 0
        tenant.clock.advance(3600 - (tenant.clock.now() - first) - 1)
        assert writes("/bare/") == 0
        tenant.clock.advance(2)
        assert writes("/plain/") == 0, "this page does not ask for the login"
        assert writes("/bare/") == 1
        assert writes("/bare/") == writes("/token/") == 0
        assert row_of(here).last_used_at == first + 3600
        tenant.clock.advance(86400)
        assert writes("/async/") == 1

    def test_it_is_shown_and_never_before_the_login(self, tenant: Tenant, here: Client, there: Client) -> None:
        (_, other) = here.get(ACCOUNT).context["logins"]
        assert other.last_used_at == other.logged_in_at
        tenant.clock.advance(7200)
        assert alive(there)
        (_, other) = here.get(ACCOUNT).context["logins"]
        assert other.last_used_at == own_logins.moment(row_of(there).last_used_at) > other.logged_in_at

    def test_clocks_that_differ_by_seconds_do_not_write_in_turns(self, tenant: Tenant, here: Client) -> None:
        row = row_of(here)
        hour = (row.last_used_at or 0) + 3600
        row.note_use(hour + 1)
        with counted("a worker whose clock is behind", tenant) as cost:
            LoginSession.objects.get().note_use(hour - 1)
        assert [sql for sql in cost.sql if sql.startswith("UPDATE")] == []
        assert row_of(here).last_used_at == hour

    def test_a_database_that_takes_no_write_breaks_no_page(
        self, tenant: Tenant, here: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        from django.db import OperationalError

        def refuse(self: LoginSession, now: float) -> None:
            raise OperationalError("read-only")

        monkeypatch.setattr(LoginSession, "note_use", refuse)
        assert alive(here)
        assert f"last_use_not_stored login_session={row_of(here).pk} error=OperationalError" in caplog.text


def test_code_may_end_them_as_well(
    tenant: Tenant, here: Client, there: Client, grace: Client, reasons: list[str]
) -> None:
    from django_auth0_flow.logout.sessions import end_logins

    user = row_of(here).identity.user
    ended = end_logins(user, keep=row_of(here))
    assert (ended.login_sessions, ended.left, ended.revoked) == (1, 0, 1)
    assert [alive(client) for client in (here, there, grace)] == [True, False, True]
    assert end_logins(user, reason="contract_over").login_sessions == 1
    assert not alive(here)
    assert alive(grace)
    assert reasons == ["ended_by_site", "contract_over"]
