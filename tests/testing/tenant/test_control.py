"""The remote control, the command line, the log, the clock, and what the tenant does not import."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request

import pytest
import requests

from django_auth0_flow.testing.tenant import Tenant
from django_auth0_flow.testing.tenant.__main__ import build_parser, build_tenant, settings_text
from tests.testing.tenant.helpers import CALLBACK, RelyingParty


def test_log_redacts_secrets_and_leaves_out_control_requests(tenant: Tenant, rp: RelyingParty) -> None:
    rp.log_in()
    log = requests.get(tenant.issuer + "_tenant/log", timeout=60).json()
    exchange = next(entry for entry in log if entry["grant_type"] == "authorization_code")
    assert exchange["status"] == 200
    assert exchange["form"]["client_id"] == [rp.application.client_id]
    assert exchange["form"]["client_secret"] == ["<redacted>"]
    assert rp.application.client_secret not in json.dumps(log)
    assert not any(entry["path"].startswith("/_tenant") for entry in log)
    assert "client_secret" not in repr(tenant.requests)
    requests.delete(tenant.issuer + "_tenant/log", timeout=60)
    assert tenant.requests == []


def test_log_in_process(tenant: Tenant, rp: RelyingParty) -> None:
    rp.log_in()
    entry = next(entry for entry in tenant.requests if entry.path == "/oauth/token")
    assert entry.form["code_verifier"]
    assert entry.headers["content-type"] == "application/x-www-form-urlencoded"
    assert entry.time == pytest.approx(tenant.clock.now(), abs=5)
    assert next(entry for entry in tenant.requests if entry.path == "/authorize").query["state"] == ["the-state"]


def test_clock_by_http(tenant: Tenant) -> None:
    before = tenant.clock.now()
    now = requests.post(tenant.issuer + "_tenant/clock", json={"advance": 1000}, timeout=60).json()["now"]
    assert now == pytest.approx(before + 1000, abs=5)
    requests.post(tenant.issuer + "_tenant/clock", json={"set": 5000}, timeout=60)
    assert tenant.clock.now() == pytest.approx(5000, abs=5)


def test_own_clock() -> None:
    tenant = Tenant(clock=lambda: 100.0)
    tenant.clock.advance(5)
    assert tenant.clock.now() == 105.0


def test_faults_by_http(tenant: Tenant, rp: RelyingParty) -> None:
    url = tenant.issuer + "_tenant/faults"
    assert requests.post(url, json={"name": "status", "status": 502, "times": 2}, timeout=60).json() == {
        "faults": ["status"]
    }
    assert rp.refresh("x").status_code == 502
    assert requests.post(url, json={"name": "nonsense"}, timeout=60).status_code == 400
    requests.delete(url, timeout=60)
    assert rp.refresh("x").status_code == 403


def test_state_keys_and_outbox_by_http(tenant: Tenant, rp: RelyingParty) -> None:
    token = rp.log_in()["refresh_token"]
    rp.refresh(token)
    rp.refresh(token)
    state = requests.get(tenant.issuer + "_tenant/state", timeout=60).json()
    assert state["families_revoked"] == 1
    assert state["counts"]["/oauth/token refresh_token"] == 2
    kid = tenant.keys.next.kid
    assert requests.post(tenant.issuer + "_tenant/keys/rotate", timeout=60).json() == {"kid": kid}
    assert requests.get(tenant.issuer + "_tenant/outbox", timeout=60).json() == []


def test_configuration_by_http(tenant: Tenant, rp: RelyingParty) -> None:
    base = tenant.issuer + "_tenant/"
    client_id, identifier = rp.application.client_id, tenant.api.identifier
    body = {"rotation": False, "grant_types": ["authorization_code", "refresh_token"]}
    assert requests.post(f"{base}applications?client_id={client_id}", json=body, timeout=60).status_code == 200
    assert rp.application.rotation is False
    assert rp.application.grant_types == {"authorization_code", "refresh_token"}
    requests.post(f"{base}apis", params={"identifier": identifier}, json={"lifetime": 60}, timeout=60)
    assert rp.log_in()["expires_in"] == 60
    requests.post(f"{base}users", params={"sub": tenant.user.sub}, json={"blocked": True}, timeout=60)
    assert tenant.user.blocked
    assert requests.post(f"{base}apis", params={"identifier": "x"}, json={}, timeout=60).status_code == 404
    wrong = requests.post(f"{base}apis", params={"identifier": identifier}, json={"life": 1}, timeout=60)
    assert wrong.json() == {"error": "no such field: life"}
    revoked = requests.delete(f"{base}refresh-tokens", params={"sub": tenant.user.sub}, timeout=60)
    assert revoked.json() == {"revoked": 1}


@pytest.mark.parametrize("headers", [{"Host": "evil.example:80"}, {"Origin": "https://evil.example"}])
def test_web_pages_cannot_steer_the_tenant(tenant: Tenant, headers: dict[str, str]) -> None:
    assert requests.get(tenant.issuer + "_tenant/outbox", headers=headers, timeout=60).status_code == 403


def test_settings_of_the_command_line() -> None:
    arguments = build_parser().parse_args(
        ["--port", "9", "--client-id", "me", "--audience", "https://a", "--callback", CALLBACK, "--no-rotation"]
    )
    tenant = build_tenant(arguments)
    assert '"ISSUER": "http://127.0.0.1:9/"' in settings_text(tenant)
    assert '"CLIENT_ID": "me"' in settings_text(tenant)
    assert tenant.application.callbacks == [CALLBACK]
    assert tenant.application.rotation is False
    assert tenant.apis["https://a"] is tenant.api
    assert "read:appointments" in tenant.user.permissions["https://a"]


def test_command_line_serves_until_it_is_stopped() -> None:
    command = [sys.executable, "-m", "django_auth0_flow.testing.tenant", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            issuer = process.stdout.readline().split()[-1]
            with urllib.request.urlopen(issuer + ".well-known/openid-configuration", timeout=60) as answer:
                assert json.load(answer)["issuer"] == issuer
            outbox = next(line.split()[-1] for line in process.stdout if line.startswith("Messages sent:"))
            with urllib.request.urlopen(outbox, timeout=60) as answer:
                assert json.load(answer) == []
        finally:
            process.terminate()


def test_neither_django_nor_the_core_is_imported() -> None:
    code = (
        "import sys, django_auth0_flow.testing.tenant.__main__\n"
        "ours = [name for name in sys.modules if name.partition('.')[0] == 'django_auth0_flow']\n"
        "outside = [name for name in ours if not name.startswith('django_auth0_flow.testing')]\n"
        "assert outside == ['django_auth0_flow'], outside\n"
        "assert not any(name.partition('.')[0] in {'django', 'requests'} for name in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
