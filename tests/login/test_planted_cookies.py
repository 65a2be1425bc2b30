"""X1: cookies that a neighbouring subdomain plants in a visitor's browser count for nothing, over real HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests
from django.contrib.sessions.models import Session
from pytest_django.live_server_helper import LiveServer

from django_auth0_flow.models import LoginSession
from django_auth0_flow.testing.tenant import AuthorizationAnswer, Tenant, User
from tests.http_browser import HttpBrowser
from tests.walk import CALLBACK, LOGIN

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.front_urls")]
Configure = Callable[..., dict[str, Any]]
HOST = "www.example.com"
PREFIX = "__Host-"


class CookieBrowser(HttpBrowser):
    """A browser at ``site``, which ``server`` serves; a neighbour can plant cookies in it."""

    def __init__(self, server: str, site: str, tenant: Tenant, user: User, headers: dict[str, str]) -> None:
        super().__init__(site, server=server, headers=headers)
        self.tenant, self.user = tenant.browser(), user
        self.planted: dict[str, str] = {}

    def plant(self, cookies: dict[str, str]) -> None:
        self.planted = cookies
        for name, value in cookies.items():
            self.session.cookies.set(name, value, rest={"SameSite": "None"})

    def kept(self) -> dict[str, str]:
        """Return the cookies that the site set."""
        return {name: value for name, value in self.session.cookies.items() if name not in self.planted}

    def begin(self) -> str:
        self.open(f"{LOGIN}?next=/bare/")
        return self.next_url

    def at_tenant(self, url: str) -> AuthorizationAnswer:
        return self.tenant.authorize(url, self.user)

    def bring(self, answer: AuthorizationAnswer) -> requests.Response:
        assert answer.method == "POST"
        return self.post_from_elsewhere(answer.url, answer.fields)

    def who(self) -> str:
        page = self.open("/show/")
        assert page.status_code == 200
        return page.text.split()[0]


@pytest.fixture
def grace(tenant: Tenant) -> User:
    return next(user for user in tenant.users.values() if user.nickname == "grace")


@pytest.fixture(params=["a proxy that says https", "BASE_URL alone", "a proxy and BASE_URL"])
def open_browser(
    request: pytest.FixtureRequest, tenant: Tenant, auth0_settings: Configure, settings: Any, live_server: LiveServer
) -> Callable[[User], CookieBrowser]:
    """Serve https://www.example.com in one of the ways that sites behind TLS are set up; return who opens browsers."""
    settings.ALLOWED_HOSTS = [HOST]
    headers = {}
    base_url = {} if request.param == "a proxy that says https" else {"BASE_URL": f"https://{HOST}"}
    if request.param != "BASE_URL alone":
        settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
        headers = {"X-Forwarded-Proto": "https"}
    tenant.application.callbacks = [f"https://{HOST}{CALLBACK}"]
    auth0_settings(RESPONSE_MODE="form_post", **base_url)
    return lambda user: CookieBrowser(live_server.url, f"https://{HOST}", tenant, user, headers)


@pytest.fixture
def attacker(open_browser: Callable[[User], CookieBrowser], grace: User) -> CookieBrowser:
    return open_browser(grace)


@pytest.fixture
def victim(open_browser: Callable[[User], CookieBrowser], tenant: Tenant) -> CookieBrowser:
    return open_browser(tenant.user)


def login_cookies(browser: CookieBrowser) -> dict[str, str]:
    return {name: value for name, value in browser.kept().items() if "auth0_login_" in name}


def test_X1_a_planted_cookie_brings_no_answer_into_the_attackers_session(
    victim: CookieBrowser, attacker: CookieBrowser, tenant: Tenant
) -> None:
    trap = attacker.begin()
    ((name, value),) = login_cookies(attacker).items()
    assert name.startswith(PREFIX)
    # A neighbour can set any name for the whole domain but those with the prefix.
    victim.plant({name.removeprefix(PREFIX): value})
    posted = victim.bring(victim.at_tenant(trap))
    harvest = attacker.open(posted.headers["Location"])
    assert harvest.headers.get("Location", "") != "/bare/"
    assert attacker.who() == "nobody"
    assert victim.who() == "nobody"
    assert tenant.count("/oauth/token") == 0
    assert not LoginSession.objects.exists()


