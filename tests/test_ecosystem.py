"""Where projects differ: time zones, sub-paths, proxies, several databases, async views, scripts, tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db.models.functions import Now
from django.test import AsyncClient, Client
from django.urls import get_script_prefix, set_script_prefix
from django.utils import timezone

from django_auth0_flow.models import LoginSession
from django_auth0_flow.testing import (
    FakeApi,
    aauth0_login,
    auth0_login,
    expire_tokens,
    log_in_at,
    make_access_token,
    settings_for,
)
from django_auth0_flow.testing.site import register_site
from django_auth0_flow.testing.tenant import Tenant
from tests.projects import run_cases
from tests.walk import FETCH, LOGIN, NAVIGATE, come_back, is_logged_in, query_of, walk

pytestmark = pytest.mark.django_db


@pytest.mark.usefixtures("auth0_settings")
@pytest.mark.parametrize("use_tz", [True, False])
class TestTimeZones:
    """The same with aware and with naive datetimes, far from UTC."""

    @pytest.fixture(autouse=True)
    def zone(self, settings: Any, use_tz: bool) -> None:
        settings.USE_TZ, settings.TIME_ZONE = use_tz, "Asia/Tokyo"

    def test_login_refresh_and_logout(self, client: Client, tenant: Tenant) -> None:
        walk(client, tenant)
        tenant.clock.advance(90000)
        assert client.get("/token/").status_code == 200
        assert tenant.count("/oauth/token", grant_type="refresh_token") == 1
        client.post("/auth0/logout/")
        assert not LoginSession.objects.exists()

    def test_a_lease_whose_holder_died_ends_and_a_living_one_holds(self, client: Client, tenant: Tenant) -> None:
        walk(client, tenant)
        row = LoginSession.objects.get()
        assert row.claim("theirs", 60)
        assert not row.claim("ours", 60)
        LoginSession.objects.update(lease_expires_at=Now() - timedelta(seconds=1))  # by the clock of leases
        assert row.claim("ours", 60)

    def test_clearing_away_takes_dead_rows_only(self, client: Client, tenant: Tenant) -> None:
        walk(client, tenant)
        call_command("auth0_clearsessions")
        assert LoginSession.objects.count() == 1
        Session.objects.all().delete()
        call_command("auth0_clearsessions")
        assert LoginSession.objects.count() == 1  # missing, perhaps for a moment
        LoginSession.objects.update(session_missing_since=timezone.now() - timedelta(seconds=400))
        call_command("auth0_clearsessions")
        assert not LoginSession.objects.exists()

    def test_back_channel_logout(self, client: Client, tenant: Tenant) -> None:
        walk(client, tenant)
        form = f"logout_token={tenant.make_logout_token(sub=tenant.user.sub)}"
        kind = "application/x-www-form-urlencoded"
        assert client.post("/auth0/backchannel-logout/", data=form, content_type=kind).status_code == 200
        assert not is_logged_in(client)


class TestSubPaths:
    """The site below a path: ``SCRIPT_NAME`` from the server, or ``FORCE_SCRIPT_NAME``."""

    @pytest.fixture(autouse=True)
    def prefix(self) -> Iterator[None]:
        before = get_script_prefix()
        set_script_prefix("/sub/")
        yield
        set_script_prefix(before)

    @pytest.fixture(params=["SCRIPT_NAME", "FORCE_SCRIPT_NAME"])
    def client(self, request: pytest.FixtureRequest, settings: Any, tenant: Tenant) -> Client:
        settings.AUTH0 = settings_for(tenant)
        if request.param == "FORCE_SCRIPT_NAME":
            settings.FORCE_SCRIPT_NAME = "/sub"
            return Client(headers=NAVIGATE)
        return Client(headers=NAVIGATE, SCRIPT_NAME="/sub")

    def test_the_whole_way(self, client: Client, tenant: Tenant) -> None:
        page = client.get("/bare/?a=1")
        assert page["Location"] == "/sub/auth0/login/?next=%2Fsub%2Fbare%2F%3Fa%3D1"
        start = client.get("/auth0/login/", query_of(page["Location"]))["Location"]
        assert query_of(start)["redirect_uri"] == "http://testserver/sub/auth0/callback/"
        back = client.get(tenant.login(start).removeprefix("http://testserver/sub"))
        assert back["Location"] == "/sub/bare/?a=1"
        assert client.get("/bare/").status_code == 200
        out = client.post("/auth0/logout/")["Location"]
        assert query_of(out)["post_logout_redirect_uri"] == "http://testserver/sub/auth0/logged-out/"

    def test_pages_link_below_the_path(self, client: Client) -> None:
        assert 'action="/sub/auth0/logout/"' in client.get("/auth0/logout/").content.decode()
        failed = client.get("/auth0/callback/?state=x&code=y").content.decode()
        assert 'href="/sub/auth0/login/' in failed

    def test_scripts_are_told_where_to_log_in(self, client: Client) -> None:
        assert client.get("/bare/", headers=FETCH).json()["login_url"] == "/sub/auth0/login/"

    @pytest.mark.parametrize("mode", ["form_post", "query"])
    def test_the_test_kit_finds_its_way(self, client: Client, tenant: Tenant, settings: Any, mode: str) -> None:
        settings.AUTH0 = settings_for(tenant, RESPONSE_MODE=mode)
        assert log_in_at(tenant, client, next="/sub/bare/")["Location"] == "/sub/bare/"
        assert is_logged_in(client)


class TestProxies:
    """Behind a proxy that speaks TLS with the visitors and plain http with Django."""

    HEADERS = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "www.example.com"}

    @pytest.fixture(autouse=True)
    def deployment(self, settings: Any, tenant: Tenant) -> Any:
        settings.ALLOWED_HOSTS = ["testserver", "www.example.com"]
        register_site(tenant, "https://www.example.com")
        settings.AUTH0 = settings_for(tenant)
        return settings

    @pytest.fixture
    def client(self) -> Client:
        return Client(headers={**NAVIGATE, **self.HEADERS})

    def test_trusted_headers_make_the_public_address(self, client: Client, tenant: Tenant, deployment: Any) -> None:
        deployment.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
        deployment.USE_X_FORWARDED_HOST = True
        deployment.SESSION_COOKIE_SECURE = True
        start = client.get(LOGIN, {"next": "https://www.example.com/bare/"})["Location"]
        assert query_of(start)["redirect_uri"] == "https://www.example.com/auth0/callback/"
        back = client.get(tenant.login(start).removeprefix("https://www.example.com"))
        assert back["Location"] == "https://www.example.com/bare/"
        assert client.get("/bare/").status_code == 200
        out = client.post("/auth0/logout/")["Location"]
        assert query_of(out)["post_logout_redirect_uri"] == "https://www.example.com/auth0/logged-out/"

    def test_headers_that_nobody_vouches_for_change_nothing(self, client: Client) -> None:
        start = client.get(LOGIN, {"next": "https://www.example.com/bare/"})["Location"]
        assert query_of(start)["redirect_uri"] == "http://testserver/auth0/callback/"

    def test_base_url_needs_no_headers(self, tenant: Tenant, deployment: Any) -> None:
        deployment.AUTH0 = settings_for(tenant, BASE_URL="https://www.example.com/")
        client = Client(headers=NAVIGATE)
        start = client.get(LOGIN)["Location"]
        assert query_of(start)["redirect_uri"] == "https://www.example.com/auth0/callback/"
        assert client.get(tenant.login(start).removeprefix("https://www.example.com")).status_code == 302
        assert is_logged_in(client)


class TestAsyncViews:
    @pytest.fixture(autouse=True)
    def urls(self, settings: Any, auth0_settings: Callable[..., Any]) -> None:
        settings.ROOT_URLCONF = "tests.urlconfs.ecosystem"

    @staticmethod
    def run(path: str, *, stale: bool = False, **login: Any) -> Any:
        """Log an async client in and let it open ``path``."""

        async def main() -> Any:
            client = AsyncClient(headers=NAVIGATE)
            await aauth0_login(client, **login)
            if stale:
                await sync_to_async(expire_tokens)(client)
            return await client.get(path)

        return async_to_sync(main)()

    def test_all_of_request_auth0(self) -> None:
        with FakeApi() as api:
            api.on("POST", "https://api.example.com/things", json={"made": True}, status=201)
            answer = self.run(
                "/async/everything/",
                sub="auth0|ada",
                scopes="openid read:things",
                permissions="write:things",
                organization="org_1",
                stale=True,
            ).json()
        token = answer.pop("token")
        assert answer == {
            "sub": "auth0|ada",
            "scopes": ["openid", "read:things"],
            "permissions": ["write:things"],
            "organization": "org_1",
            "api": {"made": True},
        }
        (call,) = api.calls
        assert (call.access_token, call.json()) == (token, {"a": 1})

    def test_permissions_are_checked(self) -> None:
        assert self.run("/async/permitted/", permissions="write:things").content == b"permitted"
        assert self.run("/async/permitted/")["Location"].partition("?")[0].endswith("/authorize")

    def test_a_refresh_in_a_view_that_is_not_marked(self) -> None:
        assert self.run("/async/unmarked/", stale=True).status_code == 200

    def test_an_api(self) -> None:
        token = make_access_token(sub="auth0|ada", scopes="read:things")

        async def ask() -> Any:
            return await AsyncClient().get("/async/api/", headers={"Authorization": f"Bearer {token}"})

        assert async_to_sync(ask)().json() == {"sub": "auth0|ada"}


class TestHtmx:
    """What only HTMX sends; the table of answers is in ``test_error_responses``."""

    HEADERS = {"HX-Request": "true", "HX-Current-URL": "http://testserver/page/", "Accept": "*/*"}

    @pytest.mark.parametrize("more", [{}, {"HX-Boosted": "true"}, {"HX-History-Restore-Request": "true"}], ids=str)
    def test_the_whole_page_goes_to_the_login_and_comes_back(
        self, client: Client, auth0_settings: Callable[..., Any], more: dict[str, str]
    ) -> None:
        answer = client.get("/bare/", headers={**self.HEADERS, **more})
        assert (answer.status_code, answer["HX-Redirect"]) == (401, f"{LOGIN}?next=%2Fpage%2F")
        assert "Location" not in answer

    def test_an_expired_grant_while_a_fragment_is_posted(self, client: Client, auth0_settings: Any) -> None:
        auth0_login(client)
        expire_tokens(client)
        LoginSession.objects.all().delete()
        answer = client.post("/token/", headers=self.HEADERS)
        assert (answer.status_code, answer["HX-Redirect"]) == (401, f"{LOGIN}?next=%2Fpage%2F")

    def test_a_live_login_gets_its_fragment(self, client: Client, auth0_settings: Any) -> None:
        auth0_login(client)
        assert client.get("/token/", headers=self.HEADERS).status_code == 200


class _Inline(HTMLParser):
    """Notes what a strict policy would not let a browser run, show or load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.forms: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in ("style", "base", "iframe", "object", "embed") or (tag == "script" and "src" not in values):
            self.found.append(tag)
        self.found += [name for name in values if name.startswith("on") or name == "style"]
        self.found += [url for name in ("src", "href") if (url := values.get(name) or "").startswith(("http", "//"))]
        if tag == "form":
            self.forms.append(values.get("action") or "")


