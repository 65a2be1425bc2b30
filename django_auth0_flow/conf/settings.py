"""The settings: each key of ``AUTH0`` is declared once here, and a configuration is a frozen value of them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, get_type_hints

from django.utils.module_loading import import_string

from django_auth0_flow.conf.lease_times import LEASE_MARGIN, WAIT_MARGIN, default_wait, lease_seconds
from django_auth0_flow.conf.setting_types import (
    Certificate,
    Clock,
    Flag,
    Organization,
    ProxyCount,
    Realm,
    Seconds,
    SettingType,
    SigningKeys,
    Text,
    TextDict,
    Texts,
    WholeSeconds,
)
from django_auth0_flow.protocol.addresses import token_origin
from django_auth0_flow.protocol.authorization import default_response_mode, kinds_of
from django_auth0_flow.protocol.passwordless_channels import CHANNELS

DEFAULT = "default"


def setting(default: Any, meaning: str, *, shown: str = "", secret: bool = False) -> Any:
    """Declare a setting. ``meaning`` is for the documentation, and so is ``shown``, in place of ``default``.

    A ``secret`` setting is left out of the repr.
    """
    documented = {"default": default, "meaning": meaning, "shown": shown}
    return field(default_factory=lambda: _frozen(default), repr=not secret, metadata=documented)


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    return MappingProxyType(dict(value)) if isinstance(value, Mapping) else value


@dataclass(frozen=True)
class Auth0Settings:
    """One configuration: each field is a key of ``AUTH0`` in lower case.

    A field added here is checked, parsed and documented like the others. ``given``: the keys that the project sets, to
    anything but an empty text.
    """

    name: str = DEFAULT
    given: frozenset[str] = frozenset()
    domain: Text = setting(
        "", "the tenant's host, bare: `example.eu.auth0.com` or your custom domain", shown="required (or `ISSUER`)"
    )
    issuer: Text = setting("", "instead of `DOMAIN`: any OpenID provider's exact issuer URL; http on loopback only")
    client_id: Text = setting("", "the application's Client ID", shown="required")
    client_secret: Text = setting("", "needed unless `CLIENT_AUTH` goes without", secret=True)
    client_auth: Text = setting(
        "client_secret_post",
        "how the application proves itself at the token endpoint: see [client authentication](#client-authentication)",
    )
    audience: Text = setting("", "the API's Identifier; without it the access token is opaque, for `/userinfo` only")
    scope: Text = setting("openid profile email", "add `offline_access` for refresh tokens, and the API's permissions")
    api_origins: Texts = setting(
        (),
        "where `request.auth0.api` may send the access token: https, or http on loopback",
        shown="the audience's origin",
    )
    machine_audiences: Texts = setting(
        (), "APIs that `machine_api` calls: checks and `auth0_doctor` look whether the application may"
    )
    refresh_margin: WholeSeconds = setting(
        60, "how long before its expiry a token is refreshed; at most a third of its life"
    )
    refresh_wait: WholeSeconds = setting(
        15,
        "how long to wait for another worker's refresh before answering 503; the default outlasts a worker that was killed",
        shown=f"`15`: {LEASE_MARGIN + WAIT_MARGIN} more than `HTTP_TIMEOUT`",
    )
    leeway: WholeSeconds = setting(60, "tolerance when judging the tenant's timestamps")
    http_timeout: Seconds = setting(10, "for a whole exchange with the tenant, slow answers included; 15 at most")
    base_url: Text = setting("", "`https://www.example.com`: build the callback URL on this, not on the request's host")
    authorization_params: TextDict = setting(
        {},
        "further parameters of every authorization request; `max_age` and `acr_values` are demands: every login is "
        "checked for them, and none without redirect can meet `acr_values`",
    )
    forwarded_params: Texts = setting(
        ("organization", "invitation", "login_hint", "screen_hint", "ui_locales"),
        "what `auth0:login` passes on from its query; `session_transfer_token` may be added",
    )
    ui_locales: Flag = setting(
        False, "ask for the tenant's pages in the visitor's language: Django's active one goes along as `ui_locales`"
    )
    user_fields: TextDict = setting(
        {"email": "email", "first_name": "given_name", "last_name": "family_name"},
        "user field → claim, brought up to date on every login",
    )
    groups_claim: Text = setting("", "the claim with groups or roles: a list, or text")
    groups_separator: Text = setting(
        "", 'the separator in a claim that is text, such as `" "` in `scope`; without it the text is one group'
    )
    groups: TextDict = setting({}, "claim value → Django group; without it groups match by name")
    staff_groups: Texts = setting((), "claim values that set `is_staff`; a login without them clears it")
    superuser_groups: Texts = setting((), "claim values that set `is_superuser`; a login without them clears it")
    create_users: Flag = setting(True, "`False`: only people who have an identity, or are linked, get in")
    link_by_verified_email: Flag = setting(
        False,
        "a first login may join the one existing user with exactly that verified e-mail, never one who logs in from a "
        "tenant without this setting; unverified addresses are then stored by no configuration, so look through those "
        "stored before",
    )
    allowed_organizations: Texts = setting(
        (), 'organizations (ids, names, `"*"`) that may log in although the login did not ask for one'
    )
    userinfo: Flag = setting(False, "add what `/userinfo` says to the ID token's claims, which win: one more HTTP call")
    encryption_keys: Texts = setting(
        (), "keys that seal tokens, newest first; without any, `SECRET_KEY` and its fallbacks do", secret=True
    )
    id_token_algorithm: Text = setting("RS256", "`PS256`, or `HS256` with the client secret: as set in the application")
    federated_logout: Flag = setting(False, "log out of the identity provider too")
    organization: Organization = setting(
        "", "every login's organization: id, name, or a callable that takes the request"
    )
    response_type: Text = setting(
        "code", "`id_token`, `code id_token`, `id_token token`; see [logins](logins.md#implicit-and-hybrid)"
    )
    response_mode: Text = setting("query", "`query`, `form_post`, `fragment`", shown="by type")
    recheck_seconds: WholeSeconds = setting(
        0, "ask the tenant silently this often whether its session lives; `0`: never"
    )
    passwordless: Texts = setting(
        (), f"logins without a password: any of {', '.join(f'`{kind}`' for kind in CHANNELS)}"
    )
    password_realm: Realm = setting(
        "", "the connection of the password login; `True`: the tenant's Default Directory; empty: no such login"
    )
    sign_up_fields: Texts = setting(
        (),
        "what `auth0:signup` asks for beside a password: `email`, `username`, `phone_number`, `given_name`, `family_name`, "
        "`name`, `nickname`; empty: no such page",
    )
    trusted_proxy_count: ProxyCount = setting(
        0, "how many proxies are in front of the site, for `auth0-forwarded-for`; `None` sends none"
    )
    pushed_authorization: Flag = setting(False, "push the authorization request (PAR, RFC 9126)")
    signed_requests: Flag = setting(
        False, "sign the authorization request (JAR, RFC 9101) with `CLIENT_ASSERTION_KEYS`"
    )
    client_assertion_keys: SigningKeys = setting(
        (), '`{"key": PEM text or path, "kid": …, "alg": …}`, newest first, for `private_key_jwt`', secret=True
    )
    client_certificate: Certificate = setting("", "client certificate for mTLS")
    dpop: Flag = setting(False, "bind tokens to a key of this login (RFC 9449)")
    resource: Text = setting("", "the `resource` parameter (RFC 8707) beside or instead of `AUDIENCE`")
    release_connections: Flag = setting(
        False, "with a pool of database connections: see [deployment](deployment.md#databases)"
    )
    account_page: Flag = setting(
        False, "switch on `auth0:account`, where people see and [end their logins](account.md)"
    )
    login_details: Flag = setting(
        True, "with `ACCOUNT_PAGE`, keep of each login browser and system in words, and the hour of its last use"
    )
    connected_accounts: TextDict = setting(
        {},
        "connection → scopes, separated by spaces, or none for the connection's own: accounts that people may "
        "[connect](account.md#connected-accounts) for Token Vault",
    )
    clock: Clock = setting(time.time, "epoch seconds; for tests and demos that move the clock")

    @property
    def where(self) -> str:
        """The place of this configuration in the project's settings."""
        return "AUTH0" if self.name == DEFAULT else f"AUTH0[{self.name!r}]"

    @property
    def api_audience(self) -> str:
        """The API that the login's own access token is for: ``audience``, else ``resource``; "" for neither."""
        return self.audience or self.resource

    @property
    def refresh_lease(self) -> float:
        """Seconds for which a worker holds the right to refresh: for the exchange with the tenant, and for the database."""
        return lease_seconds(self.http_timeout)

    @property
    def has_embedded_logins(self) -> bool:
        """Whether people can log in on the site's own pages."""
        return bool(self.passwordless or self.password_realm)

    @property
    def keeps_login_details(self) -> bool:
        """Whether logins note their browser, their system and the hour of their last use."""
        return self.account_page and self.login_details

    @property
    def database_connection(self) -> str:
        """The database connection whose accounts people can make or get back into here; "" for none."""
        return self.password_realm if isinstance(self.password_realm, str) else ""

    @property
    def response_kinds(self) -> frozenset[str]:
        """What comes back to the callback: ``code``, ``id_token``, ``token``."""
        return kinds_of(self.response_type)

    @property
    def certificate_files(self) -> str | tuple[str, str] | None:
        """``client_certificate`` as requests takes it."""
        found = self.client_certificate
        if isinstance(found, str):
            return found or None
        return (found["cert"], found["key"]) if "key" in found else found["cert"]


