"""How the client proves itself at the token endpoint: one callable per method.

Each takes the form about to be sent and the issuer, and returns headers to add; it may add to the form. OpenID Connect
Core 1.0 §9; Auth0: Application Credentials.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, MutableMapping
from urllib.parse import quote

from django_auth0_flow.protocol.signing_keys import KeyRing

#: (form, issuer) -> headers
ClientAuth = Callable[[MutableMapping[str, str], str], dict[str, str]]

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

#: Seconds that a client assertion is good. Auth0 advises a minute at most.
ASSERTION_LIFETIME = 60


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


def private_key_jwt(client_id: str, keys: KeyRing, clock: Callable[[], float]) -> ClientAuth:
    """Send a fresh JWT signed with the current key of ``keys``.

    Its audience is the issuer as one string, never an endpoint: a server that passes assertions on could use them
    elsewhere. RFC 7523 §3; Auth0: Authenticate with Private Key JWT.
    """

    def authenticate(form: MutableMapping[str, str], issuer: str) -> dict[str, str]:
        claims = {"iss": client_id, "sub": client_id, "aud": issuer}
        form["client_id"] = client_id
        form["client_assertion_type"] = ASSERTION_TYPE
        form["client_assertion"] = keys.current().sign(claims, now=clock(), lifetime=ASSERTION_LIFETIME)
        return {}

    return authenticate


def tls_client_auth(client_id: str) -> ClientAuth:
    """Send the client id only: the certificate that the connection presents is the proof. RFC 8705 §2."""
    return no_client_auth(client_id)


def in_body(auth: ClientAuth, client_id: str, client_secret: str | None) -> ClientAuth:
    """Return ``auth`` for JSON bodies: Auth0's JSON endpoints take id and secret there only, never in a header."""

    def authenticate(document: MutableMapping[str, str], issuer: str) -> dict[str, str]:
        headers = auth(document, issuer)
        if headers.pop("Authorization", None) and client_secret:
            document["client_secret"] = client_secret
        document["client_id"] = client_id
        return headers

    return authenticate
