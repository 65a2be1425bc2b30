"""An API that keeps connections open; ``python -m tests.benchmarks.api_server [CERTIFICATE KEY]`` prints its port.

``/opened`` says how many connections were opened so far, that request's own included.
"""

from __future__ import annotations

import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOST = "127.0.0.1"


class _Api(ThreadingHTTPServer):
    daemon_threads = True
    context: ssl.SSLContext | None = None
    opened = 0

    def finish_request(self, request: Any, client_address: Any) -> None:
        self.opened += 1
        if self.context is not None:
            request = self.context.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Api
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        body = b"%d" % self.server.opened if self.path == "/opened" else b'{"appointments": []}'
        self.wfile.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )


def main(*certificate: str) -> None:
    api = _Api((HOST, 0), _Handler)
    if certificate:
        api.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        api.context.load_cert_chain(*certificate)
    sys.stdout.write(f"{api.server_port}\n")
    sys.stdout.flush()
    api.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
