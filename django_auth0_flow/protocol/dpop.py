"""DPoP: tokens bound to a key that every request proves to hold. RFC 9449.

The client's side makes keys and proofs, an API judges a proof. Loaded where a token is bound.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from functools import cached_property
from typing import Any
from urllib.parse import unquote, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from jwt.exceptions import PyJWTError

from django_auth0_flow.protocol.addresses import origin_of
from django_auth0_flow.protocol.base64url import base64url_decode, base64url_encode
from django_auth0_flow.protocol.claim_checks import equal_secrets
from django_auth0_flow.protocol.errors import TokenValidationError
from django_auth0_flow.protocol.jws import parse_jwt

ALGORITHM = "ES256"

#: Seconds that a proof may be old, or ahead of this clock. What Auth0's own API libraries use.
MAX_PROOF_AGE, MAX_PROOF_SKEW = 300, 30

_CODE = "invalid_dpop_proof"

_MAX_PROOF_LENGTH = 8192


class DPoPKey:
    """An ES256 key pair."""

    def __init__(self, private_key: ec.EllipticCurvePrivateKey) -> None:
        self._private_key = private_key

    @classmethod
    def generate(cls) -> DPoPKey:
        """Return a new key."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def load(cls, text: str) -> DPoPKey:
        """Return the key that ``dump`` wrote. Raises ValueError."""
        return cls(ec.derive_private_key(int.from_bytes(base64url_decode(text), "big"), ec.SECP256R1()))

    def dump(self) -> str:
        """Return the private key as 43 characters: a secret, to be stored sealed only."""
        return base64url_encode(self._private_key.private_numbers().private_value.to_bytes(32, "big"))

    @cached_property
    def jwk(self) -> dict[str, str]:
        """The public key."""
        return ECAlgorithm.to_jwk(self._private_key.public_key(), as_dict=True)

    @property
    def thumbprint(self) -> str:
        """The key's thumbprint, as in ``cnf.jkt`` and ``dpop_jkt``. RFC 7638."""
        return _thumbprint(self._private_key.public_key())

    def proof(
        self, method: str, url: str, *, now: float, access_token: str | None = None, nonce: str | None = None
    ) -> str:
        """Return the proof for one request. RFC 9449 §4.2."""
        claims: dict[str, Any] = {
            "jti": secrets.token_urlsafe(16),
            "htm": method,
            "htu": target_of(url),
            "iat": int(now),
        }
        if access_token is not None:
            claims["ath"] = token_hash(access_token)
        if nonce is not None:
            claims["nonce"] = nonce
        return jwt.encode(claims, self._private_key, ALGORITHM, headers={"typ": "dpop+jwt", "jwk": self.jwk})


def target_of(url: str) -> str:
    """Return ``htu``: the address without query, fragment and user info, host in lower case, no default port."""
    parts = urlsplit(url)
    return f"{origin_of(url)}{parts.path or '/'}"


def token_hash(access_token: str) -> str:
    """Return ``ath``. RFC 9449 §4.2."""
    return base64url_encode(hashlib.sha256(access_token.encode()).digest())


def validate_proof(
    proof: str, *, method: str, urls: tuple[str, ...], access_token: str, thumbprint: object, now: float
) -> str:
    """Judge the proof that came with a bound access token to an API; return a digest of its ``jti``.

    ``urls``: the addresses of this API; ``thumbprint``: the token's ``cnf.jkt``. The caller must check that the digest is
    new, for MAX_PROOF_AGE + MAX_PROOF_SKEW seconds: it needs storage. Raises TokenValidationError
    (code ``invalid_dpop_proof``). RFC 9449 §4.3, §7.1.
    """
    claims, key = _verified(proof)
    if claims.get("htm") != method:
        raise _refused("htm", "the proof is for another method")
    if not _is_one_of(claims.get("htu"), urls):
        raise _refused("htu", "the proof is for another address")
    iat = claims.get("iat")
    if isinstance(iat, bool) or not isinstance(iat, (int, float)):
        raise _refused("iat", "it must be a number of seconds")
    if not now - MAX_PROOF_AGE <= iat <= now + MAX_PROOF_SKEW:
        raise _refused("iat", "the proof is too old, or comes from the future")
    if not equal_secrets(claims.get("ath"), token_hash(access_token)):
        raise _refused("ath", "the proof is for another access token")
    if not equal_secrets(thumbprint, _thumbprint(key)):
        raise _refused("jkt", "the access token is bound to another key")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= 512:
        raise _refused("jti", "it must be text")
    return hashlib.sha256(f"{thumbprint} {jti}".encode("utf-8", "surrogatepass")).hexdigest()


def _verified(proof: str) -> tuple[dict[str, Any], ec.EllipticCurvePublicKey]:
    """Return the claims of a proof whose signature fits the public key in its header, and that key."""
    if len(proof) > _MAX_PROOF_LENGTH:
        raise _refused("proof", "it is too long")
    try:
        parsed = parse_jwt(proof)
        key = _key_in(parsed.header)
        return parsed.verified_claims([key], ALGORITHM), key
    except TokenValidationError as error:
        if error.code == _CODE:
            raise
        raise _refused("proof" if error.claim == "token" else error.claim, "the proof can't be verified") from error


def _key_in(header: Mapping[str, Any]) -> ec.EllipticCurvePublicKey:
    if header.get("typ") != "dpop+jwt":
        raise _refused("typ", "this is no DPoP proof")
    if header.get("alg") != ALGORITHM:
        raise _refused("alg", "the proof must be signed with ES256")
    jwk = header.get("jwk")
    try:
        key = ECAlgorithm.from_jwk(jwk) if isinstance(jwk, dict) else None
    except (PyJWTError, ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise _refused("jwk", "it must be a public P-256 key")
    return key


def _refused(claim: str, message: str) -> TokenValidationError:
    return TokenValidationError(claim, message, code=_CODE)


def _thumbprint(key: ec.EllipticCurvePublicKey) -> str:
    canonical = json.dumps(ECAlgorithm.to_jwk(key, as_dict=True), sort_keys=True, separators=(",", ":"))
    return base64url_encode(hashlib.sha256(canonical.encode()).digest())


def _is_one_of(found: object, urls: tuple[str, ...]) -> bool:
    """Compare ``htu`` after normalization: percent-encoding as frameworks hand paths on, decoded. RFC 9449 §4.3."""
    if not isinstance(found, str):
        return False
    try:
        return unquote(target_of(found)) in [unquote(target_of(url)) for url in urls]
    except ValueError:
        return False
