"""Grants without a redirect: password, password-realm, client credentials, Token Vault."""

from __future__ import annotations

import hmac
from typing import Any

from .errors import ApiRefusal
from .mfa import demand_mfa
from .model import PASSWORD_REALM, TOKEN_VAULT, User
from .records import Authorization
from .token_endpoint import Grant, TokenRequest
from .tokens import check_user, grantable_scopes, token_answer

_BRUTE_FORCE_LIMIT = 10
_BLOCKED = (
    "Your account has been blocked after multiple consecutive login attempts. "
    "We've sent you an email with instructions on how to unblock it."
)
_LEAKED = (
    "This login attempt has been blocked because the password you're using was previously disclosed through a data "
    "breach (not in this application). Please check your email for more information."
)
_FEDERATED_TYPE = "http://auth0.com/oauth/token-type/federated-connection-access-token"
_SUBJECT_TYPES = {
    "urn:ietf:params:oauth:token-type:refresh_token",
    "urn:ietf:params:oauth:token-type:access_token",
}


def password(asked: TokenRequest) -> dict[str, Any]:
    """Log in with a password; without a scope everything is granted, as Auth0 does for this grant only."""
    state, parameters = asked.state, asked.parameters
    name, secret = parameters.require("username"), parameters.require("password")
    connection = _connection(asked)
    audience = asked_audience(asked)
    if audience is not None and audience not in state.apis:
        raise ApiRefusal(400, "invalid_request", "invalid audience specified for password grant exchange")
    if state.bot_detection:
        raise ApiRefusal(401, "requires_verification")  # reference 3.6: status and text are not documented
    user = _checked_password(asked, connection, name, secret)
    authorization = new_authorization(asked, user, audience, gty="password")
    if user.mfa_required:
        raise demand_mfa(asked, authorization)
    return asked.answer(authorization)


def _connection(asked: TokenRequest) -> str:
    """Return the connection to look in: the realm's or the tenant's default directory."""
    if asked.grant_type == PASSWORD_REALM:
        realm = asked.parameters.require("realm")
        if realm not in asked.application.connections:
            # Reference 3.7: status and text are not documented
            raise ApiRefusal(400, "invalid_request", "The realm is unknown or not enabled for the client")
        return realm
    if asked.state.default_directory not in asked.application.connections:
        raise ApiRefusal(500, "server_error", "Authorization server not configured with default connection.")
    return str(asked.state.default_directory)


def _checked_password(asked: TokenRequest, connection: str, name: str, secret: str) -> User:
    state = asked.state
    key = (name.lower(), client_address(asked))
    if state.failed_logins.get(key, 0) >= _BRUTE_FORCE_LIMIT:
        raise ApiRefusal(429, "too_many_attempts", _BLOCKED)
    user = state.user_by_login(name, connection)
    known = user.password if user is not None and user.password is not None else ""
    if user is None or not known or not hmac.compare_digest(known.encode(), secret.encode()):
        with state.lock:
            state.failed_logins[key] = state.failed_logins.get(key, 0) + 1
        raise ApiRefusal(state.invalid_grant_status, "invalid_grant", "Wrong email or password.")
    if user.password_leaked:
        raise ApiRefusal(401, "password_leaked", _LEAKED)
    with state.lock:
        state.failed_logins.pop(key, None)
    return check_user(state, user.sub)


def client_address(asked: TokenRequest) -> str:
    """Return the address that attack protection counts.

    ``auth0-forwarded-for`` counts only from a confidential application that authenticates with its secret and has
    «Trust Token Endpoint IP Header» on.
    """
    by_secret = asked.application.token_endpoint_auth_method.startswith("client_secret")
    sent = asked.http.headers.get("auth0-forwarded-for")
    if sent and by_secret and asked.application.trust_forwarded_for:
        return sent
    return asked.http.remote_addr or ""


def asked_audience(asked: TokenRequest) -> str | None:
    resource = asked.parameters.get("resource") if asked.state.resource_parameter else None
    return asked.parameters.get("audience") or resource or asked.state.default_audience


