"""F41: a login ends when the identity provider's session does (``session_expiry``), and the next one proves itself anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.http import HttpResponse
from django.test import AsyncClient, Client, RequestFactory

from django_auth0_flow.login.ceiling import is_fresh_login_due, note, send_cookie
from django_auth0_flow.models import LoginSession
from django_auth0_flow.protocol.errors import LoginRequired
from django_auth0_flow.signals import login_session_ended
from django_auth0_flow.testing import auth0_login
from django_auth0_flow.testing.tenant import Tenant
from tests.walk import CALLBACK, FETCH, LOGIN, NAVIGATE, code_shown, is_logged_in, query_of, start, walk

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.urlconfs.access")]
BARE = ["/bare/", "/bare-async/", "/bare-mixin/", "/bare-dispatch/", "/django/"]
HOURS = 8 * 3600
#: What is no whole number of seconds, and Auth0's SDKs ignore.
ODD = ["1785000000", 1785000000.5, True, False, 0, -5, 1785000000000, 10_000_000_000, None, [1785000000], {"at": 1}]


@pytest.fixture(autouse=True)
def ceiling(tenant: Tenant, auth0_settings: Any) -> None:
    tenant.upstream_session_lifetime = HOURS


@pytest.fixture
def visitor(client: Client, tenant: Tenant) -> Client:
    walk(client, tenant)
    return client


@pytest.mark.parametrize("path", BARE)
def test_F41_a_login_is_over_thirty_seconds_before_its_ceiling(visitor: Client, tenant: Tenant, path: str) -> None:
    tenant.clock.advance(HOURS - 32)
    assert visitor.get(path).status_code == 200
    tenant.clock.advance(3)
    tenant.clear_log()
    if path == "/django/":  # Django's own decorator asks Django's session; the middleware ends it with this answer
        assert visitor.get("/who/").status_code == 200
    answer = visitor.get(path, headers=NAVIGATE)
    assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, LOGIN)
    assert not LoginSession.objects.exists()
    assert not is_logged_in(visitor)
    assert tenant.count(grant_type="refresh_token") == 0
    assert tenant.refresh_tokens.live() == 0


def test_a_script_learns_why_and_where_to_log_in(visitor: Client, tenant: Tenant) -> None:
    tenant.clock.advance(HOURS)
    answer = visitor.get("/bare/", headers=FETCH)
    assert (answer.status_code, answer.json()["code"]) == (401, "session_expired")


def test_receivers_hear_of_it_once(visitor: Client, tenant: Tenant) -> None:
    heard: list[str] = []

    def receive(reason: str, **kwargs: Any) -> None:
        heard.append(reason)

    login_session_ended.connect(receive)
    try:
        tenant.clock.advance(HOURS)
        for _ in range(2):
            visitor.get("/bare/")
    finally:
        login_session_ended.disconnect(receive)
    assert heard == ["session_expired"]


def test_F41_no_task_refreshes_past_the_ceiling(visitor: Client, tenant: Tenant) -> None:
    row = LoginSession.objects.get()
    tenant.api.lifetime = 600
    tenant.clock.advance(HOURS)
    tenant.clear_log()
    with pytest.raises(LoginRequired) as caught:
        row.api.get("https://api.example.com/things")
    assert caught.value.code == "session_expired"
    assert tenant.requests == []


def test_F41_a_refresh_within_the_ceiling_does_not_move_it(client: Client, tenant: Tenant) -> None:
    """At Auth0 a refreshed ID token has no such claim; one that has it changes nothing either."""
    tenant.api.lifetime = 600
    walk(client, tenant)
    before = LoginSession.objects.get().session_ceiling
    tenant.user.claims["session_expiry"] = int(tenant.clock.now()) + 9 * HOURS
    tenant.clock.advance(HOURS - 3600)
    tenant.clear_log()
    assert client.get("/bare/").status_code == 200
    assert tenant.count(grant_type="refresh_token") == 1
    assert LoginSession.objects.get().session_ceiling == before
    tenant.clock.advance(3600)
    assert client.get("/bare/", headers=NAVIGATE).status_code == 302


@pytest.mark.parametrize("value", ODD, ids=repr)
def test_an_odd_value_is_no_ceiling(client: Client, tenant: Tenant, value: Any, caplog: Any) -> None:
    tenant.upstream_session_lifetime = None
    tenant.user.claims["session_expiry"] = value
    walk(client, tenant)
    assert LoginSession.objects.get().session_ceiling is None
    assert client.session.get_expiry_age() > HOURS
    assert caplog.text.count("session_expiry_ignored") == (value is not None)
    tenant.clock.advance(HOURS)
    assert client.get("/bare/").status_code == 200


@pytest.mark.parametrize("left", [-1000, 0, 29, 30])
def test_F41_a_login_that_is_over_already_is_refused(client: Client, tenant: Tenant, left: int) -> None:
    tenant.upstream_session_lifetime = None
    tenant.user.claims["session_expiry"] = int(tenant.clock.now()) + left
    answer = walk(client, tenant)
    assert (answer.status_code, code_shown(answer)) == (400, "session_expired")
    assert not is_logged_in(client)
    assert not get_user_model().objects.exists()
    # The next one can't be the same session of the tenant's again.
    assert query_of(start(client))["prompt"] == "login"


def test_the_first_second_that_is_left_is_enough(client: Client, tenant: Tenant) -> None:
    tenant.upstream_session_lifetime = None
    tenant.user.claims["session_expiry"] = int(tenant.clock.now()) + 90
    assert walk(client, tenant).status_code == 302
    assert client.get("/bare/").status_code == 200


def test_F41_the_next_login_proves_itself_anew_although_nothing_is_left_of_the_last_one(
    visitor: Client, tenant: Tenant, settings: Any
) -> None:
    """Django's session has gone by then, in the browser and in the store."""
    assert "prompt" not in query_of(start(visitor))
    tenant.clock.advance(HOURS)
    del visitor.cookies[settings.SESSION_COOKIE_NAME]
    assert query_of(start(visitor))["prompt"] == "login"
    walk(visitor, tenant)
    assert "prompt" not in query_of(start(visitor))


