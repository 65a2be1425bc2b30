"""What a row gives as it is: its tokens, and whether they are to be refreshed. Asks neither database nor tenant."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from django_auth0_flow.conf import Auth0Settings, get_settings
from django_auth0_flow.protocol.errors import LoginRequired
from django_auth0_flow.protocol.grant import DEFAULT_TARGET, Target
from django_auth0_flow.protocol.tokens import TokenSet
from django_auth0_flow.storage.leased_rows import LeasedRow
from django_auth0_flow.storage.sealing import UnsealError

logger = logging.getLogger(__name__)

#: The code of a login that has reached its ceiling, ``session_expiry``.
SESSION_EXPIRED = "session_expired"


@dataclass(frozen=True)
class Wanted:
    """What a caller wants: the token of ``target``, and not the one that an API ``rejected``."""

    target: Target = DEFAULT_TARGET
    rejected: str | None = field(default=None, repr=False)


def settings_of(row: LeasedRow) -> Auth0Settings:
    return get_settings(row.configuration)


def now_for(row: LeasedRow) -> float:
    return settings_of(row).clock()


def tokens_of(row: LeasedRow, target: Target = DEFAULT_TARGET) -> TokenSet:
    """Return the stored token set of ``target``. Raises LoginRequired when it can't be read, or the login is over."""
    check_ceiling(row)
    try:
        return row.grant.token_set(target.key)
    except UnsealError:
        logger.warning("login_session_unreadable login_session=%s", row.pk)
        raise LoginRequired("The stored tokens can't be read any more.", code="login_session_unreadable") from None


def check_ceiling(row: LeasedRow) -> None:
    """Raise LoginRequired once the identity provider wants this login to be over. Refreshing does not prolong it."""
    if row.is_over(now_for(row)):
        raise LoginRequired("The identity provider's session is over.", code=SESSION_EXPIRED)


def fresh_tokens(row: LeasedRow, target: Target = DEFAULT_TARGET) -> TokenSet | None:
    """Return the stored token set if it is beyond the refresh margin, else None."""
    tokens = tokens_of(row, target)
    return tokens if tokens.is_fresh(now_for(row), settings_of(row).refresh_margin) else None


def is_usable(row: LeasedRow, wanted: Wanted) -> bool:
    """Tell whether the stored token is good until it expires: stale perhaps, and not the rejected one."""
    tokens = tokens_of(row, wanted.target)
    return tokens.access_token != wanted.rejected and not tokens.is_expired(now_for(row))
