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
from urllib.parse import urlsplit

import pytest
import requests

from django_auth0_flow.testing.demo import Browser
from django_auth0_flow.testing.tenant import Tenant
from tests.client_keys import client_key

PROJECT = Path(__file__).resolve().parent.parent / "example_project"
#: What may be shown of a secret is its length.
VEILED = re.compile(
    r"\b(code|state|nonce|code_verifier|refresh_token|client_secret|password|token|id_token_hint|otp|binding_code|oob_code"
    r"|mfa_token|invitation|client_assertion|request|request_uri|subject_token|session_transfer_token|access_token|id_token|response)=(\S+)"
)
#: For what takes a few seconds where nothing else runs.
PATIENCE = 600


def environment(**extra: str) -> dict[str, str]:
    """Return an environment in which nothing is set for the example project."""
    own = {"SECRET_KEY", "DEBUG", "ALLOWED_HOSTS", "BASE_URL", "API_URL", "DATABASE", "LOG_LEVEL", "TIME_ZONE"}
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
        timeout=PATIENCE,
        check=False,
    )


# -- settings ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database file that has all tables."""
    path = str(tmp_path_factory.mktemp("tables") / "clinic.sqlite3")
    done = manage("migrate", "--verbosity", "0", DATABASE=path)
    assert done.returncode == 0, done.stderr
    return path


def test_checks_without_any_environment(tables: str) -> None:
    done = manage("check", "--fail-level", "WARNING", DATABASE=tables)
    assert done.returncode == 0, done.stderr


