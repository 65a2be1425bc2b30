"""What the row of a login session gives as it is: its tokens, and whether they are to be refreshed. Asks no tenant."""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass

from django.db import router

from django_auth0_flow.conf import Auth0Settings, get_settings
from django_auth0_flow.models import LoginSession
from django_auth0_flow.protocol.claim_checks import is_past_ceiling
from django_auth0_flow.protocol.errors import LoginRequired, NoAccessToken
from django_auth0_flow.protocol.grant import DEFAULT_TARGET, Target
from django_auth0_flow.protocol.tokens import TokenSet
from django_auth0_flow.storage.sealing import UnsealError

logger = logging.getLogger(__name__)

#: The most seconds without another try after a transient failure, whatever the tenant's Retry-After says.
MAX_RETRY_SECONDS = 120

#: The code of a login that has reached its ceiling, ``session_expiry``.
SESSION_EXPIRED = "session_expired"

#: A login whose token was refreshed because an API rejected it is not refreshed for that again within these seconds.
REJECTED_COOL_DOWN = 30


@dataclass(frozen=True)
class Wanted:
    """What a caller wants: the token of ``target``, and not the one that an API ``rejected``."""

    target: Target = DEFAULT_TARGET
    rejected: str | None = None


def settings_of(row: LoginSession) -> Auth0Settings:
    return get_settings(row.configuration)


def now_for(row: LoginSession) -> float:
    return settings_of(row).clock()


def load(pk: uuid.UUID) -> LoginSession:
    """Return the row as it is now. Raises LoginRequired when it is gone, or its user is not active."""
    rows = LoginSession.objects.using(router.db_for_write(LoginSession)).select_related("identity__user")
    row = rows.filter(pk=pk).first()
    if row is None:
        raise LoginRequired("The login session has ended.", code="login_session_ended")
    if not getattr(row.identity.user, "is_active", True):
        raise LoginRequired("The user is not active.", code="user_inactive")
    return row


def tokens_of(row: LoginSession, target: Target = DEFAULT_TARGET) -> TokenSet:
    """Return the stored token set of ``target``. Raises LoginRequired when it can't be read, or the login is over."""
    check_ceiling(row)
    try:
        return row.grant.token_set(target.key)
    except UnsealError:
        logger.warning("login_session_unreadable login_session=%s", row.pk)
        raise LoginRequired("The stored tokens can't be read any more.", code="login_session_unreadable") from None


def check_ceiling(row: LoginSession) -> None:
    """Raise LoginRequired once the identity provider wants this login to be over. Refreshing does not prolong it."""
    if row.session_ceiling is not None and is_past_ceiling(row.session_ceiling, now_for(row)):
        raise LoginRequired("The identity provider's session is over.", code=SESSION_EXPIRED)


def fresh_tokens(row: LoginSession, target: Target) -> TokenSet | None:
    """Return the stored token set if it is beyond the refresh margin, else None."""
    tokens = tokens_of(row, target)
    return tokens if tokens.is_fresh(now_for(row), settings_of(row).refresh_margin) else None


def without_refresh(row: LoginSession, wanted: Wanted) -> TokenSet | None:
    """Return the token set if it is to be used as it is, None if it is to be refreshed.

    Raises NoAccessToken, or LoginRequired when there is nothing to refresh with.
    """
    tokens, now = tokens_of(row, wanted.target), now_for(row)
    if tokens.access_token is None and tokens.refresh_token is None:
        raise NoAccessToken("This login came without an access token.")
    if tokens.is_fresh(now, settings_of(row).refresh_margin) and not is_to_replace(row, wanted):
        return tokens
    if tokens.refresh_token is None:
        if not tokens.is_expired(now):
            return tokens
        raise LoginRequired("The access token has expired and there is no refresh token.", code="no_refresh_token")
    return None


def is_to_replace(row: LoginSession, wanted: Wanted) -> bool:
    """Tell whether an API's 401 is a reason to refresh: it was for the stored token, and is the first for a while.

    Workers' clocks may differ and may step back, so the time since then counts in both directions.
    """
    if wanted.rejected is None or tokens_of(row, wanted.target).access_token != wanted.rejected:
        return False
    last = row.grant.rejected_at
    return last is None or abs(now_for(row) - last) >= REJECTED_COOL_DOWN


def is_usable(row: LoginSession, wanted: Wanted) -> bool:
    """Tell whether the stored token is good until it expires: stale perhaps, and not the rejected one."""
    tokens = tokens_of(row, wanted.target)
    return tokens.access_token != wanted.rejected and not tokens.is_expired(now_for(row))


def seconds_to_pause(row: LoginSession) -> float:
    """Return the seconds to wait after a failure before the next try; clocks that step back don't prolong them."""
    wait = (row.retry_at or 0) - now_for(row)
    return wait if 0 < wait <= MAX_RETRY_SECONDS else 0
