"""The budgets: HTTP requests to the tenant and SQL statements per step, counted. Run with ``-s`` to see the numbers."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.http import JsonResponse
from django.test import Client
from django.urls import include, path
from django.utils import timezone

from django_auth0_flow.storage.sealing import unseal
from django_auth0_flow.testing.tenant import Tenant
from tests.costs import Cost, counted
from tests.sample_views import Request, home
from tests.walk import come_back, start, walk

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("auth0_settings")]

#: LoginRequiredMiddleware reads the session before our views do; the pending logins are then read afresh.
READ_BEFORE = int(any("LoginRequired" in name for name in django_settings.MIDDLEWARE))


@pytest.fixture
def warm(tenant: Tenant, auth0_settings: Any, db: None) -> None:
    """A worker that has logged somebody in before: metadata and keys are at hand."""
    walk(Client(), tenant, user=next(user for user in tenant.users.values() if user.nickname == "grace"))


@pytest.mark.usefixtures("warm")
class TestLogin:
    def test_login_page_of_a_new_visitor(self, client: Client, tenant: Tenant) -> None:
        with counted("/login/, no session yet", tenant) as cost:
            start(client)
        assert cost.http == []
        assert len(cost.sql) <= 2

    def test_login_page_of_a_visitor_with_a_session(self, client: Client, tenant: Tenant) -> None:
        start(client)
        with counted("/login/, with a session", tenant) as cost:
            start(client)
        assert cost.http == []
        assert len(cost.sql) <= 2 + READ_BEFORE

    def test_callback_of_a_known_user(self, client: Client, tenant: Tenant) -> None:
        walk(Client(), tenant)
        url = tenant.login(start(client))
        with counted("/callback/, known user", tenant) as cost:
            come_back(client, url)
        assert cost.http == ["/oauth/token"]
        assert len(cost.sql) <= 10 + READ_BEFORE

    def test_callback_of_a_new_user(self, client: Client, tenant: Tenant) -> None:
        url = tenant.login(start(client))
        with counted("/callback/, new user", tenant) as cost:
            come_back(client, url)
        assert cost.http == ["/oauth/token"]
        assert len(cost.sql) <= 12 + READ_BEFORE

    def test_callback_with_groups(
        self, client: Client, tenant: Tenant, auth0_settings: Callable[..., Any], django_user_model: Any
    ) -> None:
        from django.contrib.auth.models import Group

        auth0_settings(GROUPS_CLAIM="roles", STAFF_GROUPS=["editors"])
        Group.objects.create(name="editors")
        tenant.user.claims["roles"] = ["editors"]
        walk(Client(), tenant)
        url = tenant.login(start(client))
        with counted("/callback/, known user in groups", tenant) as cost:
            come_back(client, url)
        assert cost.http == ["/oauth/token"]
        assert len(cost.sql) <= 11 + READ_BEFORE  # the groups take one more

    def test_callback_of_a_visitor_who_is_logged_in(self, client: Client, tenant: Tenant) -> None:
        walk(client, tenant)
        url = tenant.login(start(client))
        with counted("/callback/, logged in already", tenant) as cost:
            come_back(client, url)
        assert cost.http == ["/oauth/token"]
        assert len(cost.sql) <= 14


def test_a_cold_worker_fetches_metadata_and_keys_once(client: Client, tenant: Tenant) -> None:
    with counted("/login/, cold", tenant) as cost:
        url = start(client)
    assert cost.http == ["/.well-known/openid-configuration"]
    url = tenant.login(url)
    with counted("/callback/, cold", tenant) as cost:
        come_back(client, url)
    assert cost.http == ["/oauth/token", "/.well-known/jwks.json"]


class TestRequests:
    @pytest.mark.parametrize("path", ["/plain/", "/"])
    def test_a_request_that_does_not_touch_the_login(
        self, client: Client, tenant: Tenant, settings: Any, path: str
    ) -> None:
        walk(client, tenant)
        tenant.clock.advance(90000)  # even with an expired token

        def cost_of() -> Cost:
            with counted(f"{path} with {len(settings.MIDDLEWARE)} middlewares", tenant) as cost:
                # A client of its own has the chain of this moment.
                (other := Client()).cookies.update(client.cookies)
                assert other.get(path).status_code == 200
            return cost

        with_ours = cost_of()
        settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if not name.startswith("django_auth0_flow")]
        without = cost_of()
        assert with_ours.http == without.http == []
        assert len(with_ours.sql) == len(without.sql)

    def test_an_anonymous_request(self, client: Client, tenant: Tenant) -> None:
        with counted("/plain/, anonymous", tenant) as cost:
            client.get("/auth0/logout/")
        assert (cost.http, cost.sql) == ([], [])

    @pytest.mark.parametrize("path", ["/token/", "/unmarked-token/", "/bare/"])
    def test_a_live_token_costs_one_query(self, client: Client, tenant: Tenant, path: str) -> None:
        walk(client, tenant)
        with counted(f"{path}, live token", tenant) as cost:
            client.get(path)
        assert cost.http == []
        # Django's own two: the session and the user. The view without decorator does without the user.
        own = [sql for sql in cost.sql if "auth0_flow" in sql]
        assert len(own) == 1
        assert len(cost.sql) <= 3

    def test_reading_the_login_costs_one_query_and_one_unsealing(
        self, client: Client, tenant: Tenant, settings: Any
    ) -> None:
        settings.ROOT_URLCONF = __name__
        walk(client, tenant)
        with counted("/reads/", tenant) as cost, calls_of(unseal) as unsealings:
            answer = client.get("/reads/").json()
        assert answer == [True, tenant.user.sub, ["email", "offline_access", "openid", "profile"], None, True]
        assert cost.http == []
        assert len([sql for sql in cost.sql if "auth0_flow" in sql]) == 1
        assert len(cost.sql) == 3  # Django's own two: the session and the user
        assert len(unsealings) == 1

    def test_an_expired_token_costs_one_token_request(self, client: Client, tenant: Tenant) -> None:
        walk(client, tenant)
        tenant.clock.advance(90000)
        with counted("/token/, expired token", tenant) as cost:
            client.get("/token/")
        assert cost.http == ["/oauth/token"]
        assert len(cost.sql) <= 7  # one of them because the test itself is a transaction


def reads(request: Request) -> JsonResponse:
    login = request.auth0
    row = login.login_session
    mine = row.identity.user_id == request.user.pk and row.created_at <= timezone.now()
    return JsonResponse(
        [login.is_logged_in, login.claims["sub"], sorted(login.scopes), login.organization, mine], safe=False
    )


urlpatterns = [path("auth0/", include("django_auth0_flow.urls")), path("", home), path("reads/", reads)]


@contextmanager
def calls_of(function: Any) -> Iterator[list[str]]:
    """Note each call of a function of ours in this thread."""
    calls: list[str] = []

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code is function.__code__:
            calls.append(event)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield calls
    finally:
        sys.setprofile(before)


class _Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1  # type: ignore[attr-defined]  # set by the fixture

    def do_GET(self) -> None:
        self.server.calls.append(self.headers["Authorization"])  # type: ignore[attr-defined]  # set by the fixture
        body = json.dumps({"ok": True}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Be quiet."""


