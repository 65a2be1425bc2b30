"""Completing a login by what the authorization response brought: a code, an ID token, an access token."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from django_auth0_flow.protocol.authorization import AuthorizationRequest, AuthorizationResponse, code_of
from django_auth0_flow.protocol.claim_checks import check_strength, scopes_of
from django_auth0_flow.protocol.client import Client
from django_auth0_flow.protocol.errors import CallbackError, TokenValidationError, TransportError
from django_auth0_flow.protocol.tokens import TokenSet, parse_token_response

logger = logging.getLogger(__name__)

#: Seconds that an access token from a browser is used at most: its expiry is not signed.
MAX_LIFE = 86400


def complete(
    client: Client,
    request: AuthorizationRequest,
    response: AuthorizationResponse,
    *,
    acr_values: Collection[str] = (),
    **expected: Any,
) -> tuple[TokenSet, dict[str, Any]]:
    """Return the token set and validated ID token claims of a response that ``judge_response`` has let pass.

    ``acr_values``: the login must be as strong as one of them, if there are any. ``expected`` as in ``Client.complete``.
    Parts that the request did not ask for are ignored. Raises CallbackError when a part is missing, and as
    ``Client.complete``. OpenID Connect Core §3.1.3, §3.2.2, §3.3.2, §3.3.3.
    """
    tokens, claims = _redeemed(client, request, response, expected)
    check_strength(claims, acr_values)
    return tokens, claims


def _redeemed(
    client: Client, request: AuthorizationRequest, response: AuthorizationResponse, expected: Mapping[str, Any]
) -> tuple[TokenSet, dict[str, Any]]:
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
        tokens = access_token_of(client, response)
        vouched = vouched_for(client, tokens, subject=first["sub"], audience=audience_of(request))
        return replace(vouched, id_token=response.id_token), first
    return TokenSet(id_token=response.id_token, obtained_at=client.clock()), first


def audience_of(request: AuthorizationRequest) -> str:
    """Return the API that the access token of this request is for, "" for none."""
    return request.parameters.get("audience") or request.parameters.get("resource", "")


def access_token_of(client: Client, response: AuthorizationResponse) -> TokenSet:
    """Return the access token of a response; its user is not known yet, and it has no scopes.

    What came beside the token went through the visitor's browser, so it proves nothing: see ``vouched_for``. For the same
    reason an unusable token is no TransportError: it does not show that the tenant fails. Raises CallbackError.
    """
    if "access_token" not in response.token_answer:
        raise CallbackError("The response has no access token.", code="access_token_missing")
    try:
        tokens = parse_token_response(response.token_answer, now=client.clock(), requested_scope="")
    except TransportError as error:
        raise CallbackError("The response has no usable access token.", code=error.code) from error
    return TokenSet(
        access_token=tokens.access_token,
        expires_at=min(tokens.expires_at or 0.0, client.clock() + MAX_LIFE),
        obtained_at=tokens.obtained_at,
        token_type=tokens.token_type,
    )


def vouched_for(client: Client, tokens: TokenSet, *, subject: str, audience: str) -> TokenSet:
    """Return ``tokens`` with the scopes that the access token itself grants, living no longer than it says.

    Only a JWT that the issuer signed for ``subject`` and ``audience`` says anything; any other token, an opaque one for
    instance, keeps no scope. Raises TransportError when the issuer's keys can't be fetched.
    """
    try:
        return _as_signed(client, tokens, subject, audience)
    except TokenValidationError as error:
        logger.warning("front_channel_scopes_not_used code=%s", error.code)
        return tokens


def check_access_token(client: Client, tokens: TokenSet, *, subject: str, audience: str) -> TokenSet:
    """Check that an access token that came without an ID token is ``subject``'s, and issued to this client if it tells.

    ``audience``: the API it was asked for; a JWT must be for it. ``/userinfo`` says whose it is. Returns the token set
    with scopes and expiry as in ``vouched_for``. Raises TokenValidationError, TokenRequestError or TransportError.
    RFC 9700 §2.1.2; OpenID Connect Core §5.3.2.
    """
    client.userinfo(tokens.access_token or "", subject=subject)
    return _as_signed(client, tokens, subject, audience)


def _as_signed(client: Client, tokens: TokenSet, subject: str, audience: str) -> TokenSet:
    """Return ``tokens`` with the scopes and the expiry that a JWT for ``audience`` says; any other token as it is."""
    if not audience or (tokens.access_token or "").count(".") != 2:
        return tokens
    claims = client.validate_access_token(tokens.access_token or "", audience)
    issued_to = claims.get("azp", claims.get("client_id", client.client_id))
    if claims["sub"] != subject or issued_to != client.client_id:
        raise TokenValidationError("azp", "the access token is another user's or client's", expected=client.client_id)
    return replace(tokens, scope=scopes_of(claims), expires_at=min(tokens.expires_at or 0.0, float(claims["exp"])))


def _front_claims(
    client: Client, request: AuthorizationRequest, response: AuthorizationResponse, expected: Mapping[str, Any]
) -> dict[str, Any]:
    """Validate the ID token that came through the browser; each part beside it must be bound to it by its hash."""
    if response.id_token is None:
        raise CallbackError("The response has no ID token.", code="id_token_missing")
    return client.validate_id_token(
        response.id_token,
        nonce=request.nonce,
        code=code_of(response) if "code" in request.kinds else None,
        access_token=response.token_answer.get("access_token") if "token" in request.kinds else None,
        hashes_required=("c_hash", "at_hash"),
        **expected,
    )
