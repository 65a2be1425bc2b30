"""A login session's access tokens for all who ask: a view, an async view, a task, code inside a transaction.

One refresh serves them all: ``single_flight`` sees to it in this process, ``lease`` between processes.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import uuid
from collections.abc import Collection, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import requests
from django.db import connections, router
from django.views.decorators.debug import sensitive_variables

from django_auth0_flow.conf import get_client, get_settings
from django_auth0_flow.models import LoginSession
from django_auth0_flow.protocol.claim_checks import permissions_of
from django_auth0_flow.protocol.errors import LoginRequired, TokenExpired, TokenValidationError, TransportError
from django_auth0_flow.protocol.grant import DEFAULT_TARGET, Grant, Target
from django_auth0_flow.protocol.outbound import ApiSession
from django_auth0_flow.protocol.tokens import TokenSet
from django_auth0_flow.signals import api_session_created, send
from django_auth0_flow.tokens.lease import DATABASE_TROUBLE
from django_auth0_flow.tokens.reading import read_login_session
from django_auth0_flow.tokens.single_flight import SingleFlight
from django_auth0_flow.tokens.stored import Wanted, fresh_tokens, load, tokens_of
from django_auth0_flow.tokens.sync_async import arun, loop_of_call, run, run_in_loop

logger = logging.getLogger(__name__)

#: Codes of LoginRequired: the tenant has ended the login; then all by which a login is over. An expired access token, or a
#: tenant that wants a second factor, ends no login.
REFUSED_BY_TENANT = frozenset(["invalid_grant", "identity_changed", "user_blocked"])

OVER = REFUSED_BY_TENANT | {"login_session_ended", "login_session_unreadable", "user_inactive"}

_running: set[asyncio.Task[TokenSet]] = set()


def _finished(task: asyncio.Task[TokenSet]) -> None:
    _running.discard(task)
    if not task.cancelled():
        task.exception()  # those who wait get the error; if none waits, the event loop need not log it


@dataclass(frozen=True)
class TargetSource:
    """One target's tokens of a login session; implements ``protocol.tokens.TokenSource``."""

    source: StoredTokenSource
    target: Target

    def access_token(self, *, rejected: str | None = None) -> TokenSet:
        """As ``StoredTokenSource.access_token``."""
        return self.source.access_token(self.target, rejected=rejected)


def api_session_for(row: LoginSession) -> ApiSession:
    """Return the outbound session of a login session, for use outside requests."""
    return StoredTokenSource(row.pk).api_session(get_settings(row.configuration).api_origins)


class _DiscreetApiSession(ApiSession):
    """Hides the variables of failed calls from Django's error reports: a request's headers hold the access token."""

    @sensitive_variables()
    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        return super().send(request, **kwargs)


