"""``POST /oauth/token``: who asks, is the grant allowed, and then the grant itself."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Request, Response, request

from . import session_transfer
from .client_auth import authenticate_client
from .dpop import check_proof, decide_binding
from .errors import ApiRefusal, grant_not_allowed, missing
from .mfa import demand_mfa
from .model import ALL_GRANTS, OIDC_SCOPES, Application
from .parameters import Parameters
from .quota import quota_headers
from .records import Authorization
from .state import TenantState
from .tokens import check_user, grantable_scopes, token_answer, wants_refresh_token


@dataclass(frozen=True)
class TokenRequest:
    """An authenticated token request whose grant is allowed. ``jkt`` is the thumbprint of a good DPoP proof."""

    state: TenantState
    application: Application
    grant_type: str
    parameters: Parameters
    http: Request
    jkt: str | None

    def answer(self, authorization: Authorization, *, jkt: str | None = None) -> dict[str, Any]:
        """Issue the tokens of a new authorization, a refresh token among them when one is due."""
        bound = decide_binding(self.state, self.application, authorization.audience, jkt or self.jkt)
        refresh_token = None
        if wants_refresh_token(self.state, authorization):
            refresh_token = self.state.refresh_tokens.issue(
                authorization, self.state.clock.now(), jkt=bound if self.application.is_public else None
            )
        return token_answer(
            self.state, authorization, refresh_token=refresh_token, jkt=bound, grant_type=self.grant_type
        )


Grant = Callable[[TokenRequest], dict[str, Any]]


def token_blueprint(state: TenantState, more_grants: dict[str, Grant]) -> Blueprint:
    """Return the route, with the grants of this module and ``more_grants``."""
    grants = {"authorization_code": authorization_code, "refresh_token": refresh_token, **more_grants}
    blueprint = Blueprint("token", __name__)

    @blueprint.post("/oauth/token")
    def token() -> Response:
        parameters = Parameters.of_body(request)
        grant_type = parameters.get("grant_type")
        if grant_type is None:
            raise missing("grant_type")
        application = authenticate_client(state, request, parameters)
        if grant_type not in ALL_GRANTS - {"implicit"}:
            raise ApiRefusal(501, "unsupported_grant_type", f"Unsupported grant type: {grant_type}")
        if not application.allows(grant_type):
            raise grant_not_allowed(grant_type)
        jkt = check_proof(state, request, application)
        _refuse_by_fault(state, grant_type)
        asked = TokenRequest(state, application, grant_type, parameters, request, jkt)
        return _send(state, asked, grants[grant_type](asked))

    return blueprint


def _refuse_by_fault(state: TenantState, grant_type: str) -> None:
    """Play the refusal faults that are waiting; nothing is issued or rotated then."""
    for fault in state.faults.take_all("refusal", grant_type=grant_type):
        match fault.name:
            case "error-200":
                raise ApiRefusal(200, "invalid_grant", "An error under a good status")
            case "mfa-required":
                extra = {"mfa_token": state.keep("mfa", None, 600)}
                raise ApiRefusal(403, "mfa_required", "Multifactor authentication required", extra=extra)
            case "access-denied":
                raise ApiRefusal(403, "access_denied", fault.get("description", "Denied by a post-login Action"))
            case _:
                raise ApiRefusal(
                    int(fault.get("status", 403)), fault.get("error", "invalid_grant"), fault.get("description")
                )


def _send(state: TenantState, asked: TokenRequest, answer: dict[str, Any]) -> Response:
    """Return the answer, with the answer faults that are waiting."""
    status = 200
    for fault in state.faults.take_all("answer", grant_type=asked.grant_type):
        match fault.name:
            case "token-type-missing" | "no-access-token" | "no-refresh-token":
                answer.pop(_MEMBERS[fault.name], None)
            case "token-type-other":
                answer["token_type"] = fault.get("value", "mac")
            case "expires-in" | "scope":
                _replace(answer, fault.name.replace("-", "_"), fault.options)
            case "extra":
                answer[fault.get("member", "session_state")] = fault.get("value", "unexpected")
            case "refresh-token-echo":
                answer["refresh_token"] = asked.parameters.get("refresh_token") or answer.get("refresh_token")
            case "tokens-400":
                status = 400
    headers = quota_headers(state, asked.application) if asked.grant_type == "client_credentials" else {}
    return Response(json.dumps(answer), status=status, content_type="application/json", headers=headers)


_MEMBERS = {
    "token-type-missing": "token_type",
    "no-access-token": "access_token",
    "no-refresh-token": "refresh_token",
}


def _replace(answer: dict[str, Any], name: str, options: dict[str, Any]) -> None:
    if "value" in options:
        answer[name] = options["value"]
    else:
        answer.pop(name, None)


def authorization_code(asked: TokenRequest) -> dict[str, Any]:
    """Exchange a code. Codes are good once, for 60 seconds."""
    state, parameters = asked.state, asked.parameters
    code = parameters.require("code")
    grant: CodeGrant | None = state.take("code", code)
    if grant is None or grant.authorization.client_id != asked.application.client_id:
        raise ApiRefusal(state.invalid_grant_status, "invalid_grant", "Invalid authorization code")
    _check_verifier(asked, grant)
    sent = parameters.get("redirect_uri")
    if grant.redirect_uri_sent and sent != grant.redirect_uri:
        sent_origin, expected = _origin(sent or ""), _origin(grant.redirect_uri)
        description = f"The redirect URI is wrong. You sent {sent_origin}, and we expected {expected}"
        raise ApiRefusal(403, "unauthorized_client", description)
    if grant.dpop_jkt is not None and grant.dpop_jkt != asked.jkt:
        raise ApiRefusal(400, "invalid_dpop_proof", "The proof is not of the key that the code is bound to")
    check_user(state, grant.authorization.sub)
    return asked.answer(grant.authorization)


def _check_verifier(asked: TokenRequest, grant: CodeGrant) -> None:
    verifier = asked.parameters.get("code_verifier")
    if grant.code_challenge is None:
        if asked.application.is_public:
            raise ApiRefusal(400, "invalid_request", "Parameter 'code_verifier' is required")
        return
    if verifier is None:
        raise ApiRefusal(400, "invalid_request", "Parameter 'code_verifier' is required")
    digest = hashlib.sha256(verifier.encode()).digest()
    if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != grant.code_challenge:
        raise ApiRefusal(asked.state.invalid_grant_status, "invalid_grant", "Failed to verify code verifier")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else url


@dataclass(frozen=True)
class CodeGrant:
    """What an authorization code stands for."""

    authorization: Authorization
    redirect_uri: str
    redirect_uri_sent: bool
    code_challenge: str | None
    dpop_jkt: str | None = None


def refresh_token(asked: TokenRequest) -> dict[str, Any]:
    """Refresh; with rotation on the old token dies here, atomically."""
    value = asked.parameters.require("refresh_token")
    family = asked.state.refresh_tokens.find(value)
    if family is not None and family.authorization.client_id == asked.application.client_id:
        _check_before_refresh(asked, family.authorization)
        if family.jkt is not None and family.jkt != asked.jkt:
            raise _unknown_refresh_token(asked.state)
        _narrowed(asked, family.authorization)  # refuses before anything is rotated
    return finish_refresh(asked, value)


def finish_refresh(asked: TokenRequest, value: str) -> dict[str, Any]:
    """Exchange a refresh token whose user has nothing more to prove."""
    state, application = asked.state, asked.application
    exchanged = state.refresh_tokens.exchange(value, application, state.clock.now())
    if exchanged is None:
        raise _unknown_refresh_token(state)
    family, rotated = exchanged
    if asked.parameters.get("audience") == session_transfer.audience_of(state):
        granted = family.authorization
        return session_transfer.answer(state, application, granted.sub, granted.organization, rotated)
    authorization = _narrowed(asked, family.authorization)
    bound = decide_binding(state, application, authorization.audience, asked.jkt)
    return token_answer(
        state, authorization, refresh_token=rotated, jkt=bound, refreshed=True, grant_type=asked.grant_type
    )


def _check_before_refresh(asked: TokenRequest, authorization: Authorization) -> None:
    user = asked.state.users.get(authorization.sub)
    if user is not None and user.blocked:
        raise ApiRefusal(asked.state.invalid_grant_status, "invalid_grant", "user is blocked")
    user = check_user(asked.state, authorization.sub)
    if user.mfa_on_refresh:
        raise demand_mfa(asked, authorization)


def _unknown_refresh_token(state: TenantState) -> ApiRefusal:
    return ApiRefusal(state.invalid_grant_status, "invalid_grant", "Unknown or invalid refresh token.")


def _narrowed(asked: TokenRequest, granted: Authorization) -> Authorization:
    """Apply ``scope`` and, where a policy allows it, ``audience``.

    Wider scopes are dropped silently, and so is an audience without a policy (multi-resource refresh tokens).
    """
    state, application = asked.state, asked.application
    requested = asked.parameters.scopes()
    audience = asked.parameters.get("audience")
    scopes = granted.scopes
    if audience is not None and audience != granted.audience and application.refresh_policies:
        policy = application.refresh_policies.get(audience)
        if policy is None or audience not in state.apis:
            raise ApiRefusal(403, "access_denied", f"Service not found: {audience}")
        oidc = [scope for scope in granted.scopes if scope in OIDC_SCOPES]
        allowed = [*oidc, *policy]
        granted = replace(granted, audience=audience)
        scopes = grantable_scopes(state, granted.sub, audience, allowed)
    if requested is not None:
        scopes = tuple(scope for scope in scopes if scope in requested)
    return granted.with_scopes(scopes)
