"""Single claims of a token whose signature is right. Each ``check_`` raises TokenValidationError naming its claim."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from django_auth0_flow.protocol.base64url import base64url_decode, base64url_encode
from django_auth0_flow.protocol.errors import TokenExpired, TokenValidationError
from django_auth0_flow.protocol.strict_json import is_storable_text, parse_json_object

#: Every algorithm this package ever accepts. HS256 only with the client secret and only where configured.
ID_TOKEN_ALGORITHMS = ("RS256", "PS256", "HS256")

#: ``acr`` of a login with a second factor at Auth0; ``amr`` then has "mfa", also where no ``acr`` was asked for.
MULTI_FACTOR = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"


#: A login counts as over so many seconds before its ceiling, as in Auth0's SDKs.
CEILING_MARGIN = 30

#: What makes a JWT a logout token: this member of ``events``. Back-Channel Logout 1.0 §2.4.
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


def scopes_of(claims: Mapping[str, Any]) -> frozenset[str]:
    """Return the scopes in an access token's claims. RFC 8693 §4.2."""
    scope = claims.get("scope")
    return frozenset(scope.split()) if isinstance(scope, str) else frozenset()


def permissions_of(claims: Mapping[str, Any]) -> frozenset[str]:
    """Return the permissions in an access token's claims. Auth0: Role-Based Access Control."""
    return frozenset(_texts(claims.get("permissions")))


def audiences_of(claims: Mapping[str, Any]) -> list[str]:
    """Return the applications and APIs that a token is for."""
    found = claims.get("aud")
    return _texts([found] if isinstance(found, str) else found)


def check_issuer(claims: Mapping[str, Any], issuer: str) -> None:
    """Check that ``iss`` is ``issuer``, to the letter."""
    if claims.get("iss") != issuer:
        raise TokenValidationError("iss", "it is not the configured issuer", expected=issuer)


def check_audience(claims: Mapping[str, Any], audience: str) -> None:
    """Check that ``audience`` is in ``aud``."""
    if audience not in audiences_of(claims):
        raise TokenValidationError("aud", "the token is for another application or API", expected=audience)


def check_authorized_party(claims: Mapping[str, Any], client_id: str) -> None:
    """Check ``azp``, which must be there when ``aud`` has several members. OpenID Connect Core §3.1.3.7."""
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if (several or "azp" in claims) and claims.get("azp") != client_id:
        raise TokenValidationError("azp", "the token was issued to another application", expected=client_id)


def check_times(claims: Mapping[str, Any], *, now: float, leeway: int, iat_required: bool = True) -> None:
    """Check ``exp``, ``iat`` and ``nbf``. Raises TokenExpired too. The messages name both times, for the log."""
    if (expires := number_of(claims, "exp")) + leeway < now:
        raise TokenExpired("exp", f"the token expired at {utc_text(expires)}{_clock_doubt(now)}")
    if (iat_required or "iat" in claims) and (issued := number_of(claims, "iat")) > now + leeway:
        raise TokenValidationError("iat", f"the token was issued at {utc_text(issued)}{_clock_doubt(now)}")
    if "nbf" in claims and (starts := number_of(claims, "nbf")) > now + leeway:
        raise TokenValidationError("nbf", f"the token is valid from {utc_text(starts)} on{_clock_doubt(now)}")


def _clock_doubt(now: float) -> str:
    return f", and this machine's clock says {utc_text(now)}: is this machine's clock right?"


def check_age(claims: Mapping[str, Any], max_age: int, *, now: float, leeway: int) -> None:
    """Check that the user logged in, by ``auth_time``, at most ``max_age`` seconds ago."""
    if number_of(claims, "auth_time") + max_age + leeway < now:
        raise TokenValidationError("auth_time", "the user logged in longer ago than asked for", expected=max_age)


def check_nonce(claims: Mapping[str, Any], nonce: str) -> None:
    """Check that ``nonce`` is the one of the authorization request."""
    if not equal_secrets(claims.get("nonce"), nonce):
        raise TokenValidationError("nonce", "it is not the one of this login")


def check_hash(claims: Mapping[str, Any], name: str, value: str, *, required: bool) -> None:
    """Check that ``at_hash`` or ``c_hash``, where it is there or ``required``, is the one of this token or code."""
    if (required or name in claims) and not equal_secrets(claims.get(name), half_hash(value)):
        raise TokenValidationError(name, "it does not belong to this token or code")


