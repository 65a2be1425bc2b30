"""Write JSON Web Signatures by hand.

A JWT library refuses to write most of the tokens that a relying party must refuse to read (``alg: none``, HMAC with a
public key, unknown ``crit``), so the tenant does its own signing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

_HASHES: dict[str, type[HashAlgorithm]] = {"256": SHA256, "384": SHA384, "512": SHA512}


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def from_base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def sign(algorithm: str, key: rsa.RSAPrivateKey | bytes | None, message: bytes) -> bytes:
    """Return the signature: RSASSA for an RSA key, HMAC for bytes, nothing for ``None``, whatever the name says."""
    digest = _HASHES.get(algorithm[-3:], SHA256)()
    if key is None:
        return b""
    if isinstance(key, bytes):
        return hmac.new(key, message, digest.name).digest()
    if algorithm.startswith("PS"):
        pss = padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size)
        return key.sign(message, pss, digest)
    return key.sign(message, padding.PKCS1v15(), digest)


def encode(header: Mapping[str, Any], claims: Mapping[str, Any], key: rsa.RSAPrivateKey | bytes | None) -> str:
    """Return ``claims`` as a compact JWS; the algorithm is the header's ``alg``."""
    parts = [base64url(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims)]
    message = ".".join(parts)
    return f"{message}.{base64url(sign(str(header.get('alg', '')), key, message.encode()))}"


def half_hash(value: str, algorithm: str = "RS256") -> str:
    """Return ``at_hash`` / ``c_hash`` of ``value``. OpenID Connect Core 3.1.3.6."""
    digest = hashlib.new(f"sha{algorithm[-3:]}" if algorithm[-3:] in _HASHES else "sha256", value.encode()).digest()
    return base64url(digest[: len(digest) // 2])


def opaque_access_token(issuer: str) -> str:
    """Return a token that looks like Auth0's opaque ones: a five-part JWE nobody but the tenant can read."""
    header = json.dumps({"alg": "dir", "enc": "A256GCM", "iss": issuer}, separators=(",", ":")).encode()
    parts = [base64url(header), "", *(base64url(secrets.token_bytes(size)) for size in (12, 192, 16))]
    return ".".join(parts)
