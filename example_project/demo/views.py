"""A button to let an access token expire, and the messages that the tenant has sent."""

from __future__ import annotations

from clinic.readable import minutes
from clinic.types import ClinicRequest
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from django_auth0_flow.decorators import auth0_login_required
from django_auth0_flow.testing.demo import clock

from .templatetags.outbox import newest_messages


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
@never_cache
def outbox_messages(request: HttpRequest) -> HttpResponse:
    """Answer with the outbox alone, for the script that looks for new messages."""
    return render(request, "demo/messages.html", {"outbox": newest_messages()})
