"""``Auth0LoginRequiredMixin``: each of its arguments counts, as an attribute and as an argument of ``as_view``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from django.views.generic import View

from django_auth0_flow.access.requirements import MULTI_FACTOR
from django_auth0_flow.decorators import Auth0LoginRequiredMixin
from django_auth0_flow.testing.tenant import Tenant
from tests import urls
from tests.visitor import Visitor
from tests.walk import FETCH, code_shown, query_of, walk

pytestmark = pytest.mark.django_db
Configure = Callable[..., dict[str, Any]]
Serve = Callable[..., None]


class Page(Auth0LoginRequiredMixin, View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("shown")


@pytest.fixture(params=["attribute", "as_view"])
def serve(request: pytest.FixtureRequest, settings: Any, auth0_settings: Configure) -> Serve:
    """Put a page with these arguments at ``/page/``."""

    def put(**arguments: Any) -> None:
        named = {f"auth0_{name}": value for name, value in arguments.items()}
        own: Any = type("Own", (Page,), named)
        view = own.as_view() if request.param == "attribute" else Page.as_view(**named)
        settings.ROOT_URLCONF = type("urls", (), {"urlpatterns": [path("page/", view), *urls.urlpatterns]})

    return put


@pytest.mark.parametrize(
    ("name", "value", "weaker"),
    [
        ("scopes", "openid read:everything", "openid"),
        ("permissions", ["read:things", "write:things"], "read:things"),
        ("organization", "org_acme000000000000", None),
        ("max_age", 300, None),
        ("acr_values", MULTI_FACTOR, None),
    ],
)
def test_a_login_that_fails_it_is_refused(
    client: Client, tenant: Tenant, serve: Serve, name: str, value: object, weaker: object
) -> None:
    tenant.api.rbac = True
    tenant.user.permissions[tenant.api.identifier] = ["read:things"]
    walk(client, tenant)
    tenant.clock.advance(400)
    serve(**{name: value})
    answer = client.get("/page/", headers=FETCH)
    assert (answer.status_code, code_shown(answer)) == (403, name)
    serve(**{name: weaker})
    assert client.get("/page/", headers=FETCH).content == b"shown"


def test_access_token(tenant: Tenant, serve: Serve, auth0_settings: Configure) -> None:
    auth0_settings(RESPONSE_TYPE="id_token", SCOPE="openid")
    tenant.application.callbacks = ["https://testserver/auth0/callback/"]
    person = Visitor(tenant)
    person.visit("/auth0/login/?next=/plain/")
    for wanted, status in ((True, 403), (False, 200)):
        serve(access_token=wanted)
        assert person.client.get("/page/", headers=FETCH, secure=True).status_code == status


def test_connection(client: Client, serve: Serve) -> None:
    serve(connection="google-oauth2")
    assert query_of(client.get("/page/")["Location"])["connection"] == "google-oauth2"


def test_silent(client: Client, serve: Serve) -> None:
    for silent, status in ((True, 200), (False, 401)):
        serve(silent=silent)
        assert client.get("/page/", headers=FETCH).status_code == status


def test_configuration(client: Client, tenant: Tenant, serve: Serve, auth0_settings: Configure, settings: Any) -> None:
    settings.AUTH0 = {"default": auth0_settings(), "partners": auth0_settings()}
    walk(client, tenant)
    for names, status in (("partners", 401), (["partners", "default"], 200)):
        serve(configuration=names)
        assert client.get("/page/", headers=FETCH).status_code == status


def test_a_mixin_that_would_protect_nothing_is_refused_when_the_class_is_defined() -> None:
    with pytest.raises(ImproperlyConfigured, match="put Auth0LoginRequiredMixin first"):
        type("Late", (View, Auth0LoginRequiredMixin), {})
    with pytest.raises(ImproperlyConfigured, match="Did you mean auth0_scopes"):
        type("Misspelt", (Auth0LoginRequiredMixin, View), {"auth0_scope": "read:things"})
    own: Any = type("Own", (Auth0LoginRequiredMixin,), {"auth0_flavour": "mine", "auth0_scopes": "read:things"})
    assert type("Later", (own, View), {}).mro()[1] is own
