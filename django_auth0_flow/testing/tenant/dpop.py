"""DPoP: proofs at the tenant's own endpoints, nonces, and which tokens get bound (RFC 9449, reference 7.4)."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import jwt
from flask import Request

from .errors import ApiRefusal
from .model import Application
from .state import TenantState

_MAX_AGE = 300
_SKEW = 30
_NONCE_LIFETIME = 300


def thumbprint(jwk: dict[str, Any]) -> str:
    """Return the RFC 7638 thumbprint of an EC or RSA public key."""
    members = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n")}[str(jwk.get("kty"))]
    canonical = json.dumps({name: jwk[name] for name in members}, separators=(",", ":"), sort_keys=True)
    return base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).rstrip(b"=").decode()


def check_proof(
    state: TenantState, request: Request, application: Application | None, *, access_token: str | None = None
) -> str | None:
    """Return the thumbprint of the request's DPoP proof, ``None`` when it has none.

    Public applications must use a nonce; confidential ones need none unless ``state.require_dpop_nonce``.
    """
    proofs = request.headers.getlist("DPoP")
    if not proofs:
        return None
    if len(proofs) > 1:
        raise _bad("more than one DPoP header")
    claims, jkt = _read(proofs[0])
    _check_claims(state, request, claims)
    if access_token is not None:
        digest = base64.urlsafe_b64encode(hashlib.sha256(access_token.encode()).digest()).rstrip(b"=").decode()
        if claims.get("ath") != digest:
            raise _bad("ath does not match the access token")
    wants_nonce = state.require_dpop_nonce or (application is not None and application.is_public)
    if access_token is None and wants_nonce:
        nonce = claims.get("nonce")
        if not isinstance(nonce, str) or state.peek("dpop-nonce", nonce) is None:
            fresh = state.keep("dpop-nonce", True, _NONCE_LIFETIME)
            description = "Authorization server requires nonce in DPoP proof"
            raise ApiRefusal(400, "use_dpop_nonce", description, headers={"DPoP-Nonce": fresh})
    with state.lock:
        if state.peek("dpop-jti", str(claims["jti"])) is not None:
            raise _bad("jti was used before")
        state.keep("dpop-jti", True, _MAX_AGE + _SKEW, value=str(claims["jti"]))
    return jkt


def _read(proof: str) -> tuple[dict[str, Any], str]:
    try:
        header = jwt.get_unverified_header(proof)
        jwk = header.get("jwk")
        if header.get("typ") != "dpop+jwt" or header.get("alg") != "ES256" or not isinstance(jwk, dict):
            raise _bad("header must say typ dpop+jwt, alg ES256 and a jwk")
        if "d" in jwk:
            raise _bad("the jwk holds a private key")
        key = jwt.PyJWK(jwk, algorithm="ES256").key
        options: Any = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False}
        claims = jwt.decode(proof, key, algorithms=["ES256"], options=options)
        return claims, thumbprint(jwk)
    except (jwt.PyJWTError, KeyError) as error:
        raise _bad("the proof cannot be verified") from error


def _check_claims(state: TenantState, request: Request, claims: dict[str, Any]) -> None:
    now = state.clock.now()
    if claims.get("htm") != request.method:
        raise _bad("htm does not match the request")
    if claims.get("htu") != state.issuer.rstrip("/") + request.path:
        raise _bad("htu does not match the request")
    iat = claims.get("iat")
    if not isinstance(iat, int | float) or not now - _MAX_AGE <= iat <= now + _SKEW:
        raise _bad("iat is outside the window")
    if not isinstance(claims.get("jti"), str) or not claims["jti"]:
        raise _bad("jti is missing")


def decide_binding(state: TenantState, application: Application, audience: str | None, jkt: str | None) -> str | None:
    """Return the thumbprint that the access token is bound to, or refuse, by the table of reference 7.4."""
    api = state.apis.get(audience or "")
    policy = "userinfo" if api is None else api.dpop
    if application.require_dpop and (jkt is None or policy == "none"):
        raise ApiRefusal(400, "invalid_request", "The application requires sender constraining")
    if policy == "required" and jkt is None:
        raise ApiRefusal(400, "invalid_request", "The resource server requires sender constraining")
    return None if policy == "none" else jkt


def _bad(why: str) -> ApiRefusal:
    return ApiRefusal(400, "invalid_dpop_proof", f"Invalid DPoP proof: {why}")
