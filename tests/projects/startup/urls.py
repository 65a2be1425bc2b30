"""The pages, and one that says which modules its worker has loaded."""

from __future__ import annotations

import sys
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import RequestContext, Template
from django.urls import include, path

from django_auth0_flow.decorators import auth0_login_required, bearer_token_required

_HOME = Template(
    "{% load auth0 %}{{ user }} {{ perms.auth.add_user }} {{ request.auth0.is_logged_in }} {{ people }} "
    "{% url 'auth0:login' %} {% auth0_login_url %}"
    "{% auth0_stylesheet %}{% include 'admin/color_theme_toggle.html' %}"
)


@login_not_required
def home(request: Any) -> HttpResponse:
    """Show what the usual start page shows, from database and template: who is logged in, and where to log in."""
    return HttpResponse(_HOME.render(RequestContext(request, {"people": get_user_model().objects.count()})))


@login_not_required
def modules(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"modules": sorted(sys.modules)})


@auth0_login_required
def claims(request: Any) -> HttpResponse:
    return HttpResponse(request.auth0.claims["sub"])


@auth0_login_required
def call(request: Any) -> HttpResponse:
    """Call an API; answer with the access token."""
    answer = request.auth0.api.get(f"{settings.AUTH0['API_ORIGINS'][0]}/things")
    return HttpResponse(request.auth0.access_token(), status=answer.status_code)


@bearer_token_required
def api(request: Any) -> HttpResponse:
    return HttpResponse(request.access_token_claims["sub"])


@login_not_required
def machine(request: HttpRequest) -> HttpResponse:
    from django_auth0_flow.machine import machine_token

    return HttpResponse(str(bool(machine_token())))


urlpatterns = [
    path("auth0/", include("django_auth0_flow.urls")),
    path("admin/", admin.site.urls),
    path("", home),
    path("modules/", modules),
    path("claims/", claims),
    path("call/", call),
    path("api/", api),
    path("machine/", machine),
]
