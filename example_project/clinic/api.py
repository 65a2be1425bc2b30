"""The appointments API: it knows access tokens, no sessions and no cookies."""

from __future__ import annotations

import json
from typing import Any

from django.db import IntegrityError, transaction
from django.http import JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from django_auth0_flow.decorators import bearer_token_required

from .forms import BookingForm
from .models import Appointment
from .types import ClinicRequest


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def appointments(request: ClinicRequest) -> HttpResponseBase:
    """``/api/appointments/``: GET lists the caller's appointments, POST books one. Each needs another scope."""
    answer: HttpResponseBase = (book if request.method == "POST" else list_appointments)(request)
    return answer


@bearer_token_required(scopes="read:appointments")
def list_appointments(request: ClinicRequest) -> JsonResponse:
    mine = Appointment.objects.filter(subject=request.access_token_claims["sub"])
    return JsonResponse({"appointments": [as_json(appointment) for appointment in mine]})


@bearer_token_required(scopes="write:appointments")
def book(request: ClinicRequest) -> JsonResponse:
    try:
        wanted = json.loads(request.body)
    except (ValueError, RecursionError):
        wanted = None
    if not isinstance(wanted, dict):
        return JsonResponse({"error": "The body is not a JSON object."}, status=400)
    form = BookingForm(wanted)
    if not form.is_valid():
        return JsonResponse({"errors": form.errors}, status=400)
    try:
        with transaction.atomic():
            booked = Appointment.objects.create(
                subject=request.access_token_claims["sub"],
                doctor=form.cleaned_data["doctor"],
                starts_at=form.starts_at,
                reason=form.cleaned_data["reason"],
            )
    except IntegrityError:
        return JsonResponse({"errors": {"time": ["This time is taken already."]}}, status=409)
    return JsonResponse(as_json(booked), status=201)


def as_json(appointment: Appointment) -> dict[str, Any]:
    return {
        "doctor": appointment.doctor_name,
        "room": appointment.room,
        "starts_at": appointment.starts_at.isoformat(),
        "reason": appointment.reason,
    }
