"""An API over real HTTP that decides by the access token whether it answers 200 or 401."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class PickyApi:
    """Rejects the tokens that ``rejects`` names, and remembers every token that came, oldest first.

    ``meeting``: those who bring a rejected token wait for each other there, so that all hold it when they hear of it.
    """

    origin: str = ""
    rejects: Callable[[str], bool] = lambda token: False
    meeting: threading.Barrier | None = None
    body: bytes = b""
    tokens: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.origin}/things"

    def status_for(self, token: str) -> int:
        self.tokens.append(token)
        if not self.rejects(token):
            return 200
        if self.meeting is not None:
            self.meeting.wait(120)
        return 401


@contextmanager
def picky_api() -> Iterator[PickyApi]:
    """Run one on loopback."""
    api = PickyApi()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(api.status_for(self.headers.get("Authorization", "").rpartition(" ")[2]))
            self.send_header("Content-Length", str(len(api.body)))
            self.end_headers()
            self.wfile.write(api.body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        api.origin = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield api
        finally:
            server.shutdown()
            thread.join()
