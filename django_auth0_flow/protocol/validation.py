"""Judging tokens: each function returns the claims, or raises naming the claim that failed.

Signature, issuer, audience, expiry and algorithm are always checked; there is no switch. The algorithm comes from the
configuration, the key from the issuer's published set or the client secret, never from the token. PyJWT verifies the
signature (see ``jws``), the claims are judged by the rules in ``claim_checks``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from django_auth0_flow.protocol import claim_checks as rules
from django_auth0_flow.protocol.errors import SigningKeyNotFound, TokenValidationError
from django_auth0_flow.protocol.issuer import Issuer
from django_auth0_flow.protocol.jws import VerificationKey, parse_jwt

_ACCESS_TOKEN_ALGORITHMS = ("RS256", "PS256")

#: Values of ``typ``, in any case; a token without one is taken for a JWT.
_ID_TOKEN_TYPES = ("jwt",)
_ACCESS_TOKEN_TYPES = ("at+jwt", "application/at+jwt", "jwt")
_LOGOUT_TOKEN_TYPES = ("logout+jwt", "application/logout+jwt", "jwt")

#: What ID tokens and logout tokens have and access tokens don't.
_NOT_IN_ACCESS_TOKENS = frozenset({"nonce", "at_hash", "c_hash", "s_hash", "events"})

#: One of these is in every access token of Auth0 and of the other providers, and in no ID token of Auth0: the client it
#: was issued to (RFC 9068 §2.2, and other names for it), or what it allows.
_ABOUT_ACCESS = frozenset({"azp", "client_id", "cid", "appid", "gty", "scope", "scp", "permissions", "roles"})

#: A token without ``kid`` is tried with so many of the issuer's keys.
_MAX_KEYS_TRIED = 8


@dataclass(frozen=True)
class JoseKeys:
    """Where a token's signature is checked: the issuer's keys, or the client secret for HS256."""

    issuer: Issuer
    algorithm: str
    client_secret: str | None = field(default=None, repr=False)


def validate_id_token(
    token: object,
    *,
    keys: JoseKeys,
    client_id: str,
    now: float,
    leeway: int,
    nonce: str | None,
    max_age: int | None = None,
    organization: str | None = None,
    access_token: str | None = None,
    code: str | None = None,
    hashes_required: Collection[str] = (),
) -> dict[str, Any]:
    """Return the claims of an ID token.

    ``now`` and ``leeway`` are in seconds. ``nonce`` None means that none was sent (refresh, password grants): then a
    nonce in the token is of no interest. ``organization`` is the value sent to ``/authorize``. ``access_token`` and
    ``code`` are compared with ``at_hash`` and ``c_hash`` where the token has them; ``hashes_required`` names those that
    must be there (front-channel tokens). An ``org_id`` that was not asked for is the caller's to judge, and so is ``acr``.
    Raises TokenExpired, SigningKeyNotFound, TokenValidationError or TransportError (keys out of reach).
    OpenID Connect Core 1.0 §3.1.3.7, §3.2.2.11, §3.3.2.11; Auth0: Validate ID Tokens.
    """
    claims = _verified(token, keys, [keys.algorithm], _ID_TOKEN_TYPES)
    if "events" in claims:
        raise TokenValidationError("events", "this is a logout token")
    rules.check_issuer(claims, keys.issuer.url)
    rules.check_subject(claims)
    rules.check_audience(claims, client_id)
    rules.check_authorized_party(claims, client_id)
    rules.check_times(claims, now=now, leeway=leeway)
    if nonce is not None:
        rules.check_nonce(claims, nonce)
    if max_age is not None:
        rules.check_age(claims, max_age, now=now, leeway=leeway)
    if organization is not None:
        rules.check_organization(claims, organization)
    for name, value in (("at_hash", access_token), ("c_hash", code)):
        if value is not None:
            rules.check_hash(claims, name, value, required=name in hashes_required)
    return claims


def validate_access_token(
    token: object, *, issuer: Issuer, audience: str, now: float, leeway: int, client_id: str = ""
) -> dict[str, Any]:
    """Return the claims of a JWT access token, in Auth0's profile or that of RFC 9068.

    Checks signature, ``iss``, ``aud``, ``exp``, ``nbf`` and ``sub``, and that it is no other kind of token: one that is
    for ``client_id`` is an ID token, whatever else it says. Scopes, permissions and a ``cnf`` binding are the caller's.
    Opaque and encrypted tokens fail with claim ``token``. Raises as validate_id_token. RFC 9068 §4; Auth0: Validate
    Access Tokens.
    """
    claims = _verified(token, JoseKeys(issuer, "RS256"), _ACCESS_TOKEN_ALGORITHMS, _ACCESS_TOKEN_TYPES)
    if not _NOT_IN_ACCESS_TOKENS.isdisjoint(claims):
        raise TokenValidationError("token", "this is not an access token")
    rules.check_issuer(claims, issuer.url)
    rules.check_subject(claims)
    rules.check_audience(claims, audience)
    if client_id and client_id in rules.audiences_of(claims):
        raise TokenValidationError("aud", "the token is for the client itself, as ID tokens are", expected=audience)
    if _ABOUT_ACCESS.isdisjoint(claims):
        raise TokenValidationError("token", "it says neither which client it was issued to nor what it allows")
    rules.check_times(claims, now=now, leeway=leeway, iat_required=False)
    return claims


def validate_logout_token(token: object, *, keys: JoseKeys, client_id: str, now: float, leeway: int) -> dict[str, Any]:
    """Return the claims of a back-channel logout token: ``sid``, ``sub`` or both are there, and ``jti``.

    ``now`` and ``leeway`` are in seconds. Signed as ID tokens are; where those are HS256, RS256 is accepted as well, since
    Auth0 documents no other algorithm for logout tokens. Replay of ``jti`` is the caller's to refuse: it needs storage.
    Raises as validate_id_token. OpenID Connect Back-Channel Logout 1.0 §2.4, §2.6.
    """
    algorithms = ["HS256", "RS256"] if keys.algorithm == "HS256" else [keys.algorithm]
    claims = _verified(token, keys, algorithms, _LOGOUT_TOKEN_TYPES)
    rules.check_logout_event(claims)
    if "nonce" in claims:
        raise TokenValidationError("nonce", "a logout token has none")
    rules.check_issuer(claims, keys.issuer.url)
    rules.check_audience(claims, client_id)
    rules.check_times(claims, now=now, leeway=leeway)
    rules.text_of(claims, "jti")
    if "sub" not in claims and "sid" not in claims:
        raise TokenValidationError("sid", "the token names neither a session nor a subject")
    if "sub" in claims:
        rules.check_subject(claims)
    if "sid" in claims:
        rules.text_of(claims, "sid")
    return claims


def _verified(token: object, keys: JoseKeys, algorithms: Sequence[str], types: Sequence[str]) -> dict[str, Any]:
    """Return the claims of a token signed by one of ``algorithms`` whose ``typ``, if any, is one of ``types``."""
    parsed = parse_jwt(token)
    algorithm, kind = parsed.header.get("alg"), parsed.header.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in algorithms:
        raise TokenValidationError(
            "alg", "the token is signed with another algorithm than configured", expected=" or ".join(algorithms)
        )
    claims = parsed.verified_claims(_keys_for(algorithm, parsed.header.get("kid"), keys), algorithm)
    if not isinstance(kind, str) or kind.lower() not in types:
        raise TokenValidationError("typ", "this is another kind of token", expected=types[0])
    return claims


def _keys_for(algorithm: str, kid: str | None, keys: JoseKeys) -> Sequence[VerificationKey]:
    if algorithm == "HS256":
        if not keys.client_secret:
            raise TokenValidationError("alg", "HS256 needs the client secret")
        return [keys.client_secret]
    fitting = [found.key for found in keys.issuer.signing_keys(kid) if found.algorithm in (None, algorithm)]
    if not fitting:
        raise SigningKeyNotFound("kid", "the published key is for another algorithm", code="signing_key_not_found")
    return fitting[:_MAX_KEYS_TRIED]
