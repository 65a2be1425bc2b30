"""Logins whose cookie did not come back with the tenant's answer: lost, replaced, or kept away by SameSite."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client

from django_auth0_flow.testing.tenant import Tenant
from tests.walk import (
    CALLBACK,
    FETCH,
    assert_nothing_stored,
    code_shown,
    come_back,
    is_logged_in,
    start,
    walk,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("auth0_settings")]


class TestLostCookies:
    def test_F13_lost_cookies_start_again_twice_and_then_stop(self, client: Client, tenant: Tenant) -> None:
        answer = client.get("/auth0/login/", {"next": "/bare/"})
        for _ in range(2):
            client.cookies.clear()
            answer = come_back(client, tenant.login(answer["Location"]))
            assert answer["Location"].startswith(f"{tenant.issuer}authorize?")
        client.cookies.clear()
        answer = come_back(client, tenant.login(answer["Location"]))
        assert (answer.status_code, code_shown(answer)) == (400, "state_unknown")
        assert answer.context["retry_url"] == "/auth0/login/?next=%2Fbare%2F"
        assert tenant.count("/oauth/token") == 0
        assert_nothing_stored(client)

    def test_F13_a_login_that_started_again_ends_where_it_was_going(self, client: Client, tenant: Tenant) -> None:
        url = tenant.login(start(client, next="/bare/"))
        client.cookies.clear()
        answer = come_back(client, url)
        assert come_back(client, tenant.login(answer["Location"]))["Location"] == "/bare/"
        assert is_logged_in(client)

    def test_F13_replaced_cookies(self, client: Client, tenant: Tenant) -> None:
        url = tenant.login(start(client))
        client.cookies[django_settings.SESSION_COOKIE_NAME] = "x" * 32
        assert come_back(client, url)["Location"].startswith(f"{tenant.issuer}authorize?")
        assert_nothing_stored(client)

    def test_an_old_tab_of_somebody_who_is_logged_in_goes_straight_on(
        self, logged_in_client: Client, tenant: Tenant
    ) -> None:
        url = tenant.login(start(Client(), next="/plain/"))
        tenant.clock.advance(7200)
        assert come_back(logged_in_client, url)["Location"] == "/plain/"

    def test_scripts_get_json(self, client: Client) -> None:
        answer = client.get(CALLBACK, headers=FETCH)
        assert answer.status_code == 400
        assert answer.json()["error"] == "state_missing"


class TestStrictCookies:
    """The browser keeps a SameSite=Strict cookie from the tenant's redirect: one hop on this site brings it back."""

    @pytest.fixture(autouse=True)
    def strict(self, settings: Any) -> None:
        settings.SESSION_COOKIE_SAMESITE = "Strict"

    def hop_of(self, client: Client, tenant: Tenant) -> Any:
        url = tenant.login(start(client, next="/bare/"))
        answer = come_back(Client(), url)  # the cookie stays at home
        assert answer.status_code == 200
        assert answer["Referrer-Policy"] == "no-referrer"
        assert answer["Cache-Control"] == "private, no-store"
        assert 'http-equiv="refresh"' in answer.content.decode()
        return answer

    def test_one_hop_and_the_login_goes_on(self, client: Client, tenant: Tenant) -> None:
        target = self.hop_of(client, tenant).context["url"]
        assert target.startswith(CALLBACK)
        assert come_back(client, target)["Location"] == "/bare/"
        assert is_logged_in(client)

    def test_never_a_second_hop(self, client: Client, tenant: Tenant) -> None:
        answer = come_back(Client(), self.hop_of(client, tenant).context["url"])
        assert answer["Location"].startswith(f"{tenant.issuer}authorize?")

    def test_no_hop_for_a_forged_state(self, client: Client) -> None:
        assert client.get(f"{CALLBACK}?state=made-up&code=x").status_code == 400

    def test_no_hop_when_the_cookie_came_along(self, client: Client, tenant: Tenant) -> None:
        assert walk(client, tenant).status_code == 302
        assert is_logged_in(client)
