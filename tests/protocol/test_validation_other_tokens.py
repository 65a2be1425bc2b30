"""Access tokens and logout tokens: what is accepted in neither's place, rows S12 and B2 to B7 of the threat list."""

from __future__ import annotations

from typing import Any

import pytest

from django_auth0_flow.protocol.claim_checks import LOGOUT_EVENT
from django_auth0_flow.protocol.errors import TokenExpired, TokenValidationError
from django_auth0_flow.protocol.issuer import Issuer
from django_auth0_flow.protocol.validation import JoseKeys, validate_access_token, validate_logout_token
from django_auth0_flow.testing.tenant.keys import SigningKey
from tests.protocol.support import CLIENT_ID, ISSUER, LEFT_OUT, NOW, canned_issuer, good_claims, id_token, make_jws


@pytest.fixture(scope="module")
def issuer(key: SigningKey) -> Issuer:
    return canned_issuer(key)


# Access tokens

API = "https://api.example.com"


def access_claims(**changes: Any) -> dict[str, Any]:
    return good_claims(
        **{"aud": [API, ISSUER + "userinfo"], "azp": CLIENT_ID, "scope": "read", "nonce": LEFT_OUT, **changes}
    )


@pytest.mark.parametrize(
    ("claims", "header"),
    [
        ({}, {}),
        ({"aud": API}, {}),
        ({"azp": "any-application"}, {}),
        ({"iat": LEFT_OUT}, {}),
        ({"client_id": CLIENT_ID, "jti": "j"}, {"typ": "at+jwt"}),
        ({}, {"typ": "application/at+jwt"}),
    ],
    ids=["auth0", "one-audience", "another-application", "no-iat", "rfc9068", "media-type"],
)
def test_good_access_tokens(claims: dict[str, Any], header: dict[str, Any], key: SigningKey, issuer: Issuer) -> None:
    token = id_token(key, access_claims(**claims), **header)
    assert validate_access_token(token, issuer=issuer, audience=API, now=NOW, leeway=0)["scope"] == "read"


@pytest.mark.parametrize(
    ("claims", "header", "claim"),
    [
        pytest.param({"aud": CLIENT_ID}, {}, "aud", id="S12-id-token-by-aud"),
        pytest.param({"nonce": "n"}, {}, "token", id="S12-id-token-by-nonce"),
        pytest.param({"at_hash": "h"}, {}, "token", id="S12-id-token-by-at-hash"),
        pytest.param({"events": {}}, {}, "token", id="S12-logout-token"),
        pytest.param({}, {"typ": "logout+jwt"}, "typ", id="S12-logout-typ"),
        pytest.param({}, {"alg": "none"}, "alg", id="S1-alg-none"),
        pytest.param({}, {"alg": "HS256"}, "alg", id="S2-hs256"),
        pytest.param({}, {"crit": ["x"]}, "crit", id="S8-crit"),
        pytest.param({"iss": ISSUER[:-1]}, {}, "iss", id="C1-without-slash"),
        pytest.param({"aud": API + "/"}, {}, "aud", id="C2-slash"),
        pytest.param({"exp": NOW - 1}, {}, "exp", id="C4-expired"),
        pytest.param({"exp": LEFT_OUT}, {}, "exp", id="C4-no-exp"),
        pytest.param({"iat": "now"}, {}, "iat", id="C5-iat-text"),
        pytest.param({"nbf": NOW + 10}, {}, "nbf", id="C5-nbf"),
        pytest.param({"sub": ""}, {}, "sub", id="C7-empty-sub"),
    ],
)
def test_bad_access_tokens(
    claims: dict[str, Any], header: dict[str, Any], claim: str, key: SigningKey, issuer: Issuer
) -> None:
    with pytest.raises(TokenValidationError) as caught:
        validate_access_token(
            id_token(key, access_claims(**claims), **header), issuer=issuer, audience=API, now=NOW, leeway=0
        )
    assert caught.value.claim == claim


@pytest.mark.parametrize("audiences", [CLIENT_ID, [CLIENT_ID], [API, CLIENT_ID], [CLIENT_ID, API]], ids=str)
@pytest.mark.parametrize("typ", ["JWT", "at+jwt", LEFT_OUT], ids=str)
def test_X12_what_is_for_the_client_itself_is_an_id_token(
    audiences: Any, typ: Any, key: SigningKey, issuer: Issuer
) -> None:
    """Whatever else it says, with scopes and all: by ``AUDIENCE == CLIENT_ID`` nothing could tell the two apart."""
    for audience in (API, CLIENT_ID):
        token = id_token(key, access_claims(aud=audiences), typ=typ)
        with pytest.raises(TokenValidationError) as caught:
            validate_access_token(token, issuer=issuer, audience=audience, now=NOW, leeway=0, client_id=CLIENT_ID)
        assert caught.value.claim == "aud"


