"""Transport adapters for requests: they obey ``deadline``, and load TLS contexts once.

Connections are not taken along into a forked process: two of them would talk over one socket.
"""

from __future__ import annotations

import http.client
import io
import os
import socket
import ssl
from typing import Any
from weakref import WeakSet

import requests
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.ssl_ import create_urllib3_context

from django_auth0_flow.protocol.deadline import remaining_time

#: Path, time of the last change in nanoseconds, size.
_File = tuple[str, int, int]

#: TLS contexts by the files they were made of, authorities first; so many are kept.
_contexts: dict[tuple[_File, ...], ssl.SSLContext] = {}
_MAX_CONTEXTS = 16


class SharedTlsAdapter(HTTPAdapter):
    """An HTTPAdapter whose connections share their TLS context. ``verify`` and ``cert`` mean what they mean to requests."""

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: bool | str, cert: Any = None
    ) -> Any:
        """Put the shared context into the place of the files that it holds."""
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        if host["scheme"] != "https" or not verify:
            return host, pool
        try:
            context = _shared_context(verify, cert)
        except OSError:
            return host, pool  # requests itself says best what is wrong with the files
        return host, {"cert_reqs": "CERT_REQUIRED", "ssl_context": context}

    def cert_verify(self, conn: Any, url: str, verify: bool | str | None, cert: Any) -> None:
        # With a context there is nothing to name: its files would be read again for each connection.
        if conn.conn_kw.get("ssl_context") is None:
            super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]  # its stubs leave it bare


def _shared_context(verify: bool | str, cert: Any) -> ssl.SSLContext:
    """Return the context for what requests calls ``verify`` and ``cert``. Raises OSError for a file that can't be used."""
    bundle = _stat(verify if isinstance(verify, str) else DEFAULT_CA_BUNDLE_PATH)
    files = (cert,) if isinstance(cert, str) else tuple(cert or ())
    wanted = (bundle, *map(_stat, files))
    context = _contexts.get(wanted)
    if context is None:
        # Threads that come at once all get the first one: the context is part of what connections are kept by.
        context = _contexts.setdefault(wanted, _load_context(wanted))
        for old in list(_contexts)[:-_MAX_CONTEXTS]:
            _contexts.pop(old, None)
    return context


def _stat(path: str) -> _File:
    found = os.stat(path)  # noqa: PTH116  # a Path costs more than the look
    return path, found.st_mtime_ns, found.st_size


def _load_context(files: tuple[_File, ...]) -> ssl.SSLContext:
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    path = files[0][0]
    if os.path.isdir(path):  # noqa: PTH112  # as above
        context.load_verify_locations(capath=path)
    else:
        context.load_verify_locations(cafile=path)
    if files[1:]:
        context.load_cert_chain(*(path for path, _, _ in files[1:]))
    return context


#: Every connection of this process that was opened and still exists.
_connections: WeakSet[Any] = WeakSet()


class ForkSafe(HTTPConnection):
    """A connection that a forked child finds closed, and opens anew when it uses it."""

    def connect(self) -> None:
        super().connect()
        _connections.add(self)


def _close_inherited() -> None:
    for connection in list(_connections):
        sock, connection.sock = connection.sock, None
        if sock is not None:
            # By its descriptor: nothing is said to the other side, and no lock is taken that another thread held.
            os.close(getattr(sock, "socket", sock).detach())


os.register_at_fork(after_in_child=_close_inherited)


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


class _DeadlineHTTPConnection(ForkSafe):
    response_class = _DeadlineResponse


class _DeadlineHTTPSConnection(ForkSafe, HTTPSConnection):
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
