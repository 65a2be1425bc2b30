"""How the client proves itself at the token endpoint: one callable per method.

Each takes the form about to be sent and the issuer, and returns headers to add; it may add to the form. OpenID Connect
Core 1.0 §9; Auth0: Application Credentials.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, MutableMapping
from urllib.parse import quote

#: (form, issuer) -> headers
ClientAuth = Callable[[MutableMapping[str, str], str], dict[str, str]]


def client_secret_post(client_id: str, client_secret: str) -> ClientAuth:
    """Send id and secret in the form. Auth0's default for Regular Web Applications."""

    def authenticate(form: MutableMapping[str, str], issuer: str) -> dict[str, str]:
        form["client_id"] = client_id
        form["client_secret"] = client_secret
        return {}

    return authenticate


def client_secret_basic(client_id: str, client_secret: str) -> ClientAuth:
    """Send id and secret, form-encoded, in the Authorization header. RFC 6749 §2.3.1."""
    # A blank becomes %20, which every server reads alike; the form's own "+" is not decoded everywhere.
    pair = f"{quote(client_id, safe='')}:{quote(client_secret, safe='')}".encode()
    header = "Basic " + base64.b64encode(pair).decode()

    def authenticate(form: MutableMapping[str, str], issuer: str) -> dict[str, str]:
        return {"Authorization": header}

    return authenticate


def no_client_auth(client_id: str) -> ClientAuth:
    """Send the client id only: a public client, protected by PKCE."""

    def authenticate(form: MutableMapping[str, str], issuer: str) -> dict[str, str]:
        form["client_id"] = client_id
        return {}

    return authenticate
