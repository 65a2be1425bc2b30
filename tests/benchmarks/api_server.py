"""An API that keeps connections open; ``python -m tests.benchmarks.api_server [CERTIFICATE KEY]`` prints its port.

``/opened`` says how many connections were opened so far, ``/open`` how many are open, that request's own included;
``/whose`` names the subject of the access token; ``/slow`` takes half a second.
"""

from __future__ import annotations

import base64
import json
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOST = "127.0.0.1"
#: Seconds that ``/slow`` takes.
SLOW = 0.5


class _Api(ThreadingHTTPServer):
    daemon_threads = True
    context: ssl.SSLContext | None = None
    opened = closed = 0
    counting = threading.Lock()

    def finish_request(self, request: Any, client_address: Any) -> None:
        with self.counting:
            self.opened += 1
        try:
            if self.context is not None:
                request = self.context.wrap_socket(request, server_side=True)
            super().finish_request(request, client_address)
        finally:
            with self.counting:
                self.closed += 1


class _Handler(BaseHTTPRequestHandler):
    server: _Api
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        body = self._body()
        self.wfile.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )

    def _body(self) -> bytes:
        if self.path == "/opened":
            return b"%d" % self.server.opened
        if self.path == "/open":
            return b"%d" % (self.server.opened - self.server.closed)
        if self.path == "/whose":
            payload = self.headers["Authorization"].split(".")[1]
            return str(json.loads(base64.urlsafe_b64decode(payload + "=="))["sub"]).encode()
        if self.path == "/slow":
            time.sleep(SLOW)
        return b'{"appointments": []}'


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
