"""Signed JWTs from outside: PyJWT checks the signature; header and claims are read as strictly as all JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWS
from jwt.exceptions import InvalidSignatureError, PyJWTError

from django_auth0_flow.protocol.base64url import base64url_decode
from django_auth0_flow.protocol.errors import TokenValidationError
from django_auth0_flow.protocol.strict_json import parse_json_object

MAX_TOKEN_LENGTH = 256 * 1024

#: A tenant's tokens have one header per key, which is parsed once. A longer one than any tenant's is not kept.
_MAX_KEPT_HEADER = 512

_THREE_PARTS = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")

#: Knows no other algorithm than these, whatever else the process registers with PyJWT.
_jws = PyJWS(algorithms=["RS256", "PS256", "HS256", "ES256"])

#: ``str``: the secret of HS256.
VerificationKey = RSAPublicKey | EllipticCurvePublicKey | str


@dataclass(frozen=True)
class SignedJwt:
    """A compact JWS whose header was read; nothing is verified yet. ``header`` may be shared: don't change it."""

    text: str = field(repr=False)
    header: Mapping[str, Any]

    def verified_claims(self, keys: Sequence[VerificationKey], algorithm: str) -> dict[str, Any]:
        """Return the claims if the signature by ``algorithm`` fits one of ``keys``.

        ``algorithm`` must be one that the caller allows. Raises TokenValidationError (``signature``, ``token``).
        RFC 7515 §5.2; RFC 8725 §3.
        """
        for key in keys:
            try:
                payload = _jws.decode(self.text, key, algorithms=[algorithm])
            except InvalidSignatureError:
                continue
            except PyJWTError:
                raise TokenValidationError("token", "it can't be verified") from None
            return _json_object(payload, "claims")
        raise TokenValidationError("signature", "it is wrong")


def parse_jwt(token: object) -> SignedJwt:
    """Read a compact JWS of three parts. Raises TokenValidationError (``token``, ``crit``, ``kid``). RFC 7515 §4, §7.1."""
    if not isinstance(token, str) or len(token) > MAX_TOKEN_LENGTH or not _THREE_PARTS.fullmatch(token):
        raise TokenValidationError("token", "it is missing or no signed JWT of three parts")
    part = token.partition(".")[0]
    header = _kept_header(part) if len(part) <= _MAX_KEPT_HEADER else _header(part)
    if "crit" in header or "b64" in header:
        raise TokenValidationError("crit", "the token asks for an extension that is not supported")
    if not isinstance(header.get("kid", ""), str):
        raise TokenValidationError("kid", "it must be text")
    return SignedJwt(token, header)


def _header(part: str) -> dict[str, Any]:
    try:
        document = base64url_decode(part)
    except ValueError:
        raise TokenValidationError("token", "its header is not base64url") from None
    return _json_object(document, "header")


_kept_header = lru_cache(maxsize=64)(_header)


def _json_object(document: bytes, name: str) -> dict[str, Any]:
    try:
        return parse_json_object(document)
    except ValueError:
        raise TokenValidationError("token", f"its {name} is no JSON object") from None
