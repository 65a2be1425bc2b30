"""DPoP: tokens bound to a key that every request proves to hold. RFC 9449.

The client's side makes keys and proofs and remembers the nonces that servers ask for; the API's side judges a proof.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import unquote, urlsplit

import jwt
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from django_auth0_flow.protocol.errors import TokenValidationError
from django_auth0_flow.protocol.strict_json import parse_json_object

ALGORITHM = "ES256"

#: Seconds that a proof may be old, or ahead of this clock. What Auth0's own API libraries use.
MAX_PROOF_AGE, MAX_PROOF_SKEW = 300, 30

_MAX_PROOF_LENGTH = 8192

_MAX_ORIGINS = 64

_PROOF = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{86})\Z")

_NONCE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,1024}\Z")

_DEFAULT_PORTS = {"https": 443, "http": 80}


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
        number = int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")
        return cls(ec.derive_private_key(number, ec.SECP256R1()))

    def dump(self) -> str:
        """Return the private key as 43 characters: a secret, to be stored sealed only."""
        return _encode(self._private_key.private_numbers().private_value.to_bytes(32, "big"))

    @cached_property
    def jwk(self) -> dict[str, str]:
        """The public key."""
        numbers = self._private_key.public_key().public_numbers()
        x, y = (_encode(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y}

    @property
    def thumbprint(self) -> str:
        """What tokens bound to this key call it: ``cnf.jkt``, ``dpop_jkt``. RFC 7638."""
        return _thumbprint(self.jwk)

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


class Prover:
    """Makes proofs by one clock, with the nonce that each server asked for last. Safe to share between threads."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._nonces: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def headers(self, key: str, method: str, url: str, *, access_token: str | None = None) -> dict[str, str]:
        """Return the header that proves ``key`` (as ``DPoPKey.dump`` wrote it) for one request."""
        nonce = self._nonces.get(_origin(url))
        proof = DPoPKey.load(key).proof(method, url, now=self._clock(), access_token=access_token, nonce=nonce)
        return {"DPoP": proof}

    def note_nonce(self, url: str, headers: Mapping[str, str]) -> bool:
        """Remember the nonce in an answer's headers for the next proof; tell whether there is one. RFC 9449 §8."""
        nonce = headers.get("DPoP-Nonce", "")
        if not _NONCE.match(nonce):
            return False
        origin = _origin(url)
        with self._lock:
            self._nonces[origin] = nonce
            self._nonces.move_to_end(origin)
            while len(self._nonces) > _MAX_ORIGINS:
                self._nonces.popitem(last=False)
        return True


def target_of(url: str) -> str:
    """Return ``htu``: the address without query, fragment and user info, host in lower case, no default port."""
    parts = urlsplit(url)
    return f"{_origin(url)}{parts.path or '/'}"


def token_hash(access_token: str) -> str:
    """Return ``ath``. RFC 9449 §4.2."""
    return _encode(hashlib.sha256(access_token.encode()).digest())


def asks_for_nonce(headers: Mapping[str, str]) -> bool:
    """Tell whether an API's 401 asks for a proof with a nonce. RFC 9449 §9."""
    return "use_dpop_nonce" in headers.get("WWW-Authenticate", "")


def validate_proof(
    proof: str, *, method: str, urls: tuple[str, ...], access_token: str, thumbprint: object, now: float
) -> str:
    """Judge the proof that came with a bound access token to an API; return a digest that stands for its ``jti``.

    ``urls``: the addresses that this API goes by; ``thumbprint``: the token's ``cnf.jkt``. That the digest is new is the
    caller's to check, for MAX_PROOF_AGE + MAX_PROOF_SKEW seconds: it needs storage. Raises TokenValidationError.
    RFC 9449 §4.3, §7.1.
    """
    claims, jwk = _verified(proof)
    if claims.get("htm") != method:
        raise _refused("htm", "the proof is for another method")
    if not _is_one_of(claims.get("htu"), urls):
        raise _refused("htu", "the proof is for another address")
    iat = claims.get("iat")
    if isinstance(iat, bool) or not isinstance(iat, (int, float)):
        raise _refused("iat", "it must be a number of seconds")
    if not now - MAX_PROOF_AGE <= iat <= now + MAX_PROOF_SKEW:
        raise _refused("iat", "the proof is too old, or comes from the future")
    if not _same(claims.get("ath"), token_hash(access_token)):
        raise _refused("ath", "the proof is for another access token")
    if not _same(thumbprint, _thumbprint(jwk)):
        raise _refused("jkt", "the access token is bound to another key")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= 512:
        raise _refused("jti", "it must be text")
    return hashlib.sha256(f"{thumbprint} {jti}".encode("utf-8", "surrogatepass")).hexdigest()


