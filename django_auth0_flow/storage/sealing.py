"""Sealing: authenticated encryption of what is stored, with keys that rotate and are bound to a purpose.

AES-256-GCM; keys come by HKDF-SHA256 from ``AUTH0["ENCRYPTION_KEYS"]`` (newest first), else from ``SECRET_KEY`` and
``SECRET_KEY_FALLBACKS``. The first key seals, any of them unseals. The context (a row's id, say) is authenticated
too, so that a sealed value copied elsewhere does not open.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from django.conf import settings as django_settings

from django_auth0_flow.conf import get_settings
from django_auth0_flow.protocol.base64url import base64url_decode, base64url_encode

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12


class UnsealError(Exception):
    """The value was sealed with a key that is gone, for another purpose or context, or it was changed."""


def secrets_of(configuration: str) -> tuple[str, ...]:
    """Return the key material of a configuration, newest first."""
    return get_settings(configuration).encryption_keys or django_secrets()


def django_secrets() -> tuple[str, ...]:
    """Return the key material of the project itself, newest first."""
    return tuple(map(_as_text, (django_settings.SECRET_KEY, *django_settings.SECRET_KEY_FALLBACKS)))


def _as_text(secret: str | bytes) -> str:
    return secret if isinstance(secret, str) else secret.decode("utf-8", "surrogateescape")


@lru_cache(maxsize=64)
def _cipher(secret: str, purpose: str) -> AESGCM:
    # The models need this module, most requests of a site don't need a cipher.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    info = f"django_auth0_flow:{purpose}".encode()
    hkdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=info)
    return AESGCM(hkdf.derive(secret.encode("utf-8", "surrogateescape")))


def seal(data: bytes, *, purpose: str, keys: Sequence[str], context: str = "") -> str:
    """Return ``data`` encrypted and authenticated, as base64url text."""
    nonce = secrets.token_bytes(_NONCE)
    sealed = nonce + _cipher(keys[0], purpose).encrypt(nonce, data, context.encode())
    return base64url_encode(sealed)


def unseal(text: str, *, purpose: str, keys: Sequence[str], context: str = "") -> bytes:
    """Return what ``seal`` was given. Raises UnsealError."""
    from cryptography.exceptions import InvalidTag

    try:
        sealed = base64url_decode(text)
    except ValueError as error:
        raise UnsealError("not a sealed value") from error
    if len(sealed) <= _NONCE:
        raise UnsealError("not a sealed value")
    for key in keys:
        try:
            return _cipher(key, purpose).decrypt(sealed[:_NONCE], sealed[_NONCE:], context.encode())
        except InvalidTag:
            continue
    raise UnsealError("no key opens this value")
