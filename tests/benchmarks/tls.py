"""The tenant behind https, as Auth0 always is: a front that ends TLS and passes bytes on."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
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
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from django_auth0_flow.testing.tenant import Tenant

HOST = "127.0.0.1"


class HttpsTenant(Tenant):
    """A tenant whose issuer is https. ``bundle``: the certificates to trust, all the usual ones and its own.

    While it runs, this process trusts it too.
    """

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="benchmark-tls-"))
        certificate, self.bundle = make_certificate(self._folder)
        os.environ["SSL_CERT_FILE"] = str(self.bundle)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self._listener = socket.create_server((HOST, 0), backlog=128)
        self._context = context
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
        with contextlib.suppress(OSError), self._context.wrap_socket(raw, server_side=True) as front:
            with socket.create_connection((HOST, self.port)) as back:
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


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate with its key for loopback, and a bundle of everybody's authorities and its own."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "benchmark")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    public = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    own, bundle = folder / "server.pem", folder / "bundle.pem"
    own.touch(mode=0o600)
    own.write_bytes(private + public)
    bundle.write_bytes(Path(certifi.where()).read_bytes() + b"\n" + public)
    return own, bundle
