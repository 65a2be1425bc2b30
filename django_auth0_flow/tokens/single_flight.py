"""The procedure of a refresh: claim, re-read, refresh, save. One token request, however many threads and processes.

Its order is what keeps rotation with reuse detection safe. A worker that finds a stale token claims the row's lease by one
conditional UPDATE; the winner re-reads the row, refreshes if it is still stale and saves by one conditional UPDATE; losers
wait for the winner's token. No transaction and no lock is held during the network call. Within a process, waiters share the
leader's answer without asking the database.
"""

from __future__ import annotations

import copy
import logging
import math
import secrets
import threading
import time
import uuid
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from asgiref.sync import SyncToAsync
from django.db import InterfaceError, OperationalError, connections, router

from django_auth0_flow.conf import Auth0Settings, get_settings
from django_auth0_flow.models import LoginSession
from django_auth0_flow.protocol.errors import (
    Auth0Error,
    InvalidGrant,
    LoginRequired,
    MfaRequired,
    NoAccessToken,
    OAuthError,
    TokenValidationError,
    TransportError,
)
from django_auth0_flow.protocol.grant import DEFAULT_TARGET, Grant, Target
from django_auth0_flow.protocol.tokens import TokenSet
from django_auth0_flow.signals import login_session_ended, send, tokens_refreshed
from django_auth0_flow.storage.django_sessions import try_to_delete_session
from django_auth0_flow.storage.sealing import UnsealError
from django_auth0_flow.tokens.connection_pool import give_back_connection
from django_auth0_flow.tokens.fetch import fetch_grant, revoke_quietly
from django_auth0_flow.tokens.sync_async import Database, Network, Step, Steps, Wait

logger = logging.getLogger(__name__)

#: Seconds between two looks at a row whose lease another process holds.
POLL_SECONDS = 0.1

#: Seconds that nobody tries again after a transient failure, and the most that a tenant's Retry-After can make of it.
RETRY_SECONDS, MAX_RETRY_SECONDS = 1, 120

#: A login whose token was refreshed because an API rejected it is not refreshed for that again within these seconds.
REJECTED_COOL_DOWN = 30

DATABASE_TROUBLE = (OperationalError, InterfaceError)


@dataclass(frozen=True)
class _Flight:
    """A refresh under way in this process. The answer is the row after it, or None: look for yourself.

    ``request``: the ASGI request whose event loop drives it, whose one database thread must stay free for it.
    """

    target: Target
    in_async: bool = False
    request: object = field(default_factory=lambda: SyncToAsync.thread_sensitive_context.get(None))
    answer: Future[LoginSession | None] = field(default_factory=Future)


_flights: dict[uuid.UUID, _Flight] = {}

_flights_lock = threading.Lock()


@dataclass(frozen=True)
class _Wish:
    """What a caller wants: the token of ``target``, and not the one an API ``rejected``."""

    target: Target
    rejected: str | None = None


