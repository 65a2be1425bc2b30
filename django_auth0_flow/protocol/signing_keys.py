"""The client's own signing keys, and the request objects that it signs with them."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

ALGORITHMS = ("RS256", "RS384", "PS256")

#: Seconds that a request object is good: the browser takes it to the tenant at once, a slow phone a little later.
REQUEST_LIFETIME = 300

#: Seconds that another key signs after the tenant refused the newest.
FALL_BACK_SECONDS = 600


@dataclass(frozen=True)
class SigningKey:
    """A private RSA key, the algorithm registered for it, and the tenant's id of it ("" for none)."""

    private_key: RSAPrivateKey = field(repr=False)
    algorithm: str = "RS256"
    kid: str = ""

    def sign(self, claims: Mapping[str, object], *, now: float, lifetime: int, typ: str = "JWT") -> str:
        """Return a JWT with these claims and an id of its own, good for ``lifetime`` seconds."""
        import jwt

        times = {"iat": int(now), "exp": int(now) + lifetime, "jti": secrets.token_urlsafe(24)}
        headers = {"typ": typ, **({"kid": self.kid} if self.kid else {})}
        return jwt.encode({**claims, **times}, self.private_key, self.algorithm, headers=headers)


def sign_request(parameters: Mapping[str, str], *, client_id: str, issuer: str, key: SigningKey, now: float) -> str:
    """Return the request object that holds ``parameters``. RFC 9101 §4; Auth0: Authorization Code Flow with JAR."""
    claims: dict[str, object] = {**parameters, "iss": client_id, "aud": issuer, "client_id": client_id}
    max_age = parameters.get("max_age", "")
    if max_age.isascii() and max_age.isdigit():
        claims["max_age"] = int(max_age)  # a number in JSON
    return key.sign(claims, now=now, lifetime=REQUEST_LIFETIME, typ="oauth-authz-req+jwt")


def load_signing_key(key: str, *, kid: str = "", alg: str = "RS256") -> SigningKey:
    """Return the key in ``key``: PEM text, or the path of a PEM file. Raises ValueError saying what is wrong."""
    # Here and in ``sign``, so that clients without keys of their own load neither library for their settings.
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if alg not in ALGORITHMS:
        raise ValueError(f"alg must be one of {', '.join(ALGORITHMS)}")
    try:
        data = key.encode() if "-----BEGIN" in key else Path(key).read_bytes()
    except (OSError, ValueError):
        raise ValueError("the key is no PEM text and no file that can be read") from None
    try:
        private_key = load_pem_private_key(data, password=None)
    except TypeError:
        raise ValueError("the key is encrypted with a password") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("the key is no private key in PEM format") from None
    if not isinstance(private_key, RSAPrivateKey):
        raise ValueError("the key is no RSA key")
    if not 2048 <= private_key.key_size <= 4096:
        raise ValueError("the key must have 2048 to 4096 bits")
    return SigningKey(private_key, alg, kid)


class KeyRing:
    """The keys of one client, newest first. The newest signs; while the tenant refuses it, the next one does.

    So a key may be put into the settings before the tenant knows it, and one that the tenant has dropped already may stay
    for a while. Safe to share between threads.
    """

    def __init__(self, keys: Sequence[SigningKey]) -> None:
        self._keys = tuple(keys)
        self._position = 0
        self._until = 0.0
        self._lock = threading.Lock()

    def current(self) -> SigningKey:
        """Return the key to sign with now."""
        with self._lock:
            if self._position and time.monotonic() >= self._until:
                self._position = 0
            return self._keys[self._position]

    def refused(self, key: SigningKey) -> bool:
        """Note that the tenant refused ``key``; tell whether there is another one to try."""
        with self._lock:
            if self._keys[self._position] is key:  # else another thread has gone on to the next key already
                self._position = (self._position + 1) % len(self._keys)
                self._until = time.monotonic() + FALL_BACK_SECONDS
            return len(self._keys) > 1
