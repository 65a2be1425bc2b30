"""Client certificates, as the customer's edge in front of a custom domain passes them on (reference 3.1, 7.5).

The tenant itself speaks plain HTTP. An edge that ends TLS may stand before it: it sends its key and the certificate that
the client showed. How Auth0 compares certificates in detail is not documented; here the whole certificate must be one of
the application's. Tokens are not bound to certificates.
"""

from __future__ import annotations

import hmac
from typing import Any
from urllib.parse import unquote

from cryptography import x509
from flask import Request

from .model import Application
from .state import TenantState

METHODS = ("tls_client_auth", "self_signed_tls_client_auth")
_ENDPOINTS = {
    "token_endpoint": "oauth/token",
    "revocation_endpoint": "oauth/revoke",
    "pushed_authorization_request_endpoint": "oauth/par",
    "userinfo_endpoint": "userinfo",
}


def mtls_metadata(state: TenantState, document: dict[str, Any]) -> dict[str, Any]:
    """Return the members of the discovery document that tell of the edge; none without one."""
    if state.mtls_edge is None:
        return {}
    aliases = {name: state.mtls_edge + path for name, path in _ENDPOINTS.items() if name in document}
    methods = [*document["token_endpoint_auth_methods_supported"], *METHODS]
    return {
        "tls_client_certificate_bound_access_tokens": True,
        "token_endpoint_auth_methods_supported": methods,
        "mtls_endpoint_aliases": aliases,
    }


def shows_certificate(state: TenantState, request: Request, application: Application) -> bool:
    """Say whether the request came through the edge with a certificate of the application."""
    headers = request.headers
    if not hmac.compare_digest(headers.get("cname-api-key", "").encode(), state.mtls_edge_key.encode()):
        return False
    wants_ca = application.token_endpoint_auth_method == "tls_client_auth"
    if wants_ca and headers.get("client-certificate-ca-verified") != "SUCCESS":
        return False
    try:
        shown = x509.load_pem_x509_certificate(unquote(headers.get("client-certificate", "")).encode())
    except ValueError:
        return False
    return shown in [x509.load_pem_x509_certificate(known.encode()) for known in application.certificates]
