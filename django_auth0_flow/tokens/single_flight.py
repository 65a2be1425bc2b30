"""One token request, however many threads and tasks of this process ask: the first refreshes, the others wait for it.

``lease`` does the same between processes. Those who wait here share the leader's answer without asking the database.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Generic

from asgiref.sync import SyncToAsync

from django_auth0_flow.protocol.errors import Auth0Error, TransportError
from django_auth0_flow.protocol.grant import Target
from django_auth0_flow.protocol.tokens import TokenSet
from django_auth0_flow.tokens.lease import Lease, Row
from django_auth0_flow.tokens.stored import Wanted, is_usable, settings_of, tokens_of
from django_auth0_flow.tokens.sync_async import Database, Procedure, Wait


@dataclass(frozen=True)
class _Flight:
    """A refresh under way in this process. The answer is the row after it, or None: look for yourself.

    ``request``: the ASGI request whose event loop drives it, whose one database thread must stay free for it.
    """

    target: Target
    in_async: bool = False
    request: object = field(default_factory=lambda: SyncToAsync.thread_sensitive_context.get(None))
    answer: Future[Any] = field(default_factory=Future)


_flights: dict[Hashable, _Flight] = {}

_flights_lock = threading.Lock()


class SingleFlight(Generic[Row]):
    """The renewal of one row's tokens, for ``sync_async.run`` or ``arun``. ``row``: the row as last read."""

    def __init__(self, lease: Lease[Row]) -> None:
        self.pk = lease.pk
        self.lease = lease
        self.row: Row | None = None

    def obtain(self, wanted: Wanted, *, in_async: bool = False) -> Procedure[TokenSet]:
        row = self.row
        if row is None or wanted.rejected is not None:
            row = yield Database(self.lease.load)
        give_up = time.monotonic() + settings_of(row).refresh_wait
        while True:
            self.row = row
            if usable := self.lease.without_refresh(row, wanted):
                return usable
            leader, flight = self._join(wanted.target, in_async)
            if leader:
                self.row = row = yield from self._lead(wanted, row, flight)
                return tokens_of(row, wanted.target)
            if is_usable(row, wanted):
                return tokens_of(row, wanted.target)
            if flight.in_async and not in_async and flight.request is SyncToAsync.thread_sensitive_context.get(None):
                # Waiting here would hold the thread that the leader needs for its save.
                raise TransportError(
                    "This request is refreshing the token already.", code="refresh_busy", retry_after=1
                )
            yield from self.lease.without_connection(row, Wait(max(0.0, give_up - time.monotonic()), flight.answer))
            if flight.answer.done():
                row = yield from self._answer_of(flight, wanted.target)
            if not flight.answer.done() or time.monotonic() >= give_up:
                raise TransportError("A refresh by another request takes too long.", code="refresh_busy", retry_after=1)

    def _answer_of(self, flight: _Flight, target: Target) -> Procedure[Row]:
        """Return the row that the leader got, or fail as it did if it asked for the same token."""
        error = flight.answer.exception()
        if error is not None and flight.target == target:
            raise copy.copy(error)
        row: Row | None = flight.answer.result() if error is None else None
        return row or (yield Database(self.lease.load))

    def _join(self, target: Target, in_async: bool) -> tuple[bool, _Flight]:
        with _flights_lock:
            flight = _flights.get(self.pk)
            if flight is not None:
                return False, flight
            flight = _flights[self.pk] = _Flight(target, in_async)
            return True, flight

    def _lead(self, wanted: Wanted, row: Row, flight: _Flight) -> Procedure[Row]:
        """Refresh for everybody in this process; whatever happens, the flight ends."""
        try:
            row = yield from self.lease.refresh(wanted, row)
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
