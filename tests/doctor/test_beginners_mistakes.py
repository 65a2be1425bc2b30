"""What a beginner does wrong, each on purpose in a small site, and where it is said with the way out.

Each row makes one mistake. ``says`` names the places where a developer meets it, and part of what is said there: the page
with DEBUG, the log, ``manage.py check``, the doctor, the error on Django's own page.
"""

from __future__ import annotations

import html
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.urls import NoReverseMatch

from django_auth0_flow.testing.tenant import Tenant
from tests.doctor.support import OLD_SECRET, SITE, Configure, doctor
from tests.visitor import Visitor

BACKEND = "django_auth0_flow.backends.Auth0Backend"
MIDDLEWARE = "django_auth0_flow.middleware.Auth0Middleware"
PROXY = 'SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")'
LOCAL = "http://localhost:8000"


@dataclass
class Site:
    """The small site: its settings, its tenant, and the person who opens it."""

    tenant: Tenant
    configure: Configure
    settings: Any
    caplog: pytest.LogCaptureFixture
    visitor: Visitor
    path: str = "/hello/"
    options: tuple[str, ...] = ()

    def opened(self) -> str:
        """Return the page that a person ends at, or the error that Django shows."""
        try:
            self.visitor.visit(self.path)
        except (ImproperlyConfigured, NoReverseMatch) as error:
            return str(error)
        return html.unescape(self.visitor.text)

    def page(self) -> str:
        return self.opened()

    error = page

    def log(self) -> str:
        self.opened()
        ours = [found for found in self.caplog.records if found.name.startswith("django_auth0_flow")]
        return "\n".join(found.getMessage() for found in ours if found.levelname in ("WARNING", "ERROR"))

    def check(self) -> str:
        return "\n".join(f"{found.id} {found.msg} {found.hint}" for found in run_checks(tags=["auth0_flow"]))

    def deploy(self) -> str:
        output = StringIO()
        try:
            call_command("check", deploy=True, tags=["auth0_flow"], stdout=output, stderr=output)
        except SystemCheckError as error:
            return f"{output.getvalue()}\n{error}"
        return output.getvalue()

    def doctor(self) -> str:
        try:
            return " ".join(doctor(*self.options).text.split())
        except CommandError as error:
            return str(error)


@dataclass(frozen=True)
class Mistake:
    name: str
    make: Callable[[Site], object]
    says: dict[str, tuple[str, ...]] = field(default_factory=dict)


def set_to(**values: Any) -> Callable[[Site], None]:
    """Return what changes the project's settings."""

    def make(site: Site) -> None:
        for name, value in values.items():
            setattr(site.settings, name, value)

    return make


def keys(**values: Any) -> Callable[[Site], object]:
    """Return what changes keys of AUTH0."""
    return lambda site: site.configure(**values)


def without_middleware(site: Site) -> None:
    site.settings.MIDDLEWARE = [name for name in site.settings.MIDDLEWARE if name != MIDDLEWARE]


def without_migrate(site: Site) -> None:
    MigrationRecorder(connection).record_unapplied("auth0_flow", "0001_initial")


def open_at_the_other_name(site: Site) -> None:
    site.configure(BASE_URL=LOCAL)
    site.visitor = Visitor(site.tenant, site="http://127.0.0.1:8000")


def register_one_name(site: Site) -> None:
    site.configure(BASE_URL=None)
    site.settings.ALLOWED_HOSTS = []
    site.tenant.application.callbacks = [f"{LOCAL}/auth0/callback/"]
    site.tenant.application.logout_urls = [f"{LOCAL}/auth0/logged-out/"]


def behind_a_proxy(site: Site) -> None:
    site.configure(BASE_URL=None)
    site.visitor = Visitor(site.tenant, site="http://www.example.com", headers={"X-Forwarded-Proto": "https"})
    site.options = ("--base-url", SITE)


def offline_access_off_at_the_api(site: Site) -> None:
    site.tenant.api.allow_offline_access = False
    site.opened()


def permission_missing(site: Site) -> None:
    site.path = "/pay/"
    site.tenant.api.rbac, site.tenant.api.add_permissions = True, True
    site.tenant.user.permissions[site.tenant.api.identifier] = ["read:invoices"]


def no_audience(site: Site) -> None:
    site.path = "/pay/"
    site.configure(AUDIENCE=None)


