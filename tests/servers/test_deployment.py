"""Whole logins over TLS, through nginx and four application servers, set up as the documentation says."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import closing
from http.cookies import Morsel, SimpleCookie

import pytest
import requests

from django_auth0_flow.testing.tenant import Tenant
from tests.docs.pages import blocks
from tests.forms import forms_on
from tests.http_browser import HttpBrowser
from tests.servers.nginx import Nginx
from tests.servers.process import Server, accepts_connections, free_port
from tests.storm.harness import Site

pytestmark = pytest.mark.slow

WWW, SHOP, PORTAL = "https://www.example.com", "https://shop.example.org", "https://www.example.com/portal"
_GUNICORN = ["gunicorn", "--bind", "127.0.0.1:{port}", "--log-level", "warning", "--workers", "1"]
SERVERS = {
    "gunicorn sync": [*_GUNICORN, "tests.wsgi"],
    "gunicorn gthread": [*_GUNICORN, "--worker-class", "gthread", "--threads", "4", "tests.wsgi"],
    "uvicorn": [
        "uvicorn",
        "--host",
        "127.0.0.1",
        "--port",
        "{port}",
        "--log-level",
        "warning",
        "tests.asgi:application",
    ],
    "hypercorn": ["hypercorn", "--bind", "127.0.0.1:{port}", "--log-level", "warning", "tests.asgi:application"],
}


class ApplicationServer(Server):
    """One of ``SERVERS`` at the port that nginx looks for it at."""

    def __init__(self, command: list[str], at: int, environment: dict[str, str]) -> None:
        self.command = [sys.executable, "-m", *(word.format(port=at) for word in command)]
        self.at, self.environment = at, environment

    def _start(self) -> None:
        self._spawn(self.command, until=lambda: accepts_connections(self.at), environment=self.environment)


@pytest.fixture(scope="module")
def tenant() -> Iterator[Tenant]:
    """One tenant for all, which asks nobody who they are."""
    with Tenant() as running:
        running.auto_login = True
        application, places = running.application, (WWW, SHOP, PORTAL)
        application.callbacks = [f"{place}/{name}/callback/" for place in places for name in ("auth0", "partners")]
        application.logout_urls = [f"{place}/auth0/logged-out/" for place in places]
        yield running


@pytest.fixture(scope="module")
def site(tenant: Tenant, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The test project; its configuration ``partners`` gets its answers by POST."""
    name = str(tmp_path_factory.mktemp("deployment") / "site.db")
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": name, "OPTIONS": {"timeout": 120}}
    found = Site(tenant, database, DJANGO_SETTINGS_MODULE="tests.projects.behind_nginx.settings")
    auth0 = json.loads(found.environment["TEST_AUTH0"])
    found.environment["TEST_AUTH0"] = json.dumps(
        {"default": auth0, "partners": {**auth0, "RESPONSE_MODE": "form_post"}}
    )
    found.migrate()
    return found


@pytest.fixture(scope="module")
def behind() -> dict[str, tuple[int, int]]:
    """The ports of each server: the site at the root of its hosts, and the one below a path."""
    return {name: (free_port(), free_port()) for name in SERVERS}


@pytest.fixture(scope="module")
def nginx(behind: dict[str, tuple[int, int]]) -> Iterator[Nginx]:
    (documented,) = blocks("proxy")
    with Nginx(
        {
            name: documented.code.replace(":8000", f":{root}").replace(":8001", f":{below}")
            for name, (root, below) in behind.items()
        }
    ) as running:
        yield running


@pytest.fixture(scope="module", params=SERVERS)
def server(
    request: pytest.FixtureRequest, site: Site, behind: dict[str, tuple[int, int]], nginx: Nginx
) -> Iterator[str]:
    """The name of a server that runs, with both sites."""
    below = {**site.environment, "TEST_BELOW_A_PATH": "1"}
    if "gunicorn" in request.param:
        below["SCRIPT_NAME"] = "/portal"
    ports = behind[request.param]
    with (
        ApplicationServer(SERVERS[request.param], ports[0], site.environment),
        ApplicationServer(SERVERS[request.param], ports[1], below),
    ):
        yield request.param


