"""What the doctor does to a tenant, and what it makes of one that is well, odd, or not there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from django.core.cache import cache

from django_auth0_flow.doctor import examination
from django_auth0_flow.doctor.catalogue import ERROR, WARNING
from django_auth0_flow.doctor.examined import Examined
from django_auth0_flow.doctor.examined import Test as OneTest
from django_auth0_flow.doctor.findings import Finding
from django_auth0_flow.testing.tenant import Tenant
from tests.doctor.support import DATABASE, EVERYTHING, OLD_SECRET, SCOPE, SITE, Configure, doctor
from tests.oidc_site import Site
from tests.servers.fixtures import OidcProviderFactory

# -- what is well ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "keys",
    [
        {},
        EVERYTHING,
        {**EVERYTHING, "PASSWORD_REALM": DATABASE, "PASSWORDLESS": ["email-link", "sms"]},
        {"CLIENT_AUTH": "client_secret_basic", "RESPONSE_MODE": "form_post"},
        {"RESPONSE_TYPE": "code id_token", "RESPONSE_MODE": "form_post"},
        {"RESPONSE_TYPE": "id_token", "RESPONSE_MODE": "form_post", "CLIENT_SECRET": None, "SCOPE": SCOPE},
        {"DPOP": True, "PUSHED_AUTHORIZATION": True},
        {"RESOURCE": "https://api.example.com", "AUDIENCE": None},
        {"ORGANIZATION": lambda request: "org_1"},
    ],
    ids=lambda keys: " ".join(keys) or "plain",
)
def test_a_healthy_tenant_has_no_findings(keys: dict[str, Any], healthy: Tenant, configure: Configure) -> None:
    configure(**keys)
    users, sessions = len(healthy.users), len(healthy.sessions)
    outcome = doctor("--json")
    assert (outcome.code, outcome.findings) == (0, [])
    assert not outcome.report["untested"]
    assert "Nothing wrong." in doctor().text
    # Nobody was created, logged in, or sent a message.
    assert (len(healthy.users), len(healthy.sessions), healthy.outbox) == (users, sessions, [])
    assert healthy.refresh_tokens.live() == 0


def test_a_public_client(healthy: Tenant, configure: Configure) -> None:
    healthy.application.token_endpoint_auth_method = "none"
    configure(CLIENT_AUTH="none", CLIENT_SECRET=None)
    assert doctor("--json").ids == []


def test_few_requests_each_saying_whose_they_are(healthy: Tenant, configure: Configure) -> None:
    assert doctor("--json").report["requests"] == 7
    assert [(asked.method, asked.path) for asked in healthy.requests] == [
        ("GET", "/.well-known/openid-configuration"),
        ("GET", "/.well-known/jwks.json"),
        ("GET", "/authorize"),
        ("GET", "/authorize"),
        ("POST", "/oauth/token"),
        ("POST", "/oauth/token"),
        ("GET", "/oidc/logout"),
    ]
    assert {asked.headers["User-Agent"] for asked in healthy.requests} == {"django-auth0-flow auth0_doctor"}
    assert not any("Cookie" in asked.headers for asked in healthy.requests)
    healthy.clear_log()
    configure(**EVERYTHING)
    assert doctor("--json").report["requests"] == len(healthy.requests) == 13


def test_it_asks_the_tenant_itself_not_the_cache(healthy: Tenant, configure: Configure) -> None:
    doctor()
    healthy.fault("metadata-issuer-mismatch")
    assert doctor("--json").ids == ["SM41"]


def test_what_it_learned_stays_out_of_the_cache_of_real_logins(healthy: Tenant, configure: Configure) -> None:
    cache.clear()
    doctor()
    assert cache.get(f"auth0_flow:metadata:{healthy.issuer}") is None


def test_messages_have_no_address_to_go_to(healthy: Tenant, configure: Configure) -> None:
    configure(**EVERYTHING)
    doctor()
    sent = [asked.form for asked in healthy.requests if asked.path == "/passwordless/start"]
    assert len(sent) == 2
    assert not any({"email", "phone_number"} & set(form) for form in sent)


def test_nobodys_name_is_another_each_time_so_that_no_account_is_blocked(healthy: Tenant, configure: Configure) -> None:
    configure(**EVERYTHING)
    for _ in range(12):
        assert doctor().code == 0
    assert max(healthy.failed_logins.values()) == 1
    assert all(name.endswith("@example.invalid") for name, _ in healthy.failed_logins)


# -- the client's other ways to prove itself -------------------------------------------------------------------------------


def make_key(folder: Path) -> tuple[str, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path = folder / "key.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return str(path), public.decode()


def test_a_registered_key_is_fine_and_another_is_not(healthy: Tenant, configure: Configure, tmp_path: Path) -> None:
    path, public = make_key(tmp_path)
    healthy.application.token_endpoint_auth_method = "private_key_jwt"
    healthy.application.public_keys = {"": public}
    configure(CLIENT_SECRET=None, CLIENT_ASSERTION_KEYS=[{"key": path}], **EVERYTHING)
    assert doctor("--json").ids == []
    healthy.application.require_jar = True
    assert doctor("--json").ids == ["SM60"]
    configure(CLIENT_SECRET=None, CLIENT_ASSERTION_KEYS=[{"key": path}], SIGNED_REQUESTS=True, **EVERYTHING)
    assert doctor("--json").ids == []
    healthy.application.public_keys = {}
    outcome = doctor("--json")
    assert outcome.ids == ["SM71"]
    assert "invalid_request_object" in outcome.findings[0]["answer"]
    configure(CLIENT_SECRET=None, CLIENT_ASSERTION_KEYS=[{"key": path}], **EVERYTHING)
    healthy.application.require_jar = False
    outcome = doctor("--json")
    assert outcome.ids == ["SM71"]
    assert "401 invalid_client" in outcome.findings[0]["answer"]
    assert {missing["test"] for missing in outcome.report["untested"]} == {
        "refresh",
        "password",
        "one-time code",
        "passwordless",
        "second factor",
    }


# -- the clock -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "severity"), [(5, None), (-5, None), (30, WARNING), (-30, WARNING), (4000, ERROR), (-4000, ERROR)]
)
def test_a_clock_that_differs(seconds: float, severity: str | None, healthy: Tenant, configure: Configure) -> None:
    healthy.clock.advance(seconds)
    found = [found for found in doctor("--json").findings if found["id"] == "D06"]
    assert [item["severity"] for item in found] == ([severity] if severity else [])
    if severity:
        assert ("behind" if seconds > 0 else "ahead") in found[0]["cause"]


@pytest.mark.parametrize("date", ["", "yesterday", "Fri, 31 Feb 2026 99:99:99 GMT", "Mon, 01 Jan 99999 00:00:00 GMT"])
def test_a_date_that_is_none_says_nothing_about_the_clock(date: str, healthy: Tenant, configure: Configure) -> None:
    healthy.fault("status", endpoint="jwks", status=200, body=healthy.keys.jwks(), headers={"Date": date})
    assert doctor("--json").ids == []


# -- no answer -------------------------------------------------------------------------------------------------------------


def test_a_tenant_that_does_not_answer(healthy: Tenant, configure: Configure) -> None:
    healthy.stop()
    outcome = doctor("--json")
    assert (outcome.code, outcome.ids) == (2, ["D02"])
    assert "refused" in outcome.findings[0]["answer"]
    assert outcome.report["tested"] == ["last login", "discovery"]
    assert not outcome.report["is_complete"]
    assert doctor().code == 2


def test_a_host_that_does_not_exist(configure: Configure) -> None:
    configure(ISSUER=None, DOMAIN="no-such-tenant.invalid")
    outcome = doctor("--json")
    assert (outcome.code, outcome.ids) == (2, ["D01"])


def test_a_host_without_a_certificate(healthy: Tenant, configure: Configure) -> None:
    configure(ISSUER=f"https://127.0.0.1:{healthy.port}/")
    outcome = doctor("--json")
    assert (outcome.code, outcome.ids) == (2, ["D03"])
    assert "ISSUER begins with http://" in str(outcome.findings[0])


def test_an_answer_that_is_too_slow(healthy: Tenant, configure: Configure) -> None:
    configure(HTTP_TIMEOUT=0.2)
    healthy.fault("slow", None, endpoint="metadata", seconds=300)
    outcome = doctor("--json")
    assert (outcome.code, outcome.ids) == (2, ["D02"])


@pytest.mark.parametrize("name", ["drop", "not-http", "broken-chunks", "truncated"])
def test_a_connection_that_breaks_later_ends_one_test_only(name: str, healthy: Tenant, configure: Configure) -> None:
    healthy.fault(name, None, endpoint="authorize")
    outcome = doctor("--json")
    assert outcome.code == 2
    assert outcome.report["tested"][-2:] == ["logout", "rate limits"]


def test_a_test_that_fails_itself_ends_no_other(
    healthy: Tenant, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    def probe(examined: Examined) -> Iterator[Finding]:
        raise KeyError(examined.conf.client_secret)

    tests = [OneTest("broken", probe), *examination.TESTS]
    monkeypatch.setattr(examination, "TESTS", tests)
    outcome = doctor("--json")
    assert (outcome.code, outcome.ids) == (2, ["D99"])
    assert outcome.findings[0]["answer"] == "KeyError"
    assert "logout" in outcome.report["tested"]


# -- another provider ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.django_db
def test_a_certified_provider_is_judged_alike(oidc_provider: OidcProviderFactory, settings: Any) -> None:
    site = Site(oidc_provider(), settings, SITE)
    assert doctor("--json", "--base-url", SITE).ids == []
    site.configure(PUSHED_AUTHORIZATION=True)
    assert doctor("--json", "--base-url", SITE).ids == []
    site.configure(CLIENT_SECRET=OLD_SECRET)
    assert doctor("--json", "--base-url", SITE).ids == ["SM13"]
    site.configure(CLIENT_ID="nobody")
    assert doctor("--json", "--base-url", SITE).ids == ["SM12"]
    site.configure()
    assert doctor("--json", "--base-url", "https://other.example.com").ids == ["SM10", "SM34"]