@pytest.fixture
def api() -> Iterator[Any]:
    """A small API on loopback that notes the Authorization headers it gets, and counts the connections."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Api) as server:
        server.daemon_threads, server.block_on_close = True, False
        server.calls, server.connections = [], 0  # type: ignore[attr-defined]  # for _Api
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_api_calls_go_to_the_api_alone(
    client: Client, tenant: Tenant, api: Any, auth0_settings: Callable[..., Any]
) -> None:
    origin = f"http://127.0.0.1:{api.server_port}"
    auth0_settings(API_ORIGINS=[origin])
    walk(client, tenant)
    for number, step in enumerate(("first API call", "API call with a live token"), start=1):
        with counted(step, tenant) as cost:
            assert client.get("/call/", {"url": f"{origin}/things"}).content == b'{"ok": true}'
        assert cost.http == []
        assert len(api.calls) == number
        assert len(cost.sql) <= 3
    assert all(header.startswith("Bearer eyJ") for header in api.calls)


def test_api_calls_of_two_visitors_need_one_connection(
    tenant: Tenant, api: Any, auth0_settings: Callable[..., Any]
) -> None:
    origin = f"http://127.0.0.1:{api.server_port}"
    auth0_settings(API_ORIGINS=[origin])
    grace = next(user for user in tenant.users.values() if user.nickname == "grace")
    browsers = [Client(), Client()]
    for browser, user in zip(browsers, (tenant.user, grace), strict=True):
        walk(browser, tenant, user=user)
    for number in range(40):
        assert browsers[number % 2].get("/call/", {"url": f"{origin}/things"}).status_code == 200
    assert len(set(api.calls)) == 2
    assert api.connections <= 40 * 0.05