def _verified(proof: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the claims of a proof whose signature fits the public key in its header, and that key."""
    found = _PROOF.match(proof) if len(proof) <= _MAX_PROOF_LENGTH else None
    if found is None:
        raise _refused("proof", "it is missing, doubled or no signed JWT")
    header, claims = (_json_part(part) for part in found.groups()[:2])
    if header.get("typ") != "dpop+jwt":
        raise _refused("typ", "this is no DPoP proof")
    if header.get("alg") != ALGORITHM:
        raise _refused("alg", "the proof must be signed with ES256")
    if "crit" in header or "b64" in header:
        raise _refused("crit", "the proof asks for an extension that nobody here understands")
    key, jwk = _public_key(header.get("jwk"))
    signature = _decode(found[3])
    numbers = (int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    try:
        key.verify(encode_dss_signature(*numbers), proof.rpartition(".")[0].encode(), ec.ECDSA(SHA256()))
    except InvalidSignature:
        raise _refused("signature", "it is wrong") from None
    return claims, jwk


def _refused(claim: str, message: str) -> TokenValidationError:
    return TokenValidationError(claim, message, code="invalid_dpop_proof")


def _public_key(jwk: object) -> tuple[ec.EllipticCurvePublicKey, dict[str, str]]:
    """Return the public key in a proof's header, and its members that count for the thumbprint."""
    if not isinstance(jwk, dict) or (jwk.get("kty"), jwk.get("crv")) != ("EC", "P-256") or "d" in jwk:
        raise _refused("jwk", "it must be a public P-256 key")
    texts = [jwk.get("x"), jwk.get("y")]
    x, y = (_decode(text) if isinstance(text, str) and len(text) == 43 else b"" for text in texts)
    try:
        numbers = ec.EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), ec.SECP256R1())
        return numbers.public_key(), {"kty": "EC", "crv": "P-256", "x": _encode(x), "y": _encode(y)}
    except ValueError:
        raise _refused("jwk", "it must be a public P-256 key") from None


def _thumbprint(jwk: Mapping[str, str]) -> str:
    canonical = json.dumps({name: jwk[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))
    return _encode(hashlib.sha256(canonical.encode()).digest())


def _origin(url: str) -> str:
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    is_default = parts.port is None or parts.port == _DEFAULT_PORTS.get(parts.scheme)
    return f"{parts.scheme}://{host}" if is_default else f"{parts.scheme}://{host}:{parts.port}"


def _is_one_of(found: object, urls: tuple[str, ...]) -> bool:
    """Compare ``htu`` after normalization: percent-encoding as frameworks hand paths on, decoded. RFC 9449 §4.3."""
    if not isinstance(found, str):
        return False
    try:
        return unquote(target_of(found)) in [unquote(target_of(url)) for url in urls]
    except ValueError:
        return False


def _same(found: object, expected: str) -> bool:
    return isinstance(found, str) and hmac.compare_digest(found.encode("utf-8", "surrogatepass"), expected.encode())


def _json_part(part: str) -> dict[str, Any]:
    try:
        return parse_json_object(_decode(part))
    except ValueError:
        raise _refused("proof", "a part of it is no JSON object") from None


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise _refused("proof", "a part of it is not base64url") from None