class TestContentSecurityPolicy:
    """Under django-csp with nothing but the site's own style sheets and forms. What a browser says is in tests/browser."""

    PAGES = {
        "/auth0/logout/": 200,
        "/auth0/logged-out/": 200,
        "/auth0/callback/?state=x&code=y": 400,
        "/permitted/": 403,
        "/token/": 503,
    }

    @pytest.fixture(autouse=True)
    def policy(self, settings: Any, auth0_settings: Callable[..., Any]) -> None:
        settings.MIDDLEWARE = ["csp.middleware.CSPMiddleware", *settings.MIDDLEWARE]
        settings.CONTENT_SECURITY_POLICY = {
            "DIRECTIVES": {"default-src": ["'none'"], "style-src": ["'self'"], "form-action": ["'self'"]}
        }

    @pytest.mark.parametrize("path", PAGES)
    def test_our_pages_need_nothing_more(self, client: Client, tenant: Tenant, path: str) -> None:
        walk(client, tenant)
        if path == "/permitted/":
            come_back(client, tenant.login(client.get(path, headers=NAVIGATE)["Location"]))
        if path == "/token/":
            expire_tokens(client)
            tenant.fault("drop", times=None)
        answer = client.get(path, headers=NAVIGATE)
        assert answer.status_code == self.PAGES[path]
        assert "style-src 'self'" in answer["Content-Security-Policy"]
        page = _Inline()
        page.feed(answer.content.decode())
        assert page.found == []
        assert all(action.startswith("/") for action in page.forms)


def test_several_databases_with_a_replica() -> None:
    run_cases("two_databases", without=("TEST_DATABASE",))
