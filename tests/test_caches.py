"""X8: one caller's answer must not reach another through a cache, Django's own before the site included, over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from django.test import Client
from pytest_django.live_server_helper import LiveServer

from django_auth0_flow.protocol.dpop import DPoPKey
from django_auth0_flow.testing.tenant import Tenant
from tests.walk import FETCH, NAVIGATE, walk

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("auth0_settings")]

API = ["/api/", "/api/public/", "/api/never/", "/api/async/"]
DRF = ["/drf/", "/drf/public/", "/drf/never/", "/drf/anybody/"]
PAGES = ["/page/", "/page/public/", "/page/never/", "/page/async/", "/page/mixin/", "/page/silent/"]


@pytest.fixture
def site(settings: Any) -> Iterator[str]:
    """Serve the views with the per-site cache around everything, as Django's documentation has it."""
    settings.ROOT_URLCONF = "tests.urlconfs.cached"
    settings.CACHE_MIDDLEWARE_SECONDS = 600
    settings.MIDDLEWARE = [
        "django.middleware.cache.UpdateCacheMiddleware",
        *settings.MIDDLEWARE,
        "django.middleware.cache.FetchFromCacheMiddleware",
    ]
    server = LiveServer("localhost")
    yield server.url
    server.stop()


@pytest.fixture
def tokens(tenant: Tenant) -> dict[str, str]:
    tenant.api.rbac = False
    tenant.api.scopes += ["read:things"]
    ada, eve = tenant.user, tenant.add_user(sub="auth0|eve", email="eve@example.com")
    return {user.sub: tenant.make_access_token(user, scope="openid") for user in (ada, eve)}


def get(url: str, authorization: str | None = None, **headers: str) -> requests.Response:
    sent = {**headers, **({} if authorization is None else {"Authorization": authorization})}
    return requests.get(url, headers=sent, timeout=120, allow_redirects=False)


def words(answer: requests.Response, name: str) -> set[str]:
    return {word.strip().lower() for word in answer.headers.get(name, "").split(",")} - {""}


def test_the_cache_is_on(site: str) -> None:
    assert get(site + "/anybody/").text == get(site + "/anybody/").text


@pytest.mark.parametrize("paths", [API, DRF], ids=["decorator", "drf"])
class TestTokens:
    def test_X8_nobody_is_served_another_caller_s_answer(
        self, site: str, tokens: dict[str, str], paths: list[str]
    ) -> None:
        for path in paths:
            runs = set()
            for subject, token in [*tokens.items(), *tokens.items()]:
                answer = get(site + path, f"Bearer {token}")
                assert answer.json()["who"] == subject, path
                runs.add(answer.json()["run"])
                assert {"authorization", "dpop"} <= words(answer, "Vary"), path
                control = words(answer, "Cache-Control")
                assert "private" in control, path
                assert "public" not in control, path
                assert ("no-store" in control) is ("never" in path), "what is stricter stays"
            assert len(runs) == 4, path

    @pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer nonsense", "Basic eDp5"])
    def test_X8_without_a_good_token_nothing_is_had(
        self, site: str, tokens: dict[str, str], paths: list[str], header: str | None
    ) -> None:
        for path in paths:
            for token in tokens.values():
                get(site + path, f"Bearer {token}")
            answer = get(site + path, header)
            if path == "/drf/anybody/" and answer.status_code == 200:
                assert answer.json()["who"] == "AnonymousUser"
            else:
                assert answer.status_code == (400 if header == "Bearer" else 401), path
                assert words(answer, "Cache-Control") == {"private", "no-store"}, path
            assert {"authorization", "dpop"} <= words(answer, "Vary"), path

    def test_X8_a_bound_token_never_goes_without_its_proof(self, site: str, tenant: Tenant, paths: list[str]) -> None:
        tenant.api.rbac = False
        key = DPoPKey.generate()
        token = tenant.make_access_token(scope="openid", jkt=key.thumbprint)
        for path in paths:
            proof = key.proof("GET", site + path, now=tenant.clock.now(), access_token=token)
            assert get(site + path, f"DPoP {token}", DPoP=proof).status_code == 200, path
            without = [get(site + path, f"DPoP {token}"), get(site + path, f"DPoP {token}", DPoP="")]
            again = get(site + path, f"DPoP {token}", DPoP=proof)
            as_bearer = get(site + path, f"Bearer {token}")
            for answer in [*without, again, as_bearer]:
                assert answer.status_code == 401, path
                assert words(answer, "Cache-Control") == {"private", "no-store"}, path
                assert {"authorization", "dpop"} <= words(answer, "Vary"), path


def test_X8_a_decorated_dispatch_with_async_handlers(site: str, tokens: dict[str, str]) -> None:
    for subject, token in tokens.items():
        answer = get(site + "/api/handlers/", f"Bearer {token}")
        assert answer.json()["who"] == subject
        assert "private" in words(answer, "Cache-Control")
        assert {"authorization", "dpop"} <= words(answer, "Vary")


