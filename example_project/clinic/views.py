"""The pages. Each shows one thing that django_auth0_flow does, and says so."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import requests
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from django_auth0_flow.decorators import auth0_login_required

from .conf import settings
from .forms import BookingForm
from .models import Appointment, TokenRefresh
from .readable import claim, token_facts
from .types import ClinicRequest

#: How an OpenID provider says that a second factor was used.
SECOND_FACTOR = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"


@require_GET
def home(request: ClinicRequest) -> HttpResponse:
    return render(request, "clinic/home.html")


# -- a page that needs a login, and what is known about it then ----------------------------------------------------------


@require_GET
@auth0_login_required
def profile(request: ClinicRequest) -> HttpResponse:
    login = request.auth0
    context = {
        "claims": [(name, claim(name, value)) for name, value in login.claims.items()],
        "scopes": sorted(login.scopes),
        "permissions": sorted(login.permissions),
        "organization": login.organization,
        "configuration": login.configuration.name,
        "token_type": login.tokens.token_type if login.tokens.access_token else "",
    }
    return render(request, "clinic/profile.html", context)


# -- pages that need more than a login -----------------------------------------------------------------------------------


@require_GET
@auth0_login_required(acr_values=SECOND_FACTOR)
def results(request: ClinicRequest) -> HttpResponse:
    return render(request, "clinic/results.html", {"claims": request.auth0.claims})


@require_GET
@auth0_login_required(permissions="manage:rota")
def rota(request: ClinicRequest) -> HttpResponse:
    coming = Appointment.objects.filter(starts_at__gte=timezone.now())[:100]
    return render(request, "clinic/rota.html", {"appointments": coming})


# -- pages that call an API in the visitor's name ------------------------------------------------------------------------


@require_GET
@auth0_login_required
def appointments(request: ClinicRequest) -> HttpResponse:
    return appointments_page(request, BookingForm())


@require_http_methods(["GET", "POST"])
@auth0_login_required
def book(request: ClinicRequest) -> HttpResponse:
    form = BookingForm(request.POST or None)
    if not form.is_valid():
        return appointments_page(request, form)
    call = call_api(request, "POST", {name: str(value) for name, value in form.cleaned_data.items()})
    if call.status == 201:
        messages.success(request, _("Booked: %(doctor)s, %(room)s.") % call.body)
        return redirect("appointments")
    if call.status == 409:
        form.add_error("time", _("This time is taken already."))
    else:
        messages.error(request, call.trouble)
    return appointments_page(request, form)


def appointments_page(request: ClinicRequest, form: BookingForm) -> HttpResponse:
    call = call_api(request)
    found = call.body.get("appointments", ())
    context = {
        "call": call,
        "appointments": [{**each, "starts_at": datetime.fromisoformat(each["starts_at"])} for each in found],
        "token": token_facts(request.auth0),
        "refreshes": TokenRefresh.objects.filter(login_session_id=request.auth0.login_session.pk),
        "form": form,
    }
    return render(request, "clinic/appointments.html", context)


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
            return _("Your account may not do this: its access token lacks the scope that the API asks for.")
        return _("The appointments can't be reached at the moment. Please try again later.")


def call_api(request: ClinicRequest, method: str = "GET", body: Mapping[str, str] | None = None) -> ApiCall:
    """Call the appointments API in the visitor's name; the token comes, and is refreshed, by itself."""
    started = time.perf_counter()
    status, found = 0, None
    try:
        headers = {"Accept-Language": get_language()}  # rooms have names in both
        answer = request.auth0.api.request(method, settings.API_URL, json=body, headers=headers)
        status, found = answer.status_code, answer.json()
    except requests.RequestException:
        # No answer, or one that is not JSON. What concerns the login, such as LoginRequired, is not caught: the
        # middleware sends the visitor to log in again.
        pass
    milliseconds = round((time.perf_counter() - started) * 1000)
    return ApiCall(method, status, milliseconds, found if isinstance(found, dict) else {})
