"""What a process loads, and when: little until it is needed, all of it before a server forks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from django_auth0_flow.testing.tenant import Tenant
from tests.client_keys import client_key
from tests.http_browser import TIMEOUT, HttpBrowser
from tests.picky_api import PickyApi, picky_api
from tests.storm.harness import Site
from tests.storm.servers import GUNICORN, serving_by
from tests.walk import NAVIGATE

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
EMAIL, PASSWORD = "ada@example.com", "correct horse battery staple"
WSGI = "tests.projects.startup.wsgi"
#: One worker each, so that every request meets the same one. The variable TEST_PRELOAD is for ``wsgi``.
LOADED_BY_WORKER = [*GUNICORN, "--worker-class", "gthread", "--threads", "16", WSGI], "0"
LOADED_BEFORE_FORK = [*GUNICORN, "--preload", WSGI], "0"
PRELOADED_BY_WORKER = [*GUNICORN, WSGI], "1"

#: What a page needs that logs no one in.
PACKAGES = {"django", "asgiref", "sqlparse", "django_auth0_flow"}
_OF_THE_SERVER = {"gunicorn", "packaging", "tests"}
NOT_LOADED = {"checks", "doctor", "embedded", "machine", "testing", "rest_framework", "forms"}
CORE = set(
    """
    addresses authorization base64url claim_checks client_auth client_credentials deadline errors grant
    passwordless_channels signing_keys strict_json tokens
    """.split()
)
VIEWS = {"lazy_view", "protection"}  # for the include and the decorators


@pytest.fixture
def api() -> Iterator[PickyApi]:
    with picky_api() as found:
        yield found


@pytest.fixture
def site(tenant: Tenant, api: PickyApi, tmp_path: Path) -> Site:
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "startup.sqlite3")}
    found = Site(tenant, database, DJANGO_SETTINGS_MODULE="tests.projects.startup.settings")
    configure(found, API_ORIGINS=[api.origin])
    found.migrate()
    return found


def configure(site: Site, **keys: Any) -> None:
    site.environment["TEST_AUTH0"] = json.dumps({**json.loads(site.environment["TEST_AUTH0"]), **keys})


def serving(site: Site, server: tuple[list[str], str]) -> Any:
    command, preload = server
    return serving_by(command, {**site.environment, "TEST_PRELOAD": preload})


def get(url: str, **headers: str) -> requests.Response:
    return requests.get(url, headers={**NAVIGATE, **headers}, timeout=TIMEOUT, allow_redirects=False)


def loaded(address: str) -> set[str]:
    """Return the modules that the worker has loaded by now."""
    return set(get(f"{address}/modules/").json()["modules"])


def packages(modules: set[str]) -> set[str]:
    """Return the packages that are neither of the standard library nor of the server."""
    tops = {name.partition(".")[0] for name in modules} - set(sys.stdlib_module_names) - _OF_THE_SERVER
    return {name for name in tops if not name.startswith("_")}


def inside(package: str, modules: set[str]) -> set[str]:
    """Return the modules and packages directly inside a package of ours."""
    prefix = f"django_auth0_flow.{package}".rstrip(".") + "."
    return {name.removeprefix(prefix).partition(".")[0] for name in modules if name.startswith(prefix)}


def log_in(site: Site, address: str) -> HttpBrowser:
    """Log in by redirect and show the page that calls an API."""
    site.tenant.application.callbacks = [f"{address}/auth0/callback/"]
    site.tenant.application.logout_urls = [f"{address}/auth0/logged-out/"]
    browser = HttpBrowser(address)
    browser.open("/auth0/login/?next=/call/")
    answer = browser.visit(site.tenant.login(browser.next_url))
    assert answer.status_code == 200, answer.text
    return browser


def use_refresh_and_log_out(site: Site, browser: HttpBrowser) -> str:
    """Refresh, call the API again, log out; return the access token after the refresh."""
    browser.visit("/call/")
    site.expire()
    renewed = browser.visit("/call/")
    assert renewed.status_code == 200
    # Not by its text: of the same second it is the same token.
    assert site.tenant.count("/oauth/token", grant_type="refresh_token") == 1
    browser.open("/auth0/logout/")
    assert browser.submit().is_redirect
    browser.close()
    return renewed.text


def use_usual_site(site: Site, address: str) -> None:
    token = use_refresh_and_log_out(site, log_in(site, address))
    assert get(f"{address}/api/", Authorization=f"Bearer {token}").text == site.tenant.user.sub


def use_login_only(site: Site, address: str) -> None:
    use_refresh_and_log_out(site, log_in(site, address))


def use_machine_token(site: Site, address: str) -> None:
    assert get(f"{address}/machine/").text == "True"


def use_password(site: Site, address: str) -> None:
    browser = HttpBrowser(address)
    browser.open("/auth0/password/?next=/claims/")
    browser.submit("username", "password", username=EMAIL, password=PASSWORD)
    assert browser.follow().text == site.tenant.user.sub
    browser.close()


def as_usual(tenant: Tenant) -> dict[str, Any]:
    return {}


def stronger(tenant: Tenant) -> dict[str, Any]:
    """Signed requests, a signed client assertion, tokens that are bound to a key of the login."""
    key = client_key("startup")
    tenant.application.public_keys = {"k": key.public_pem}
    tenant.application.token_endpoint_auth_method = "private_key_jwt"
    return {"CLIENT_ASSERTION_KEYS": [{"key": key.pem, "kid": "k"}], "SIGNED_REQUESTS": True, "DPOP": True}


def with_passwords(tenant: Tenant) -> dict[str, Any]:
    tenant.application.grant_types.add("password")
    tenant.user.email, tenant.user.password = EMAIL, PASSWORD
    return {"PASSWORD_REALM": True}


def with_machine_tokens(tenant: Tenant) -> dict[str, Any]:
    tenant.application.client_grants = {tenant.api.identifier: ["read:appointments"]}
    return {"MACHINE_AUDIENCES": [tenant.api.identifier]}


#: What a configuration switches on at both sides, and visits that need it.
CONFIGURATIONS: dict[str, tuple[Callable[[Tenant], dict[str, Any]], Callable[[Site, str], None]]] = {
    "usual": (as_usual, use_usual_site),
    "stronger": (stronger, use_login_only),
    "passwords": (with_passwords, use_password),
    "machine tokens": (with_machine_tokens, use_machine_token),
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_worker_that_is_forked_loads_no_module_any_more(site: Site, name: str) -> None:
    """Django loads its own at the first page; nothing comes after it."""
    configuration, use = CONFIGURATIONS[name]
    configure(site, **configuration(site.tenant))
    with serving(site, LOADED_BEFORE_FORK) as address:
        assert get(address).status_code == 200
        before = loaded(address)
        use(site, address)
        assert sorted(loaded(address) - before) == []


def test_a_worker_that_calls_preload_loads_no_module_any_more(site: Site) -> None:
    with serving(site, PRELOADED_BY_WORKER) as address:
        assert get(address).status_code == 200
        before = loaded(address)
        use_usual_site(site, address)
        assert sorted(loaded(address) - before) == []


FORKS = """
import os, sys
import django
django.setup()
for _ in range(2):
    if not (child := os.fork()):
        os._exit("django_auth0_flow.views.login" not in sys.modules)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize(
    ("secret_key", "said"),
    [("x" * 50, ""), ("", "preload_failed error=ImproperlyConfigured\n")],
    ids=["good settings", "no secret key"],
)
def test_a_process_that_forks_goes_on_whatever_its_settings(tmp_path: Path, secret_key: str, said: str) -> None:
    """An image is built without secrets, and what it runs there may fork."""
    (tmp_path / "forking_settings.py").write_text(f"from tests.settings import *\nSECRET_KEY = {secret_key!r}\n")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", FORKS],
        env={**os.environ, "PYTHONPATH": path, "DJANGO_SETTINGS_MODULE": "forking_settings"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("0\n0\n", said)


def test_an_ordinary_page_loads_nothing_of_what_a_login_needs(site: Site) -> None:
    """The site's code has decorators, the admin and the include, as most have."""
    (cookie,) = site.log_in()
    logged_in = {"Cookie": f"sessionid={cookie}"}
    with serving(site, LOADED_BY_WORKER) as address:
        assert " False " in get(address).text
        assert get(f"{address}/call/").headers["Location"] == "/auth0/login/?next=%2Fcall%2F"
        assert get(f"{address}/api/").status_code == 401
        found = loaded(address)
        assert packages(found) == PACKAGES
        assert inside("", found) & NOT_LOADED == set()
        assert inside("protocol", found) == CORE
        assert "debug" not in inside("pages", found)
        assert inside("views", found) == VIEWS

        assert " True " in get(address, **logged_in).text
        assert packages(loaded(address)) == PACKAGES
        assert get(f"{address}/claims/", **logged_in).text == site.tenant.user.sub
        assert packages(loaded(address)) - PACKAGES == {"cryptography"}, "to open what is sealed"

        use_usual_site(site, address)
        found = loaded(address)
        assert {"requests", "jwt"} <= packages(found)
        assert inside("", found) & NOT_LOADED == set()
        assert "dpop" not in inside("protocol", found)


def test_visitors_who_come_at_once_are_served_by_a_worker_that_has_loaded_nothing(site: Site) -> None:
    """Each needs modules that others are loading at that moment."""
    (cookie,) = site.log_in()
    site.expire()
    expected = {
        "/call/": 200,
        "/auth0/login/": 302,
        "/auth0/callback/?state=unknown&code=any": 400,
        "/auth0/logout/": 200,
        "/auth0/account/": 404,
        "/auth0/mfa/": 302,
        "/machine/": 502,
        "/api/": 401,
    }
    with serving(site, LOADED_BY_WORKER) as address, ThreadPoolExecutor(2 * len(expected)) as pool:
        gate = threading.Barrier(2 * len(expected))

        def visit(path: str) -> int:
            gate.wait()
            return get(address + path, Cookie=f"sessionid={cookie}").status_code

        found = list(pool.map(visit, [*expected, *expected]))
        assert dict(zip(expected, found, strict=False)) == expected
        assert found[len(expected) :] == found[: len(expected)]
