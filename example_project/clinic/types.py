"""What type checkers should know of a request here."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from django_auth0_flow.session import Auth0Session


class ClinicRequest(HttpRequest):
    """Django's request with what ``Auth0Middleware`` and ``bearer_token_required`` put on it. Never made at run time."""

    auth0: Auth0Session
    access_token_claims: dict[str, Any]
