"""X3: a login whose grant the tenant has ended is over everywhere, from the first request that knows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.db import transaction
from django.http import HttpResponse
from django.test import AsyncClient, Client

from django_auth0_flow.models import LoginSession
from django_auth0_flow.protocol.errors import Auth0Error, LoginRequired
from django_auth0_flow.testing.tenant import Tenant
from tests.walk import FETCH, LOGIN, NAVIGATE, SLOW, code_shown, is_logged_in, session_of, walk

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.urlconfs.access")]
BARE = ["/bare/", "/bare-async/", "/bare-mixin/", "/bare-dispatch/"]
#: Where something finds out: views that the middleware refreshes for, and views that want a token themselves.
LEARNS = ["/bare/", "/bare-async/", "/bare-mixin/", "/swallow/", "/swallow-protected/"]
#: The ways in which a tenant ends a grant.
ENDINGS = ["blocked", "revoked", "gone"]
DAY = 90000


@pytest.fixture
def visitor(client: Client, tenant: Tenant, auth0_settings: Any) -> Client:
    walk(client, tenant)
    return client


def end_grant(tenant: Tenant, how: str) -> None:
    """Let the tenant end every grant, and the access tokens run out; or let the row go, as the admin does."""
    if how == "blocked":
        tenant.block(tenant.user.sub)
    elif how == "revoked":
        tenant.revoke_refresh_tokens(tenant.user.sub)
    else:
        LoginSession.objects.all().delete()
    tenant.clock.advance(DAY)


def same_browser(client: Client) -> Client:
    other = Client()
    other.cookies.update(client.cookies)
    return other


def assert_shut_out(client: Client) -> None:
    """Every view of ours and Django's own are shut for this browser, to people and to scripts."""
    for path in (*BARE, "/django/"):
        answer = same_browser(client).get(path, headers=NAVIGATE)
        assert (answer.status_code, unquote(answer["Location"])) == (302, f"{LOGIN}?next={path}"), path
    for path in BARE:
        answer = same_browser(client).get(path, headers=FETCH)
        assert (answer.status_code, answer.json()["error"]) == (401, "login_required"), path
    assert same_browser(client).get("/bare-drf/", headers=FETCH).status_code == 403
    assert same_browser(client).get("/who/").content == b"nobody -"
    assert not is_logged_in(client)


@pytest.mark.parametrize("how", ENDINGS)
@pytest.mark.parametrize("path", BARE)
def test_X3_a_bare_view_is_shut_by_the_request_that_finds_out(
    visitor: Client, tenant: Tenant, path: str, how: str
) -> None:
    assert visitor.get(path).status_code == 200
    end_grant(tenant, how)
    answer = visitor.get(path, headers=NAVIGATE)
    assert (answer.status_code, unquote(answer["Location"])) == (302, f"{LOGIN}?next={path}")
    assert not LoginSession.objects.exists()
    assert_shut_out(visitor)


@pytest.mark.parametrize("how", ENDINGS)
@pytest.mark.parametrize("path", BARE)
def test_X3_a_script_is_told_so_with_401(visitor: Client, tenant: Tenant, path: str, how: str) -> None:
    end_grant(tenant, how)
    answer = visitor.get(path, headers=FETCH)
    assert (answer.status_code, answer.json()["error"]) == (401, "login_required")
    assert_shut_out(visitor)


@pytest.mark.parametrize("path", LEARNS)
def test_X3_whoever_finds_out_shuts_the_other_tabs_out(visitor: Client, tenant: Tenant, path: str) -> None:
    other = same_browser(visitor)
    end_grant(tenant, "blocked")
    visitor.get(path)
    answer = other.get("/bare/", headers=NAVIGATE)
    assert (answer.status_code, answer["Location"]) == (302, f"{LOGIN}?next=%2Fbare%2F")
    assert other.get("/django/").status_code == 302
    assert_shut_out(visitor)


