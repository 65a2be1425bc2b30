"""Connections to APIs that stay open between the requests of a worker process.

All ``PooledAdapter`` objects of a process share one pool. What tells users apart (cookies, headers, the token, redirects)
belongs to the ``requests.Session``; what the pool keeps is a socket, by scheme, host, port, certificates and proxy.

An API may close an idle connection at any moment. When that is seen before anything was sent, the request goes over another
connection. When it is seen afterwards, the API may have acted: the request is sent once more if its method is idempotent
(or it has an ``Idempotency-Key``), its body can be sent again and no answer has begun, as RFC 9110 §9.2.2 asks. Any other
request is never repeated; it takes a connection only if that was in use a moment ago, when no server closes it.
"""

from __future__ import annotations

import ssl
import time
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.poolmanager import PoolManager

from django_auth0_flow.protocol.adapters import ForkSafe, SharedTlsAdapter

#: Idle connections kept per host, and hosts (with their certificates) that connections are kept for.
CONNECTIONS_PER_HOST, HOSTS = 128, 64

#: Seconds that a connection may have been idle to be used again: load balancers forget one after a minute, some silently.
IDLE_SECONDS = 50
#: The same for a request that can't be repeated: below every server's own limit, which is 2 seconds or more.
IDLE_SECONDS_UNREPEATABLE = 1

_IDEMPOTENT = frozenset(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"])

_PROXIES = 16


@dataclass
class _Attempt:
    """One try to send a request: the connections it may use, and whether one turned out to have been closed while idle."""

    idle_seconds: float
    closed_while_idle: bool = False


_attempt: ContextVar[_Attempt] = ContextVar("auth0_flow_api_attempt")

#: How a connection fails that the other side has closed; running out of time is none of it.
_CLOSED = (ConnectionError, ssl.SSLError)


class _KeptOpen(ForkSafe):
    """A connection that knows since when it has been idle."""

    _answered_at: float | None = None

    def connect(self) -> None:
        self._answered_at = None
        super().connect()

    @property
    def is_connected(self) -> bool:
        """Whether the connection can be used for the request at hand; asked of idle ones only."""
        if not super().is_connected or self._answered_at is None:
            return False
        # Bytes after the end of an answer: they would be taken for the next one, another user's.
        if isinstance(self.sock, ssl.SSLSocket) and self.sock.pending():
            return False
        return time.monotonic() - self._answered_at <= _attempt.get().idle_seconds

    def request(self, *args: Any, **kwargs: Any) -> None:
        try:
            super().request(*args, **kwargs)
        except _CLOSED:
            self._note_loss()
            raise

    def getresponse(self) -> Any:
        try:
            response = super().getresponse()
        except _CLOSED:
            self._note_loss()
            raise
        self._answered_at = time.monotonic()
        return response

    def _note_loss(self) -> None:
        _attempt.get().closed_while_idle = self._answered_at is not None


class _KeptOpenTls(_KeptOpen, HTTPSConnection):
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _KeptOpen


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _KeptOpenTls


_POOLS = {"http": _HTTPPool, "https": _HTTPSPool}


@cache
def _shared() -> tuple[PoolManager, dict[str, Any]]:
    """Return the pool of this process, and those by way of a proxy."""
    manager = PoolManager(num_pools=HOSTS, maxsize=CONNECTIONS_PER_HOST)
    manager.pool_classes_by_scheme = _POOLS
    return manager, {}


def close_idle_connections() -> None:
    """Close this process's idle connections to APIs; for tests, whose servers end with them."""
    manager, by_proxy = _shared()
    for each in (manager, *by_proxy.values()):
        for key in each.pools.keys():  # noqa: SIM118  # it can't be iterated over
            each.pools[key].close()
        each.clear()


class PooledAdapter(SharedTlsAdapter):
    """An HTTPAdapter over the connections of this process. Closing it closes none of them.

    ``max_retries``: as requests has it, beside the one repetition over another connection.
    """

    def __init__(self, max_retries: int | Retry = 0) -> None:
        super().__init__(HOSTS, CONNECTIONS_PER_HOST, max_retries)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any) -> None:
        self.poolmanager, self.proxy_manager = _shared()

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        """Return the shared pool by way of ``proxy``. Those of SOCKS are of a kind of their own, and not kept."""
        if proxy.lower().startswith("socks"):
            return HTTPAdapter().proxy_manager_for(proxy, **proxy_kwargs)
        manager = self.proxy_manager.get(proxy)
        if manager is None:
            manager = super().proxy_manager_for(proxy, **proxy_kwargs)
            manager.pool_classes_by_scheme = _POOLS
            for old in list(self.proxy_manager)[:-_PROXIES]:
                self.proxy_manager.pop(old, None)
        return manager

    def close(self) -> None:
        """Leave the connections to the next request."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        position = body_position(request)
        repeatable = position is not None and (
            (request.method or "").upper() in _IDEMPOTENT or "Idempotency-Key" in request.headers
        )
        attempt = _Attempt(IDLE_SECONDS if repeatable else IDLE_SECONDS_UNREPEATABLE)
        try:
            return self._try(attempt, request, *args, **kwargs)
        except requests.ConnectionError:
            if not repeatable or not attempt.closed_while_idle:
                raise
        rewind(request, position or 0)
        return self._try(_Attempt(idle_seconds=-1), request, *args, **kwargs)

    def _try(self, attempt: _Attempt, *args: Any, **kwargs: Any) -> requests.Response:
        token = _attempt.set(attempt)
        try:
            return super().send(*args, **kwargs)
        finally:
            _attempt.reset(token)


def body_position(request: requests.PreparedRequest) -> int | None:
    """Return where the body starts, or None when it can't be sent twice."""
    body = request.body
    if body is None or isinstance(body, (str, bytes)):
        return 0
    try:
        return int(body.tell()) if hasattr(body, "tell") and hasattr(body, "seek") else None
    except (OSError, ValueError):
        return None


def rewind(request: requests.PreparedRequest, position: int) -> None:
    """Let the body start there again; ``position`` is what ``body_position`` has returned."""
    if request.body is not None and not isinstance(request.body, (str, bytes)):
        request.body.seek(position)