_hints = get_type_hints(Auth0Settings, include_extras=True)

#: The type of each key of a configuration.
SETTINGS: Mapping[str, SettingType] = {
    found.name.upper(): _hints[found.name].__metadata__[0] for found in fields(Auth0Settings) if found.metadata
}


def build_settings(mapping: Mapping[Any, Any], name: str = DEFAULT) -> Auth0Settings:
    """Return a configuration without judging it: unknown keys and values of a wrong type are left out."""
    values = {key: _frozen(value) for key, value in mapping.items() if key in SETTINGS and SETTINGS[key].accepts(value)}
    given = frozenset(key for key, value in values.items() if value != "")
    conf = Auth0Settings(name=name, given=given, **{key.lower(): value for key, value in values.items()})
    implied: dict[str, Any] = {
        "clock": imported(conf.clock),
        "organization": imported(conf.organization),
        "password_realm": conf.password_realm or "",
        "base_url": conf.base_url.rstrip("/"),
        "issuer": conf.issuer or (f"https://{conf.domain.lower()}/" if conf.domain else ""),
    }
    if "REFRESH_WAIT" not in values and 0 < conf.http_timeout <= 15:
        implied["refresh_wait"] = default_wait(conf.http_timeout)
    if "RESPONSE_MODE" not in values:
        implied["response_mode"] = default_response_mode(conf.response_kinds)
    if "CLIENT_AUTH" not in values and conf.client_assertion_keys:
        implied["client_auth"] = "private_key_jwt"
    elif "CLIENT_AUTH" not in values and conf.client_certificate and not conf.client_secret:
        implied["client_auth"] = "tls_client_auth"
    if "API_ORIGINS" not in values and (origin := token_origin(conf.api_audience)):
        implied["api_origins"] = (origin,)
    return replace(conf, **implied)


def imported(value: Any) -> Any:
    """Return what a dotted path leads to if it can be called; anything else as it is."""
    if isinstance(value, str) and "." in value:  # an organization's id or name has no dot
        with suppress(ImportError):
            found = import_string(value)
            return found if callable(found) else value
    return value
