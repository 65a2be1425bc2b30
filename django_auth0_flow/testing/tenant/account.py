"""``/userinfo`` and ``/oauth/revoke``."""

from __future__ import annotations

import json

from flask import Blueprint, Response, request

from .client_auth import authenticate_client
from .dpop import check_proof
from .errors import ApiRefusal
from .parameters import Parameters
from .records import AccessToken
from .state import TenantState
from .tokens import user_claims

_BAD_SIGNATURE = (
    "The access token signature could not be validated. A common cause of this is requesting multiple audiences for an "
    "access token signed with HS256, which cannot be validated by the userinfo endpoint."
)


def account_blueprint(state: TenantState) -> Blueprint:
    blueprint = Blueprint("account", __name__)

    @blueprint.route("/userinfo", methods=["GET", "POST"])
    def userinfo() -> Response:
        try:
            found = access_token_for(state, state.userinfo_audience)
        except ApiRefusal as refusal:
            challenge = f'DPoP error="{refusal.body["error"]}", algs="ES256"'
            headers = {"WWW-Authenticate": challenge, **refusal.headers}
            return Response("Unauthorized", status=401, content_type="text/plain", headers=headers)
        if found is None or "openid" not in found.authorization.scopes:
            return _unauthorized()
        user = state.users.get(found.authorization.sub)
        if user is None or user.blocked:
            return _unauthorized()
        claims = {"sub": user.sub, **user_claims(user, found.authorization.scopes)}
        for fault in state.faults.take_all("userinfo"):
            if fault.name == "userinfo-sub-missing":
                claims.pop("sub", None)
            else:
                claims["sub"] = fault.get("value", "auth0|000000000000000000000000")
        headers = {"Access-Control-Allow-Origin": "*"}
        return Response(json.dumps(claims), content_type="application/json; charset=utf-8", headers=headers)

    @blueprint.post("/oauth/revoke")
    def revoke() -> Response:
        parameters = Parameters.of_body(request)
        try:
            application = authenticate_client(state, request, parameters)
        except ApiRefusal as refusal:
            # Reference 6.2: invalid_client here, not the access_denied of the token endpoint
            raise ApiRefusal(401, "invalid_client", "Unauthorized") from refusal
        state.refresh_tokens.revoke(parameters.require("token"), application.client_id)
        return Response("")

    return blueprint


def access_token_for(state: TenantState, audience: str) -> AccessToken | None:
    """Return the good access token of the request: an opaque one is for ``/userinfo``, a JWT for those in its audience."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if not token and request.method == "POST":
        scheme, token = "bearer", request.form.get("access_token", "")
    found = state.access_tokens.get(token)
    if found is None or found.expires_at <= state.clock.now() or found.symmetric:
        return None
    if found.kid is not None and found.kid not in {key.kid for key in state.keys.published()}:
        return None
    if audience not in found.audiences:
        return None
    if found.jkt is None:
        return found if scheme.lower() == "bearer" else None
    if scheme.lower() != "dpop":
        return None
    return found if check_proof(state, request, None, access_token=token) == found.jkt else None


def _unauthorized() -> Response:
    challenge = f'Bearer realm="Users", error="invalid_token", error_description="{_BAD_SIGNATURE}"'
    return Response("Unauthorized", status=401, content_type="text/plain", headers={"WWW-Authenticate": challenge})
