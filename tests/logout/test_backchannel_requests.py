"""Requests for back-channel logout that are none: rows B8 and X23 of the threats."""

from __future__ import annotations

import json
import socket
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from django.test import Client
from pytest_django.live_server_helper import LiveServer

from django_auth0_flow.storage.logout_tokens import SpentLogoutToken
from django_auth0_flow.testing.tenant import Tenant
from tests.logout.support import FORM, PATH, assert_done, assert_refused, name_at_home, send
from tests.storm.harness import Site
from tests.storm.servers import ONE_PROCESS, serving


@pytest.mark.parametrize("method", ["get", "head", "put", "patch", "delete", "options", "trace"])
def test_B8_other_methods_are_405(client: Client, auth0_settings: Any, method: str) -> None:
    response = getattr(client, method)(PATH)
    assert (response.status_code, response["Allow"], response["Cache-Control"]) == (405, "POST", "private, no-store")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param("", FORM, id="empty"),
        pytest.param("logout_token=", FORM, id="empty-token"),
        pytest.param("other=1", FORM, id="no-token"),
        pytest.param("logout_token=garbage", FORM, id="garbage"),
        pytest.param("logout_token=a.b.c", FORM, id="garbage-jwt"),
        pytest.param("logout_token=%00%ff%f0%9f", FORM, id="no-utf8"),
        pytest.param("logout_token=" + "a" * 70_000, FORM, id="huge"),
        pytest.param("logout_token=" + "a" * 3_000_000, FORM, id="very-huge"),
        pytest.param("&".join(f"p{number}=1" for number in range(2000)), FORM, id="many-parameters"),
        pytest.param("logout_token=a", f"{FORM}; charset=utf-16", id="other-charset"),
        pytest.param("logout_token=a", f"{FORM}; charset=no-such-charset", id="unknown-charset"),
        pytest.param('{"logout_token": "a.b.c"}', "application/json", id="json"),
        pytest.param("logout_token=a", "text/plain", id="text"),
        pytest.param("logout_token=a", "", id="no-type"),
        pytest.param("--x\r\nbroken", "multipart/form-data; boundary=x", id="multipart"),
        pytest.param("--x\r\nbroken", "multipart/form-data", id="multipart-without-boundary"),
    ],
)
def test_B8_bodies_that_are_no_logout_request(
    client: Client, auth0_settings: Any, db: None, body: str, content_type: str
) -> None:
    response = client.generic("POST", PATH, body, content_type=content_type)
    assert_refused(response)
    assert not SpentLogoutToken.objects.exists()


def test_B8_token_twice_or_in_the_query_is_refused(browsers: list[Client], tenant: Tenant) -> None:
    token = tenant.make_logout_token(sub=tenant.user.sub)
    pair = urlencode({"logout_token": token})
    assert_refused(Client().post(PATH, f"{pair}&{pair}", content_type=FORM))
    assert_refused(Client().post(f"{PATH}?{pair}", "", content_type=FORM))
    assert_refused(Client().post(PATH, json.dumps({"logout_token": token}), content_type="application/json"))
    assert_refused(Client().post(PATH, {"logout_token": token}))  # multipart
    assert all(name_at_home(client) != "nobody" for client in browsers)
    assert_done(send(token))


@pytest.mark.parametrize("length", ["-1", "many", "1" * 40])
def test_B8_odd_lengths_are_refused(client: Client, auth0_settings: Any, length: str) -> None:
    response = client.generic("POST", PATH, "logout_token=a", content_type=FORM, CONTENT_LENGTH=length)
    assert_refused(response)


REFUSED = {
    "other-type": ("POST", "text/plain", 5000),
    "json": ("POST", "application/json", 64 * 1024),
    "other-method": ("PUT", FORM, 5000),
    "more-than-django-reads": ("POST", FORM, 5000),
    "two-tokens": ("POST", FORM, 64 * 1024),
    "too-long": ("POST", FORM, 70_000),
    "far-too-long": ("POST", "text/plain", 1024 * 1024),
}


@pytest.mark.parametrize("name", REFUSED)
def test_X23_a_body_that_is_refused_is_read_to_its_end(
    client: Client, auth0_settings: Any, db: None, settings: Any, name: str
) -> None:
    method, content_type, length = REFUSED[name]
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000 if name == "more-than-django-reads" else 2_500_000
    body = (b"logout_token=a&" * length)[:length]
    stream = BytesIO(body + b"GET / HTTP/1.1")
    extra: dict[str, Any] = {"CONTENT_LENGTH": str(length), "wsgi.input": stream}
    response = client.generic(method, PATH, b"x", content_type=content_type, **extra)
    assert response.status_code == (405 if method == "PUT" else 400)
    assert stream.read() == b"GET / HTTP/1.1"  # the next request, and all of it
    assert response.has_header("Connection") == (length > 64 * 1024)


@pytest.mark.parametrize("length", ["70000", "999999999", "1" * 40, "-1", "many"])
def test_X23_after_a_large_body_the_connection_is_closed(client: Client, auth0_settings: Any, length: str) -> None:
    stream = BytesIO(b"logout_token=a")
    extra: dict[str, Any] = {"CONTENT_LENGTH": length, "wsgi.input": stream}
    response = client.generic("POST", PATH, b"x", content_type=FORM, **extra)
    assert_refused(response, "The request is too long.")
    assert response["Connection"] == "close"
    assert (stream.tell() == 0) == (length != "70000")  # what may have no end is not waited for


def exchange(reader: Any, connection_to: socket.socket, request: bytes) -> tuple[int, bytes]:
    """Send one request over a connection and read its answer."""
    connection_to.sendall(request)
    status = int(reader.readline().split()[1])
    length = 0
    while line := reader.readline().strip():
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return status, reader.read(length)


def refused_then_good(address: str, content_type: str, length: int) -> list[tuple[int, bytes]]:
    """POST a body that is refused and open a page, over one connection."""
    parts = urlsplit(address)
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
    )
    with socket.create_connection((str(parts.hostname), parts.port or 80), timeout=120) as connection_to:
        reader = connection_to.makefile("rb")
        first = exchange(reader, connection_to, head.encode() + (b"logout_token=a&" * length)[:length])
        return [first, exchange(reader, connection_to, b"GET /plain/ HTTP/1.1\r\nHost: localhost\r\n\r\n")]


BODIES = [("text/plain", 5000), (FORM, 5000), (FORM, 70_000), ("text/plain", 300_000)]


def test_X23_a_connection_survives_what_is_refused_under_gunicorn(tenant: Tenant, tmp_path: Path) -> None:
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "keep_alive.sqlite3")}
    with serving(Site(tenant, database), ONE_PROCESS) as address:
        for content_type, length in BODIES:
            first, second = refused_then_good(address, content_type, length)
            assert (first[0], json.loads(first[1])["error"]) == (400, "invalid_request")
            assert second[0] in (200, 302)  # 302 under LoginRequiredMiddleware


@pytest.mark.parametrize(("content_type", "length"), BODIES)
def test_X23_a_connection_survives_what_is_refused_under_the_development_server(
    live_server: LiveServer, transactional_db: None, auth0_settings: Any, content_type: str, length: int
) -> None:
    first, second = refused_then_good(live_server.url, content_type, length)
    assert (first[0], json.loads(first[1])["error"]) == (400, "invalid_request")
    assert second[0] in (200, 302)