class Visitor(HttpBrowser):
    """Somebody at one of the places; nginx is reached over TLS, and its certificate is checked."""

    def __init__(self, place: str, nginx: Nginx, server: str) -> None:
        super().__init__("/".join(place.split("/")[:3]), server=f"https://127.0.0.1:{nginx.ports[server]}")
        self.session.verify = str(nginx.ca)
        #: Those that were set, deletions left out.
        self.cookies: dict[str, Morsel[str]] = {}
        self.session.hooks["response"].append(self._note_cookies)

    def _note_cookies(self, answer: requests.Response, **options: object) -> None:
        if str(answer.url).startswith(self.server):
            for header in answer.raw.headers.getlist("Set-Cookie"):
                self.cookies |= {name: found for name, found in SimpleCookie(header).items() if found["max-age"] != "0"}


@pytest.fixture(params=[WWW, SHOP, PORTAL], ids=["a host", "another host", "a path"])
def place(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def visitor(place: str, nginx: Nginx, server: str, tenant: Tenant) -> Iterator[Visitor]:
    tenant.clear_log()
    with closing(Visitor(place, nginx, server)) as found:
        yield found
    assert {name for name, cookie in found.cookies.items() if not cookie["secure"]} == set()


def sent_to(tenant: Tenant, path: str, parameter: str) -> list[str]:
    """Return what came with a parameter to an endpoint of the tenant."""
    return [value for asked in tenant.requests if asked.path == path for value in asked.query.get(parameter, [])]


def test_a_whole_login_and_logout(visitor: Visitor, place: str, tenant: Tenant) -> None:
    page = visitor.visit(f"{place}/bare/?page=2")
    assert (visitor.url, page.text) == (f"{place}/bare/?page=2", f"bare {tenant.user.sub}")
    assert sent_to(tenant, "/authorize", "redirect_uri") == [f"{place}/auth0/callback/"]
    visitor.open(f"{place}/auth0/logout/")
    path = "/portal/" if place == PORTAL else "/"
    assert {visitor.cookies[name]["path"] for name in ("sessionid", "csrftoken")} == {path}
    page = visitor.submit(to="logout")
    assert page.status_code == 302, page.text
    visitor.follow()
    assert sent_to(tenant, "/oidc/logout", "post_logout_redirect_uri") == [f"{place}/auth0/logged-out/"]
    assert (visitor.url, visitor.answer.text) == (f"{place}/", "home of nobody")


def test_next_is_an_address_of_this_place(visitor: Visitor, place: str) -> None:
    visitor.visit(f"{place}/auth0/login/?next={place}/plain/")
    assert (visitor.url, visitor.answer.text) == (f"{place}/plain/", "plain")
    for elsewhere in ("https://evil.example/", place.replace("https", "http") + "/plain/"):
        visitor.visit(f"{place}/auth0/login/?next={elsewhere}")
        assert visitor.url == f"{place}/"


def test_an_answer_by_post_arrives_with_its_own_cookie(visitor: Visitor, place: str, tenant: Tenant) -> None:
    visitor.visit(f"{place}/partners/login/?next={place.removeprefix(visitor.site)}/plain/")
    (form,) = forms_on(visitor.answer.text)
    assert form.action == f"{place}/partners/callback/"
    visitor.post_from_elsewhere(form.action, form.hidden)
    visitor.follow()
    assert (visitor.url, visitor.answer.text) == (f"{place}/plain/", "plain")
    (own,) = (cookie for name, cookie in visitor.cookies.items() if name.startswith("__Host-"))
    assert (own["samesite"], own["path"], own["domain"]) == ("None", "/", "")


def test_headers_of_a_visitor_are_replaced(visitor: Visitor, place: str, tenant: Tenant) -> None:
    visitor.session.headers.update(
        {"X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.example", "Script-Name": "/x"}
    )
    visitor.visit(f"{place}/bare/")
    assert visitor.url == f"{place}/bare/"
    assert sent_to(tenant, "/authorize", "redirect_uri") == [f"{place}/auth0/callback/"]
