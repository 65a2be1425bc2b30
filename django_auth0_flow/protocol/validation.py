"""Judging tokens: each function returns the claims, or raises naming the claim that failed.

Signature, issuer, audience, expiry and algorithm are always checked; there is no switch. The algorithm comes from the
configuration, the key from the issuer's published set or the client secret, never from the token. Structure and claims
are judged here; the keys are PyJWT's, the signature arithmetic is cryptography's.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from jwt import PyJWK

from django_auth0_flow.protocol.errors import SigningKeyNotFound, TokenExpired, TokenValidationError
from django_auth0_flow.protocol.issuer import Issuer
from django_auth0_flow.protocol.strict_json import is_storable_text, parse_json_object

#: Every algorithm this package ever accepts. HS256 only with the client secret and only where configured.
ID_TOKEN_ALGORITHMS = ("RS256", "PS256", "HS256")

MAX_TOKEN_LENGTH = 256 * 1024

#: What makes a JWT a logout token: this member of ``events``. Back-Channel Logout 1.0 §2.4.
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"

#: What ID tokens and logout tokens have and access tokens don't.
_NOT_IN_ACCESS_TOKENS = frozenset({"nonce", "at_hash", "c_hash", "s_hash", "events"})

#: One of these is in every access token of Auth0 and of the other providers, and in no ID token of Auth0: the client it
#: was issued to (RFC 9068 §2.2, and other names for it), or what it allows.
_ABOUT_ACCESS = frozenset({"azp", "client_id", "cid", "appid", "gty", "scope", "scp", "permissions", "roles"})

#: ``acr`` of a login with a second factor at Auth0; ``amr`` then has "mfa", also where no ``acr`` was asked for.
MULTI_FACTOR = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"

#: base64url to base64; whatever else becomes a character that strict decoding refuses, and so does an impossible length.
_TO_BASE64 = bytes(
    {ord("-"): ord("+"), ord("_"): ord("/")}.get(byte, byte if chr(byte).isalnum() and byte < 128 else ord("!"))
    for byte in range(256)
)

_PADDING_BY_LENGTH = (b"", b"!", b"==", b"=")

#: RFC 7518 §3.3, §3.5: the salt of a PS256 signature is as long as the hash.
_PADDING: dict[str, PKCS1v15 | PSS] = {"RS256": PKCS1v15(), "PS256": PSS(MGF1(SHA256()), SHA256.digest_size)}

_HASH = SHA256()

#: A tenant's tokens bear one header per key, which is parsed once; a longer one than any tenant's is not kept.
_KEPT_HEADER = 512


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
    nonce in the token is of no interest. ``organization`` is the value sent to ``/authorize``: an ``org_…`` id compares
    exactly with ``org_id``, a name in lower case with ``org_name``. ``access_token`` and ``code`` are compared with
    ``at_hash`` and ``c_hash`` where the token has them; ``hashes_required`` names those that must be there (front-channel
    tokens). An ``org_id`` that nobody asked for is the caller's to judge, and so is ``acr``.
    Raises TokenExpired, SigningKeyNotFound, TokenValidationError or TransportError (keys out of reach).
    OpenID Connect Core 1.0 §3.1.3.7, §3.2.2.11, §3.3.2.11; Auth0: Validate ID Tokens, Work with Tokens and Organizations.
    """
    header, claims = _verified(token, keys)
    if header.get("typ", "JWT") not in ("JWT", "jwt"):
        raise TokenValidationError("typ", "this is another kind of token", expected="JWT")
    if "events" in claims:
        raise TokenValidationError("events", "this is a logout token")
    _check_issuer(claims, keys.issuer.url)
    check_subject(claims)
    _check_audience(claims, client_id)
    _check_authorized_party(claims, client_id)
    _check_times(claims, now=now, leeway=leeway)
    if nonce is not None:
        found = claims.get("nonce")
        if not isinstance(found, str) or not equal_secrets(found, nonce):
            raise TokenValidationError("nonce", "it is not the one of this login")
    if max_age is not None:
        auth_time = _number(claims, "auth_time")
        if auth_time + max_age + leeway < now:
            raise TokenValidationError("auth_time", "the user logged in longer ago than asked for", expected=max_age)
    if organization is not None:
        check_organization(claims, organization)
    _check_hash(claims, "at_hash", access_token, header["alg"], "at_hash" in hashes_required)
    _check_hash(claims, "c_hash", code, header["alg"], "c_hash" in hashes_required)
    return claims


