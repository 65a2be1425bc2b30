from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from django_auth0_flow.protocol.errors import TransportError
from django_auth0_flow.protocol.tokens import ASSUMED_LIFE, TokenSet, merge_refreshed, parse_token_response
from tests.protocol.support import LEFT_OUT, NOW


def body(**changes: Any) -> dict[str, Any]:
    found = {"access_token": "at", "token_type": "Bearer", "expires_in": 3600, **changes}
    return {name: value for name, value in found.items() if value is not LEFT_OUT}


def parse(**changes: Any) -> TokenSet:
    return parse_token_response(body(**changes), now=NOW, requested_scope="openid profile")


def test_everything() -> None:
    tokens = parse(scope="openid read:a", refresh_token="rt", id_token="idt")
    assert (tokens.access_token, tokens.expires_at, tokens.token_type) == ("at", NOW + 3600, "Bearer")
    assert tokens.scope == {"openid", "read:a"}
    assert (tokens.refresh_token, tokens.id_token) == ("rt", "idt")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({"access_token": LEFT_OUT}, "access_token_missing", id="T1-no-access-token"),
        pytest.param({"access_token": None}, "access_token_missing", id="T1-null"),
        pytest.param({"access_token": ""}, "access_token_missing", id="T1-empty"),
        pytest.param({"access_token": 17}, "access_token_missing", id="T1-number"),
        pytest.param({"access_token": ["at"]}, "access_token_missing", id="T1-list"),
        pytest.param({"access_token": "a b"}, "access_token_missing", id="T1-blank"),
        pytest.param({"access_token": "a\r\nX-Injected: 1"}, "access_token_missing", id="T1-newline"),
        pytest.param({"access_token": "a\x00"}, "access_token_missing", id="T1-nul"),
        pytest.param({"access_token": "é"}, "access_token_missing", id="T1-not-ascii"),
        pytest.param({"access_token": "\ud800"}, "access_token_missing", id="T1-surrogate"),
        pytest.param({"access_token": "a" * 65537}, "access_token_missing", id="T1-huge"),
        pytest.param({"token_type": LEFT_OUT}, "token_type_unsupported", id="T1-no-type"),
        pytest.param({"token_type": None}, "token_type_unsupported", id="T1-null-type"),
        pytest.param({"token_type": ""}, "token_type_unsupported", id="T1-empty-type"),
        pytest.param({"token_type": "mac"}, "token_type_unsupported", id="T1-mac"),
        pytest.param({"token_type": "DPoP"}, "token_type_unsupported", id="T1-dpop-unasked"),
        pytest.param({"token_type": "N_A"}, "token_type_unsupported", id="T1-n-a"),
        pytest.param({"token_type": ["Bearer"]}, "token_type_unsupported", id="T1-list-type"),
        pytest.param({"token_type": "Bearer "}, "token_type_unsupported", id="T1-blank-after"),
    ],
)
def test_t1_refused(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(TransportError) as caught:
        parse(**changes)
    assert (caught.value.code, caught.value.retryable) == (code, False)


@pytest.mark.parametrize("spelling", ["Bearer", "bearer", "BEARER"])
def test_token_type_in_any_case(spelling: str) -> None:
    assert parse(token_type=spelling).token_type == "Bearer"


def test_dpop_where_it_was_asked_for() -> None:
    found = parse_token_response(body(token_type="dpop"), now=NOW, requested_scope="", token_types=("dpop",))
    assert found.token_type == "DPoP"


@pytest.mark.parametrize(
    ("value", "life"),
    [
        pytest.param(86400, 86400, id="number"),
        pytest.param("3600", 3600, id="T9-text"),
        pytest.param(1.5, 1.5, id="T9-fraction"),
        pytest.param(LEFT_OUT, ASSUMED_LIFE, id="T9-missing"),
        pytest.param(None, ASSUMED_LIFE, id="T9-null"),
        pytest.param("", ASSUMED_LIFE, id="T9-empty"),
        pytest.param("soon", ASSUMED_LIFE, id="T9-word"),
        pytest.param("-5", ASSUMED_LIFE, id="T9-negative-text"),
        pytest.param("²", ASSUMED_LIFE, id="T9-odd-digit"),
        pytest.param("9" * 5000, ASSUMED_LIFE, id="T9-digits"),
        pytest.param(0, ASSUMED_LIFE, id="T9-zero"),
        pytest.param(-1, ASSUMED_LIFE, id="T9-negative"),
        pytest.param(True, ASSUMED_LIFE, id="T9-boolean"),
        pytest.param([3600], ASSUMED_LIFE, id="T9-list"),
        pytest.param(float("inf"), ASSUMED_LIFE, id="T9-1e999"),
        pytest.param(float("nan"), ASSUMED_LIFE, id="T9-nan"),
        pytest.param(10**400, 10 * 365 * 86400, id="T9-beyond-float"),
        pytest.param(10**15, 10 * 365 * 86400, id="T9-ages"),
    ],
)
def test_t9_expires_in(value: object, life: float) -> None:
    assert parse(expires_in=value).expires_at == NOW + life


@pytest.mark.parametrize(
    ("value", "scope"),
    [
        pytest.param("a b", {"a", "b"}, id="text"),
        pytest.param("", set(), id="T9-empty"),
        pytest.param(LEFT_OUT, {"openid", "profile"}, id="T9-missing-means-as-asked"),
        pytest.param(None, {"openid", "profile"}, id="T9-null"),
        pytest.param(["a"], {"openid", "profile"}, id="T9-list"),
    ],
)
def test_t9_scope(value: object, scope: set[str]) -> None:
    assert parse(scope=value).scope == scope


@pytest.mark.parametrize("value", [LEFT_OUT, None, "", 17, ["rt"], {}, "a b", "a\n", "é"], ids=lambda v: f"T9-{v!r}")
def test_t9_odd_refresh_token_counts_as_none(value: object) -> None:
    assert parse(refresh_token=value).refresh_token is None


@pytest.mark.parametrize("value", [LEFT_OUT, None, "", 17, [], {}], ids=lambda v: f"T2-{v!r}")
def test_t2_odd_id_token_counts_as_none(value: object) -> None:
    assert parse(id_token=value).id_token is None


def test_r2_what_a_refresh_leaves_out_stays() -> None:
    old = TokenSet(access_token="at1", scope=frozenset({"a"}), refresh_token="rt1", id_token="idt1")
    bare = TokenSet(access_token="at2", scope=frozenset({"b"}))
    assert merge_refreshed(old, bare) == replace(bare, refresh_token="rt1", id_token="idt1")
    full = TokenSet(access_token="at2", refresh_token="rt2", id_token="idt2")
    assert merge_refreshed(old, full) == full


@pytest.mark.parametrize(
    ("tokens", "expired", "fresh"),
    [
        (TokenSet(access_token="at", expires_at=NOW + 61), False, True),
        (TokenSet(access_token="at", expires_at=NOW + 60), False, False),
        (TokenSet(access_token="at", expires_at=NOW + 1), False, False),
        (TokenSet(access_token="at", expires_at=NOW), True, False),
        (TokenSet(access_token="at", expires_at=None), True, False),
        (TokenSet(expires_at=NOW + 1000), True, False),
        (TokenSet(), True, False),
    ],
    ids=["beyond-margin", "at-margin", "within-margin", "now", "unknown-expiry", "no-token", "nothing"],
)
def test_expiry(tokens: TokenSet, expired: bool, fresh: bool) -> None:
    assert tokens.is_expired(NOW) is expired
    assert tokens.is_fresh(NOW, 60) is fresh


def test_the_margin_is_at_most_a_third_of_the_life() -> None:
    tokens = TokenSet(access_token="at", obtained_at=NOW, expires_at=NOW + 30)
    assert tokens.is_fresh(NOW + 19, 60)
    assert not tokens.is_fresh(NOW + 20, 60)
    assert not TokenSet(access_token="at", obtained_at=NOW + 10, expires_at=NOW).is_fresh(NOW, 60)