@pytest.mark.parametrize("claim", ["c_hash", "s_hash", "nonce", "at_hash"])
def test_X12_claims_that_only_id_tokens_have(claim: str, key: SigningKey, issuer: Issuer) -> None:
    token = id_token(key, access_claims(**{claim: "x"}))
    with pytest.raises(TokenValidationError, match="not an access token"):
        validate_access_token(token, issuer=issuer, audience=API, now=NOW, leeway=0)


def test_X12_an_id_token_for_another_client_of_ours_has_no_word_about_access(key: SigningKey, issuer: Issuer) -> None:
    claims = good_claims(aud="another-client", nonce=LEFT_OUT, sid="s", email="ada@example.com", auth_time=NOW)
    check: dict[str, Any] = {
        "issuer": issuer,
        "audience": "another-client",
        "now": NOW,
        "leeway": 0,
        "client_id": CLIENT_ID,
    }
    with pytest.raises(TokenValidationError) as caught:
        validate_access_token(id_token(key, claims), **check)
    assert caught.value.claim == "token"


@pytest.mark.parametrize(
    "about",
    [
        {"azp": "m2m", "gty": "client-credentials"},
        {"client_id": "x"},
        {"cid": "x", "scp": ["read"]},
        {"permissions": []},
        {"scope": ""},
    ],
    ids="-".join,
)
def test_X12_access_tokens_of_every_profile(about: dict[str, Any], key: SigningKey, issuer: Issuer) -> None:
    claims = {**good_claims(aud=API, nonce=LEFT_OUT), **about}
    found = validate_access_token(
        id_token(key, claims), issuer=issuer, audience=API, now=NOW, leeway=0, client_id=CLIENT_ID
    )
    assert found == claims


@pytest.mark.parametrize(
    ("claims", "leeway", "claim"),
    [
        ({"exp": NOW}, 0, None),
        ({"exp": NOW - 1}, 0, "exp"),
        ({"exp": NOW - 60}, 60, None),
        ({"exp": NOW - 61}, 60, "exp"),
        ({"nbf": NOW}, 0, None),
        ({"nbf": NOW + 1}, 0, "nbf"),
        ({"nbf": NOW + 60}, 60, None),
        ({"nbf": NOW + 61}, 60, "nbf"),
        ({"iat": NOW}, 0, None),
        ({"iat": NOW + 1}, 0, "iat"),
        ({"iat": NOW + 60}, 60, None),
        ({"iat": NOW + 61}, 60, "iat"),
    ],
    ids=str,
)
def test_the_times_of_access_tokens_to_the_second(
    claims: dict[str, Any], leeway: int, claim: str | None, key: SigningKey, issuer: Issuer
) -> None:
    token = id_token(key, access_claims(**claims))
    if claim is None:
        assert validate_access_token(token, issuer=issuer, audience=API, now=NOW, leeway=leeway)["scope"] == "read"
        return
    with pytest.raises(TokenValidationError) as caught:
        validate_access_token(token, issuer=issuer, audience=API, now=NOW, leeway=leeway)
    assert caught.value.claim == claim


def test_opaque_access_token(issuer: Issuer) -> None:
    with pytest.raises(TokenValidationError) as caught:
        validate_access_token("a.b.c.d.e", issuer=issuer, audience=API, now=NOW, leeway=0)
    assert caught.value.claim == "token"


# Logout tokens


def logout_claims(**changes: Any) -> dict[str, Any]:
    claims = {"events": {LOGOUT_EVENT: {}}, "jti": "jti-1", "sid": "sid-1", "nonce": LEFT_OUT, "exp": NOW + 120}
    return good_claims(**{**claims, **changes})


def validate(token: object, keys: JoseKeys | Issuer) -> dict[str, Any]:
    keys = keys if isinstance(keys, JoseKeys) else JoseKeys(keys, "RS256")
    return validate_logout_token(token, keys=keys, client_id=CLIENT_ID, now=NOW, leeway=60)


@pytest.mark.parametrize(
    ("claims", "header"),
    [
        pytest.param({}, {}, id="B1-sid-and-sub"),
        pytest.param({"sid": LEFT_OUT}, {}, id="B1-sub"),
        pytest.param({"sub": LEFT_OUT}, {}, id="B1-sid"),
        pytest.param({}, {"typ": "logout+jwt"}, id="B1-typ"),
        pytest.param({}, {"typ": "application/logout+jwt"}, id="B1-media-type"),
        pytest.param({}, {"typ": LEFT_OUT}, id="B1-no-typ"),
        pytest.param({"events": {LOGOUT_EVENT: {}, "another": 1}}, {}, id="B1-another-event-beside"),
        pytest.param({"events": {LOGOUT_EVENT: {"x": 1}}}, {}, id="B1-event-with-members"),
    ],
)
def test_b1_good_logout_tokens(claims: dict[str, Any], header: dict[str, Any], key: SigningKey, issuer: Issuer) -> None:
    assert validate(id_token(key, logout_claims(**claims), **header), issuer)["jti"] == "jti-1"


