"""Connected accounts: there by redirect and back, for the user who began it and for no one else."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from django_auth0_flow.models import LoginSession
from django_auth0_flow.protocol.errors import AccountsRefused
from django_auth0_flow.protocol.grant import Target
from django_auth0_flow.testing.tenant import Tenant, User
from django_auth0_flow.tokens.connected_accounts import ConnectedAccounts
from django_auth0_flow.tokens.source import StoredTokenSource
from tests.costs import counted
from tests.urlconfs.connected_accounts import GOOGLE
from tests.visitor import Visitor
from tests.walk import CALLBACK, FETCH, LOGIN, LOGOUT, NAVIGATE, is_logged_in, query_of, walk, with_query

pytestmark = pytest.mark.django_db
CONNECT, ACCOUNT, SITE = "/auth0/connect/", "/auth0/account/", "http://testserver"
SCOPES = "openid https://www.googleapis.com/auth/calendar.readonly"
CONNECT_CALLS = [CONNECT_CALL, COMPLETE_CALL] = [
    f"/me/v1/connected-accounts/{step}" for step in ("connect", "complete")
]


@pytest.fixture(autouse=True)
def configure(tenant: Tenant, settings: Any, auth0_settings: Callable[..., Any]) -> Callable[..., Any]:
    """Return what changes the settings of a site that connects accounts."""

    def apply(**keys: Any) -> None:
        auth0_settings(
            SCOPE="openid profile email offline_access",
            **{"CONNECTED_ACCOUNTS": {GOOGLE: SCOPES, "github": ""}, "ACCOUNT_PAGE": True, **keys},
        )

    tenant.allow_connected_accounts(google_oauth2=["openid"], github=["repo"])
    settings.ROOT_URLCONF = "tests.urlconfs.connected_accounts"
    apply()
    return apply


@pytest.fixture
def ada(tenant: Tenant) -> Client:
    client = Client(headers=NAVIGATE)
    walk(client, tenant)
    return client


@pytest.fixture
def grace(tenant: Tenant) -> User:
    return next(user for user in tenant.users.values() if user.nickname == "grace")


def begin(client: Client, connection: str = GOOGLE, **fields: str) -> str:
    """Press the button; return the address that the browser is sent to."""
    answer = client.post(CONNECT, {"connection": connection, "next": "/calendar/", **fields})
    assert answer.status_code == 302, answer.content
    return str(answer["Location"])


def agree(tenant: Tenant, url: str, *, deny: bool = False) -> str:
    """Choose an account at the identity provider; return the address of the callback."""
    return tenant.browser().authorize(url, deny=deny).url.removeprefix(SITE)


def connect(client: Client, tenant: Tenant, connection: str = GOOGLE, **fields: str) -> Any:
    return client.get(agree(tenant, begin(client, connection, **fields)))


def calls(tenant: Tenant, path: str) -> list[Any]:
    return [request for request in tenant.requests if request.path == path]


def is_connected(tenant: Tenant) -> bool:
    return any(user.connected_accounts for user in tenant.users.values())


class TestThereAndBack:
    @pytest.mark.parametrize("path", ["/calendar/", "/calendar-mixin/", "/async-calendar/", "/in-code/"])
    def test_a_page_that_needs_an_account_leads_there_and_back(self, tenant: Tenant, path: str) -> None:
        visitor = Visitor(tenant, site=SITE)
        visitor.visit(f"{path}?day=1")
        assert visitor.path.startswith(CONNECT)
        assert SCOPES in visitor.text
        visitor.follow(visitor.submit("connection", follow=False))
        assert (visitor.path, visitor.page.status_code) == (f"{path}?day=1", 200)
        assert visitor.text == tenant.user.linked_connections[GOOGLE]
        assert len(visitor.asked()) == 1

    def test_costs_of_each_step(self, ada: Client, tenant: Tenant) -> None:
        with counted("a page that needs an account", tenant) as page:
            ada.get("/calendar/")
        with counted("page that connects", tenant) as shown:
            ada.get(CONNECT, {"connection": GOOGLE})
        with counted("begin", tenant) as begun:
            url = begin(ada)
        back = agree(tenant, url)
        with counted("callback", tenant) as done:
            ada.get(back)
        assert page.http == ["/oauth/token"]
        assert (shown.http, begun.http) == ([], ["/oauth/token", CONNECT_CALL])
        assert done.http == [COMPLETE_CALL]
        assert (len(shown.sql), len(begun.sql)) == (3, 9)
        assert len(done.sql) in (
            7,
            8,
        )  # LoginRequiredMiddleware reads the session before the callback takes what it holds

    def test_what_the_tenant_is_asked(self, ada: Client, tenant: Tenant) -> None:
        connect(ada, tenant)
        asked, completed = (calls(tenant, path)[0].form for path in CONNECT_CALLS)
        assert asked["code_challenge_method"] == ["S256"]
        assert asked["redirect_uri"] == completed["redirect_uri"] == [f"{SITE}{CALLBACK}"]
        refreshes = [request.form for request in tenant.requests if request.grant_type == "refresh_token"]
        assert [form["scope"] for form in refreshes] == [["create:me:connected_accounts"]]
        assert tenant.user.connected_accounts.popitem()[1].scopes == SCOPES.split()

    def test_fewer_scopes_may_be_asked_for(self, ada: Client, tenant: Tenant) -> None:
        connect(ada, tenant, scopes="openid")
        assert tenant.user.connected_accounts.popitem()[1].scopes == ["openid"]

    def test_a_connection_without_scopes_has_its_own(self, ada: Client, tenant: Tenant) -> None:
        assert connect(ada, tenant, "github")["Location"] == "/calendar/"
        assert tenant.user.connected_accounts.popitem()[1].scopes == ["repo"]

    @pytest.mark.parametrize("mode", ["query", "form_post"])
    def test_a_code_in_a_fragment_is_taken_too(self, tenant: Tenant, configure: Callable[..., Any], mode: str) -> None:
        configure(RESPONSE_MODE=mode)
        tenant.connected_accounts.code_in_fragment = True
        visitor = Visitor(tenant, site="https://testserver")
        visitor.visit("/calendar/")
        visitor.follow(visitor.submit("connection", follow=False))
        assert visitor.text == tenant.user.linked_connections[GOOGLE]

    def test_F44_but_no_login_comes_in_one(self, tenant: Tenant) -> None:
        visitor = Visitor(tenant, site=SITE)
        answer = visitor.at_tenant(visitor.start(LOGIN))
        visitor.get(f"{SITE}{CALLBACK}")
        visitor.submit(follow=False, response=urlsplit(answer.url).query)
        assert (visitor.page.status_code, visitor.page.context["code"]) == (400, "malformed_request")
        assert not is_logged_in(visitor.client)

    @pytest.mark.parametrize("status", [200, 201])
    def test_any_good_status_is_one(self, ada: Client, tenant: Tenant, status: int) -> None:
        tenant.connected_accounts.success = status
        assert connect(ada, tenant)["Location"] == "/calendar/"

    def test_tokens_bound_to_a_key(self, tenant: Tenant, configure: Callable[..., Any]) -> None:
        configure(DPOP=True)
        client = Client(headers=NAVIGATE)
        walk(client, tenant)
        assert connect(client, tenant)["Location"] == "/calendar/"
        assert calls(tenant, COMPLETE_CALL)[0].headers["Authorization"].startswith("DPoP ")

    @pytest.mark.parametrize("mode", ["form_post", "query"])
    def test_in_every_response_mode(self, tenant: Tenant, configure: Callable[..., Any], mode: str) -> None:
        configure(RESPONSE_MODE=mode)
        visitor = Visitor(tenant, site="https://testserver")
        visitor.visit("/calendar/")
        visitor.follow(visitor.submit("connection", follow=False))
        assert visitor.text == tenant.user.linked_connections[GOOGLE]

    def test_an_api_view_of_a_browser_says_where(self, ada: Client) -> None:
        answer = ada.get("/api/calendar/", headers=FETCH)
        assert (answer.status_code, answer.json()["error"]) == (403, "account_not_connected")
        assert answer.json()["connect_url"].startswith(f"{CONNECT}?connection=google-oauth2")
        answer = ada.get("/calendar/", headers={"HX-Request": "true", "HX-Current-URL": f"{SITE}/bare/"})
        assert query_of(answer["HX-Redirect"]) == {"connection": GOOGLE, "next": "/bare/"}

    def test_a_prefetch_leads_nowhere(self, ada: Client) -> None:
        assert ada.get("/calendar/", headers={"Sec-Purpose": "prefetch"}).status_code == 204

    def test_a_new_account_replaces_the_token_that_was_kept(self, ada: Client, tenant: Tenant) -> None:
        connect(ada, tenant)
        before = ada.get("/in-code/").content
        connect(ada, tenant)
        assert ada.get("/in-code/").content == tenant.user.linked_connections[GOOGLE].encode() != before


class TestWhoComesIn:
    def test_no_one_where_it_is_not_switched_on(
        self, ada: Client, tenant: Tenant, configure: Callable[..., Any]
    ) -> None:
        configure(CONNECTED_ACCOUNTS={})
        with counted("switched off", tenant) as cost:
            assert ada.get(CONNECT, {"connection": GOOGLE}).status_code == 404
            assert ada.post(CONNECT, {"connection": GOOGLE}).status_code == 404
            assert ada.post("/auth0/account/", {"disconnect": "cac_1"}).status_code == 404
        assert cost.http == []
        assert "Connected accounts" not in ada.get(ACCOUNT).content.decode()
        assert ada.get("/in-code/").context["code"] == "connection_token_refused"

    def test_visitors_log_in_first(self, client: Client) -> None:
        answer = client.get(CONNECT, {"connection": GOOGLE}, headers=NAVIGATE)
        assert answer["Location"].startswith(LOGIN)
        assert client.post(CONNECT, {"connection": GOOGLE}, headers=NAVIGATE)["Location"].startswith(LOGIN)
        assert client.get(CONNECT, {"connection": GOOGLE}, headers=FETCH).status_code == 401

    @pytest.mark.parametrize(
        "sent",
        [
            {},
            {"connection": "facebook"},
            {"connection": "Username-Password-Authentication"},
            {"connection": GOOGLE, "scopes": "openid https://mail.google.com/"},
            {"connection": "github", "scopes": "repo"},
            {"connection": "google-oauth2\n"},
        ],
        ids=str,
    )
    def test_F43_only_what_the_site_offers_is_connected(
        self, ada: Client, tenant: Tenant, sent: dict[str, str]
    ) -> None:
        assert ada.get(CONNECT, sent).status_code == ada.post(CONNECT, sent).status_code == 404
        assert calls(tenant, CONNECT_CALL) == []

    @pytest.mark.parametrize("next_url", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
    def test_next_stays_on_the_site(self, ada: Client, tenant: Tenant, next_url: str) -> None:
        assert connect(ada, tenant, next=next_url)["Location"] == "/"


class TestAttacks:
    def test_F43_another_page_begins_nothing(self, ada: Client, tenant: Tenant) -> None:
        strict = Client(enforce_csrf_checks=True, headers=NAVIGATE)
        strict.cookies = ada.cookies
        assert strict.get(CONNECT, {"connection": GOOGLE}).status_code == 200
        answer = strict.post(CONNECT, {"connection": GOOGLE}, headers={"Origin": "https://evil.example"})
        assert (answer.status_code, answer.context["code"]) == (403, "form_expired")
        assert calls(tenant, CONNECT_CALL) == []

    def test_X30_the_page_says_whose_login_it_is(self, ada: Client) -> None:
        assert (
            'You are logged in as <strong dir="auto">ada@example.com</strong>'
            in ada.get(CONNECT, {"connection": GOOGLE}).content.decode()
        )

    def test_F44_a_callback_that_another_browser_began_connects_nothing(
        self, ada: Client, tenant: Tenant, grace: User
    ) -> None:
        attacker = Client(headers=NAVIGATE)
        walk(attacker, tenant, user=grace)
        back = agree(tenant, begin(attacker))
        assert ada.get(back)["Location"] == "/calendar/"
        assert calls(tenant, COMPLETE_CALL) == []
        assert not is_connected(tenant)

    def test_F44_another_code_in_ones_own_callback_connects_nothing(
        self, ada: Client, tenant: Tenant, grace: User
    ) -> None:
        attacker = Client(headers=NAVIGATE)
        walk(attacker, tenant, user=grace)
        stolen = query_of(agree(tenant, begin(attacker)))["connect_code"]
        answer = ada.get(with_query(agree(tenant, begin(ada)), connect_code=stolen))
        assert (answer.status_code, answer.context["code"]) == (400, "connect_expired")
        assert not is_connected(tenant)

    def test_F45_another_user_who_logged_in_meanwhile_gets_nothing(
        self, ada: Client, tenant: Tenant, grace: User
    ) -> None:
        back = agree(tenant, begin(ada))
        walk(ada, tenant, user=grace)
        assert ada.get(back)["Location"] == "/calendar/"
        assert calls(tenant, COMPLETE_CALL) == []

    def test_F45_nor_one_whose_session_holds_what_another_user_began(
        self, ada: Client, tenant: Tenant, grace: User
    ) -> None:
        back = agree(tenant, begin(ada))
        begun = ada.session["_auth0_transactions"]
        walk(ada, tenant, user=grace)
        session = ada.session
        session["_auth0_transactions"] = begun
        session.save()
        answer = ada.get(back)
        assert (answer.status_code, answer.context["code"]) == (400, "connect_other_user")
        assert calls(tenant, COMPLETE_CALL) == []

    def test_the_same_user_may_log_in_again_meanwhile(self, ada: Client, tenant: Tenant) -> None:
        back = agree(tenant, begin(ada))
        walk(ada, tenant)
        assert ada.get(back)["Location"] == "/calendar/"
        assert is_connected(tenant)

    def test_F45_a_logout_meanwhile_connects_nothing_and_logs_no_one_in(self, ada: Client, tenant: Tenant) -> None:
        back = agree(tenant, begin(ada))
        ada.post(LOGOUT)
        assert ada.get(back)["Location"] == "/calendar/"
        assert not is_logged_in(ada)
        assert not is_connected(tenant)

    @pytest.mark.parametrize("swap", [("connect_code", "code"), ("code", "connect_code")], ids=str)
    def test_F44_a_code_for_one_thing_is_no_code_for_the_other(
        self, ada: Client, tenant: Tenant, swap: tuple[str, str]
    ) -> None:
        url = begin(ada) if swap[0] == "connect_code" else str(ada.get(LOGIN)["Location"])
        back = agree(tenant, url)
        value = query_of(back)[swap[0]]
        answer = ada.get(with_query(back, **{swap[0]: None, swap[1]: value}))
        assert (answer.status_code, answer.context["code"]) == (400, "code_missing")
        assert not is_connected(tenant)

    def test_F44_the_wrong_issuer_is_refused(self, ada: Client, tenant: Tenant) -> None:
        answer = ada.get(with_query(agree(tenant, begin(ada)), iss="https://evil.example/"))
        assert answer.context["code"] == "iss_mismatch"
        assert not is_connected(tenant)

    @pytest.mark.parametrize("repeated", ["connect_code", "state"])
    def test_a_parameter_that_stands_twice_is_refused(self, ada: Client, tenant: Tenant, repeated: str) -> None:
        back = agree(tenant, begin(ada))
        assert ada.get(f"{back}&{repeated}=x").context["code"] == "parameter_repeated"
        assert ada.get(back)["Location"] == "/calendar/"

    def test_F46_nothing_secret_is_stored_in_the_clear_logged_or_shown(
        self, ada: Client, tenant: Tenant, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG, "django_auth0_flow")
        url = begin(ada)
        held = str(Session.objects.get(session_key=ada.session.session_key).get_decoded())
        back = agree(tenant, url)
        ada.get(back)
        sent = calls(tenant, COMPLETE_CALL)[0]
        secrets = [sent.form["auth_session"][0], sent.headers["Authorization"].split()[1]]
        assert not [secret for secret in secrets if secret in held]
        secrets += [query_of(back)["connect_code"], query_of(url)["ticket"]]
        assert not [secret for secret in secrets if secret in caplog.text]
        assert f"account_connected login_session={LoginSession.objects.get().pk}" in caplog.text


class TestWhatGoesWrong:
    def test_a_double_submit_connects_once(self, ada: Client, tenant: Tenant) -> None:
        back = agree(tenant, begin(ada))
        assert [ada.get(back)["Location"] for _ in range(2)] == ["/calendar/"] * 2
        assert len(calls(tenant, COMPLETE_CALL)) == 1
        assert len(tenant.user.connected_accounts) == 1

    def test_two_tabs_connect_both(self, ada: Client, tenant: Tenant) -> None:
        urls = [begin(ada), begin(ada, "github")]
        for url in urls:
            assert ada.get(agree(tenant, url))["Location"] == "/calendar/"
        assert {one.connection for one in tenant.user.connected_accounts.values()} == {GOOGLE, "github"}

    def test_who_declines_is_told_so_and_may_try_again(self, tenant: Tenant) -> None:
        visitor = Visitor(tenant, site=SITE)
        visitor.visit("/calendar/")
        url = str(visitor.submit("connection", follow=False)["Location"])
        visitor.bring(visitor.at_tenant(url, deny=True))
        assert (visitor.page.status_code, visitor.page.context["code"]) == (403, "connect_declined")
        assert is_logged_in(visitor.client)
        visitor.follow(visitor.submit("connection", follow=False))
        assert visitor.path == "/calendar/"

    def test_a_forged_error_shows_words_of_ours_only(self, ada: Client, tenant: Tenant) -> None:
        back = agree(tenant, begin(ada), deny=True)
        answer = ada.get(with_query(back, error="server_error", error_description="Call 0900 123"))
        assert answer.context["code"] == "accounts_refused"
        assert b"0900" not in answer.content

    @pytest.mark.parametrize(
        ("error", "text"),
        [
            ("access_denied", "Service not found: https://api.example.com"),
            ("unauthorized_client", "Grant type not allowed"),
        ],
    )
    def test_X31_an_address_tells_the_log_of_no_mistake_in_the_setup(
        self, ada: Client, tenant: Tenant, caplog: pytest.LogCaptureFixture, error: str, text: str
    ) -> None:
        back = agree(tenant, begin(ada), deny=True)
        ada.get(with_query(back, error=error, error_description=text))
        assert "connect_failed" in caplog.text
        assert "setup_mistake" not in caplog.text

    def test_what_took_too_long_begins_anew(self, ada: Client, tenant: Tenant) -> None:
        back = agree(tenant, begin(ada))
        tenant.clock.advance(301)
        assert ada.get(back).context["code"] == "connect_expired"

    def test_a_lost_answer_leads_on_to_the_page_that_finds_out(
        self, ada: Client, tenant: Tenant, configure: Callable[..., Any]
    ) -> None:
        back = agree(tenant, begin(ada))
        tenant.fault("drop-after", times=2, endpoint="connect_complete")
        answer = ada.get(back)
        assert (answer.status_code, answer.context["retry_url"]) == (503, "/calendar/")
        assert ada.get("/calendar/").content == tenant.user.linked_connections[GOOGLE].encode()

    @pytest.mark.parametrize("endpoint", ["connect", "connect_complete"])
    def test_a_tenant_that_is_down_or_busy_says_so(self, ada: Client, tenant: Tenant, endpoint: str) -> None:
        url = begin(ada) if endpoint == "connect_complete" else ""
        tenant.fault("rate-limit", endpoint=endpoint)
        answer = ada.get(agree(tenant, url)) if url else ada.post(CONNECT, {"connection": GOOGLE})
        assert (answer.status_code, answer.context["code"]) == (503, "rate_limited")
        assert is_logged_in(ada)

    def test_a_rejected_token_is_renewed_once(self, ada: Client, tenant: Tenant) -> None:
        begin(ada)
        tenant.access_tokens.clear()
        tenant.clock.advance(1)  # or the new token would be the old one to the letter
        assert connect(ada, tenant)["Location"] == "/calendar/"

    def test_no_policy_for_the_api_is_said_in_the_log(
        self, ada: Client, tenant: Tenant, caplog: pytest.LogCaptureFixture
    ) -> None:
        tenant.application.refresh_policies = {}
        answer = ada.post(CONNECT, {"connection": GOOGLE})
        assert (answer.status_code, answer.context["code"]) == (400, "accounts_refused")
        assert "no_my_account_policy" in caplog.text

    def test_a_scope_that_the_policy_lacks_is_said_in_the_log(
        self, ada: Client, tenant: Tenant, caplog: pytest.LogCaptureFixture
    ) -> None:
        tenant.application.refresh_policies[tenant.my_account_audience] = ["read:me:connected_accounts"]
        assert ada.post(CONNECT, {"connection": GOOGLE}).context["code"] == "accounts_refused"
        assert "no_my_account_policy" in caplog.text

    def test_an_account_that_gives_no_token_leads_into_no_loop(self, tenant: Tenant) -> None:
        visitor = Visitor(tenant, site=SITE)
        visitor.visit("/calendar/")
        tenant.application.rotation = True
        visitor.follow(visitor.submit("connection", follow=False))
        assert (visitor.page.status_code, visitor.page.context["code"]) == (400, "connection_token_refused")
        tenant.clock.advance(60)
        visitor.visit("/calendar/")
        assert visitor.path.startswith(CONNECT)

    @pytest.mark.parametrize("location", ["javascript:alert(1)", "http://evil.example/", "", None], ids=str)
    def test_F44_the_tenants_address_must_be_one_for_secrets(
        self, ada: Client, tenant: Tenant, location: str | None
    ) -> None:
        said = {"auth_session": "s", "connect_uri": location, "connect_params": {"ticket": "t"}}
        tenant.fault("json", endpoint="connect", value=said, status=201)
        answer = ada.post(CONNECT, {"connection": GOOGLE})
        assert (answer.status_code, answer.context["code"]) == (502, "malformed_answer")


class TestAccountPage:
    def test_lists_connects_and_disconnects(self, tenant: Tenant) -> None:
        visitor = Visitor(tenant, site=SITE)
        visitor.visit(ACCOUNT)
        assert "Connect Google" in visitor.text
        visitor.follow(visitor.submit("connection", value=GOOGLE, follow=False))
        assert visitor.path == ACCOUNT
        assert "Connect Google" not in visitor.text
        visitor.open("/calendar/")
        account = next(iter(tenant.user.connected_accounts))
        visitor.open(ACCOUNT)
        visitor.submit(disconnect=account)
        assert (visitor.path, visitor.page.status_code) == (ACCOUNT, 200)
        assert "Connect Google" in visitor.text
        assert not is_connected(tenant)
        visitor.open("/calendar/")
        assert visitor.path.startswith(CONNECT), "the token that was kept is gone too"

    def test_another_login_of_the_user_forgets_the_token_too(self, ada: Client, tenant: Tenant) -> None:
        connect(ada, tenant)
        other = Client(headers=NAVIGATE)
        walk(other, tenant)
        assert other.get("/in-code/").status_code == 200
        ada.post(ACCOUNT, {"disconnect": next(iter(tenant.user.connected_accounts))})
        assert other.get("/in-code/")["Location"].startswith(CONNECT)
        kept = [row.grant.token_set(Target(connection=GOOGLE).key) for row in LoginSession.objects.all()]
        assert [tokens.access_token for tokens in kept] == [None, None]

    def test_a_refresh_under_way_keeps_what_it_saves(
        self, ada: Client, tenant: Tenant, caplog: pytest.LogCaptureFixture
    ) -> None:
        connect(ada, tenant)
        ada.get("/in-code/")
        row = LoginSession.objects.get()
        assert row.claim("another worker", 12)
        ConnectedAccounts(StoredTokenSource(row.pk)).drop_tokens()
        now = LoginSession.objects.get()
        assert (now.version, now.lease) == (row.version, "another worker")
        assert f"connection_tokens_kept login_session={row.pk}" in caplog.text

    def test_a_login_of_a_configuration_that_is_gone_keeps_no_one_from_it(self, ada: Client, tenant: Tenant) -> None:
        connect(ada, tenant)
        own = LoginSession.objects.get()
        walk(Client(headers=NAVIGATE), tenant)
        LoginSession.objects.exclude(pk=own.pk).update(configuration="gone", lease="a worker that was killed")
        assert ada.post(ACCOUNT, {"disconnect": next(iter(tenant.user.connected_accounts))}).status_code == 302
        assert not is_connected(tenant)

    def test_X29_a_token_that_is_on_its_way_is_forgotten_too(
        self, ada: Client, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connect(ada, tenant)
        row, target = LoginSession.objects.get(), Target(connection=GOOGLE)
        assert row.claim("another worker", 12), "it asks for the first token of the account"
        tokens = replace(row.grant.tokens, access_token="a token of Google's")

        def save_it(seconds: float) -> None:
            assert row.save_grant(row.grant.with_token_set(target.key, tokens), refreshed_at=None)

        monkeypatch.setattr("time.sleep", save_it)
        source = StoredTokenSource(row.pk)
        ConnectedAccounts(source).drop_tokens()
        assert row.grant.token_set(target.key).access_token, "it was saved"
        assert source.grant.token_set(target.key).access_token is None

    def test_an_account_of_another_user_is_left_alone(self, ada: Client, tenant: Tenant, grace: User) -> None:
        other = Client(headers=NAVIGATE)
        walk(other, tenant, user=grace)
        connect(other, tenant)
        assert ada.post(ACCOUNT, {"disconnect": next(iter(grace.connected_accounts))}).status_code == 302
        assert grace.connected_accounts

    @pytest.mark.parametrize("account", ["../connect", "cac_1/../../x", "%2e%2e", "x" * 201, "a b", ".", ".."], ids=str)
    def test_F44_an_id_is_one_part_of_an_address(self, ada: Client, tenant: Tenant, account: str) -> None:
        ada.post(ACCOUNT, {"disconnect": account})
        paths = [request.path for request in tenant.requests if request.method == "DELETE"]
        assert all(path.startswith("/me/v1/connected-accounts/accounts/") for path in paths)
        assert all(path.rpartition("/")[2] for path in paths)

    @pytest.mark.parametrize("account", ["", ".", ".."], ids=repr)
    def test_F44_what_names_no_account_is_refused_before_any_call(
        self, ada: Client, tenant: Tenant, account: str
    ) -> None:
        accounts = ConnectedAccounts(StoredTokenSource(LoginSession.objects.get().pk))
        with pytest.raises(AccountsRefused):
            accounts.disconnect(account)
        assert [request for request in tenant.requests if request.method == "DELETE"] == []

    def test_a_tenant_that_does_not_answer_hides_the_list_only(self, ada: Client, tenant: Tenant) -> None:
        tenant.fault("rate-limit", endpoint="accounts")
        page = ada.get(ACCOUNT)
        assert page.status_code == 200
        assert page.context["accounts_unknown"]

    @pytest.mark.parametrize(
        "value",
        [{}, [], {"accounts": {}}, {"accounts": [None]}, {"accounts": [{"id": "cac_1"}]}, {"accounts": [{"id": 1}]}],
        ids=str,
    )
    def test_so_does_an_answer_that_can_t_be_used(self, ada: Client, tenant: Tenant, value: object) -> None:
        tenant.fault("json", endpoint="accounts", value=value)
        assert ada.get(ACCOUNT).context["accounts_unknown"]

    def test_a_list_without_end_is_not_read_for_ever(self, ada: Client, tenant: Tenant) -> None:
        page = {"accounts": [{"id": "cac_1", "connection": GOOGLE}], "next": "more"}
        tenant.fault("json", times=None, endpoint="accounts", value=page)
        ada.get(ACCOUNT)
        assert len(calls(tenant, "/me/v1/connected-accounts/accounts")) == 10

    def test_all_pages_of_the_list_are_read(self, ada: Client, tenant: Tenant) -> None:
        from django_auth0_flow.testing.tenant.model import ConnectedAccount

        for number in range(45):
            tenant.user.connected_accounts[f"cac_{number}"] = ConnectedAccount(f"cac_{number}", GOOGLE)
        assert len(ada.get(ACCOUNT).context["accounts"]) == 45

    def test_in_async_code(self, ada: Client, tenant: Tenant) -> None:
        connect(ada, tenant)
        tenant.clock.advance(60)
        assert ada.get("/async-in-code/")["Location"].startswith(CONNECT)
        assert not is_connected(tenant)


def test_the_ticket_goes_to_the_tenant_only(ada: Client, tenant: Tenant) -> None:
    url = begin(ada)
    assert url.startswith(f"{tenant.issuer}connected-accounts/connect?")
    assert [name for name, _ in parse_qsl(urlsplit(url).query)] == ["ticket"]


def test_nothing_is_loaded_for_a_site_that_does_not_use_it() -> None:
    import subprocess
    import sys

    code = (
        "import os, sys; os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.settings'; import django; django.setup();"
        "import django_auth0_flow.urls, django_auth0_flow.middleware; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not [name for name in done.stdout.split() if name.endswith((".connected_accounts", "login.connect"))]
