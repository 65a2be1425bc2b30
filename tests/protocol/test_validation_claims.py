"""Which claims are refused: rows C1 to C12 of the threat list. The clock is an argument."""

from __future__ import annotations

import json
from typing import Any

import pytest

from django_auth0_flow.protocol.claim_checks import check_organization, half_hash
from django_auth0_flow.protocol.errors import TokenExpired, TokenValidationError
from django_auth0_flow.protocol.issuer import Issuer
from django_auth0_flow.protocol.validation import JoseKeys, validate_id_token
from django_auth0_flow.testing.tenant.keys import SigningKey
from tests.protocol.support import CLIENT_ID, ISSUER, LEFT_OUT, NOW, canned_issuer, good_claims, id_token

LEEWAY = 60
NUMBERS_IN_TEXT = b"1e999 -1e999 1e400 1e13".split()
NOT_NUMBERS: list[Any] = [LEFT_OUT, None, "soon", "", str(NOW), True, False, [], [NOW], {}, {"exp": NOW}]


@pytest.fixture(scope="module")
def issuer(key: SigningKey) -> Issuer:
    return canned_issuer(key)


def validate(token: str, issuer: Issuer, **expected: Any) -> dict[str, Any]:
    options = {"nonce": "nonce-of-this-login", "now": NOW, "leeway": LEEWAY, **expected}
    return validate_id_token(token, keys=JoseKeys(issuer, "RS256"), client_id=CLIENT_ID, **options)


def failing_claim(token: str, issuer: Issuer, **expected: Any) -> str:
    with pytest.raises(TokenValidationError) as caught:
        validate(token, issuer, **expected)
    assert caught.value.code == f"token_{caught.value.claim}"
    return caught.value.claim


@pytest.mark.parametrize(
    "iss",
    [
        pytest.param("https://other.example.com/", id="C1-other-tenant"),
        pytest.param(ISSUER[:-1], id="C1-without-slash"),
        pytest.param(ISSUER + "/", id="C1-second-slash"),
        pytest.param(ISSUER[:-5], id="C1-prefix"),
        pytest.param(ISSUER + "evil", id="C1-suffix"),
        pytest.param("https", id="C1-substring"),
        pytest.param("x" + ISSUER, id="C1-something-before"),
        pytest.param(ISSUER.upper(), id="C1-upper-case"),
        pytest.param(ISSUER.replace("tenant", "Tenant"), id="C1-other-case"),
        pytest.param(ISSUER.replace("https:", "http:"), id="C1-other-scheme"),
        pytest.param(ISSUER.replace(".com", ".com:443"), id="C1-port"),
        pytest.param(ISSUER + " ", id="C1-blank-after"),
        pytest.param("tenant.example.com", id="C1-bare-domain"),
        pytest.param([ISSUER], id="C1-list"),
        pytest.param({"iss": ISSUER}, id="C1-object"),
        pytest.param("", id="C1-empty"),
        pytest.param(None, id="C1-null"),
        pytest.param(LEFT_OUT, id="C1-missing"),
    ],
)
def test_c1_issuer(iss: object, key: SigningKey, issuer: Issuer) -> None:
    assert failing_claim(id_token(key, good_claims(iss=iss)), issuer) == "iss"


@pytest.mark.parametrize(
    "aud",
    [
        pytest.param(LEFT_OUT, id="C2-missing"),
        pytest.param(None, id="C2-null"),
        pytest.param("", id="C2-empty"),
        pytest.param("another-client", id="C2-wrong"),
        pytest.param(CLIENT_ID[:-1], id="C2-substring"),
        pytest.param(CLIENT_ID + "x", id="C2-superstring"),
        pytest.param(f"{CLIENT_ID} other", id="C2-words"),
        pytest.param(CLIENT_ID.upper(), id="C2-other-case"),
        pytest.param([], id="C2-empty-list"),
        pytest.param(["another-client"], id="C2-list-without-us"),
        pytest.param(["another-client", "third"], id="C2-lists-without-us"),
        pytest.param([[CLIENT_ID]], id="C2-nested-list"),
        pytest.param([None, 1, {}], id="C2-list-of-junk"),
        pytest.param({CLIENT_ID: 1}, id="C2-object"),
        pytest.param(17, id="C2-number"),
        pytest.param(True, id="C2-boolean"),
    ],
)
def test_c2_audience(aud: object, key: SigningKey, issuer: Issuer) -> None:
    assert failing_claim(id_token(key, good_claims(aud=aud)), issuer) == "aud"


