"""The pages. Each shows one thing that django_auth0_flow does, and says so."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import requests
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST
from site_config import clock

from django_auth0_flow.conf import get_settings
from django_auth0_flow.decorators import auth0_login_required
from django_auth0_flow.session import Auth0Session

from .conf import api_url, is_demo
from .forms import BookingForm
from .models import Appointment, TokenRefresh
from .types import ClinicRequest

#: How an OpenID provider says that a second factor was used.
SECOND_FACTOR = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"


@require_GET
def home(request: ClinicRequest) -> HttpResponse:
    return render(request, "clinic/home.html")


@require_GET
@auth0_login_required
def profile(request: ClinicRequest) -> HttpResponse:
    login = request.auth0
    context = {
        "claims": [(name, readable(name, value)) for name, value in login.claims.items()],
        "scopes": sorted(login.scopes),
        "permissions": sorted(login.permissions),
        "organization": login.organization,
        "configuration": login.configuration.name,
        "token_type": login.tokens.token_type if login.tokens.access_token else "",
    }
    return render(request, "clinic/profile.html", context)


@require_GET
@auth0_login_required
def appointments(request: ClinicRequest) -> HttpResponse:
    return appointments_page(request, BookingForm())


@require_POST
@auth0_login_required
def book(request: ClinicRequest) -> HttpResponse:
    form = BookingForm(request.POST)
    if not form.is_valid():
        return appointments_page(request, form)
    call = call_api(request, "POST", {name: str(value) for name, value in form.cleaned_data.items()})
    if call.status == 201:
        messages.success(request, f"Booked: {call.body['doctor']}, {call.body['room']}.")
        return redirect("appointments")
    if call.status == 409:
        form.add_error("time", "This time is taken already.")
    else:
        messages.error(request, call.trouble)
    return appointments_page(request, form)


def appointments_page(request: ClinicRequest, form: BookingForm) -> HttpResponse:
    login = request.auth0
    call = call_api(request)
    context = {
        "call": call,
        "appointments": [
            {**item, "starts_at": datetime.fromisoformat(item["starts_at"])}
            for item in call.body.get("appointments", ())
        ],
        "token": TokenFacts.of(login),
        "refreshes": TokenRefresh.objects.filter(login_session_id=login.login_session.pk),
        "form": form,
    }
    return render(request, "clinic/appointments.html", context)


@require_POST
@auth0_login_required
def expire_token(request: ClinicRequest) -> HttpResponse:
    """Put the demo's clock forward to one second after the access token's expiry."""
    if not is_demo():
        raise Http404
    login = request.auth0
    seconds = max(0.0, (login.tokens.expires_at or 0) - clock.now()) + 1
    clock.put_forward(seconds)
    came_anew = (
        "It was refreshed by itself before this page called the API."
        if login.tokens.refresh_token
        else "There is no refresh token to get another one with, so you were logged in again on the way to this page."
    )
    messages.info(
        request, f"The clock was put forward by {minutes(seconds)}, past the end of your access token. {came_anew}"
    )
    return redirect("appointments")


@require_GET
@auth0_login_required(acr_values=SECOND_FACTOR)
def results(request: ClinicRequest) -> HttpResponse:
    return render(request, "clinic/results.html", {"claims": request.auth0.claims})


@require_GET
@auth0_login_required(permissions="manage:rota")
def rota(request: ClinicRequest) -> HttpResponse:
    coming = Appointment.objects.filter(starts_at__gte=timezone.now())[:100]
    return render(request, "clinic/rota.html", {"appointments": coming})


# -- what the pages show -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ApiCall:
    """What the API answered. ``status`` 0: no answer at all."""

    method: str
    status: int
    milliseconds: int
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def trouble(self) -> str:
        if self.ok:
            return ""
        if self.status == 403:
            return "Your account may not do this: its access token lacks the scope that the API asks for."
        return "The appointments can't be reached at the moment. Please try again later."


def call_api(request: ClinicRequest, method: str = "GET", body: Mapping[str, str] | None = None) -> ApiCall:
    """Call the appointments API in the visitor's name; the token comes, and is refreshed, by itself."""
    login = request.auth0
    started = time.perf_counter()
    try:
        answer = login.api.request(method, api_url(), json=body)
        found = answer.json()
    except requests.RequestException:
        return ApiCall(method, 0, elapsed(started))
    return ApiCall(method, answer.status_code, elapsed(started), found if isinstance(found, dict) else {})


def elapsed(started: float) -> int:
    return round((time.perf_counter() - started) * 1000)


@dataclass(frozen=True)
class TokenFacts:
    """What may be shown of an access token: never the token."""

    now: datetime
    received_at: datetime
    expires_at: datetime | None
    lives: str
    scopes: list[str]
    has_refresh_token: bool

    @classmethod
    def of(cls, login: Auth0Session) -> TokenFacts:
        now = get_settings().clock()
        tokens, row = login.tokens, login.login_session
        return cls(
            now=moment(now),
            received_at=moment(row.refreshed_at or row.logged_in_at),
            expires_at=moment(tokens.expires_at) if tokens.expires_at else None,
            lives=minutes(max(0, (tokens.expires_at or 0) - now)),
            scopes=sorted(tokens.scope),
            has_refresh_token=tokens.refresh_token is not None,
        )


def moment(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)


def minutes(seconds: float) -> str:
    """Return a length of time in words: ``4 min 59 s``, without seconds from an hour on."""
    whole, rest = divmod(round(seconds), 60)
    hours, whole = divmod(whole, 60)
    parts = [
        f"{hours} h" * bool(hours),
        f"{whole} min" * bool(whole),
        f"{rest} s" * (not hours and (rest > 0 or not whole)),
    ]
    return " ".join(filter(None, parts))


def readable(name: str, value: object) -> str:
    """Return a claim's value for reading; points in time are told as such."""
    if name in ("iat", "exp", "auth_time") and isinstance(value, (int, float)):
        return f"{value} ({moment(value):%d %B %Y, %H:%M:%S} UTC)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
