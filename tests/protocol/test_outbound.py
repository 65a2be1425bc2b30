"""Calling APIs: where the token may go, what a 401 and a redirect do, over real sockets."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest
import requests

from django_auth0_flow.protocol.addresses import origin_of, token_origin
from django_auth0_flow.protocol.errors import LoginRequired, NoAccessToken, OriginNotAllowed
from django_auth0_flow.protocol.outbound import ApiSession, TokenAuth
from django_auth0_flow.protocol.tokens import TokenSet
from tests.protocol.support import Answer, TinyServer, raw_server

TOKEN, RENEWED = "secret-token-1", "secret-token-2"


class Source:
    """Hands out the first token, and the next one for each that was rejected."""

    def __init__(self, *tokens: str | None, token_type: str = "Bearer") -> None:
        self.tokens = list(tokens)
        self.token_type = token_type
        self.rejected: list[str | None] = []

    def access_token(self, *, rejected: str | None = None) -> TokenSet:
        self.rejected.append(rejected)
        if rejected is not None and len(self.tokens) > 1 and self.tokens[0] == rejected:
            self.tokens.pop(0)
        return TokenSet(access_token=self.tokens[0], token_type=self.token_type)


@pytest.fixture
def source() -> Source:
    return Source(TOKEN, RENEWED)


@pytest.fixture
def api(source: Source, server: TinyServer) -> Iterator[ApiSession]:
    with ApiSession(source, [server.origin], timeout=60) as session:
        yield session


def tokens_received(server: TinyServer) -> list[str | None]:
    return [request.headers.get("Authorization") for request in server.received]


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://api.example.com", "https://api.example.com"),
        ("https://api.example.com/a?b#c", "https://api.example.com"),
        ("https://API.Example.COM:443/", "https://api.example.com"),
        ("HTTPS://api.example.com/", "https://api.example.com"),
        ("https://api.example.com:8443/", "https://api.example.com:8443"),
        ("http://api.example.com/", "http://api.example.com"),
        ("http://api.example.com:443/", "http://api.example.com:443"),
        ("https://api.example.com./", "https://api.example.com."),
        ("https://user:pw@api.example.com/", "https://api.example.com"),
        ("https://api.example.com@evil.example/", "https://evil.example"),
        ("https://[::1]:8443/", "https://[::1]:8443"),
        ("https://", ""),
        ("https:///api.example.com", ""),
        ("api.example.com", ""),
        ("//api.example.com/", ""),
        ("urn:my-api", ""),
        ("ftp://api.example.com/", ""),
        ("file:///dev/null", ""),
        ("https://[::1", ""),
        ("https://api.example.com:port/", ""),
        ("https://api.example.com:99999/", ""),
        ("", ""),
    ],
)
def test_origins(url: str, origin: str) -> None:
    assert origin_of(url) == origin


def authorize(url: str, *origins: str) -> str | None:
    request = requests.Request("GET", url).prepare()
    return TokenAuth(Source(TOKEN), origins)(request).headers.get("Authorization")


@pytest.mark.parametrize(
    ("allowed", "url"),
    [
        ("https://api.example.com", "https://api.example.com/a"),
        ("https://api.example.com/v2/", "https://api.example.com/v1"),
        ("https://api.example.com:443", "https://api.example.com/"),
        ("https://API.example.com", "https://api.EXAMPLE.com/"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/a"),
        ("https://[::1]:8443", "https://[::1]:8443/a"),
        ("https://api.example.com", "https://api.example.com/@evil.example/"),
        ("https://api.example.com", "https://api.example.com?@evil.example/"),
        ("https://api.example.com", "https://api.example.com\\@evil.example/"),
    ],
)
def test_allowed_origins(allowed: str, url: str) -> None:
    assert authorize(url, allowed) == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com/",
        "https://api.example.com:8443/",
        "https://api.example.com.evil.example/",
        "https://evil.example/api.example.com",
        "https://api.example.com@evil.example/",
        "https://api.example.com:443@evil.example/",
        "https://evil.example\\@api.example.com/",
        "https://evil.example#@api.example.com/",
        "https://evil.example?@api.example.com/",
        "https://sub.api.example.com/",
        "https://example.com/",
        "https://api.example.com./",
        "https://xapi.example.com/",
        "https://\u0430pi.example.com/",
        "https://127.0.0.1/",
    ],
    ids=ascii,
)
def test_other_origins(url: str) -> None:
    with pytest.raises(OriginNotAllowed) as caught:
        authorize(url, "https://api.example.com")
    assert caught.value.code == "api_origin_not_allowed"
    assert TOKEN not in f"{caught.value!s}{caught.value!r}"


@pytest.mark.parametrize("origins", [[], [""], ["urn:api"], ["//api.example.com"]], ids=str)
def test_no_usable_origin_allows_nothing(origins: list[str]) -> None:
    with pytest.raises(OriginNotAllowed):
        authorize("https://api.example.com/", *origins)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://api.example.com/v2/", "https://api.example.com"),
        ("http://api.example.com", ""),
        ("http://api.example.com:443", ""),
        ("HTTP://api.example.com", ""),
        ("http://10.0.0.1", ""),
        ("http://127.0.0.1.evil.example", ""),
        ("http://localhost.evil.example", ""),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
        ("http://localhost", "http://localhost"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("https://user:pw@api.example.com/", ""),
        ("urn:my-api", ""),
        ("", ""),
    ],
)
def test_X13_where_a_token_may_go(url: str, origin: str) -> None:
    assert token_origin(url) == origin


@pytest.mark.parametrize("url", ["urn:api", "ftp://api.example.com/", "file:///dev/null", "mailto:a@example.com"])
def test_no_origin_is_no_origin_s_twin(url: str) -> None:
    """An origin that can't be read must not stand for every address that has none."""
    with pytest.raises(OriginNotAllowed):
        authorize(url, "", "urn:my-api", "http://api.example.com")


