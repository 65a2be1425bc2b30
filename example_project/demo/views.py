"""A button to let an access token expire, and the mailbox of everybody at the demo's tenant."""

from __future__ import annotations

import requests
from clinic.conf import settings
from clinic.readable import minutes
from clinic.types import ClinicRequest
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from django_auth0_flow.decorators import auth0_login_required
from django_auth0_flow.testing.demo import clock

_NEWEST = 5


@require_POST
@auth0_login_required
def expire_token(request: ClinicRequest) -> HttpResponse:
    """Put the clock forward to one second after the access token's expiry."""
    tokens = request.auth0.tokens
    seconds = max(0.0, (tokens.expires_at or 0) - clock.now()) + 1
    clock.put_forward(seconds)
    happened = _("The clock was put forward by %(time)s, past the end of your access token.") % {
        "time": minutes(seconds)
    }
    came_anew = (
        _("It was refreshed by itself before this page called the API.")
        if tokens.refresh_token
        else _(
            "There is no refresh token to get another one with, so you were logged in again on the way to this page."
        )
    )
    messages.info(request, f"{happened} {came_anew}")
    return redirect("appointments")


@require_GET
def outbox(request: ClinicRequest) -> HttpResponse:
    """Show the newest messages of the demo's tenant, in the place of a mailbox and a telephone."""
    try:
        sent = requests.get(settings.OUTBOX_URL, timeout=60).json()
    except requests.RequestException:
        sent = []
    return render(request, "demo/outbox.html", {"outbox": sent[: -_NEWEST - 1 : -1]})
