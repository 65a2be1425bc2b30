"""Keys and certificates of a client, made once per run; a TLS edge that asks for the certificate."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

from django_auth0_flow.testing.tenant import Tenant


@dataclass(frozen=True)
class ClientKey:
    """An RSA key of a client, as its owner and as the tenant's administrator have it."""

    private: rsa.RSAPrivateKey = field(repr=False)

    @property
    def pem(self) -> str:
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    @property
    def public_pem(self) -> str:
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@cache
def client_key(name: str) -> ClientKey:
    """Return the key called ``name``: the same for the whole run, since RSA keys are slow to make."""
    return ClientKey(rsa.generate_private_key(public_exponent=65537, key_size=2048))


@dataclass(frozen=True)
class Certificates:
    """Paths of PEM files: a CA, the certificate of an edge on loopback, and two of a client, one of them self-signed."""

    ca: Path
    edge: Path
    edge_key: Path
    client: Path
    client_key: Path
    self_signed: Path


def make_certificates(folder: Path) -> Certificates:
    ca_key, edge_key, client_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    ca = _certificate("Test CA", ca_key, issued_by=None)
    edge = _certificate("edge", edge_key, issued_by=(ca, ca_key))
    client = _certificate("client", client_key, issued_by=(ca, ca_key))
    paths = Certificates(*(folder / f"{name}.pem" for name in ("ca", "edge", "edge-key", "client", "key", "own")))
    paths.ca.write_bytes(ca.public_bytes(Encoding.PEM))
    paths.edge.write_bytes(edge.public_bytes(Encoding.PEM))
    paths.client.write_bytes(client.public_bytes(Encoding.PEM))
    for path, key in ((paths.edge_key, edge_key), (paths.client_key, client_key)):
        path.write_bytes(_pem(key))
    own = _certificate("own", client_key, issued_by=None)
    paths.self_signed.write_bytes(_pem(client_key) + own.public_bytes(Encoding.PEM))
    return paths


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    *,
    issued_by: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer, signer = (issued_by[0].subject, issued_by[1]) if issued_by else (subject, key)
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=issued_by is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
    )
    if issued_by is None:
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        builder = builder.add_extension(usage, critical=True)
    return builder.sign(signer, hashes.SHA256())


@contextmanager
def tls_edge(tenant: Tenant, certificates: Certificates) -> Iterator[list[str]]:
    """Run the customer's edge before ``tenant``: TLS, a client certificate, headers. Yields the paths asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def forward(self) -> None:
            asked.append(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            connection: ssl.SSLSocket = self.connection
            shown = ssl.DER_cert_to_PEM_cert(connection.getpeercert(binary_form=True) or b"")
            headers = {
                name: value for name, value in self.headers.items() if name.lower() in ("content-type", "authorization")
            }
            headers |= {
                "cname-api-key": tenant.mtls_edge_key,
                "client-certificate": quote(shown),
                "client-certificate-ca-verified": "SUCCESS",
            }
            with requests.Session() as session:
                session.trust_env = False
                url = tenant.issuer.rstrip("/") + self.path
                answer = session.request(self.command, url, data=body, headers=headers, timeout=120)
            self.send_response(answer.status_code)
            self.send_header("Content-Type", answer.headers.get("Content-Type", "text/plain"))
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = forward  # noqa: N815  # http.server's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's name
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: object, client_address: object) -> None:
            """Clients under test fail handshakes."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.edge, certificates.edge_key)
    context.load_verify_locations(certificates.ca)
    context.load_verify_locations(certificates.self_signed)
    context.verify_mode = ssl.CERT_REQUIRED
    with Server(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        tenant.mtls_edge = f"https://127.0.0.1:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield asked
        finally:
            server.shutdown()
            thread.join()
