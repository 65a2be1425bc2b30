"""Logout tokens that are refused: rows B2 to B5 and B7 of the threats."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.core.cache import cache
from django.test import Client

from django_auth0_flow.conf import clear_caches
from django_auth0_flow.protocol.claim_checks import LOGOUT_EVENT
from django_auth0_flow.storage.logout_tokens import SpentLogoutToken
from django_auth0_flow.testing.tenant import Tenant
from tests.logout.support import assert_done, assert_refused, name_at_home, row_of, send, sid_of


@pytest.mark.parametrize(
    ("changes", "claim"),
    [
        pytest.param({"events": None}, "events", id="B2-missing"),
        pytest.param({"events": {}}, "events", id="B2-empty"),
        pytest.param({"events": {"http://schemas.openid.net/event/other": {}}}, "events", id="B2-other"),
        pytest.param({"events": [LOGOUT_EVENT]}, "events", id="B2-list"),
        pytest.param({"events": LOGOUT_EVENT}, "events", id="B2-text"),
        pytest.param({"events": {LOGOUT_EVENT: "{}"}}, "events", id="B2-member-text"),
        pytest.param({"events": {LOGOUT_EVENT: []}}, "events", id="B2-member-list"),
        pytest.param({"events": {LOGOUT_EVENT: True}}, "events", id="B2-member-true"),
        pytest.param({"nonce": "n-0S6_WzA2Mj"}, "nonce", id="B3-nonce"),
        pytest.param({"nonce": ""}, "nonce", id="B3-empty-nonce"),
        pytest.param({"sub": None, "sid": None}, "sid", id="B4-neither"),
        pytest.param({"sub": 7}, "sub", id="B4-sub-number"),
        pytest.param({"sub": ""}, "sub", id="B4-sub-empty"),
        pytest.param({"sub": ["auth0|602e93db83fa6f00749a23e6"]}, "sub", id="B4-sub-list"),
        pytest.param({"sid": 7}, "sid", id="B4-sid-number"),
        pytest.param({"sid": ""}, "sid", id="B4-sid-empty"),
        pytest.param({"sid": {}}, "sid", id="B4-sid-object"),
        pytest.param({"iss": "https://other.example.com/"}, "iss", id="B5-iss"),
        pytest.param({"iss": None}, "iss", id="B5-no-iss"),
        pytest.param({"aud": "another-client"}, "aud", id="B5-aud"),
        pytest.param({"aud": None}, "aud", id="B5-no-aud"),
        pytest.param({"aud": ["another-client"]}, "aud", id="B5-aud-list"),
        pytest.param({"exp": None}, "exp", id="B5-no-exp"),
        pytest.param({"exp": 1_000_000_000}, "exp", id="B5-expired"),
        pytest.param({"exp": "soon"}, "exp", id="B5-exp-text"),
        pytest.param({"exp": 10**30}, "exp", id="B5-exp-huge"),
        pytest.param({"exp": True}, "exp", id="B5-exp-true"),
        pytest.param({"iat": None}, "iat", id="B5-no-iat"),
        pytest.param({"iat": 9_000_000_000}, "iat", id="B5-iat-future"),
        pytest.param({"nbf": 9_000_000_000}, "nbf", id="B5-nbf-future"),
        pytest.param({"jti": None}, "jti", id="B5-no-jti"),
        pytest.param({"jti": 1}, "jti", id="B5-jti-number"),
        pytest.param({"jti": ""}, "jti", id="B5-jti-empty"),
    ],
)
def test_claims_that_are_refused(browsers: list[Client], tenant: Tenant, changes: dict[str, Any], claim: str) -> None:
    named = {"sub": tenant.user.sub, "sid": sid_of(row_of(browsers[0])), **changes}
    assert_refused(send(tenant.make_logout_token(**named)), claim)
    assert all(name_at_home(client) != "nobody" for client in browsers)
    assert not SpentLogoutToken.objects.exists()


@pytest.mark.parametrize("claim", ["sub", "sid"])
def test_B4_null_is_no_value(browsers: list[Client], tenant: Tenant, claim: str) -> None:
    claims = jwt.decode(
        tenant.make_logout_token(sub=tenant.user.sub, sid=sid_of(row_of(browsers[0]))),
        options={"verify_signature": False},
    )
    assert_refused(send(tenant.sign({**claims, claim: None})), claim)
    assert name_at_home(browsers[0]) != "nobody"


def logout_claims(tenant: Tenant) -> dict[str, Any]:
    token = tenant.make_logout_token(sub=tenant.user.sub)
    return dict(jwt.decode(token, options={"verify_signature": False}))


FORGERIES: dict[str, Callable[[Tenant], str]] = {
    "B5-alg-none": lambda tenant: jwt.encode(logout_claims(tenant), "", algorithm="none"),
    "B5-hs256-client-secret": lambda tenant: jwt.encode(
        logout_claims(tenant), tenant.application.client_secret, algorithm="HS256"
    ),
    "B5-ps256-not-configured": lambda tenant: jwt.encode(
        logout_claims(tenant),
        tenant.keys.current.private,
        algorithm="PS256",
        headers={"kid": tenant.keys.current.kid},
    ),
    "B5-stranger": lambda tenant: jwt.encode(
        logout_claims(tenant),
        rsa.generate_private_key(public_exponent=65537, key_size=2048),
        algorithm="RS256",
        headers={"kid": tenant.keys.current.kid},
    ),
    "B5-unknown-kid": lambda tenant: tenant.sign(logout_claims(tenant), kid="unknown"),
    "B5-signature-cut": lambda tenant: tenant.make_logout_token(sub=tenant.user.sub)[:-8],
    "B5-crit": lambda tenant: tenant.sign(logout_claims(tenant), crit=["exp"]),
    "B7-id-token": lambda tenant: str(tenant.make_id_token(nonce="n")),
    "B7-id-token-without-nonce": lambda tenant: str(tenant.make_id_token()),
    "B7-access-token": lambda tenant: tenant.make_access_token(),
    "B7-opaque-access-token": lambda tenant: tenant.make_access_token(audience=None),
    "B7-access-token-type": lambda tenant: tenant.sign(logout_claims(tenant), typ="at+jwt"),
    "B7-token-of-another-kind": lambda tenant: tenant.sign(logout_claims(tenant), typ="secevent+jwt"),
    "B7-type-no-text": lambda tenant: tenant.sign(logout_claims(tenant), typ=["JWT"]),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_and_foreign_tokens_are_refused(browsers: list[Client], tenant: Tenant, name: str) -> None:
    assert_refused(send(FORGERIES[name](tenant)))
    assert all(name_at_home(client) != "nobody" for client in browsers)


def test_B5_hs256_where_it_is_configured(browsers: list[Client], tenant: Tenant, auth0_settings: Any) -> None:
    auth0_settings(ID_TOKEN_ALGORITHM="HS256")
    secret = tenant.application.client_secret
    claims = {**logout_claims(tenant), "sid": sid_of(row_of(browsers[0]))}
    assert_refused(send(jwt.encode(claims, "x" * 64, algorithm="HS256")), "signature")
    assert_done(send(jwt.encode(claims, secret, algorithm="HS256")))
    assert_done(send(tenant.make_logout_token(sid=sid_of(row_of(browsers[1])))))  # RS256, the one Auth0 documents
    assert [name_at_home(client) != "nobody" for client in browsers] == [False, False, True]


def test_B5_keys_out_of_reach_are_400_and_the_token_stays_good(
    browsers: list[Client], tenant: Tenant, auth0_settings: Any
) -> None:
    token = tenant.make_logout_token(sid=sid_of(row_of(browsers[0])))
    clear_caches()
    for name in (f"metadata:{tenant.issuer}", f"jwks:{tenant.issuer}.well-known/jwks.json"):
        cache.delete(f"auth0_flow:{name}")  # not all of it: sessions may live there
    tenant.fault("status", status=503, endpoint="jwks")
    assert_refused(send(token))
    assert name_at_home(browsers[0]) != "nobody"
    assert_done(send(token))
    assert name_at_home(browsers[0]) == "nobody"


def test_B5_logs_and_answers_hold_no_token(
    browsers: list[Client], tenant: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    row = row_of(browsers[0])
    tokens = [tenant.make_logout_token(sid=sid_of(row)), tenant.make_logout_token(sid=sid_of(row), aud="x")]
    answers = [send(token) for token in [*tokens, tokens[0]]]
    assert [answer.status_code for answer in answers] == [200, 400, 400]
    seen = caplog.text + "".join(answer.content.decode() for answer in answers)
    assert "backchannel_logout configuration=default by=sid ended=1 left=0" in seen
    for secret in [*tokens, sid_of(row), str(row.grant.tokens.refresh_token)]:
        assert secret not in seen
