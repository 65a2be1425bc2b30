"""Logins that must not happen: everything a tenant, a network or an attacker may get wrong, over real HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from django_auth0_flow.protocol.errors import UNUSABLE_ANSWERS
from django_auth0_flow.signals import login_failed
from django_auth0_flow.testing.tenant import Tenant
from tests.walk import SLOW, assert_nothing_stored, code_shown, come_back, is_logged_in, start, walk, with_query

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("auth0_settings")]

#: Codes of a tenant that nobody can reach, or that asks to wait.
OUT_OF_REACH = ("tenant_unreachable", "tenant_timeout", "rate_limited")
#: threat, fault, its options, the code on the page. Every one ends without a login.
REFUSED: list[tuple[str, str, dict[str, Any], str]] = [
    ("S1", "alg-none", {}, "token_token"),
    ("S1", "alg-none", {"spelling": "nOnE"}, "token_token"),
    ("S1", "alg-none", {"spelling": ""}, "token_token"),
    ("S2", "hs256-public-key", {}, "token_alg"),
    ("S3", "hs256-client-secret", {}, "token_alg"),
    ("S4", "rs512", {}, "token_alg"),
    ("S5", "sig-invalid", {}, "token_signature"),
    ("S6", "kid-unknown", {}, "signing_key_not_found"),
    ("S6", "kid-unknown", {"value": "../../etc/passwd"}, "signing_key_not_found"),
    ("S6", "kid-unknown", {"value": ["a"]}, "token_kid"),
    ("S1", "header", {"member": "alg", "value": "none"}, "token_alg"),
    ("S1", "header", {"member": "alg"}, "token_alg"),
    ("S4", "header", {"member": "alg", "value": "PS256"}, "token_alg"),
    ("S8", "crit", {}, "token_crit"),
    ("S8", "header", {"member": "b64", "value": False}, "token_crit"),
    ("S9", "id-token", {"value": "a.b"}, "token_token"),
    ("S9", "id-token", {"value": "a.b.c.d.e"}, "token_token"),
    ("S9", "id-token", {"value": "\u00fc.b.c"}, "token_token"),
    ("S10", "id-token", {"value": "e30.W10.AAAA"}, "token_"),
    ("S12", "claim", {"claim": "events", "value": {}}, "token_events"),
    ("S12", "header", {"member": "typ", "value": "logout+jwt"}, "token_typ"),
    ("S11", "jwks-enc-only", {}, "no_signing_keys"),
    ("S11", "jwks-oct", {}, "no_signing_keys"),
    ("S12", "access-token-as-id-token", {}, "token_"),
    ("C1", "invalid-iss", {}, "token_iss"),
    ("C1", "claim", {"claim": "iss"}, "token_iss"),
    ("C2", "invalid-aud", {}, "token_aud"),
    ("C2", "missing-aud", {}, "token_aud"),
    ("C3", "multiple-aud-no-azp", {}, "token_azp"),
    ("C3", "foreign-azp", {}, "token_azp"),
    ("C4", "expired", {}, "token_exp"),
    ("C4", "missing-exp", {}, "token_exp"),
    ("C4", "claim", {"claim": "exp", "value": "2999-01-01"}, "token_exp"),
    ("C5", "missing-iat", {}, "token_iat"),
    ("C5", "future-iat", {}, "token_iat"),
    ("C5", "claim", {"claim": "nbf", "value": 99999999999}, "token_nbf"),
    ("C6", "nonce-invalid", {}, "token_nonce"),
    ("C6", "nonce-missing", {}, "token_nonce"),
    ("C6", "nonce-invalid", {"value": 7}, "token_nonce"),
    ("C7", "missing-sub", {}, "token_sub"),
    ("C7", "blank-sub", {}, "token_sub"),
    ("C7", "claim", {"claim": "sub", "value": "x" * 256}, "token_sub"),
    ("C8", "at-hash-invalid", {}, "token_at_hash"),
    ("F4", "refuse", {"error": "invalid_grant", "description": "Failed to verify code verifier"}, "invalid_grant"),
    ("F7", "iss-wrong", {}, "iss_mismatch"),
    ("F9", "authorize-error", {"error": "server_error"}, "server_error"),
    ("T1", "token-type-missing", {}, "token_type_unsupported"),
    ("T1", "token-type-other", {}, "token_type_unsupported"),
    ("T1", "no-access-token", {}, "access_token_missing"),
    ("T2", "no-id-token", {}, "token_id_token"),
    ("T3", "error-200", {}, "invalid_grant"),
    ("T3", "tokens-400", {}, "malformed_answer"),
    ("T3", "refuse", {"error": "access_denied", "status": 401}, "client_rejected"),
    ("T3", "refuse", {"error": "<script>", "description": "<b>", "status": 400}, "oauth_error"),
    ("T3", "mfa-required", {}, "mfa_required"),
    ("T3", "access-denied", {"description": "not today"}, "access_denied"),
    ("T3", "status", {"status": 500, "body": "oops"}, "tenant_unreachable"),
    ("T3", "rate-limit", {"retry_after": 7}, "rate_limited"),
    ("T3", "global-limit", {}, "rate_limited"),
    ("T4", "html", {}, "malformed_answer"),
    ("T4", "empty", {}, "malformed_answer"),
    ("T4", "empty", {"status": 204}, "malformed_answer"),
    ("T4", "list", {}, "malformed_answer"),
    ("T4", "json", {"value": None}, "malformed_answer"),
    ("T4", "json", {"value": "text"}, "malformed_answer"),
    ("T4", "truncated", {}, ""),
    ("T4", "broken-chunks", {}, ""),
    ("T4", "gzip-wrong", {}, ""),
    ("T4", "bad-utf8", {}, "malformed_answer"),
    ("T4", "bom", {}, "malformed_answer"),
    ("T4", "not-http", {}, ""),
    ("T4", "drop", {}, "tenant_unreachable"),
    ("T4", "reset", {}, "tenant_unreachable"),
    ("T5", "deep-json", {}, "malformed_answer"),
    ("T5", "big-integer", {}, "malformed_answer"),
    ("T5", "nan", {}, "malformed_answer"),
    ("T6", "huge", {}, "answer_too_large"),
    ("T6", "gzip-bomb", {}, "malformed_answer"),
    ("T7", "slow", {"seconds": 300}, "tenant_timeout"),
    ("T7", "drip-body", {}, "tenant_timeout"),
    ("T7", "drip-headers", {}, "tenant_timeout"),
    ("T8", "redirect", {}, "malformed_answer"),
    ("T8", "redirect", {"status": 302, "location": "https://evil.example/"}, "malformed_answer"),
    ("J1", "metadata-issuer-mismatch", {}, "issuer_mismatch"),
    ("J3", "jwks-empty", {}, "no_signing_keys"),
    ("J3", "html", {"endpoint": "jwks"}, "malformed_answer"),
    ("J3", "status", {"endpoint": "jwks", "status": 503}, "tenant_unreachable"),
    ("J3", "deep-json", {"endpoint": "jwks"}, "malformed_answer"),
    ("J3", "drip-body", {"endpoint": "jwks"}, "tenant_timeout"),
    ("J3", "drop", {"endpoint": "metadata"}, "tenant_unreachable"),
    ("J3", "html", {"endpoint": "metadata"}, "malformed_answer"),
    ("J8", "redirect", {"endpoint": "jwks", "status": 302}, "malformed_answer"),
]


@pytest.mark.parametrize(
    ("threat", "fault", "options", "code"),
    REFUSED,
    ids=[
        f"{threat}-{fault}{''.join(f'-{value}' for value in options.values())}"[:60]
        for threat, fault, options, _ in REFUSED
    ],
)
def test_a_refused_login_stores_nothing_and_the_next_one_works(
    client: Client,
    tenant: Tenant,
    auth0_settings: Callable[..., Any],
    threat: str,
    fault: str,
    options: dict[str, Any],
    code: str,
) -> None:
    auth0_settings(HTTP_TIMEOUT=0.5 if fault in SLOW else 10)
    heard: list[Any] = []

    def hear(error: Any, **_: Any) -> None:
        heard.append(error)

    login_failed.connect(hear)
    try:
        tenant.fault(fault, **options)
        answer = client.get("/auth0/login/", {"next": "/bare/"})
        if answer.status_code == 302:
            answer = come_back(client, tenant.login(answer["Location"]))
    finally:
        login_failed.disconnect(hear)
    shown = code_shown(answer)
    assert shown.startswith(code)
    statuses = {502} if shown in UNUSABLE_ANSWERS else {503} if shown in OUT_OF_REACH else {400, 403}
    assert answer.status_code in statuses
    assert len(heard) == 1
    assert answer["Cache-Control"] == "private, no-store"
    assert answer["Referrer-Policy"] == "no-referrer"
    assert "<script>" not in answer.content.decode()
    assert (int(answer.get("Retry-After", "0")) > 0) is (answer.status_code == 503)
    assert_nothing_stored(client)
    tenant.clear_faults()
    auth0_settings()
    # The page's own way on works.
    retry = answer.context["retry_url"] or "/auth0/login/?next=%2Fbare%2F"
    assert retry.startswith("/auth0/login/?next=%2Fbare%2F")
    assert come_back(client, tenant.login(client.get(retry)["Location"]))["Location"] == "/bare/"
    assert is_logged_in(client)


class TestIssuerParameter:
    """F7, RFC 9207."""

    def test_F7_announced_and_right(self, client: Client, tenant: Tenant) -> None:
        tenant.include_iss = True
        walk(client, tenant)
        assert is_logged_in(client)

    @pytest.mark.parametrize(("fault", "code"), [("iss-missing", "iss_missing"), ("iss-wrong", "iss_mismatch")])
    def test_F7_announced_and_missing_or_wrong(self, client: Client, tenant: Tenant, fault: str, code: str) -> None:
        tenant.include_iss = True
        tenant.fault(fault)
        answer = walk(client, tenant)
        assert (answer.status_code, code_shown(answer)) == (400, code)
        assert tenant.count("/oauth/token") == 0
        assert_nothing_stored(client)

    def test_F7_empty(self, client: Client, tenant: Tenant) -> None:
        answer = come_back(client, with_query(tenant.login(start(client)), iss=""))
        assert code_shown(answer) == "iss_mismatch"
        assert_nothing_stored(client)


def test_T8_nothing_reaches_the_host_a_token_answer_redirects_to(client: Client, tenant: Tenant) -> None:
    with Tenant() as other:
        for status in (301, 302, 303, 307, 308):
            tenant.fault("redirect", status=status, location=f"{other.issuer}oauth/token")
            assert walk(client, tenant).status_code == 502
        assert other.requests == []
