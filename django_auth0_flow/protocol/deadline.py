"""A requests transport adapter with a deadline for the whole exchange.

The timeouts of requests hold per read: a server that sends one byte every few seconds keeps a worker for ever. Here each
read of the answer, headers included, gets only what is left until the deadline of the current exchange.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from .tls import SharedTlsAdapter

_deadline: ContextVar[float | None] = ContextVar("auth0_flow_http_deadline", default=None)


@contextmanager
def http_deadline(seconds: float) -> Iterator[None]:
    """Let every answer read in this context be complete within ``seconds`` from now, else TimeoutError.

    Inside another deadline the earlier one counts.
    """
    outer = _deadline.get()
    deadline = time.monotonic() + seconds
    token = _deadline.set(deadline if outer is None else min(outer, deadline))
    try:
        yield
    finally:
        _deadline.reset(token)


def remaining_time() -> float | None:
    """Return the seconds left of the current exchange, None without a deadline. Raises TimeoutError when none is left."""
    deadline = _deadline.get()
    if deadline is None:
        return None
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise TimeoutError("the exchange took longer than its deadline")
    return remaining


class _DeadlineReader(io.RawIOBase):
    """The raw side of an HTTP answer: before each read, the socket's timeout becomes what is left."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        self._sock = sock
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        remaining = remaining_time()
        if remaining is not None:
            self._sock.settimeout(remaining)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _DeadlineResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        if isinstance(self.fp, io.BufferedReader):
            self.fp = io.BufferedReader(_DeadlineReader(sock, self.fp.detach()))


class _DeadlineHTTPConnection(HTTPConnection):
    response_class = _DeadlineResponse


class _DeadlineHTTPSConnection(HTTPSConnection):
    response_class = _DeadlineResponse


class _DeadlineHTTPPool(HTTPConnectionPool):
    ConnectionCls = _DeadlineHTTPConnection


class _DeadlineHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _DeadlineHTTPSConnection


class DeadlineAdapter(SharedTlsAdapter):
    """An adapter whose connections obey ``http_deadline``."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _DeadlineHTTPPool, "https": _DeadlineHTTPSPool}

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = {"http": _DeadlineHTTPPool, "https": _DeadlineHTTPSPool}
        return manager