def validate_access_token(
    token: object,
    *,
    issuer: Issuer,
    audience: str,
    now: float,
    leeway: int,
    client_id: str = "",
    algorithms: Collection[str] = ("RS256", "PS256"),
) -> dict[str, Any]:
    """Return the claims of a JWT access token, in Auth0's profile or that of RFC 9068.

    Checks structure, signature, ``iss``, ``aud``, ``exp``, ``nbf`` and ``sub``, and that it is no other kind of token:
    what is for ``client_id`` is an ID token, whatever else it says. Scopes, permissions and a ``cnf`` binding are the
    caller's. Opaque and encrypted tokens (five parts) fail with claim ``token``. Raises as validate_id_token.
    RFC 9068 §4; Auth0: Validate Access Tokens.
    """
    header, claims = _verified(token, JoseKeys(issuer, ""), algorithms)
    if header.get("typ", "JWT") not in ("JWT", "jwt", "at+jwt", "application/at+jwt"):
        raise TokenValidationError("typ", "this is another kind of token", expected="at+jwt")
    if not _NOT_IN_ACCESS_TOKENS.isdisjoint(claims):
        raise TokenValidationError("token", "this is not an access token")
    _check_issuer(claims, issuer.url)
    check_subject(claims)
    _check_audience(claims, audience)
    if client_id and client_id in _audiences(claims):
        raise TokenValidationError("aud", "the token is for the client itself, as ID tokens are", expected=audience)
    if _ABOUT_ACCESS.isdisjoint(claims):
        raise TokenValidationError("token", "it neither says whom it was issued to nor what it allows")
    _check_times(claims, now=now, leeway=leeway, iat_required=False)
    return claims


def validate_logout_token(token: object, *, keys: JoseKeys, client_id: str, now: float, leeway: int) -> dict[str, Any]:
    """Return the claims of a back-channel logout token: ``sid``, ``sub`` or both are there, and ``jti``.

    ``now`` and ``leeway`` are in seconds. Signed as ID tokens are; where those are HS256, RS256 is accepted as well, since
    Auth0 documents no other algorithm for logout tokens. Replay of ``jti`` is the caller's to refuse: it needs storage.
    Raises as validate_id_token. OpenID Connect Back-Channel Logout 1.0 §2.4, §2.6.
    """
    algorithms = {keys.algorithm} if keys.algorithm != "HS256" else {"HS256", "RS256"}
    header, claims = _verified(token, keys, algorithms)
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in ("jwt", "logout+jwt", "application/logout+jwt"):
        raise TokenValidationError("typ", "this is another kind of token", expected="logout+jwt")
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
        raise TokenValidationError("events", "this is not a logout token", expected=LOGOUT_EVENT)
    if "nonce" in claims:
        raise TokenValidationError("nonce", "a logout token has none")
    _check_issuer(claims, keys.issuer.url)
    _check_audience(claims, client_id)
    _check_times(claims, now=now, leeway=leeway)
    if not isinstance(claims.get("jti"), str) or not claims["jti"]:
        raise TokenValidationError("jti", "it must be text")
    if "sub" not in claims and "sid" not in claims:
        raise TokenValidationError("sid", "the token names neither a session nor a subject")
    if "sub" in claims:
        check_subject(claims)
    if "sid" in claims and (not isinstance(claims["sid"], str) or not claims["sid"]):
        raise TokenValidationError("sid", "it must be text")
    return claims


