"""Async views that use all of ``request.auth0``, and pages that every deployment needs."""

from __future__ import annotations

from django.db import transaction
from django.http import HttpResponse, JsonResponse
from django.urls import include, path

from django_auth0_flow.decorators import auth0_login_required, bearer_token_required
from tests import sample_views
from tests.sample_views import Request


@transaction.non_atomic_requests  # Django can't run async views in a transaction
@auth0_login_required
async def everything(request: Request) -> JsonResponse:
    login = request.auth0
    answer = await login.arequest("POST", "https://api.example.com/things", json={"a": 1})
    return JsonResponse(
        {
            "sub": (await login.aclaims())["sub"],
            "scopes": sorted(await login.ascopes()),
            "permissions": sorted(await login.apermissions()),
            "organization": await login.aorganization(),
            "token": await login.aaccess_token(),
            "api": answer.json(),
        }
    )


@transaction.non_atomic_requests
@auth0_login_required(permissions="write:things")
async def permitted(request: Request) -> HttpResponse:
    return HttpResponse("permitted")


@transaction.non_atomic_requests
async def unmarked(request: Request) -> HttpResponse:
    return HttpResponse(await request.auth0.aaccess_token())


@transaction.non_atomic_requests
@bearer_token_required(scopes="read:things")
async def api(request: Request) -> JsonResponse:
    return JsonResponse({"sub": request.access_token_claims["sub"]})


urlpatterns = [
    path("auth0/", include("django_auth0_flow.urls")),
    path("", sample_views.home),
    path("bare/", sample_views.bare),
    path("token/", sample_views.token),
    path("async/everything/", everything),
    path("async/permitted/", permitted),
    path("async/unmarked/", unmarked),
    path("async/api/", api),
]
