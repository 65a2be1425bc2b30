"""The views that the README's examples are about."""

from __future__ import annotations

from typing import Any

from django.http import JsonResponse
from django.urls import include, path
from rest_framework.response import Response
from rest_framework.views import APIView

from django_auth0_flow.decorators import auth0_login_required, bearer_token_required
from django_auth0_flow.rest_framework import Auth0BearerAuthentication, HasScopes
from tests.sample_views import Request

APPOINTMENTS = "https://api.example.com/appointments"


@auth0_login_required
def appointments(request: Request) -> JsonResponse:
    return JsonResponse(request.auth0.api.get(APPOINTMENTS).json())


@auth0_login_required(permissions="write:rota")
def rota(request: Request) -> JsonResponse:
    return JsonResponse({"rota": []})


@bearer_token_required(scopes="read:things")
def things(request: Request) -> JsonResponse:
    return JsonResponse({"sub": request.access_token_claims["sub"]})


class Rooms(APIView):
    authentication_classes = [Auth0BearerAuthentication]
    permission_classes: Any = [HasScopes("read:rooms")]

    def get(self, request: Any) -> Response:
        return Response({"caller": str(request.user)})


urlpatterns = [
    path("auth0/", include("django_auth0_flow.urls")),
    path("appointments/", appointments),
    path("rota/", rota),
    path("api/things/", things),
    path("api/rooms/", Rooms.as_view()),
]