@pytest.mark.parametrize(
    ("aud", "azp", "claim"),
    [
        pytest.param(CLIENT_ID, LEFT_OUT, None, id="one"),
        pytest.param([CLIENT_ID], LEFT_OUT, None, id="list-of-one"),
        pytest.param(CLIENT_ID, CLIENT_ID, None, id="one-with-azp"),
        pytest.param([CLIENT_ID, "other"], CLIENT_ID, None, id="several-with-azp"),
        pytest.param([CLIENT_ID, "other"], LEFT_OUT, "azp", id="C3-several-without-azp"),
        pytest.param(["other", CLIENT_ID], "other", "azp", id="C3-several-foreign-azp"),
        pytest.param(CLIENT_ID, "other", "azp", id="C3-one-foreign-azp"),
        pytest.param([CLIENT_ID], "", "azp", id="C3-empty-azp"),
        pytest.param([CLIENT_ID, "other"], None, "azp", id="C3-null-azp"),
        pytest.param(CLIENT_ID, None, "azp", id="C3-one-null-azp"),
        pytest.param([CLIENT_ID, "other"], [CLIENT_ID], "azp", id="C3-list-azp"),
        pytest.param([CLIENT_ID, CLIENT_ID], LEFT_OUT, "azp", id="C3-twice-us"),
        pytest.param([CLIENT_ID, 7], LEFT_OUT, "azp", id="C3-us-and-junk"),
    ],
)
def test_c3_authorized_party(aud: object, azp: object, claim: str | None, key: SigningKey, issuer: Issuer) -> None:
    token = id_token(key, good_claims(aud=aud, azp=azp))
    if claim is None:
        assert validate(token, issuer)["aud"] == aud
    else:
        assert failing_claim(token, issuer) == claim


@pytest.mark.parametrize("value", NOT_NUMBERS, ids=lambda value: f"C4-C5-{value!r}")
@pytest.mark.parametrize("claim", ["exp", "iat"])
def test_c4_c5_not_a_number(claim: str, value: object, key: SigningKey, issuer: Issuer) -> None:
    assert failing_claim(id_token(key, good_claims(**{claim: value})), issuer) == claim


@pytest.mark.parametrize(
    "value", [*NUMBERS_IN_TEXT, b"1" + b"0" * 400, b"-1" + b"0" * 400], ids=lambda value: value[:6]
)
@pytest.mark.parametrize("claim", ["exp", "iat", "nbf", "auth_time"])
def test_c4_c5_beyond_all_numbers(claim: str, value: bytes, key: SigningKey, issuer: Issuer) -> None:
    payload = json.dumps(good_claims(**{claim: "HERE"})).encode().replace(b'"HERE"', value)
    assert failing_claim(id_token(key, payload), issuer, max_age=10) == claim


@pytest.mark.parametrize("value", [None, "soon", True, [], {}], ids=repr)
def test_c5_nbf_not_a_number(value: object, key: SigningKey, issuer: Issuer) -> None:
    assert failing_claim(id_token(key, good_claims(nbf=value)), issuer) == "nbf"


