"""TLS to the tenant: who is believed, and what is read from disk when."""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from django_auth0_flow.protocol.adapters import SharedTlsAdapter
from django_auth0_flow.protocol.errors import TransportError
from django_auth0_flow.protocol.http import Http, build_session
from tests.client_keys import Certificates, make_certificates


class TlsServer(ThreadingHTTPServer):
    """Answers with the common name of the client's certificate, or with nobody; closes each connection."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, certificates: Certificates) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.edge, certificates.edge_key)
        context.load_verify_locations(certificates.ca)
        context.verify_mode = ssl.CERT_OPTIONAL
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.requests = 0

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server_port}/"

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients under test fail handshakes."""


class _Handler(BaseHTTPRequestHandler):
    server: TlsServer

    def do_GET(self) -> None:
        self.server.requests += 1
        connection: Any = self.connection
        shown = connection.getpeercert() or {"subject": ((("commonName", "nobody"),),)}
        body = str(shown["subject"][0][0][1]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's name
        """Say nothing."""


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return make_certificates(tmp_path)


@pytest.fixture
def server(certificates: Certificates) -> Iterator[TlsServer]:
    with TlsServer(certificates) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def trust(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    return lambda path: monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))


def overwrite(path: Path, content: bytes) -> None:
    """Change a file as an administrator would some time later."""
    before = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 10**9))


def test_a_known_authority_is_believed(
    server: TlsServer, certificates: Certificates, trust: Callable[[Path], None]
) -> None:
    trust(certificates.ca)
    http = Http(timeout=60)
    assert [http.get(server.url).body for _ in range(2)] == [b"nobody", b"nobody"]


def test_an_empty_folder_of_authorities_believes_nobody(
    server: TlsServer, trust: Callable[[Path], None], tmp_path: Path
) -> None:
    folder = tmp_path / "authorities"
    folder.mkdir()
    trust(folder)
    with pytest.raises(TransportError):
        Http(timeout=60).get(server.url)
    assert server.requests == 0


def test_an_unknown_authority_is_refused(server: TlsServer) -> None:
    with pytest.raises(TransportError) as caught:
        Http(timeout=60).get(server.url)
    assert isinstance(caught.value.__cause__, requests.exceptions.SSLError)
    assert server.requests == 0


def test_a_certificate_of_another_host_is_refused(
    server: TlsServer, certificates: Certificates, trust: Callable[[Path], None]
) -> None:
    trust(certificates.ca)
    http = Http(timeout=60)
    http.get(server.url)
    with pytest.raises(TransportError) as caught:
        http.get(server.url.replace("127.0.0.1", "localhost"))
    assert isinstance(caught.value.__cause__, requests.exceptions.SSLError)
    assert server.requests == 1


def test_a_missing_bundle_is_an_error(server: TlsServer, trust: Callable[[Path], None], tmp_path: Path) -> None:
    trust(tmp_path / "missing.pem")
    with pytest.raises(TransportError) as caught:
        Http(timeout=60).get(server.url)
    assert "Could not find a suitable TLS CA certificate bundle" in str(caught.value.__cause__)


def test_a_bundle_without_certificates_is_an_error(
    server: TlsServer, trust: Callable[[Path], None], tmp_path: Path
) -> None:
    (tmp_path / "junk.pem").write_text("junk")
    trust(tmp_path / "junk.pem")
    with pytest.raises(TransportError):
        Http(timeout=60).get(server.url)
    assert server.requests == 0


def test_a_bundle_that_changed_is_read_again(
    server: TlsServer, certificates: Certificates, trust: Callable[[Path], None], tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(certificates.ca.read_bytes())
    trust(bundle)
    http = Http(timeout=60)
    assert http.get(server.url).body == b"nobody"
    (tmp_path / "elsewhere").mkdir()
    overwrite(bundle, make_certificates(tmp_path / "elsewhere").ca.read_bytes())
    with pytest.raises(TransportError):
        http.get(server.url)
    overwrite(bundle, certificates.ca.read_bytes())
    assert http.get(server.url).body == b"nobody"


def test_each_client_shows_its_own_certificate(
    server: TlsServer, certificates: Certificates, trust: Callable[[Path], None]
) -> None:
    trust(certificates.ca)
    files = (str(certificates.client), str(certificates.client_key))
    with_one, without = Http(timeout=60, session=build_session(files)), Http(timeout=60)
    assert [http.get(server.url).body for http in (with_one, without, with_one)] == [b"client", b"nobody", b"client"]


def test_connections_share_a_context_per_set_of_files(certificates: Certificates) -> None:
    request = requests.Request("GET", "https://tenant.example.com/").prepare()
    ca, client = str(certificates.ca), (str(certificates.client), str(certificates.client_key))

    def context(verify: bool | str, cert: tuple[str, str] | None = None) -> Any:
        pool: Any = SharedTlsAdapter().get_connection_with_tls_context(request, verify, cert=cert)
        return pool.conn_kw.get("ssl_context")

    assert context(ca) is context(ca)
    assert context(ca, client) is context(ca, client)
    assert len({context(True), context(ca), context(ca, client)}) == 3
    assert context(ca).verify_mode is ssl.CERT_REQUIRED
    assert context(ca).check_hostname
    assert context(verify=False) is None
