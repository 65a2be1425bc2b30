"""The procedure of a renewal over all processes: claim, re-read, renew, save.

Its order is what keeps rotation with reuse detection safe. A worker that finds a stale token claims the row's lease by one
conditional UPDATE; the winner re-reads the row, renews if it is still stale and saves by one conditional UPDATE; losers
wait for the winner's token. No transaction and no lock is held during the network call.
"""

from __future__ import annotations

import copy
import logging
import math
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Hashable
from dataclasses import replace
from functools import partial
from typing import Any, Generic, TypeVar

from django.db import InterfaceError, OperationalError, connections, router

from django_auth0_flow.protocol.errors import Auth0Error, TransportError
from django_auth0_flow.protocol.grant import Grant
from django_auth0_flow.protocol.tokens import TokenSet
from django_auth0_flow.storage.leased_rows import LeasedRow
from django_auth0_flow.tokens.connection_pool import give_back_connection
from django_auth0_flow.tokens.stored import Wanted, is_usable, now_for, settings_of, tokens_of
from django_auth0_flow.tokens.sync_async import Action, Database, Procedure, Wait

logger = logging.getLogger(__name__)

#: Seconds between two looks at a row whose lease another process holds.
POLL_SECONDS = 0.1

#: Seconds without another try after a transient failure.
RETRY_SECONDS = 1

DATABASE_TROUBLE = (OperationalError, InterfaceError)

Row = TypeVar("Row", bound=LeasedRow)


