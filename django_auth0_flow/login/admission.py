"""From a validated token set to a user: what is checked and added, and how the user carries the login to ``login()``.

Every kind of login goes through here, Django's own ``LoginView`` with ``Auth0PasswordBackend`` included.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest

from django_auth0_flow.conf import Auth0Settings, get_client
from django_auth0_flow.protocol.authorization import parse_max_age
from django_auth0_flow.protocol.claim_checks import is_past_ceiling, number_of, session_ceiling
from django_auth0_flow.protocol.errors import Auth0Error, LoginRequired
from django_auth0_flow.protocol.tokens import TokenSet

logger = logging.getLogger(__name__)

_CARRIED = "_auth0_login"

#: Claims about the login itself, taken from the ID token only. In userinfo they may be text from the user's profile.
_LOGIN_CLAIMS = frozenset("iss aud azp exp iat nonce sid auth_time acr amr org_id org_name session_expiry".split())


@dataclass(frozen=True)
class Login:
    """A login that the tenant has granted: its claims are validated, its tokens not stored yet.

    ``began_at``: in epoch seconds, None if that is not known. ``before``: what the session knew of the login that this one
    replaces. ``by_hand``: a person clicked or typed for it. ``requirement`` and ``organization_by`` as in ``Transaction``.
    """

    configuration: str
    tokens: TokenSet
    claims: Mapping[str, Any] = field(repr=False)
    next_url: str = ""
    began_at: float | None = None
    requirement: str = ""
    organization_by: str = ""
    by_hand: bool = False
    before: Mapping[str, Any] = field(default_factory=dict, repr=False)


def attach_login(user: Any, login: Login) -> None:
    """Let ``user`` carry a login from ``authenticate()`` to ``login()``."""
    setattr(user, _CARRIED, login)


def detach_login(user: Any) -> Login | None:
    """Return the login that ``user`` carries, once."""
    found = getattr(user, "__dict__", {}).pop(_CARRIED, None)
    return found if isinstance(found, Login) else None


def tenants_page_needed(request: HttpRequest | None, conf: Auth0Settings) -> str:
    """Return why this visitor must log in on the tenant's own page, as the code of an error; "" if they need not.

    Logins without redirect belong to no organization, and their ID tokens tell no ``acr`` and no ``amr``, also after a
    second factor. Auth0: Work with Tokens and Organizations, ID token claims.
    """
    wanted = conf.organization
    if callable(wanted):
        wanted = (wanted(request) or "") if request is not None else "?"  # assume that it would demand one
    if wanted or conf.authorization_params.get("organization"):
        return "organization_login_needed"
    return "stronger_login_needed" if acr_values_demanded(conf) else ""


def acr_values_demanded(conf: Auth0Settings) -> list[str]:
    """Return the ``acr_values`` that ``AUTHORIZATION_PARAMS`` demands of every login; meeting one of them is enough."""
    return conf.authorization_params.get("acr_values", "").split()


def max_age_demanded(conf: Auth0Settings, *asked: Mapping[str, str]) -> int | None:
    """Return the smallest ``max_age`` of ``AUTHORIZATION_PARAMS`` and of the parameters asked for; None without any."""
    found = [parse_max_age(values.get("max_age", "")) for values in (conf.authorization_params, *asked)]
    return min((seconds for seconds in found if seconds is not None), default=None)


def parameters_demanded(conf: Auth0Settings, *, view: Mapping[str, str], visitor: Mapping[str, str]) -> dict[str, str]:
    """Return the ``max_age`` and ``acr_values`` to ask for, so that no request asks for less than ``AUTHORIZATION_PARAMS``.

    Where that demands ``acr_values``, a view's own come first and a visitor's are ignored.
    """
    demanded: dict[str, str] = {}
    if "max_age" in conf.authorization_params:
        demanded["max_age"] = str(max_age_demanded(conf, view, visitor))
    if values := acr_values_demanded(conf):
        demanded["acr_values"] = " ".join(dict.fromkeys([*view.get("acr_values", "").split(), *values]))
    return demanded


def check_organization_allowed(conf: Auth0Settings, claims: Mapping[str, Any], *, was_asked_for: bool) -> None:
    """Refuse an organization that this site did not ask for and ``ALLOWED_ORGANIZATIONS`` does not name.

    Raises Auth0Error (``organization_not_allowed``).
    """
    org_id, org_name = claims.get("org_id"), claims.get("org_name")
    if org_id is None and org_name is None:
        return
    allowed = conf.allowed_organizations
    if was_asked_for or "*" in allowed or (isinstance(org_id, str) and org_id in allowed):
        return
    names = [item.lower() for item in allowed if not item.startswith("org_")]
    if not isinstance(org_name, str) or org_name.lower() not in names:
        raise Auth0Error("This organization may not log in here.", code="organization_not_allowed")


def check_ceiling(conf: Auth0Settings, claims: Mapping[str, Any]) -> None:
    """Refuse a login that the identity provider wants to be over already. Raises LoginRequired (``session_expired``)."""
    if is_past_ceiling(session_ceiling(claims), max(conf.clock(), number_of(claims, "iat"))):
        raise LoginRequired("The identity provider's session is over.", code="session_expired")


def with_userinfo(conf: Auth0Settings, tokens: TokenSet, claims: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the ID token's claims, with userinfo below them where the configuration asks for it; best effort.

    Claims about the login itself are not taken from userinfo, nor is ``email_verified`` for another address than its own.
    """
    if not conf.userinfo or tokens.access_token is None:
        return claims
    key = tokens.dpop_key if tokens.token_type == "DPoP" else None
    try:
        found = get_client(conf.name).userinfo(tokens.access_token, subject=claims["sub"], dpop_key=key)
    except Auth0Error as error:
        logger.warning("userinfo_not_used code=%s", error.code)
        return claims
    left_out = _LOGIN_CLAIMS
    if "email" in claims and claims["email"] != found.get("email"):
        left_out |= {"email_verified"}
    return {**{name: value for name, value in found.items() if name not in left_out}, **claims}