def test_a_view_that_forgot_its_answer_is_named(site: str, tokens: dict[str, str]) -> None:
    header = f"Bearer {next(iter(tokens.values()))}"
    with pytest.raises(ValueError, match="didn't return an HttpResponse"):
        Client().get("/api/nothing/", headers={"Authorization": header})


class TestRestFramework:
    def test_X8_a_missing_scope_is_nobody_else_s_news(self, site: str, tokens: dict[str, str]) -> None:
        for token in tokens.values():
            answer = get(site + "/drf/scoped/", f"Bearer {token}")
            assert answer.status_code == 403
            assert words(answer, "Cache-Control") == {"private", "no-store"}
            assert {"authorization", "dpop"} <= words(answer, "Vary")

    def test_X8_what_anybody_may_see_is_still_cached_apart_from_the_rest(
        self, site: str, tokens: dict[str, str]
    ) -> None:
        first = get(site + "/drf/anybody/")
        assert first.json() == get(site + "/drf/anybody/").json()
        for subject, token in tokens.items():
            assert get(site + "/drf/anybody/", f"Bearer {token}").json()["who"] == subject
        assert first.json() == get(site + "/drf/anybody/").json()

    def test_X8_a_browser_s_login_is_private_too(self, site: str, client: Client, tenant: Tenant) -> None:
        walk(client, tenant)
        cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
        answers = [get(site + "/drf/anybody/", Cookie=cookie) for _ in range(2)]
        assert answers[0].json()["run"] != answers[1].json()["run"]
        assert "private" in words(answers[0], "Cache-Control")


class TestPages:
    @pytest.fixture
    def cookies(self, tenant: Tenant) -> dict[str, str]:
        """Return the cookie headers of two people who are logged in, by name."""
        eve, found = tenant.add_user(sub="auth0|eve", email="eve@example.com"), {}
        for user in (tenant.user, eve):
            client = Client()
            walk(client, tenant, user)
            name = client.get("/page/").json()["who"]
            found[name] = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
        return found

    def test_X8_nobody_is_served_another_person_s_page(self, site: str, cookies: dict[str, str]) -> None:
        for path in PAGES:
            runs = set()
            for name, cookie in [*cookies.items(), *cookies.items()]:
                answer = get(site + path, Cookie=cookie, **NAVIGATE)
                assert answer.json()["who"] == name, path
                runs.add(answer.json()["run"])
                assert "cookie" in words(answer, "Vary"), path
                assert "dpop" not in words(answer, "Vary"), path
                control = words(answer, "Cache-Control")
                assert "private" in control, path
                assert "public" not in control, path
                assert ("no-store" in control) is ("never" in path), path
            assert len(runs) == 4, "nothing was stored"

    @pytest.mark.parametrize("headers", [NAVIGATE, FETCH], ids=["person", "script"])
    def test_X8_nor_is_a_stranger(self, site: str, cookies: dict[str, str], headers: dict[str, str]) -> None:
        for path in PAGES:
            for cookie in cookies.values():
                get(site + path, Cookie=cookie, **NAVIGATE)
            stranger = get(site + path, **headers)
            if path == "/page/silent/" and headers is FETCH:
                assert (stranger.json()["who"], words(stranger, "Cache-Control")) == ("", {"private"})
            else:
                assert stranger.status_code == (302 if headers is NAVIGATE else 401), path
                assert words(stranger, "Cache-Control") == {"private", "no-store"}, path

    def test_X8_answers_of_every_kind(self, site: str, cookies: dict[str, str]) -> None:
        for path in ("/page/streamed/", "/page/file/", "/page/template/"):
            answer = get(site + path, Cookie=next(iter(cookies.values())), **NAVIGATE)
            assert (answer.status_code, bool(answer.content)) == (200, True)
            assert "private" in words(answer, "Cache-Control")
            assert "cookie" in words(answer, "Vary")

    def test_X8_no_page_of_ours_is_stored(self, site: str, cookies: dict[str, str]) -> None:
        for path, status in [
            ("/auth0/login/", 302),
            ("/auth0/logout/", 200),
            ("/auth0/logged-out/", 200),
            ("/auth0/callback/", 400),
            ("/auth0/callback/?error=access_denied", 400),
        ]:
            answer = get(site + path, Cookie=next(iter(cookies.values())), **NAVIGATE)
            assert answer.status_code == status, path
            assert words(answer, "Cache-Control") == {"private", "no-store"}, path

    def test_X8_back_channel_answers(self, site: str) -> None:
        answer = requests.post(site + "/auth0/backchannel-logout/", timeout=120)
        assert words(answer, "Cache-Control") == {"private", "no-store"}
