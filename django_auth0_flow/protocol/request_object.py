"""Signed authorization requests: nobody on the way through the browser can change a parameter. RFC 9101."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from .signing_keys import SigningKey

#: Seconds that a request object is good: the browser takes it to the tenant at once, or a slow phone a little later.
LIFETIME = 300
#: Parameters that are numbers in JSON. RFC 9101 §4.
_NUMBERS = ("max_age",)


def sign_request(parameters: Mapping[str, str], *, client_id: str, issuer: str, key: SigningKey, now: float) -> str:
    """Return the request object that holds ``parameters``. Auth0: Authorization Code Flow with JAR."""
    values: dict[str, object] = {
        name: int(value) if name in _NUMBERS and value.isascii() and value.isdigit() else value
        for name, value in parameters.items()
    }
    claims = {
        **values,
        "iss": client_id,
        "aud": issuer,
        "client_id": client_id,
        "iat": int(now),
        "exp": int(now) + LIFETIME,
        "jti": secrets.token_urlsafe(24),
    }
    return key.sign(claims, typ="oauth-authz-req+jwt")
