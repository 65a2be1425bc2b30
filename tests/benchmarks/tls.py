"""The tenant behind https, as Auth0 always is: a front that ends TLS and passes bytes on."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import ssl
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import certifi

from django_auth0_flow.testing.tenant import Tenant
from tests.client_keys import make_certificates

HOST = "127.0.0.1"


class HttpsTenant(Tenant):
    """A tenant whose issuer is https; while it runs, this process trusts it.

    ``bundle``: the authorities for the sites to trust, its own and all the usual ones: reading those is part of the cost.
    """

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="benchmark-tls-"))
        made = make_certificates(self._folder)
        self.bundle = self._folder / "bundle.pem"
        self.bundle.write_bytes(Path(certifi.where()).read_bytes() + b"\n" + made.ca.read_bytes())
        os.environ["SSL_CERT_FILE"] = str(self.bundle)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(made.edge, made.edge_key)
        self._listener = socket.create_server((HOST, 0), backlog=128)
        self._open: set[socket.socket] = set()
        super().__enter__()
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        self.hang_up()
        super().__exit__(kind, error, trace)
        os.environ.pop("SSL_CERT_FILE", None)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def issuer(self) -> str:
        return f"https://{HOST}:{self._listener.getsockname()[1]}/"

    def hang_up(self) -> None:
        """Close every open connection, as a server does with those that nobody has used for a while."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                raw, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(raw,), daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        with (
            contextlib.suppress(OSError),
            self._context.wrap_socket(raw, server_side=True) as front,
            socket.create_connection((HOST, self.port)) as back,
        ):
            self._open.add(front)
            returning = threading.Thread(target=_pass_on, args=(back, front), daemon=True)
            returning.start()
            _pass_on(front, back)
            returning.join()
            self._open.discard(front)


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