@pytest.mark.parametrize(
    ("claims", "leeway", "claim"),
    [
        pytest.param({"exp": NOW + 1}, 60, None, id="exp-ahead"),
        pytest.param({"exp": NOW - 60}, 60, None, id="exp-within-leeway"),
        pytest.param({"exp": NOW - 61}, 60, "exp", id="C4-exp-beyond-leeway"),
        pytest.param({"exp": NOW - 1}, 0, "exp", id="C4-exp-without-leeway"),
        pytest.param({"exp": 0}, 60, "exp", id="C4-exp-zero"),
        pytest.param({"exp": -NOW}, 60, "exp", id="C4-exp-negative"),
        pytest.param({"exp": NOW + 0.5}, 0, None, id="exp-fraction"),
        pytest.param({"iat": NOW + 60}, 60, None, id="iat-within-leeway"),
        pytest.param({"iat": NOW + 61}, 60, "iat", id="C5-iat-beyond-leeway"),
        pytest.param({"iat": NOW + 1}, 0, "iat", id="C5-iat-without-leeway"),
        pytest.param({"iat": NOW + 86400}, 60, "iat", id="C5-iat-far-ahead"),
        pytest.param({"iat": NOW - 86400 * 365}, 60, None, id="iat-long-ago"),
        pytest.param({"nbf": NOW + 60}, 60, None, id="nbf-within-leeway"),
        pytest.param({"nbf": NOW + 61}, 60, "nbf", id="C5-nbf-ahead"),
        pytest.param({"nbf": NOW - 100}, 60, None, id="nbf-past"),
    ],
)
def test_c4_c5_times(claims: dict[str, float], leeway: int, claim: str | None, key: SigningKey, issuer: Issuer) -> None:
    token = id_token(key, good_claims(**claims))
    if claim is None:
        validate(token, issuer, leeway=leeway)
    else:
        assert failing_claim(token, issuer, leeway=leeway) == claim


def test_c4_an_expired_token_has_its_own_error(key: SigningKey, issuer: Issuer) -> None:
    with pytest.raises(TokenExpired):
        validate(id_token(key, good_claims()), issuer, now=NOW + 10 * 86400)


@pytest.mark.parametrize(
    "nonce",
    [
        pytest.param(LEFT_OUT, id="C6-missing"),
        pytest.param(None, id="C6-null"),
        pytest.param("", id="C6-empty"),
        pytest.param("nonce-of-an-earlier-login", id="C6-earlier-login"),
        pytest.param("nonce-of-this-logi", id="C6-shortened"),
        pytest.param("nonce-of-this-login ", id="C6-lengthened"),
        pytest.param("NONCE-OF-THIS-LOGIN", id="C6-other-case"),
        pytest.param("nonce-of-this-lögin", id="C6-not-ascii"),
        pytest.param(["nonce-of-this-login"], id="C6-list"),
        pytest.param({"nonce-of-this-login": 1}, id="C6-object"),
        pytest.param(0, id="C6-number"),
        pytest.param(True, id="C6-boolean"),
    ],
)
def test_c6_nonce(nonce: object, key: SigningKey, issuer: Issuer) -> None:
    assert failing_claim(id_token(key, good_claims(nonce=nonce)), issuer) == "nonce"


def test_c6_nonce_where_none_was_sent(key: SigningKey, issuer: Issuer) -> None:
    assert validate(id_token(key, good_claims(nonce="any")), issuer, nonce=None)
    assert failing_claim(id_token(key, good_claims()), issuer, nonce="") == "nonce"


@pytest.mark.parametrize(
    "sub",
    [
        pytest.param(LEFT_OUT, id="C7-missing"),
        pytest.param(None, id="C7-null"),
        pytest.param("", id="C7-empty"),
        pytest.param("   ", id="C7-blank"),
        pytest.param("\u3000\u00a0", id="C7-unicode-blank"),
        pytest.param("\t\n", id="C7-white-space"),
        pytest.param(17, id="C7-number"),
        pytest.param(True, id="C7-boolean"),
        pytest.param(["auth0|1"], id="C7-list"),
        pytest.param({"sub": "auth0|1"}, id="C7-object"),
        pytest.param("a" * 256, id="C7-too-long"),
        pytest.param("auth0|1\x00", id="C7-nul"),
        pytest.param("auth0|1\n", id="C7-newline"),
        pytest.param("auth0|\ud800", id="C7-surrogate"),
    ],
)
def test_c7_subject(sub: object, key: SigningKey, issuer: Issuer) -> None:
    assert failing_claim(id_token(key, good_claims(sub=sub)), issuer) == "sub"