def check_subject(claims: Mapping[str, Any]) -> None:
    """Check ``sub``: 1 to 255 characters, not blank, none of them a control character. OpenID Connect Core §2."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject.strip() or len(subject) > 255 or not is_storable_text(subject):
        raise TokenValidationError("sub", "it must be text of 1 to 255 characters")


def check_organization(claims: Mapping[str, Any], organization: str) -> None:
    """Compare the organization claims with what was asked for: an ``org_…`` id exactly, a name in any case.

    Auth0: Work with Tokens and Organizations.
    """
    if organization.startswith("org_"):
        claim, found, expected = "org_id", claims.get("org_id"), organization
    else:
        claim, found, expected = "org_name", claims.get("org_name"), organization.lower()
        found = found.lower() if isinstance(found, str) else found
    if found != expected:
        raise TokenValidationError(claim, "it is not the organization asked for", expected=organization)


def is_of_another(organization: str, token: str) -> bool:
    """Tell whether an access token is not for the organization asked for; one that is no JWT says nothing.

    Auth0 takes a name only if the tenant allows names, and its tokens have ``org_name`` then.
    """
    if not organization:
        return False
    try:
        claims: dict[str, Any] = parse_json_object(base64url_decode(token.split(".")[1]))
    except (ValueError, IndexError):
        return False
    if organization.startswith("org_"):
        return claims.get("org_id") != organization
    name = claims.get("org_name")
    return not isinstance(name, str) or name.lower() != organization.lower()


def check_strength(claims: Mapping[str, Any], acr_values: Collection[str]) -> None:
    """Check that ``acr`` is one of ``acr_values``, if there are any.

    A tenant may ignore that part of the request, so the answer must be checked. OpenID Connect Core §3.1.2.1, §5.5.1.1.
    """
    if acr_values and not is_as_strong_as(claims, acr_values):
        raise TokenValidationError("acr", "the login is weaker than asked for", expected=" ".join(acr_values))


def check_logout_event(claims: Mapping[str, Any]) -> None:
    """Check that ``events`` says that this is a logout token. Back-Channel Logout 1.0 §2.4."""
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
        raise TokenValidationError("events", "this is not a logout token", expected=LOGOUT_EVENT)


def check_same_login(claims: Mapping[str, Any], first_claims: Mapping[str, Any]) -> None:
    """Check that a later ID token is about the same user and login as the first one. OpenID Connect Core §12.2."""
    for name in ("iss", "sub"):
        if claims[name] != first_claims.get(name):
            raise TokenValidationError(name, "the refreshed ID token is about another user")
    for name in ("azp", "auth_time", "org_id"):
        if name in claims and name in first_claims and claims[name] != first_claims[name]:
            raise TokenValidationError(name, "the refreshed ID token disagrees with the first one")


def is_as_strong_as(claims: Mapping[str, Any], acr_values: Collection[str]) -> bool:
    """Tell whether a login's ``acr`` is one of ``acr_values``; for Auth0's multi-factor policy ``amr`` may say so too."""
    found, methods = claims.get("acr"), claims.get("amr")
    if isinstance(found, str) and found in acr_values:
        return True
    return MULTI_FACTOR in acr_values and isinstance(methods, list) and "mfa" in methods


def equal_secrets(found: object, expected: str) -> bool:
    """Tell whether ``found`` is the text ``expected``, in constant time."""
    if not isinstance(found, str):
        return False
    return hmac.compare_digest(found.encode("utf-8", "surrogatepass"), expected.encode("utf-8", "surrogatepass"))


def half_hash(value: str) -> str:
    """Return ``at_hash`` / ``c_hash`` of a token or code; all accepted algorithms use SHA-256. Core §3.1.3.6."""
    return base64url_encode(hashlib.sha256(value.encode()).digest()[:16])


def session_ceiling(claims: Mapping[str, Any]) -> int | None:
    """Return when (epoch) the identity provider wants the session to be over, None if the claim is missing or unusable.

    Only a whole number of seconds counts, as in Auth0's SDKs: text, fractions, bools and milliseconds are left aside.
    Auth0: Session Expiry for Enterprise Connections.
    """
    value = claims.get("session_expiry")
    return value if type(value) is int and 0 < value < 10_000_000_000 else None


def is_past_ceiling(ceiling: int | None, now: float) -> bool:
    """Tell whether a login with this ceiling is over."""
    return ceiling is not None and ceiling - CEILING_MARGIN <= now


def number_of(claims: Mapping[str, Any], name: str) -> float:
    """Return a claim in seconds. Raises TokenValidationError."""
    value: Any = claims.get(name)
    if type(value) not in (int, float) or not -1e12 < value < 1e12:  # a bool is an int to isinstance
        raise TokenValidationError(name, "it must be a number of seconds")
    return float(value)


def utc_text(epoch: float) -> str:
    """Return a moment for people to read."""
    try:
        return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"{epoch:.0f} seconds after 1970"


def text_of(claims: Mapping[str, Any], name: str) -> str:
    """Return a claim that must be text, and not empty. Raises TokenValidationError."""
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise TokenValidationError(name, "it must be text")
    return value


def _texts(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
