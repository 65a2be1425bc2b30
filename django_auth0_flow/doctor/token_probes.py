"""May the client do at the token endpoint what the settings need: each grant once, with made-up codes and tokens."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from django_auth0_flow.conf import Auth0Settings
from django_auth0_flow.doctor.authorize_probes import CREDENTIALS_REFUSED, login_request, refused_client
from django_auth0_flow.doctor.examined import Examined, Test
from django_auth0_flow.doctor.findings import Finding, finding
from django_auth0_flow.doctor.refusals import find_mistake
from django_auth0_flow.protocol.embedded_grants import EmbeddedLogins
from django_auth0_flow.protocol.errors import InvalidGrant, MfaRequired, OAuthError, TokenValidationError
from django_auth0_flow.protocol.passwordless_channels import CHANNELS, Channel
from django_auth0_flow.protocol.tokens import TokenSet

#: In place of codes, tokens and names; the tenant's log shows it.
MADE_UP = "auth0-doctor"


def needs_code(conf: Auth0Settings) -> bool:
    return "code" in conf.response_kinds


def needs_refresh(conf: Auth0Settings) -> bool:
    return "offline_access" in conf.scope.split()


def needs_password(conf: Auth0Settings) -> bool:
    return bool(conf.password_realm)


def needs_one_time_code(conf: Auth0Settings) -> bool:
    return any(not channel.is_link for channel in _channels(conf))


def needs_passwordless(conf: Auth0Settings) -> bool:
    return bool(conf.passwordless)


def needs_mfa(conf: Auth0Settings) -> bool:
    return needs_password(conf) or needs_one_time_code(conf)


def probe_code(examined: Examined) -> Iterator[Finding]:
    request = login_request(examined)
    yield from _refusal(examined, "code", lambda: examined.client.complete(request, MADE_UP))


def probe_refresh(examined: Examined) -> Iterator[Finding]:
    tokens = TokenSet(refresh_token=MADE_UP)
    yield from _refusal(examined, "refresh", lambda: examined.client.refresh(tokens, first_claims={}))


def probe_password(examined: Examined) -> Iterator[Finding]:
    realm = examined.conf.password_realm
    realm = realm if isinstance(realm, str) else ""
    ask = partial(_logins(examined).log_in_with_password, _unknown_user(), secrets.token_urlsafe(24), realm=realm)
    yield from _refusal(examined, "password", ask)


def probe_one_time_code(examined: Examined) -> Iterator[Finding]:
    logins = _logins(examined)
    for channel in _one_per_connection(channel for channel in _channels(examined.conf) if not channel.is_link):
        name = "+0" if channel.is_by_phone else _unknown_user()
        ask = partial(logins.log_in_with_code, channel, name, "000000", redirect_uri=examined.callback)
        found = list(_refusal(examined, "one-time code", ask))
        yield from found
        if found:
            return


def probe_mfa(examined: Examined) -> Iterator[Finding]:
    yield from _refusal(examined, "second factor", lambda: _logins(examined).confirm_otp(MADE_UP, "000000"))


def probe_passwordless(examined: Examined) -> Iterator[Finding]:
    """Ask for a message without saying to whom: none can be sent, and no user is created."""
    for channel in _one_per_connection(_channels(examined.conf)):
        body = {"connection": channel.connection, **({"send": "code"} if channel.send else {})}
        try:
            examined.client.post_json("passwordless/start", body)
        except OAuthError as error:
            mistake = find_mistake(error.error, error.error_description, error.status)
            if mistake in CREDENTIALS_REFUSED:
                mistake = "SM64"
            if mistake is not None:
                detail = f"It is the connection {channel.connection}."
                yield finding(mistake, "passwordless", _said(examined, error), detail=detail)


def needs_token_vault(conf: Auth0Settings) -> bool:
    return bool(conf.connected_accounts)


def probe_token_vault(examined: Examined) -> Iterator[Finding]:
    """Exchange a made-up refresh token: only that the grant is off can be told from its refusal."""
    try:
        examined.client.connection_token(
            TokenSet(refresh_token=MADE_UP), connection=next(iter(examined.conf.connected_accounts))
        )
    except OAuthError as error:
        if find_mistake(error.error, error.error_description, error.status) == "SM79":
            yield finding("SM79", "token vault", _said(examined, error))


def _logins(examined: Examined) -> EmbeddedLogins:
    audience = {"audience": examined.conf.audience} if examined.conf.audience else {}
    return EmbeddedLogins(examined.client, scope="openid", parameters=audience)


def _unknown_user() -> str:
    """Return a name that no user has, a new one each time, so that attack protection blocks no name."""
    return f"{MADE_UP}-{secrets.token_hex(6)}@example.invalid"


def _channels(conf: Auth0Settings) -> list[Channel]:
    return [CHANNELS[kind] for kind in conf.passwordless]


def _one_per_connection(channels: Iterable[Channel]) -> Iterable[Channel]:
    return {channel.connection: channel for channel in channels}.values()


def _refusal(examined: Examined, test: str, ask: Callable[[], object]) -> Iterator[Finding]:
    """Make a request that must be refused, and judge the refusal: ``invalid_grant`` is the good one."""
    try:
        ask()
    except (InvalidGrant, MfaRequired, TokenValidationError):
        return
    except OAuthError as error:
        mistake = find_mistake(error.error, error.error_description, error.status)
        if mistake is None:
            if test == "second factor" and ("mfa_token" in error.error_description or error.error == "expired_token"):
                return
            mistake = "D16" if error.error == "unauthorized_client" else "D14"
        mistake = refused_client(examined, mistake) or mistake
        if mistake in CREDENTIALS_REFUSED:
            examined.lost["credentials"] = "the tenant refuses the client's credentials"
        yield finding(mistake, test, _said(examined, error))


def _said(examined: Examined, error: OAuthError) -> str:
    return examined.printable(f"{error.status} {error.error}: {error.error_description}")


_CLIENT = ("tenant", "client", "credentials")

TESTS = (
    Test("code", probe_code, needs=_CLIENT, applies=needs_code),
    Test("refresh", probe_refresh, needs=_CLIENT, applies=needs_refresh),
    Test("password", probe_password, needs=_CLIENT, applies=needs_password),
    Test("one-time code", probe_one_time_code, needs=_CLIENT, applies=needs_one_time_code),
    Test("passwordless", probe_passwordless, needs=_CLIENT, applies=needs_passwordless),
    Test("token vault", probe_token_vault, needs=_CLIENT, applies=needs_token_vault),
    Test("second factor", probe_mfa, needs=_CLIENT, applies=needs_mfa),
)