@pytest.mark.parametrize(
    ("claims", "header", "claim"),
    [
        pytest.param({"events": LEFT_OUT}, {}, "events", id="B2-missing"),
        pytest.param({"events": None}, {}, "events", id="B2-null"),
        pytest.param({"events": {}}, {}, "events", id="B2-empty"),
        pytest.param({"events": {"another": {}}}, {}, "events", id="B2-wrong"),
        pytest.param({"events": [LOGOUT_EVENT]}, {}, "events", id="B2-list"),
        pytest.param({"events": LOGOUT_EVENT}, {}, "events", id="B2-text"),
        pytest.param({"events": {LOGOUT_EVENT: None}}, {}, "events", id="B2-value-null"),
        pytest.param({"events": {LOGOUT_EVENT: []}}, {}, "events", id="B2-value-list"),
        pytest.param({"events": {LOGOUT_EVENT: True}}, {}, "events", id="B2-value-boolean"),
        pytest.param({"nonce": "n"}, {}, "nonce", id="B3-nonce"),
        pytest.param({"nonce": None}, {}, "nonce", id="B3-null-nonce"),
        pytest.param({"sub": LEFT_OUT, "sid": LEFT_OUT}, {}, "sid", id="B4-neither"),
        pytest.param({"sid": 1}, {}, "sid", id="B4-sid-number"),
        pytest.param({"sid": ""}, {}, "sid", id="B4-sid-empty"),
        pytest.param({"sid": None}, {}, "sid", id="B4-sid-null"),
        pytest.param({"sub": ["a"]}, {}, "sub", id="B4-sub-list"),
        pytest.param({"sub": ""}, {}, "sub", id="B4-sub-empty"),
        pytest.param({"iss": ISSUER[:-1]}, {}, "iss", id="B5-iss"),
        pytest.param({"iss": LEFT_OUT}, {}, "iss", id="B5-no-iss"),
        pytest.param({"aud": "another"}, {}, "aud", id="B5-aud"),
        pytest.param({"aud": LEFT_OUT}, {}, "aud", id="B5-no-aud"),
        pytest.param({"exp": LEFT_OUT}, {}, "exp", id="B5-no-exp"),
        pytest.param({"exp": NOW - 61}, {}, "exp", id="B5-expired"),
        pytest.param({"iat": LEFT_OUT}, {}, "iat", id="B5-no-iat"),
        pytest.param({"iat": NOW + 61}, {}, "iat", id="B5-iat-ahead"),
        pytest.param({"jti": LEFT_OUT}, {}, "jti", id="B5-no-jti"),
        pytest.param({"jti": 1}, {}, "jti", id="B5-jti-number"),
        pytest.param({"jti": ""}, {}, "jti", id="B5-jti-empty"),
        pytest.param({}, {"alg": "none"}, "alg", id="B5-alg-none"),
        pytest.param({}, {"alg": "HS256"}, "alg", id="B5-hs256"),
        pytest.param({}, {"alg": ["RS256"]}, "alg", id="B5-alg-list"),
        pytest.param({}, {"alg": {}}, "alg", id="B5-alg-object"),
        pytest.param({}, {"kid": "stranger"}, "kid", id="B5-stranger"),
        pytest.param({}, {"typ": "at+jwt"}, "typ", id="B7-access-token"),
        pytest.param({}, {"typ": 1}, "typ", id="B7-typ-number"),
        pytest.param({"events": LEFT_OUT, "nonce": "n"}, {}, "events", id="B7-id-token"),
    ],
)
def test_bad_logout_tokens(
    claims: dict[str, Any], header: dict[str, Any], claim: str, key: SigningKey, issuer: Issuer
) -> None:
    with pytest.raises(TokenValidationError) as caught:
        validate(id_token(key, logout_claims(**claims), **header), issuer)
    assert caught.value.claim == claim
    assert isinstance(caught.value, TokenExpired) == (caught.value.claim == "exp" and "exp" in logout_claims(**claims))


def test_b5_signed_by_a_stranger(key: SigningKey, other_key: SigningKey, issuer: Issuer) -> None:
    with pytest.raises(TokenValidationError) as caught:
        validate(id_token(other_key, logout_claims(), kid=key.kid), issuer)
    assert caught.value.claim == "signature"


def test_b5_hmac(key: SigningKey, issuer: Issuer) -> None:
    """Only an application whose ID tokens are HS256 takes HS256, with its own secret; it takes RS256 as well."""
    secret, another = "s" * 32, "a" * 32
    token = make_jws({"alg": "HS256", "typ": "logout+jwt"}, logout_claims(), secret.encode(), "HS256")
    keys = JoseKeys(issuer, "HS256", secret)
    assert validate(token, keys)["sid"] == "sid-1"
    assert validate(id_token(key, logout_claims()), keys)["sid"] == "sid-1"
    for other in (JoseKeys(issuer, "HS256", another), JoseKeys(issuer, "HS256"), JoseKeys(issuer, "RS256", secret)):
        with pytest.raises(TokenValidationError):
            validate(token, other)