class Lease(ABC, Generic[Row]):
    """The renewal of one row's tokens, by one worker at a time.

    ``may_disconnect``: the caller reads from no cursor of its own. ``KIND``: what log lines call the row.
    ``MAX_RETRY``: seconds without another try after a failure, whatever the tenant's Retry-After says.
    ``REJECTED_COOL_DOWN``: seconds without another renewal because an API rejects the token.
    """

    KIND = ""
    MAX_RETRY = 120
    REJECTED_COOL_DOWN = 30

    def __init__(self, pk: Hashable) -> None:
        self.pk = pk
        self.may_disconnect = False

    @abstractmethod
    def load(self) -> Row:
        """Return the row as it is now."""

    def find(self) -> Row | None:
        """Return the row if it is there; as ``load``, without making one."""
        return self.load()

    @abstractmethod
    def without_refresh(self, row: Row, wanted: Wanted) -> TokenSet | None:
        """Return the token set if it is to be used as it is, None if it is to be renewed."""

    @abstractmethod
    def renew(self, wanted: Wanted, row: Row, lease: str) -> Procedure[Row]:
        """Ask the tenant, save, give the lease back, and return the row."""

    def note_unsaved(self, before: Row, grant: Grant, refreshed_at: float | None) -> None:
        """Remember tokens whose save may not have lasted; ``before``: the row without them."""

    def failed_lately(self, row: Row, seconds: int) -> Auth0Error:
        """Return the error for a caller who comes while there is no other try after a failure."""
        return TransportError(code=row.refresh_failure or TransportError.code, retry_after=seconds)

    @property
    def name(self) -> str:
        """The row as log lines name it."""
        return f"{self.KIND}={self.pk}"

    def refresh(self, wanted: Wanted, row: Row) -> Procedure[Row]:
        """Return the row with the token that is wanted, refreshed by this worker or by another."""
        give_up = time.monotonic() + settings_of(row).refresh_wait
        lease = secrets.token_hex(16)
        while True:
            if wait := self.seconds_to_pause(row):
                if is_usable(row, wanted):
                    return row
                raise self.failed_lately(row, math.ceil(wait))
            claimed, row = yield from self._try_to_claim(wanted, row, lease)
            if self.without_refresh(row, wanted):
                if claimed:
                    yield Database(partial(row.release, lease))
                return row
            if claimed and self.seconds_to_pause(
                row
            ):  # a failure that was noted after this copy of the row had been read
                yield Database(partial(row.release, lease, retry_at=row.retry_at, failure=row.refresh_failure))
                continue
            if claimed:
                return (yield from self.renew(wanted, row, lease))
            if is_usable(row, wanted):
                return row
            if time.monotonic() >= give_up:
                raise TransportError("A refresh by another worker takes too long.", code="refresh_busy", retry_after=1)
            yield from self.without_connection(row, Wait(POLL_SECONDS))

    def _try_to_claim(self, wanted: Wanted, row: Row, lease: str) -> Procedure[tuple[bool, Row]]:
        """Claim the lease and read the row anew. A database that takes no lease could not keep new tokens either."""
        try:
            claimed: bool = yield Database(partial(row.claim, lease, settings_of(row).refresh_lease))
            return claimed, (yield Database(self.load))
        except DATABASE_TROUBLE as error:
            logger.error("refresh_not_begun %s error=%s", self.name, type(error).__name__)
            if is_usable(row, wanted):
                return False, row
            raise TransportError(
                "The database takes no refresh.", code="database_unavailable", retry_after=RETRY_SECONDS
            ) from error

    def with_rejection(self, wanted: Wanted, row: Row) -> Grant:
        """Return the grant to renew; if an API's 401 is the reason, it says so to all workers."""
        return replace(row.grant, rejected_at=now_for(row)) if self.is_to_replace(row, wanted) else row.grant

    def is_to_replace(self, row: Row, wanted: Wanted) -> bool:
        """Tell whether an API's 401 is a reason to renew: it was for the stored token, and is the first for a while.

        Workers' clocks may differ and may step back, so the time since then counts in both directions.
        """
        if wanted.rejected is None or tokens_of(row, wanted.target).access_token != wanted.rejected:
            return False
        last = row.grant.rejected_at
        return last is None or abs(now_for(row) - last) >= self.REJECTED_COOL_DOWN

    def seconds_to_pause(self, row: Row) -> float:
        """Return the seconds to wait after a failure before the next try; clocks that step back don't prolong them."""
        wait = (row.retry_at or 0) - now_for(row)
        return wait if 0 < wait <= self.MAX_RETRY else 0

    def pause_after(self, row: Row, error: TransportError) -> tuple[int, dict[str, Any]]:
        """Return for how long there is no other try after ``error``, and what the row keeps of that."""
        pause = min(max(error.retry_after or 0, RETRY_SECONDS), self.MAX_RETRY)
        return pause, {"retry_at": now_for(row) + pause, "failure": error.code}

    def save(self, row: Row, grant: Grant, *, refreshed_at: float | None, **failed: Any) -> Procedure[bool | None]:
        """Store new tokens: True when that is done, False when the row has changed or is gone, None when it failed.

        After a failure ``row`` holds them all the same.
        """
        alias, before, is_noted = router.db_for_write(type(row)), copy.copy(row), False

        def in_transaction() -> bool:
            return connections[alias].in_atomic_block

        def drop_broken_connection() -> None:
            connections[alias].close_if_unusable_or_obsolete()

        for pause in (0.05, 0.2, None):
            try:
                saved: bool = yield Database(partial(row.save_grant, grant, refreshed_at=refreshed_at, **failed))
            except DATABASE_TROUBLE as error:
                logger.error("rotation_not_saved %s error=%s", self.name, type(error).__name__)
                if not is_noted:
                    self.note_unsaved(before, grant, refreshed_at)
                    is_noted = True
                if pause is None or (yield Database(in_transaction)):
                    break
                yield Database(drop_broken_connection)
                yield Wait(pause)
            else:
                if saved and not is_noted and (yield Database(in_transaction)):
                    self.note_unsaved(before, grant, refreshed_at)
                return saved
        row.grant = grant
        return None

    def without_connection(self, row: Row, action: Action) -> Procedure[Any]:
        """Do what may last; a connection that others wait for is not kept meanwhile, if the caller allows that."""
        if self.may_disconnect:
            yield Database(partial(give_back_connection, row.configuration))
        return (yield action)
