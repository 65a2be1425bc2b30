"""Connections to APIs that outlive a session: how many are opened, what is never shared, what a closed one costs."""

from __future__ import annotations

import io
import pickle
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from urllib3 import Retry

from django_auth0_flow.protocol.connection_pool import (
    IDLE_SECONDS,
    IDLE_SECONDS_UNREPEATABLE,
    PooledAdapter,
    close_idle_connections,
)
from django_auth0_flow.protocol.outbound import ApiSession
from tests.client_keys import Certificates, make_certificates
from tests.protocol.test_outbound import TOKEN, Pipe, Source

ROOT = Path(__file__).parents[2]
#: Handshakes per call, at most.
HANDSHAKES = 0.05


class Api(ThreadingHTTPServer):
    """Keeps connections open, counts them, and closes them when told to."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, certificates: Certificates | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.tls: ssl.SSLContext | None = None
        if certificates is not None:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(certificates.edge, certificates.edge_key)
            self.tls.load_verify_locations(certificates.ca)
            self.tls.verify_mode = ssl.CERT_OPTIONAL
        self.accepted: list[Any] = []
        self.counting = threading.Lock()
        self.received: list[tuple[str, str, bytes]] = []
        self.headers_seen: list[dict[str, str]] = []
        #: So many requests are read and then answered by closing the connection.
        self.close_unanswered = 0
        #: What follows the body of each answer, as an API sends that counts wrongly.
        self.surplus = b""

    @property
    def origin(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.server_port}"

    def finish_request(self, request: Any, client_address: Any) -> None:
        try:
            if self.tls is not None:
                request = self.tls.wrap_socket(request, server_side=True)
            self.accepted.append(request)
            with suppress(OSError):
                super().finish_request(request, client_address)
        except OSError:
            return  # a handshake that failed
        finally:
            request.close()

    def hang_up(self) -> None:
        """Close every connection, and see to it that the other side has heard of it."""
        for connection in self.accepted:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients under test hang up as they please."""


class _Handler(BaseHTTPRequestHandler):
    server: Api
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self) -> None:
        api = self.server
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with api.counting:
            api.received.append((self.command, self.path, body))
            api.headers_seen.append({**self.headers})
            number = str(len(api.received)).encode()
        if api.close_unanswered:
            api.close_unanswered -= 1
            self.close_connection = True
            return
        head = b"HTTP/1.1 200 OK\r\nSet-Cookie: visitor=%s; Path=/\r\nContent-Length: %d\r\n\r\n" % (
            number,
            len(number),
        )
        self.connection.sendall(head + number + api.surplus)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Say nothing."""


def serve(api: Api) -> Iterator[Api]:
    with api:
        thread = threading.Thread(target=api.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield api
        api.shutdown()
        thread.join()
        api.hang_up()


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return make_certificates(tmp_path)


@pytest.fixture
def api() -> Iterator[Api]:
    yield from serve(Api())


@pytest.fixture
def proxy() -> Iterator[Api]:
    yield from serve(Api())


@pytest.fixture
def tls_api(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # requests prefers them to what a session says
        monkeypatch.delenv(name, raising=False)
    yield from serve(Api(certificates))


@pytest.fixture(params=["api", "tls_api"])
def any_api(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, certificates: Certificates) -> Api:
    found: Api = request.getfixturevalue(request.param)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.ca))
    return found


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Move the clock of idle connections."""
    now = time.monotonic
    return lambda seconds: monkeypatch.setattr(time, "monotonic", lambda: now() + seconds)


def call(api: Api, method: str = "GET", *, session: Callable[[ApiSession], None] | None = None, **options: Any) -> Any:
    """Call the API as one request of a site does: with a session of its own, which is closed afterwards."""
    with ApiSession(Source(TOKEN), [api.origin], timeout=5) as made:
        if session is not None:
            session(made)
        return made.request(method, f"{api.origin}/things", **options)


# How many


