"""A row's access tokens for all who ask: a view, an async view, a task, code inside a transaction.

One renewal serves them all: ``single_flight`` sees to it in this process, ``lease`` between processes.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import Future
from typing import Generic

from django.db import connections, router

from django_auth0_flow.conf import is_simulated
from django_auth0_flow.protocol.errors import LoginRequired, TransportError
from django_auth0_flow.protocol.tokens import TokenSet
from django_auth0_flow.tokens.lease import DATABASE_TROUBLE, Lease, Row
from django_auth0_flow.tokens.single_flight import SingleFlight
from django_auth0_flow.tokens.stored import Wanted, fresh_tokens, settings_of
from django_auth0_flow.tokens.sync_async import arun, loop_of_call, run, run_in_loop

logger = logging.getLogger(__name__)

_running: set[asyncio.Task[TokenSet]] = set()


def _finished(task: asyncio.Task[TokenSet]) -> None:
    _running.discard(task)
    if not task.cancelled():
        task.exception()  # those who wait get the error; if none waits, the event loop need not log it


class RowTokens(Generic[Row]):
    """The access tokens of one row, renewed under ``lease``; ``model``: the row's.

    Needs no request. One instance belongs to one request or task: it remembers the row it has read.
    """

    def __init__(self, model: type[Row], lease: Lease[Row]) -> None:
        self.flight = SingleFlight(lease)
        self._model = model

    def obtain(self, wanted: Wanted) -> TokenSet:
        """Return a live token set; network only when the stored one is stale."""
        if (known := self._at_hand(wanted)) is not None:
            return known
        if (loop := loop_of_call()) is not None:
            # A renewal ends or fails within REFRESH_WAIT and the exchange after it.
            conf = settings_of(self.flight.row or self.flight.lease.load())
            return run_in_loop(loop, self.aobtain(wanted), seconds=2 * conf.refresh_wait + conf.http_timeout)
        connection = connections[router.db_for_write(self._model)]
        if not connection.in_atomic_block or connection.vendor == "sqlite" or is_simulated():
            return run(self.flight.obtain(wanted))
        if self.flight.row is None:
            self.flight.row = self.flight.lease.find()
        return self._at_hand(wanted) or self._beside_transaction(wanted)

    async def aobtain(self, wanted: Wanted) -> TokenSet:
        """As ``obtain``, without blocking the event loop."""
        if (known := self._at_hand(wanted)) is not None:
            return known
        # A cancelled request (the visitor went away) must not take a rotated refresh token along: the task goes on.
        task = asyncio.ensure_future(arun(self.flight.obtain(wanted, in_async=True)))
        _running.add(task)
        task.add_done_callback(_finished)
        return await asyncio.shield(task)

    def _at_hand(self, wanted: Wanted) -> TokenSet | None:
        """Return the token set in the row as last read, if there is one and it is fresh."""
        if wanted.rejected is not None or self.flight.row is None:
            return None
        return fresh_tokens(self.flight.row, wanted.target)

    def _beside_transaction(self, wanted: Wanted) -> TokenSet:
        """Renew on a connection of its own, so that a rollback of the caller's transaction can't undo it."""
        outcome: Future[TokenSet] = Future()

        def work() -> None:
            # Look before touching: where the row is not visible yet, an UPDATE could wait for the caller's own lock.
            self.flight.row = None
            try:
                outcome.set_result(run(self.flight.obtain(wanted)))
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
            name, kind = self.flight.lease.name, type(error).__name__
            logger.warning("no_second_connection %s error=%s", name, kind)
        self.flight.row = None
        return run(self.flight.obtain(wanted))
