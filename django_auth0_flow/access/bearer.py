"""The API side: judging the access token in a request's Authorization header."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, JsonResponse

from django_auth0_flow.access.current_login import accepted_configurations
from django_auth0_flow.conf import Auth0Settings, get_client, get_settings
from django_auth0_flow.conf.shared_cache import add_once
from django_auth0_flow.pages.cache_headers import forbid_storing
from django_auth0_flow.pages.rendering import TOKEN_CONFIGURATION, view_name_of
from django_auth0_flow.protocol.claim_checks import permissions_of, scopes_of
from django_auth0_flow.protocol.errors import NoAccessToken, TokenValidationError, TransportError

logger = logging.getLogger(__name__)

_SCHEMES = {"bearer": "Bearer", "dpop": "DPoP"}

_CREDENTIALS = re.compile(r"[A-Za-z]+ +([A-Za-z0-9._~+/=-]+)\Z")

_BAD_PROOF = "invalid_dpop_proof"

#: Seconds for rounding and clocks that a used proof is remembered longer than it would be accepted.
_REMEMBERED_LONGER = 60


@dataclass(frozen=True)
class _Refusal:
    """``why`` is for the log: in our own words, without anything from the token but times. "": nothing was refused."""

    answer: HttpResponse
    code: str = ""
    why: str = ""


def check_bearer_token(
    request: HttpRequest,
    *,
    audience: str | None,
    scopes: Collection[str] = (),
    permissions: Collection[str] = (),
    configurations: Collection[str] = (),
) -> HttpResponse | None:
    """Return None and set ``request.access_token_claims`` if the token is good, else the answer. RFC 6750 §3.1.

    ``configurations``: whose tokens count; default: those of the one that the request would log in with. A token that is
    bound to a key is accepted under the scheme DPoP only, with a proof for this request. RFC 9449 §7.
    """
    refusals: list[_Refusal] = []
    for name in accepted_configurations(request, configurations):
        refusal = _check_for(request, name, audience=audience, scopes=scopes, permissions=permissions)
        if refusal is None:
            setattr(request, TOKEN_CONFIGURATION, name)
            return None
        refusals.append(refusal)
    # Of several refusals, the one with the highest status: it came furthest, or the token could not be judged there.
    worst = max(refusals, key=lambda refusal: refusal.answer.status_code)
    if worst.why:
        logger.warning("bearer_token_refused code=%s view=%s: %s", worst.code, view_name_of(request), worst.why)
    return worst.answer


def caller_of(request: HttpRequest) -> tuple[str, dict[str, Any], str]:
    """Return the access token that let this request in, its claims, and the configuration that it is good for.

    Raises NoAccessToken (``no_caller``) where none did.
    """
    name, claims = getattr(request, TOKEN_CONFIGURATION, None), getattr(request, "access_token_claims", None)
    found = _CREDENTIALS.match(request.headers.get("Authorization", ""))
    if name is None or claims is None or found is None:
        raise NoAccessToken("No access token has let this request in.", code="no_caller")
    return found[1], claims, str(name)


def _check_for(
    request: HttpRequest,
    configuration: str,
    *,
    audience: str | None,
    scopes: Collection[str],
    permissions: Collection[str],
) -> _Refusal | None:
    conf = get_settings(configuration)
    expected = audience or conf.api_audience
    if not expected:
        raise ImproperlyConfigured("bearer_token_required needs an audience: its argument, or AUTH0['AUDIENCE'].")
    header = request.headers.get("Authorization", "")
    scheme = _SCHEMES.get(header.partition(" ")[0].lower())
    if scheme is None:
        return _Refusal(_refuse("Bearer", 401, "", "No access token came with the request.", dpop_too=conf.dpop))
    found = _CREDENTIALS.match(header)
    if found is None:
        problem = f"The Authorization header is not of the form {scheme} <token>."
        return _Refusal(_refuse(scheme, 400, "invalid_request", problem), "invalid_request", problem)
    try:
        claims = get_client(configuration).validate_access_token(found[1], expected)
        if scheme == "DPoP":
            _check_proof(request, conf, claims, found[1])
    except TokenValidationError as error:
        what, code = ("proof", _BAD_PROOF) if error.code == _BAD_PROOF else ("access token", "invalid_token")
        return _Refusal(_refuse(scheme, 401, code, f"The {what} was refused."), error.code, str(error))
    except TransportError as error:
        return _Refusal(_unchecked(error))
    if scheme == "Bearer" and "cnf" in claims:
        problem = "The access token is bound to a key and was sent without a proof."
        return _Refusal(_refuse(scheme, 401, "invalid_token", problem, dpop_too=True), "invalid_token", problem)
    if missing := set(scopes) - scopes_of(claims):
        return _insufficient(scheme, "scope", scopes, missing)
    if missing := set(permissions) - permissions_of(claims):
        return _insufficient(scheme, "permission", permissions, missing)
    request.access_token_claims = claims  # type: ignore[attr-defined]  # this is what adds it
    return None


def _insufficient(scheme: str, word: str, wanted: Collection[str], missing: Collection[str]) -> _Refusal:
    text, code = f"The access token lacks a {word}.", "insufficient_scope"
    answer = _refuse(scheme, 403, code, text, scope=" ".join(sorted(wanted)))
    return _Refusal(answer, code, f"it lacks the {word} {', '.join(sorted(missing))}")


def _check_proof(request: HttpRequest, conf: Auth0Settings, claims: dict[str, Any], access_token: str) -> None:
    """Check the proof that came with a bound token, and that it was not used before. Raises TokenValidationError.

    The proof's address may be the one of this request or the same path below ``BASE_URL``.
    """
    # Here, since cryptography comes along: the decorators of views stand on this module.
    from django_auth0_flow.protocol.dpop import MAX_PROOF_AGE, MAX_PROOF_SKEW, validate_proof

    binding = claims.get("cnf")
    if not isinstance(binding, dict) or set(binding) != {"jkt"}:
        raise TokenValidationError("cnf", "the token is not bound to a DPoP key")
    here = request.build_absolute_uri(request.path)
    digest = validate_proof(
        request.headers.get("DPoP", ""),
        method=request.method or "",
        urls=(here, conf.base_url + request.path) if conf.base_url else (here,),
        access_token=access_token,
        thumbprint=binding["jkt"],
        now=conf.clock(),
    )
    if not add_once(f"auth0_flow:dpop:{digest}", MAX_PROOF_AGE + MAX_PROOF_SKEW + _REMEMBERED_LONGER):
        raise TokenValidationError("jti", "the proof was used before", code=_BAD_PROOF)


def _unchecked(error: TransportError) -> HttpResponse:
    """Answer for a token that could not be judged, through no fault of its bearer: 503, or 502 if waiting does not help."""
    if error.is_unusable_answer:
        logger.error("bearer_token_unchecked code=%s", error.code)
        return forbid_storing(JsonResponse({"error": "unusable_answer", "code": error.code}, status=502))
    logger.warning("bearer_token_unchecked code=%s", error.code)
    answer = JsonResponse({"error": "temporarily_unavailable", "code": error.code}, status=503)
    if error.retryable:
        answer["Retry-After"] = str(error.retry_after or 5)
    return forbid_storing(answer)


def _refuse(
    scheme: str, status: int, error: str, description: str, *, scope: str = "", dpop_too: bool = False
) -> HttpResponse:
    """Answer with a challenge. A request without any token learns no error code. RFC 6750 §3, RFC 9449 §7.1."""
    parts = ['realm="api"']
    if error:
        parts += [f'error="{error}"', f'error_description="{description}"']
    if scope:
        parts.append(f'scope="{scope}"')
    if scheme == "DPoP":
        parts.append(_dpop_algorithms())
    body = {"error": error or "unauthorized", "error_description": description}
    answer = JsonResponse(body, status=status)
    answer["WWW-Authenticate"] = f"{scheme} {', '.join(parts)}" + (f", DPoP {_dpop_algorithms()}" if dpop_too else "")
    return forbid_storing(answer)


def _dpop_algorithms() -> str:
    from django_auth0_flow.protocol.dpop import ALGORITHM

    return f'algs="{ALGORITHM}"'
