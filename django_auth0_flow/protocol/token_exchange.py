"""Token exchange: a login by the token of another system, and an API's calls in the name of its caller.

RFC 8693; Auth0: Custom Token Exchange, On-Behalf-Of Token Exchange.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django_auth0_flow.protocol.claim_checks import check_organization, is_of_another
from django_auth0_flow.protocol.client import Client
from django_auth0_flow.protocol.errors import Auth0Error, TokenValidationError
from django_auth0_flow.protocol.tokens import TokenSet

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"

#: Types that are not a site's own. Native social logins have theirs below the first.
_NATIVE_SOCIAL = "http://auth0.com/oauth/token-type/"
_RESERVED = (
    "http://auth0.com",
    "https://auth0.com",
    "http://okta.com",
    "https://okta.com",
    "urn:ietf",
    "urn:auth0",
    "urn:okta",
)
_MAX_TOKEN_LENGTH = 64 * 1024


@dataclass(frozen=True)
class Exchange:
    """What is exchanged, and for what. Raises Auth0Error for what Auth0 would refuse anyway.

    ``subject_token``: any format; the Action of the profile for ``subject_token_type`` judges it. ``actor_token``: who acts
    for the subject. ``extra`` reaches the Action.
    """

    subject_token: str = field(repr=False)
    subject_token_type: str
    audience: str = ""
    scope: str = ""
    organization: str = ""
    actor_token: str = field(default="", repr=False)
    actor_token_type: str = ""
    extra: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        _check_token(self.subject_token)
        lowered = self.subject_token_type.lower()
        is_reserved = lowered.startswith(_RESERVED) and not lowered.startswith(_NATIVE_SOCIAL)
        if is_reserved or not lowered.startswith(("urn:", "https://", _NATIVE_SOCIAL)):
            raise Auth0Error(
                "The type of a subject token is the URI of a token exchange profile of your own, urn:… or https://….",
                code="subject_token_type_invalid",
            )
        if bool(self.actor_token) != bool(self.actor_token_type):
            raise Auth0Error("An actor token needs its type, and the other way round.", code="actor_token_incomplete")

    def form(self) -> dict[str, str]:
        """Return the parameters of the token request; ``requested_token_type`` is left out, Auth0 refuses it."""
        given = {
            "subject_token": self.subject_token,
            "subject_token_type": self.subject_token_type,
            "audience": self.audience,
            "scope": self.scope,
            "organization": self.organization,
            "actor_token": self.actor_token,
            "actor_token_type": self.actor_token_type,
        }
        named = {name: value for name, value in given.items() if value}
        extra = {name: value for name, value in self.extra.items() if name not in given}
        return {**extra, **named, "grant_type": TOKEN_EXCHANGE}


def exchange(
    client: Client, asked: Exchange, *, is_login: bool, headers: Mapping[str, str] | None = None
) -> tuple[TokenSet, dict[str, Any]]:
    """Return the token set and the validated claims of its ID token, which a login must have; else {} without one.

    No nonce was sent, so none is looked for. An organization asked for is checked by the ID token, else by the access
    token; if that is no JWT, by nothing. Raises as ``Client.grant``.
    """
    tokens, claims, _ = client.grant(asked.form(), scope=asked.scope, headers=headers, is_login=is_login)
    if asked.organization and claims:
        check_organization(claims, asked.organization)
    elif is_of_another(asked.organization, tokens.access_token or ""):
        raise TokenValidationError(
            "org_id", "the token is for another organization than the one asked for, or for none"
        )
    return tokens, claims


def exchange_on_behalf_of(
    client: Client, access_token: str, *, audience: str, scope: str, caller: Mapping[str, Any]
) -> TokenSet:
    """Return an access token for ``audience`` in the name of the ``caller`` that ``access_token`` has these claims of.

    It must be a JWT for that audience and that subject, and of the caller's organization or, as the caller, of none:
    nothing else is handed out as such. Raises as ``Client.grant``.
    """
    form = {
        "grant_type": TOKEN_EXCHANGE,
        "subject_token": access_token,
        "subject_token_type": ACCESS_TOKEN_TYPE,
        "requested_token_type": ACCESS_TOKEN_TYPE,
        "audience": audience,
        **({"scope": scope} if scope else {}),
    }
    tokens, _, _ = client.grant(form, scope=scope, is_login=False)
    claims = client.validate_access_token(tokens.access_token or "", audience)
    if claims["sub"] != caller["sub"]:
        raise TokenValidationError("sub", "the token is another user's")
    if claims.get("org_id") != caller.get("org_id"):
        raise TokenValidationError("org_id", "the token is not for the caller's organization")
    expires_at = min(tokens.expires_at or 0.0, float(claims["exp"]))
    return replace(tokens, expires_at=expires_at, refresh_token=None, id_token=None)


def _check_token(token: str) -> None:
    is_usable = isinstance(token, str) and len(token.strip()) > 0 and len(token) <= _MAX_TOKEN_LENGTH
    if not is_usable or token.lstrip().lower().startswith("bearer "):
        raise Auth0Error(
            "The subject token is empty, too long, or has a scheme before it.", code="subject_token_invalid"
        )
