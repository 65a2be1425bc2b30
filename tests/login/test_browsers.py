"""Browsers and what runs in them: tabs, prefetches, scripts, forms, and visitors who go round in circles."""

from __future__ import annotations

from typing import ClassVar

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from django_auth0_flow.login.transactions import MAX_UNDER_WAY
from django_auth0_flow.login.transactions import SESSION_KEY as PENDING
from django_auth0_flow.models import LoginSession
from django_auth0_flow.testing.tenant import Tenant
from tests.walk import (
    FETCH,
    LOGIN,
    NAVIGATE,
    SITE,
    code_shown,
    come_back,
    is_logged_in,
    query_of,
    session_of,
    start,
    walk,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("auth0_settings")]


class TestTabs:
    def test_F12_several_tabs_finish_in_any_order(self, client: Client, tenant: Tenant) -> None:
        urls = [tenant.login(start(client, next=f"/bare/?tab={number}")) for number in range(5)]
        for number in (3, 0, 4, 1, 2):
            assert come_back(client, urls[number])["Location"] == f"/bare/?tab={number}"
            assert is_logged_in(client)
        assert LoginSession.objects.count() == 1
        assert session_of(client)[PENDING] == {}

    def test_F12_dozens_of_abandoned_starts_stay_bounded_oldest_dropped_first(
        self, client: Client, tenant: Tenant
    ) -> None:
        urls = []
        for number in range(40):
            urls.append(start(client, next=f"/bare/?tab={number}"))
            tenant.clock.advance(1)
            assert len(session_of(client)[PENDING]) <= MAX_UNDER_WAY
        # The newest are still there; an old one starts again by itself.
        assert come_back(client, tenant.login(urls[40 - MAX_UNDER_WAY]))["Location"] == "/bare/?tab=24"
        client.logout()
        answer = come_back(client, tenant.login(urls[0]))
        assert come_back(client, tenant.login(answer["Location"]))["Location"] == "/bare/?tab=0"

    def test_F12_starts_older_than_an_hour_make_room(self, client: Client, tenant: Tenant) -> None:
        for _ in range(5):
            start(client)
        tenant.clock.advance(3601)
        start(client)
        assert len(session_of(client)[PENDING]) == 1


class TestScriptsAndPrefetch:
    PREFETCH = [
        {"Sec-Purpose": "prefetch"},
        {"Sec-Purpose": "prefetch;prerender"},
        {"Purpose": "prefetch"},
        {"X-Purpose": "preview"},
        {"X-Moz": "prefetch"},
    ]

    @pytest.mark.parametrize("headers", PREFETCH, ids=str)
    @pytest.mark.parametrize("path", [LOGIN, "/bare/", "/scoped/", "/organized/"])
    def test_a_prefetch_starts_nothing(
        self, client: Client, tenant: Tenant, path: str, headers: dict[str, str]
    ) -> None:
        answer = client.get(path, headers={**NAVIGATE, **headers}, follow=False)
        assert answer.status_code == 204
        assert answer["Cache-Control"] == "private, no-store"
        assert not Session.objects.exists()
        assert tenant.requests == []

    SCRIPTS = [
        {"Sec-Fetch-Mode": "cors", "Accept": "*/*"},
        {"X-Requested-With": "XMLHttpRequest"},
        {"Accept": "application/json"},
        {"Accept": "application/json, text/plain, */*"},
        {"HX-Request": "true", "Sec-Fetch-Mode": "cors", "Accept": "*/*"},
    ]

    @pytest.mark.parametrize("headers", SCRIPTS, ids=str)
    @pytest.mark.parametrize("method", ["get", "post"])
    @pytest.mark.parametrize("path", ["/bare/", "/scoped/", LOGIN])
    def test_a_script_gets_401_and_starts_nothing(
        self, client: Client, tenant: Tenant, path: str, method: str, headers: dict[str, str]
    ) -> None:
        if (path, method) == (LOGIN, "post"):
            return
        answer = getattr(client, method)(path, headers=headers)
        assert answer.status_code == 401
        assert answer.json()["error"] == "login_required"
        assert answer.json()["login_url"].startswith(LOGIN)
        assert "WWW-Authenticate" in answer
        assert ("HX-Redirect" in answer) == ("HX-Request" in headers)
        assert not Session.objects.exists()
        assert tenant.requests == []

    @pytest.mark.parametrize(
        ("headers", "next_url"),
        [
            ({"HX-Request": "true", "HX-Current-URL": f"{SITE}/page/?a=1#x"}, "/page/?a=1"),
            ({"HX-Request": "true", "HX-Current-URL": "https://evil.example/page/"}, None),
            ({**FETCH, "Referer": f"{SITE}/page/?a=1"}, "/page/?a=1"),
            ({**FETCH, "Referer": "https://evil.example/"}, None),
            (FETCH, None),
        ],
        ids=["htmx", "htmx-foreign", "fetch", "fetch-foreign", "fetch-no-referrer"],
    )
    def test_after_the_login_a_person_lands_on_the_page_that_the_script_ran_on(
        self, client: Client, headers: dict[str, str], next_url: str | None
    ) -> None:
        login_url = client.get("/bare/", headers=headers).json()["login_url"]
        assert query_of(login_url).get("next") == next_url

    @pytest.mark.parametrize("path", ["/bare/", "/scoped/"])
    def test_a_post_is_never_replayed(self, client: Client, tenant: Tenant, path: str) -> None:
        answer = client.post(path, {"pay": "100"}, headers={**NAVIGATE, "Referer": f"{SITE}/form/?step=2"})
        assert answer.status_code == 302
        target = answer["Location"]
        target = start(client, **query_of(target)) if target.startswith(LOGIN) else target
        assert come_back(client, tenant.login(target))["Location"] == "/form/?step=2"

    def test_a_post_from_elsewhere_ends_at_the_default_page(self, client: Client) -> None:
        answer = client.post("/bare/", headers={**NAVIGATE, "Referer": "https://evil.example/"})
        assert answer["Location"] == LOGIN