class SingleFlight:
    """The refresh of one login session, as steps for ``sync_async.run`` or ``arun``.

    ``row`` is the login session as last read. ``rotation`` holds tokens whose save may not have lasted, for the owner to
    save again: the row before each refresh, the last grant and its time. ``may_disconnect``: the caller reads from no
    cursor of its own.
    """

    def __init__(self, pk: uuid.UUID) -> None:
        self.may_disconnect = False
        self.pk = pk
        self.row: LoginSession | None = None
        self.rotation: tuple[tuple[LoginSession, ...], Grant, float] | None = None

    def obtain(self, target: Target, rejected: str | None, *, in_async: bool = False) -> Steps[TokenSet]:
        row = self.row
        if row is None or rejected is not None:
            row = yield Database(self.load)
        give_up = time.monotonic() + self._conf(row).refresh_wait
        while True:
            self.row = row
            tokens = self.tokens(row, target)
            if usable := self._without_refresh(row, tokens, rejected):
                return usable
            leader, flight = self._join(target, in_async)
            if leader:
                row = yield from self._lead(_Wish(target, rejected), row, flight)
                self.row = row
                return self.tokens(row, target)
            if self._usable_now(tokens, rejected):
                return tokens
            if flight.in_async and not in_async and flight.request is SyncToAsync.thread_sensitive_context.get(None):
                # Waiting here would hold the thread that the leader needs for its save.
                raise TransportError(
                    "This request is refreshing the token already.", code="refresh_busy", retry_after=1
                )
            yield from self._apart(Wait(max(0.0, give_up - time.monotonic()), flight.answer))
            if not flight.answer.done():
                raise TransportError("A refresh by another request takes too long.", code="refresh_busy", retry_after=1)
            row = yield from self._answer_of(flight, target)
            if time.monotonic() >= give_up:
                raise TransportError("A refresh by another request takes too long.", code="refresh_busy", retry_after=1)

    def _answer_of(self, flight: _Flight, target: Target) -> Steps[LoginSession]:
        """Return the row that the leader got, or fail as it did if it asked for the same token."""
        error = flight.answer.exception()
        if error is not None and flight.target == target:
            raise copy.copy(error)
        row = flight.answer.result() if error is None else None
        return row or (yield Database(self.load))

    def _without_refresh(self, row: LoginSession, tokens: TokenSet, rejected: str | None) -> TokenSet | None:
        """Return the token set if it is to be used as it is, None if it is to be refreshed."""
        now = self._now(row)
        if tokens.access_token is None and tokens.refresh_token is None:
            raise NoAccessToken("This login came without an access token.")
        if tokens.is_fresh(now, self._conf(row).refresh_margin) and not self._is_to_replace(row, tokens, rejected):
            return tokens
        if tokens.refresh_token is None:
            if not tokens.is_expired(now):
                return tokens
            raise LoginRequired("The access token has expired and there is no refresh token.", code="no_refresh_token")
        return None

    def _is_to_replace(self, row: LoginSession, tokens: TokenSet, rejected: str | None) -> bool:
        """Tell whether an API's 401 is a reason to refresh: it was for the stored token, and is the first for a while.

        Workers' clocks may differ and steps back may happen, so the time since then counts in both directions.
        """
        if rejected is None or tokens.access_token != rejected:
            return False
        last = row.grant.rejected_at
        return last is None or abs(self._now(row) - last) >= REJECTED_COOL_DOWN

    def _join(self, target: Target, in_async: bool) -> tuple[bool, _Flight]:
        with _flights_lock:
            flight = _flights.get(self.pk)
            if flight is not None:
                return False, flight
            flight = _flights[self.pk] = _Flight(target, in_async)
            return True, flight

    def _lead(self, wish: _Wish, row: LoginSession, flight: _Flight) -> Steps[LoginSession]:
        """Refresh for everybody in this process; whatever happens, the flight ends."""
        try:
            row = yield from self._refresh(wish, row)
        except Auth0Error as error:
            self._land(flight)
            flight.answer.set_exception(error)
            raise
        except BaseException:
            self._land(flight)
            flight.answer.set_result(None)
            raise
        self._land(flight)
        flight.answer.set_result(copy.copy(row))
        return row

    def _land(self, flight: _Flight) -> None:
        with _flights_lock:
            if _flights.get(self.pk) is flight:
                del _flights[self.pk]

    def _refresh(self, wish: _Wish, row: LoginSession) -> Steps[LoginSession]:
        conf = self._conf(row)
        give_up = time.monotonic() + conf.refresh_wait
        lease = secrets.token_hex(16)
        while True:
            tokens = self.tokens(row, wish.target)
            if wait := self._pause(row):
                if self._usable_now(tokens, wish.rejected):
                    return row
                raise TransportError(code=row.refresh_failure or TransportError.code, retry_after=math.ceil(wait))
            claimed, row = yield from self._try_to_claim(wish, row, lease)
            tokens = self.tokens(row, wish.target)
            if self._without_refresh(row, tokens, wish.rejected):
                if claimed:
                    yield Database(partial(row.release, lease))
                return row
            if claimed and self._pause(row):  # a failure that was noted after this copy of the row had been read
                yield Database(partial(row.release, lease, retry_at=row.retry_at, failure=row.refresh_failure))
                continue
            if claimed:
                return (yield from self._refresh_under_lease(wish, row, lease))
            if self._usable_now(tokens, wish.rejected):
                return row
            if time.monotonic() >= give_up:
                raise TransportError("A refresh by another worker takes too long.", code="refresh_busy", retry_after=1)
            yield from self._apart(Wait(POLL_SECONDS))

    def _try_to_claim(self, wish: _Wish, row: LoginSession, lease: str) -> Steps[tuple[bool, LoginSession]]:
        """Claim the lease and read the row anew. A database that takes no lease could not keep new tokens either."""
        try:
            claimed: bool = yield Database(partial(row.claim, lease, self._conf(row).refresh_lease))
            return claimed, (yield Database(self.load))
        except DATABASE_TROUBLE as error:
            logger.error("refresh_not_begun login_session=%s error=%s", row.pk, type(error).__name__)
            if self._usable_now(self.tokens(row, wish.target), wish.rejected):
                return False, row
            raise TransportError(
                "The database takes no refresh.", code="database_unavailable", retry_after=RETRY_SECONDS
            ) from error

    def _refresh_under_lease(self, wish: _Wish, row: LoginSession, lease: str) -> Steps[LoginSession]:
        started, noted = time.monotonic(), self._with_rejection(wish, row)
        try:
            fetch = Network(partial(fetch_grant, row.configuration, noted, wish.target))
            grant, trouble = yield from self._apart(fetch)
        except InvalidGrant:
            return (yield from self._rotated_or_ended(row, lease, "invalid_grant"))
        except TokenValidationError as error:
            logger.error("refresh_refused login_session=%s claim=%s", row.pk, error.claim)
            return (yield from self._rotated_or_ended(row, lease, "identity_changed"))
        except TransportError as error:
            return (yield from self._later(wish, row, lease, error))
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
            # The client itself was refused (secret, grant type): the operator's to mend, no user is logged out over it.
            refused = TransportError(
                "The tenant refuses this application.", code="client_rejected", status=error.status
            )
            return (yield from self._later(wish, row, lease, refused))
        row = yield from self._save(row, grant, time.monotonic() - started)
        if trouble is not None:
            raise trouble
        return row

    def _with_rejection(self, wish: _Wish, row: LoginSession) -> Grant:
        """Return the grant to refresh with; if an API's 401 is the reason, it says so to all workers."""
        if self._is_to_replace(row, self.tokens(row, wish.target), wish.rejected):
            return replace(row.grant, rejected_at=self._now(row))
        return row.grant

    def _save(self, row: LoginSession, grant: Grant, duration: float) -> Steps[LoginSession]:
        refreshed_at = self._now(row)
        # A rollback may take this save along, or earlier ones as well: which of these rows is left then, nobody knows yet.
        before = (*(self.rotation[0] if self.rotation else ()), copy.copy(row))
        alias = router.db_for_write(LoginSession)

        def in_transaction() -> bool:
            return connections[alias].in_atomic_block

        def drop_broken_connection() -> None:
            connections[alias].close_if_unusable_or_obsolete()

        saved = False
        for pause in (0.05, 0.2, None):
            try:
                saved = yield Database(partial(row.save_grant, grant, refreshed_at=refreshed_at))
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
        logger.info("tokens_refreshed login_session=%s duration_ms=%d", row.pk, duration * 1000)
        yield Database(partial(send, tokens_refreshed, LoginSession, login_session=row, duration=duration))
        return row

    def _overtaken(self, row: LoginSession, grant: Grant) -> Steps[LoginSession]:
        """The save changed nothing: logged out meanwhile (discard and revoke), or another refresh was first."""
        try:
            row = yield Database(self.load)
            return row
        except LoginRequired:
            logger.info("late_refresh_discarded login_session=%s", row.pk)
            yield Network(partial(revoke_quietly, row.configuration, grant.tokens.refresh_token))
            raise

    def _rotated_or_ended(self, row: LoginSession, lease: str, reason: str) -> Steps[LoginSession]:
        """The tenant refused the refresh token: use what somebody else rotated to, or end the login session."""
        found: LoginSession = yield Database(self.load)
        if found.version != row.version:
            yield Database(partial(found.release, lease))
            return found
        yield Database(partial(end_row, row, reason))
        # Django's session ends with it, wherever this was learned: login_required and the like know nothing of grants.
        yield Database(partial(try_to_delete_session, row.session_key, row.pk))
        raise LoginRequired("The tenant no longer accepts this login's refresh token.", code=reason)

    def _later(self, wish: _Wish, row: LoginSession, lease: str, error: TransportError) -> Steps[LoginSession]:
        """A transient failure: nobody tries again for a moment, the token is used as long as it lives."""
        pause = min(max(error.retry_after or 0, RETRY_SECONDS), MAX_RETRY_SECONDS)
        yield Database(partial(row.release, lease, retry_at=self._now(row) + pause, failure=error.code))
        logger.warning("refresh_failed login_session=%s code=%s retry_in=%d", row.pk, error.code, pause)
        if self._usable_now(self.tokens(row, wish.target), wish.rejected):
            return row
        error.retry_after = pause
        raise error

    def _apart(self, step: Step) -> Steps[Any]:
        """Take a step that may last; a connection that others wait for is not kept meanwhile, if the caller allows that."""
        if self.may_disconnect and self.row is not None:
            yield Database(partial(give_back_connection, self.row.configuration))
        return (yield step)

    # -- looking -----------------------------------------------------------------------------------------------------

    def load(self) -> LoginSession:
        rows = LoginSession.objects.using(router.db_for_write(LoginSession)).select_related("identity__user")
        row = rows.filter(pk=self.pk).first()
        if row is None:
            raise LoginRequired("The login session has ended.", code="login_session_ended")
        if not getattr(row.identity.user, "is_active", True):
            raise LoginRequired("The user is not active.", code="user_inactive")
        return row

    def tokens(self, row: LoginSession, target: Target = DEFAULT_TARGET) -> TokenSet:
        try:
            return row.grant.token_set(target.key)
        except UnsealError:
            logger.warning("login_session_unreadable login_session=%s", row.pk)
            raise LoginRequired("The stored tokens can't be read any more.", code="login_session_unreadable") from None

    def fresh(self, row: LoginSession, target: Target) -> TokenSet | None:
        tokens = self.tokens(row, target)
        return tokens if tokens.is_fresh(self._now(row), self._conf(row).refresh_margin) else None

    def _usable_now(self, tokens: TokenSet, rejected: str | None) -> bool:
        return tokens.access_token != rejected and not tokens.is_expired(self._now(self.row))

    def _pause(self, row: LoginSession) -> float:
        """Return the seconds for which nobody asks again after a failure; clocks that step back don't prolong them."""
        wait = (row.retry_at or 0) - self._now(row)
        return wait if 0 < wait <= MAX_RETRY_SECONDS else 0

    def _conf(self, row: LoginSession | None) -> Auth0Settings:
        return get_settings(row.configuration if row is not None else "default")

    def _now(self, row: LoginSession | None) -> float:
        return self._conf(row).clock()


def end_row(row: LoginSession, reason: str, *, any_version: bool = False) -> bool:
    """Delete a login session as last read (or as it now is); False if it changed or went meanwhile.

    Sends ``login_session_ended``.
    """
    rows = LoginSession.objects.filter(pk=row.pk)
    deleted, _ = (rows if any_version else rows.filter(version=row.version)).delete()
    if deleted:
        logger.info("login_session_ended login_session=%s reason=%s", row.pk, reason)
        send(login_session_ended, LoginSession, login_session=row, reason=reason)
    return bool(deleted)
