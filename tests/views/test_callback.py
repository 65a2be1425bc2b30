"""The callback under attack and under accident: states, codes, replays, forged errors, lost cookies, mix-ups."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from django_auth0_flow.models import LoginSession
from django_auth0_flow.testing.tenant import Tenant, User
from tests.walk import (
    CALLBACK,
    SITE,
    assert_nothing_stored,
    code_shown,
    come_back,
    is_logged_in,
    query_of,
    start,
    walk,
    with_query,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("auth0_settings")]


@pytest.fixture
def grace(tenant: Tenant) -> User:
    return next(user for user in tenant.users.values() if user.nickname == "grace")


def whole_state(client: Client) -> tuple[Any, ...]:
    """Return all that a forged callback must leave alone."""
    sessions = sorted(Session.objects.values_list("session_key", "session_data"))
    return (sessions, list(LoginSession.objects.values()), client.cookies.output())


STATE_CHANGES: dict[str, Callable[[str], str | None]] = {
    "missing": lambda state: None,
    "empty": lambda state: "",
    "shortened": lambda state: state[:-1],
    "lengthened": lambda state: state + "A",
    "recased": lambda state: state.swapcase(),
    "reversed": lambda state: state[::-1],
    "foreign": lambda state: "A" * len(state),
    "with-a-blank": lambda state: state + " ",
}


class TestState:
    @pytest.mark.parametrize("change", STATE_CHANGES.values(), ids=STATE_CHANGES)
    def test_F1_wrong_state_is_refused_before_any_call(
        self, client: Client, tenant: Tenant, change: Callable[[str], str | None]
    ) -> None:
        url = tenant.login(start(client))
        tenant.clear_log()
        before = whole_state(client)
        answer = come_back(client, with_query(url, state=change(query_of(url)["state"])))
        assert answer.status_code == 400
        assert code_shown(answer) in ("state_missing", "state_unknown")
        assert tenant.requests == []
        assert whole_state(client) == before
        assert_nothing_stored(client)
        come_back(client, url)
        assert is_logged_in(client)

    def test_a_long_next_makes_no_long_address_and_is_kept(self, client: Client, tenant: Tenant) -> None:
        """Servers refuse long addresses, and the state stands in several of them; the session knows where to go."""
        wanted = "/bare/?q=" + "x" * 1200
        url = start(client, next=wanted)
        assert len(query_of(url)["state"]) < 800
        assert come_back(client, tenant.login(url))["Location"] == wanted

    def test_a_state_older_than_an_hour_says_so_and_keeps_next(self, client: Client, tenant: Tenant) -> None:
        url = tenant.login(start(client, next="/bare/"))
        tenant.clock.advance(3601)
        answer = come_back(client, url)
        assert (answer.status_code, code_shown(answer)) == (400, "state_expired")
        assert answer.context["retry_url"] == "/auth0/login/?next=%2Fbare%2F"
        assert_nothing_stored(client)

    def test_a_state_from_the_future_is_no_fresh_one(self, client: Client, tenant: Tenant) -> None:
        """The clock was wrong when the login began: how old it is, nobody knows."""
        tenant.clock.advance(7200)
        url = tenant.login(start(client))
        tenant.clock.advance(-7200)
        answer = come_back(client, url)
        assert (answer.status_code, code_shown(answer)) == (400, "state_expired")
        assert_nothing_stored(client)

    def test_F2_login_csrf_does_not_log_a_fresh_browser_in(self, client: Client, tenant: Tenant, grace: User) -> None:
        attack = tenant.login(start(Client()), user=grace)
        answer = come_back(client, attack)
        # The browser is sent to log in for itself; the attacker's code is never used.
        assert answer["Location"].startswith(f"{tenant.issuer}authorize?")
        assert query_of(answer["Location"])["state"] != query_of(attack)["state"]
        assert tenant.count("/oauth/token") == 0
        assert_nothing_stored(client)

    def test_F2_login_csrf_does_not_take_over_a_login_under_way(
        self, client: Client, tenant: Tenant, grace: User
    ) -> None:
        own = tenant.login(start(client, next="/bare/"))
        come_back(client, tenant.login(start(Client()), user=grace))
        assert tenant.count("/oauth/token") == 0
        assert come_back(client, own)["Location"] == "/bare/"
        assert client.get("/bare/").content.decode().endswith(tenant.user.sub)

    def test_F2_login_csrf_does_not_switch_a_visitor_who_is_logged_in(
        self, logged_in_client: Client, tenant: Tenant, grace: User
    ) -> None:
        attack = tenant.login(start(Client(), next="/plain/"), user=grace)
        tenant.clear_log()
        before = whole_state(logged_in_client)
        assert come_back(logged_in_client, attack)["Location"] == "/plain/"
        assert tenant.requests == []
        assert whole_state(logged_in_client) == before

    def test_F3_a_stolen_code_with_ones_own_state_is_refused(self, client: Client, tenant: Tenant, grace: User) -> None:
        stolen = query_of(tenant.login(start(Client()), user=grace))["code"]
        answer = come_back(client, with_query(tenant.login(start(client)), code=stolen))
        assert (answer.status_code, code_shown(answer)) == (400, "invalid_grant")
        assert_nothing_stored(client)

    def test_F3_a_stolen_code_fails_by_the_nonce_where_pkce_is_not_checked(
        self, client: Client, tenant: Tenant
    ) -> None:
        tenant.fault("nonce-invalid", value=query_of(start(Client()))["nonce"])
        assert code_shown(walk(client, tenant)) == "token_nonce"
        assert_nothing_stored(client)


class TestReplay:
    def test_F5_the_same_callback_again_goes_on_to_next_without_an_exchange(
        self, client: Client, tenant: Tenant
    ) -> None:
        url = tenant.login(start(client, next="/bare/"))
        come_back(client, url)
        tenant.clear_log()
        before = whole_state(client)
        assert come_back(client, url)["Location"] == "/bare/"
        assert tenant.requests == []
        assert whole_state(client) == before

    def test_F5_in_another_browser(self, client: Client, tenant: Tenant) -> None:
        url = tenant.login(start(client))
        come_back(client, url)
        tenant.clear_log()
        answer = come_back(other := Client(), url)
        assert answer["Location"].startswith(f"{tenant.issuer}authorize?")
        assert tenant.count("/oauth/token") == 0
        assert not is_logged_in(other)

    def test_F5_after_a_failure_the_state_is_spent(self, client: Client, tenant: Tenant) -> None:
        tenant.fault("status", status=500)
        url = tenant.login(start(client))
        assert come_back(client, url).status_code == 503
        tenant.clear_log()
        assert come_back(client, url)["Location"].startswith(f"{tenant.issuer}authorize?")
        assert tenant.count("/oauth/token") == 0

    def test_F5_a_reload_after_logout_does_not_log_in_again(self, client: Client, tenant: Tenant) -> None:
        url = tenant.login(start(client))
        come_back(client, url)
        client.post("/auth0/logout/")
        come_back(client, url)
        assert not is_logged_in(client)


class TestForgedErrors:
    def forged(self, state: str | None) -> str:
        query = {"error": "access_denied", "error_description": "You lose"} | ({"state": state} if state else {})
        return f"{CALLBACK}?{urlencode(query)}"

    @pytest.mark.parametrize("state", [None, "made-up", "harvested"])
    def test_F6_while_a_login_is_under_way(self, client: Client, tenant: Tenant, state: str | None) -> None:
        url = tenant.login(start(client))
        before = whole_state(client)
        state = query_of(start(Client()))["state"] if state == "harvested" else state
        for _ in range(4):
            answer = client.get(self.forged(state))
            assert answer.status_code == 400
            assert answer.context["retry_url"]
            assert "You lose" not in answer.content.decode()
        sessions, rows, cookies = before
        assert set(sessions) <= set(Session.objects.values_list("session_key", "session_data"))
        assert (list(LoginSession.objects.values()), client.cookies.output()) == (rows, cookies)
        come_back(client, url)
        assert is_logged_in(client)

    @pytest.mark.parametrize("state", [None, "made-up", "harvested"])
    def test_F6_while_somebody_is_logged_in(self, logged_in_client: Client, tenant: Tenant, state: str | None) -> None:
        state = query_of(start(Client()))["state"] if state == "harvested" else state
        before = whole_state(logged_in_client)
        logged_in_client.get(self.forged(state))
        assert whole_state(logged_in_client) == before
        assert is_logged_in(logged_in_client)

    def test_a_real_refusal_is_shown_in_the_tenants_words(self, client: Client, tenant: Tenant) -> None:
        answer = come_back(client, tenant.login(start(client), deny=True))
        assert (answer.status_code, code_shown(answer)) == (403, "access_denied")
        assert_nothing_stored(client)


class TestMistakesInTheSetUp:
    """Operators read in the log how to mend them, and on the page while ``DEBUG`` is on; visitors read a code."""

    @pytest.mark.parametrize("debug", [True, False], ids=["DEBUG", "production"])
    def test_a_wrong_secret(
        self,
        client: Client,
        tenant: Tenant,
        auth0_settings: Callable[..., Any],
        settings: Any,
        caplog: pytest.LogCaptureFixture,
        debug: bool,
    ) -> None:
        settings.DEBUG = debug
        auth0_settings(CLIENT_SECRET="wrong")
        with caplog.at_level(logging.ERROR, "django_auth0_flow"):
            answer = walk(client, tenant)
        assert (answer.status_code, code_shown(answer)) == (400, "client_rejected")
        assert "setup_mistake name=" in caplog.text
        assert "Authentication Method" in caplog.text
        assert ("Authentication Method" in answer.content.decode()) is debug

    @pytest.mark.parametrize("debug", [True, False], ids=["DEBUG", "production"])
    def test_an_error_that_anybody_can_write_into_an_address_alarms_nobody_in_production(
        self,
        client: Client,
        tenant: Tenant,
        auth0_settings: Callable[..., Any],
        settings: Any,
        caplog: pytest.LogCaptureFixture,
        debug: bool,
    ) -> None:
        settings.DEBUG = debug
        auth0_settings(AUDIENCE="https://typo.example.com")
        with caplog.at_level(logging.ERROR, "django_auth0_flow"):
            answer = come_back(client, tenant.login(start(client)))
        assert answer.status_code in (400, 403)
        assert ("setup_mistake" in caplog.text) is debug
        assert ("copy its Identifier to the letter" in answer.content.decode()) is debug


class TestParameters:
    @pytest.mark.parametrize("name", ["code", "state", "error", "iss", "id_token"])
    def test_F8_a_parameter_given_twice_is_refused(self, client: Client, tenant: Tenant, name: str) -> None:
        url = tenant.login(start(client))
        answer = come_back(client, f"{url}&{urlencode([(name, 'x'), (name, 'x')])}")
        assert (answer.status_code, code_shown(answer)) == (400, "parameter_repeated")
        assert tenant.count("/oauth/token") == 0
        assert_nothing_stored(client)

    def test_F9_error_and_code_together_are_an_error(self, client: Client, tenant: Tenant) -> None:
        url = tenant.login(start(client))
        answer = come_back(client, with_query(url, error="access_denied"))
        assert (answer.status_code, code_shown(answer)) == (403, "access_denied")
        assert tenant.count("/oauth/token") == 0
        assert_nothing_stored(client)

    def test_neither_code_nor_error(self, client: Client, tenant: Tenant) -> None:
        answer = come_back(client, with_query(tenant.login(start(client)), code=None))
        assert (answer.status_code, code_shown(answer)) == (400, "code_missing")

    NASTY = ["<script>alert(1)</script>", "\"><img src=x onerror='1'>", "a\r\nSet-Cookie: x=1", "é\u202e", "x" * 1200]

    @pytest.mark.parametrize("text", NASTY, ids=["script", "attribute", "crlf", "bidi", "long"])
    @pytest.mark.parametrize("name", ["error", "error_description", "error_uri", "state"])
    def test_F10_markup_and_line_ends_in_an_error_do_no_harm(
        self, client: Client, tenant: Tenant, name: str, text: str
    ) -> None:
        url = with_query(tenant.login(start(client)), code=None, error="access_denied")
        answer = come_back(client, with_query(url, **{name: text}))
        assert answer.status_code in (400, 403)
        page = answer.content.decode()
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert not answer.has_header("Set-Cookie")
        assert all("\n" not in value and "\r" not in value for value in answer.headers.values())
        assert_nothing_stored(client)

    def test_F10_the_same_from_the_token_endpoint(self, client: Client, tenant: Tenant) -> None:
        tenant.fault("refuse", error="<img src=x>\r\n", description="<script>alert(1)</script>" * 100, status=403)
        answer = walk(client, tenant)
        assert (answer.status_code, code_shown(answer)) == (400, "oauth_error")
        assert "<script>alert" not in answer.content.decode()

    QUERIES = [
        "",
        "code=x",
        "state=x",
        "error=x",
        "code=%00&state=%00",
        "code=%ff%fe&state=%ff",
        "code=%ED%A0%80&state=%ED%A0%80",
        "state=" + "x" * 5000,
        "state[]=x&code[a]=b",
        "&&&=&==",
        "&".join(f"p{number}=1" for number in range(3000)),
        "&".join(["state=x"] * 900),
    ]

    @pytest.mark.parametrize("path", ["/auth0/callback/", "/auth0/login/", "/auth0/logged-out/", "/auth0/logout/"])
    @pytest.mark.parametrize("method", ["get", "post", "put", "head", "options", "delete", "patch"])
    def test_F11_odd_requests_never_end_in_a_500(self, client: Client, method: str, path: str) -> None:
        for query in self.QUERIES:
            assert client.generic(method.upper(), f"{path}?{query}").status_code < 500, query
        assert_nothing_stored(client)

    def test_F11_head_does_not_spend_the_state(self, client: Client, tenant: Tenant) -> None:
        url = tenant.login(start(client))
        assert client.head(url.removeprefix(SITE)).status_code == 405
        come_back(client, url)
        assert is_logged_in(client)