class StoredTokenSource:
    """The access tokens of one login session.

    Needs no request. One instance belongs to one request or task: it remembers the row it has read. Raises
    LoginRequired (nothing left to refresh with; the row is gone or ended), NoAccessToken (this login never has one) and
    TransportError (the tenant can't be reached and the token has expired).
    """

    def __init__(self, pk: uuid.UUID | str) -> None:
        self.pk = pk if isinstance(pk, uuid.UUID) else uuid.UUID(pk)
        self._flight = SingleFlight(self.pk)
        #: Why the tenant wants the user to log in again, if it has said so: it is not asked twice in one request.
        self.refusal: LoginRequired | None = None
        #: The code of the error by which this login was found to be over; "" while it is alive as far as we know.
        self.ended = ""
        self._api_sessions: list[ApiSession] = []
        self._default_api: ApiSession | None = None

    @property
    def row(self) -> LoginSession:
        """The login session as last read; one query the first time. Raises LoginRequired when it is gone."""
        if self._flight.row is None:
            with self._watching():
                self._flight.row = load(self.pk)
        return self._flight.row

    def find_row(self) -> LoginSession | None:
        """Return the row as last read, None once this login was found to be over.

        The caller must check that the user is active.
        """
        if self.ended:
            return None
        if self._flight.row is None:
            self._flight.row = read_login_session(self.pk)
            if self._flight.row is None:
                self.ended = "login_session_ended"
        return self._flight.row

    @property
    def refused(self) -> bool:
        """Whether it was the tenant that ended this login."""
        return self.ended in REFUSED_BY_TENANT

    @contextmanager
    def _watching(self) -> Iterator[None]:
        """Remember that the login is over if LoginRequired says so."""
        try:
            yield
        except LoginRequired as error:
            if error.code in OVER:
                self.ended = error.code
            raise

    @property
    def grant(self) -> Grant:
        """Tokens and claims as stored, without refresh. Raises LoginRequired when they can't be read."""
        with self._watching():
            tokens_of(self.row)
        return self.row.grant

    @property
    def tokens(self) -> TokenSet:
        """The token set as stored, without refresh."""
        return self.grant.tokens

    def permissions(self, audience: str) -> frozenset[str]:
        """Return the ``permissions`` of the stored access token, or none if it is no valid JWT for ``audience``."""
        token = self.tokens.access_token
        if not token or not audience:
            return frozenset()
        client = get_client(self.row.configuration)
        try:
            try:
                claims = client.validate_access_token(token, audience)
            except TokenExpired:
                claims = client.validate_access_token(self.access_token().access_token or "", audience)
        except TokenValidationError:
            return frozenset()
        return permissions_of(claims)

    def default_api(self, origins: Collection[str]) -> ApiSession:
        """As ``api_session`` for the default target, one for all who ask."""
        if self._default_api is None:
            self._default_api = self.api_session(origins)
        return self._default_api

    def api_session(self, origins: Collection[str], target: Target = DEFAULT_TARGET) -> ApiSession:
        """Return a ``requests.Session`` that sends the target's access token to ``origins``."""
        name = self.row.configuration
        timeout, prover = get_settings(name).http_timeout, get_client(name).prover
        session = _DiscreetApiSession(TargetSource(self, target), origins, timeout=timeout, prover=prover)
        self._api_sessions.append(session)
        send(api_session_created, ApiSession, session=session, configuration=name)
        return session

    def access_token(self, target: Target = DEFAULT_TARGET, *, rejected: str | None = None) -> TokenSet:
        """Return a live token set of ``target``; network only when the stored one is stale."""
        with self._watching():
            return self._obtain(target, rejected)

    def _obtain(self, target: Target, rejected: str | None) -> TokenSet:
        if (known := self._at_hand(target, rejected)) is not None:
            return known
        if (loop := loop_of_call()) is not None:
            # A refresh ends or fails within REFRESH_WAIT and the exchange after it.
            conf = get_settings(self.row.configuration)
            return run_in_loop(loop, self._aobtain(target, rejected), seconds=2 * conf.refresh_wait + conf.http_timeout)
        connection = connections[router.db_for_write(LoginSession)]
        if connection.in_atomic_block and connection.vendor != "sqlite":
            if rejected is None and (tokens := fresh_tokens(self.row, target)):
                return tokens
            return self._beside_transaction(target, rejected)
        return run(self._flight.obtain(Wanted(target, rejected)))

    async def aaccess_token(self, target: Target = DEFAULT_TARGET, *, rejected: str | None = None) -> TokenSet:
        """As ``access_token``, without blocking the event loop."""
        with self._watching():
            return await self._aobtain(target, rejected)

    async def _aobtain(self, target: Target, rejected: str | None) -> TokenSet:
        if (known := self._at_hand(target, rejected)) is not None:
            return known
        # A cancelled request (the visitor went away) must not take a rotated refresh token along: the task goes on.
        task = asyncio.ensure_future(arun(self._flight.obtain(Wanted(target, rejected), in_async=True)))
        _running.add(task)
        task.add_done_callback(_finished)
        return await asyncio.shield(task)

    def refresh_early(self) -> None:
        """As ``access_token`` before a view runs, when nothing reads from the database connection yet."""
        self._flight.lease.may_disconnect = True
        try:
            self.access_token()
        except LoginRequired as error:
            self.refusal = error
            raise
        finally:
            self._flight.lease.may_disconnect = False

    def after_response(self) -> None:
        """Store tokens again whose save was rolled back, and close connections to APIs."""
        self.save_lost_rotation()
        for session in self._api_sessions:
            session.close()

    def save_lost_rotation(self) -> None:
        """Store rotated tokens again if the transaction they were saved in was rolled back. For after the response."""
        if self._flight.lease.rotation is None:
            return
        (rows, grant, refreshed_at), self._flight.lease.rotation = self._flight.lease.rotation, None
        try:
            if any(row.save_grant(grant, refreshed_at=refreshed_at) for row in reversed(rows)):
                logger.warning("rotation_saved_again login_session=%s", self.pk)
        except DATABASE_TROUBLE as error:
            logger.error("rotation_lost login_session=%s error=%s", self.pk, type(error).__name__)
            # The old refresh token may be good for some seconds more: no one is to wait for this lease.
            with suppress(*DATABASE_TROUBLE):
                for row in rows:
                    row.release(row.lease)

    def _at_hand(self, target: Target, rejected: str | None) -> TokenSet | None:
        """Return the token set in the row as last read, if there is one and it is fresh.

        Raises LoginRequired when the login is over, or the tenant has said that the user must log in again.
        """
        if self.ended:
            raise LoginRequired("The login has ended.", code=self.ended)
        if self.refusal is not None:
            raise self.refusal
        if rejected is not None or self._flight.row is None:
            return None
        return fresh_tokens(self._flight.row, target)

    def _beside_transaction(self, target: Target, rejected: str | None) -> TokenSet:
        """Refresh on a connection of its own, so that a rollback of the caller's transaction can't undo it."""
        outcome: Future[TokenSet] = Future()

        def work() -> None:
            # Look before touching: where the row is not visible yet, an UPDATE could wait for the caller's own lock.
            self._flight.row = None
            try:
                outcome.set_result(run(self._flight.obtain(Wanted(target, rejected))))
            except BaseException as error:  # noqa: BLE001  # handed to the thread that waits
                outcome.set_exception(error)
            finally:
                connections.close_all()

        thread = threading.Thread(target=work, name="auth0-refresh")
        thread.start()
        thread.join()
        try:
            return outcome.result()
        except (LoginRequired, TransportError) as error:
            # Not visible from outside: the row was written in the caller's own transaction (a test case, say). Or there
            # is no second connection to be had: the caller's own must do, and what is rolled back is saved afterwards.
            if error.code not in ("login_session_ended", "database_unavailable"):
                raise
        except DATABASE_TROUBLE as error:
            logger.warning("no_second_connection login_session=%s error=%s", self.pk, type(error).__name__)
        self._flight.row = None
        return run(self._flight.obtain(Wanted(target, rejected)))
