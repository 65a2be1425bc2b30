"""Attacks on who may enter, and honest logins that must not suffer from the defence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient, Client

from django_auth0_flow.models import LoginSession
from django_auth0_flow.testing.tenant import Tenant
from tests.visitor import Visitor
from tests.walk import FETCH, NAVIGATE, is_logged_in, walk

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.urlconfs.access")]


@pytest.fixture
def visitor(client: Client, tenant: Tenant, auth0_settings: Any) -> Client:
    walk(client, tenant)
    return client


@pytest.mark.parametrize("is_known", [True, False])
def test_X24_an_async_dispatch_that_refuses_answers_and_blocks_no_event_loop(
    visitor: Client, tenant: Tenant, is_known: bool
) -> None:
    browser = AsyncClient(headers=NAVIGATE)
    if is_known:
        browser.cookies.update(visitor.cookies)
    answer = async_to_sync(browser.get)("/scoped-async-dispatch/")
    assert answer.status_code == 302
    assert answer["Location"].startswith(tenant.issuer)


def test_X24_an_async_dispatch_of_an_api_refuses_with_401(visitor: Client, tenant: Tenant) -> None:
    for answer in (async_to_sync(AsyncClient().get)("/api-async-dispatch/"), visitor.get("/api-async-dispatch/")):
        assert answer.status_code == 401


@pytest.mark.parametrize(
    ("path", "status"), [("/scoped-twice/", 200), ("/organized-twice/", 200), ("/organized-two-ways/", 403)]
)
def test_X25_stacked_demands_are_satisfied_or_refused_and_never_a_circle(
    tenant: Tenant, auth0_settings: Any, path: str, status: int
) -> None:
    tenant.application.callbacks.append("https://testserver/auth0/callback/")
    tenant.api.scopes = ["read:things", "write:things"]
    names = {"acme": "org_acme000000000000", "other": "org_other00000000000"}
    tenant.user.orgs = [tenant.add_organization(name, id=key).id for name, key in names.items()]
    person = Visitor(tenant)
    auth0_settings(SCOPE="openid offline_access")
    assert person.visit(path).status_code == status
    assert len(person.asked()) == (2 if status == 200 else 3)


@pytest.mark.parametrize("allowed", [[], ["org_acme000000000000"], ["org_other00000000000"]])
def test_X25_a_page_that_wants_more_keeps_the_organization_where_that_is_allowed(
    tenant: Tenant, auth0_settings: Any, allowed: list[str]
) -> None:
    tenant.application.callbacks.append("https://testserver/auth0/callback/")
    tenant.api.scopes = ["read:things"]
    tenant.user.orgs = [tenant.add_organization("acme", id="org_acme000000000000").id]
    auth0_settings(ALLOWED_ORGANIZATIONS=allowed)
    person = Visitor(tenant)
    for path in ("/organized/", "/scoped/"):
        assert person.visit(path).status_code == 200
    kept = "org_acme000000000000" if "org_other00000000000" not in allowed else None
    assert LoginSession.objects.get().grant.claims.get("org_id") == kept


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


@pytest.mark.parametrize("path", ["/scoped/", "/quiet/", "/quiet-scoped/", "/scoped-async-dispatch/"])
def test_X3_no_request_that_was_under_way_takes_the_new_login_along(
    visitor: Client, tenant: Tenant, settings: Any, path: str
) -> None:
    other = same_browser(visitor)
    BetweenTimes.happens = lambda: walk(other, tenant)
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.BetweenTimes"]
    answer = same_browser(visitor).get(path, headers={**NAVIGATE, "X-Between": "1"})
    assert "sessionid" not in answer.cookies
    assert is_logged_in(other)


def test_X26_the_organization_of_the_settings_holds_for_drf_as_for_the_decorator(
    visitor: Client, tenant: Tenant, auth0_settings: Any
) -> None:
    """The login was made elsewhere: at another host that shares the session, or before the setting."""
    assert visitor.get("/drf/", headers=FETCH).status_code == 200
    auth0_settings(ORGANIZATION="org_acme000000000000")
    assert visitor.get("/bare/", headers=FETCH).status_code == 401
    assert visitor.get("/drf/", headers=FETCH).status_code == 403


def test_X3_a_permission_that_finds_a_login_over_leaves_no_user_behind(visitor: Client, tenant: Tenant) -> None:
    """The permission finds the login's row gone, what stands beside it must not let its user in."""
    LoginSession.objects.all().delete()
    assert visitor.get("/drf-any/", headers=FETCH).status_code == 403


def same_browser(client: Client) -> Client:
    other = Client()
    other.cookies.update(client.cookies)
    return other
