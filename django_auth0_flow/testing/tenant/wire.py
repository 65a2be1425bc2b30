"""The HTTP side: the server, the request log, transport faults, and the headers Auth0 puts on every answer."""

from __future__ import annotations

import contextlib
import io
import json
import secrets
import socket
import sys
import threading
from collections.abc import Iterable
from email.utils import formatdate
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from werkzeug.datastructures import Headers, MultiDict
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.wrappers import Request, Response

from .faults import ENDPOINTS
from .log import LoggedRequest
from .transport import ConnectionSpoilt, Spoiler

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from .state import TenantState

_BODY_LIMIT = 5_000_000
_ENDPOINT_OF = {path: endpoint for endpoint, paths in ENDPOINTS.items() for path in paths}
_NO_STORE_ERROR = "private, no-store, no-cache, must-revalidate, post-check=0, pre-check=0, no-transform"


class Wire:
    """WSGI application around the tenant's endpoints."""

    def __init__(self, state: TenantState, endpoints: WSGIApplication) -> None:
        self._state = state
        self._endpoints = endpoints

    def now(self) -> float:
        return self._state.clock.now()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ, populate_request=False)
        request.max_content_length = _BODY_LIMIT
        try:
            body = request.get_data(cache=True)
        except RequestEntityTooLarge as error:
            return error(environ, start_response)
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        environ["wsgi.input_terminated"] = True
        if request.path.startswith("/_tenant/"):
            return self._endpoints(environ, start_response)
        entry = LoggedRequest(
            method=request.method,
            path=request.path,
            query=request.args.to_dict(flat=False),
            form=_form(request.mimetype, body),
            headers=Headers(list(request.headers)),
            time=self._state.clock.now(),
        )
        self._state.log.append(entry)
        response = self._answer(environ, entry)
        entry.status = response.status_code
        return response(environ, start_response)

    def _answer(self, environ: WSGIEnvironment, entry: LoggedRequest) -> Response:
        endpoint = _ENDPOINT_OF.get(entry.path)
        limited = self._state.limits.refuse(endpoint, environ, self._state.clock.now())

        def real() -> Response:
            response = limited or Response.from_app(self._endpoints, environ)
            for name, value in self._state.limits.headers(endpoint, environ).items():
                response.headers.setdefault(name, value)
            self._add_headers(response)
            return response

        fault = self._state.faults.take_transport(endpoint, grant_type=entry.grant_type)
        if fault is None:
            return real()
        response = Spoiler(environ, self._state.stopping, self._state.issuer).play(fault, real)
        self._add_headers(response)
        return response

    def _add_headers(self, response: Response) -> None:
        headers = response.headers
        headers.setdefault("X-Auth0-RequestId", secrets.token_hex(10))
        headers.setdefault("X-RateLimit-Limit", "300")
        headers.setdefault("X-RateLimit-Remaining", "299")
        headers.setdefault("X-RateLimit-Reset", str(int(self._state.clock.now()) + 1))
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        if "Cache-Control" not in headers:
            headers["Cache-Control"] = _NO_STORE_ERROR if response.status_code >= 400 else "no-store"
            headers["Pragma"] = "no-cache"


def _form(mimetype: str, body: bytes) -> dict[str, list[str]]:
    if mimetype == "application/json":
        try:
            members = json.loads(body)
        except (ValueError, RecursionError):
            return {}
        return {name: [_text(value)] for name, value in members.items()} if isinstance(members, dict) else {}
    if mimetype == "application/x-www-form-urlencoded":
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
        return MultiDict(pairs).to_dict(flat=False)
    return {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


class _QuietHandler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log(self, type: str, message: str, *args: Any) -> None:
        """Say nothing on the console: the request log is there to be read."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Return the ``Date`` of the tenant's own clock."""
        wire: Any = self.server.app
        return formatdate(wire.now() if timestamp is None else timestamp, usegmt=True)

    def connection_dropped(self, error: BaseException, environ: WSGIEnvironment | None = None) -> None:
        """Wait for no further request on a connection that is broken."""
        self.close_connection = True


class Server(ThreadedWSGIServer):
    """A threaded server on loopback whose open connections can be cut, so that stopping takes no time."""

    def __init__(self, port: int, app: WSGIApplication) -> None:
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__("127.0.0.1", port, app, _QuietHandler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True, name="tenant")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()
        with self._open_lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about clients that go away and connections that faults have spoilt."""
        if not isinstance(sys.exception(), ConnectionError | ConnectionSpoilt | OSError | ValueError):
            super().handle_error(request, client_address)