def test_X13_no_token_goes_in_clear_whoever_allows_it() -> None:
    for allowed in ("http://api.example.com", "http://api.example.com/v2", "https://api.example.com"):
        with pytest.raises(OriginNotAllowed):
            authorize("http://api.example.com/v2/things", allowed)
    assert authorize("http://localhost:8000/things", "http://localhost:8000") == f"Bearer {TOKEN}"


def test_nothing_is_sent_to_another_origin(api: ApiSession, server: TinyServer, stranger: TinyServer) -> None:
    with pytest.raises(OriginNotAllowed):
        api.get(stranger.origin)
    assert stranger.received == []
    assert api.get(server.origin).status_code == 200


def test_the_token_is_sent(api: ApiSession, server: TinyServer, source: Source) -> None:
    response = api.get(server.origin + "/a", params={"q": "1"}, headers={"Authorization": "Basic x", "X-Own": "1"})
    assert response.json() == {}
    assert tokens_received(server) == [f"Bearer {TOKEN}"]
    assert (server.received[0].path, server.received[0].headers["X-Own"]) == ("/a?q=1", "1")
    assert source.rejected == [None]


def test_no_token_no_request(server: TinyServer) -> None:
    with ApiSession(Source(None), [server.origin], timeout=60) as api, pytest.raises(NoAccessToken):
        api.get(server.origin)
    assert server.received == []


# 401


REPLAYABLE: list[Any] = [
    pytest.param(lambda path: None, b"", id="none"),
    pytest.param(lambda path: b"bytes", b"bytes", id="bytes"),
    pytest.param(lambda path: "täxt", "täxt".encode(), id="text"),
    pytest.param(lambda path: {"a": "1"}, b"a=1", id="form"),
    pytest.param(lambda path: io.BytesIO(b"from memory"), b"from memory", id="file-in-memory"),
    pytest.param(lambda path: path.open("rb"), b"from a file", id="file"),
]


@pytest.mark.parametrize(("make_body", "expected"), REPLAYABLE)
def test_401_is_renewed_once(
    make_body: Any, expected: bytes, api: ApiSession, server: TinyServer, source: Source, tmp_path: Path
) -> None:
    path = tmp_path / "body"
    path.write_bytes(b"from a file")
    server.answers = [Answer(401, b'{"error":"invalid_token"}'), Answer(200, b'{"ok":1}')]
    body = make_body(path)
    response = api.post(server.origin + "/a", data=body)
    if hasattr(body, "close"):
        body.close()
    assert response.json() == {"ok": 1}
    assert tokens_received(server) == [f"Bearer {TOKEN}", f"Bearer {RENEWED}"]
    assert [request.body for request in server.received] == [expected, expected]
    assert source.rejected == [None, TOKEN]
    assert [earlier.status_code for earlier in response.history] == [401]


def test_401_rewinds_to_where_the_file_stood(api: ApiSession, server: TinyServer) -> None:
    server.answers = [Answer(401), Answer(200)]
    body = io.BytesIO(b"skipped, sent")
    body.seek(9)
    api.put(server.origin, data=body)
    assert [request.body for request in server.received] == [b"sent", b"sent"]


