"""The ways in which a client proves itself at the token endpoint, by the names that ``CLIENT_AUTH`` has for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django_auth0_flow.conf.settings import Auth0Settings
from django_auth0_flow.protocol import client_auth
from django_auth0_flow.protocol.client_auth import ClientAuth
from django_auth0_flow.protocol.signing_keys import KeyRing


@dataclass(frozen=True)
class Method:
    """``build`` takes ``CLIENT_ASSERTION_KEYS`` as a ring; ``credential``: the setting with the proof, "" without any."""

    build: Callable[[Auth0Settings, KeyRing | None], ClientAuth]
    credential: str


CLIENT_AUTH_METHODS = {
    "client_secret_post": Method(
        lambda conf, keys: client_auth.client_secret_post(conf.client_id, conf.client_secret), "CLIENT_SECRET"
    ),
    "client_secret_basic": Method(
        lambda conf, keys: client_auth.client_secret_basic(conf.client_id, conf.client_secret), "CLIENT_SECRET"
    ),
    "private_key_jwt": Method(
        # Where no request needs a proof, there may be no key.
        lambda conf, keys: client_auth.private_key_jwt(conf.client_id, keys or KeyRing([]), conf.clock),
        "CLIENT_ASSERTION_KEYS",
    ),
    "tls_client_auth": Method(lambda conf, keys: client_auth.tls_client_auth(conf.client_id), "CLIENT_CERTIFICATE"),
    "self_signed_tls_client_auth": Method(
        lambda conf, keys: client_auth.tls_client_auth(conf.client_id), "CLIENT_CERTIFICATE"
    ),
    "none": Method(lambda conf, keys: client_auth.no_client_auth(conf.client_id), ""),
}
