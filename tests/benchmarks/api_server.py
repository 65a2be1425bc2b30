"""An API that keeps connections open; ``python -m tests.benchmarks.api_server [CERTIFICATE KEY]`` prints two ports.

The second leads to the same API by a line that takes 10 ms each way. ``/opened`` says how many connections were opened so
far, that request's own included.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

HOST = "127.0.0.1"
ONE_WAY = 0.01


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


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    loop = asyncio.get_running_loop()
    while data := await reader.read(65536):
        loop.call_later(ONE_WAY, writer.write, data)
    loop.call_later(ONE_WAY, writer.close)


async def _delay(port: int) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(2 * ONE_WAY)  # as a connection takes to be set up
        there, back = await asyncio.open_connection(HOST, port)
        await asyncio.gather(_forward(reader, back), _forward(there, writer))

    line = await asyncio.start_server(connected, HOST, 0)
    sys.stdout.write(f"{port} {line.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await line.serve_forever()


def main(*certificate: str) -> None:
    api = _Api((HOST, 0), _Handler)
    if certificate:
        api.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        api.context.load_cert_chain(*certificate)
    Thread(target=api.serve_forever, daemon=True).start()
    asyncio.run(_delay(api.server_port))


if __name__ == "__main__":
    main(*sys.argv[1:])
