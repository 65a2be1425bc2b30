"""X21: a session that is there for a login under way ends with it; any other lives as long as the site says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.http import HttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.utils import timezone

from django_auth0_flow.conf.login_time_limits import SHORT_LIFE, TRANSACTION_AGE
from django_auth0_flow.protocol.embedded_grants import PASSWORDLESS_OTP
from django_auth0_flow.storage.short_sessions import renew, send_cookie, shorten
from django_auth0_flow.testing.tenant import Tenant
from tests.embedded.test_passwordless import ask
from tests.visitor import Visitor
from tests.walk import CALLBACK, LOGIN, LOGOUT, NAVIGATE, come_back, is_logged_in, start, walk

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.urlconfs.shop")]
Configure = Callable[..., dict[str, Any]]
SITE = "https://testserver"
TWO_WEEKS = 14 * 86400
WAITING = pytest.approx(SHORT_LIFE, abs=30)
USUAL = pytest.approx(TWO_WEEKS, abs=30)


@pytest.fixture(autouse=True)
def _configure(auth0_settings: Configure) -> None:
    auth0_settings()


@pytest.fixture
def client() -> Client:
    return Client(headers=NAVIGATE)


def life() -> float:
    """Return how many seconds the only session there is will live, without whoever comes meanwhile."""
    return (Session.objects.get().expire_date - timezone.now()) / timedelta(seconds=1)


def cookie_life(answer: Any) -> object:
    return answer.cookies["sessionid"]["max-age"]


class TestUnderWay:
    def test_X21_a_visit_of_the_login_page(self, client: Client, tenant: Tenant) -> None:
        answer = client.get(LOGIN)
        assert life() == WAITING
        assert cookie_life(answer) == SHORT_LIFE

    def test_X21_the_cookie_is_sent_again_with_each_login_that_begins(
        self, client: Client, tenant: Tenant, auth0_settings: Configure
    ) -> None:
        client.get(LOGIN)
        first = dict(client.cookies["sessionid"].items())
        for path in (LOGIN, "/recent/"):
            again = client.get(path).cookies["sessionid"]
            assert (again.value, dict(again.items()) | {"expires": ""}) == (
                client.session.session_key,
                first | {"expires": ""},
            )

    def test_X21_a_login_that_begins_later_prolongs_it(self, client: Client, tenant: Tenant) -> None:
        client.get(LOGIN)
        rows = Session.objects.all()
        rows.update(expire_date=timezone.now() + timedelta(minutes=1))
        url = start(client)
        assert life() == WAITING
        assert rows.count() == 1
        assert come_back(client, tenant.login(url)).status_code == 302
        assert is_logged_in(client)

    def test_X21_a_robot_leaves_nothing_behind(self, tenant: Tenant) -> None:
        for _ in range(5):
            Client(headers=NAVIGATE).get(LOGIN)
        soon = timezone.now() + timedelta(seconds=SHORT_LIFE + 30)
        assert Session.objects.filter(expire_date__lte=soon).count() == Session.objects.count() == 5

    def test_X21_a_protected_page_that_sends_to_the_tenant_itself(self, client: Client, tenant: Tenant) -> None:
        assert "/authorize" in client.get("/recent/")["Location"]
        assert life() == WAITING

    @pytest.mark.parametrize("keys", [{"RESPONSE_MODE": "form_post"}, {"RESPONSE_TYPE": "code id_token"}], ids=str)
    def test_X21_with_a_cookie_of_its_own(self, auth0_settings: Configure, keys: dict[str, str]) -> None:
        auth0_settings(**keys)
        Client(headers=NAVIGATE).get(LOGIN, secure=True)
        assert life() == WAITING

    def test_X21_a_login_without_redirect(self, tenant: Tenant, auth0_settings: Configure) -> None:
        tenant.application.grant_types |= {PASSWORDLESS_OTP}
        auth0_settings(PASSWORDLESS=["email-code"])
        visitor = Visitor()
        ask(visitor)
        assert life() == WAITING
        visitor.submit("code", code=str(tenant.last_message().code))
        assert is_logged_in(visitor.client)
        assert life() == USUAL

    def test_X21_a_second_factor_after_a_password(self, tenant: Tenant, auth0_settings: Configure) -> None:
        tenant.application.grant_types |= {"password", "mfa"}
        tenant.user.mfa_required = True
        auth0_settings(PASSWORD_REALM=True)
        visitor = Visitor()
        visitor.open("/auth0/password/")
        visitor.submit("password", username="ada@example.com", password="correct horse")
        assert visitor.path.startswith("/auth0/mfa/")
        assert life() == WAITING

    def test_X21_a_failed_login_with_its_count_of_failures(self, client: Client, tenant: Tenant) -> None:
        tenant.fault("nonce-invalid")
        assert walk(client, tenant).status_code == 400
        assert client.session["_auth0_failures"] == 1
        assert life() == WAITING

    def test_X21_a_failed_login_of_a_browser_without_a_session(self, client: Client, tenant: Tenant) -> None:
        url = tenant.login(start(client))
        Session.objects.all().delete()
        tenant.clock.advance(TRANSACTION_AGE + 1)
        answer = come_back(Client(headers=NAVIGATE), url)
        assert answer.status_code == 400
        assert Session.objects.get().get_decoded()["_auth0_failures"] == 1
        assert life() == WAITING

    def test_X21_a_logout_that_the_tenant_missed_is_remembered_for_long(self, client: Client, tenant: Tenant) -> None:
        """Nobody is to be logged in silently by the session that is left there."""
        walk(client, tenant)
        tenant.fault("drop", endpoint="revoke", times=None)
        client.post(LOGOUT)
        assert client.session["_auth0_silent"]
        assert life() == USUAL
        client.get(LOGIN)
        assert life() == USUAL

    def test_X21_logins_that_the_tenant_initiates(self, client: Client, tenant: Tenant) -> None:
        client.cookies["anything"] = "1"
        assert client.get(LOGIN, {"iss": tenant.issuer}).status_code == 302
        assert client.session["_auth0_initiated"]
        assert life() == WAITING

    def test_X21_a_silent_login_that_found_nobody(self, tenant: Tenant) -> None:
        tenant.application.callbacks = [f"{SITE}{CALLBACK}"]
        person = Visitor(tenant)
        person.start("/quiet/")
        assert life() == WAITING
        assert person.visit("/quiet/").content.decode() == "nobody"
        assert person.client.session["_auth0_silent"]
        assert life() == WAITING
        person.forget_trail()
        assert person.visit("/quiet/").content.decode() == "nobody"
        assert person.asked() == []

    def test_X21_after_a_cookie_of_a_session_that_is_gone(self, client: Client, tenant: Tenant) -> None:
        client.cookies["sessionid"] = "a" * 32
        client.get(LOGIN)
        assert life() == WAITING

    def test_X21_a_site_with_shorter_sessions_keeps_them(self, client: Client, settings: Any) -> None:
        settings.SESSION_COOKIE_AGE = 600
        client.get(LOGIN)
        assert life() == pytest.approx(600, abs=30)


class TestAfterwards:
    def test_X21_a_finished_login_lives_as_the_site_says(self, client: Client, tenant: Tenant) -> None:
        answer = walk(client, tenant)
        assert is_logged_in(client)
        assert life() == USUAL
        assert cookie_life(answer) == TWO_WEEKS
        assert client.session.get("_session_expiry") is None
        assert not [name for name in client.session.keys() if "short" in name]  # noqa: SIM118  # no mapping

    def test_X21_sessions_may_end_with_the_browser(self, client: Client, tenant: Tenant, settings: Any) -> None:
        settings.SESSION_EXPIRE_AT_BROWSER_CLOSE = True
        answer = walk(client, tenant)
        assert cookie_life(answer) == ""
        assert client.session.get_expire_at_browser_close()

    def test_X21_another_login_under_way_in_the_other_tab_changes_nothing(self, client: Client, tenant: Tenant) -> None:
        other = start(client)
        walk(client, tenant)
        client.get(LOGIN)
        assert life() == USUAL
        come_back(client, tenant.login(other))
        assert life() == USUAL

    def test_X21_a_login_by_another_backend(self, client: Client, tenant: Tenant, settings: Any) -> None:
        get_user_model().objects.create_user("local", password="a password of some length")
        client.get(LOGIN)
        assert life() == WAITING
        client.post("/accounts/login/", {"username": "local", "password": "a password of some length"})
        assert client.session["_auth_user_id"]
        assert life() == USUAL

    def test_X21_after_a_logout_the_next_visit_of_the_login_page(self, client: Client, tenant: Tenant) -> None:
        walk(client, tenant)
        client.post(LOGOUT)
        Session.objects.all().delete()
        client.get(LOGIN)
        assert life() == WAITING

    def test_X21_in_an_async_site(self, tenant: Tenant) -> None:
        async_client = AsyncClient(headers=NAVIGATE)

        async def visits() -> list[float]:
            found = []
            for path in (LOGIN, "/cart/"):
                await async_client.get(path)
                session = await Session.objects.aget()
                found.append((session.expire_date - timezone.now()) / timedelta(seconds=1))
            return found

        assert async_to_sync(visits)() == [WAITING, USUAL]


class TestSitesOwn:
    def test_X21_a_cart_keeps_its_long_life(self, client: Client, tenant: Tenant) -> None:
        client.get("/cart/")
        client.get(LOGIN)
        client.get("/recent/")
        assert life() == USUAL
        assert client.session["cart"] == ["apples"]

    def test_X21_a_cart_filled_during_the_login_gets_one(self, client: Client, tenant: Tenant) -> None:
        url = start(client)
        assert life() == WAITING
        answer = client.get("/cart/")
        assert life() == USUAL
        assert cookie_life(answer) == TWO_WEEKS
        come_back(client, tenant.login(url))
        assert client.session["cart"] == ["apples"]
        assert life() == USUAL

    def test_X21_so_does_one_that_was_filled_past_the_middleware(self, client: Client, tenant: Tenant) -> None:
        client.get(LOGIN)
        session = client.session
        session["cart"] = ["pears"]
        session.save()
        client.get("/show/")
        assert life() == USUAL

    @pytest.mark.parametrize("seconds", [600, 86400])
    @pytest.mark.parametrize("moment", ["before", "during", "after"])
    def test_X21_a_life_that_the_site_chose_stays(
        self, client: Client, tenant: Tenant, seconds: int, moment: str
    ) -> None:
        chosen = f"/remember/?seconds={seconds}"
        if moment == "before":
            client.get(chosen)
        url = start(client)
        if moment == "during":
            client.get(chosen)
        come_back(client, tenant.login(url))
        if moment == "after":
            client.get(chosen)
        assert is_logged_in(client)
        assert life() == pytest.approx(seconds, abs=30)

    def test_X21_one_that_is_chosen_at_login_stays(self, client: Client, tenant: Tenant) -> None:
        def choose(request: Any, **kwargs: Any) -> None:
            request.session.set_expiry(7200)

        user_logged_in.connect(choose)
        try:
            walk(client, tenant)
        finally:
            user_logged_in.disconnect(choose)
        assert life() == pytest.approx(7200, abs=30)

    def test_X21_also_one_that_is_not_stored_yet(self) -> None:
        session = SessionStore()
        session.set_expiry(600)
        shorten(session)
        assert session.get_expiry_age() == 600

    def test_X21_no_other_cookie_than_the_one_that_came_is_sent_again(self) -> None:
        """A site may keep its sessions under another name than Django's setting says."""
        session = SessionStore()
        shorten(session)
        session.save()
        for cookies, sent in (
            (dict[str, str](), False),
            ({"sessionid": "other"}, False),
            ({"sessionid": str(session.session_key)}, True),
        ):
            request = RequestFactory().get("/")
            request.session, request.COOKIES = session, cookies
            response = HttpResponse()
            renew(request)
            send_cookie(request, response)
            assert ("sessionid" in response.cookies) is sent
