"""base64url without padding, as JOSE, PKCE and DPoP write bytes. RFC 7515 §2."""

from __future__ import annotations

import base64


def base64url_encode(data: bytes) -> str:
    """Return ``data`` as text."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def base64url_decode(text: str) -> bytes:
    """Return the bytes that ``text`` encodes. Raises ValueError."""
    return base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
