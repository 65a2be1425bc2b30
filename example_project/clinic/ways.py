"""The page "Ways to log in", and the pages that it leads to."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import requests
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from django_auth0_flow.conf import configuration_names
from django_auth0_flow.decorators import auth0_login_required
from django_auth0_flow.protocol.errors import NoAccessToken

from .conf import api_url, billing_audience, organization, outbox_url
from .types import ClinicRequest

#: The identity provider whose token the calendar page asks Token Vault for.
CONNECTION = "google-oauth2"
_NEWEST = 5


@require_GET
def overview(request: ClinicRequest) -> HttpResponse:
    """List each kind of login that the configurations make possible."""
    context = {"configurations": configuration_names(), "organization": organization(), "outbox": outbox_url()}
    return render(request, "clinic/ways.html", context)


@require_GET
@auth0_login_required(silent=True)
def silent(request: ClinicRequest) -> HttpResponse:
    """Greet whomever the tenant knows, without a login page; everybody else may read on as nobody."""
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
    context: dict[str, Any] = {"audience": billing_audience()}
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(api_url()))
    try:
        api = request.auth0.api_for(billing_audience(), "read:invoices", origins=[origin])
        answer = api.get(origin + reverse("api_invoices"))
        context.update(status=answer.status_code, body=answer.json())
    except NoAccessToken as error:
        context["code"] = error.code
    except requests.RequestException:
        context["code"] = "no_answer"
    return render(request, "clinic/invoices.html", context)


@require_GET
@auth0_login_required
def calendar(request: ClinicRequest) -> HttpResponse:
    """Fetch the visitor's access token at another provider. It stays here: the page tells its length only."""
    context: dict[str, Any] = {"connection": CONNECTION, "configuration": request.auth0.configuration.name}
    try:
        context["length"] = len(request.auth0.connection_token(CONNECTION))
    except NoAccessToken as error:
        context["code"] = error.code
    return render(request, "clinic/calendar.html", context)


@require_GET
def outbox(request: ClinicRequest) -> HttpResponse:
    """Show the newest messages of the demo's tenant, in the place of a mailbox and a telephone."""
    if not outbox_url():
        raise Http404
    try:
        messages = requests.get(outbox_url(), timeout=5).json()
    except requests.RequestException:
        messages = []
    return render(request, "clinic/outbox.html", {"outbox": messages[: -_NEWEST - 1 : -1]})