def test_migrations_are_complete_without_any_environment(tmp_path: Path) -> None:
    done = manage("makemigrations", "clinic", "--check", "--dry-run", DATABASE=str(tmp_path / "clinic.sqlite3"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_real_tenant_needs_nothing_but_environment_variables(tables: str) -> None:
    done = manage(
        "check",
        "--fail-level",
        "WARNING",
        AUTH0_DOMAIN="clinic.eu.auth0.com",
        AUTH0_CLIENT_ID="client",
        AUTH0_CLIENT_SECRET="secret",
        SECRET_KEY="x" * 60,
        BASE_URL="https://clinic.example.com",
        DATABASE=tables,
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
    with running_site(site, given) as browser:
        assert browser.open("/static/clinic/clinic.css").status_code == 200
        assert 'id="refreshes">0<' in log_in(browser, "/appointments/", *ADA)
        assert "<strong>200</strong>" in browser.answer.text  # what the API answered
        assert "ada@example.com" in browser.open("/profile/").text


@contextmanager
def running_site(site: str, given: dict[str, str]) -> Iterator[Browser]:
    """Run the example as its README says, and yield a visitor."""
    command = [sys.executable, str(PROJECT / "manage.py"), "runserver", "--noreload", urlsplit(site).netloc]
    with subprocess.Popen(
        command, env=environment(**given), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            browser, deadline = Browser(site), time.monotonic() + PATIENCE
            while True:
                try:
                    browser.open("/")
                    break
                except requests.ConnectionError:
                    assert process.poll() is None
                    assert time.monotonic() < deadline
                    time.sleep(0.1)  # another process starts: there is no clock to move
            yield browser
        finally:
            process.kill()


WAYS = {"DJANGO_SETTINGS_MODULE": "site_config.ways"}


def test_checks_with_every_way_to_log_in(tables: str) -> None:
    key = client_key("example").pem
    extra = {"AUTH0_STRONG_CLIENT_ID": "strong", "AUTH0_STRONG_KEY": key, "AUTH0_VAULT_CLIENT_ID": "vault"}
    extra |= {"AUTH0_API_CLIENT_ID": "api", "AUTH0_API_CLIENT_SECRET": "secret", "DATABASE": tables}
    assert "AUTH0['vault'] needs CLIENT_SECRET" in manage("check", **WAYS, **extra).stderr
    done = manage("check", "--fail-level", "WARNING", **WAYS, AUTH0_VAULT_CLIENT_SECRET="secret", **extra)
    assert done.returncode == 0, done.stderr


def test_the_warning_about_tokens_in_the_address_bar_is_silenced_for_the_ways_alone() -> None:
    code = "from django.conf import settings; print('silenced', settings.SILENCED_SYSTEM_CHECKS)"
    assert "silenced ['auth0_flow.W011']" in manage("shell", "-c", code, **WAYS).stdout
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
    assert "All 33 steps went well: 7 refreshes, 0 families revoked" in walk.stdout
    assert len(walk.stdout.splitlines()) <= 340


@pytest.mark.slow
@pytest.mark.parametrize(
    ("title", "sent"),
    [
        ("An organization", "organization=org_"),
        ("An organization", "invitation=…("),
        ("A silent login", "GET /authorize prompt=none"),
        ("Step-up", "acr_values=http://schemas.openid.net/pape/policies/2007/06/multi-factor"),
        ("form_post", "response_mode=form_post"),
        ("id_token", "GET /authorize ui_locales=en response_type=id_token"),
        ("token: ", "site → tenant GET /userinfo"),
        ("id_token token", "response_type=id_token token"),
        ("id_token token", "GET /ways/implicit/callback/  [200]"),
        ("Hybrid", "POST /ways/hybrid/callback/"),
        ("Passwordless", "grant_type=http://auth0.com/oauth/grant-type/passwordless/otp"),
        ("Password and MFA", "grant_type=http://auth0.com/oauth/grant-type/mfa-oob"),
        ("First enrolment", "POST /mfa/associate"),
        ("First enrolment", "grant_type=http://auth0.com/oauth/grant-type/mfa-otp"),
        ("Sign-up", "POST /dbconnections/signup"),
        ("Forgotten password", "POST /dbconnections/change_password"),
        ("PAR, JAR, private_key_jwt and DPoP", "POST /oauth/par"),
        ("PAR, JAR, private_key_jwt and DPoP", "Authorization: DPoP …("),
        ("A second API", "audience=https://billing.example.com"),
        ("Token Vault", "connection=google-oauth2"),
        ("Token Vault", "POST /me/v1/connected-accounts/complete"),
        ("Connected accounts", "DELETE /me/v1/connected-accounts/accounts/"),
        ("On behalf of", "requested_token_type=urn:ietf:params:oauth:token-type:access_token"),
        ("Token exchange", "subject_token_type=urn:harbour-clinic:old-session"),
        ("Session transfer", "GET /authorize session_transfer_token=…("),
        ("session_expiry", "site → tenant POST /oauth/revoke"),
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
        ("rate-limit@24", 24, "expected '/appointments/', found '/ways/strong/callback/'"),
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
        # A demo that says nothing is ended, which ends its output too.
        watch = threading.Timer(PATIENCE, process.kill)
        watch.start()
        try:
            assert process.stdout is not None
            said = ""
            while "Ctrl-C" not in said:
                line = process.stdout.readline()
                assert line, said
                said += line
            watch.cancel()
            yield process, said
        finally:
            watch.cancel()
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
        page = requests.get(f"{address}/", timeout=PATIENCE)
        assert page.status_code == 200
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        assert requests.get(f"{address}/static/clinic/clinic.css", timeout=PATIENCE).status_code == 200
        demo.send_signal(signal.SIGINT)
        rest, _ = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == 0, rest
    assert "GET /  [200]" in rest
    assert "Stopped." in rest
    assert "Traceback" not in rest


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with running_demo() as (demo, said):
        # Read on, or the demo stops when the pipe is full.
        reader = threading.Thread(target=demo.communicate, daemon=True)
        reader.start()
        yield address_in(said)


@pytest.fixture
def browser(site: str) -> Browser:
    return Browser(site)


ADA = ("ada@example.com", "correct horse")
GRACE = ("grace@example.com", "battery staple")
ALAN = ("alan@example.com", "imitation game")


def log_in(browser: Browser, path: str, email: str, password: str) -> str:
    """Open a page that needs a login, log in at the tenant, and return the page that this ends on."""
    browser.visit(path)
    browser.submit("password", username=email, password=password)
    return browser.follow().text


def send(browser: Browser, field: str = "", *, to: str = "", **values: str) -> str:
    """Send a form of the current page, and return the page that this ends on."""
    browser.submit(field, to=to, **values)
    return browser.follow().text


@pytest.mark.slow
def test_the_button_expires_the_token_and_the_next_call_refreshes_it(browser: Browser) -> None:
    assert 'id="refreshes">0<' in log_in(browser, "/appointments/", *ADA)
    text = send(browser, to="/expire-token/")
    assert 'id="refreshes">1<' in text
    assert "was put forward" in text
    assert 'id="refreshes">1<' in browser.visit("/appointments/").text


@pytest.mark.slow
def test_an_appointment_is_booked_through_the_api_and_its_time_is_taken_then(browser: Browser) -> None:
    log_in(browser, "/appointments/", *ADA)
    day = re.search(r'name="day" value="([^"]*)"', browser.answer.text)
    assert day is not None
    wanted = {"doctor": "ogino", "day": day[1], "time": "16:30", "reason": "<b>Cough</b>"}
    text = send(browser, to="/book/", **wanted)
    assert "Booked: Dr Ginko Ogino" in text
    assert "&lt;b&gt;Cough&lt;/b&gt;" in text
    assert "taken already" in send(browser, to="/book/", **wanted)
    assert "closed at weekends" in send(browser, to="/book/", **{**wanted, "day": next_saturday()})


def next_saturday() -> str:
    day = datetime.now(UTC).date() + timedelta(days=7)
    return str(day + timedelta(days=(5 - day.weekday()) % 7))


@pytest.mark.slow
def test_whoever_lacks_the_scope_sees_that_the_api_refused(browser: Browser) -> None:
    assert "The API answered 403." in log_in(browser, "/appointments/", *ALAN)
    assert "not_staff" in browser.visit("/admin/").text
    assert browser.answer.status_code == 403


@pytest.mark.slow
def test_roles_and_permissions_open_rota_and_admin(browser: Browser) -> None:
    assert "manage:rota" in log_in(browser, "/rota/", *GRACE)
    assert "Site administration" in browser.visit("/admin/").text


@pytest.mark.slow
def test_test_results_want_a_second_factor(browser: Browser) -> None:
    log_in(browser, "/profile/", *ADA)
    browser.visit("/results/")
    assert browser.path == "/u/mfa"
    assert "Haemoglobin" in send(browser, to="/u/mfa", code="123456")


@pytest.mark.slow
def test_ways_to_log_in_lists_each_kind_without_a_login(browser: Browser) -> None:
    text = browser.visit("/ways/").text
    assert browser.answer.status_code == 200
    cards = re.findall(r'<h3><a href="([^"]+)">', text)
    logins = {html.unescape(card) for card in cards if "/login/" in card}
    assert {login.partition("/login/")[0] for login in logins} == {
        "/auth0",
        *(f"/ways/{name}" for name in ("form-post", "hybrid", "id-token", "implicit", "strong", "vault")),
    }
    assert any("organization=org_" in login for login in logins)
    for card in cards:
        assert browser.open(html.unescape(card)).status_code in (200, 302)


@pytest.mark.slow
def test_the_page_that_asks_for_a_code_shows_the_message(browser: Browser) -> None:
    browser.open("/ways/direct/passwordless/?next=/profile/")
    text = send(browser, "address", address="someone@example.com", kind="email-code")
    row = re.search(r"<code>(\d{6})</code><small>someone@example\.com", text, re.DOTALL)
    assert row is not None
    assert 'id="configuration">direct<' in send(browser, "code", code=row[1])


@pytest.mark.slow
def test_the_message_holds_the_link_that_logs_in(browser: Browser) -> None:
    browser.open("/ways/direct/passwordless/?next=/profile/")
    assert 'name="code"' not in send(browser, "address", address="link@example.com", kind="email-link")
    row = re.search(
        r'<a href="([^"]*)">[^<]*</a><small>link@example\.com', browser.open("/demo/outbox/").text, re.DOTALL
    )
    assert row is not None
    browser.visit(html.unescape(row[1]))
    assert browser.path == "/profile/"
    assert 'id="configuration">direct<' in browser.answer.text


@pytest.mark.slow
def test_home_names_everybody_who_can_log_in(browser: Browser) -> None:
    text = browser.open("/").text
    people = dict(re.findall(r'<th scope="row">([^<]+)<small><code>([^<]+)<', text))
    assert people.items() >= dict([ADA, GRACE, ALAN]).items()
    assert len(people) == 5


@pytest.mark.slow
def test_the_silent_page_is_open_to_visitors_without_a_login(browser: Browser) -> None:
    assert "Welcome, visitor." in browser.visit("/ways/silent/").text


@pytest.mark.slow
def test_a_login_by_code_has_an_access_token_of_its_own(browser: Browser) -> None:
    text = log_in(browser, "/ways/access-token/", *ADA)
    assert "none was fetched" in text
    assert "<code>read:appointments</code>" in text


@pytest.mark.slow
def test_the_calendar_says_why_it_has_no_token(browser: Browser) -> None:
    text = log_in(browser, "/ways/calendar/", *ADA)
    assert "connection_token_refused" in text


@pytest.mark.slow
def test_a_page_comes_in_the_language_that_the_visitor_chose(browser: Browser) -> None:
    assert "Who can log in" in browser.open("/").text
    text = send(browser, to="/i18n/setlang/", language="ja")
    assert '<html lang="ja">' in text
    assert "Who can log in" not in text
    assert '<html lang="en">' in send(browser, to="/i18n/setlang/", language="en")


@pytest.mark.slow
def test_without_the_demo_there_are_no_ways(tmp_path: Path) -> None:
    code = "from django.test import Client; print(Client().get('/ways/').status_code)"
    done = manage("shell", "-c", code, ALLOWED_HOSTS="testserver", DATABASE=str(tmp_path / "clinic.sqlite3"))
    assert done.stdout.strip().endswith("404"), done.stderr


@pytest.mark.slow
def test_the_api_answers_a_browser_without_token_as_an_api_does(site: str) -> None:
    refused = requests.get(f"{site}/api/appointments/", timeout=PATIENCE)
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")
