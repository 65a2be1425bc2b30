"""The network code against spoilt answers and broken connections, over real sockets: rows T4 to T8 of the threat list."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import pytest

from django_auth0_flow.protocol.errors import Auth0Error, TransportError
from django_auth0_flow.protocol.http import MAX_BODY, Http, HttpAnswer, parse_oauth_answer
from django_auth0_flow.testing.tenant import Tenant
from tests.protocol.support import Answer, TinyServer, hurry, raw_server

FORM = {"grant_type": "refresh_token", "refresh_token": "secret-in-the-form", "client_secret": "secret-of-the-client"}


def exchange(http: Http, url: str) -> HttpAnswer:
    answer = http.post_form(url, FORM)
    parse_oauth_answer(answer, now=0)
    return answer


def failure(http: Http, url: str) -> TransportError:
    """Return the error of an exchange that must fail within its deadline."""
    started = time.monotonic()
    with pytest.raises(TransportError) as caught:
        exchange(http, url)
    assert time.monotonic() - started < http.timeout + 60
    return caught.value


@pytest.mark.parametrize(
    ("fault", "options", "code"),
    [
        pytest.param("html", {}, "malformed_answer", id="T4-html"),
        pytest.param("status", {"status": 200, "body": "hello"}, "malformed_answer", id="T4-text"),
        pytest.param("empty", {}, "malformed_answer", id="T4-empty"),
        pytest.param("empty", {"status": 204}, "malformed_answer", id="T4-204"),
        pytest.param("list", {}, "malformed_answer", id="T4-list"),
        pytest.param("json", {"value": None}, "malformed_answer", id="T4-null"),
        pytest.param("json", {"value": "text"}, "malformed_answer", id="T4-string"),
        pytest.param("json", {"value": 17}, "malformed_answer", id="T4-number"),
        pytest.param("truncated", {}, "malformed_answer", id="T4-truncated"),
        pytest.param("broken-chunks", {}, "malformed_answer", id="T4-broken-chunks"),
        pytest.param("gzip-wrong", {}, "malformed_answer", id="T4-wrong-gzip"),
        pytest.param("bad-utf8", {}, "malformed_answer", id="T4-bad-utf8"),
        pytest.param("bom", {}, "malformed_answer", id="T4-bom"),
        pytest.param("not-http", {}, "tenant_unreachable", id="T4-not-http"),
        pytest.param("drop", {}, "tenant_unreachable", id="T4-drop"),
        pytest.param("reset", {}, "tenant_unreachable", id="T4-reset"),
        pytest.param("deep-json", {}, "malformed_answer", id="T5-brackets"),
        pytest.param("big-integer", {}, "malformed_answer", id="T5-integer"),
        pytest.param("nan", {}, "malformed_answer", id="T5-nan"),
        pytest.param("huge", {}, "answer_too_large", id="T6-huge"),
        pytest.param("gzip-bomb", {"megabytes": 5}, "malformed_answer", id="T6-gzip-bomb"),
        pytest.param("slow", {"seconds": 600}, "tenant_timeout", id="T7-silence"),
        pytest.param("drip-body", {"interval": 0.05, "seconds": 600}, "tenant_timeout", id="T7-one-byte-at-a-time"),
        pytest.param(
            "drip-headers", {"interval": 0.05, "seconds": 600}, "tenant_timeout", id="T7-one-header-at-a-time"
        ),
        pytest.param("status", {"status": 503}, "tenant_unreachable", id="T3-503"),
        pytest.param("rate-limit", {}, "rate_limited", id="T3-429"),
        pytest.param("global-limit", {}, "rate_limited", id="T3-global-limit"),
    ],
)
def test_spoilt_answers(fault: str, options: dict[str, Any], code: str, tenant: Tenant, http: Http) -> None:
    hurry(http, fault)
    tenant.fault(fault, endpoint="revoke", **options)
    error = failure(http, tenant.issuer + "oauth/revoke")
    assert error.code == code
    assert "secret" not in f"{error!s} {error!r} {error.__cause__!r}"
    http.timeout = 60
    assert http.post_form(tenant.issuer + "oauth/revoke", FORM).status, "the next attempt gets through"


def test_t6_identity_encoding_is_asked_for(server: TinyServer, http: Http) -> None:
    exchange(http, server.origin)
    assert server.received[0].headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(("size", "accepted"), [(MAX_BODY, True), (MAX_BODY + 1, False)])
def test_t6_the_limit(size: int, accepted: bool, server: TinyServer) -> None:
    http = Http(timeout=60)
    server.answers = [Answer(body=b'{"a":"' + b"x" * (size - 8) + b'"}')]
    if accepted:
        assert len(exchange(http, server.origin).body) == size
    else:
        assert failure(http, server.origin).code == "answer_too_large"


def encoded(status: int, coding: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status} x\r\nContent-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Content-Type: application/json\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    "coding", ["gzip", "gzip, gzip", "GZIP", "x-gzip", "deflate", "identity, gzip", "identity,identity", "zstd", "aes"]
)
def test_X14_an_encoding_that_was_not_asked_for_is_not_unpacked(coding: str, http: Http) -> None:
    """The body unpacks to good JSON where it can be unpacked: it is refused for its encoding, and by no other check."""
    body = b'{"ok": true}'
    for _ in range(coding.lower().count("gzip")):
        body = gzip.compress(body)
    if coding == "deflate":
        body = zlib.compress(body)
    with raw_server(answer_bytes(encoded(200, coding, body))) as origin:
        error = failure(http, origin + "/")
    assert (error.code, error.status, error.retryable) == ("malformed_answer", 200, False)


def test_X14_a_bomb_in_two_layers_costs_nothing(http: Http) -> None:
    bomb = gzip.compress(gzip.compress(b" " * 50 * MAX_BODY))
    with raw_server(answer_bytes(encoded(200, "gzip, gzip", bomb))) as origin:
        tracemalloc.start()
        try:
            assert failure(http, origin + "/").code == "malformed_answer"
            assert tracemalloc.get_traced_memory()[1] < MAX_BODY
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("coding", ["identity", " Identity ", ""])
def test_X14_no_encoding_at_all_is_fine(coding: str, http: Http) -> None:
    with raw_server(answer_bytes(encoded(200, coding, b'{"ok": true}'))) as origin:
        assert exchange(http, origin + "/").json_object() == {"ok": True}


@pytest.mark.parametrize(("status", "code"), [(503, "tenant_unreachable"), (429, "rate_limited")])
def test_X14_trouble_stays_trouble_however_it_is_packed(status: int, code: str, http: Http) -> None:
    with raw_server(answer_bytes(encoded(status, "gzip", gzip.compress(b"{}")))) as origin:
        assert failure(http, origin + "/").code == code


def test_answer_lost_or_never_sent(tenant: Tenant, http: Http) -> None:
    for fault in ("drop", "reset", "truncated", "broken-chunks", "slow", "drip-body"):
        hurry(http, fault)
        tenant.fault(fault, endpoint="revoke")
        error = failure(http, tenant.issuer + "oauth/revoke")
        assert (error.answer_lost, error.retryable) == (True, True), fault
    tenant.stop()
    error = failure(http, tenant.issuer + "oauth/revoke")
    assert (error.answer_lost, error.retryable, error.code) == (False, True, "tenant_unreachable")


def answer_bytes(data: bytes) -> Any:
    def talk(connection: socket.socket, ending: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(data)

    return talk


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="T4-nothing"),
        pytest.param(b"\r\n\r\n", id="T4-blank-lines"),
        pytest.param(b"HTTP/1.1 OK\r\n\r\n{}", id="T4-no-status"),
        pytest.param(b"HTTP/1.1 99999 x\r\n\r\n{}", id="T4-status-out-of-range"),
        pytest.param(b"HTTP/9.9 200 x\r\n\r\n{}", id="T4-version"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="T4-ssh"),
        pytest.param(b"\x15\x03\x01\x00\x02\x02\x16", id="T4-tls-alert"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 200 + b"\r\n{}", id="T4-200-headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n{}", id="T4-long-header"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", id="T4-negative-length"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", id="T4-length-no-number"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 9\r\n\r\n{}", id="T4-two-lengths"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFFFF\r\n{}", id="T4-chunk"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n{}\r\n", id="T4-negative-chunk"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: 2\r\n\r\n{}", id="T4-deflate"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip\r\nContent-Length: 2\r\n\r\n{}", id="T4-gzip-twice"
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\xff\xfe{}", id="T4-utf16"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\xff\xfe\x00: \x00\r\n\r\n", id="T4-odd-header-bytes"),
        pytest.param(b"HTTP/1.1 302 x\r\nLocation: \xff\xfe\r\nContent-Length: 0\r\n\r\n", id="T8-location-bytes"),
        pytest.param(b"HTTP/1.1 302 x\r\nLocation: http://[::1\r\nContent-Length: 0\r\n\r\n", id="T8-location-ipv6"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" * 50, id="T4-100-for-ever"),
        pytest.param(b"HTTP/1.1 101 Switching\r\n\r\n", id="T4-101"),
    ],
)
def test_t4_odd_bytes(data: bytes, http: Http) -> None:
    with raw_server(answer_bytes(data)) as origin:
        failure(http, origin + "/")


def test_t7_endless_100_continue(http: Http) -> None:
    def talk(connection: socket.socket, ending: threading.Event) -> None:
        connection.recv(65536)
        while not ending.wait(0.02):
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    hurry(http)
    with raw_server(talk) as origin:
        assert failure(http, origin + "/").code == "tenant_timeout"


def test_t7_endless_fast_chunks_of_nothing(http: Http) -> None:
    def talk(connection: socket.socket, ending: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not ending.wait(0.02):
            connection.sendall(b"1\r\n \r\n")

    hurry(http)
    with raw_server(talk) as origin:
        assert failure(http, origin + "/").code == "tenant_timeout"


def test_t7_through_a_proxy(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    def talk(connection: socket.socket, ending: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while not ending.wait(0.02):
            connection.sendall(b"X: 1\r\n")

    hurry(http)
    with raw_server(talk) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, proxy)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        assert failure(http, "http://tenant.invalid/").answer_lost
        failure(http, "https://tenant.invalid/")


def test_t7_a_server_that_does_not_read(http: Http) -> None:
    def talk(connection: socket.socket, ending: threading.Event) -> None:
        ending.wait(600)

    hurry(http)
    with raw_server(talk) as origin:
        started = time.monotonic()
        with pytest.raises(TransportError):
            http.post_json(origin + "/", {"padding": "x" * 20_000_000})
        assert time.monotonic() - started < http.timeout + 60


@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_t8_redirect_to_another_host(
    status: int, method: str, tenant: Tenant, stranger: TinyServer, http: Http
) -> None:
    tenant.fault(
        "redirect", endpoint="revoke" if method == "POST" else "metadata", status=status, location=stranger.origin
    )
    if method == "POST":
        answer = http.post_form(tenant.issuer + "oauth/revoke", FORM)
    else:
        answer = http.get(tenant.issuer + ".well-known/openid-configuration", headers={"Authorization": "Bearer x"})
    assert answer.status == status
    with pytest.raises(Auth0Error):
        parse_oauth_answer(answer, now=0)
    assert stranger.received == []
    assert len(tenant.requests) == 1


@pytest.mark.parametrize(
    "location",
    [
        "file:///dev/null",
        "ftp://127.0.0.1/",
        "//127.0.0.1:9/",
        "/oauth/revoke",
        "data:,x",
        "",
        "javascript:1",
        "http://",
    ],
    ids=lambda value: f"T8-{value or 'empty'}",
)
def test_t8_odd_redirects(location: str, server: TinyServer, http: Http) -> None:
    server.answers = [Answer(status=307, headers={"Location": location})]
    assert failure(http, server.origin + "/oauth/revoke").code == "malformed_answer"
    assert len(server.received) == 1


def test_t6_t8_redirect_with_a_huge_body(server: TinyServer) -> None:
    server.answers = [Answer(status=307, headers={"Location": "/x"}, body=b"x" * (MAX_BODY + 1))]
    assert failure(Http(timeout=60), server.origin).code == "answer_too_large"


def test_no_netrc(server: TinyServer, http: Http, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ada password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    http.get(server.origin)
    http.post_form(server.origin, FORM)
    http.post_json(server.origin, {})
    assert len(server.received) == 3
    assert all("Authorization" not in request.headers for request in server.received)


def test_no_cookies_are_kept(server: TinyServer, http: Http) -> None:
    server.answers = [Answer(headers={"Set-Cookie": "did=1; Path=/"})]
    http.get(server.origin)
    http.get(server.origin)
    assert all("Cookie" not in request.headers for request in server.received)


def test_what_is_sent(server: TinyServer, http: Http) -> None:
    http.post_form(server.origin + "/f", {"a": "ä b&"}, headers={"X-Test": "1"})
    http.post_json(server.origin + "/j", {"a": "ä"})
    form, json = server.received
    assert (form.path, form.body, form.headers["X-Test"]) == ("/f", b"a=%C3%A4+b%26", "1")
    assert form.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert json.headers["Content-Type"] == "application/json"
    assert json.headers["Accept"] == "application/json"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "tenant",
        "/path",
        "http://",
        "https://[::1",
        "file:///dev/null",
        "http://127.0.0.1:99999/",
        "http://a b/",
        "http://" + "a" * 300,
    ],
    ids=lambda value: value[:30] or "empty",
)
def test_urls_that_lead_nowhere(url: str, http: Http) -> None:
    failure(http, url)


def test_a_text_that_can_t_be_sent_is_a_failure_as_any_other(server: TinyServer, http: Http) -> None:
    """JSON may hold half a character, so a password that a script sends may too."""
    with pytest.raises(TransportError):
        http.post_form(server.origin, {**FORM, "password": "half \ud83d"})
    assert server.received == []


def test_connections_are_used_again(tenant: Tenant, http: Http) -> None:
    """A deadline that is over must not spoil the next exchange on the same connection."""
    url = tenant.issuer + ".well-known/openid-configuration"
    for _ in range(3):
        assert http.get(url).status == 200


def test_one_http_for_many_threads(tenant: Tenant) -> None:
    http, statuses = Http(timeout=60), list[int]()
    url = tenant.issuer + ".well-known/openid-configuration"
    threads = [threading.Thread(target=lambda: statuses.append(http.get(url).status)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 16