def test_a_hundred_requests_of_a_site_open_one_connection(any_api: Api) -> None:
    for _ in range(100):
        assert call(any_api).status_code == 200
    assert len(any_api.received) == 100
    assert len(any_api.accepted) <= 100 * HANDSHAKES


def test_threads_open_at_most_one_each(any_api: Api) -> None:
    gate = threading.Barrier(8)
    answers: list[str] = []

    def work() -> None:
        gate.wait()
        answers.extend(call(any_api).text for _ in range(50))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(int, answers)) == list(range(1, 401)), "each call got its own answer"
    assert len(any_api.accepted) <= min(8, 400 * HANDSHAKES)


def test_calls_by_way_of_a_proxy_share_its_connections_and_no_others(api: Api, proxy: Api) -> None:
    def through(session: ApiSession) -> None:
        session.proxies = {"http": proxy.origin.replace("//", "//user:word@")}
        session.trust_env = False

    for _ in range(20):
        call(api, session=through)
    call(api)
    assert len(proxy.accepted) == len(api.accepted) == 1
    assert {path for _, path, _ in proxy.received} == {f"{api.origin}/things"}
    assert all(headers["Proxy-Authorization"].startswith("Basic ") for headers in proxy.headers_seen)
    assert "Proxy-Authorization" not in api.headers_seen[0]


_ENVIRONMENTS: list[dict[str, str]] = [
    {},
    {"http_proxy": "http://proxy.test:3128"},
    {"HTTPS_PROXY": "http://proxy.test:3128"},
    {"ALL_PROXY": "http://proxy.test:3128", "NO_PROXY": "other.test"},
    {"https_proxy": "http://proxy.test:3128", "no_proxy": ".test:8443"},
    {"https_proxy": "http://proxy.test:3128", "no_proxy": "*"},
    {"http_proxy": "http://proxy.test:3128", "no_proxy": "10.0.0.0/8"},
    {"REQUESTS_CA_BUNDLE": "/one.pem", "CURL_CA_BUNDLE": "/two.pem"},
    {"CURL_CA_BUNDLE": "/two.pem"},
]
_PER_CALL: list[dict[str, Any]] = [
    {},
    {"proxies": {"https": "http://own.test:1"}},
    {"proxies": {"no_proxy": "api.test"}},
    {"proxies": {"https": None}},
    {"proxies": None},
    {"verify": False},
    {"verify": "/own.pem", "cert": "/client.pem", "stream": True},
]


@pytest.mark.parametrize("trusts", [True, False])
@pytest.mark.parametrize("per_call", _PER_CALL, ids=str)
@pytest.mark.parametrize("url", ["https://api.test/a", "https://api.test:8443/a?b", "http://10.1.2.3/"])
def test_proxies_and_certificates_of_the_environment_count_as_requests_has_it(
    url: str, per_call: dict[str, Any], trusts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, plain = ApiSession(Source(), ["https://api.test"], timeout=5), requests.Session()
    for session in (ours, plain):
        session.trust_env = trusts
        session.proxies = {"http": "http://of-session.test:2"}
    given: Any = {"proxies": {}, "stream": None, "verify": None, "cert": None}
    for _ in range(2):  # each environment after each other one: what was read before must not stay
        for environment in _ENVIRONMENTS:
            for name in {name for each in _ENVIRONMENTS for name in each}:
                for spelling in (name.lower(), name.upper()):
                    monkeypatch.delenv(spelling, raising=False)
            for name, value in environment.items():
                monkeypatch.setenv(name, value)
            found = [each.merge_environment_settings(url, **deepcopy({**given, **per_call})) for each in (ours, plain)]
            assert found[0] == found[1]


_FORKS = """
import os, sys
from django_auth0_flow.protocol.connection_pool import PooledAdapter
import requests
def call():
    with requests.Session() as session:
        session.mount("http://", PooledAdapter())
        return session.get(sys.argv[1], timeout=5).text
first = call()
child = os.fork()
if child == 0:
    os._exit(0 if [call(), call()] == ["2", "3"] else 1)
_, status = os.waitpid(child, 0)
print(first, os.waitstatus_to_exitcode(status), call())
"""


def test_a_forked_child_opens_its_own_and_leaves_the_parent_s_alone(api: Api) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FORKS, api.origin], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("1 0 4\n", "")
    assert len(api.accepted) == 2, "the parent's, which it goes on using, and the child's"


