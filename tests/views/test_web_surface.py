"""What browsers, scripts and strangers meet at our addresses: redirects, hosts, caches, sessions, tabs, loops."""

from __future__ import annotations

import base64
import json
import pickle
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from django_auth0_flow.login.transactions import SESSION_KEY as PENDING
from django_auth0_flow.models import LoginSession
from django_auth0_flow.testing.tenant import Tenant
from tests.walk import (
    FETCH,
    LOGIN,
    SITE,
    come_back,
    query_of,
    session_of,
    start,
    walk,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("auth0_settings")]

ELSEWHERE = [
    "//evil.example",
    "///evil.example",
    "////evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "/\\/evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "https://evil.example",
    "http://testserver@evil.example/",
    "http://user:word@testserver/",
    "http://testserver:81/",
    "http://testserver.evil.example/",
    "https://testserver%2eevil.example/",
    "http:\\\\evil.example",
    "\thttps://evil.example",
    " //evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/\r\nSet-Cookie: a=b",
    "h\nttps://evil.example",
    "//evil.example%2f@testserver",
    "/%5cevil.example/..//evil.example\\",
    "//\u3002evil.example",
    "/\u2028/evil.example",
    "\u202e//evil.example",
    "\uff0f\uff0fevil.example",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,x",
    "http://[::1",
    "http://[testserver]/",
    "//[::1]:x/",
    "http://testserver:port/",
    "evil.example",
    "next",
    "?a=b",
    "\x00/",
    "/\x00//evil.example",
    "/" + "x" * 5000,
    "//testserver:80@evil.example",
    "ftp://testserver/",
]


class TestNext:
    @pytest.mark.parametrize("target", ELSEWHERE, ids=lambda target: ascii(target)[1:40])
    def test_W1_next_never_leaves_the_site(self, client: Client, tenant: Tenant, target: str) -> None:
        answer = walk(client, tenant, next=target)
        assert answer["Location"] == "/"
        assert client.get("/auth0/logout/", {"next": target}).context["next"] == ""
        logout = client.post("/auth0/logout/", {"next": target})
        back = client.get("/auth0/logged-out/", {"state": query_of(logout["Location"])["state"]})
        assert back["Location"] == "/"

    @pytest.mark.parametrize("target", ELSEWHERE, ids=lambda target: ascii(target)[1:40])
    def test_W1_next_is_judged_again_before_the_redirect(self, client: Client, tenant: Tenant, target: str) -> None:
        url = tenant.login(start(client, next="/bare/"))
        session = client.session
        pending = session[PENDING]
        for found in pending.values():
            found["next_url"] = target
        session[PENDING] = pending
        session.save()
        assert come_back(client, url)["Location"] == "/"

    @pytest.mark.parametrize(
        "target",
        [
            "/",
            "/bare/",
            "/bare/?a=1&b=%2F%2Fevil.example#x",
            "/%E3%81%82/",
            "/日本語/",
            "http://testserver/bare/",
            "/a:b@c",
        ],
    )
    def test_good_targets_arrive_unchanged(self, client: Client, tenant: Tenant, target: str) -> None:
        landed = walk(client, tenant, next=target)["Location"]
        assert landed == target or parse_qs(urlsplit(landed).query) == parse_qs(urlsplit(target).query)
        assert landed.isascii()

    def test_a_secure_request_does_not_go_on_to_plain_http(self, client: Client) -> None:
        answer = client.get(LOGIN, {"next": "http://testserver/"}, secure=True)
        (pending,) = session_of(client)[PENDING].values()
        assert answer.status_code == 302
        assert pending["next_url"] == ""


