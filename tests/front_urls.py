"""URLs for the tests of organizations, silent logins, response types, configurations and step-up."""

from __future__ import annotations

from inspect import unwrap
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import include, path, re_path
from django.views.generic import View

from django_auth0_flow.access.requirements import MULTI_FACTOR
from django_auth0_flow.conf import configuration_names
from django_auth0_flow.decorators import Auth0LoginRequiredMixin, auth0_login_required
from tests.sample_views import bare, home, plain, token

BOTH = ("default", "partners")

urlpatterns: list[Any] = [
    path("auth0/", include("django_auth0_flow.urls")),
    path(
        "partners/",
        include(("django_auth0_flow.urls", "auth0"), namespace="partners"),
        {"configuration": "partners"},
    ),
    path("", home, name="home"),
    path("plain/", plain),
    path("bare/", bare),
    path("token/", token),
    path("django-login-required/", login_required(plain)),
]


def show(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    """Say who is there, in which organization and by which configuration."""
    login = request.auth0  # type: ignore[attr-defined]  # the middleware's
    if not login.is_logged_in:
        return HttpResponse("nobody")
    return HttpResponse(f"{login.claims['sub']} {login.organization} {login.configuration.name}")


async def ashow(request: HttpRequest) -> HttpResponse:
    login = request.auth0  # type: ignore[attr-defined]  # the middleware's
    claims = await login.aclaims()
    return HttpResponse(claims.get("sub", "nobody"))


def show_any(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    """As ``show``, for a login of any configuration."""
    request.auth0 = request.auth0.for_configuration(*configuration_names())  # type: ignore[attr-defined]  # the middleware's
    return show(request)


def show_token(request: HttpRequest) -> HttpResponse:
    login = request.auth0  # type: ignore[attr-defined]  # the middleware's
    return HttpResponse(f"{login.access_token()} {' '.join(sorted(login.scopes))}")


class Quiet(Auth0LoginRequiredMixin, View):
    auth0_silent = True

    def get(self, request: HttpRequest) -> HttpResponse:
        return show(request)


def organization_in_path(request: HttpRequest) -> str | None:
    """Return the organization that the address names."""
    match = request.resolver_match
    return match.kwargs.get("organization") if match else None


urlpatterns += [
    path("show/", show),
    path("quiet/", auth0_login_required(silent=True)(show)),
    path("quiet-async/", transaction.non_atomic_requests(auth0_login_required(silent=True)(ashow))),
    re_path("^/evil.example/", auth0_login_required(silent=True)(show)),
    path("quiet-mixin/", Quiet.as_view()),
    path("quiet-strong/", auth0_login_required(silent=True, acr_values=MULTI_FACTOR)(show)),
    path("any/", show_any),
    path("any-token/", auth0_login_required(configuration=BOTH)(unwrap(token))),
    path("any-bare/", auth0_login_required(configuration=BOTH)(unwrap(bare))),
    path("any-recent/", auth0_login_required(configuration=BOTH, max_age=300)(show)),
    path("watched/", auth0_login_required(show)),
    path("acme/", auth0_login_required(organization="org_acme000000000000")(show)),
    path("any-organization/", auth0_login_required(organization=True)(show)),
    path("of/<str:organization>/", auth0_login_required(organization=organization_in_path)(show)),
    path("perhaps/", auth0_login_required(organization=lambda request: None)(show)),
    path("empty/", auth0_login_required(organization=lambda request: "")(show)),
    path("strong/", auth0_login_required(acr_values=MULTI_FACTOR)(show)),
    path("recent/", auth0_login_required(max_age=300)(show)),
    path("strong-and-recent/", auth0_login_required(acr_values=MULTI_FACTOR, max_age=300)(show)),
    path("with-token/", auth0_login_required(access_token=True)(show_token)),
    path("with-scope/", auth0_login_required(access_token=True, scopes="read:appointments")(show_token)),
]