def test_a_login_without_a_ceiling_forgets_that_of_the_last_one(visitor: Client, tenant: Tenant) -> None:
    tenant.clock.advance(HOURS)
    tenant.upstream_session_lifetime = None
    walk(visitor, tenant)
    assert visitor.cookies["auth0_ceiling"].value == ""
    assert "prompt" not in query_of(start(visitor))


@pytest.mark.parametrize("value", ["", "x", ".default", "1", "1.partners", "9" * 40 + ".default", "-1.default"])
def test_a_cookie_of_another_kind_asks_for_nothing(client: Client, value: str) -> None:
    client.cookies["auth0_ceiling"] = value
    assert "prompt" not in query_of(start(client))


def test_F41_a_silent_login_does_not_adopt_a_session_past_the_ceiling(visitor: Client, tenant: Tenant) -> None:
    tenant.clock.advance(HOURS)
    assert visitor.get("/quiet/", headers=NAVIGATE).status_code == 200


def test_the_cookie_holds_a_time_and_is_as_strict_as_the_session_s(visitor: Client, tenant: Tenant) -> None:
    cookie = visitor.cookies["auth0_ceiling"]
    assert cookie.value == f"{LoginSession.objects.get().session_ceiling}.default"
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")


@pytest.fixture(params=["a proxy that says https", "BASE_URL alone"])
def https_visitor(
    request: pytest.FixtureRequest, tenant: Tenant, auth0_settings: Callable[..., Any], settings: Any
) -> Client:
    """A browser at a site behind TLS, before its login."""
    tenant.application.callbacks = [f"https://testserver{CALLBACK}"]
    if request.param == "BASE_URL alone":
        auth0_settings(BASE_URL="https://testserver")
        return Client()
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    return Client(headers={"Host": "testserver", "X-Forwarded-Proto": "https"})