@pytest.mark.parametrize(
    "body", [{"json": {"a": "content"}}, {"files": {"f": ("n", b"content")}}], ids=["json", "files"]
)
def test_json_and_multipart_bodies_are_replayed(body: dict[str, Any], api: ApiSession, server: TinyServer) -> None:
    server.answers = [Answer(401), Answer(200)]
    api.post(server.origin, **body)
    first, second = server.received
    assert first.body == second.body
    assert b"content" in first.body
    assert first.headers["Content-Type"] == second.headers["Content-Type"]


class Pipe(io.RawIOBase):
    """A readable that can't go back."""

    def __init__(self) -> None:
        self._left = [b"piped"]

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._left.pop() if self._left else b""

    def seekable(self) -> bool:
        return False


@pytest.mark.parametrize("kind", ["generator", "pipe"])
def test_401_with_a_body_that_is_spent(kind: str, api: ApiSession, server: TinyServer, source: Source) -> None:
    server.answers = [Answer(401), Answer(200)]
    body = (piece for piece in [b"one", b"two"]) if kind == "generator" else cast(BinaryIO, Pipe())
    response = api.post(server.origin, data=body)
    assert response.status_code == 401
    assert len(server.received) == 1
    assert source.rejected == [None]


def test_no_second_retry(api: ApiSession, server: TinyServer, source: Source) -> None:
    server.answers = [Answer(401)]
    response = api.get(server.origin)
    assert response.status_code == 401
    assert len(server.received) == 2
    assert source.rejected == [None, TOKEN]


def test_no_retry_with_the_same_token(server: TinyServer) -> None:
    server.answers = [Answer(401, b"why")]
    with ApiSession(Source(TOKEN), [server.origin], timeout=60) as api:
        assert api.get(server.origin).content == b"why"
    assert len(server.received) == 1


@pytest.mark.parametrize("status", [400, 402, 403, 404, 407, 429, 500, 503])
def test_other_refusals_are_the_callers(status: int, api: ApiSession, server: TinyServer) -> None:
    server.answers = [Answer(status)]
    assert api.get(server.origin).status_code == status
    assert len(server.received) == 1


def test_login_required_during_the_renewal(server: TinyServer) -> None:
    class Ended(Source):
        def access_token(self, *, rejected: str | None = None) -> TokenSet:
            if rejected:
                raise LoginRequired("The login session has ended.")
            return super().access_token()

    class Remembering(requests.adapters.HTTPAdapter):
        def send(self, *args: Any, **kwargs: Any) -> requests.Response:
            answered.append(super().send(*args, **kwargs))
            return answered[-1]

    answered: list[requests.Response] = []
    server.answers = [Answer(401, b"x" * 100_000)]
    with ApiSession(Ended(TOKEN), [server.origin], timeout=60) as api:
        api.mount(server.origin, Remembering())
        with pytest.raises(LoginRequired):
            api.get(server.origin)
        assert [answer.raw.closed for answer in answered] == [True], "nobody else can close its connection"
        server.answers = [Answer()]
        assert api.get(server.origin).status_code == 200


def test_streamed_answers(api: ApiSession, server: TinyServer) -> None:
    server.answers = [Answer(401, b"x" * 50_000), Answer(200, b"streamed")]
    with api.get(server.origin, stream=True) as response:
        assert b"".join(response.iter_content(3)) == b"streamed"


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_within_the_origin_keeps_the_token(status: int, api: ApiSession, server: TinyServer) -> None:
    server.answers = [Answer(status, headers={"Location": "/b"}), Answer()]
    assert api.get(server.origin + "/a").status_code == 200
    assert [request.path for request in server.received] == ["/a", "/b"]
    assert tokens_received(server) == [f"Bearer {TOKEN}"] * 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_redirect_to_another_origin_is_not_followed(
    status: int, method: str, api: ApiSession, server: TinyServer, stranger: TinyServer
) -> None:
    server.answers = [Answer(status, headers={"Location": stranger.origin + "/b"})]
    response = api.request(method, server.origin, data=b"body" if method == "POST" else None)
    assert response.status_code == status
    assert stranger.received == []


