"""Spoilt answers and broken connections, played on the socket of the request."""

from __future__ import annotations

import contextlib
import functools
import gzip
import json
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from .faults import Fault

#: How often a waiting fault looks whether the client has gone or the tenant stops.
_GLANCE = 0.05
_JSON = "application/json"
_TRUNCATED = b'{"access_token":"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ'


class ConnectionSpoilt(ConnectionAbortedError):
    """The fault has dealt with the connection; there is nothing left to answer."""


class Spoiler:
    """Plays one transport fault on one request.

    ``answer`` runs the real endpoint. Returns the response to send, or raises ConnectionSpoilt after it has written to
    the socket itself. Whatever waits ends when the client closes or ``stopping`` is set.
    """

    def __init__(self, environ: WSGIEnvironment, stopping: threading.Event, issuer: str) -> None:
        self._socket: socket.socket = environ["werkzeug.socket"]
        self._stopping = stopping
        self._issuer = issuer

    def play(self, fault: Fault, answer: Callable[[], Response]) -> Response:
        if fault.name == "slow":
            return self._slow(fault, answer)
        if fault.name == "drop-after" or fault.get("processed"):
            real = answer().get_data()
            if fault.name == "truncated":
                self._truncated(real)
        on_wire = getattr(self, "_" + fault.name.replace("-", "_"), None)
        if on_wire is not None:
            on_wire(fault)
            raise ConnectionSpoilt
        return _BODIES[fault.name](fault, self._issuer)

    # Faults on the wire

    def _slow(self, fault: Fault, answer: Callable[[], Response]) -> Response:
        if not self._wait(float(fault.get("seconds", 30))):
            self._close()
        return answer()

    def _truncated(self, fault: Fault | bytes) -> None:
        body = fault[: len(fault) // 2] if isinstance(fault, bytes) else _TRUNCATED
        self._write(_head(_JSON, 4096) + body)
        self._close()

    def _broken_chunks(self, _: Fault) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        self._write(head + b'5\r\n{"acc\r\nnot a size\r\nxxxx')
        self._close()

    def _not_http(self, _: Fault) -> None:
        self._write(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
        self._close()

    def _drop(self, _: Fault) -> None:
        self._close()

    _drop_after = _drop

    def _reset(self, _: Fault) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # A shutdown() would send an orderly end first; this takes effect once the handler lets go of its own end.
        self._socket.close()
        raise ConnectionSpoilt

    def _drip_body(self, fault: Fault) -> None:
        self._write(_head(_JSON, 100_000))
        self._drip(fault, lambda _: b" ")

    def _drip_headers(self, fault: Fault) -> None:
        self._write(b"HTTP/1.1 200 OK\r\n")
        self._drip(fault, lambda number: f"X-Drip-{number}: 1\r\n".encode())

    def _drip(self, fault: Fault, piece: Callable[[int], bytes]) -> None:
        interval = float(fault.get("interval", 0.1))
        for number in range(int(float(fault.get("seconds", 30)) / interval)):
            if not self._wait(interval):
                break
            self._write(piece(number))
        self._close()

    def _wait(self, seconds: float) -> bool:
        """Wait; return False at once when the client has gone or the tenant stops."""
        left = seconds
        while left > 0:
            step = min(_GLANCE, left)
            if self._stopping.wait(step) or self._client_has_gone():
                return False
            left -= step
        return True

    def _client_has_gone(self) -> bool:
        readable, _, _ = select.select([self._socket], [], [], 0)
        try:
            return bool(readable) and self._socket.recv(1, socket.MSG_PEEK) == b""
        except OSError:
            return True

    def _write(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise ConnectionSpoilt from error

    def _close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        raise ConnectionSpoilt


def _head(content_type: str, length: int) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n".encode()


# Faults that are ordinary answers with extraordinary bodies


def _status(fault: Fault, _: str) -> Response:
    body = fault.get("body", "")
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    kind = "text/plain" if isinstance(body, str | bytes) else _JSON
    response = Response(text, status=int(fault.get("status", 503)), content_type=kind)
    for name, value in dict(fault.get("headers") or {}).items():
        response.headers[name] = str(value)
    return response


def _html(fault: Fault, _: str) -> Response:
    page = "<!doctype html><title>Bad gateway</title><h1>Bad gateway</h1><p>The server is being repaired."
    return Response(page, status=int(fault.get("status", 200)), content_type="text/html; charset=utf-8")


def _huge(fault: Fault, _: str) -> Response:
    def pieces() -> Iterator[bytes]:
        yield b'{"token_type":"Bearer","access_token":"'
        for _ in range(int(fault.get("megabytes", 50))):
            yield b"a" * 1_000_000
        yield b'"}'

    return Response(pieces(), content_type=_JSON)


@functools.cache
def _bomb(megabytes: int) -> bytes:
    return gzip.compress(b'{"token_type":"Bearer","access_token":"' + b"a" * megabytes * 1_000_000 + b'"}')


def _gzip_bomb(fault: Fault, _: str) -> Response:
    bomb = _bomb(int(fault.get("megabytes", 50)))
    return Response(bomb, content_type=_JSON, headers={"Content-Encoding": "gzip"})


def _deep_json(fault: Fault, _: str) -> Response:
    depth = int(fault.get("depth", 200_000))
    return Response("[" * depth + "]" * depth, content_type=_JSON)


def _redirect(fault: Fault, issuer: str) -> Response:
    location = str(fault.get("location") or issuer + "elsewhere")
    return Response("", status=int(fault.get("status", 307)), headers={"Location": location})


def _rate_limit(fault: Fault, _: str) -> Response:
    body = {"error": "too_many_requests", "error_description": "Rate limit exceeded."}
    headers = {"X-RateLimit-Remaining": "0"}
    if fault.get("retry_after", 1) is not None:
        headers["Retry-After"] = str(fault.get("retry_after", 1))
    return Response(json.dumps(body), status=429, content_type=_JSON, headers=headers)


def _global_limit(_: Fault, __: str) -> Response:
    body = {"error": "access_denied", "error_description": "Global limit has been reached"}
    return Response(json.dumps(body), status=500, content_type=_JSON, headers={"X-RateLimit-Remaining": "0"})


def _json(fault: Fault, _: str) -> Response:
    return Response(json.dumps(fault.get("value")), status=int(fault.get("status", 200)), content_type=_JSON)


def _fixed(body: bytes | Iterable[bytes], **headers: str) -> Callable[[Fault, str], Response]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda fault, _: Response(body, status=int(fault.get("status", 200)), content_type=_JSON, headers=named)


_GOOD: dict[str, Any] = {"access_token": "simulated", "token_type": "Bearer", "expires_in": 86400}

_BODIES: dict[str, Callable[[Fault, str], Response]] = {
    "status": _status,
    "html": _html,
    "empty": _fixed(b""),
    "huge": _huge,
    "gzip-bomb": _gzip_bomb,
    "gzip-wrong": _fixed(json.dumps(_GOOD).encode(), Content_Encoding="gzip"),
    "deep-json": _deep_json,
    "big-integer": _fixed(json.dumps(_GOOD).encode().replace(b"86400", b"9" * 6000)),
    "nan": _fixed(json.dumps({**_GOOD, "expires_in": float("nan")}).encode()),
    "list": _fixed(json.dumps([_GOOD]).encode()),
    "json": _json,
    "bad-utf8": _fixed(b'{"access_token":"\xff\xfe\xc3","token_type":"Bearer"}'),
    "bom": _fixed(b"\xef\xbb\xbf" + json.dumps(_GOOD).encode()),
    "redirect": _redirect,
    "rate-limit": _rate_limit,
    "global-limit": _global_limit,
}
