"""The example project: it checks out, its demo walks a whole login, and notices when a step goes wrong."""

from __future__ import annotations

import html
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
import requests

from django_auth0_flow.testing.tenant import Tenant
from tests.client_keys import client_key

PROJECT = Path(__file__).resolve().parent.parent / "example_project"
#: What may be shown of a secret is its length.
VEILED = re.compile(
    r"\b(code|state|nonce|code_verifier|refresh_token|client_secret|password|token|id_token_hint|otp|binding_code|oob_code"
    r"|mfa_token|invitation|client_assertion|request|request_uri|subject_token|access_token|id_token|response)=(\S+)"
)
SECONDS = 60


def environment(**extra: str) -> dict[str, str]:
    """Return an environment in which nothing is set for the example project."""
    own = {"SECRET_KEY", "DEBUG", "ALLOWED_HOSTS", "BASE_URL", "API_URL", "DATABASE", "LOG_LEVEL", "DEMO", "LOGIN_WAYS"}
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in own and not name.startswith(("AUTH0_", "DJANGO_SETTINGS"))
    }
    return {**kept, **extra}


def manage(*arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run the example's manage.py from a folder that is not its own."""
    return subprocess.run(
        [sys.executable, PROJECT / "manage.py", *arguments],
        cwd=PROJECT.parent,
        env=environment(**extra),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


# -- settings ------------------------------------------------------------------------------------------------------------


def test_checks_without_any_environment() -> None:
    done = manage("check", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr


def test_migrations_are_complete_without_any_environment(tmp_path: Path) -> None:
    done = manage("makemigrations", "clinic", "--check", "--dry-run", DATABASE=str(tmp_path / "clinic.sqlite3"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_real_tenant_needs_nothing_but_environment_variables() -> None:
    done = manage(
        "check",
        "--fail-level",
        "WARNING",
        AUTH0_DOMAIN="clinic.eu.auth0.com",
        AUTH0_CLIENT_ID="client",
        AUTH0_CLIENT_SECRET="secret",
        SECRET_KEY="x" * 60,
        BASE_URL="https://clinic.example.com",
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_site_runs_at_a_tenant_that_only_the_environment_names(tenant: Tenant, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as found:
        site = f"http://127.0.0.1:{found.getsockname()[1]}"
    tenant.application.callbacks = [f"{site}/auth0/callback/"]
    tenant.api.scopes = ["read:appointments", "write:appointments"]
    given = {
        "AUTH0_ISSUER": tenant.issuer,
        "AUTH0_CLIENT_ID": tenant.application.client_id,
        "AUTH0_CLIENT_SECRET": tenant.application.client_secret,
        "AUTH0_AUDIENCE": tenant.api.identifier,
        "SECRET_KEY": "x" * 60,
        "BASE_URL": site,
        "DATABASE": str(tmp_path / "clinic.sqlite3"),
    }
    done = manage("migrate", "--verbosity", "0", **given)
    assert done.returncode == 0, done.stderr
    with running_site(site, given) as person:
        assert person.session.get(f"{site}/static/clinic/clinic.css", timeout=60).status_code == 200
        assert 'id="refreshes">0<' in person.log_in("/appointments/", *ADA)
        assert "<strong>200</strong>" in person.page.text  # what the API answered
        assert "ada@example.com" in person.open("/profile/")


@contextmanager
def running_site(site: str, given: dict[str, str]) -> Iterator[Person]:
    """Run the example as its README says, and yield a visitor."""
    command = [sys.executable, str(PROJECT / "manage.py"), "runserver", "--noreload", urlsplit(site).netloc]
    with subprocess.Popen(
        command, env=environment(**given), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            person, deadline = Person(site), time.monotonic() + SECONDS
            while True:
                try:
                    person.open("/")
                    break
                except requests.ConnectionError:
                    assert process.poll() is None
                    assert time.monotonic() < deadline
                    time.sleep(0.1)  # another process starts: there is no clock to move
            yield person
        finally:
            process.kill()


def test_checks_with_every_way_to_log_in() -> None:
    key = client_key("example").pem
    extra = {"AUTH0_STRONG_CLIENT_ID": "strong", "AUTH0_STRONG_KEY": key, "AUTH0_VAULT_CLIENT_ID": "vault"}
    assert "AUTH0['vault'] needs CLIENT_SECRET" in manage("check", LOGIN_WAYS="1", **extra).stderr
    done = manage("check", "--fail-level", "WARNING", LOGIN_WAYS="1", AUTH0_VAULT_CLIENT_SECRET="secret", **extra)
    assert done.returncode == 0, done.stderr


def test_the_warning_about_tokens_in_the_address_bar_is_silenced_for_the_ways_alone() -> None:
    code = "from django.conf import settings; print('silenced', settings.SILENCED_SYSTEM_CHECKS)"
    assert "silenced ['auth0_flow.W011']" in manage("shell", "-c", code, LOGIN_WAYS="1").stdout
    assert "silenced []" in manage("shell", "-c", code).stdout


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "Set SECRET_KEY"),
        ({"SECRET_KEY": "x" * 60}, "auth0_flow.E008"),
        ({"SECRET_KEY": "x" * 60, "AUTH0_CLIENT_ID": "client"}, "auth0_flow.E010"),
    ],
    ids=["no SECRET_KEY", "no client id", "no client secret"],
)
def test_a_real_tenant_gets_no_default_secrets(given: dict[str, str], said: str) -> None:
    done = manage("check", AUTH0_DOMAIN="clinic.eu.auth0.com", **given)
    assert done.returncode != 0
    assert said in done.stderr


# -- the walk ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def walk() -> subprocess.CompletedProcess[str]:
    return manage("demo", "--walk")


@pytest.mark.slow
def test_the_walk_goes_well(walk: subprocess.CompletedProcess[str]) -> None:
    assert walk.returncode == 0, walk.stdout + walk.stderr
    assert walk.stderr == ""
    assert "All 24 steps went well: 4 refreshes, 0 families revoked" in walk.stdout
    assert len(walk.stdout.splitlines()) <= 240


@pytest.mark.slow
@pytest.mark.parametrize(
    ("title", "sent"),
    [
        ("An organization", "organization=org_"),
        ("An organization", "invitation=…("),
        ("A silent login", "GET /authorize prompt=none"),
        ("Step-up", "acr_values=http://schemas.openid.net/pape/policies/2007/06/multi-factor"),
        ("form_post", "response_mode=form_post"),
        ("id_token", "GET /authorize response_type=id_token"),
        ("token: ", "site → tenant GET /userinfo"),
        ("id_token token", "response_type=id_token token"),
        ("id_token token", "GET /ways/implicit/callback/  [200]"),
        ("Hybrid", "POST /ways/hybrid/callback/"),
        ("Passwordless", "grant_type=http://auth0.com/oauth/grant-type/passwordless/otp"),
        ("Password and MFA", "grant_type=http://auth0.com/oauth/grant-type/mfa-oob"),
        ("First enrolment", "POST /mfa/associate"),
        ("First enrolment", "grant_type=http://auth0.com/oauth/grant-type/mfa-otp"),
        ("PAR, JAR, private_key_jwt and DPoP", "POST /oauth/par"),
        ("PAR, JAR, private_key_jwt and DPoP", "Authorization: DPoP …("),
        ("A second API", "audience=https://billing.example.com"),
        ("Token Vault", "connection=google-oauth2"),
    ],
)
def test_the_walk_tells_what_each_kind_of_login_sends(
    walk: subprocess.CompletedProcess[str], title: str, sent: str
) -> None:
    step = re.search(rf"^\d+  {re.escape(title)}.*?✓", walk.stdout, re.DOTALL | re.MULTILINE)
    assert step is not None
    assert sent in step[0]


@pytest.mark.slow
def test_the_walk_counts_eight_requests_and_one_refresh(walk: subprocess.CompletedProcess[str]) -> None:
    step = walk.stdout.partition("8 requests arrive at once")[2].partition("✓")[0]
    assert "8 x GET /appointments/" in step
    assert step.count("POST /oauth/token") == 1
    assert " x POST" not in step


@pytest.mark.slow
def test_the_walk_shows_no_secret(walk: subprocess.CompletedProcess[str]) -> None:
    shown = VEILED.findall(walk.stdout)
    assert {name for name, _ in shown} >= {
        "code",
        "state",
        "nonce",
        "refresh_token",
        "client_secret",
        "password",
        "otp",
    }
    assert {name for name, _ in shown} >= {"mfa_token", "binding_code", "client_assertion", "request", "subject_token"}
    assert [value for _, value in shown if not value.startswith("…(")] == []
    assert "eyJ" not in walk.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "step", "said"),
    [
        ("nonce-invalid", 3, "expected 302, found 400"),
        ("drop-after", 3, "expected 302, found 503"),
        ("userinfo-sub-other@16", 16, "expected '/ways/access-token/', found '/ways/id-token/callback/'"),
        ("at-hash-invalid@17", 17, "expected 302, found 400"),
        ("c-hash-invalid@18", 18, "expected '/profile/', found '/ways/hybrid/callback/'"),
        ("rate-limit@22", 22, "expected '/appointments/', found '/ways/strong/callback/'"),
    ],
)
def test_the_walk_notices_a_step_that_fails(fault: str, step: int, said: str) -> None:
    done = manage("demo", "--walk", "--fault", fault)
    assert done.returncode == 1, done.stdout + done.stderr
    assert said in done.stdout
    assert f"Step {step} of" in done.stdout
    assert "went well" not in done.stdout


def test_a_port_that_is_taken_is_told() -> None:
    done = manage("demo", "--walk", "--port", "99999")
    assert done.returncode == 1
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


# -- the demo ------------------------------------------------------------------------------------------------------------


@contextmanager
def running_demo() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Yield a running demo and what it said up to the point where it waits for visitors."""
    with subprocess.Popen(
        [sys.executable, PROJECT / "manage.py", "demo", "--port", "0"],
        cwd=PROJECT.parent,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            said = ""
            while "Ctrl-C" not in said:
                line = process.stdout.readline()
                assert line, said
                said += line
            yield process, said
        finally:
            process.kill()


def address_in(said: str) -> str:
    found = re.search(r"Open +(http://127\.0\.0\.1:\d+)/", said)
    assert found is not None, said
    return found[1]


@pytest.mark.slow
def test_the_demo_says_where_and_who_and_ends_with_ctrl_c() -> None:
    with running_demo() as (demo, said):
        address = address_in(said)
        assert "ada@example.com" in said
        assert "correct horse" in said
        page = requests.get(f"{address}/", timeout=60)
        assert page.status_code == 200
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        assert requests.get(f"{address}/static/clinic/clinic.css", timeout=60).status_code == 200
        demo.send_signal(signal.SIGINT)
        rest, _ = demo.communicate(timeout=60)
    assert demo.returncode == 0, rest
    assert "GET /  [200]" in rest
    assert "Stopped." in rest
    assert "Traceback" not in rest


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with running_demo() as (demo, said):
        # Somebody has to read on, or the demo stops when the pipe is full.
        reader = threading.Thread(target=demo.communicate, daemon=True)
        reader.start()
        yield address_in(said)


class Person:
    """Somebody at a browser: ``page`` is what is on the screen."""

    page: requests.Response

    def __init__(self, site: str) -> None:
        self.site = site
        self.session = requests.Session()
        self.session.trust_env = False

    def open(self, path: str) -> str:
        self.page = self.session.get(self.site + path, timeout=20)
        return self.page.text

    def send(self, action: str, **values: str) -> str:
        """Send the form of the page whose action holds ``action``."""
        forms = re.findall(r'<form[^>]*action="([^"]*)"[^>]*>(.*?)</form>', self.page.text, re.DOTALL)
        target, form = next(found for found in forms if action in found[0])
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', form))
        url = urljoin(self.page.url, html.unescape(target))
        self.page = self.session.post(
            url, {**hidden, **values}, headers={"Origin": "/".join(url.split("/")[:3])}, timeout=20
        )
        return self.page.text

    def send_to_this_page(self, **values: str) -> str:
        """Send the form without an action that the page's ``main`` holds."""
        main = self.page.text.partition("<main")[2]
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', main))
        self.page = self.session.post(self.page.url, {**hidden, **values}, headers={"Origin": self.site}, timeout=20)
        return self.page.text

    def log_in(self, path: str, email: str, password: str) -> str:
        self.open(path)
        return self.send("/u/login", username=email, password=password)


@pytest.fixture
def person(site: str) -> Person:
    return Person(site)


ADA = ("ada@example.com", "correct horse")
GRACE = ("grace@example.com", "battery staple")
ALAN = ("alan@example.com", "imitation game")


@pytest.mark.slow
def test_the_button_expires_the_token_and_the_next_call_refreshes_it(person: Person) -> None:
    assert 'id="refreshes">0<' in person.log_in("/appointments/", *ADA)
    text = person.send("/expire-token/")
    assert 'id="refreshes">1<' in text
    assert "was put forward" in text
    assert 'id="refreshes">1<' in person.open("/appointments/")


@pytest.mark.slow
def test_an_appointment_is_booked_through_the_api_and_its_time_is_taken_then(person: Person) -> None:
    person.log_in("/appointments/", *ADA)
    day = re.search(r'name="day" value="([^"]*)"', person.page.text)
    assert day is not None
    wanted = {"doctor": "ogino", "day": day[1], "time": "16:30", "reason": "<b>Cough</b>"}
    text = person.send("/book/", **wanted)
    assert "Booked: Dr Ginko Ogino" in text
    assert "&lt;b&gt;Cough&lt;/b&gt;" in text
    assert "taken already" in person.send("/book/", **wanted)
    assert "closed at weekends" in person.send("/book/", **{**wanted, "day": next_saturday()})


def next_saturday() -> str:
    day = datetime.now(UTC).date() + timedelta(days=7)
    return str(day + timedelta(days=(5 - day.weekday()) % 7))


@pytest.mark.slow
def test_whoever_lacks_the_scope_sees_that_the_api_refused(person: Person) -> None:
    assert "The API answered 403." in person.log_in("/appointments/", *ALAN)
    assert "not_staff" in person.open("/admin/")
    assert person.page.status_code == 403


@pytest.mark.slow
def test_roles_and_permissions_open_rota_and_admin(person: Person) -> None:
    assert "manage:rota" in person.log_in("/rota/", *GRACE)
    assert "Site administration" in person.open("/admin/")


@pytest.mark.slow
def test_test_results_want_a_second_factor(person: Person) -> None:
    person.log_in("/profile/", *ADA)
    person.open("/results/")
    assert urlsplit(person.page.url).path == "/u/mfa"
    assert "Haemoglobin" in person.send("/u/mfa", code="123456")


@pytest.mark.slow
def test_ways_to_log_in_lists_each_kind_without_a_login(person: Person) -> None:
    text = person.open("/ways/")
    assert person.page.status_code == 200
    cards = re.findall(r'<h3><a href="([^"]+)">', text)
    logins = {html.unescape(card) for card in cards if "/login/" in card}
    assert {login.partition("/login/")[0] for login in logins} == {
        "/auth0",
        *(f"/ways/{name}" for name in ("form-post", "hybrid", "id-token", "implicit", "strong", "vault")),
    }
    assert any("organization=org_" in login for login in logins)
    for card in cards:
        assert person.session.get(person.site + html.unescape(card), allow_redirects=False, timeout=20).status_code in (
            200,
            302,
        )


@pytest.mark.slow
def test_the_outbox_shows_the_code_that_the_page_asks_for(person: Person) -> None:
    person.open("/ways/direct/passwordless/?next=/profile/")
    code_page = person.send_to_this_page(address="someone@example.com", kind="email-code")
    assert 'name="code"' in code_page
    asking = person.page
    text = person.open("/ways/outbox/")
    row = re.search(r"someone@example\.com</th>.*?<code>(\d{6})</code>", text, re.DOTALL)
    assert row is not None
    person.page = asking
    text = person.send_to_this_page(code=row[1])
    assert 'id="configuration">direct<' in text


@pytest.mark.slow
def test_the_outbox_holds_the_link_that_logs_in(person: Person) -> None:
    person.open("/ways/direct/passwordless/?next=/profile/")
    assert 'name="code"' not in person.send_to_this_page(address="link@example.com", kind="email-link")
    row = re.search(r'link@example\.com</th>.*?<a href="([^"]*)"', person.open("/ways/outbox/"), re.DOTALL)
    assert row is not None
    person.page = person.session.get(html.unescape(row[1]), timeout=20)
    assert urlsplit(person.page.url).path == "/profile/"
    assert 'id="configuration">direct<' in person.page.text


@pytest.mark.slow
def test_the_silent_page_is_for_everybody(person: Person) -> None:
    assert "Welcome, whoever you are." in person.open("/ways/silent/")


@pytest.mark.slow
def test_a_login_by_code_has_an_access_token_of_its_own(person: Person) -> None:
    text = person.log_in("/ways/access-token/", *ADA)
    assert "none was fetched" in text
    assert "<code>read:appointments</code>" in text


@pytest.mark.slow
def test_the_calendar_says_why_it_has_no_token(person: Person) -> None:
    text = person.log_in("/ways/calendar/", *ADA)
    assert "connection_token_refused" in text


@pytest.mark.slow
def test_without_the_demo_there_are_no_ways(tmp_path: Path) -> None:
    code = "from django.test import Client; print(Client().get('/ways/').status_code)"
    done = manage("shell", "-c", code, ALLOWED_HOSTS="testserver", DATABASE=str(tmp_path / "clinic.sqlite3"))
    assert done.stdout.strip().endswith("404"), done.stderr


@pytest.mark.slow
def test_the_api_answers_a_browser_without_token_as_an_api_does(site: str) -> None:
    refused = requests.get(f"{site}/api/appointments/", timeout=60)
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")
