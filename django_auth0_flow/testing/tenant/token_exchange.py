"""Token exchange: a login by the token of another system, and an API's calls in its caller's name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .errors import ApiRefusal, missing
from .grants import asked_audience, new_authorization
from .mfa import demand_mfa
from .model import TOKEN_EXCHANGE
from .token_endpoint import Grant, TokenRequest
from .tokens import check_user, grantable_scopes

ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"


def token_exchange(asked: TokenRequest) -> dict[str, Any]:
    """Exchange the subject token, by what it is."""
    kind, subject_token = asked.parameters.require("subject_token_type"), asked.parameters.require("subject_token")
    exchanged = _on_behalf_of if kind == ACCESS_TOKEN_TYPE else _by_profile
    return {**exchanged(asked, kind, subject_token), "issued_token_type": ACCESS_TOKEN_TYPE}


def _by_profile(asked: TokenRequest, kind: str, subject_token: str) -> dict[str, Any]:
    """Log in whom the profile's Action says; there is no browser, so no session and no ``sid``."""
    state, parameters = asked.state, asked.parameters
    if "requested_token_type" in parameters.values:
        text = "Invalid subject_token_type and requested_token_type combination."
        raise ApiRefusal(400, "invalid_request", text)
    if bool(parameters.get("actor_token")) != bool(parameters.get("actor_token_type")):
        raise missing("actor_token" if parameters.get("actor_token_type") else "actor_token_type")
    if not asked.application.allow_token_exchange or kind not in state.token_exchange_profiles:
        raise ApiRefusal(400, "invalid_request", "Unknown subject_token_type")  # reference 3.10.1: the text is open
    found = state.token_exchange_profiles[kind](subject_token)
    if found is None:
        raise ApiRefusal(400, "invalid_request", "The subject token was rejected")
    user = check_user(state, found.sub)
    audience = asked_audience(asked)
    if audience is not None and audience not in state.apis:
        raise ApiRefusal(403, "access_denied", f"Service not found: {audience}")
    authorization = new_authorization(asked, user, audience)
    if (wanted := parameters.get("organization")) is not None:
        organization = state.find_organization(wanted)
        if organization is None or organization.id not in user.orgs:
            raise ApiRefusal(400, "invalid_request", f"parameter organization is invalid: {wanted}")
        authorization = replace(authorization, organization=organization.id)
    if user.mfa_required:
        raise demand_mfa(asked, authorization)
    return asked.answer(authorization)


def _on_behalf_of(asked: TokenRequest, kind: str, subject_token: str) -> dict[str, Any]:
    """Issue a token for another API in the name of the caller of this one."""
    state, application, parameters = asked.state, asked.application, asked.parameters
    if application.resource_server is None or application.is_public:
        raise ApiRefusal(403, "unauthorized_client", "The client may not act on behalf of others")
    record = state.access_tokens.get(subject_token)
    is_good = record is not None and record.expires_at > state.clock.now()
    if record is None or not is_good or application.resource_server not in record.audiences:
        raise ApiRefusal(401, "invalid_request", "The subject token is not valid")
    if parameters.get("requested_token_type") not in (None, ACCESS_TOKEN_TYPE):
        raise ApiRefusal(400, "invalid_request", "Invalid subject_token_type and requested_token_type combination.")
    audience = parameters.require("audience")
    api = state.apis.get(audience)
    if api is None or api.user_access == "none":
        description = f'Client "{application.client_id}" is not authorized to access resource server "{audience}".'
        raise ApiRefusal(403, "access_denied", description)
    granted = record.authorization
    check_user(state, granted.sub)
    requested = parameters.scopes()
    scopes = grantable_scopes(state, granted.sub, audience, api.scopes if requested is None else requested)
    allowed = tuple(scope for scope in scopes if scope in api.scopes)
    actor = {"sub": application.client_id, **({"act": granted.act} if granted.act else {})}
    return asked.answer(
        replace(granted, client_id=application.client_id, audience=audience, scopes=allowed, act=actor, gty=None)
    )


TOKEN_EXCHANGE_GRANTS: dict[str, Grant] = {TOKEN_EXCHANGE: token_exchange}