MISTAKES = [
    Mistake(
        "include missing",
        set_to(ROOT_URLCONF="tests.urlconfs.beginner_without_include"),
        {
            "check": ("E024", 'path("auth0/", include("django_auth0_flow.urls"))'),
            "doctor": ('path("auth0/", include("django_auth0_flow.urls"))',),
            "error": ("not included", 'path("auth0/", include("django_auth0_flow.urls"))'),
        },
    ),
    Mistake(
        "backend missing",
        set_to(AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.ModelBackend"]),
        {
            "check": ("E022", f'"{BACKEND}"'),
            "doctor": ("E022", f'"{BACKEND}"'),
            "error": ("AUTHENTICATION_BACKENDS", f'add "{BACKEND}"'),
        },
    ),
    Mistake(
        "middleware missing",
        without_middleware,
        {
            "check": ("E020", f'Add "{MIDDLEWARE}" to MIDDLEWARE, after AuthenticationMiddleware'),
            "doctor": ("E020",),
            "error": (f'add "{MIDDLEWARE}" to MIDDLEWARE, after AuthenticationMiddleware',),
        },
    ),
    Mistake(
        "migrate forgotten",
        without_migrate,
        {"check": ("W042", "0001_initial", "python manage.py migrate"), "doctor": ("ERROR auth0_flow.W042",)},
    ),
    Mistake(
        "domain is no tenant",
        lambda site: site.tenant.fault("status", None, endpoint="metadata", status=404, body="Not Found"),
        {"doctor": ("D04 not_a_tenant", "the domain is misspelt", "copy Domain"), "log": ("tenant_", "code=")},
    ),
    Mistake(
        "domain with https://",
        keys(ISSUER=None, DOMAIN="https://example.eu.auth0.com/"),
        {
            "check": ("E006", "Without https://"),
            "doctor": ("E006", "Without https://"),
            "error": ("must be a bare host name",),
        },
    ),
    Mistake(
        "client id misspelt",
        keys(CLIENT_ID="nobody"),
        {"doctor": ("SM12 client_unknown", "copy Domain and Client ID")},
    ),
    Mistake(
        "secret wrong",
        keys(CLIENT_SECRET=OLD_SECRET),
        {
            "doctor": ("SM13 client_rejected", "copy Client ID and Client Secret"),
            "page": ("client_rejected", "DEBUG", "The client secret is wrong", "copy Client ID and Client Secret"),
            "log": ("setup_mistake name=client_rejected", "copy Client ID and Client Secret"),
        },
    ),
    Mistake(
        "callback not registered",
        lambda site: site.tenant.application.callbacks.clear(),
        {"doctor": ("SM10", f"{SITE}/auth0/callback/", "Allowed Callback URLs: add the URL")},
    ),
    Mistake(
        "opened at 127.0.0.1, BASE_URL at localhost",
        open_at_the_other_name,
        {
            "page": (
                "login_at_other_host",
                "began at 127.0.0.1 and would end at localhost",
                f"Open the site at {LOCAL}",
            ),
            "log": ("login_at_other_host", "two sites"),
        },
    ),
    Mistake(
        "only localhost registered",
        register_one_name,
        {"doctor": ("D17", "http://127.0.0.1:8000/auth0/callback/", "Allowed Callback URLs: add the URL")},
    ),
    Mistake(
        "http behind a TLS proxy",
        behind_a_proxy,
        {
            "deploy": ("W044", PROXY),
            "page": ("redirect_uri_is_http", "A proxy says".lower(), PROXY),
            "log": ("redirect_uri_is_http", PROXY),
        },
    ),
    Mistake(
        "offline_access missing",
        keys(SCOPE="openid profile"),
        {
            "check": ("W040", "tests.urlconfs.beginner.call", "offline_access"),
            "doctor": ("W040", "SM37", "Allow Offline Access"),
        },
    ),
    Mistake(
        "offline access off at the API",
        offline_access_off_at_the_api,
        {"doctor": ("SM37", "Allow Offline Access: on"), "log": ("refresh_token_missing", "Allow Offline Access")},
    ),
    Mistake(
        "no AUDIENCE",
        no_audience,
        {
            "check": ("W046", "beginner.pay (permissions=)", "beginner.call (request.auth0.api)", "AUTH0['AUDIENCE']"),
            "doctor": ("W046",),
            "page": ("Missing: pay:invoices", "nothing of the kind", "AUTH0 has no AUDIENCE"),
            "log": ("page_refused test=permissions user=", "view=pay missing=pay:invoices"),
        },
    ),
    Mistake(
        "permission missing",
        permission_missing,
        {
            "page": ("Missing: pay:invoices", "This login has: read:invoices", "User Management > Roles"),
            "log": ("page_refused test=permissions user=", "view=pay missing=pay:invoices"),
        },
    ),
    Mistake(
        "group missing",
        keys(GROUPS_CLAIM="https://example.com/roles", GROUPS={"editor": "Editors"}),
        {"check": ("W041", "Editors", "Group.objects.create"), "doctor": ("W041", "Editors")},
    ),
    Mistake(
        "clock slow",
        lambda site: site.tenant.clock.advance(4000),
        {
            "doctor": ("D06 clock_off", "by NTP"),
            "page": ("token_iat", "the token was issued at", "this machine's clock says", "by NTP"),
            "log": ("login_failed code=token_iat", "is this machine's clock right?"),
        },
    ),
]


@pytest.fixture
def site(healthy: Tenant, configure: Configure, settings: Any, caplog: pytest.LogCaptureFixture) -> Site:
    settings.DEBUG, settings.ROOT_URLCONF = True, "tests.urlconfs.beginner"
    settings.ALLOWED_HOSTS = ["www.example.com", "localhost", "127.0.0.1"]
    healthy.api.scopes += ["pay:invoices", "read:invoices"]
    return Site(healthy, configure, settings, caplog, Visitor(healthy, site=SITE))


def shown(text: str) -> str:
    """Return what a page shows, without its tags and the blanks between."""
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


@pytest.mark.parametrize(
    ("mistake", "place"),
    [(mistake, place) for mistake in MISTAKES for place in mistake.says],
    ids=[f"{mistake.name}: {place}" for mistake in MISTAKES for place in mistake.says],
)
def test_a_mistake_is_said_with_its_way_out(mistake: Mistake, place: str, site: Site) -> None:
    mistake.make(site)
    said = getattr(site, place)()
    said = shown(said) if place == "page" else said
    assert [words for words in mistake.says[place] if words not in said] == [], said


def test_the_right_site_is_left_in_peace(site: Site) -> None:
    assert (site.check(), site.log()) == ("", "")
    assert site.opened().startswith("Hello ")
    assert "ERROR" not in site.doctor()
    assert "WARNING" not in site.doctor()


#: Mistakes that a visitor meets on a page of the site's own, without DEBUG too.
ON_OUR_PAGES = [
    one for one in MISTAKES if one.name in ("secret wrong", "no AUDIENCE", "permission missing", "clock slow")
]


@pytest.mark.parametrize("mistake", ON_OUR_PAGES, ids=lambda mistake: mistake.name)
def test_without_debug_a_page_tells_visitors_nothing_of_it(mistake: Mistake, site: Site) -> None:
    site.settings.DEBUG = False
    mistake.make(site)
    said = shown(site.opened())
    for secret in ("DEBUG", "Missing:", "This login has", "invoices", "this machine's clock", "AUDIENCE", "Dashboard"):
        assert secret not in said
    assert "the people who run this site" in said
    assert "this code: " in said


def test_there_are_more_than_fifteen() -> None:
    assert len({mistake.name for mistake in MISTAKES}) >= 15
    assert all(mistake.says for mistake in MISTAKES)


_WITHOUT_APP = """
import django
from django.conf import settings
settings.configure(INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"])
django.setup()
from django_auth0_flow.middleware import Auth0Middleware
"""


def test_the_app_is_missing() -> None:
    """In a process of its own: the app is installed here."""
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_APP], capture_output=True, text=True, check=False, timeout=120
    )
    assert 'add "django_auth0_flow" to INSTALLED_APPS' in done.stderr


def test_a_bearer_token_s_caller_is_not_told_why(site: Site) -> None:
    token = site.tenant.make_access_token()
    site.tenant.clock.advance(-200_000)
    old = site.tenant.make_access_token()
    answers = [site.visitor.client.get("/api/", headers={"Authorization": f"Bearer {text}"}) for text in (token, old)]
    assert [answer.status_code for answer in answers] == [200, 401]
    assert "exp" not in answers[1].content.decode() + answers[1]["WWW-Authenticate"]
    event = "bearer_token_refused code=token_exp view=tests.urlconfs.beginner.things"
    assert f"{event}: exp: the token expired" in site.caplog.text
    assert "is this machine's clock right?" in site.caplog.text
