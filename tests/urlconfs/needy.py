"""Views that need more of the settings than a login: each in a way of its own."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views import View

from django_auth0_flow.decorators import Auth0LoginRequiredMixin, auth0_login_required


def calls_an_api(request: Any) -> HttpResponse:
    return HttpResponse(request.auth0.api.get("https://api.example.com/things").content)


async def calls_an_api_inside(request: Any) -> HttpResponse:
    async def fetch() -> Any:
        return await request.auth0.arequest("GET", "https://api.example.com/things")

    return HttpResponse((await fetch()).content)


@method_decorator(auth0_login_required(permissions="pay:invoices"), name="dispatch")
class Pay(View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("paid")


class Reports(Auth0LoginRequiredMixin, View):
    auth0_scopes = "profile read:reports"

    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("reports")


class Calls(View):
    def get(self, request: Any) -> HttpResponse:
        return self.answer(request)

    def answer(self, request: Any) -> HttpResponse:
        return HttpResponse(request.auth0.api.get("https://api.example.com/things").content)


@auth0_login_required(permissions="pay:invoices", configuration="partners")
def of_partners(request: HttpRequest) -> HttpResponse:
    return HttpResponse("theirs")


@auth0_login_required(scopes="profile email")
def content(request: Any) -> HttpResponse:
    """Has all that every login brings; neither ``claims`` nor an ``api`` of its own is a call."""
    return HttpResponse(f"{request.auth0.claims} {request.api}")


ours = path("auth0/", include("django_auth0_flow.urls"))
urlpatterns = [ours]
