"""An API that calls another one in the name of its caller: plain, async, with REST framework."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from django_auth0_flow.access.on_behalf_of import atoken_on_behalf_of, on_behalf_of, token_on_behalf_of
from django_auth0_flow.decorators import auth0_login_required, bearer_token_required
from django_auth0_flow.rest_framework import Auth0BearerAuthentication

BILLING = "https://billing.example.com"


def token(request: HttpRequest) -> HttpResponse:
    audience, scope = request.GET.get("audience", BILLING), request.GET.get("scope", "")
    return HttpResponse(token_on_behalf_of(request, audience, scope, configuration=request.GET.get("by", "")))


async def atoken(request: HttpRequest) -> HttpResponse:
    return HttpResponse(await atoken_on_behalf_of(request, BILLING))


def call(request: HttpRequest) -> HttpResponse:
    with on_behalf_of(request, BILLING) as api:
        return HttpResponse(api.get(request.GET.get("url", f"{BILLING}/invoices")).text)


class Token(APIView):
    authentication_classes = [Auth0BearerAuthentication]
    permission_classes: Any = []

    def get(self, request: Request) -> Response:
        return Response(token_on_behalf_of(request, BILLING))


urlpatterns = [
    path("auth0/", include("django_auth0_flow.urls")),
    path("token/", bearer_token_required(token)),
    path("token-async/", transaction.non_atomic_requests(bearer_token_required(atoken))),
    path("token-drf/", Token.as_view()),
    path("token-unprotected/", token),
    path("token-of-a-login/", auth0_login_required(token)),
    path("call/", bearer_token_required(call)),
]
