"""Whatever comes from outside, only the typed errors come out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_auth0_flow.protocol.addresses import is_acceptable_endpoint, origin_of
from django_auth0_flow.protocol.authorization import (
    MAX_PARAMETER_LENGTH,
    code_of,
    judge_response,
    parse_authorization_response,
)
from django_auth0_flow.protocol.errors import (
    AuthorizationError,
    CallbackError,
    OAuthError,
    TokenValidationError,
    TransportError,
)
from django_auth0_flow.protocol.http import HttpAnswer, parse_oauth_answer
from django_auth0_flow.protocol.issuer import Issuer, parse_metadata
from django_auth0_flow.protocol.strict_json import is_storable_text, parse_json_object
from django_auth0_flow.protocol.tokens import parse_token_response
from django_auth0_flow.protocol.validation import (
    JoseKeys,
    validate_access_token,
    validate_id_token,
    validate_logout_token,
)
from django_auth0_flow.testing.tenant.keys import SigningKey
from tests.protocol.support import (
    CLIENT_ID,
    ISSUER,
    METADATA,
    NOW,
    canned_http,
    canned_issuer,
    good_claims,
    id_token,
    make_jws,
)

bounded = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

any_text = st.text(st.characters(exclude_categories=()), max_size=40)
any_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**300, 10**320)
    | st.floats(allow_nan=False, allow_infinity=False)
    | any_text
    | st.sampled_from([ISSUER, CLIENT_ID, NOW, "Bearer", "org_1", "RS256", "none"]),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(any_text, children, max_size=4),
    max_leaves=12,
)
member_names = st.sampled_from(
    "iss sub aud azp exp iat nbf nonce auth_time at_hash c_hash org_id org_name events sid jti typ alg kid crit b64 jwk "
    "jku x5c access_token token_type expires_in scope refresh_token id_token error error_description mfa_token "
    "mfa_requirements errorCode code message issuer jwks_uri token_endpoint authorization_endpoint keys kty n e use".split()
)
documents = st.dictionaries(member_names | any_text, any_json, max_size=8)


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()


@bounded
@given(st.binary(max_size=200) | any_json.map(as_json) | documents.map(as_json))
def test_parse_json_object(data: bytes) -> None:
    try:
        found = parse_json_object(data)
    except ValueError:
        return
    assert isinstance(found, dict)


@bounded
@given(documents, st.sampled_from("validate_id_token validate_access_token validate_logout_token".split()))
def test_claims_of_any_kind(key: SigningKey, changes: dict[str, Any], function: str) -> None:
    judge(id_token(key, as_json({**good_claims(), **changes})), function, key)


@bounded
@given(documents, st.sampled_from("validate_id_token validate_access_token validate_logout_token".split()))
def test_headers_of_any_kind(key: SigningKey, changes: dict[str, Any], function: str) -> None:
    header = as_json({"alg": "RS256", "kid": key.kid, **changes})
    judge(make_jws(header, good_claims(), key.private, "RS256"), function, key)


@bounded
@given(
    any_text
    | st.binary(max_size=40)
    | st.from_regex(r"[A-Za-z0-9_-]{0,30}(\.[A-Za-z0-9_=+/-]{0,30}){0,5}", fullmatch=True)
    | any_json,
    st.sampled_from("validate_id_token validate_access_token validate_logout_token".split()),
)
def test_tokens_of_any_kind(key: SigningKey, token: object, function: str) -> None:
    with pytest.raises(TokenValidationError):
        judge(token, function, key, quiet=False)


_issuers: dict[str, Issuer] = {}


def judge(token: object, function: str, key: SigningKey, *, quiet: bool = True) -> None:
    issuer = _issuers.setdefault(key.kid, canned_issuer(key))
    keys = JoseKeys(issuer, "RS256")
    try:
        match function:
            case "validate_id_token":
                validate_id_token(
                    token,
                    keys=keys,
                    client_id=CLIENT_ID,
                    now=NOW,
                    leeway=60,
                    nonce="nonce-of-this-login",
                    max_age=10,
                    access_token="at",
                    code="c",
                )
            case "validate_access_token":
                validate_access_token(token, issuer=issuer, audience=CLIENT_ID, now=NOW, leeway=60)
            case _:
                validate_logout_token(token, keys=keys, client_id=CLIENT_ID, now=NOW, leeway=60)
    except TokenValidationError:
        if not quiet:
            raise


@bounded
@given(
    st.dictionaries(
        st.sampled_from("code state iss error error_description error_uri id_token scope".split()) | any_text,
        st.lists(any_text | st.text("a", max_size=3).map(lambda text: text * MAX_PARAMETER_LENGTH), max_size=3),
        max_size=6,
    ),
    st.booleans(),
)
def test_authorization_responses(parameters: dict[str, list[str]], iss_required: bool) -> None:
    try:
        response = parse_authorization_response(parameters)
        judge_response(response, issuer=ISSUER, iss_required=iss_required)
        code = code_of(response)
    except (CallbackError, AuthorizationError):
        return
    assert parameters["code"] == [code]
    assert parameters["state"] == [response.state]
    assert is_storable_text(code)


@bounded
@given(
    st.sampled_from([200, 201, 204, 301, 307, 400, 401, 403, 404, 429, 500, 503]),
    st.binary(max_size=100) | documents.map(as_json) | any_json.map(as_json),
    st.dictionaries(st.sampled_from(["Retry-After", "X-RateLimit-Reset", "X-RateLimit-Remaining"]), any_text),
)
def test_oauth_answers(status: int, body: bytes, headers: dict[str, str]) -> None:
    try:
        found = parse_oauth_answer(HttpAnswer(status, headers, body), now=NOW)
    except (TransportError, OAuthError):
        return
    assert status == 200
    assert not found.get("error")


@bounded
@given(documents)
def test_token_responses(body: dict[str, Any]) -> None:
    try:
        tokens = parse_token_response(
            {"access_token": "at", "token_type": "Bearer", **body}, now=NOW, requested_scope="a b"
        )
    except TransportError:
        return
    assert tokens.access_token
    assert tokens.access_token.isprintable()
    assert tokens.expires_at is not None
    assert NOW < tokens.expires_at < NOW + 11 * 365 * 86400


@bounded
@given(documents, st.booleans())
def test_metadata(changes: dict[str, Any], over_good: bool) -> None:
    try:
        metadata = parse_metadata({**(METADATA if over_good else {}), **changes}, ISSUER)
    except TransportError:
        return
    assert metadata.issuer == ISSUER
    assert metadata.token_endpoint.startswith("https:")


@bounded
@given(st.lists(any_json | documents, max_size=4))
def test_key_sets(key: SigningKey, junk: list[Any]) -> None:
    issuer = Issuer(ISSUER, http=canned_http(*junk, key))
    assert key.kid in [found.kid for found in issuer.signing_keys(key.kid)]


@bounded
@given(any_text | st.from_regex(r"https?:/{0,3}[a-z\[\]:@.%\\0-9]{0,20}/?", fullmatch=True))
def test_urls(url: str) -> None:
    assert isinstance(is_acceptable_endpoint(url), bool)
    assert isinstance(origin_of(url), str)
