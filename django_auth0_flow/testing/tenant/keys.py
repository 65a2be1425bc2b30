"""The tenant's signing keys: current, next in queue and, after a rotation, previous."""

from __future__ import annotations

import base64
import datetime
import functools
import hashlib
import threading
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from .jws import base64url

#: About 13.8 years, as at Auth0.
_CERTIFICATE_DAYS = 5026


@dataclass(frozen=True, eq=False)
class SigningKey:
    """An RSA key with its self-signed certificate and its 21-character ``kid``."""

    private: rsa.RSAPrivateKey
    kid: str
    certificate: bytes

    @classmethod
    def generate(cls) -> SigningKey:
        """Make a new RSA 2048 key. Takes about a tenth of a second."""
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        certificate = _self_signed(private)
        kid = base64url(hashlib.sha256(certificate).digest())[:21]
        return cls(private=private, kid=kid, certificate=certificate)

    @property
    def public_pem(self) -> bytes:
        public = self.private.public_key()
        return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    def jwk(self, *, with_alg: bool = True) -> dict[str, Any]:
        """Return the public key with its members in the order in which Auth0 serves them."""
        numbers = self.private.public_key().public_numbers()
        jwk: dict[str, Any] = {
            "kty": "RSA",
            "use": "sig",
            "n": base64url(numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")),
            "e": base64url(numbers.e.to_bytes(3, "big")),
            "kid": self.kid,
            # SHA-1 is what the member is defined to be (RFC 7517 4.8); nothing relies on it.
            "x5t": base64url(hashlib.sha1(self.certificate, usedforsecurity=False).digest()),
            "x5c": [base64.b64encode(self.certificate).decode("ascii")],
        }
        if with_alg:
            jwk["alg"] = "RS256"
        return jwk


def _self_signed(private: rsa.RSAPrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "local-tenant")])
    start = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=_CERTIFICATE_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.DER)


@functools.cache
def _first_keys() -> tuple[SigningKey, SigningKey]:
    """The keys every tenant of this process starts with, so that starting one costs no key generation."""
    return SigningKey.generate(), SigningKey.generate()


@functools.cache
def stranger() -> SigningKey:
    """A key that no tenant publishes, for forged signatures."""
    return SigningKey.generate()


class KeyRing:
    """The signing keys of one tenant."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.current, self.next = _first_keys()
        self.previous: SigningKey | None = None

    def rotate(self, *, revoke_previous: bool = False) -> None:
        """Make the next key current. The old one stays published unless ``revoke_previous``."""
        fresh = SigningKey.generate()
        with self._lock:
            self.previous = None if revoke_previous else self.current
            self.current, self.next = self.next, fresh

    def revoke_previous(self) -> None:
        with self._lock:
            self.previous = None

    def published(self) -> list[SigningKey]:
        with self._lock:
            return [key for key in (self.current, self.next, self.previous) if key is not None]

    def jwks(self, *, with_alg: bool = True) -> dict[str, Any]:
        return {"keys": [key.jwk(with_alg=with_alg) for key in self.published()]}
