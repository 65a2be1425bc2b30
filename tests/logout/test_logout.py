"""Logging out: here first, then the refresh token, then the tenant; and coming back from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User as DjangoUser
from django.contrib.sessions.models import Session
from django.test import Client

from django_auth0_flow.models import LoginSession
from django_auth0_flow.signals import login_session_ended
from django_auth0_flow.testing.tenant import Tenant
from tests.walk import FETCH, LOGOUT, SITE, SLOW, is_logged_in, query_of, start, walk

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("auth0_settings")]
BACK = "/auth0/logged-out/"


class TestAtTheTenant:
    def test_everything_ends_and_the_visitor_comes_back_to_next(self, logged_in_client: Client, tenant: Tenant) -> None:
        grant = LoginSession.objects.get().grant
        answer = logged_in_client.post(LOGOUT, {"next": "/plain/"})
        assert answer.status_code == 302
        assert answer["Location"].startswith(f"{tenant.issuer}oidc/logout?")
        sent = query_of(answer["Location"])
        assert sent["id_token_hint"] == grant.tokens.id_token
        assert sent["client_id"] == tenant.application.client_id
        assert sent["post_logout_redirect_uri"] == f"{SITE}{BACK}"
        assert "federated" not in sent
        assert not is_logged_in(logged_in_client)
        assert not LoginSession.objects.exists()
        (revocation,) = [found for found in tenant.requests if found.path == "/oauth/revoke"]
        assert (revocation.form["token"], revocation.status) == ([grant.tokens.refresh_token], 200)
        # The tenant sends the browser back with our state.
        _, location, _ = tenant.browser().open(answer["Location"])
        assert location is not None
        assert location.startswith(f"{SITE}{BACK}")
        assert logged_in_client.get(location.removeprefix(SITE))["Location"] == "/plain/"

    def test_without_end_session_endpoint_it_is_auth0s_own(self, client: Client, tenant: Tenant) -> None:
        tenant.advertise_end_session = False
        walk(client, tenant)
        url = client.post(LOGOUT)["Location"]
        assert url.startswith(f"{tenant.issuer}v2/logout?")
        assert query_of(url)["returnTo"] == f"{SITE}{BACK}"
        _, location, _ = tenant.browser().open(url)
        assert location == f"{SITE}{BACK}"
        page = client.get(BACK)
        assert (page.status_code, page.context.get("still_logged_in")) == (200, False)

    def test_federated(self, client: Client, tenant: Tenant, auth0_settings: Callable[..., Any]) -> None:
        auth0_settings(FEDERATED_LOGOUT=True)
        walk(client, tenant)
        assert query_of(client.post(LOGOUT)["Location"])["federated"] == ""

    @pytest.mark.parametrize(
        ("fault", "options"),
        [("drop", {}), ("slow", {"seconds": 300}), ("status", {"status": 503}), ("html", {"status": 502})],
        ids=["drop", "slow", "503", "502"],
    )
    def test_the_tenant_being_down_keeps_nobody_logged_in(
        self,
        client: Client,
        tenant: Tenant,
        auth0_settings: Callable[..., Any],
        fault: str,
        options: dict[str, Any],
    ) -> None:
        walk(client, tenant)
        auth0_settings(HTTP_TIMEOUT=0.5 if fault in SLOW else 10)
        tenant.fault(fault, endpoint="revoke", times=None, **options)
        answer = client.post(LOGOUT)
        assert (answer.status_code, answer.context["tenant_left"]) == (200, True)
        assert answer["Cache-Control"] == "private, no-store"
        assert not is_logged_in(client)
        assert not LoginSession.objects.exists()

    def test_the_tenant_being_gone_altogether(self, client: Client, tenant: Tenant, settings: Any) -> None:
        walk(client, tenant)
        settings.AUTH0 = {**settings.AUTH0}  # another worker, which has no metadata at hand
        tenant.fault("drop", endpoint="metadata", times=None)
        tenant.stop()
        answer = client.post(LOGOUT)
        assert (answer.status_code, answer.context["tenant_left"]) == (200, True)
        assert not is_logged_in(client)

    @pytest.mark.parametrize(
        ("fault", "options"), [("rate-limit", {}), ("status", {"status": 400, "body": {"error": "invalid_client"}})]
    )
    def test_a_revocation_that_is_refused_still_ends_the_session_at_the_tenant(
        self, logged_in_client: Client, tenant: Tenant, fault: str, options: dict[str, Any]
    ) -> None:
        tenant.fault(fault, endpoint="revoke", **options)
        assert logged_in_client.post(LOGOUT)["Location"].startswith(f"{tenant.issuer}oidc/logout?")
        assert not is_logged_in(logged_in_client)

    def test_a_login_session_that_is_gone_still_ends_the_session_at_the_tenant(
        self, logged_in_client: Client, tenant: Tenant
    ) -> None:
        LoginSession.objects.all().delete()
        sent = query_of(logged_in_client.post(LOGOUT)["Location"])
        assert sent["client_id"] == tenant.application.client_id
        assert "id_token_hint" not in sent
        assert not is_logged_in(logged_in_client)

    def test_a_login_session_that_cannot_be_read(self, logged_in_client: Client, tenant: Tenant) -> None:
        LoginSession.objects.update(sealed="AAAA")
        assert logged_in_client.post(LOGOUT).status_code == 302
        assert not LoginSession.objects.exists()

    def test_the_other_browser_stays_logged_in(self, client: Client, tenant: Tenant) -> None:
        walk(client, tenant)
        walk(other := Client(), tenant)
        client.post(LOGOUT)
        assert other.get("/bare/").status_code == 200
        assert LoginSession.objects.count() == 1

    def test_the_signal_says_why(self, logged_in_client: Client) -> None:
        heard: list[Any] = []

        def hear(reason: str, login_session: LoginSession, **_: Any) -> None:
            heard.append((reason, login_session.identity.user.email))

        login_session_ended.connect(hear)
        try:
            logged_in_client.post(LOGOUT)
        finally:
            login_session_ended.disconnect(hear)
        assert heard == [("logout", "ada@example.com")]


class TestHereOnly:
    def test_visitors_who_are_not_logged_in_just_come_back(self, client: Client, tenant: Tenant) -> None:
        answer = client.post(LOGOUT, {"next": "/plain/"})
        assert answer["Location"].startswith(f"{BACK}?state=")
        assert client.get(answer["Location"])["Location"] == "/plain/"
        assert tenant.requests == []

    def test_users_of_another_backend(self, client: Client, tenant: Tenant) -> None:
        client.force_login(DjangoUser.objects.create_user("local"), "django.contrib.auth.backends.ModelBackend")
        assert client.post(LOGOUT)["Location"].startswith(BACK)
        assert client.get("/").content == b"home of nobody"
        assert tenant.requests == []

    def test_the_old_cookie_is_worthless(self, logged_in_client: Client) -> None:
        key = logged_in_client.cookies["sessionid"].value
        logged_in_client.post(LOGOUT)
        assert not Session.objects.filter(session_key=key).exists()
        logged_in_client.cookies["sessionid"] = key
        assert logged_in_client.get("/").content == b"home of nobody"

    def test_a_login_under_way_in_another_tab_starts_again_by_itself(
        self, logged_in_client: Client, tenant: Tenant
    ) -> None:
        url = tenant.login(start(logged_in_client, next="/bare/"))
        logged_in_client.post(LOGOUT)
        assert logged_in_client.get(url.removeprefix(SITE))["Location"].startswith(f"{tenant.issuer}authorize?")

    def test_django_s_own_logout_leaves_no_access(self, logged_in_client: Client) -> None:
        logged_in_client.logout()
        assert logged_in_client.get("/bare/").status_code == 302


class TestCrossSite:
    def test_O1_get_asks_and_changes_nothing(self, logged_in_client: Client) -> None:
        answer = logged_in_client.get(LOGOUT, {"next": "/plain/"})
        assert (answer.status_code, answer.context["next"]) == (200, "/plain/")
        page = answer.content.decode()
        assert 'method="post"' in page
        assert "csrfmiddlewaretoken" in page
        assert is_logged_in(logged_in_client)

    def test_O1_a_post_without_csrf_token_changes_nothing(self, tenant: Tenant) -> None:
        client = Client(enforce_csrf_checks=True)
        walk(client, tenant)
        assert client.post(LOGOUT, headers={"Origin": "https://evil.example"}).status_code == 403
        assert client.post(LOGOUT).status_code == 403
        assert is_logged_in(client)
        page = client.get(LOGOUT)
        token = page.context["csrf_token"]
        assert client.post(LOGOUT, {"csrfmiddlewaretoken": str(token)}).status_code == 302
        assert not is_logged_in(client)

    def test_O1_the_csrf_check_does_not_depend_on_the_middleware(self, tenant: Tenant, settings: Any) -> None:
        settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "Csrf" not in name]
        client = Client(enforce_csrf_checks=True)
        walk(client, tenant)
        assert client.post(LOGOUT).status_code == 403
        assert is_logged_in(client)

    @pytest.mark.parametrize("state", ["", "made-up", "\x00", "é", "A" * 5000, None])
    def test_O2_coming_back_without_our_state_goes_nowhere(self, logged_in_client: Client, state: str | None) -> None:
        answer = logged_in_client.get(BACK, {} if state is None else {"state": state, "next": "/plain/"})
        assert (answer.status_code, answer.context["still_logged_in"]) == (200, True)
        assert is_logged_in(logged_in_client)

    def test_O2_the_state_of_a_login_is_no_state_of_a_logout(self, client: Client) -> None:
        state = query_of(start(client, next="/plain/"))["state"]
        assert client.get(BACK, {"state": state}).status_code == 200

    def test_O2_our_state_is_good_for_an_hour(self, logged_in_client: Client, tenant: Tenant) -> None:
        state = query_of(logged_in_client.post(LOGOUT, {"next": "/plain/"})["Location"])["state"]
        assert logged_in_client.get(BACK, {"state": state})["Location"] == "/plain/"
        tenant.clock.advance(3601)
        assert logged_in_client.get(BACK, {"state": state}).status_code == 200

    def test_a_next_too_long_for_the_state_is_dropped_not_cut(self, logged_in_client: Client) -> None:
        url = logged_in_client.post(LOGOUT, {"next": "/plain/?" + "x" * 500})["Location"]
        assert logged_in_client.get(BACK, {"state": query_of(url)["state"]})["Location"] == "/"

    def test_without_logout_redirect_url_there_is_a_page(self, client: Client, settings: Any) -> None:
        settings.LOGOUT_REDIRECT_URL = None
        url = client.post(LOGOUT)["Location"]
        assert client.get(url).status_code == 200

    def test_scripts_may_log_out_too(self, logged_in_client: Client) -> None:
        assert logged_in_client.post(LOGOUT, headers=FETCH).status_code == 302
        assert not is_logged_in(logged_in_client)
