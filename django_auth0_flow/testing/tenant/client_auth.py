"""Client authentication: secret in the body or by Basic, ``private_key_jwt``, a certificate at the edge, none."""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import Any
from urllib.parse import unquote

import jwt
from flask import Request

from . import mtls
from .errors import ApiRefusal, unauthorized
from .model import Application
from .parameters import Parameters
from .state import TenantState

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_ALGORITHMS = ["RS256", "RS384", "PS256"]
_MAX_ASSERTION_LIFETIME = 300
_MAX_ASSERTION_SIZE = 2048
_SKEW = 10


def authenticate_client(state: TenantState, request: Request, parameters: Parameters) -> Application:
    """Return the application that sent the request. Raises ApiRefusal; a wrong secret and a stranger look the same.

    Either form of sending the secret is accepted, whichever of the two is configured: Auth0's rule is not documented.
    """
    if parameters.get("client_assertion") is not None:
        return _by_assertion(state, parameters)
    client_id, secret = _basic(request) or (parameters.get("client_id"), parameters.get("client_secret"))
    if client_id is None:
        raise ApiRefusal(401, "invalid_client", "client_id is missing")
    application = state.applications.get(client_id)
    if application is None:
        raise unauthorized()
    if application.is_public:
        return application
    if application.token_endpoint_auth_method in mtls.METHODS:
        if not mtls.shows_certificate(state, request, application):
            raise unauthorized()
        return application
    if application.token_endpoint_auth_method not in {"client_secret_post", "client_secret_basic"}:
        raise unauthorized()
    if secret is None or not hmac.compare_digest(secret.encode(), application.client_secret.encode()):
        raise unauthorized()
    return application


def _basic(request: Request) -> tuple[str, str] | None:
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, secret = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, ValueError) as error:
        raise unauthorized() from error
    return unquote(client_id), unquote(secret)


def _by_assertion(state: TenantState, parameters: Parameters) -> Application:
    if parameters.get("client_assertion_type") != ASSERTION_TYPE:
        raise _bad_assertion()
    assertion = parameters.require("client_assertion")
    if len(assertion) > _MAX_ASSERTION_SIZE:
        raise _bad_assertion()
    try:
        client_id = jwt.decode(assertion, options={"verify_signature": False}).get("iss")
    except jwt.PyJWTError as error:
        raise _bad_assertion() from error
    application = state.applications.get(client_id) if isinstance(client_id, str) else None
    if application is None or application.token_endpoint_auth_method != "private_key_jwt":
        raise _bad_assertion()
    if parameters.get("client_id") not in (None, client_id):
        raise _bad_assertion()
    claims = verify_signed_by(application, assertion)
    _check_assertion_claims(state, application, claims)
    return application


def _check_assertion_claims(state: TenantState, application: Application, claims: dict[str, Any]) -> None:
    now = state.clock.now()
    exp, jti = claims.get("exp"), claims.get("jti")
    ok = (
        claims.get("sub") == application.client_id
        and claims.get("aud") == state.issuer  # one string: arrays and endpoint URLs are no longer taken
        and isinstance(exp, int | float)
        and now - _SKEW < exp <= now + _MAX_ASSERTION_LIFETIME + _SKEW
        and all(claims.get(name, 0) <= now + _SKEW for name in ("iat", "nbf"))
        and isinstance(jti, str)
        and 0 < len(jti) <= 64
    )
    if not ok:
        raise _bad_assertion()
    with state.lock:
        if state.peek("assertion", f"{application.client_id} {jti}") is not None:
            raise _bad_assertion()
        state.keep("assertion", True, 2 * _MAX_ASSERTION_LIFETIME, value=f"{application.client_id} {jti}")


def verify_signed_by(application: Application, token: str) -> dict[str, Any]:
    """Return the claims of a JWT signed by a key registered for the application; only the signature is checked."""
    try:
        kid = jwt.get_unverified_header(token).get("kid")
        known = application.public_keys
        candidates = [known[kid]] if kid in known else list(known.values()) if kid is None or "" in known else []
        for key in candidates:
            try:
                return dict(
                    jwt.decode(
                        token,
                        key,
                        algorithms=ASSERTION_ALGORITHMS,
                        options={
                            "verify_exp": False,
                            "verify_iat": False,
                            "verify_nbf": False,
                            "verify_aud": False,
                            "verify_sub": False,
                            "verify_jti": False,
                        },
                    )
                )
            except jwt.InvalidSignatureError:
                continue
    except jwt.PyJWTError as error:
        raise _bad_assertion() from error
    raise _bad_assertion()


def _bad_assertion() -> ApiRefusal:
    return ApiRefusal(401, "invalid_client", "Client authentication failed: invalid client_assertion")