def check_subject(claims: Mapping[str, Any]) -> str:
    """Return ``sub``: 1 to 255 characters, not blank, none of them a control character. OpenID Connect Core §2."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject.strip() or len(subject) > 255 or not is_storable_text(subject):
        raise TokenValidationError("sub", "it must be text of 1 to 255 characters")
    return subject


def check_organization(claims: Mapping[str, Any], organization: str) -> None:
    """Compare the organization claims with what was asked for. Auth0: Work with Tokens and Organizations."""
    if organization.startswith("org_"):
        claim, expected = "org_id", organization
        found = claims.get(claim)
    else:
        claim, expected = "org_name", organization.lower()
        found = claims.get(claim)
        found = found.lower() if isinstance(found, str) else found
    if not isinstance(found, str) or found != expected:
        raise TokenValidationError(claim, "it is not the organization asked for", expected=organization)


def is_as_strong_as(claims: Mapping[str, Any], acr_values: Collection[str]) -> bool:
    """Tell whether a login's ``acr`` is one of ``acr_values``; for Auth0's multi-factor policy ``amr`` may say so too."""
    found, methods = claims.get("acr"), claims.get("amr")
    if isinstance(found, str) and found in acr_values:
        return True
    return MULTI_FACTOR in acr_values and isinstance(methods, list) and "mfa" in methods


def check_strength(claims: Mapping[str, Any], acr_values: Collection[str]) -> None:
    """Raise TokenValidationError (``acr``) for a login that is not as strong as one of these; none demand nothing.

    OpenID Connect Core §3.1.2.1, §5.5.1.1: the request is a wish, and whoever made it checks the answer.
    """
    if acr_values and not is_as_strong_as(claims, acr_values):
        raise TokenValidationError("acr", "the login is weaker than asked for", expected=" ".join(acr_values))


def equal_secrets(left: str, right: str) -> bool:
    """Compare two texts in constant time."""
    return hmac.compare_digest(left.encode("utf-8", "surrogatepass"), right.encode("utf-8", "surrogatepass"))


def half_hash(value: str, algorithm: str) -> str:
    """Return ``at_hash`` / ``c_hash`` of a token or code. All accepted algorithms use SHA-256. Core §3.1.3.6."""
    digest = hashlib.sha256(value.encode()).digest()
    return base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()


def _verified(
    token: object, keys: JoseKeys, algorithms: Collection[str] | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and claims of a compact JWS whose signature is right. RFC 7515 §5.2; RFC 8725 §3."""
    if not isinstance(token, str) or not token or len(token) > MAX_TOKEN_LENGTH or not token.isascii():
        raise TokenValidationError("token", "it is missing or no JWT")
    raw = token.encode("ascii")
    parts = raw.split(b".")
    if len(parts) != 3 or not all(parts):
        raise TokenValidationError("token", "it is no signed JWT of three parts")
    encoded_header, encoded_claims, encoded_signature = parts
    signing_input = raw[: -1 - len(encoded_signature)]
    header = (_kept_header if len(encoded_header) <= _KEPT_HEADER else _header)(encoded_header)
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in (algorithms or (keys.algorithm,)):
        raise TokenValidationError(
            "alg", "the token is signed with another algorithm than configured", expected=keys.algorithm or None
        )
    if "crit" in header or "b64" in header:
        raise TokenValidationError("crit", "the token asks for an extension that nobody here understands")
    kid = header.get("kid")
    if kid is not None and not isinstance(kid, str):
        raise TokenValidationError("kid", "it must be text")
    document = _base64url(encoded_claims, "claims")
    signature = _base64url(encoded_signature, "signature")
    if algorithm == "HS256":
        _verify_hmac(signing_input, signature, keys.client_secret)
    else:
        _verify_rsa(signing_input, signature, algorithm, keys.issuer.signing_keys(kid))
    return header, _json_object(document, "claims")