def test_X3_a_task_outside_any_request_shuts_the_browser_out(visitor: Client, tenant: Tenant) -> None:
    row = LoginSession.objects.get()
    end_grant(tenant, "revoked")
    with pytest.raises(LoginRequired, match="no longer accepts"):
        row.api.get("https://api.example.com/things")
    assert visitor.get("/django/").status_code == 302
    assert_shut_out(visitor)


def test_X3_a_view_that_swallows_the_error_ends_the_login_all_the_same(visitor: Client, tenant: Tenant) -> None:
    end_grant(tenant, "blocked")
    assert visitor.get("/swallow/").content.decode().startswith("without: ")
    assert_shut_out(visitor)


def test_X3_an_async_view_that_swallows_the_error_ends_the_login_all_the_same(
    visitor: Client, tenant: Tenant, settings: Any
) -> None:
    from django.urls import path

    from tests.urlconfs import access

    @transaction.non_atomic_requests
    async def aswallow(request: Any) -> HttpResponse:
        try:
            await request.auth0.aaccess_token()
        except Auth0Error as error:
            return HttpResponse(error.code)
        return HttpResponse("with")

    settings.ROOT_URLCONF = type("urls", (), {"urlpatterns": [path("aswallow/", aswallow), *access.urlpatterns]})
    (browser := AsyncClient()).cookies.update(visitor.cookies)
    get = async_to_sync(browser.get)
    assert get("/aswallow/").content == b"with"
    end_grant(tenant, "revoked")
    assert get("/aswallow/").status_code == 200
    assert not LoginSession.objects.exists()
    assert "_auth_user_id" not in visitor.session


def test_X3_a_rollback_brings_no_ended_login_back(visitor: Client, tenant: Tenant, settings: Any) -> None:
    """The view's transaction takes the deletion back; the response does not."""
    row = LoginSession.objects.get()
    end_grant(tenant, "blocked")

    def view(request: Any) -> Any:
        try:
            with transaction.atomic():
                request.auth0.access_token()
        except LoginRequired as error:
            LoginSession.objects.filter(pk=row.pk).delete()
            row.save(force_insert=True)  # what a rollback amounts to
            raise LoginRequired("Let out of the view.", code=error.code) from error

    from django.urls import path

    from tests.urlconfs import access

    settings.ROOT_URLCONF = type("urls", (), {"urlpatterns": [path("rolled-back/", view), *access.urlpatterns]})
    assert visitor.get("/rolled-back/", headers=NAVIGATE).status_code == 302
    assert not LoginSession.objects.exists()
    assert_shut_out(visitor)


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("status", {"status": 500, "endpoint": "token"}),
        ("status", {"status": 503, "endpoint": "token"}),
        ("rate-limit", {"endpoint": "token"}),
        ("drop", {"endpoint": "token"}),
        ("html", {"endpoint": "token"}),
        ("empty", {"endpoint": "token"}),
        ("slow", {"endpoint": "token"}),
        ("refuse", {"error": "invalid_client", "status": 401}),
        ("refuse", {"error": "unauthorized_client", "status": 403}),
        ("refuse", {"error": "server_error", "status": 403}),
    ],
    ids=str,
)
@pytest.mark.parametrize("path", BARE)
def test_X3_a_tenant_in_trouble_ends_nothing(
    visitor: Client, tenant: Tenant, auth0_settings: Callable[..., Any], fault: str, options: dict[str, Any], path: str
) -> None:
    if fault in SLOW:
        auth0_settings(HTTP_TIMEOUT=0.3)
    tenant.clock.advance(DAY)
    tenant.fault(fault, times=None, **options)
    for _ in range(2):
        assert visitor.get(path).status_code == 200
        assert visitor.get("/django/").status_code == 200
        tenant.clock.advance(200)
    tenant.clear_faults()
    auth0_settings()
    assert is_logged_in(visitor)
    assert visitor.get("/swallow/").content == b"with"


def test_X3_a_tenant_that_is_gone_ends_nothing(visitor: Client, tenant: Tenant) -> None:
    tenant.clock.advance(DAY)
    tenant.stop()
    for path in (*BARE, "/django/"):
        assert visitor.get(path).status_code == 200


