"""The procedure of a refresh over all processes: claim, re-read, refresh, save.

Its order is what keeps rotation with reuse detection safe. A worker that finds a stale token claims the row's lease by one
conditional UPDATE; the winner re-reads the row, refreshes if it is still stale and saves by one conditional UPDATE; losers
wait for the winner's token. No transaction and no lock is held during the network call.
"""

from __future__ import annotations

import copy
import logging
import math
import secrets
import time
import uuid
from dataclasses import replace
from functools import partial
from typing import Any

from django.db import InterfaceError, OperationalError, connections, router
from django.db.models import Q

from django_auth0_flow.models import LoginSession
from django_auth0_flow.protocol.errors import (
    InvalidGrant,
    LoginRequired,
    MfaRequired,
    NoAccessToken,
    OAuthError,
    TokenValidationError,
    TransportError,
)
from django_auth0_flow.protocol.grant import Grant
from django_auth0_flow.signals import send, tokens_refreshed
from django_auth0_flow.storage.django_sessions import try_to_delete_session
from django_auth0_flow.tokens.connection_pool import give_back_connection
from django_auth0_flow.tokens.fetch import fetch_grant, revoke
from django_auth0_flow.tokens.stored import (
    MAX_RETRY_SECONDS,
    Wanted,
    is_to_replace,
    is_usable,
    load,
    now_for,
    seconds_to_pause,
    settings_of,
    without_refresh,
)
from django_auth0_flow.tokens.sync_async import Action, Database, Network, Procedure, Wait

logger = logging.getLogger(__name__)

#: Seconds between two looks at a row whose lease another process holds.
POLL_SECONDS = 0.1

#: Seconds without another try after a transient failure.
RETRY_SECONDS = 1

DATABASE_TROUBLE = (OperationalError, InterfaceError)


