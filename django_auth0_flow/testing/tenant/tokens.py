"""ID tokens, access tokens and logout tokens as Auth0 writes them."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterable
from typing import Any

from . import jws
from .errors import ApiRefusal
from .id_token_faults import IdToken, spoil
from .keys import SigningKey
from .model import OIDC_SCOPES, Api, Application, User
from .records import AccessToken, Authorization
from .state import TenantState, only_values

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


def grantable_scopes(state: TenantState, sub: str, audience: str | None, requested: Iterable[str]) -> tuple[str, ...]:
    """Return the scopes that are granted of those requested: unknown ones are dropped silently.

    With RBAC on, the API's scopes are cut down to the user's permissions.
    """
    allowed = set(OIDC_SCOPES)
    api = state.apis.get(audience or "")
    if api is not None:
        scopes = set(api.scopes)
        if api.rbac:
            scopes &= set(_permissions(state, sub, api))
        allowed |= scopes
        if not api.allow_offline_access:
            allowed.discard("offline_access")
    return tuple(dict.fromkeys(scope for scope in requested if scope in allowed))


def user_claims(user: User, scopes: Iterable[str]) -> dict[str, Any]:
    """Return the claims of a user that these scopes open, custom ones included."""
    scopes = set(scopes)
    claims: dict[str, Any] = {}
    if "profile" in scopes:
        for name in ("nickname", "name", "given_name", "family_name", "picture", "updated_at"):
            claims[name] = getattr(user, name)
    if "email" in scopes and user.email is not None:
        claims |= {"email": user.email, "email_verified": user.email_verified}
    if "phone" in scopes and user.phone_number is not None:
        claims |= {"phone_number": user.phone_number, "phone_number_verified": True}
    return only_values({**claims, **user.claims})


def issue_id_token(
    state: TenantState,
    authorization: Authorization,
    *,
    access_token: str | None = None,
    code: str | None = None,
    front_channel: bool = False,
    refreshed: bool = False,
    grant_type: str | None = None,
) -> str | None:
    """Return a new ID token, with the ID token faults that are waiting; ``None`` when a fault leaves it out.

    A ``refreshed`` one has no nonce, acr, amr, auth_time and session_expiry.
    """
    application = state.applications[authorization.client_id]
    now = int(state.clock.now())
    claims: dict[str, Any] = {
        **user_claims(state.users[authorization.sub], authorization.scopes),
        "iss": state.issuer,
        "aud": authorization.client_id,
        "sub": authorization.sub,
        "iat": now,
        "exp": now + application.id_token_lifetime,
        "sid": authorization.sid,
        **organization_claims(state, authorization),
    }
    if not refreshed:
        session = state.sessions.get(authorization.sid or "")
        if session is not None and session.expires_at is not None:
            claims["session_expiry"] = int(session.expires_at)
        claims |= {
            "nonce": authorization.nonce,
            "auth_time": authorization.auth_time,
            "acr": authorization.acr,
            "amr": list(authorization.amr) or None,
        }
    if access_token is not None and (front_channel or application.at_hash):
        claims["at_hash"] = jws.half_hash(access_token, application.id_token_alg)
    if code is not None:
        claims["c_hash"] = jws.half_hash(code, application.id_token_alg)
    claims = only_values(claims)
    key = state.keys.current
    header: dict[str, Any] = {"alg": application.id_token_alg, "typ": "JWT"}
    if not application.id_token_alg.startswith("HS"):
        header["kid"] = key.kid
    state.sign_hook("id_token", claims, header)
    token = IdToken(header, claims, signing_key(application, key), application, key, access_token)
    return spoil(token, state.faults.take_all("id_token", grant_type=grant_type), now)


def signing_key(application: Application, key: SigningKey) -> Any:
    """Return what ID tokens of this application are signed with."""
    return application.client_secret.encode() if application.id_token_alg.startswith("HS") else key.private


def organization_claims(state: TenantState, authorization: Authorization) -> dict[str, Any]:
    organization = state.organizations.get(authorization.organization or "")
    if organization is None:
        return {}
    named = organization.name if state.allow_organization_names and organization.name else None
    return only_values({"org_id": organization.id, "org_name": named})


def issue_access_token(
    state: TenantState, authorization: Authorization, *, jkt: str | None = None, front_channel: bool = False
) -> tuple[str, int]:
    """Return a new access token and its lifetime: a JWT for an API, an opaque token for ``/userinfo`` alone."""
    api = state.apis.get(authorization.audience or "")
    now = state.clock.now()
    if api is None:
        lifetime = 7200 if front_channel else 86400
        token = jws.opaque_access_token(state.issuer)
        record = AccessToken(authorization, now + lifetime, (state.userinfo_audience,), jkt=jkt)
    else:
        lifetime = min(api.browser_lifetime, api.lifetime) if front_channel else api.lifetime
        audiences = [api.identifier, *([state.userinfo_audience] if "openid" in authorization.scopes else [])]
        token, kid = _sign_access_token(state, authorization, api, audiences, lifetime, jkt)
        record = AccessToken(
            authorization, now + lifetime, tuple(audiences), kid, jkt, symmetric=api.signing_alg == "HS256"
        )
    with state.lock:
        state.access_tokens[token] = record
    return token, lifetime


def _sign_access_token(
    state: TenantState,
    authorization: Authorization,
    api: Api,
    audiences: list[str],
    lifetime: int,
    jkt: str | None,
) -> tuple[str, str | None]:
    now = int(state.clock.now())
    rfc9068 = api.profile == "rfc9068"
    user = state.users.get(authorization.sub)
    claims: dict[str, Any] = {
        **(user.access_token_claims if user else {}),
        "iss": state.issuer,
        "sub": authorization.sub,
        "aud": audiences[0] if len(audiences) == 1 else audiences,
        "iat": now,
        "exp": now + lifetime,
        "scope": " ".join(authorization.scopes) or None,
        "jti": secrets.token_urlsafe(16) if rfc9068 else None,
        "gty": None if rfc9068 else authorization.gty,
        "client_id" if rfc9068 else "azp": authorization.client_id,
        **organization_claims(state, authorization),
        "cnf": {"jkt": jkt} if jkt else None,
        "act": authorization.act,
    }
    if api.rbac and api.add_permissions:
        claims["permissions"] = _permissions(state, authorization.sub, api)
    claims = only_values(claims)
    header: dict[str, Any] = {"alg": api.signing_alg, "typ": "at+jwt" if rfc9068 else "JWT"}
    key = state.keys.current
    symmetric = api.signing_alg == "HS256"
    if not symmetric:
        header["kid"] = key.kid
    state.sign_hook("access_token", claims, header)
    token = jws.encode(header, claims, api.signing_secret.encode() if symmetric else key.private)
    return token, None if symmetric else key.kid


def _permissions(state: TenantState, sub: str, api: Api) -> list[str]:
    user = state.users.get(sub)
    return list(user.permissions.get(api.identifier, [])) if user else []


def logout_token(
    state: TenantState, client_id: str, *, sub: str | None, sid: str | None, changes: dict[str, Any] | None = None
) -> str:
    """Return a back-channel logout token; ``changes`` replaces claims, ``None`` leaves one out."""
    now = int(state.clock.now())
    claims: dict[str, Any] = {
        "iss": state.issuer,
        "sub": sub,
        "aud": client_id,
        "iat": now,
        "exp": now + 120,
        "jti": str(uuid.uuid4()),
        "events": {LOGOUT_EVENT: {}},
        "trace_id": secrets.token_hex(8),
        "sid": sid,
    }
    claims = only_values({**claims, **(changes or {})})
    header = {"alg": "RS256", "typ": "JWT", "kid": state.keys.current.kid}
    state.sign_hook("logout_token", claims, header)
    return jws.encode(header, claims, state.keys.current.private)


def token_answer(
    state: TenantState,
    authorization: Authorization,
    *,
    refresh_token: str | None,
    jkt: str | None,
    refreshed: bool = False,
    grant_type: str | None = None,
) -> dict[str, Any]:
    """Return the token endpoint's answer, its members in the order in which Auth0 sends them."""
    access_token, lifetime = issue_access_token(state, authorization, jkt=jkt)
    id_token = None
    if "openid" in authorization.scopes and authorization.sub in state.users:
        id_token = issue_id_token(
            state, authorization, access_token=access_token, refreshed=refreshed, grant_type=grant_type
        )
    return only_values(
        {
            "access_token": access_token,
            "refresh_token": refresh_token,
            "id_token": id_token,
            "scope": " ".join(authorization.scopes) or None,
            "expires_in": lifetime,
            "token_type": "DPoP" if jkt else "Bearer",
        }
    )


def wants_refresh_token(state: TenantState, authorization: Authorization) -> bool:
    """Say whether a refresh token is due; a missing precondition is silent at Auth0."""
    application = state.applications[authorization.client_id]
    api = state.apis.get(authorization.audience or "")
    return (
        bool({"offline_access", "online_access"} & set(authorization.scopes))
        and application.allows("refresh_token")
        and (api is None or api.allow_offline_access)
    )


def check_user(state: TenantState, sub: str) -> User:
    """Return the user unless an administrator or an Action keeps them out."""
    user = state.users.get(sub)
    if user is None:
        description = "The refresh_token was generated for a user who doesn't exist anymore."
        raise ApiRefusal(state.invalid_grant_status, "invalid_grant", description)
    if user.blocked:
        raise ApiRefusal(403, "unauthorized", "user is blocked")
    if user.deny_reason is not None:
        raise ApiRefusal(403, "access_denied", user.deny_reason)
    return user