# What is never shared


def test_cookies_headers_and_settings_stay_with_their_session(api: Api) -> None:
    def decorated(session: ApiSession) -> None:
        session.headers["X-Visitor"] = "ada"
        session.cookies.set("own", "1")
        adapter = session.get_adapter(api.origin)
        assert isinstance(adapter, PooledAdapter)
        adapter.max_retries = Retry(7)

    def plain(session: ApiSession) -> None:
        adapter = session.get_adapter(api.origin)
        assert isinstance(adapter, PooledAdapter)
        assert adapter.max_retries.total == 0

    assert call(api, session=decorated).cookies["visitor"] == "1"
    call(api, session=plain)
    first, second = api.headers_seen
    assert (first["X-Visitor"], first["Cookie"]) == ("ada", "own=1")
    assert not {"X-Visitor", "Cookie"} & second.keys()
    assert len(api.accepted) == 1


def test_an_unverified_connection_serves_no_one_who_wants_it_verified(tls_api: Api, certificates: Certificates) -> None:
    def unverified(session: ApiSession) -> None:
        session.verify = False

    def trusting(session: ApiSession) -> None:
        session.verify = str(certificates.ca)

    with pytest.warns(match="Unverified HTTPS request"):
        assert call(tls_api, session=unverified).status_code == 200
    with pytest.raises(requests.exceptions.SSLError):
        call(tls_api)
    assert call(tls_api, session=trusting).status_code == 200
    with pytest.raises(requests.exceptions.SSLError):
        call(tls_api)
    assert call(tls_api, session=trusting).status_code == 200
    assert len(tls_api.received) == 3


def test_a_client_certificate_is_shown_for_those_only_who_have_it(tls_api: Api, certificates: Certificates) -> None:
    def bare(session: ApiSession) -> None:
        session.verify = str(certificates.ca)

    def certified(session: ApiSession) -> None:
        bare(session)
        session.cert = (str(certificates.client), str(certificates.client_key))

    for session in (bare, certified, bare, certified):
        call(tls_api, session=session)
    assert [bool(connection.getpeercert()) for connection in tls_api.accepted] == [False, True]


