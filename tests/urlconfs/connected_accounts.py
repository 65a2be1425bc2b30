"""Pages that need an account at another service."""

from __future__ import annotations

from django.db import transaction
from django.http import HttpResponse
from django.urls import path
from django.views.generic import View
from rest_framework.response import Response
from rest_framework.views import APIView

from django_auth0_flow.decorators import Auth0LoginRequiredMixin, auth0_login_required
from tests.sample_views import Request
from tests.urls import urlpatterns as _common

GOOGLE = "google-oauth2"


@auth0_login_required(connected=GOOGLE)
def calendar(request: Request) -> HttpResponse:
    return HttpResponse(request.auth0.connection_token(GOOGLE))


class CalendarView(Auth0LoginRequiredMixin, View):
    auth0_connected = GOOGLE

    def get(self, request: Request) -> HttpResponse:
        return HttpResponse(request.auth0.connection_token(GOOGLE))


@transaction.non_atomic_requests
@auth0_login_required(connected=GOOGLE)
async def async_calendar(request: Request) -> HttpResponse:
    return HttpResponse(await request.auth0.aconnection_token(GOOGLE))


@transaction.non_atomic_requests
@auth0_login_required
async def async_in_code(request: Request) -> HttpResponse:
    accounts = await request.auth0.connected_accounts.alist()
    for account in accounts:
        await request.auth0.connected_accounts.adisconnect(account.id)
    return HttpResponse(await request.auth0.aconnection_token(GOOGLE))


@auth0_login_required
def in_code(request: Request) -> HttpResponse:
    return HttpResponse(request.auth0.connection_token(request.GET.get("connection", GOOGLE)))


class Api(APIView):
    def get(self, request: Request) -> Response:
        return Response({"token": request.auth0.connection_token(GOOGLE)})


urlpatterns = [
    *_common,
    path("calendar/", calendar),
    path("calendar-mixin/", CalendarView.as_view()),
    path("async-calendar/", async_calendar),
    path("async-in-code/", async_in_code),
    path("in-code/", in_code),
    path("api/calendar/", Api.as_view()),
]
