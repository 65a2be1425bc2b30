"""What the tests of back-channel logout send, and what they expect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.test import Client

from django_auth0_flow.models import LoginSession

PATH = "/auth0/backchannel-logout/"
FORM = "application/x-www-form-urlencoded"
LogIn = Callable[..., Any]


def send(token: str, *, to: str = PATH, **extra: Any) -> Any:
    """POST a logout token as a tenant does: no cookie, and a site that insists on CSRF tokens."""
    client = Client(enforce_csrf_checks=True)
    return client.post(to, urlencode({"logout_token": token}), content_type=FORM, **extra)


def sid_of(row: LoginSession) -> str:
    return str(row.grant.claims["sid"])


def name_at_home(client: Client) -> str:
    """Return whom the home page greets; under LoginRequiredMiddleware nobody gets there without a login."""
    response = client.get("/")
    return "nobody" if response.status_code == 302 else response.content.decode().removeprefix("home of ")


def assert_refused(response: Any, claim: str = "") -> None:
    assert response.status_code == 400, response.content
    assert response["Cache-Control"] == "private, no-store"
    body = response.json()
    assert body["error"] == "invalid_request"
    assert body["error_description"].startswith(claim)


def assert_done(response: Any) -> None:
    assert (response.status_code, response.content, response["Cache-Control"]) == (200, b"", "private, no-store")
    assert not response.cookies


def row_of(client: Client) -> LoginSession:
    return LoginSession.objects.get(pk=client.session["_auth0"]["id"])
