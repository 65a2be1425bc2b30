"""The API side: judging the access token in a request's Authorization header."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, JsonResponse

from .conf import get_client, get_settings
from .protocol.errors import TokenValidationError, TransportError

logger = logging.getLogger("django_auth0_flow.bearer")
_BEARER = re.compile(r"Bearer +([A-Za-z0-9._~+/=-]+)\Z", re.IGNORECASE)


def check_bearer_token(
    request: HttpRequest,
    *,
    audience: str | None,
    scopes: Collection[str],
    permissions: Collection[str],
    configuration: str,
) -> HttpResponse | None:
    """Return None and set ``request.access_token_claims`` if the token is good, else the answer. RFC 6750 §3.1."""
    expected = audience or get_settings(configuration).audience
    if not expected:
        raise ImproperlyConfigured("bearer_token_required needs an audience: its argument, or AUTH0['AUDIENCE'].")
    header = request.headers.get("Authorization", "")
    if header.partition(" ")[0].lower() != "bearer":
        return _refuse(401, "", "No access token came with the request.")
    found = _BEARER.match(header)
    if found is None:
        return _refuse(400, "invalid_request", "The Authorization header is not of the form Bearer <token>.")
    try:
        claims = get_client(configuration).validate_access_token(found[1], expected)
    except TokenValidationError as error:
        logger.info("bearer_token_refused claim=%s", error.claim)
        return _refuse(401, "invalid_token", f"The access token was refused: {error.claim}.")
    except TransportError as error:
        logger.warning("bearer_token_unchecked code=%s", error.code)
        answer = JsonResponse({"error": "temporarily_unavailable", "code": error.code}, status=503)
        answer["Retry-After"] = str(error.retry_after or 5)
        return _unstored(answer)
    if "cnf" in claims:
        return _refuse(401, "invalid_token", "The access token is bound to a key and was sent without a proof.")
    missing = set(scopes) - granted_scopes(claims)
    if missing:
        return _refuse(403, "insufficient_scope", "The access token lacks a scope.", scope=" ".join(sorted(scopes)))
    if set(permissions) - granted_permissions(claims):
        wanted = " ".join(sorted(permissions))
        return _refuse(403, "insufficient_scope", "The access token lacks a permission.", scope=wanted)
    request.access_token_claims = claims  # type: ignore[attr-defined]  # this is what adds it
    return None


def granted_scopes(claims: dict[str, Any]) -> frozenset[str]:
    """Return the scopes in an access token's claims."""
    scope = claims.get("scope")
    return frozenset(scope.split()) if isinstance(scope, str) else frozenset()


def granted_permissions(claims: dict[str, Any]) -> frozenset[str]:
    """Return the permissions in an access token's claims."""
    found = claims.get("permissions")
    return frozenset(item for item in found if isinstance(item, str)) if isinstance(found, list) else frozenset()


def _refuse(status: int, error: str, description: str, *, scope: str = "") -> HttpResponse:
    """Answer with a challenge. A request without any token learns no error code. RFC 6750 §3."""
    parts = ['realm="api"']
    if error:
        parts += [f'error="{error}"', f'error_description="{description}"']
    if scope:
        parts.append(f'scope="{scope}"')
    body = {"error": error or "unauthorized", "error_description": description}
    answer = JsonResponse(body, status=status)
    answer["WWW-Authenticate"] = "Bearer " + ", ".join(parts)
    return _unstored(answer)


def _unstored(answer: HttpResponse) -> HttpResponse:
    answer["Cache-Control"] = "no-store"
    return answer