class TestLoops:
    def test_a_view_that_always_wants_another_login_ends_in_a_page(
        self, logged_in_client: Client, tenant: Tenant
    ) -> None:
        rounds = 0
        while (answer := logged_in_client.get("/wants-login/", headers=NAVIGATE)).status_code == 302:
            rounds += 1
            assert rounds < 10
            url = logged_in_client.get(answer["Location"])["Location"]
            assert come_back(logged_in_client, tenant.login(url))["Location"] == "/wants-login/"
        assert (answer.status_code, code_shown(answer)) == (403, "login_loop")
        assert answer.context["retry_url"] == ""
        assert tenant.count("/oauth/token") <= 4

    def test_grants_that_die_at_once_end_in_a_page(self, logged_in_client: Client, tenant: Tenant) -> None:
        """Each login is ended by its first refresh, which logs the browser out: the count of rounds survives that."""
        tenant.api.lifetime, rounds = 1, 0
        tenant.revoke_refresh_tokens(tenant.user.sub)
        tenant.clock.advance(90000)
        while (answer := logged_in_client.get("/token/", headers=NAVIGATE)).status_code == 302:
            rounds += 1
            assert rounds < 10
            come_back(logged_in_client, tenant.login(logged_in_client.get(answer["Location"])["Location"]))
            tenant.revoke_refresh_tokens(tenant.user.sub)
            tenant.clock.advance(2)
        assert (answer.status_code, code_shown(answer)) == (403, "login_loop")

    def test_permission_required_without_raise_exception_ends_in_a_page(
        self, logged_in_client: Client, tenant: Tenant
    ) -> None:
        rounds = 0
        page = "/django-permission-loop/"
        while (answer := logged_in_client.get(logged_in_client.get(page)["Location"])).status_code == 302:
            rounds += 1
            assert rounds < 10
            come_back(logged_in_client, tenant.login(answer["Location"]))
        assert (answer.status_code, code_shown(answer)) == (403, "login_loop")
        # Half a minute later the same person may log in again.
        tenant.clock.advance(31)
        assert logged_in_client.get(LOGIN).status_code == 302

    CLICK: ClassVar = {"Sec-Fetch-User": "?1", "Sec-Fetch-Site": "same-origin"}

    def test_a_login_that_a_person_clicks_for_never_counts(self, client: Client, tenant: Tenant) -> None:
        for _ in range(6):
            answer = client.get(LOGIN, {"next": "/wants-login/"}, headers={**NAVIGATE, **self.CLICK})
            assert come_back(client, tenant.login(answer["Location"]))["Location"] == "/wants-login/"
        assert client.get("/wants-login/", headers=NAVIGATE).status_code == 302, (
            "a redirect after all these is no loop yet"
        )
        # Nor does a click on the protected page itself.
        for _ in range(6):
            answer = client.get("/wants-login/", headers={**NAVIGATE, **self.CLICK})
            answer = client.get(answer["Location"], headers={**NAVIGATE, **self.CLICK})
            come_back(client, tenant.login(answer["Location"]))

    @pytest.mark.parametrize("after", ["cross-site", "same-site", "none"])
    def test_a_loop_that_a_click_began_ends_in_a_page(self, client: Client, tenant: Tenant, after: str) -> None:
        """The browser says ``?1`` on each of its redirects; only ``Sec-Fetch-Site`` tells that it has been elsewhere."""
        first = "none" if after == "none" else "same-origin"  # a typed address says the same all the way
        headers, rounds = {**NAVIGATE, "Sec-Fetch-User": "?1", "Sec-Fetch-Site": first}, 0
        while (answer := client.get("/wants-login/", headers=headers)).status_code == 302:
            rounds += 1
            assert rounds < 10
            url = client.get(answer["Location"], headers=headers)["Location"]
            headers["Sec-Fetch-Site"] = after
            come_back(client, tenant.login(url), headers=headers)
        assert (answer.status_code, code_shown(answer), rounds) == (403, "login_loop", 3)

    def test_who_was_stopped_without_such_headers_can_log_in_again(self, client: Client, tenant: Tenant) -> None:
        for _ in range(3):
            walk(client, tenant)
        assert code_shown(client.get(LOGIN)) == "login_loop"
        for _ in range(2):
            walk(client, tenant)
        assert is_logged_in(client)
        assert code_shown(client.get(LOGIN)) == "login_loop", "the count has begun anew, and goes on"

    def test_try_again_stops_after_three_failures(self, client: Client, tenant: Tenant) -> None:
        offers = []
        for _ in range(3):
            tenant.fault("nonce-invalid")
            offers.append(walk(client, tenant, next="/bare/").context["retry_url"])
        assert offers == ["/auth0/login/?next=%2Fbare%2F"] * 2 + [""]
        walk(client, tenant)
        client.logout()
        tenant.fault("nonce-invalid")
        assert walk(client, tenant).context["retry_url"]

    def test_logging_in_and_out_by_hand_is_no_loop(self, client: Client, tenant: Tenant) -> None:
        for _ in range(5):
            assert walk(client, tenant).status_code == 302
            client.post("/auth0/logout/")