def _verify_hmac(signing_input: bytes, signature: bytes, secret: str | None) -> None:
    if not secret:
        raise TokenValidationError("alg", "HS256 needs the client secret")
    expected = hmac.new(secret.encode(), signing_input, hashlib.sha256).digest()
    if not hmac.compare_digest(expected, signature):
        raise TokenValidationError("signature", "it is wrong")


def _verify_rsa(signing_input: bytes, signature: bytes, algorithm: str, candidates: list[PyJWK]) -> None:
    padding = _PADDING[algorithm]
    fitting = [key for key in candidates if key._jwk_data.get("alg", algorithm) == algorithm]
    if not fitting:
        raise SigningKeyNotFound("kid", "the published key is for another algorithm", code="signing_key_not_found")
    for candidate in fitting[:8]:
        key = candidate.key
        if not isinstance(key, RSAPublicKey):
            continue
        try:
            key.verify(signature, signing_input, padding, _HASH)
        except InvalidSignature:
            continue
        return
    raise TokenValidationError("signature", "it is wrong")


def _header(part: bytes) -> dict[str, Any]:
    """Return a JOSE header; it may be shared, so nobody changes it."""
    return _json_object(_base64url(part, "header"), "header")


_kept_header = lru_cache(maxsize=64)(_header)


def _json_object(document: bytes, name: str) -> dict[str, Any]:
    try:
        return parse_json_object(document)
    except ValueError:
        raise TokenValidationError("token", f"its {name} is no JSON object") from None


def _base64url(part: bytes, name: str) -> bytes:
    try:
        return binascii.a2b_base64(part.translate(_TO_BASE64) + _PADDING_BY_LENGTH[len(part) % 4], strict_mode=True)
    except binascii.Error:
        raise TokenValidationError("token", f"its {name} is not base64url") from None


def _check_issuer(claims: Mapping[str, Any], issuer: str) -> None:
    found = claims.get("iss")
    if not isinstance(found, str) or found != issuer:
        raise TokenValidationError("iss", "it is not the configured issuer", expected=issuer)


def _audiences(claims: Mapping[str, Any]) -> list[str]:
    found = claims.get("aud")
    members = [found] if isinstance(found, str) else found
    return [member for member in members if isinstance(member, str)] if isinstance(members, list) else []


def _check_audience(claims: Mapping[str, Any], audience: str) -> None:
    if audience not in _audiences(claims):
        raise TokenValidationError("aud", "the token is for somebody else", expected=audience)


def _check_authorized_party(claims: Mapping[str, Any], client_id: str) -> None:
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if (several or "azp" in claims) and claims.get("azp") != client_id:
        raise TokenValidationError("azp", "the token was issued to somebody else", expected=client_id)


def _check_times(claims: Mapping[str, Any], *, now: float, leeway: int, iat_required: bool = True) -> None:
    if _number(claims, "exp") + leeway < now:
        raise TokenExpired("exp", "the token has expired")
    if (iat_required or "iat" in claims) and _number(claims, "iat") > now + leeway:
        raise TokenValidationError("iat", "the token comes from the future; is this machine's clock right?")
    if "nbf" in claims and _number(claims, "nbf") > now + leeway:
        raise TokenValidationError("nbf", "the token is not valid yet")


def _number(claims: Mapping[str, Any], name: str) -> float:
    value: Any = claims.get(name)
    if type(value) not in (int, float) or not -1e12 < value < 1e12:  # a bool is an int to isinstance
        raise TokenValidationError(name, "it must be a number of seconds")
    return float(value)


def _check_hash(claims: Mapping[str, Any], name: str, value: str | None, algorithm: str, required: bool) -> None:
    if name not in claims and not required:
        return
    if value is None:
        return
    found = claims.get(name)
    if not isinstance(found, str) or not equal_secrets(found, half_hash(value, algorithm)):
        raise TokenValidationError(name, "it does not belong to this token or code")