@pytest.mark.parametrize("path", BARE)
def test_X3_an_access_token_that_has_run_out_is_no_dead_grant(
    client: Client, tenant: Tenant, auth0_settings: Callable[..., Any], path: str
) -> None:
    auth0_settings(SCOPE="openid profile")
    walk(client, tenant)
    tenant.clock.advance(DAY)
    assert client.get(path).status_code == 200
    assert client.get("/swallow/").content == b"without: no_refresh_token"
    assert client.get(path).status_code == 200
    assert is_logged_in(client)


@pytest.mark.parametrize("path", BARE)
def test_X3_a_tenant_that_wants_a_second_factor_first_ends_no_grant(visitor: Client, tenant: Tenant, path: str) -> None:
    tenant.clock.advance(DAY)
    tenant.fault("mfa-required", times=None)
    assert visitor.get(path).status_code == 200
    assert is_logged_in(visitor)


def test_X3_a_request_under_way_during_a_new_login_does_not_touch_the_cookie(
    visitor: Client, tenant: Tenant, settings: Any
) -> None:
    """The old session was read before it was replaced, the row is looked for afterwards."""
    other = same_browser(visitor)
    BetweenTimes.happens = lambda: walk(other, tenant)
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.access.test_dead_grants.BetweenTimes"]
    answer = same_browser(visitor).get("/bare/", headers={**NAVIGATE, "X-Between": "1"})
    assert answer.status_code == 302
    assert "sessionid" not in answer.cookies
    assert is_logged_in(other)


class BetweenTimes:
    """Lets something happen after the session and the user were read, and before our middleware looks."""

    happens: Callable[[], Any]

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        if "X-Between" in request.headers:
            assert request.user.is_authenticated
            type(self).happens()
        return self.get_response(request)


def test_X3_logins_that_die_at_once_end_in_a_page_and_no_circle(
    visitor: Client, tenant: Tenant, auth0_settings: Callable[..., Any]
) -> None:
    answer: Any = None
    for _ in range(5):
        end_grant(tenant, "revoked")
        tenant.clock.advance(-DAY)
        LoginSession.objects.all().delete()
        answer = visitor.get("/bare/", headers=NAVIGATE)
        if answer.status_code != 302:
            break
        walk(visitor, tenant, next="/bare/")
    assert (answer.status_code, code_shown(answer)) == (403, "login_loop")


def test_X3_an_ended_login_of_somebody_else_ends_nothing_here(visitor: Client, tenant: Tenant, settings: Any) -> None:
    """A view that works with another person's login session meets its end; the visitor stays logged in."""
    grace = next(user for user in tenant.users.values() if user.nickname == "grace")
    walk(Client(), tenant, user=grace)
    theirs = LoginSession.objects.exclude(pk=session_of(visitor)["_auth0"]["id"]).get()
    tenant.block(grace.sub)
    tenant.clock.advance(DAY)

    def view(request: Any) -> Any:
        return theirs.api.get("https://api.example.com/things")

    from django.urls import path

    from tests.urlconfs import access

    settings.ROOT_URLCONF = type("urls", (), {"urlpatterns": [path("theirs/", view), *access.urlpatterns]})
    assert visitor.get("/theirs/", headers=NAVIGATE).status_code == 302
    assert is_logged_in(visitor)
    assert visitor.get("/bare/").status_code == 200
    assert get_user_model().objects.count() == 2


class TestCosts:
    """One query more than Django's own two (session, user) where the login is asked for, none where it is not."""

    @pytest.mark.parametrize(
        ("path", "own"), [("/bare/", 1), ("/bare-mixin/", 1), ("/everything/", 1), ("/who/", 1), ("/django/", 0)]
    )
    def test_queries(self, visitor: Client, path: str, own: int, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(2 + own) as queries:
            assert visitor.get(path).status_code == 200
        assert sum("auth0_flow" in query["sql"] for query in queries) == own