def test_X1_nor_does_it_keep_the_victim_from_logging_in(victim: CookieBrowser, attacker: CookieBrowser) -> None:
    attacker.begin()
    own = victim.begin()
    names = [*login_cookies(attacker), *login_cookies(victim)]
    victim.plant({name.removeprefix(PREFIX): "1.x" for name in names})
    posted = victim.bring(victim.at_tenant(own))
    assert victim.open(posted.headers["Location"]).headers["Location"].endswith("/bare/")
    assert victim.who() == victim.user.sub
    assert not login_cookies(victim)


def test_X1_planted_cookies_push_no_login_under_way_out(victim: CookieBrowser) -> None:
    victim.plant({f"auth0_login_{number:016x}": f"{number}.x" for number in range(20)})
    own = victim.begin()
    for _ in range(3):
        victim.begin()
    posted = victim.bring(victim.at_tenant(own))
    assert victim.open(posted.headers["Location"]).headers["Location"].endswith("/bare/")
    assert victim.who() == victim.user.sub


def test_X1_an_honest_login_sets_no_other_cookie_of_ours(victim: CookieBrowser) -> None:
    set_names = set(victim.kept())
    posted = None
    own = victim.begin()
    set_names |= set(victim.kept())
    posted = victim.bring(victim.at_tenant(own))
    victim.open(posted.headers["Location"])
    assert victim.who() == victim.user.sub
    ours = {name for name in set_names | set(victim.kept()) if name not in ("sessionid", "csrftoken")}
    assert ours
    assert all(name.startswith(f"{PREFIX}auth0_login_") for name in ours)


def test_X1_a_planted_probe_cookie_only_says_that_the_browser_keeps_cookies(
    victim: CookieBrowser, tenant: Tenant
) -> None:
    victim.plant({"auth0_cookies": "0", f"{PREFIX}auth0_cookies": "'\"<x>"})
    answer = victim.open("/quiet/")
    assert answer.headers["Location"].startswith(f"{tenant.issuer}authorize?")
    assert not Session.objects.filter(session_data__contains="auth0_cookies").exists()
    assert victim.who() == "nobody"


def test_X1_on_loopback_without_https_a_login_works_under_the_bare_name(
    tenant: Tenant, auth0_settings: Configure, live_server: LiveServer
) -> None:
    origin = live_server.url.replace("127.0.0.1", "localhost")
    tenant.application.callbacks = [f"{origin}{CALLBACK}"]
    auth0_settings(RESPONSE_MODE="form_post")
    browser = CookieBrowser(live_server.url, origin, tenant, tenant.user, {})
    own = browser.begin()
    assert all(name.startswith("auth0_login_") for name in login_cookies(browser))
    posted = browser.bring(browser.at_tenant(own))
    assert browser.open(posted.headers["Location"]).headers["Location"] == "/bare/"
    assert browser.who() == tenant.user.sub


def test_X1_plain_http_elsewhere_takes_no_cookie_at_all(
    tenant: Tenant, auth0_settings: Configure, settings: Any, live_server: LiveServer, grace: User
) -> None:
    """Where neither a header nor BASE_URL tells Django of TLS in front, nothing can be planted either."""
    settings.ALLOWED_HOSTS = [HOST]
    origin = f"http://{HOST}"
    tenant.application.callbacks = [f"{origin}{CALLBACK}"]
    auth0_settings(RESPONSE_MODE="form_post")
    attacker = CookieBrowser(live_server.url, origin, tenant, grace, {})
    victim = CookieBrowser(live_server.url, origin, tenant, tenant.user, {})
    trap = attacker.begin()
    assert not login_cookies(attacker)
    posted = victim.bring(victim.at_tenant(trap))
    attacker.open(posted.headers["Location"])
    assert attacker.who() == "nobody"