@pytest.mark.parametrize("sub", ["a", "a" * 255, "samlp|Jürgen", "a b", "auth0|1 "], ids=lambda value: value[:12])
def test_good_subjects_stay_as_they_are(sub: str, key: SigningKey, issuer: Issuer) -> None:
    assert validate(id_token(key, good_claims(sub=sub)), issuer)["sub"] == sub


def test_half_hash_of_the_specification() -> None:
    """The examples of OpenID Connect Core, appendix A.4 and A.6."""
    assert half_hash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y") == "77QmUPtjPfzWtF2AnpK9RQ"
    code = "Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk"
    assert half_hash(code) == "LDktKdoQak3Pk0cnXxCltA"


@pytest.mark.parametrize(("claim", "argument"), [("at_hash", "access_token"), ("c_hash", "code")])
@pytest.mark.parametrize(
    "value",
    [
        pytest.param(half_hash("another"), id="C8-of-another-token"),
        pytest.param(half_hash("value")[:-1], id="C8-shortened"),
        pytest.param(half_hash("value") + "==", id="C8-padded"),
        pytest.param("", id="C8-empty"),
        pytest.param("é", id="C8-not-ascii"),
        pytest.param(None, id="C8-null"),
        pytest.param(0, id="C8-number"),
        pytest.param(False, id="C8-boolean"),
        pytest.param([half_hash("value")], id="C8-list"),
        pytest.param({}, id="C8-object"),
    ],
)
def test_c8_hashes(claim: str, argument: str, value: object, key: SigningKey, issuer: Issuer) -> None:
    token = id_token(key, good_claims(**{claim: value}))
    assert failing_claim(token, issuer, **{argument: "value"}) == claim
    assert failing_claim(token, issuer, **{argument: "value", "hashes_required": [claim]}) == claim


@pytest.mark.parametrize(("claim", "argument"), [("at_hash", "access_token"), ("c_hash", "code")])
def test_c8_absent_or_right_hashes(claim: str, argument: str, key: SigningKey, issuer: Issuer) -> None:
    absent = id_token(key, good_claims())
    right = id_token(key, good_claims(**{claim: half_hash("value")}))
    assert validate(absent, issuer, **{argument: "value"})
    assert validate(right, issuer, **{argument: "value", "hashes_required": [claim]})
    assert failing_claim(absent, issuer, **{argument: "value", "hashes_required": [claim]}) == claim


@pytest.mark.parametrize(
    ("auth_time", "max_age", "accepted"),
    [
        pytest.param(NOW, 0, True, id="zero-just-now"),
        pytest.param(NOW - 60, 0, True, id="zero-within-leeway"),
        pytest.param(NOW - 61, 0, False, id="C9-zero-is-checked"),
        pytest.param(NOW - 360, 300, True, id="within-leeway"),
        pytest.param(NOW - 361, 300, False, id="C9-too-old"),
        pytest.param(LEFT_OUT, 300, False, id="C9-missing"),
        pytest.param(LEFT_OUT, 0, False, id="C9-zero-missing"),
        pytest.param(None, 300, False, id="C9-null"),
        pytest.param(str(NOW), 300, False, id="C9-text"),
        pytest.param(True, 300, False, id="C9-boolean"),
        pytest.param([NOW], 300, False, id="C9-list"),
        pytest.param(0, 300, False, id="C9-epoch"),
        pytest.param(LEFT_OUT, None, True, id="not-asked"),
        pytest.param("rubbish", None, True, id="not-asked-rubbish"),
    ],
)
def test_c9_max_age(auth_time: object, max_age: int | None, accepted: bool, key: SigningKey, issuer: Issuer) -> None:
    token = id_token(key, good_claims(auth_time=auth_time))
    if accepted:
        validate(token, issuer, max_age=max_age)
    else:
        assert failing_claim(token, issuer, max_age=max_age) == "auth_time"


