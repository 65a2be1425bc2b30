"""What a tenant is configured with: plain mutable dataclasses that a test may change at any time."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

DEFAULT_CONNECTION = "Username-Password-Authentication"
DAY = 86400

PASSWORD_REALM = "http://auth0.com/oauth/grant-type/password-realm"
PASSWORDLESS_OTP = "http://auth0.com/oauth/grant-type/passwordless/otp"
MFA_OTP = "http://auth0.com/oauth/grant-type/mfa-otp"
MFA_OOB = "http://auth0.com/oauth/grant-type/mfa-oob"
MFA_RECOVERY_CODE = "http://auth0.com/oauth/grant-type/mfa-recovery-code"
TOKEN_VAULT = "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"

OIDC_SCOPES = ("openid", "profile", "email", "phone", "address", "offline_access", "online_access")

#: What a new Regular Web Application may do at Auth0.
WEB_GRANTS = frozenset({"authorization_code", "implicit", "refresh_token", "client_credentials"})
#: Every grant the tenant knows.
ALL_GRANTS = WEB_GRANTS | {
    "password",
    PASSWORD_REALM,
    PASSWORDLESS_OTP,
    MFA_OTP,
    MFA_OOB,
    MFA_RECOVERY_CODE,
    TOKEN_VAULT,
    TOKEN_EXCHANGE,
}


def new_subject(strategy: str = "auth0") -> str:
    return f"{strategy}|{secrets.token_hex(12)}"


FactorKind = Literal["otp", "sms", "voice", "email", "push", "recovery-code"]


@dataclass
class Authenticator:
    """A second factor of a user. ``secret`` is the base32 TOTP secret."""

    kind: FactorKind
    id: str = ""
    secret: str = field(default="", repr=False)
    name: str = ""
    active: bool = True

    def __post_init__(self) -> None:
        prefix = {"otp": "totp", "voice": "voice"}.get(self.kind, self.kind)
        self.id = self.id or f"{prefix}|dev_{secrets.token_urlsafe(12)}"


@dataclass
class ConnectedAccount:
    """An account at an identity provider that a user has connected for Token Vault."""

    id: str
    connection: str
    scopes: list[str] = field(default_factory=list)
    created_at: str = ""


@dataclass
class ConnectedAccountsSettings:
    """Which connections are for connected accounts, with their scopes; and what Auth0's documents leave open."""

    connections: dict[str, list[str]] = field(default_factory=dict)
    #: Status of a good answer to connect and complete: 201, or 200.
    success: int = 201
    #: ``connect_code`` comes back behind "#" instead of "?".
    code_in_fragment: bool = False
    #: Status of deleting an account that is not there, or another user's: 404, or 204.
    delete_unknown: int = 404


@dataclass
class User:
    """A person. Claims that are ``None`` are left out of tokens, as Auth0 does."""

    sub: str = field(default_factory=new_subject)
    email: str | None = None
    email_verified: bool = True
    name: str | None = None
    nickname: str | None = None
    given_name: str | None = None
    family_name: str | None = None
    picture: str | None = None
    phone_number: str | None = None
    updated_at: str = "2026-06-14T21:36:26.399Z"
    password: str | None = field(default=None, repr=False)
    #: API identifier -> permissions, as the user's roles would give them.
    permissions: dict[str, list[str]] = field(default_factory=dict)
    #: Custom ID token (and userinfo) claims; may override standard ones.
    claims: dict[str, Any] = field(default_factory=dict)
    #: Custom claims of access tokens for an API.
    access_token_claims: dict[str, Any] = field(default_factory=dict)
    blocked: bool = False
    #: Ids of the organizations this user is a member of.
    orgs: list[str] = field(default_factory=list)
    connection: str = DEFAULT_CONNECTION
    authenticators: list[Authenticator] = field(default_factory=list)
    #: MFA is asked for at every login (and refresh, with ``mfa_on_refresh``), whether enrolled or not.
    mfa_required: bool = False
    mfa_on_refresh: bool = False
    #: What a post-login Action answers through ``api.access.deny(reason)``; None lets the user in.
    deny_reason: str | None = None
    #: Breached-password detection stops this user's password logins.
    password_leaked: bool = False
    #: Social or enterprise connection -> access token of that provider kept by Token Vault.
    linked_connections: dict[str, str] = field(default_factory=dict, repr=False)
    #: By id.
    connected_accounts: dict[str, ConnectedAccount] = field(default_factory=dict)


@dataclass
class PasswordPolicy:
    """What new passwords at database connections must be like: «Good», with both lists of what is not allowed."""

    min_length: int = 8
    #: Of the four types of characters: lower and upper case letters, numbers, special characters.
    kinds: int = 3
    dictionary: set[str] = field(default_factory=lambda: {"password1!", "passw0rd", "qwerty123!"})
    no_user_info: bool = True


@dataclass
class Organization:
    """An organization; members carry its ``id`` in ``User.orgs``."""

    id: str = field(default_factory=lambda: f"org_{secrets.token_hex(8)}")
    name: str = ""
    display_name: str = ""


@dataclass
class Invitation:
    """An invitation to an organization; ``accepted`` once a login has used it."""

    ticket: str
    organization: str
    email: str | None = None
    accepted: bool = False
    expires_at: float | None = None


