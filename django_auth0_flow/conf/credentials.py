"""How the client proves itself: settings of methods, keys and certificates, and what can be wrong with them."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from django_auth0_flow.conf.keys import Problem, needs_token_endpoint
from django_auth0_flow.protocol.signing_keys import load_signing_key

SECRET_METHODS = ("client_secret_post", "client_secret_basic")

_CERTIFICATE_METHODS = ("tls_client_auth", "self_signed_tls_client_auth")

CLIENT_AUTH_METHODS = (*SECRET_METHODS, "private_key_jwt", *_CERTIFICATE_METHODS, "none")


def client_auth_method(values: Mapping[str, Any]) -> str:
    """Return CLIENT_AUTH, or what the other settings imply: keys prove the client, and so does a certificate alone."""
    if "CLIENT_AUTH" in values:
        return str(values["CLIENT_AUTH"])
    if values.get("CLIENT_ASSERTION_KEYS"):
        return "private_key_jwt"
    if values.get("CLIENT_CERTIFICATE") and not values.get("CLIENT_SECRET"):
        return "tls_client_auth"
    return "client_secret_post"


def certificate_files(value: str | Mapping[str, str]) -> str | tuple[str, str] | None:
    """Return CLIENT_CERTIFICATE as requests takes it."""
    if isinstance(value, str):
        return value or None
    return (value["cert"], value["key"]) if "key" in value else value["cert"]


def client_problems(where: str, values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with how the client proves itself."""
    method = client_auth_method(values)
    if method not in CLIENT_AUTH_METHODS:
        yield Problem("E009", f"{where}['CLIENT_AUTH'] must be one of {', '.join(CLIENT_AUTH_METHODS)}.")
    elif not needs_token_endpoint(values) and not values.get("PUSHED_AUTHORIZATION"):
        pass  # the client never has to prove itself
    elif method in SECRET_METHODS and not values.get("CLIENT_SECRET"):
        yield Problem(
            "E010",
            f"{where} needs CLIENT_SECRET.",
            "Auth0 Dashboard: Applications > (app) > Settings > Client Secret. A public client says CLIENT_AUTH: 'none'.",
        )
    elif method == "private_key_jwt" and not values.get("CLIENT_ASSERTION_KEYS"):
        yield Problem(
            "E041",
            f"{where}['CLIENT_AUTH'] private_key_jwt needs CLIENT_ASSERTION_KEYS.",
            "The public key belongs to Auth0 Dashboard: Applications > (app) > Credentials.",
        )
    elif method in _CERTIFICATE_METHODS and not values.get("CLIENT_CERTIFICATE"):
        yield Problem("E044", f"{where}['CLIENT_AUTH'] {method} needs CLIENT_CERTIFICATE.")


def stronger_problems(where: str, values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with the settings of stronger requests."""
    keys = values.get("CLIENT_ASSERTION_KEYS", ())
    for position, entry in enumerate(keys):
        try:
            load_signing_key(**entry)
        except ValueError as error:
            yield Problem(
                "E040",
                f"{where}['CLIENT_ASSERTION_KEYS'][{position}] can't be used: {error}.",
                "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out client-key.pem",
            )
    if values.get("SIGNED_REQUESTS") and not keys:
        yield Problem(
            "E042",
            f"{where}['SIGNED_REQUESTS'] needs CLIENT_ASSERTION_KEYS: the newest of them signs the requests.",
            "With another CLIENT_AUTH than private_key_jwt, name it: keys alone imply that one.",
        )
    if len(keys) > 2:
        yield Problem(
            "W022",
            f"{where}['CLIENT_ASSERTION_KEYS'] has more than two keys.",
            "Auth0 knows at most two per application; a newest key that it refuses is followed by the next one only.",
            is_error=False,
        )
    yield from _certificate_problems(where, values)
    yield from _resource_problems(where, values)
    method = client_auth_method(values)
    if values.get("PUSHED_AUTHORIZATION") and method == "none":
        yield Problem(
            "W020",
            f"{where}['PUSHED_AUTHORIZATION'] is set for a client that can't prove itself.",
            "Auth0 takes pushed requests from confidential applications only.",
            is_error=False,
        )
    if method == "private_key_jwt" and values.get("ID_TOKEN_ALGORITHM") == "HS256":
        yield Problem(
            "W021",
            f"{where}['ID_TOKEN_ALGORITHM'] is HS256, whose key is the client secret that private_key_jwt does without.",
            "Auth0 does not offer the two together: use RS256.",
            is_error=False,
        )


def _certificate_problems(where: str, values: Mapping[str, Any]) -> Iterator[Problem]:
    files = certificate_files(values.get("CLIENT_CERTIFICATE", ""))
    if files is None:
        return
    cert, key = files if isinstance(files, tuple) else (files, None)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(cert, key, password=_no_password)
    except (OSError, ValueError):
        yield Problem(
            "E043",
            f"{where}['CLIENT_CERTIFICATE'] can't be used: files are missing, encrypted, no PEM, or don't fit together.",
            'One file with certificate and key, or {"cert": path, "key": path}.',
        )


def _no_password() -> str:
    """Keep OpenSSL from asking for one on the terminal."""
    return ""


def _resource_problems(where: str, values: Mapping[str, Any]) -> Iterator[Problem]:
    resource = values.get("RESOURCE", "")
    if not resource:
        return
    try:
        parts = urlsplit(resource)
    except ValueError:
        parts = urlsplit("")
    if not parts.scheme or parts.fragment or not resource.isprintable() or " " in resource:
        yield Problem(
            "E045",
            f"{where}['RESOURCE'] must be an absolute URI without a fragment.",
            "https://api.example.com (RFC 8707)",
        )
