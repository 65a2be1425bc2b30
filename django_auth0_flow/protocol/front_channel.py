"""Completing a login by what the authorization response brought: a code, an ID token, an access token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .authorization import AuthorizationRequest, AuthorizationResponse, code_of
from .client import Client
from .errors import CallbackError, TokenValidationError, TransportError
from .tokens import TokenSet, parse_token_response


def complete(
    client: Client, request: AuthorizationRequest, response: AuthorizationResponse, **expected: Any
) -> tuple[TokenSet, dict[str, Any]]:
    """Return the token set and validated ID token claims of a response that ``judge_response`` has let pass.

    ``expected`` as in ``Client.complete``. What the request did not ask for is not looked at. Raises CallbackError when a
    part is missing, and as ``Client.complete``. OpenID Connect Core §3.1.3, §3.2.2, §3.3.2, §3.3.3.
    """
    if request.kinds == {"code"}:
        return client.complete(request, code_of(response), **expected)
    first = _front_claims(client, request, response, expected)
    if "code" in request.kinds:
        tokens, claims = client.complete(request, code_of(response), **expected)
        for name in ("iss", "sub"):
            if claims[name] != first[name]:
                raise TokenValidationError(name, "the two ID tokens of this login are about different people")
        return tokens, claims
    if "token" in request.kinds:
        tokens = access_token_of(client, request, response)
        return TokenSet(**{**vars(tokens), "id_token": response.id_token}), first
    return TokenSet(id_token=response.id_token, obtained_at=client.clock()), first


def access_token_of(client: Client, request: AuthorizationRequest, response: AuthorizationResponse) -> TokenSet:
    """Return the access token of a response; whose it is, is not known yet. Raises CallbackError.

    What a browser brought says nothing about the tenant's health, so a token that can't be used is no TransportError.
    """
    if "access_token" not in response.token_answer:
        raise CallbackError("The response has no access token.", code="access_token_missing")
    try:
        tokens = parse_token_response(response.token_answer, now=client.clock(), requested_scope=request.scope)
    except TransportError as error:
        raise CallbackError("The response has no usable access token.", code=error.code) from error
    return TokenSet(**{**vars(tokens), "refresh_token": None, "id_token": None})


def check_access_token(client: Client, tokens: TokenSet, *, subject: str, audience: str) -> None:
    """Check that an access token that came without an ID token is ``subject``'s, and issued to this client if it tells.

    ``audience``: the API it was asked for; a JWT must be for it. ``/userinfo`` says whose it is. Raises
    TokenValidationError, TokenRequestError or TransportError. RFC 9700 §2.1.2; OpenID Connect Core §5.3.2.
    """
    token = tokens.access_token or ""
    client.userinfo(token, subject=subject)
    if not audience or token.count(".") != 2:
        return
    claims = client.validate_access_token(token, audience)
    issued_to = claims.get("azp", claims.get("client_id", client.client_id))
    if claims["sub"] != subject or issued_to != client.client_id:
        raise TokenValidationError("azp", "the access token was issued to somebody else", expected=client.client_id)


def _front_claims(
    client: Client, request: AuthorizationRequest, response: AuthorizationResponse, expected: Mapping[str, Any]
) -> dict[str, Any]:
    """Validate the ID token that came through the browser; each part beside it must be bound to it by its hash."""
    if response.id_token is None:
        raise CallbackError("The response has no ID token.", code="id_token_missing")
    required = {"c_hash": "code" in request.kinds, "at_hash": "token" in request.kinds}
    return client.validate_id_token(
        response.id_token,
        nonce=request.nonce,
        code=code_of(response) if required["c_hash"] else None,
        access_token=response.token_answer.get("access_token") if required["at_hash"] else None,
        hashes_required=[name for name, needed in required.items() if needed],
        max_age=expected.get("max_age"),
        organization=expected.get("organization"),
    )
