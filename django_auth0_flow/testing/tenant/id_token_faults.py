"""What the ID token faults do to a token just before it is signed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from . import jws
from .faults import Fault
from .keys import SigningKey, stranger
from .model import Application


@dataclass
class IdToken:
    """An ID token about to be signed."""

    header: dict[str, Any]
    claims: dict[str, Any]
    key: Any = field(repr=False)
    application: Application
    signing_key: SigningKey
    access_token: str | None = field(repr=False)


def spoil(token: IdToken, faults: Iterable[Fault], now: int) -> str | None:
    """Apply the faults in order and sign; ``None`` when the token is to be left out."""
    names, replacement = [], None
    for fault in faults:
        names.append(fault.name)
        if fault.name == "id-token":
            replacement = str(fault.get("value", "not a token"))
        change = _CHANGES.get(fault.name)
        if change is not None:
            change(token, fault, now)
    if "no-id-token" in names:
        return None
    if "access-token-as-id-token" in names:
        return token.access_token
    return replacement if replacement is not None else jws.encode(token.header, token.claims, token.key)


def _set(claim: str, default: Callable[[IdToken, int], Any]) -> Callable[[IdToken, Fault, int], None]:
    def change(token: IdToken, fault: Fault, now: int) -> None:
        token.claims[claim] = fault.get("value", default(token, now))

    return change


def _drop(*claims: str) -> Callable[[IdToken, Fault, int], None]:
    def change(token: IdToken, _: Fault, __: int) -> None:
        for claim in claims:
            token.claims.pop(claim, None)

    return change


def _two_audiences(azp: str | None) -> Callable[[IdToken, Fault, int], None]:
    def change(token: IdToken, _: Fault, __: int) -> None:
        token.claims["aud"] = [token.application.client_id, "another-application"]
        if azp is not None:
            token.claims["azp"] = azp

    return change


def _shift(claim: str, sign: int, seconds: int) -> Callable[[IdToken, Fault, int], None]:
    def change(token: IdToken, fault: Fault, now: int) -> None:
        token.claims[claim] = now + sign * int(fault.get("seconds", seconds))

    return change


def _any_claim(token: IdToken, fault: Fault, _: int) -> None:
    name = fault.get("claim", "claim")
    if "value" in fault.options:
        token.claims[name] = fault.options["value"]
    else:
        token.claims.pop(name, None)


def _any_header(token: IdToken, fault: Fault, _: int) -> None:
    name = fault.get("member", "typ")
    if "value" in fault.options:
        token.header[name] = fault.options["value"]
    else:
        token.header.pop(name, None)


def _other_organization(token: IdToken, fault: Fault, _: int) -> None:
    token.claims["org_id"] = fault.get("value", "org_0000000000000000")
    if "org_name" in token.claims:
        token.claims["org_name"] = "another-organization"


def _alg_none(token: IdToken, fault: Fault, _: int) -> None:
    token.header["alg"], token.key = fault.get("spelling", "none"), None


def _hmac(secret: Callable[[IdToken], bytes]) -> Callable[[IdToken, Fault, int], None]:
    def change(token: IdToken, _: Fault, __: int) -> None:
        token.header["alg"], token.key = "HS256", secret(token)

    return change


def _stranger(token: IdToken, _: Fault, __: int) -> None:
    token.key = stranger().private


def _rs512(token: IdToken, _: Fault, __: int) -> None:
    token.header["alg"], token.key = "RS512", token.signing_key.private


def _no_kid(token: IdToken, _: Fault, __: int) -> None:
    token.header.pop("kid", None)


def _other_kid(token: IdToken, fault: Fault, _: int) -> None:
    token.header["kid"] = fault.get("value", "unknownunknownunknown")


def _crit(token: IdToken, _: Fault, __: int) -> None:
    token.header |= {"crit": ["https://example.com/not-understood"], "https://example.com/not-understood": True}


_CHANGES: dict[str, Callable[[IdToken, Fault, int], None]] = {
    "invalid-iss": _set("iss", lambda token, _: "https://another-tenant.example.com/"),
    "invalid-aud": _set("aud", lambda token, _: "another-application"),
    "missing-aud": _drop("aud"),
    "multiple-aud-no-azp": _two_audiences(None),
    "foreign-azp": _two_audiences("another-application"),
    "missing-sub": _drop("sub"),
    "blank-sub": _set("sub", lambda token, _: "   "),
    "other-sub": _set("sub", lambda token, _: "auth0|000000000000000000000000"),
    "missing-iat": _drop("iat"),
    "future-iat": _shift("iat", 1, 86400),
    "missing-exp": _drop("exp"),
    "expired": _shift("exp", -1, 3600),
    "nonce-invalid": _set("nonce", lambda token, _: json.dumps(token.claims.get("nonce"))[::-1]),
    "nonce-missing": _drop("nonce"),
    "at-hash-invalid": _set("at_hash", lambda token, _: jws.half_hash("another access token")),
    "c-hash-invalid": _set("c_hash", lambda token, _: jws.half_hash("another code")),
    "at-hash-missing": _drop("at_hash"),
    "c-hash-missing": _drop("c_hash"),
    "auth-time-missing": _drop("auth_time"),
    "auth-time-old": _shift("auth_time", -1, 86400),
    "org-id-missing": _drop("org_id", "org_name"),
    "org-id-other": _other_organization,
    "acr-missing": _drop("acr", "amr"),
    "sid-missing": _drop("sid"),
    "claim": _any_claim,
    "header": _any_header,
    "alg-none": _alg_none,
    "sig-invalid": _stranger,
    "hs256-public-key": _hmac(lambda token: token.signing_key.public_pem),
    "hs256-client-secret": _hmac(lambda token: token.application.client_secret.encode()),
    "rs512": _rs512,
    "kid-absent": _no_kid,
    "kid-unknown": _other_kid,
    "crit": _crit,
}
