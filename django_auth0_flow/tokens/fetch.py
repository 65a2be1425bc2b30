"""What is asked of the tenant for stored tokens: a refresh, another API's, a connection's, the site's own; revocation.

Only the network part: ``single_flight`` and ``lease`` decide who may ask, and when.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

from django.views.decorators.debug import sensitive_variables

from django_auth0_flow.conf import get_client, get_settings
from django_auth0_flow.protocol.client_credentials import request_machine_token
from django_auth0_flow.protocol.deadline import http_deadline
from django_auth0_flow.protocol.errors import (
    AccountNotConnected,
    Auth0Error,
    InvalidGrant,
    NoAccessToken,
    TokenRequestError,
    TokenValidationError,
    TransportError,
)
from django_auth0_flow.protocol.grant import Grant, Target
from django_auth0_flow.protocol.tokens import TokenSet

T = TypeVar("T")

logger = logging.getLogger(__name__)

#: Seconds that ending a login waits for the tenant to revoke the refresh token.
REVOCATION_SECONDS = 3


@sensitive_variables()
def fetch_grant(configuration: str, grant: Grant, target: Target) -> tuple[Grant, Auth0Error | None]:
    """Ask the tenant for the target's token and return the grant with it.

    A lost answer is asked for once more, at once, with the same refresh token; both tries together end within HTTP_TIMEOUT.
    The error beside the grant is for the caller to raise after saving: the refresh token was rotated, yet the token is not
    the one that was wanted.
    Raises what ``Client.refresh`` raises, and NoAccessToken when the tenant does not give that kind of token.
    """
    return _insist(configuration, partial(_fetch, configuration, grant, target))


@sensitive_variables()
def fetch_machine_token(configuration: str, parameters: Mapping[str, str], dpop_key: str | None) -> TokenSet:
    """Ask the tenant for a token of the site itself; a lost answer is asked for once more. See ``client_credentials``."""
    ask = partial(request_machine_token, get_client(configuration), parameters, dpop_key=dpop_key)
    return _insist(configuration, ask)


def _insist(configuration: str, ask: Callable[[], T]) -> T:
    """Do what asks the tenant, once more if the answer is lost and there is time; all within HTTP_TIMEOUT."""
    started = time.monotonic()
    timeout = get_settings(configuration).http_timeout
    with http_deadline(timeout):
        try:
            return ask()
        except TransportError as error:
            if not error.answer_lost or time.monotonic() - started > timeout / 2:
                raise
            return ask()


def _fetch(configuration: str, grant: Grant, target: Target) -> tuple[Grant, Auth0Error | None]:
    client = get_client(configuration)
    if target.connection:
        try:
            tokens = client.connection_token(grant.tokens, connection=target.connection, login_hint=target.login_hint)
        except TokenRequestError as error:
            if isinstance(error, InvalidGrant):
                raise
            if _has_no_account(error) and target.connection in get_settings(configuration).connected_accounts:
                raise AccountNotConnected(target.connection) from error
            raise NoAccessToken(
                "Token Vault gives no token for this connection: is the identity linked, is the grant on, and is refresh "
                "token rotation off for the application? (Auth0 Dashboard: Applications > (app) > Settings)",
                code="connection_token_refused",
            ) from error
        return grant.with_token_set(target.key, tokens), None
    try:
        tokens, _ = client.refresh(
            grant.tokens,
            first_claims=grant.claims,
            scope=target.scope or None,
            audience=target.audience or None,
        )
    except TokenRequestError as error:
        if not target.audience or isinstance(error, InvalidGrant) or error.status == 401:
            raise
        raise _not_granted() from error
    # From here on the refresh token may have been rotated: whatever is wrong with the answer, that one is kept.
    if target.audience and (trouble := _trouble_with(configuration, tokens, target)):
        return grant.with_refresh_token(tokens.refresh_token), trouble
    return grant.with_token_set(target.key, tokens), None


def _has_no_account(error: TokenRequestError) -> bool:
    """Tell whether Token Vault has no token of this user: 401, and perhaps a word of its own, which is not documented."""
    is_about_client = error.error in ("invalid_client", "unauthorized_client")
    return not is_about_client and (error.status == 401 or error.error.startswith("federated_connection"))


def _trouble_with(configuration: str, tokens: TokenSet, target: Target) -> Auth0Error | None:
    """Return None if the access token is a JWT for the target's audience; nothing else is handed out as such.

    Auth0 ignores an audience that no multi-resource policy allows and answers with the original API's token.
    """
    try:
        get_client(configuration).validate_access_token(tokens.access_token or "", target.audience)
    except TokenValidationError:
        return _not_granted()
    except TransportError as error:
        return error
    return None


def _not_granted() -> NoAccessToken:
    return NoAccessToken(
        "The tenant gives this login no token for that audience. It needs a multi-resource refresh token policy "
        "(Auth0 Dashboard: Applications > (app) > Multi-Resource Refresh Token).",
        code="audience_not_granted",
    )


@sensitive_variables()
def revoke(configuration: str, refresh_token: str | None, *, seconds: float = REVOCATION_SECONDS) -> Auth0Error | None:
    """Revoke a refresh token, if there is one, best effort; None if the tenant has confirmed it, else what went wrong."""
    if not refresh_token:
        return None
    try:
        with http_deadline(seconds):
            get_client(configuration).revoke(refresh_token)
    except Auth0Error as error:
        logger.warning("revocation_failed code=%s", error.code)
        return error
    return None