@dataclass
class Application:
    """An application (an OAuth client) and its Dashboard settings. Durations are in seconds."""

    client_id: str = field(default_factory=lambda: secrets.token_hex(16))
    client_secret: str = field(default_factory=lambda: secrets.token_urlsafe(48), repr=False)
    name: str = "Local application"
    callbacks: list[str] = field(default_factory=list)
    logout_urls: list[str] = field(default_factory=list)
    web_origins: list[str] = field(default_factory=list)
    initiate_login_uri: str | None = None
    grant_types: set[str] = field(default_factory=lambda: set(WEB_GRANTS))
    #: ``client_secret_post`` and ``client_secret_basic`` (each takes the other's form), ``private_key_jwt``,
    #: ``tls_client_auth``, ``self_signed_tls_client_auth``, ``none``.
    token_endpoint_auth_method: str = "client_secret_post"
    #: PEM public keys registered for ``private_key_jwt`` and signed requests, by ``kid`` (may be the empty string).
    public_keys: dict[str, str] = field(default_factory=dict)
    #: PEM certificates that the application may show through the edge (mTLS).
    certificates: list[str] = field(default_factory=list)
    rotation: bool = True
    #: Rotation Overlap Period.
    overlap: float = 0
    #: ``None`` = never expires.
    refresh_token_lifetime: float | None = 30 * DAY
    refresh_token_idle_lifetime: float | None = 30 * DAY
    #: Multi-resource refresh tokens: audience -> scopes.
    refresh_policies: dict[str, list[str]] = field(default_factory=dict)
    id_token_alg: str = "RS256"
    id_token_lifetime: int = 36000
    #: Put ``at_hash`` into ID tokens of the token endpoint too (Auth0 does not; other providers do).
    at_hash: bool = False
    #: Names of connections enabled for this application; empty gives Auth0's «no connections enabled».
    connections: list[str] = field(default_factory=lambda: [DEFAULT_CONNECTION, "email", "sms"])
    organization_usage: Literal["deny", "allow", "require"] = "allow"
    #: Prompt for an organization after the login when none was asked for.
    organization_prompt: bool = False
    #: Third-party applications always see the consent page.
    first_party: bool = True
    #: Errors of a login stay on the tenant's page (third-party applications: ``redirection_policy``).
    open_redirect_protection: bool = False
    require_par: bool = False
    require_jar: bool = False
    require_dpop: bool = False
    trust_forwarded_for: bool = False
    backchannel_logout_uri: str | None = None
    #: Session Transfer: may get such tokens by its refresh tokens; takes them by ``query``.
    can_create_session_transfer_token: bool = False
    session_transfer_methods: list[str] = field(default_factory=lambda: ["query"])
    #: May log in by tokens of other systems (Custom Token Exchange).
    allow_token_exchange: bool = False
    #: Identifier of the API that this custom API client is: it may exchange the tokens that the API is called with.
    resource_server: str | None = None
    #: API identifier -> scopes, for ``client_credentials``.
    client_grants: dict[str, list[str]] = field(default_factory=dict)
    #: API identifier -> whether its client grant takes organizations; "deny" where there is no entry.
    client_grant_organizations: dict[str, Literal["deny", "allow", "require"]] = field(default_factory=dict)
    #: The organization of machine tokens whose request names none although the client grant requires one.
    default_organization: str | None = None
    #: Machine tokens ``per_hour`` and ``per_day``; no entry, no limit.
    token_quota: dict[str, int] = field(default_factory=dict)

    @property
    def is_public(self) -> bool:
        return self.token_endpoint_auth_method == "none"

    def allows(self, grant_type: str) -> bool:
        """Say whether the grant is ticked; the Dashboard's «Password» and «MFA» ticks cover their whole families."""
        if grant_type in self.grant_types:
            return True
        if grant_type == TOKEN_EXCHANGE:
            return self.allow_token_exchange or self.resource_server is not None
        if grant_type == PASSWORD_REALM:
            return "password" in self.grant_types
        return grant_type in {MFA_OTP, MFA_OOB, MFA_RECOVERY_CODE} and "mfa" in self.grant_types


@dataclass
class Api:
    """An API (a resource server). Durations are in seconds."""

    identifier: str
    name: str = "Local API"
    scopes: list[str] = field(default_factory=list)
    lifetime: int = DAY
    #: For tokens that come from ``/authorize`` itself (implicit and hybrid).
    browser_lifetime: int = 7200
    allow_offline_access: bool = True
    skip_consent: bool = True
    #: Role-based access control: scopes are cut down to the user's permissions.
    rbac: bool = False
    add_permissions: bool = True
    profile: Literal["auth0", "rfc9068"] = "auth0"
    signing_alg: Literal["RS256", "PS256", "HS256"] = "RS256"
    signing_secret: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    #: Which applications may ask for tokens in a user's name.
    user_access: Literal["all", "none"] = "all"
    #: DPoP policy of the API.
    dpop: Literal["none", "allowed", "required"] = "allowed"


#: A hook that may change what is signed: ``(kind, claims, header)``, kind being id_token, access_token or logout_token.
TokenHook = Callable[[str, dict[str, Any], dict[str, Any]], None]
