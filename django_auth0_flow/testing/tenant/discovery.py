"""Metadata and keys."""

from __future__ import annotations

import copy
import json
import secrets
from collections.abc import Iterable
from typing import Any

from flask import Blueprint, Response

from .faults import Fault
from .jws import base64url
from .keys import stranger
from .model import OIDC_SCOPES
from .mtls import mtls_metadata
from .state import TenantState

_OPEN = {"Access-Control-Allow-Origin": "*"}


def discovery_blueprint(state: TenantState) -> Blueprint:
    blueprint = Blueprint("discovery", __name__)

    @blueprint.get("/.well-known/openid-configuration")
    @blueprint.get("/.well-known/oauth-authorization-server")
    def openid_configuration() -> Response:
        document = metadata(state)
        for fault in state.faults.take_all("metadata"):
            if fault.name == "metadata-missing":
                document.pop(fault.get("member", "token_endpoint"), None)
            else:
                document["issuer"] = fault.get("value", "https://another-tenant.example.com/")
        return _json(document)

    @blueprint.get("/.well-known/jwks.json")
    def jwks() -> Response:
        document = state.keys.jwks(with_alg=state.jwks_with_alg)
        return _json({"keys": _spoilt(document["keys"], state.faults.take_all("jwks"))})

    return blueprint


def _json(document: Any) -> Response:
    headers = {**_OPEN, "Cache-Control": "public, max-age=15, stale-while-revalidate=15, stale-if-error=86400"}
    return Response(json.dumps(document), content_type="application/json", headers=headers)


def metadata(state: TenantState) -> dict[str, Any]:
    """Return the discovery document, its members in the order in which Auth0 serves them."""
    issuer = state.issuer
    document: dict[str, Any] = {
        "issuer": issuer,
        "authorization_endpoint": issuer + "authorize",
        "token_endpoint": issuer + "oauth/token",
        "userinfo_endpoint": issuer + "userinfo",
        "mfa_challenge_endpoint": issuer + "mfa/challenge",
        "jwks_uri": issuer + ".well-known/jwks.json",
        "revocation_endpoint": issuer + "oauth/revoke",
        "scopes_supported": [scope for scope in OIDC_SCOPES if scope != "online_access"],
        "response_types_supported": [
            "code",
            "token",
            "id_token",
            "code token",
            "code id_token",
            "token id_token",
            "code token id_token",
        ],
        "code_challenge_methods_supported": ["S256", "plain"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["public"],
        "token_endpoint_auth_methods_supported": [
            "client_secret_basic",
            "client_secret_post",
            "private_key_jwt",
            "none",
        ],
        "token_endpoint_auth_signing_alg_values_supported": ["RS256", "RS384", "PS256"],
        "claims_supported": [
            "aud",
            "auth_time",
            "created_at",
            "email",
            "email_verified",
            "exp",
            "family_name",
            "given_name",
            "iat",
            "identities",
            "iss",
            "name",
            "nickname",
            "phone_number",
            "picture",
            "sub",
        ],
        "request_uri_parameter_supported": False,
        "request_parameter_supported": True,
        "id_token_signing_alg_values_supported": ["HS256", "RS256", "PS256"],
        "request_object_signing_alg_values_supported": ["RS256", "RS384", "PS256"],
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "dpop_signing_alg_values_supported": ["ES256"],
    }
    if state.advertise_end_session:
        document["end_session_endpoint"] = issuer + "oidc/logout"
    if state.allow_par:
        document["pushed_authorization_request_endpoint"] = issuer + "oauth/par"
    if state.include_iss:
        document["authorization_response_iss_parameter_supported"] = True
    if state.allowed_acr_values:
        document["acr_values_supported"] = list(state.allowed_acr_values)
    return {**document, **mtls_metadata(state, document)}


def _spoilt(keys: list[dict[str, Any]], faults: Iterable[Fault]) -> list[Any]:
    found: list[Any] = copy.deepcopy(keys)
    for fault in faults:
        match fault.name:
            case "jwks-empty":
                found = []
            case "jwks-junk":
                found = [*_junk(keys[0]["kid"]), *found, {"kty": "EC", "kid": "no-curve"}]
            case "jwks-enc-only":
                found = [{**key, "use": "enc", "alg": "RSA-OAEP"} for key in found]
            case "jwks-oct":
                secret = base64url(secrets.token_bytes(32))
                found = [{"kty": "oct", "k": secret, "kid": key["kid"], "use": "sig", "alg": "HS256"} for key in keys]
    return found


def _junk(kid: str) -> list[Any]:
    foreign = {**stranger().jwk(), "kid": "of-somebody-else"}
    return [
        None,
        "a string",
        7,
        [],
        {},
        {"kty": "RSA", "kid": "broken", "n": "!!!", "e": "AQAB"},
        {"kty": "RSA", "kid": kid, "use": "sig", "n": "AQ"},
        {"kty": "OKP", "kid": "unknown-curve", "crv": "Ed999", "x": "AA"},
        {"kty": "??", "kid": ["list"]},
        {key: value for key, value in foreign.items() if key != "x5c"},
    ]