@pytest.mark.parametrize(
    ("asked", "claims", "claim"),
    [
        pytest.param("org_1Ab", {"org_id": "org_1Ab"}, None, id="id"),
        pytest.param("acme", {"org_id": "org_1", "org_name": "acme"}, None, id="name"),
        pytest.param("ACME", {"org_id": "org_1", "org_name": "acme"}, None, id="name-any-case"),
        pytest.param("acme", {"org_id": "org_1", "org_name": "Acme"}, None, id="claim-any-case"),
        pytest.param("org_1Ab", {}, "org_id", id="C10-missing"),
        pytest.param("org_1Ab", {"org_id": "org_2"}, "org_id", id="C10-other"),
        pytest.param("org_1Ab", {"org_id": "org_1ab"}, "org_id", id="C10-other-case"),
        pytest.param("org_1Ab", {"org_id": "org_1Ab "}, "org_id", id="C10-blank-after"),
        pytest.param("org_1Ab", {"org_id": ["org_1Ab"]}, "org_id", id="C10-list"),
        pytest.param("org_1Ab", {"org_id": None}, "org_id", id="C10-null"),
        pytest.param("org_1Ab", {"org_name": "org_1Ab"}, "org_id", id="C10-id-in-name"),
        pytest.param("acme", {"org_id": "org_1"}, "org_name", id="C10-name-missing"),
        pytest.param("acme", {"org_id": "acme"}, "org_name", id="C10-name-in-id"),
        pytest.param("acme", {"org_name": "acme2"}, "org_name", id="C10-other-name"),
        pytest.param("acme", {"org_name": ["acme"]}, "org_name", id="C10-name-list"),
        pytest.param("", {"org_id": "org_1", "org_name": "acme"}, "org_name", id="C10-empty"),
        pytest.param(None, {"org_id": "org_1", "org_name": "acme"}, None, id="C11-not-asked-is-the-callers"),
    ],
)
def test_c10_c11_organization(
    asked: str | None, claims: dict[str, Any], claim: str | None, key: SigningKey, issuer: Issuer
) -> None:
    token = id_token(key, good_claims(**claims))
    if claim is None:
        validated = validate(token, issuer, organization=asked)
        assert validated["org_id"] == claims["org_id"], "whoever decides about an unasked organization can see it"
    else:
        assert failing_claim(token, issuer, organization=asked) == claim


def test_c10_the_check_alone() -> None:
    check_organization({"org_id": "org_1"}, "org_1")
    with pytest.raises(TokenValidationError) as caught:
        check_organization({"org_id": "org_1"}, "org_2")
    assert caught.value.expected == "org_2"


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"unknown": 1, "https://example.com/roles": ["a", {"b": None}]}, id="C12-namespaced"),
        pytest.param({"picture": "x" * 100_000}, id="C12-very-large"),
        pytest.param({f"claim-{number}": number for number in range(3000)}, id="C12-many"),
        pytest.param({"email": ["a@example.com"], "name": {"first": 1}, "email_verified": "false"}, id="C12-odd-types"),
        pytest.param({"name": "\x00\n\u202e", "nickname": "日本"}, id="C12-odd-characters"),
        pytest.param({"name": "\ud800"}, id="C12-escaped-surrogate-in-a-profile-claim"),
        pytest.param({"name": None, "email": None, "updated_at": 1e300}, id="C12-nulls"),
    ],
)
def test_c12_profile_claims(claims: dict[str, Any], key: SigningKey, issuer: Issuer) -> None:
    assert validate(id_token(key, good_claims(**claims)), issuer) == good_claims(**claims)
