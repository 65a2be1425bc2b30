"""What an answer of the tenant means: rows T3 and T9 without a network."""

from __future__ import annotations

import json
from typing import Any

import pytest

from django_auth0_flow.protocol.errors import Auth0Error, InvalidGrant, MfaRequired, TokenRequestError, TransportError
from django_auth0_flow.protocol.http import HttpAnswer, parse_oauth_answer, retry_after
from tests.protocol.support import NOW


def answer(status: int, body: Any, **headers: str) -> HttpAnswer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpAnswer(status, {name.replace("_", "-"): value for name, value in headers.items()}, data)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"access_token": "at"},
        {"error": None, "access_token": "at"},
        {"error": "", "access_token": "at"},
        {"sub": "auth0|1", "code": "a claim of that name", "message": "hello", "errorCode": "x"},
    ],
    ids=["empty", "tokens", "null-error", "empty-error", "userinfo-with-claims-called-so"],
)
def test_success(body: dict[str, Any]) -> None:
    assert parse_oauth_answer(answer(200, body), now=NOW) == body


TOKENS = {"access_token": "at", "token_type": "Bearer"}


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        pytest.param(403, {"error": "invalid_grant"}, InvalidGrant, "invalid_grant", id="T3-auth0-403"),
        pytest.param(400, {"error": "invalid_grant"}, InvalidGrant, "invalid_grant", id="T3-rfc-400"),
        pytest.param(200, {"error": "invalid_grant"}, InvalidGrant, "invalid_grant", id="T3-error-under-200"),
        pytest.param(200, {"error": "x", **TOKENS}, TokenRequestError, "oauth_error", id="T3-error-beside-tokens"),
        pytest.param(200, {"error": {"code": 1}, **TOKENS}, TokenRequestError, "oauth_error", id="T3-error-object"),
        pytest.param(200, {"error": True, **TOKENS}, TokenRequestError, "oauth_error", id="T3-error-boolean"),
        pytest.param(400, TOKENS, TransportError, "malformed_answer", id="T3-tokens-under-400"),
        pytest.param(403, TOKENS, TransportError, "malformed_answer", id="T3-tokens-under-403"),
        pytest.param(201, TOKENS, TransportError, "malformed_answer", id="T3-tokens-under-201"),
        pytest.param(307, TOKENS, TransportError, "malformed_answer", id="T3-tokens-under-307"),
        pytest.param(500, TOKENS, TransportError, "tenant_unreachable", id="T3-tokens-under-500"),
        pytest.param(401, {"error": "invalid_client"}, TokenRequestError, "invalid_client", id="invalid-client"),
        pytest.param(
            401,
            {"error": "access_denied", "error_description": "Unauthorized"},
            TokenRequestError,
            "access_denied",
            id="auth0-unauthorized",
        ),
        pytest.param(400, {"error": "<b>\r\n"}, TokenRequestError, "oauth_error", id="F10-markup"),
        pytest.param(403, {"error": "mfa_required", "mfa_token": "m"}, MfaRequired, "mfa_required", id="mfa"),
        pytest.param(429, {"error": "too_many_requests"}, TransportError, "rate_limited", id="429"),
        pytest.param(429, b"<html>", TransportError, "rate_limited", id="429-html"),
        pytest.param(403, {"error": "too_many_requests"}, TransportError, "rate_limited", id="429-under-403"),
        pytest.param(
            429,
            {"error": "too_many_attempts"},
            TokenRequestError,
            "too_many_attempts",
            id="blocked-account-is-no-weather",
        ),
        pytest.param(
            500,
            {"error": "access_denied", "error_description": "Global limit has been reached"},
            TransportError,
            "rate_limited",
            id="auth0-global-limit",
        ),
        pytest.param(500, b"", TransportError, "tenant_unreachable", id="T3-500-empty"),
        pytest.param(502, b"<html>", TransportError, "tenant_unreachable", id="T3-502-html"),
        pytest.param(503, {"error": "temporarily_unavailable"}, TransportError, "tenant_unreachable", id="T3-503"),
        pytest.param(404, b"<html>", TransportError, "malformed_answer", id="T3-404-html"),
        pytest.param(404, {}, TransportError, "malformed_answer", id="T3-404-json"),
        pytest.param(204, b"", TransportError, "malformed_answer", id="T4-204"),
        pytest.param(200, b"", TransportError, "malformed_answer", id="T4-empty"),
    ],
)
def test_t3_everything_else(status: int, body: Any, kind: type[Auth0Error], code: str) -> None:
    with pytest.raises(Auth0Error) as caught:
        parse_oauth_answer(answer(status, body), now=NOW)
    assert type(caught.value) is kind
    assert caught.value.code == code


def test_transient_or_not() -> None:
    for status, body, retryable in [(503, b"", True), (429, b"", True), (200, b"<html>", False), (404, {}, False)]:
        with pytest.raises(TransportError) as caught:
            parse_oauth_answer(answer(status, body), now=NOW)
        assert caught.value.retryable is retryable
        assert caught.value.status == status


def test_mfa_required_keeps_the_whole_token() -> None:
    body = {"error": "mfa_required", "mfa_token": "m" * 5000, "mfa_requirements": {"challenge": [{"type": "otp"}]}}
    with pytest.raises(MfaRequired) as caught:
        parse_oauth_answer(answer(403, body), now=NOW)
    assert caught.value.mfa_token == "m" * 5000
    assert caught.value.requirements == {"challenge": [{"type": "otp"}]}


@pytest.mark.parametrize("junk", [None, 17, [], {}], ids=repr)
def test_mfa_required_with_junk(junk: object) -> None:
    body = {"error": "mfa_required", "mfa_token": junk, "mfa_requirements": "x", "error_description": junk}
    with pytest.raises(MfaRequired) as caught:
        parse_oauth_answer(answer(403, body), now=NOW)
    assert (caught.value.mfa_token, caught.value.requirements, caught.value.error_description) == ("", {}, "")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": " 7 "}, 7),
        ({"Retry-After": "-7"}, None),
        ({"Retry-After": "1e9"}, None),
        ({"Retry-After": "9" * 5000}, None),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"Retry-After": "٣"}, None),
        ({"X-RateLimit-Reset": str(NOW + 9), "X-RateLimit-Remaining": "0"}, 9),
        ({"X-RateLimit-Reset": str(NOW - 9), "X-RateLimit-Remaining": "0"}, 0),
        ({"X-RateLimit-Reset": "99999999999", "X-RateLimit-Remaining": "0"}, 3600),
        ({"X-RateLimit-Reset": str(NOW + 9), "X-RateLimit-Remaining": "3"}, None),
        ({"X-RateLimit-Reset": "soon"}, None),
        ({}, None),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_retry_after(headers: dict[str, str], seconds: int | None) -> None:
    assert retry_after(headers, NOW) == seconds
