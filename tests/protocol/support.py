"""Collaborators for the tests of the protocol core: signed tokens, canned answers, tiny servers, a memory cache."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

from django_auth0_flow.protocol.errors import TransportError
from django_auth0_flow.protocol.http import Http, HttpAnswer
from django_auth0_flow.protocol.issuer import Issuer
from django_auth0_flow.testing.tenant.jws import base64url, sign
from django_auth0_flow.testing.tenant.keys import SigningKey

_T = TypeVar("_T")

ISSUER = "https://tenant.example.com/"
CLIENT_ID = "client-of-the-tests"
NOW = 1_800_000_000
METADATA_URL = ISSUER + ".well-known/openid-configuration"
JWKS_URL = ISSUER + ".well-known/jwks.json"
METADATA = {
    "issuer": ISSUER,
    "authorization_endpoint": ISSUER + "authorize",
    "token_endpoint": ISSUER + "oauth/token",
    "userinfo_endpoint": ISSUER + "userinfo",
    "revocation_endpoint": ISSUER + "oauth/revoke",
    "end_session_endpoint": ISSUER + "oidc/logout",
    "jwks_uri": JWKS_URL,
}


def hurry(http: Http, fault: str = "slow") -> None:
    """Shorten the deadline where ``fault`` would use all of it."""
    if fault in ("slow", "drip-body", "drip-headers"):
        http.timeout = 1


def good_claims(**changes: Any) -> dict[str, Any]:
    """Return the claims of a good ID token; a change to ``LEFT_OUT`` removes a claim."""
    claims = {
        "iss": ISSUER,
        "sub": "auth0|602e93db83fa6f00749a23e6",
        "aud": CLIENT_ID,
        "iat": NOW - 1,
        "exp": NOW + 36000,
        "nonce": "nonce-of-this-login",
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not LEFT_OUT}


class _LeftOut:
    def __repr__(self) -> str:
        return "left out"


LEFT_OUT = _LeftOut()


def make_jws(header: Mapping[str, Any] | bytes, payload: Mapping[str, Any] | bytes, key: Any, algorithm: str) -> str:
    """Return a compact JWS of any header and payload, signed with ``algorithm`` whatever the header says."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)]
    message = ".".join(base64url(part) for part in parts)
    return f"{message}.{base64url(sign(algorithm, key, message.encode()))}"


def id_token(key: SigningKey, claims: Mapping[str, Any] | bytes, **header: Any) -> str:
    """Return an RS256 ID token; ``header`` members replace or join alg, typ and kid, ``LEFT_OUT`` removes one."""
    full = {"alg": "RS256", "typ": "JWT", "kid": key.kid, **header}
    return make_jws(
        {name: value for name, value in full.items() if value is not LEFT_OUT}, claims, key.private, "RS256"
    )


class CannedHttp(Http):
    """An ``Http`` whose GET answers are given: per URL bytes, a JSON value or an error to raise. Counts the calls."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        super().__init__(timeout=1)
        self.answers = dict(answers)
        self.asked: list[str] = []

    def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> HttpAnswer:
        self.asked.append(url)
        answer = self.answers.get(url)
        if answer is None:
            raise TransportError("Nothing there.")
        if isinstance(answer, Exception):
            raise answer
        return HttpAnswer(200, {}, answer if isinstance(answer, bytes) else json.dumps(answer).encode())

    def fetches(self, url: str) -> int:
        return self.asked.count(url)


def canned_issuer(*keys: Any) -> Issuer:
    """Return an issuer that publishes ``keys`` (SigningKey or any JSON value) without a network."""
    return Issuer(ISSUER, http=canned_http(*keys))


def canned_http(*keys: Any) -> CannedHttp:
    found = [key.jwk() if isinstance(key, SigningKey) else key for key in keys]
    return CannedHttp({METADATA_URL: METADATA, JWKS_URL: {"keys": found}})


class MemoryCache:
    """The part of Django's cache that the core uses."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        return self.values.get(key)

    def set(self, key: str, value: Any, timeout: float) -> None:
        self.values[key] = value


@dataclass
class Received:
    """One request as a tiny server saw it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Answer:
    """What a tiny server sends back."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class TinyServer:
    """An HTTP server on loopback that answers from ``answers`` (the last one for ever) and remembers what came."""

    port: int = 0
    answers: list[Answer] = field(default_factory=lambda: [Answer()])
    received: list[Received] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def next_answer(self) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def tiny_server() -> Iterator[TinyServer]:
    """Run a TinyServer."""
    state = TinyServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self._body()
            state.received.append(Received(self.command, self.path, {**self.headers}, body))
            found = state.next_answer()
            self.send_response(found.status)
            for name, value in found.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(found.body)))
            self.end_headers()
            self.wfile.write(found.body)

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - http.server's names

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") == "chunked":
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Clients under test hang up as they please."""

    with Server(("127.0.0.1", 0), Handler) as server:
        state.port = server.server_port
        yield from _served(server, state)


@contextmanager
def raw_server(talk: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """Run a server that hands every connection to ``talk`` and yield its origin; the event is set when it must end."""
    ending = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            try:
                talk(self.request, ending)
            except OSError:
                return

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        try:
            yield from _served(server, f"http://127.0.0.1:{server.server_address[1]}")
        finally:
            ending.set()


def _served(server: socketserver.BaseServer, value: _T) -> Iterator[_T]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield value
    finally:
        server.shutdown()
        thread.join()
