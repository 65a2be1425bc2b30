"""Protocol clients, made of a configuration."""

from __future__ import annotations

from typing import Any

from django_auth0_flow.conf.client_auth_methods import CLIENT_AUTH_METHODS
from django_auth0_flow.conf.settings import Auth0Settings
from django_auth0_flow.conf.shared_cache import ForgivingCache
from django_auth0_flow.protocol.cached_document import SharedCache
from django_auth0_flow.protocol.client import Client
from django_auth0_flow.protocol.http import Http, build_session
from django_auth0_flow.protocol.issuer import Issuer
from django_auth0_flow.protocol.signing_keys import KeyRing, load_signing_key


def build_shared_client(conf: Auth0Settings) -> Client:
    """Return the client that the processes of a site use: real network, metadata and keys shared by Django's cache."""
    return build_client(conf, http=Http(**http_options(conf)), cache=ForgivingCache())


def http_options(conf: Auth0Settings) -> dict[str, Any]:
    """Return what ``Http`` needs for a configuration."""
    return {"timeout": conf.http_timeout, "session": build_session(conf.certificate_files)}


def build_client(conf: Auth0Settings, *, http: Http, cache: SharedCache | None) -> Client:
    """Return a new protocol client. Without ``cache`` it shares no metadata and keys with other processes."""
    entries = conf.client_assertion_keys  # newest first
    keys = KeyRing([load_signing_key(**entry) for entry in entries]) if entries else None
    return Client(
        issuer=Issuer(conf.issuer, http=http, cache=cache, mtls=bool(conf.client_certificate)),
        client_id=conf.client_id,
        auth=CLIENT_AUTH_METHODS[conf.client_auth].build(conf, keys),
        http=http,
        clock=conf.clock,
        leeway=conf.leeway,
        id_token_algorithm=conf.id_token_algorithm,
        client_secret=conf.client_secret or None,
        keys=keys,
        push_requests=conf.pushed_authorization,
        sign_requests=conf.signed_requests,
        dpop=conf.dpop,
        resource=conf.resource,
    )