def new_authorization(
    asked: TokenRequest, user: User, audience: str | None, *, gty: str | None = None
) -> Authorization:
    """Return what a login without a browser grants. It has no session, so no ``sid``."""
    state = asked.state
    requested = asked.parameters.scopes()
    if requested is None:
        api = state.apis.get(audience or "")
        requested = list(api.scopes) if api is not None else ["openid", "profile", "email", "address", "phone"]
    scopes = grantable_scopes(state, user.sub, audience, requested)
    return Authorization(asked.application.client_id, user.sub, scopes, audience, gty=gty)


def client_credentials(asked: TokenRequest) -> dict[str, Any]:
    application, audience = asked.application, asked_audience(asked)
    if application.is_public:
        description = "Grant type 'client_credentials' not allowed for the client."
        raise ApiRefusal(403, "unauthorized_client", description)
    if audience is None:
        raise ApiRefusal(403, "access_denied", "Non-global clients are not allowed access to APIv1")
    if audience not in asked.state.apis:
        raise ApiRefusal(403, "access_denied", f"Service not enabled within domain: {audience}")
    if audience not in application.client_grants:
        description = (
            f'Client is not authorized to access "{audience}". You need to create a "client-grant" associated to '
            "this API. See: https://auth0.com/docs/api/v2#!/Client_Grants/post_client_grants"
        )
        raise ApiRefusal(403, "access_denied", description)
    granted, requested = application.client_grants[audience], asked.parameters.scopes()
    beyond = [scope for scope in requested or [] if scope not in granted]
    if beyond:
        raise ApiRefusal(403, "access_denied", f"Client has not been granted scopes: {', '.join(beyond)}")
    authorization = Authorization(
        application.client_id,
        f"{application.client_id}@clients",
        tuple(granted if requested is None else requested),
        audience,
        gty="client-credentials",
    )
    return token_answer(asked.state, authorization, refresh_token=None, jkt=asked.jkt, grant_type=asked.grant_type)


def token_vault(asked: TokenRequest) -> dict[str, Any]:
    """Exchange one of our tokens for the linked provider's access token. Needs rotation to be off."""
    state, parameters = asked.state, asked.parameters
    subject_token = parameters.require("subject_token")
    connection = parameters.require("connection")
    if parameters.require("subject_token_type") not in _SUBJECT_TYPES:
        raise ApiRefusal(400, "invalid_request", "The subject_token_type is not supported")
    if parameters.require("requested_token_type") != _FEDERATED_TYPE:
        raise ApiRefusal(400, "invalid_request", "The requested_token_type is not supported")
    if asked.application.is_public:
        raise ApiRefusal(403, "unauthorized_client", "Token Vault needs a confidential application")
    if asked.application.rotation:
        # The rule is documented (reference 3.10 d), its text is not
        raise ApiRefusal(401, "access_denied", "Token Vault needs refresh token rotation to be off")
    sub = _subject_of(asked, subject_token)
    user = state.users.get(sub or "")
    if user is None or connection not in user.linked_connections:
        raise ApiRefusal(401, "access_denied", "The user has no linked identity with a stored token")
    return {
        "access_token": user.linked_connections[connection],
        "scope": parameters.get("scope") or "",
        "expires_in": 3600,
        "issued_token_type": _FEDERATED_TYPE,
        "token_type": "Bearer",
    }


def _subject_of(asked: TokenRequest, token: str) -> str | None:
    state = asked.state
    family = state.refresh_tokens.find(token)
    if family is not None:
        mine = family.authorization.client_id == asked.application.client_id
        return family.authorization.sub if mine and not family.revoked else None
    found = state.access_tokens.get(token)
    return found.authorization.sub if found is not None and found.expires_at > state.clock.now() else None


GRANTS: dict[str, Grant] = {
    "password": password,
    PASSWORD_REALM: password,
    "client_credentials": client_credentials,
    TOKEN_VAULT: token_vault,
}
