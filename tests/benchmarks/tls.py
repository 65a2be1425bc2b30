"""The tenant behind a front that keeps connections open and speaks https, both of which Auth0 does."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import socket
import ssl
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import certifi

from django_auth0_flow.testing.tenant import Tenant
from django_auth0_flow.testing.tenant.browser import Browser
from tests.benchmarks.slow_line import slow_line
from tests.client_keys import make_certificates

HOST = "127.0.0.1"


class FrontedTenant(Tenant):
    """A tenant that sites reach through a front, over https unless ``plain``, by a ``slow_line`` if it is ``far``.

    ``certificates``: those made for it. ``bundle``: the authorities for the sites to trust, its own and all the usual ones:
    reading those is part of the cost.
    """

    def __init__(self, *, plain: bool = False, far: bool = False) -> None:
        super().__init__()
        self._plain, self._far = plain, far
        self._line = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="benchmark-tls-"))
        self._front = _Front(self)
        self._port = self._front.server_port
        if self._far:
            self._port = self._line.enter_context(slow_line(self._port))
        self.certificates = made = make_certificates(self._folder)
        self.bundle = self._folder / "bundle.pem"
        self.bundle.write_bytes(Path(certifi.where()).read_bytes() + b"\n" + made.ca.read_bytes())
        if not self._plain:
            self._front.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._front.context.load_cert_chain(made.edge, made.edge_key)
        super().__enter__()
        threading.Thread(target=self._front.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line.close()
        self._front.shutdown()
        self._front.server_close()
        self.hang_up()
        super().__exit__(kind, error, trace)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def issuer(self) -> str:
        return f"http{'' if self._plain else 's'}://{HOST}:{self._port}/"

    def browser(self) -> Browser:
        """Return a browser that goes round the front: its own TLS would only warm the machine."""
        return _BackDoorBrowser(self)

    def connections(self) -> int:
        """Return how many are open."""
        return len(self._front.open)

    def hang_up(self) -> None:
        """Close every open connection, as a server does with those that nobody has used for a while."""
        for connection in list(self._front.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _BackDoorBrowser(Browser):
    def __init__(self, tenant: Tenant) -> None:
        super().__init__(tenant)
        self._front, self._back = tenant.issuer, f"http://{HOST}:{tenant.port}/"

    def open(self, url: str, data: dict[str, str] | None = None) -> tuple[int, str | None, str]:
        return super().open(url.replace(self._front, self._back, 1), data)


class _Front(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    context: ssl.SSLContext | None = None

    def __init__(self, tenant: Tenant) -> None:
        super().__init__((HOST, 0), _Handler)
        self.tenant = tenant
        self.open: set[socket.socket] = set()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the connection's own thread, where the handshake belongs too."""
        # What the tenant spoils, the front spoils: it closes the connection as well.
        with contextlib.suppress(OSError, http.client.HTTPException):
            if self.context is not None:
                request = self.context.wrap_socket(request, server_side=True)
            self.open.add(request)
            super().finish_request(request, client_address)
        self.open.discard(request)


class _Handler(BaseHTTPRequestHandler):
    server: _Front
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        tenant = http.client.HTTPConnection(HOST, self.server.tenant.port, timeout=120)
        with contextlib.closing(tenant):
            tenant.request(self.command, self.path, body, dict(self.headers.items()))
            answer = tenant.getresponse()
            content = answer.read()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name not in ("Connection", "Content-Length", "Transfer-Encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = forward  # noqa: N815  # http.server's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's name
        """Say nothing."""