@pytest.mark.parametrize("surplus", [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother" * 400, b"x" * 9000])
def test_what_an_api_sends_too_much_is_no_answer_for_another_user(any_api: Api, surplus: bytes) -> None:
    any_api.surplus = surplus
    assert [call(any_api).text for _ in range(5)] == ["1", "2", "3", "4", "5"]


def test_closing_a_session_disturbs_no_other(any_api: Api) -> None:
    with ApiSession(Source(TOKEN), [any_api.origin], timeout=5) as session:
        response = session.get(any_api.origin, stream=True)
        call(any_api)
    assert response.content == b"1"
    assert call(any_api).text == "3"


def test_an_adapter_that_a_project_mounts_is_its_own(api: Api) -> None:
    closed: list[str] = []

    class Own(requests.adapters.HTTPAdapter):
        def close(self) -> None:
            closed.append("closed")
            super().close()

    for _ in range(2):
        call(api, session=lambda session: session.mount("http://", Own()))
    assert closed == ["closed"] * 2
    assert len(api.accepted) == 2
    call(api)
    call(api)
    assert len(api.accepted) == 3


def test_an_adapter_survives_pickling() -> None:
    adapter = pickle.loads(pickle.dumps(PooledAdapter(max_retries=3)))  # noqa: S301 - our own
    assert adapter.max_retries.total == 3
    assert adapter.poolmanager is PooledAdapter().poolmanager


# What a closed connection costs


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_a_connection_that_the_api_has_closed_is_noticed_before_anything_is_sent(any_api: Api, method: str) -> None:
    for _ in range(3):
        assert call(any_api, method, data=(piece for piece in [b"one", b"two"])).status_code == 200
        any_api.hang_up()
    assert [body for _, _, body in any_api.received] == [b"onetwo"] * 3
    assert len(any_api.accepted) == 3


@pytest.mark.parametrize(
    ("method", "options"),
    [
        pytest.param("GET", {}, id="get"),
        pytest.param("DELETE", {}, id="delete"),
        pytest.param("PUT", {"data": io.BytesIO(b"body")}, id="put-file"),
        pytest.param("PUT", {"json": {"a": 1}}, id="put-json"),
        pytest.param("POST", {"data": b"body", "headers": {"Idempotency-Key": "1"}}, id="post-with-key"),
    ],
)
def test_a_request_that_may_be_repeated_is_sent_again(any_api: Api, method: str, options: dict[str, Any]) -> None:
    call(any_api)
    any_api.close_unanswered = 1
    assert call(any_api, method, **options).text == "3"
    _, lost, again = any_api.received
    assert lost == again
    assert len(any_api.accepted) == 2


@pytest.mark.parametrize(
    ("method", "body"),
    [("POST", lambda: b"order"), ("PATCH", lambda: b"order"), ("PUT", lambda: iter([b"order"])), ("PUT", Pipe)],
    ids=["post", "patch", "put-generator", "put-pipe"],
)
def test_a_request_that_may_have_been_acted_upon_is_not_sent_again(
    any_api: Api, method: str, body: Callable[[], Any]
) -> None:
    call(any_api)
    any_api.close_unanswered = 1
    with pytest.raises(requests.ConnectionError):
        call(any_api, method, data=body())
    assert [received[0] for received in any_api.received] == ["GET", method]


def test_only_one_repetition_and_none_over_a_new_connection(any_api: Api) -> None:
    any_api.close_unanswered = 1
    with pytest.raises(requests.ConnectionError):
        call(any_api)
    assert len(any_api.received) == 1, "it was the connection's first request: no idle time explains the failure"
    call(any_api)
    any_api.close_unanswered = 2
    with pytest.raises(requests.ConnectionError):
        call(any_api)
    assert len(any_api.received) == 4


def test_the_repetition_trusts_no_other_idle_connection(any_api: Api) -> None:
    gate = threading.Barrier(4)

    def work() -> None:
        with ApiSession(Source(TOKEN), [any_api.origin], timeout=5) as session:
            with session.get(any_api.origin, stream=True):
                gate.wait()
            session.get(any_api.origin)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    before = len(any_api.accepted)
    any_api.close_unanswered = 1
    assert call(any_api).status_code == 200
    assert len(any_api.accepted) == before + 1


def test_no_answer_in_time_is_not_asked_for_again() -> None:
    received: list[bytes] = []
    ending = threading.Event()

    def talk(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            received.append(connection.recv(65536))
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            received.append(connection.recv(65536))
            ending.wait(10)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=talk, args=(listening,), daemon=True)
        thread.start()
        origin = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with ApiSession(Source(TOKEN), [origin], timeout=0.2) as session:
            session.get(origin)
            with pytest.raises(requests.ReadTimeout):
                session.get(origin)
        ending.set()
        thread.join()
    assert len(received) == 2


@pytest.mark.parametrize(
    ("method", "idle", "connections"),
    [
        ("GET", IDLE_SECONDS - 1, 1),
        ("GET", IDLE_SECONDS + 1, 2),
        ("POST", IDLE_SECONDS_UNREPEATABLE / 2, 1),
        ("POST", IDLE_SECONDS_UNREPEATABLE + 1, 2),
    ],
)
def test_how_long_a_connection_may_have_been_idle(
    api: Api, later: Callable[[float], None], method: str, idle: float, connections: int
) -> None:
    call(api)
    later(idle)
    assert call(api, method, data=b"order").status_code == 200
    assert len(api.accepted) == connections


def test_idle_connections_can_be_closed(any_api: Api) -> None:
    call(any_api)
    close_idle_connections()
    assert call(any_api).status_code == 200
    assert len(any_api.accepted) == 2