class LeasedRefresh:
    """The refresh of one login session, by one worker at a time.

    ``rotation`` holds tokens whose save may not have lasted, for the owner to save again: the row before each refresh, the
    last grant and its time. ``may_disconnect``: the caller reads from no cursor of its own.
    """

    def __init__(self, pk: uuid.UUID) -> None:
        self.pk = pk
        self.may_disconnect = False
        self.rotation: tuple[tuple[LoginSession, ...], Grant, float | None] | None = None

    def load(self) -> LoginSession:
        return load(self.pk)

    def refresh(self, wanted: Wanted, row: LoginSession) -> Procedure[LoginSession]:
        """Return the row with the token that is wanted, refreshed by this worker or by another."""
        give_up = time.monotonic() + settings_of(row).refresh_wait
        lease = secrets.token_hex(16)
        while True:
            if wait := seconds_to_pause(row):
                if is_usable(row, wanted):
                    return row
                raise TransportError(code=row.refresh_failure or TransportError.code, retry_after=math.ceil(wait))
            claimed, row = yield from self._try_to_claim(wanted, row, lease)
            if without_refresh(row, wanted):
                if claimed:
                    yield Database(partial(row.release, lease))
                return row
            if claimed and seconds_to_pause(row):  # a failure that was noted after this copy of the row had been read
                yield Database(partial(row.release, lease, retry_at=row.retry_at, failure=row.refresh_failure))
                continue
            if claimed:
                return (yield from self._refresh_under_lease(wanted, row, lease))
            if is_usable(row, wanted):
                return row
            if time.monotonic() >= give_up:
                raise TransportError("A refresh by another worker takes too long.", code="refresh_busy", retry_after=1)
            yield from self.without_connection(row, Wait(POLL_SECONDS))

    def _try_to_claim(self, wanted: Wanted, row: LoginSession, lease: str) -> Procedure[tuple[bool, LoginSession]]:
        """Claim the lease and read the row anew. A database that takes no lease could not keep new tokens either."""
        try:
            claimed: bool = yield Database(partial(row.claim, lease, settings_of(row).refresh_lease))
            return claimed, (yield Database(self.load))
        except DATABASE_TROUBLE as error:
            logger.error("refresh_not_begun login_session=%s error=%s", row.pk, type(error).__name__)
            if is_usable(row, wanted):
                return False, row
            raise TransportError(
                "The database takes no refresh.", code="database_unavailable", retry_after=RETRY_SECONDS
            ) from error

    def _refresh_under_lease(self, wanted: Wanted, row: LoginSession, lease: str) -> Procedure[LoginSession]:
        started, noted = time.monotonic(), self._with_rejection(wanted, row)
        try:
            fetch = Network(partial(fetch_grant, row.configuration, noted, wanted.target))
            grant, trouble = yield from self.without_connection(row, fetch)
        except InvalidGrant:
            return (yield from self._rotated_or_ended(row, lease, "invalid_grant"))
        except TokenValidationError as error:
            logger.error("refresh_refused login_session=%s claim=%s", row.pk, error.claim)
            return (yield from self._rotated_or_ended(row, lease, "identity_changed"))
        except TransportError as error:
            return (yield from self._later(wanted, row, lease, error))
        except NoAccessToken:
            if noted != row.grant:
                yield Database(partial(row.save_grant, noted, refreshed_at=row.refreshed_at))
            yield Database(partial(row.release, lease))
            raise
        except OAuthError as error:
            if error.error in ("unauthorized", "access_denied") and "blocked" in error.error_description.lower():
                return (yield from self._rotated_or_ended(row, lease, "user_blocked"))
            if isinstance(error, MfaRequired) or (error.error == "access_denied" and error.status != 401):
                yield Database(partial(row.release, lease, failure=error.code))
                logger.info("refresh_denied login_session=%s code=%s", row.pk, error.code)
                raise LoginRequired("The tenant wants the user to log in again.", code=error.code) from error
            # The client itself was refused (secret, grant type): the operator has to repair that, no user is logged out.
            refused = TransportError(
                "The tenant refuses this application.", code="client_rejected", status=error.status
            )
            return (yield from self._later(wanted, row, lease, refused))
        row = yield from self._save(row, grant, refreshed_at=now_for(row), duration=time.monotonic() - started)
        if trouble is not None:
            raise trouble
        return row

    def _with_rejection(self, wanted: Wanted, row: LoginSession) -> Grant:
        """Return the grant to refresh with; if an API's 401 is the reason, it says so to all workers."""
        if is_to_replace(row, wanted):
            return replace(row.grant, rejected_at=now_for(row))
        return row.grant

    def _save(
        self, row: LoginSession, grant: Grant, *, refreshed_at: float | None, duration: float | None, **failed: Any
    ) -> Procedure[LoginSession]:
        """Store what the tenant has rotated to. ``duration``: of a refresh that succeeded, for the log and receivers."""
        # A rollback may take this save along, or earlier ones as well: which of these rows is left then, is not known yet.
        before = (*(self.rotation[0] if self.rotation else ()), copy.copy(row))
        alias = router.db_for_write(LoginSession)

        def in_transaction() -> bool:
            return connections[alias].in_atomic_block

        def drop_broken_connection() -> None:
            connections[alias].close_if_unusable_or_obsolete()

        saved = False
        for pause in (0.05, 0.2, None):
            try:
                saved = yield Database(partial(row.save_grant, grant, refreshed_at=refreshed_at, **failed))
                break
            except DATABASE_TROUBLE as error:
                logger.error("rotation_not_saved login_session=%s error=%s", row.pk, type(error).__name__)
                self.rotation = (before, grant, refreshed_at)
                if pause is None or (yield Database(in_transaction)):
                    row.grant = grant
                    return row
                yield Database(drop_broken_connection)
                yield Wait(pause)
        if not saved:
            return (yield from self._overtaken(row, grant))
        if (yield Database(in_transaction)):
            self.rotation = (before, grant, refreshed_at)
        if duration is not None:
            logger.info("tokens_refreshed login_session=%s duration_ms=%d", row.pk, duration * 1000)
            yield Database(partial(send, tokens_refreshed, LoginSession, login_session=row, duration=duration))
        return row

    def _overtaken(self, row: LoginSession, grant: Grant) -> Procedure[LoginSession]:
        """The save changed nothing: logged out meanwhile (discard and revoke), or another refresh was first."""
        try:
            row = yield Database(self.load)
            return row
        except LoginRequired:
            logger.info("late_refresh_discarded login_session=%s", row.pk)
            yield Network(partial(revoke, row.configuration, grant.tokens.refresh_token))
            raise

    def _rotated_or_ended(self, row: LoginSession, lease: str, reason: str) -> Procedure[LoginSession]:
        """The tenant refused the refresh token: use what another worker stored, or end the login session."""
        # By its version: tokens that came meanwhile stay.
        if not (yield Database(partial(row.end, reason, only_if=Q(version=row.version)))):
            found: LoginSession = yield Database(self.load)
            yield Database(partial(found.release, lease))
            return found
        # Django's session ends with it, wherever this was learned: login_required and the like know nothing of grants.
        yield Database(partial(try_to_delete_session, row.session_key, row.pk))
        raise LoginRequired("The tenant no longer accepts this login's refresh token.", code=reason)

    def _later(self, wanted: Wanted, row: LoginSession, lease: str, error: TransportError) -> Procedure[LoginSession]:
        """A transient failure: there is no other try for a moment, the token is used as long as it lives.

        A refresh token that came with an answer of no other use is kept: the stored one may be spent.
        """
        pause = min(max(error.retry_after or 0, RETRY_SECONDS), MAX_RETRY_SECONDS)
        failed: dict[str, Any] = {"retry_at": now_for(row) + pause, "failure": error.code}
        rotated, error.refresh_token = error.refresh_token, None
        if rotated and not wanted.target.connection:
            grant = self._with_rejection(wanted, row).with_refresh_token(rotated)
            row = yield from self._save(row, grant, refreshed_at=row.refreshed_at, duration=None, **failed)
        else:
            yield Database(partial(row.release, lease, **failed))
        logger.warning("refresh_failed login_session=%s code=%s retry_in=%d", row.pk, error.code, pause)
        if is_usable(row, wanted):
            return row
        error.retry_after = pause
        raise error

    def without_connection(self, row: LoginSession, action: Action) -> Procedure[Any]:
        """Do what may last; a connection that others wait for is not kept meanwhile, if the caller allows that."""
        if self.may_disconnect:
            yield Database(partial(give_back_connection, row.configuration))
        return (yield action)
