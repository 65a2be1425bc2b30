"""May the client do at the token endpoint what the settings need: each grant once, with values that nobody was given."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from functools import partial

from django_auth0_flow.conf import Auth0Settings
from django_auth0_flow.doctor.authorize_probes import CREDENTIALS_REFUSED, login_request, refused_client
from django_auth0_flow.doctor.examined import Subject
from django_auth0_flow.doctor.findings import Finding, finding
from django_auth0_flow.doctor.refusals import find_mistake
from django_auth0_flow.protocol.authorization import kinds_of
from django_auth0_flow.protocol.embedded import EmbeddedLogins
from django_auth0_flow.protocol.errors import InvalidGrant, MfaRequired, OAuthError, TokenValidationError
from django_auth0_flow.protocol.tokens import TokenSet

#: In the place of codes and tokens, so that the tenant's log tells whose doing it is.
NOBODYS = "auth0-doctor"

#: The connection that each kind of ``PASSWORDLESS`` uses.
_CONNECTIONS = {"email-code": "email", "email-link": "email", "sms": "sms"}


def needs_code(conf: Auth0Settings) -> bool:
    return "code" in kinds_of(conf.response_type)


def needs_refresh(conf: Auth0Settings) -> bool:
    return "offline_access" in conf.scope.split()


def needs_password(conf: Auth0Settings) -> bool:
    return bool(conf.password_realm)


def needs_one_time_code(conf: Auth0Settings) -> bool:
    return bool({"email-code", "sms"}.intersection(conf.passwordless))


def needs_passwordless(conf: Auth0Settings) -> bool:
    return bool(conf.passwordless)


def needs_mfa(conf: Auth0Settings) -> bool:
    return needs_password(conf) or needs_one_time_code(conf)


def probe_code(subject: Subject) -> Iterator[Finding]:
    request = login_request(subject)
    yield from _refusal(subject, "code", lambda: subject.client.complete(request, NOBODYS))


def probe_refresh(subject: Subject) -> Iterator[Finding]:
    tokens = TokenSet(refresh_token=NOBODYS)
    yield from _refusal(subject, "refresh", lambda: subject.client.refresh(tokens, first_claims={}))


def probe_password(subject: Subject) -> Iterator[Finding]:
    realm = subject.conf.password_realm
    realm = realm if isinstance(realm, str) else ""
    ask = partial(_logins(subject).log_in_with_password, _nobody(), secrets.token_urlsafe(24), realm=realm)
    yield from _refusal(subject, "password", ask)


def probe_one_time_code(subject: Subject) -> Iterator[Finding]:
    logins = _logins(subject)
    for connection in _connections(subject.conf, ("email-code", "sms")):
        name = _nobody() if connection == "email" else "+0"
        ask = partial(logins.log_in_with_code, connection, name, "000000", redirect_uri=subject.callback)
        found = list(_refusal(subject, "one-time code", ask))
        yield from found
        if found:
            return


def probe_mfa(subject: Subject) -> Iterator[Finding]:
    yield from _refusal(subject, "second factor", lambda: _logins(subject).confirm_otp(NOBODYS, "000000"))


def probe_passwordless(subject: Subject) -> Iterator[Finding]:
    """Ask for a message to nobody: a request without an address can't be sent to anybody, nor create a user."""
    for connection in _connections(subject.conf, subject.conf.passwordless):
        body = {"connection": connection, **({"send": "code"} if connection == "email" else {})}
        try:
            subject.client.post_json("passwordless/start", body)
        except OAuthError as error:
            mistake = find_mistake(error.error, error.error_description, error.status)
            if mistake in CREDENTIALS_REFUSED:
                mistake = "SM64"
            if mistake is not None:
                detail = f"It is the connection {connection}."
                yield finding(mistake, "passwordless", _literal(subject, error), detail=detail)


def _logins(subject: Subject) -> EmbeddedLogins:
    audience = {"audience": subject.conf.audience} if subject.conf.audience else {}
    return EmbeddedLogins(subject.client, scope="openid", parameters=audience)


def _nobody() -> str:
    """Return a name that no user has, another each time, so that attack protection counts nothing against it."""
    return f"{NOBODYS}-{secrets.token_hex(6)}@example.invalid"


def _connections(conf: Auth0Settings, kinds: tuple[str, ...]) -> list[str]:
    return list(dict.fromkeys(_CONNECTIONS[kind] for kind in conf.passwordless if kind in kinds))


def _refusal(subject: Subject, test: str, ask: Callable[[], object]) -> Iterator[Finding]:
    """Make a request that must be refused, and judge how: ``invalid_grant`` is the good answer."""
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
        mistake = refused_client(subject, mistake) or mistake
        if mistake in CREDENTIALS_REFUSED:
            subject.lost["credentials"] = "the tenant refuses the client's credentials"
        yield finding(mistake, test, _literal(subject, error))


def _literal(subject: Subject, error: OAuthError) -> str:
    return subject.literal(f"{error.status} {error.error}: {error.error_description}")
