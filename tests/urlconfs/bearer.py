"""Views of an API that ask for more than one thing."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path

from django_auth0_flow.decorators import bearer_token_required


def inside(request: HttpRequest) -> HttpResponse:
    return HttpResponse("inside")


urlpatterns = [
    path("api/two-scopes/", bearer_token_required(scopes="b:y a:x")(inside)),
    path("api/two-permissions/", bearer_token_required(permissions=["b:y", "a:x"])(inside)),
]
