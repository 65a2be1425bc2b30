"""The tenant's page for a person: what it shows and does, who may not use it, and that it refuses production."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from django.conf import settings as django_settings

from django_auth0_flow.testing.tenant import Tenant
from django_auth0_flow.testing.tenant.__main__ import build_parser
from django_auth0_flow.testing.tenant.control import CONTROLS
from django_auth0_flow.testing.tenant.faults import FAULTS
from django_auth0_flow.testing.tenant.model import DEFAULT_CONNECTION
from django_auth0_flow.testing.tenant.records import Message
from django_auth0_flow.testing.tenant.refusals import _MISTAKES
from tests.testing.tenant.helpers import RelyingParty

ROOT = Path(__file__).parents[3]
TEMPLATES = ROOT / "django_auth0_flow/testing/tenant/templates"


def page(tenant: Tenant, **options: Any) -> requests.Response:
    return requests.get(tenant.issuer + "_tenant/", timeout=60, **options)


def press(tenant: Tenant, button: str, *, headers: dict[str, str] | None = None, **fields: Any) -> requests.Response:
    """Press a button as the browser that shows the page does."""
    (key,) = set(re.findall(r'name="key" value="([^"]+)"', page(tenant).text))
    origin = {"Origin": tenant.issuer.rstrip("/"), **(headers or {})}
    form = {"key": key, "do": button, **fields}
    return requests.post(tenant.issuer + "_tenant/", data=form, headers=origin, allow_redirects=False, timeout=60)


# -- what it shows ---------------------------------------------------------------------------------------------------------


def test_it_shows_who_exists_and_what_was_sent(tenant: Tenant, rp: RelyingParty) -> None:
    rp.log_in()
    tenant.user.claims["https://app.example.com/roles"] = ["admin", "<b>"]
    tenant.say_to(Message("ada@example.com", "passwordless_code", "482913"))
    text = page(tenant).text
    for expected in (
        "Ada Lovelace",
        "correct horse",
        tenant.user.sub,
        "admin, &lt;b&gt;",
        "482913",
        "1 refresh token<",
    ):
        assert expected in text
    assert "Not a production server." in text
    assert tenant.application.client_secret not in text


def test_it_says_what_went_wrong_and_how_to_correct_it(tenant: Tenant, rp: RelyingParty) -> None:
    refused = requests.get(rp.url(redirect_uri="http://localhost:1/<callback>"), timeout=60)
    assert 'href="/_tenant/#refusals"' in refused.text
    rp.refresh("unknown")
    rp.application.client_secret, secret = "another", rp.application.client_secret
    rp.token("refresh_token", refresh_token="x", client_secret="wrong")
    rp.application.client_secret = secret
    rp.callback(prompt="none")
    found = requests.get(tenant.issuer + "_tenant/refusals", timeout=60).json()
    assert [(one["status"], one["path"], one["error"], one["mistake"]) for one in found] == [
        (302, "/authorize", "login_required", "silent"),
        (401, "/oauth/token", "access_denied", "secret"),
        (403, "/oauth/token", "invalid_grant", "refresh_token"),
        (400, "/authorize", "Callback URL mismatch.", "callback"),
    ]
    text = page(tenant).text
    assert "Sent: <code>http://localhost:1/&lt;callback&gt;</code>" in text
    assert "Register this address, character by character" in text
    assert "It was revoked, has expired or was used twice." in text
    assert "wrong" not in str(found)
    press(tenant, "clear_refusals")
    assert "Nothing was refused so far." in page(tenant).text


def test_answers_of_every_form_are_noted(tenant: Tenant, rp: RelyingParty) -> None:
    client = {"client_id": rp.application.client_id, "client_secret": rp.application.client_secret}
    sent = {**client, "connection": DEFAULT_CONNECTION, "email": "a@example.com"}
    requests.post(tenant.issuer + "dbconnections/signup", json={**sent, "password": "weak"}, timeout=60)
    requests.post(tenant.issuer + "passwordless/start", json={**sent, "connection": "x"}, timeout=60)
    assert [(one.error, one.mistake, one.client_id) for one in tenant.refusals.snapshot()] == [
        ("bad.connection", "parameter", rp.application.client_id),
        ("invalid_password", "weak_password", rp.application.client_id),
    ]
    assert "weaker than the policy allows" in page(tenant).text


def test_every_mistake_has_its_text() -> None:
    texts = (TEMPLATES / "_cures.html").read_text()
    assert {name for _, _, name in _MISTAKES} == set(re.findall(r'mistake == "(\w+)"', texts))


# -- buttons ---------------------------------------------------------------------------------------------------------------


def test_a_user_is_blocked_and_let_in_again(tenant: Tenant, rp: RelyingParty) -> None:
    token = rp.log_in()["refresh_token"]
    answer = press(tenant, "block", sub=tenant.user.sub)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/_tenant/?done=block#people")
    assert "Blocked: no login and no refresh" in requests.get(answer.url + "?done=block", timeout=60).text
    assert rp.refresh(token).status_code == 403
    tenant.failed_logins["ada@example.com", ""] = 10
    press(tenant, "unblock", sub=tenant.user.sub)
    assert rp.refresh(token).status_code == 200
    assert tenant.failed_logins == {}


def test_a_users_sessions_and_tokens_end(tenant: Tenant, rp: RelyingParty) -> None:
    token = rp.log_in()["refresh_token"]
    rp.log_in(list(tenant.users.values())[1])
    press(tenant, "end_sessions", sub=tenant.user.sub)
    assert len(tenant.sessions) == 1
    press(tenant, "revoke", sub=tenant.user.sub)
    assert rp.refresh(token).json()["error"] == "invalid_grant"
    assert tenant.refresh_tokens.live() == 1


def test_tokens_expire_and_get_a_short_life(tenant: Tenant, rp: RelyingParty) -> None:
    token = rp.log_in(audience=None)["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    assert requests.get(tenant.issuer + "userinfo", headers=bearer, timeout=60).status_code == 200
    press(tenant, "expire")
    assert requests.get(tenant.issuer + "userinfo", headers=bearer, timeout=60).status_code == 401
    press(tenant, "reset_clock")
    assert tenant.clock.offset == 0
    press(tenant, "move_clock", seconds="3600")
    assert tenant.clock.offset == 3600
    press(tenant, "shorten", seconds="60")
    assert rp.log_in()["expires_in"] == 60


def test_keys_rotate(tenant: Tenant) -> None:
    first = tenant.keys.current.kid
    press(tenant, "rotate_keys")
    assert first in {key.kid for key in tenant.keys.published()} - {tenant.keys.current.kid}
    second = tenant.keys.current.kid
    press(tenant, "revoke_keys")
    assert {first, second} & {key.kid for key in tenant.keys.published()} == set()


def test_faults_wait_and_are_forgotten(tenant: Tenant, rp: RelyingParty) -> None:
    press(tenant, "add_fault", name="status", endpoint="jwks", times="2")
    press(tenant, "add_fault", name="invalid-iss", endpoint="token", times="1")
    assert tenant.faults.pending() == ["status", "invalid-iss"]
    assert requests.get(tenant.issuer + ".well-known/jwks.json", timeout=60).status_code == 503
    press(tenant, "clear_faults")
    assert tenant.faults.pending() == []


def test_every_fault_on_offer_needs_no_more_than_the_form_has(tenant: Tenant, rp: RelyingParty) -> None:
    offered = re.findall(r'<option value="([\w-]+)"', page(tenant).text)
    assert len(offered) > 60
    assert set(FAULTS) - set(offered) == {"claim", "header", "extra", "metadata-missing"}
    for name in offered:
        if FAULTS[name][0] in ("id_token", "answer", "refusal"):
            press(tenant, "add_fault", name=name, endpoint="token", times="1")
            assert rp.exchange(rp.callback()["code"]).status_code < 500, name
            tenant.faults.clear()


@pytest.mark.parametrize(
    ("button", "fields", "status"),
    [
        ("nonsense", {}, 400),
        ("block", {"sub": "auth0|nobody"}, 404),
        ("move_clock", {"seconds": "x"}, 400),
        ("move_clock", {"seconds": "nan"}, 400),
        ("move_clock", {"seconds": "1e99"}, 400),
        ("shorten", {"seconds": "0"}, 400),
        ("add_fault", {"name": "nonsense", "endpoint": "token"}, 400),
        ("add_fault", {"name": "status", "endpoint": "nowhere"}, 400),
        ("add_fault", {"name": "status", "endpoint": "token", "times": "-1"}, 400),
    ],
)
def test_what_no_button_says_is_refused(tenant: Tenant, button: str, fields: dict[str, Any], status: int) -> None:
    assert press(tenant, button, **fields).status_code == status
    assert tenant.faults.pending() == []
    assert page(tenant).status_code == 200


# -- other sites -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example:80", "localhost.:80", ""])
def test_a_name_that_leads_here_shows_nothing(tenant: Tenant, host: str) -> None:
    """DNS rebinding: to the browser the page would be of the foreign site, which could read it."""
    assert page(tenant, headers={"Host": host}).status_code in (400, 403)
    assert press(tenant, "revoke_keys", headers={"Host": host}).status_code in (400, 403)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost:1"])
def test_a_foreign_form_presses_no_button(tenant: Tenant, origin: str) -> None:
    kid = tenant.keys.current.kid
    assert press(tenant, "rotate_keys", headers={"Origin": origin}).status_code == 403
    assert tenant.keys.current.kid == kid


@pytest.mark.parametrize("key", ["", "guessed", "\N{SNOWMAN}"])
def test_a_form_without_the_pages_secret_presses_no_button(tenant: Tenant, key: str) -> None:
    form = {"key": key, "do": "rotate_keys"}
    assert requests.post(tenant.issuer + "_tenant/", data=form, timeout=60).status_code == 403
    with Tenant() as other:
        (foreign,) = set(re.findall(r'name="key" value="([^"]+)"', page(other).text))
    assert requests.post(tenant.issuer + "_tenant/", data={**form, "key": foreign}, timeout=60).status_code == 403


def test_it_can_not_be_framed_cached_or_made_to_run_scripts(tenant: Tenant) -> None:
    answer = page(tenant)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src" not in policy
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Access-Control-Allow-Origin" not in answer.headers


# -- the command line ------------------------------------------------------------------------------------------------------


def test_help_lists_every_control_and_fault() -> None:
    text = build_parser().format_help()
    for method, path, _, what, body in CONTROLS:
        assert f"{method} {path} " in text
        assert what in text
        assert body in text
    words = set(re.findall(r"[\w-]+", text))
    assert set(FAULTS) <= words
    assert "no production server" in " ".join(text.split())


# -- production ------------------------------------------------------------------------------------------------------------


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO", "AUTH0", "PYTEST"))}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**clean, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


_START = """
from django.conf import settings
settings.configure(DEBUG={debug})
{more}
from django_auth0_flow.testing.tenant import Tenant
with Tenant() as tenant:
    print("started")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("debug", "more", "starts"),
    [
        (True, "", True),
        (False, "", False),
        (False, "from django.test.utils import setup_test_environment; setup_test_environment()", True),
    ],
    ids=["development", "production", "tests"],
)
def test_it_does_not_start_in_a_process_that_is_in_production(debug: bool, more: str, starts: bool) -> None:
    done = run(_START.format(debug=debug, more=more))
    assert done.stdout == ("started\n" if starts else "")
    assert ("settings.configure() says DEBUG = False" in done.stderr) is not starts


@pytest.mark.slow
@pytest.mark.parametrize("debug", [True, False])
def test_the_command_line_does_not_start_for_settings_of_production(tmp_path: Path, debug: bool) -> None:
    (tmp_path / "mysite.py").write_text(f"DEBUG = {debug}\n")
    code = "from django_auth0_flow.testing.tenant import __main__ as program; program.refuse_production_of_this_shell()"
    done = run(code, DJANGO_SETTINGS_MODULE="mysite", PYTHONPATH=f"{ROOT}{os.pathsep}{tmp_path}")
    assert (done.returncode == 0) is debug
    assert ("mysite says DEBUG = False" in done.stderr) is not debug


def test_in_a_test_run_it_starts_whatever_debug_is() -> None:
    assert django_settings.DEBUG is False
    with Tenant() as tenant:
        assert page(tenant).status_code == 200