class TestHost:
    def test_W2_a_foreign_host_is_refused(self, client: Client) -> None:
        assert client.get(LOGIN, headers={"Host": "evil.example"}).status_code == 400

    @pytest.mark.parametrize("header", ["X-Forwarded-Host", "Forwarded", "X-Original-URL", "X-Forwarded-Uri"])
    def test_W2_forwarding_headers_change_nothing(self, client: Client, header: str) -> None:
        answer = client.get(LOGIN, headers={header: "host=evil.example" if header == "Forwarded" else "evil.example"})
        assert query_of(answer["Location"])["redirect_uri"] == f"{SITE}/auth0/callback/"

    def test_W2_base_url_decides_whatever_the_host_is(self, client: Client, auth0_settings: Callable[..., Any]) -> None:
        auth0_settings(BASE_URL="https://www.example.com/")
        sent = query_of(client.get(LOGIN, headers={"Host": "localhost"})["Location"])
        assert sent["redirect_uri"] == "https://www.example.com/auth0/callback/"


class TestSessions:
    def test_W3_the_session_key_changes_at_login_and_the_old_one_is_worthless(
        self, client: Client, tenant: Tenant
    ) -> None:
        url = tenant.login(start(client))
        fixed = client.cookies["sessionid"].value
        come_back(client, url)
        assert client.cookies["sessionid"].value != fixed
        assert not Session.objects.filter(session_key=fixed).exists()
        client.cookies["sessionid"] = fixed
        assert client.get("/").content == b"home of nobody"

    def test_W3_the_session_key_changes_at_a_second_login_of_the_same_user(
        self, logged_in_client: Client, tenant: Tenant
    ) -> None:
        first = logged_in_client.cookies["sessionid"].value
        walk(logged_in_client, tenant)
        assert logged_in_client.cookies["sessionid"].value != first
        assert not Session.objects.filter(session_key=first).exists()
        row = LoginSession.objects.get()
        assert row.session_key == logged_in_client.cookies["sessionid"].value

    def test_W3_switching_the_user_flushes_the_session(self, logged_in_client: Client, tenant: Tenant) -> None:
        session = logged_in_client.session
        session["basket"] = "of Ada"
        session.save()
        first = LoginSession.objects.get()
        grace = next(user for user in tenant.users.values() if user.nickname == "grace")
        walk(logged_in_client, tenant, user=grace)
        assert "basket" not in session_of(logged_in_client)
        assert LoginSession.objects.get().pk != first.pk
        assert logged_in_client.get("/bare/").content.decode().endswith(grace.sub)


def test_W4_nothing_of_a_login_is_stored_by_caches(client: Client, tenant: Tenant) -> None:
    begun = client.get(LOGIN)
    answers = [
        begun,
        come_back(client, tenant.login(begun["Location"])),
        client.get("/auth0/callback/"),
        client.get("/auth0/logout/"),
        client.get("/auth0/logged-out/"),
        client.post("/auth0/logout/"),
        client.get("/bare/"),
        client.get("/bare/", headers=FETCH),
    ]
    for answer in answers:
        assert answer["Cache-Control"] == "private, no-store"
        has_form = (
            b"csrfmiddlewaretoken" in answer.content
        )  # without a referrer browsers send forms with "Origin: null"
        assert answer["Referrer-Policy"] == ("same-origin" if has_form else "no-referrer")


def test_W7_nothing_is_read_from_a_state_before_it_is_authenticated(client: Client, tenant: Tenant) -> None:
    readable = base64.urlsafe_b64encode(json.dumps({"s": "x", "t": tenant.clock.now(), "n": "/bare/", "r": 0}).encode())
    of_a_logout = query_of(client.post("/auth0/logout/", {"next": "/bare/"})["Location"])["state"]
    for state in (readable.decode().rstrip("="), pickle.dumps({"n": "/bare/"}).hex(), of_a_logout):
        answer = client.get("/auth0/callback/", {"state": state, "code": "x"})
        assert (answer.status_code, answer.context["code"]) == (400, "state_unknown")
        assert "/bare/" not in answer.content.decode()
    # No cookie of our own making: the framework's session only.
    walk(client, tenant)
    assert set(client.cookies) <= {"sessionid", "csrftoken"}