@pytest.mark.parametrize(
    "location",
    [
        "//{stranger}/",
        "///{stranger}/",
        "http:{stranger}/",
        "http:/{stranger}/",
        "http:///{stranger}/",
        "\\\\{stranger}/",
        "/\\{stranger}/",
        "http://{server}@{stranger}/",
        "http://{server}\\@{stranger}/",
        "http://{stranger}\\@{server}/",
        "http://{stranger}#@{server}/",
        "http://{stranger}?@{server}/",
        "http://{stranger}%2f@{server}/",
        "http://{stranger}%5c@{server}/",
        "http://{stranger} @{server}/",
        "http://{stranger}\t@{server}/",
        " http://{stranger}/",
        "HTTP://{stranger}/",
        "http://[::ffff:127.0.0.1]:1/",
        "https://{server}/",
        "file:///dev/null",
        "http://[::1",
    ],
)
def test_redirects_in_every_spelling(location: str, api: ApiSession, server: TinyServer, stranger: TinyServer) -> None:
    hosts = {"server": f"127.0.0.1:{server.port}", "stranger": f"127.0.0.1:{stranger.port}"}
    server.answers = [Answer(307, headers={"Location": location.format(**hosts)}), Answer()]
    with contextlib.suppress(requests.RequestException, ValueError):
        api.get(server.origin)
    assert stranger.received == []


def test_a_redirect_after_a_renewal(api: ApiSession, server: TinyServer) -> None:
    server.answers = [Answer(401), Answer(302, headers={"Location": "/b"}), Answer(200, b"done")]
    response = api.get(server.origin + "/a")
    assert response.content == b"done"
    assert server.received[-1].path == "/b"
    assert tokens_received(server) == [f"Bearer {TOKEN}", f"Bearer {RENEWED}", f"Bearer {RENEWED}"]


def test_a_renewal_is_made_once_also_across_redirects(api: ApiSession, server: TinyServer, source: Source) -> None:
    server.answers = [Answer(401), Answer(307, headers={"Location": "/b"}), Answer(401)]
    assert api.post(server.origin + "/a", data=b"body").status_code == 401
    assert [(request.path, request.body) for request in server.received] == [("/a", b"body")] * 2 + [("/b", b"body")]
    assert source.rejected == [None, TOKEN]


def say_nothing(connection: socket.socket, ending: threading.Event) -> None:
    ending.wait(600)


def test_the_timeout_stands_in_for_one_that_is_missing_only() -> None:
    with (
        raw_server(say_nothing) as origin,
        ApiSession(Source(TOKEN), [origin], timeout=0.2) as session,
    ):
        started = time.monotonic()
        for positional in ([], [None] * 6, [*[None] * 6, 0.1]):
            with pytest.raises(requests.Timeout):
                session.request("GET", origin, *positional)
        assert time.monotonic() - started < 120


def test_no_netrc(api: ApiSession, server: TinyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ada password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server.answers = [Answer(302, headers={"Location": "/b"}), Answer(401), Answer()]
    api.get(server.origin)
    assert all(token and token.startswith("Bearer ") for token in tokens_received(server))


# The session


def test_timeout_by_default_and_per_call(server: TinyServer, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    class Adapter(requests.adapters.HTTPAdapter):
        def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
            seen.append(kwargs["timeout"])
            return super().send(request, *args, **kwargs)

    with ApiSession(source, [server.origin], timeout=7) as api:
        api.mount("http://", Adapter())
        api.get(server.origin)
        api.get(server.origin, timeout=3)
        api.get(server.origin, timeout=None)
        api.request("GET", server.origin, None, None, None, None, None, None, 4)
        server.answers = [Answer(401), Answer()]
        api.get(server.origin)
    assert seen == [7, 3, None, 4, 7, 7]


def test_hooks_of_the_caller_are_kept(api: ApiSession, server: TinyServer) -> None:
    seen: list[str] = []

    def of_the_call(response: requests.Response, **kwargs: Any) -> None:
        seen.append(f"call {response.status_code}")

    def of_the_session(response: requests.Response, **kwargs: Any) -> None:
        seen.append(f"session {response.status_code}")

    api.hooks["response"].append(of_the_session)
    server.answers = [Answer(401), Answer(200)]
    api.get(server.origin, hooks={"response": of_the_call})
    api.get(server.origin)
    assert seen == ["call 200", "session 200"], "as requests merges them: those of the call in place of the session's"


def test_another_token_type(server: TinyServer) -> None:
    with ApiSession(Source(TOKEN, token_type="DPoP"), [server.origin], timeout=60) as api:
        api.get(server.origin)
    assert tokens_received(server) == [f"DPoP {TOKEN}"]
