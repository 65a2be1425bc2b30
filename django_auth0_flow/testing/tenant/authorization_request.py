"""What arrives at ``/authorize``: read, resolved (PAR, JAR) and checked in the order of reference 12.1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import jwt

from .client_auth import verify_signed_by
from .errors import ApiRefusal, CallbackRefusal, PageRefusal
from .model import Application, Organization
from .state import TenantState

MFA_POLICY = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"
REQUEST_URI_PREFIX = "urn:ietf:params:oauth:request_uri:"
_RESPONSE_TYPES = frozenset(
    frozenset(kinds.split())
    for kinds in ("code", "token", "id_token", "id_token token", "code id_token", "code token", "code id_token token")
)


@dataclass(frozen=True)
class AuthorizationRequest:
    """A request whose application and redirect URI are known to be good, so that errors may travel there."""

    application: Application
    parameters: Mapping[str, str]
    redirect_uri: str
    response_types: frozenset[str]

    def get(self, name: str) -> str | None:
        return self.parameters.get(name) or None

    @property
    def prompts(self) -> frozenset[str]:
        return frozenset((self.get("prompt") or "").split())

    @property
    def mode(self) -> str:
        """The response mode; tokens never travel in the query."""
        asked, with_tokens = self.get("response_mode"), bool(self.response_types - {"code"})
        if asked in {"form_post", "web_message", "fragment"}:
            return str(asked)
        return "fragment" if with_tokens else "query"

    @property
    def wants_mfa(self) -> bool:
        return MFA_POLICY in (self.get("acr_values") or "").split()


def read_request(state: TenantState, query: Mapping[str, str], *, pushed: bool = False) -> AuthorizationRequest:
    """Return the request. Raises PageRefusal when the application or its redirect URI cannot be trusted.

    ``pushed``: these parameters are being pushed, or have been; nothing is left to resolve.
    """
    client_id = query.get("client_id")
    if not client_id:
        raise PageRefusal(400, "invalid_request", "Missing required parameter: client_id")
    application = state.applications.get(client_id)
    if application is None:
        raise PageRefusal(400, "Unknown client", f"Unknown client: {client_id}")
    parameters = dict(query) if pushed else _resolve(state, application, query)
    redirect_uri = parameters.get("redirect_uri") or next(iter(application.callbacks), "")
    if not is_allowed(redirect_uri, application.callbacks):
        text = "The provided redirect_uri is not in the list of allowed callback URLs."
        raise PageRefusal(400, "Callback URL mismatch.", text)
    response_type = parameters.get("response_type")
    if not response_type:
        raise PageRefusal(400, "invalid_request", "Missing required parameter: response_type")
    kinds = frozenset(response_type.split())
    for kind, grant in (("code", "authorization_code"), ("id_token", "implicit"), ("token", "implicit")):
        if kind in kinds and not application.allows(grant):
            text = f"Grant type '{grant}' not allowed for the client."
            raise PageRefusal(403, "unauthorized_client", text)
    return AuthorizationRequest(application, parameters, redirect_uri.partition("#")[0], kinds)


def is_allowed(url: str, allowed: list[str], *, ignore_query: bool = False) -> bool:
    """Compare as Auth0 does: scheme and host in any case, the rest exactly; ``*`` may stand for a left-most label."""
    return bool(url) and any(_matches(url, entry, ignore_query) for entry in allowed)


def _matches(url: str, entry: str, ignore_query: bool) -> bool:
    try:
        sent, known = urlsplit(url.partition("#")[0]), urlsplit(entry.partition("#")[0])
    except ValueError:
        return False
    if sent.scheme.lower() != known.scheme.lower() or sent.path != known.path:
        return False
    if not ignore_query and sent.query != known.query:
        return False
    host, expected = sent.netloc.lower(), known.netloc.lower()
    if expected.startswith("*."):
        label, _, rest = host.partition(".")
        return bool(label) and rest == expected[2:]
    return host == expected


def _resolve(state: TenantState, application: Application, query: Mapping[str, str]) -> dict[str, str]:
    parameters = dict(query)
    request_uri = parameters.get("request_uri")
    if request_uri:
        pushed = state.take("pushed", request_uri)
        if pushed is None or pushed.get("client_id") != application.client_id:
            raise PageRefusal(400, "invalid_request_uri", "The request_uri is unknown, used or expired")
        return dict(pushed)
    if application.require_par:
        raise PageRefusal(400, "invalid_request", "Pushed Authorization Requests are required by this application")
    if parameters.get("request"):
        parameters = unpack_request_object(state, application, parameters)
    elif application.require_jar:
        raise PageRefusal(400, "invalid_request", "Signed request objects are required by this application")
    return parameters


def unpack_request_object(
    state: TenantState, application: Application, parameters: Mapping[str, str]
) -> dict[str, str]:
    """Return the parameters of a signed request object; those inside win (RFC 9101, reference 7.2)."""
    now = state.clock.now()
    try:
        claims = verify_signed_by(application, parameters["request"])
        kind = jwt.get_unverified_header(parameters["request"]).get("typ")
    except ApiRefusal as refusal:
        raise PageRefusal(400, "invalid_request_object", "The request object's signature is not good") from refusal
    good = (
        kind in {"JWT", "oauth-authz-req+jwt"}
        and claims.get("iss") == application.client_id
        and claims.get("client_id") == application.client_id
        and claims.get("aud") == state.issuer
        and claims.get("exp", now + 1) > now
        and claims.get("nbf", now) <= now + 10
        and claims.get("iat", now) <= now + 10
        and len(str(claims.get("jti", ""))) <= 64
    )
    if not good:
        raise PageRefusal(400, "invalid_request_object", "A claim of the request object is not good")
    inside = {name: str(value) for name, value in claims.items() if name not in {"iss", "aud", "exp", "nbf", "iat"}}
    outside = {name: value for name, value in parameters.items() if name != "request"}
    return {**outside, **inside}


def check_request(state: TenantState, asked: AuthorizationRequest) -> None:
    """Raise CallbackRefusal for what the application asked wrongly."""
    application = asked.application
    if asked.response_types not in _RESPONSE_TYPES:
        value = asked.get("response_type")
        raise CallbackRefusal("unsupported_response_type", f"Unsupported response type: {value}")
    if "id_token" in asked.response_types and not asked.get("nonce"):
        raise CallbackRefusal("invalid_request", "Missing required parameter: nonce")
    if asked.get("code_challenge") and asked.get("code_challenge_method") != "S256":
        raise CallbackRefusal("invalid_request", "code_challenge_method must be S256")
    _check_organization(state, asked)
    audience = asked_audience(state, asked)
    if audience is not None and audience not in state.apis and audience != state.userinfo_audience:
        raise CallbackRefusal("access_denied", f"Service not found: {audience}")
    if audience in state.apis and state.apis[audience].user_access == "none":
        description = f'Client "{application.client_id}" is not authorized to access resource server "{audience}".'
        raise CallbackRefusal("invalid_request", description)
    scopes = (asked.get("scope") or "").split()
    if {"online_access", "offline_access"} <= set(scopes):
        raise CallbackRefusal("invalid_request", "Cannot request both online_access and offline_access scopes")
    acr_values = set((asked.get("acr_values") or "").split())
    if state.allowed_acr_values and not acr_values <= set(state.allowed_acr_values):
        raise CallbackRefusal("invalid_request", "acr_values holds a value that is not allowed")
    if not application.connections:
        raise CallbackRefusal("invalid_request", "no connections enabled for the client")
    if asked.get("screen_hint") == "signup" and not state.sign_up_enabled:
        raise CallbackRefusal("invalid_request", "signup is disabled")


def asked_audience(state: TenantState, asked: AuthorizationRequest) -> str | None:
    """Return the audience: ``audience`` wins over ``resource``, which wins over the tenant's default."""
    resource = asked.get("resource") if state.resource_parameter else None
    return asked.get("audience") or resource or state.default_audience


def _check_organization(state: TenantState, asked: AuthorizationRequest) -> None:
    value, usage = asked.get("organization"), asked.application.organization_usage
    if value is None:
        if usage == "require" and not asked.application.organization_prompt:
            raise CallbackRefusal("invalid_request", "parameter organization is required for this client")
        return
    if usage == "deny":
        raise CallbackRefusal("invalid_request", "parameter organization is not allowed for this client")
    if not value.startswith("org_") and not state.allow_organization_names:
        description = "authorization request parameter organization must be an organization id"
        raise CallbackRefusal("invalid_request", description)
    organization = state.find_organization(value)
    if organization is None:
        raise CallbackRefusal("invalid_request", f"parameter organization is invalid: {value}")
    _check_invitation(state, asked, organization)


def _check_invitation(state: TenantState, asked: AuthorizationRequest, organization: Organization) -> None:
    ticket = asked.get("invitation")
    if ticket is None:
        return
    invitation = state.invitations.get(ticket)
    expired = invitation and invitation.expires_at is not None and invitation.expires_at <= state.clock.now()
    if invitation is None or invitation.accepted or expired or invitation.organization != organization.id:
        raise CallbackRefusal("invalid_request", "invitation not found or already used")
