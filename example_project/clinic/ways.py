"""The page "Ways to log in", and the pages that it leads to. They need the settings of ``site_config.ways``."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import requests
from django.contrib.auth.signals import user_logged_in
from django.db.models import Count
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_safe

from django_auth0_flow.access.on_behalf_of import on_behalf_of
from django_auth0_flow.conf import configuration_names
from django_auth0_flow.decorators import auth0_login_required, bearer_token_required
from django_auth0_flow.embedded.token_exchange import log_in_with_token
from django_auth0_flow.machine import machine_api
from django_auth0_flow.protocol.errors import (
    AccountNotConnected,
    Auth0Error,
    MachineTokenRefused,
    NoAccessToken,
    TransportError,
)

from .conf import settings
from .models import Appointment, Doctor
from .types import ClinicRequest

#: The identity provider whose token the calendar page asks Token Vault for.
CONNECTION = "google-oauth2"
#: The cookie of the clinic's old site, and the type of its token, for which the tenant has a token exchange profile.
OLD_COOKIE, OLD_TYPE = "old_clinic", "urn:harbour-clinic:old-session"
#: Under this key the session has the name of the configuration that the visitor logged in with by last.
_WAY = "way"


def configuration_for(request: HttpRequest) -> str | None:
    """Return the name of the configuration whose logins count for this request; None for the default.

    Here that is the one of the newest login, whichever it was: all of them are the same people at the same tenant. Sites
    with several tenants go by the host or the path.
    """
    name: str | None = request.session.get(_WAY)
    return name


@receiver(user_logged_in)
def note_way(*, request: HttpRequest, **kwargs: Any) -> None:
    if request.resolver_match is not None:
        request.session[_WAY] = request.resolver_match.kwargs.get("configuration")


def api_origin() -> str:
    """Return where this site's own APIs are."""
    return "{0.scheme}://{0.netloc}".format(urlsplit(settings.API_URL))


@require_GET
def overview(request: ClinicRequest) -> HttpResponse:
    """List each kind of login that the configurations make possible."""
    context = {"configurations": configuration_names(), "organization": settings.ORGANIZATION}
    return render(request, "clinic/ways.html", context)


@require_GET
@auth0_login_required(silent=True)
def silent(request: ClinicRequest) -> HttpResponse:
    """Greet visitors whom the tenant knows, without a login page; the others are not logged in and may read on."""
    return render(request, "clinic/silent.html", {"claims": request.auth0.claims})


@require_GET
@auth0_login_required(access_token=True)
def access_token(request: ClinicRequest) -> HttpResponse:
    """Show what an access token that was added to a login without one is good for. It stays here."""
    login = request.auth0
    context = {
        "configuration": login.configuration.name,
        "length": len(login.access_token()),
        "scopes": sorted(login.scopes),
        "audience": login.configuration.api_audience,
    }
    return render(request, "clinic/access_token.html", context)


@require_GET
@auth0_login_required
def invoices(request: ClinicRequest) -> HttpResponse:
    """Call a second API with the same login: its token is another one, fetched with the same refresh token."""
    context: dict[str, Any] = {"audience": settings.BILLING_AUDIENCE}
    try:
        api = request.auth0.api_for(settings.BILLING_AUDIENCE, "read:invoices", origins=[api_origin()])
        answer = api.get(api_origin() + reverse("api_invoices"))
        context.update(status=answer.status_code, body=answer.json())
    except NoAccessToken as error:
        context["code"] = error.code
    except requests.RequestException:
        context["code"] = "no_answer"
    return render(request, "clinic/invoices.html", context)


@require_GET
@auth0_login_required
def bill(request: ClinicRequest) -> HttpResponse:
    """Ask this site's own API, which asks the second one itself, in the visitor's name."""
    context: dict[str, Any] = {"audience": settings.BILLING_AUDIENCE}
    try:
        answer = request.auth0.api.get(api_origin() + reverse("api_bill"))
        context.update(status=answer.status_code, body=answer.json())
    except requests.RequestException:
        context["code"] = "no_answer"
    return render(request, "clinic/bill.html", context)


@require_safe
@bearer_token_required(scopes="read:appointments")
def bill_api(request: ClinicRequest) -> JsonResponse:
    """``/api/bill/``: what the caller owes. It knows no invoices, and calls the API that does in its caller's name."""
    with on_behalf_of(
        request, settings.BILLING_AUDIENCE, "read:invoices", origins=[api_origin()], configuration="api"
    ) as api:
        found = api.get(api_origin() + reverse("api_invoices")).json()
    return JsonResponse({**found, "by_way_of": "api/bill"})


@require_GET
def old_clinic(request: ClinicRequest) -> HttpResponse:
    """Log in whom the clinic's old site knows: its cookie is worth a login here. Others log in as usual."""
    try:
        return redirect(log_in_with_token(request, request.COOKIES.get(OLD_COOKIE, ""), OLD_TYPE, next_url="/profile/"))
    except Auth0Error:
        return redirect("auth0:login")


@require_safe
@bearer_token_required(audience=settings.BILLING_AUDIENCE, scopes="read:invoices")
def invoices_api(request: ClinicRequest) -> JsonResponse:
    """``/api/invoices/``: that second API. A token for the appointments is refused here."""
    claims = request.access_token_claims
    owed = [{"for": "Eye test", "amount": "40.00"}, {"for": "Vaccination", "amount": "25.00"}]
    return JsonResponse({"invoices": owed, "audience": claims["aud"], "scope": claims.get("scope", "")})


@require_GET
def board(request: ClinicRequest) -> HttpResponse:
    """Show everyone how much is booked: the API is called in the site's own name, so no login is needed."""
    context: dict[str, Any] = {}
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(settings.API_URL))
    try:
        answer = machine_api(scope="read:board").get(origin + reverse("api_board"))
        context.update(status=answer.status_code, body=answer.json())
    except (MachineTokenRefused, TransportError) as error:
        context["code"] = error.code
    except requests.RequestException:
        context["code"] = "no_answer"
    return render(request, "clinic/board.html", context)


@require_safe
@bearer_token_required(scopes="read:board")
def board_api(request: ClinicRequest) -> JsonResponse:
    """``/api/board/``: numbers only, for an application that may read them. A patient's token lacks the scope."""
    coming = Appointment.objects.filter(starts_at__gte=timezone.now()).order_by()
    counts = dict(coming.values_list("doctor").annotate(Count("pk")))
    booked = [{"doctor": doctor.label, "count": counts.get(doctor.value, 0)} for doctor in Doctor]
    return JsonResponse({"booked": booked, "caller": request.access_token_claims["sub"]})


@require_GET
@auth0_login_required
def calendar(request: ClinicRequest) -> HttpResponse:
    """Fetch the visitor's access token at another provider. It stays here: the page tells its length only.

    Who has connected no account there is led to the page that connects one, and back.
    """
    context: dict[str, Any] = {"connection": CONNECTION, "configuration": request.auth0.configuration.name}
    try:
        context["length"] = len(request.auth0.connection_token(CONNECTION))
    except AccountNotConnected:
        raise  # for the middleware
    except NoAccessToken as error:
        context["code"] = error.code
    return render(request, "clinic/calendar.html", context)