def test_over_https_only_this_host_can_set_the_cookie(https_visitor: Client, tenant: Tenant) -> None:
    walk(https_visitor, tenant)
    cookie = https_visitor.cookies["__Host-auth0_ceiling"]
    assert (cookie["secure"], cookie["path"], cookie["domain"], cookie["httponly"]) == (True, "/", "", True)
    assert "auth0_ceiling" not in https_visitor.cookies
    tenant.clock.advance(HOURS)
    assert query_of(start(https_visitor))["prompt"] == "login"
    tenant.upstream_session_lifetime = None
    walk(https_visitor, tenant)
    cookie = https_visitor.cookies["__Host-auth0_ceiling"]
    assert (cookie.value, cookie["secure"], cookie["path"]) == ("", True, "/")


def test_over_https_a_cookie_that_a_neighbour_has_planted_asks_for_nothing(https_visitor: Client) -> None:
    https_visitor.cookies["auth0_ceiling"] = "1.default"
    assert "prompt" not in query_of(start(https_visitor))


@pytest.mark.parametrize(("configuration", "deletes"), [("default", True), ("partners", False)])
def test_a_login_with_another_configuration_does_not_forget_the_ceiling(
    tenant: Tenant, settings: Any, configuration: str, deletes: bool
) -> None:
    settings.AUTH0 = {"default": settings.AUTH0, "partners": settings.AUTH0}
    request, response = RequestFactory().get("/"), HttpResponse()
    request.COOKIES["auth0_ceiling"] = f"{int(tenant.clock.now())}.default"
    note(request, configuration, {})
    send_cookie(request, response)
    assert ("auth0_ceiling" in response.cookies) == deletes
    assert is_fresh_login_due(request, "default")


def test_F41_django_s_session_ends_with_the_login(visitor: Client) -> None:
    age = visitor.session.get_expiry_age()
    assert HOURS - 60 < age <= HOURS - 30


def test_a_ceiling_beyond_the_site_s_own_limit_changes_nothing(client: Client, tenant: Tenant, settings: Any) -> None:
    settings.SESSION_COOKIE_AGE = 1800
    walk(client, tenant)
    assert "_session_expiry" not in client.session
    # Near the ceiling the session, which each change prolongs, may not outlive it.
    tenant.clock.advance(HOURS - 600)
    settings.SESSION_SAVE_EVERY_REQUEST = True
    client.get("/who/")
    assert client.session.get_expiry_age() <= 600


def test_a_session_that_ends_with_the_browser_stays_one(client: Client, tenant: Tenant, settings: Any) -> None:
    settings.SESSION_EXPIRE_AT_BROWSER_CLOSE = True
    walk(client, tenant)
    assert client.session.get_expire_at_browser_close()
    tenant.clock.advance(HOURS)
    client.get("/who/")
    assert not is_logged_in(client)


def test_async_views_see_the_same(visitor: Client, tenant: Tenant) -> None:
    tenant.clock.advance(HOURS)
    other = AsyncClient()
    other.cookies.update(visitor.cookies)
    answer: Any = async_to_sync(other.get)("/bare-async/", headers=FETCH)
    assert (answer.status_code, answer.json()["code"]) == (401, "session_expired")
    assert not LoginSession.objects.exists()


def test_userinfo_sets_no_ceiling(client: Client, tenant: Tenant, auth0_settings: Callable[..., Any]) -> None:
    auth0_settings(USERINFO=True)
    tenant.upstream_session_lifetime = None

    def leave_out(kind: str, claims: dict[str, Any], header: dict[str, Any]) -> None:
        claims.pop("session_expiry", None)

    tenant.token_hook = leave_out
    tenant.user.claims["session_expiry"] = int(tenant.clock.now()) + HOURS
    walk(client, tenant)
    assert LoginSession.objects.get().session_ceiling is None


def test_the_test_kit_makes_such_logins(client: Client, tenant: Tenant) -> None:
    auth0_login(client, claims={"session_expiry": int(tenant.clock.now()) + HOURS})
    assert client.get("/bare/").status_code == 200
    tenant.clock.advance(HOURS)
    assert client.get("/bare/", headers=NAVIGATE).status_code == 302
