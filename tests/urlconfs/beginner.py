"""A first site: a start page, a page behind the login, one that needs a permission, one that calls an API, and an API."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from django_auth0_flow.decorators import auth0_login_required, bearer_token_required


def home(request: HttpRequest) -> HttpResponse:
    return HttpResponse("home")


@auth0_login_required
def hello(request: Any) -> HttpResponse:
    return HttpResponse(f"Hello {request.auth0.claims['sub']}")


@auth0_login_required(permissions="pay:invoices")
def pay(request: HttpRequest) -> HttpResponse:
    return HttpResponse("Paid")


@auth0_login_required
def call(request: Any) -> HttpResponse:
    return HttpResponse(request.auth0.api.get("https://api.example.com/things").content)


@bearer_token_required(audience="https://api.example.com")
def things(request: HttpRequest) -> HttpResponse:
    return HttpResponse("things")


views = [
    path("", home),
    path("hello/", hello),
    path("pay/", pay, name="pay"),
    path("call/", call),
    path("api/", things),
]
urlpatterns = [*views, path("auth0/", include("django_auth0_flow.urls"))]
