"""Discovery and keys: rows J1 to J8 of the threat list."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from django_auth0_flow.protocol.addresses import is_acceptable_endpoint, is_loopback_host
from django_auth0_flow.protocol.cached_document import CACHE_SECONDS, REFETCH_COOL_DOWN, RETRY_SECONDS
from django_auth0_flow.protocol.errors import SigningKeyNotFound, TransportError
from django_auth0_flow.protocol.http import Http
from django_auth0_flow.protocol.issuer import Issuer, parse_metadata
from django_auth0_flow.testing.tenant import Tenant
from django_auth0_flow.testing.tenant.keys import SigningKey
from tests.protocol.conftest import Monotonic
from tests.protocol.support import (
    ISSUER,
    JWKS_URL,
    METADATA,
    METADATA_URL,
    CannedHttp,
    MemoryCache,
    TinyServer,
    canned_http,
    hurry,
)

METADATA_PATH = "/.well-known/openid-configuration"
JWKS_PATH = "/.well-known/jwks.json"


def kids(issuer: Issuer) -> set[str | None]:
    return {key.kid for key in issuer.signing_keys(None)}


# The document


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param({"issuer": ISSUER[:-1]}, "issuer_mismatch", id="J1-without-slash"),
        pytest.param({"issuer": ISSUER + "/"}, "issuer_mismatch", id="J1-second-slash"),
        pytest.param({"issuer": "https://other.example.com/"}, "issuer_mismatch", id="J1-other"),
        pytest.param({"issuer": ISSUER.upper()}, "issuer_mismatch", id="J1-other-case"),
        pytest.param({"issuer": [ISSUER]}, "issuer_mismatch", id="J1-list"),
        pytest.param({"issuer": None}, "issuer_mismatch", id="J1-null"),
        pytest.param({"token_endpoint": None}, "metadata_incomplete", id="J3-no-token-endpoint"),
        pytest.param({"jwks_uri": "http://tenant.example.com/jwks"}, "metadata_incomplete", id="J8-plain-http"),
        pytest.param({"jwks_uri": "http://127.0.0.1/jwks"}, "metadata_incomplete", id="J8-loopback-of-https-issuer"),
        pytest.param({"jwks_uri": "file:///dev/null"}, "metadata_incomplete", id="J8-file"),
        pytest.param({"jwks_uri": "data:application/json,{}"}, "metadata_incomplete", id="J8-data"),
        pytest.param({"token_endpoint": ["https://a"]}, "metadata_incomplete", id="J3-list"),
        pytest.param({"authorization_endpoint": "javascript:alert(1)"}, "metadata_incomplete", id="J3-script"),
        pytest.param({"token_endpoint": "https://a@b.example.com/"}, "metadata_incomplete", id="J3-userinfo"),
        pytest.param({"token_endpoint": "https://"}, "metadata_incomplete", id="J3-no-host"),
    ],
)
def test_metadata_refused(change: dict[str, Any], code: str) -> None:
    with pytest.raises(TransportError) as caught:
        parse_metadata({**METADATA, **change}, ISSUER)
    assert (caught.value.code, caught.value.retryable) == (code, False)


def test_j2_what_the_metadata_offers_changes_nothing() -> None:
    offers = {"id_token_signing_alg_values_supported": ["none", "HS256"], "surprise": {"a": [1]}}
    assert parse_metadata({**METADATA, **offers}, ISSUER) == parse_metadata(METADATA, ISSUER)


def test_optional_endpoints() -> None:
    required = {name: METADATA[name] for name in ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")}
    found = parse_metadata({**required, "userinfo_endpoint": "http://plain.example.com/"}, ISSUER)
    assert found.userinfo_endpoint is None, "an unusable optional endpoint is as good as none"
    assert found.end_session_endpoint is None
    assert found.authorization_response_iss_parameter_supported is False


@pytest.mark.parametrize(
    ("value", "supported"), [(True, True), (False, False), ("true", False), (1, False), (None, False)], ids=repr
)
def test_iss_announcement_is_a_boolean(value: object, supported: bool) -> None:
    document = {**METADATA, "authorization_response_iss_parameter_supported": value}
    assert parse_metadata(document, ISSUER).authorization_response_iss_parameter_supported is supported


@pytest.mark.parametrize(
    ("url", "acceptable"),
    [
        ("https://tenant.example.com/x", True),
        ("HTTPS://tenant.example.com/x", True),
        ("https://tenant.example.com:8443/x?y=z", True),
        ("http://127.0.0.1:3000/", True),
        ("http://localhost/", True),
        ("http://[::1]:3000/", True),
        ("http://tenant.localhost/", True),
        ("http://tenant.example.com/", False),
        ("http://127.0.0.1.example.com/", False),
        ("http://localhost.example.com/", False),
        ("http://127.0.0.1@example.com/", False),
        ("https://user@example.com/", False),
        ("https://:pw@example.com/", False),
        ("https://example.com/#fragment", False),
        ("https://example.com/a b", False),
        ("https://example.com/\n", False),
        ("https://example.com:port/", False),
        ("https://[::1", False),
        ("https:///path", False),
        ("//example.com/", False),
        ("ftp://example.com/", False),
        ("", False),
        (None, False),
        (17, False),
        (["https://example.com/"], False),
    ],
    ids=repr,
)
def test_acceptable_endpoints(url: object, acceptable: bool) -> None:
    assert is_acceptable_endpoint(url) is acceptable


def test_loopback_hosts() -> None:
    assert is_loopback_host("localhost")
    assert not is_loopback_host(None)
    assert not is_loopback_host("127.0.0.2.nip.io")


# Caching


def test_one_fetch_each(monotonic: Monotonic, tenant: Tenant, issuer: Issuer) -> None:
    for _ in range(3):
        issuer.metadata()
        issuer.signing_keys(tenant.keys.current.kid)
    assert (tenant.count(METADATA_PATH), tenant.count(JWKS_PATH)) == (1, 1)
    monotonic.advance(CACHE_SECONDS + 1)
    issuer.signing_keys(tenant.keys.current.kid)
    assert (tenant.count(METADATA_PATH), tenant.count(JWKS_PATH)) == (2, 2)


def run_together(task: Callable[[], object], count: int) -> list[Exception]:
    """Run ``task`` in threads that start at the same moment; return what was raised."""
    barrier, raised = threading.Barrier(count), list[Exception]()

    def run() -> None:
        barrier.wait()
        try:
            task()
        except TransportError as error:
            raised.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def test_one_fetch_for_20_concurrent_callers(tenant: Tenant) -> None:
    issuer = Issuer(tenant.issuer, http=Http(timeout=60))
    tenant.fault("slow", endpoint="metadata", seconds=0.1)
    tenant.fault("slow", endpoint="jwks", seconds=0.1)
    assert run_together(lambda: issuer.signing_keys(tenant.keys.current.kid), 20) == []
    assert (tenant.count(METADATA_PATH), tenant.count(JWKS_PATH)) == (1, 1)


@pytest.mark.parametrize("endpoint", ["metadata", "jwks"])
def test_j3_waiting_callers_share_a_failure(endpoint: str, tenant: Tenant, http: Http) -> None:
    issuer = Issuer(tenant.issuer, http=http)
    if endpoint == "jwks":
        issuer.metadata()
    hurry(http)
    tenant.fault("slow", times=None, endpoint=endpoint)
    started = time.monotonic()
    raised = run_together(lambda: issuer.signing_keys(None), 20)
    assert time.monotonic() - started < 20 * http.timeout / 2, "they wait side by side, not in a queue"
    assert len(raised) == 20
    assert {error.code for error in raised if isinstance(error, TransportError)} == {"tenant_timeout"}
    tenant.clear_faults()
    http.timeout = 60
    assert issuer.signing_keys(None)


FAULTS: list[Any] = [
    pytest.param("status", {"status": 503}, id="J3-down"),
    pytest.param("drop", {}, id="J3-drop"),
    pytest.param("html", {}, id="J3-html"),
    pytest.param("empty", {}, id="J3-empty"),
    pytest.param("list", {}, id="J3-list"),
    pytest.param("json", {"value": {}}, id="J3-empty-object"),
    pytest.param("json", {"value": {"keys": {}}}, id="J3-keys-object"),
    pytest.param("json", {"value": {"keys": None}}, id="J3-keys-null"),
    pytest.param("json", {"value": {"keys": [None, 1, [], {}]}}, id="J3-keys-junk"),
    pytest.param("slow", {}, id="J3-slow"),
    pytest.param("drip-body", {}, id="J3-drip"),
    pytest.param("huge", {}, id="J3-endless"),
    pytest.param("deep-json", {}, id="J3-deep"),
    pytest.param("nan", {}, id="J3-nan"),
    pytest.param("truncated", {}, id="J3-truncated"),
    pytest.param("status", {"status": 429}, id="J3-rate-limited"),
]


@pytest.mark.parametrize(("fault", "options"), FAULTS)
@pytest.mark.parametrize("endpoint", ["metadata", "jwks"])
def test_j3_failures_are_handled_and_not_cached(
    endpoint: str, fault: str, options: dict[str, Any], tenant: Tenant, issuer: Issuer, http: Http
) -> None:
    hurry(http, fault)
    tenant.fault(fault, endpoint=endpoint, **options)
    with pytest.raises(TransportError):
        issuer.signing_keys(tenant.keys.current.kid)
    http.timeout = 60
    assert issuer.signing_keys(tenant.keys.current.kid)


@pytest.mark.parametrize("endpoint", ["metadata", "jwks"])
def test_j3_the_tenants_wish_to_wait_is_passed_on(endpoint: str, tenant: Tenant, issuer: Issuer) -> None:
    tenant.fault("rate-limit", endpoint=endpoint, retry_after=42)
    with pytest.raises(TransportError) as caught:
        issuer.signing_keys(tenant.keys.current.kid)
    assert (caught.value.code, caught.value.retry_after) == ("rate_limited", 42)


@pytest.mark.parametrize(("fault", "options"), FAULTS)
@pytest.mark.parametrize("endpoint", ["metadata", "jwks"])
def test_j7_what_was_fetched_is_kept_when_a_refetch_fails(
    endpoint: str, fault: str, options: dict[str, Any], tenant: Tenant, issuer: Issuer, http: Http, monotonic: Monotonic
) -> None:
    good, metadata = kids(issuer), issuer.metadata()
    hurry(http, fault)
    monotonic.advance(CACHE_SECONDS + 1)
    tenant.fault(fault, endpoint=endpoint, times=None, **options)
    assert kids(issuer) == good
    assert issuer.metadata() == metadata


@pytest.mark.parametrize(("endpoint", "path"), [("metadata", METADATA_PATH), ("jwks", JWKS_PATH)])
def test_j7_a_failed_refetch_is_tried_again(
    endpoint: str, path: str, tenant: Tenant, issuer: Issuer, monotonic: Monotonic
) -> None:
    issuer.signing_keys(None)
    monotonic.advance(CACHE_SECONDS + 1)
    tenant.fault("drop", endpoint=endpoint)
    issuer.signing_keys(None)
    issuer.signing_keys(None)
    assert tenant.count(path) == 2, "not at once"
    monotonic.advance(RETRY_SECONDS + 1)
    issuer.signing_keys(None)
    assert tenant.count(path) == 3


def test_keys_are_fetched_where_the_metadata_says(key: SigningKey, other_key: SigningKey, monotonic: Monotonic) -> None:
    http, moved = canned_http(key), ISSUER + "moved/jwks.json"
    issuer = Issuer(ISSUER, http=http)
    assert kids(issuer) == {key.kid}
    http.answers |= {METADATA_URL: {**METADATA, "jwks_uri": moved}, moved: {"keys": [other_key.jwk()]}}
    monotonic.advance(CACHE_SECONDS + 1)
    assert kids(issuer) == {other_key.kid}


def test_j1_mismatch_over_http(tenant: Tenant, issuer: Issuer) -> None:
    tenant.fault("metadata-issuer-mismatch")
    with pytest.raises(TransportError) as caught:
        issuer.metadata()
    assert caught.value.code == "issuer_mismatch"
    assert issuer.metadata().issuer == tenant.issuer


# Keys


def test_j4_junk_around_the_good_keys(tenant: Tenant, issuer: Issuer) -> None:
    tenant.fault("jwks-junk", times=None)
    current, following = tenant.keys.current.kid, tenant.keys.next.kid
    assert [key.kid for key in issuer.signing_keys(current)] == [current]
    assert {current, following} <= kids(issuer)


@pytest.mark.parametrize(
    "junk",
    [
        {"kty": "RSA", "kid": "x", "n": "AQAB", "e": "AQAB"},
        {"kty": "RSA", "kid": "x"},
        {"kty": "RSA", "kid": "x", "n": 1, "e": 2},
        {"kty": "RSA", "kid": "x", "n": "", "e": ""},
        {"kty": "RSA", "kid": "x", "n": "!", "e": "!"},
        {"kty": "RSA", "kid": "x", "n": "é", "e": "AQAB"},
        {"kty": "RSA", "kid": "x", "n": "\ud800", "e": "AQAB"},
        {"kty": "EC", "kid": "x", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "oct", "kid": "x", "k": "AA"},
        {"kty": "OKP", "kid": "x", "crv": "Ed25519", "x": "AA"},
        {"kty": ["RSA"], "kid": "x"},
        {"keys": [{"keys": []}]},
        [[[]]],
        None,
        "RSA",
    ],
    ids=lambda value: f"J4-{ascii(value)[:60]}",
)
def test_j4_junk_of_every_kind(junk: object, key: SigningKey) -> None:
    issuer = Issuer(ISSUER, http=canned_http(junk, key, junk))
    assert [found.kid for found in issuer.signing_keys(key.kid)] == [key.kid]
    assert kids(issuer) == {key.kid}


@pytest.mark.parametrize("member", ["alg", "use", "kid", "e", "n", "x5c", "key_ops"])
@pytest.mark.parametrize("value", [None, 1, "", "none", [], {}, "\ud800"], ids=ascii)
def test_j4_a_spoilt_copy_beside_the_good_key(
    member: str, value: object, key: SigningKey, other_key: SigningKey
) -> None:
    issuer = Issuer(ISSUER, http=canned_http({**other_key.jwk(), member: value}, key))
    assert [found.kid for found in issuer.signing_keys(key.kid)] == [key.kid]


def test_j4_a_foreign_key_under_the_same_kid(key: SigningKey, other_key: SigningKey) -> None:
    issuer = Issuer(ISSUER, http=canned_http({**other_key.jwk(), "kid": key.kid}, key))
    assert len(issuer.signing_keys(key.kid)) == 2, "the signature decides"


def test_j4_too_many_keys(key: SigningKey) -> None:
    issuer = Issuer(ISSUER, http=canned_http(key, *[{"kty": "RSA"}] * 10_000))
    assert kids(issuer) == {key.kid}


def test_a_key_of_1024_bits_is_no_key(key: SigningKey) -> None:
    short = {**key.jwk(), "n": key.jwk()["n"][:171]}
    with pytest.raises(TransportError):
        Issuer(ISSUER, http=canned_http(short)).signing_keys(None)


@pytest.mark.parametrize("fault", ["jwks-empty", "jwks-enc-only", "jwks-oct"])
def test_no_usable_key(fault: str, tenant: Tenant, issuer: Issuer) -> None:
    tenant.fault(fault)
    with pytest.raises(TransportError) as caught:
        issuer.signing_keys(tenant.keys.current.kid)
    assert caught.value.code == "no_signing_keys"
    assert issuer.signing_keys(tenant.keys.current.kid)


def test_j5_rotation_between_two_logins(tenant: Tenant, issuer: Issuer, monotonic: Monotonic) -> None:
    issuer.signing_keys(tenant.keys.current.kid)
    for _ in range(3):
        tenant.rotate_keys(revoke_previous=True)
        tenant.rotate_keys(revoke_previous=True)
        monotonic.advance(REFETCH_COOL_DOWN + 1)
        assert issuer.signing_keys(tenant.keys.current.kid)


def test_j5_rotation_right_after_the_first_fetch(tenant: Tenant, issuer: Issuer) -> None:
    issuer.signing_keys(tenant.keys.current.kid)
    tenant.rotate_keys(revoke_previous=True)
    tenant.rotate_keys(revoke_previous=True)
    assert issuer.signing_keys(tenant.keys.current.kid), "the first fetch starts no cool-down"
    assert tenant.count(JWKS_PATH) == 2


@pytest.mark.parametrize("concurrent", [False, True], ids=["one-by-one", "at-once"])
def test_j6_flood_of_unknown_kids(concurrent: bool, tenant: Tenant, issuer: Issuer) -> None:
    issuer.signing_keys(tenant.keys.current.kid)
    numbers = iter(range(1000))

    def forged() -> None:
        with pytest.raises(SigningKeyNotFound):
            issuer.signing_keys(f"forged-{next(numbers)}")

    if concurrent:
        assert run_together(forged, 50) == []
    else:
        for _ in range(50):
            forged()
    assert tenant.count(JWKS_PATH) == 2, "the first fetch and one refetch"
    assert issuer.signing_keys(tenant.keys.current.kid), "good logins go on"
    assert tenant.count(JWKS_PATH) == 2


def test_j6_the_cool_down_ends(tenant: Tenant, issuer: Issuer, monotonic: Monotonic) -> None:
    for round_number in range(1, 4):
        for _ in range(10):
            with pytest.raises(SigningKeyNotFound):
                issuer.signing_keys("forged")
        assert tenant.count(JWKS_PATH) == 1 + round_number
        monotonic.advance(REFETCH_COOL_DOWN + 1)


def test_j6_a_failed_refetch_counts_too(tenant: Tenant, issuer: Issuer) -> None:
    issuer.signing_keys(tenant.keys.current.kid)
    tenant.fault("drop", endpoint="jwks", times=None)
    for _ in range(10):
        with pytest.raises(SigningKeyNotFound):
            issuer.signing_keys("forged")
    assert tenant.count(JWKS_PATH) == 2
    assert issuer.signing_keys(tenant.keys.current.kid)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("endpoint", ["metadata", "jwks"])
def test_j8_redirects_are_not_followed(
    endpoint: str, status: int, tenant: Tenant, issuer: Issuer, stranger: TinyServer
) -> None:
    tenant.fault("redirect", endpoint=endpoint, status=status, location=stranger.origin + "/jwks.json")
    with pytest.raises(TransportError):
        issuer.signing_keys(None)
    assert stranger.received == []
    assert issuer.signing_keys(None)


# The shared cache


def test_a_second_process_takes_both_from_the_shared_cache(key: SigningKey) -> None:
    cache, http, second_http = MemoryCache(), canned_http(key), CannedHttp({})
    Issuer(ISSUER, http=http, cache=cache).signing_keys(key.kid)
    second = Issuer(ISSUER, http=second_http, cache=cache)
    assert second.signing_keys(key.kid)
    assert second.metadata().issuer == ISSUER
    assert second_http.asked == []


def test_rotation_seen_by_one_process_reaches_the_next(key: SigningKey, other_key: SigningKey) -> None:
    cache, http = MemoryCache(), canned_http(key)
    first, second = (Issuer(ISSUER, http=http, cache=cache) for _ in range(2))
    first.signing_keys(key.kid)
    second.signing_keys(key.kid)
    http.answers[JWKS_URL] = {"keys": [other_key.jwk()]}
    assert first.signing_keys(other_key.kid)
    assert second.signing_keys(other_key.kid)
    third = Issuer(ISSUER, http=CannedHttp({}), cache=cache)
    assert third.signing_keys(other_key.kid)


def test_old_keys_in_the_shared_cache_cause_one_refetch(key: SigningKey, other_key: SigningKey) -> None:
    cache = MemoryCache()
    Issuer(ISSUER, http=canned_http(key), cache=cache).signing_keys(key.kid)
    http = canned_http(other_key)
    assert Issuer(ISSUER, http=http, cache=cache).signing_keys(other_key.kid)
    assert http.fetches(JWKS_URL) == 1


@pytest.mark.parametrize("junk", [None, "text", [], {}, {"issuer": "https://other/"}, {"keys": 1}, b"x"], ids=repr)
def test_junk_in_the_shared_cache(junk: object, key: SigningKey) -> None:
    cache = MemoryCache()
    Issuer(ISSUER, http=canned_http(key), cache=cache).signing_keys(key.kid)
    cache.values = dict.fromkeys(cache.values, junk)
    assert Issuer(ISSUER, http=canned_http(key), cache=cache).signing_keys(key.kid)


def test_failures_are_not_shared(key: SigningKey) -> None:
    cache = MemoryCache()
    with pytest.raises(TransportError):
        Issuer(ISSUER, http=CannedHttp({METADATA_URL: METADATA, JWKS_URL: b"[]"}), cache=cache).signing_keys(None)
    assert len(cache.values) == 1
    assert json.dumps(cache.values).count("jwks_uri") == 1


def test_two_issuers_do_not_meet_in_the_cache(key: SigningKey, other_key: SigningKey) -> None:
    cache, other = MemoryCache(), "https://other.example.com/"
    moved = {name: str(value).replace(ISSUER, other) for name, value in METADATA.items()}
    answers = {other + METADATA_PATH[1:]: moved, other + JWKS_PATH[1:]: {"keys": [other_key.jwk()]}}
    assert kids(Issuer(ISSUER, http=canned_http(key), cache=cache)) == {key.kid}
    assert kids(Issuer(other, http=CannedHttp(answers), cache=cache)) == {other_key.kid}
