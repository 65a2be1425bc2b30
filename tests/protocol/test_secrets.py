"""No secret in any text that ends up in a log: str() and repr() of every error and value."""

from __future__ import annotations

import inspect
import logging
import traceback
from collections.abc import Callable

import pytest

from django_auth0_flow.protocol import errors
from django_auth0_flow.protocol.authorization import AuthorizationRequest, AuthorizationResponse
from django_auth0_flow.protocol.client import Client
from django_auth0_flow.protocol.client_auth import client_secret_basic, client_secret_post, no_client_auth
from django_auth0_flow.protocol.http import Http, HttpAnswer, parse_oauth_answer
from django_auth0_flow.protocol.issuer import Issuer
from django_auth0_flow.protocol.outbound import ApiSession, TokenAuth
from django_auth0_flow.protocol.tokens import TokenSet, parse_token_response
from django_auth0_flow.protocol.validation import JoseKeys, validate_id_token
from django_auth0_flow.testing.tenant import Tenant
from django_auth0_flow.testing.tenant.keys import SigningKey
from tests.protocol.support import (
    CLIENT_ID,
    ISSUER,
    METADATA_URL,
    NOW,
    canned_http,
    canned_issuer,
    good_claims,
    hurry,
    id_token,
)

SECRET = "s3cr3t-v4lue"


class Source:
    def __init__(self) -> None:
        self.tokens = TokenSet(access_token=SECRET)

    def access_token(self, *, rejected: str | None = None) -> TokenSet:
        return self.tokens


VALUES: dict[str, Callable[[], object]] = {
    "TokenSet": lambda: TokenSet(access_token=SECRET, refresh_token=SECRET, id_token=SECRET),
    "AuthorizationRequest": lambda: AuthorizationRequest(
        "https://app/cb", "openid", SECRET, nonce=SECRET, code_verifier=SECRET, parameters={"invitation": SECRET}
    ),
    "AuthorizationResponse": lambda: AuthorizationResponse(state=SECRET, code=SECRET, error_description=SECRET),
    "HttpAnswer": lambda: HttpAnswer(200, {"Set-Cookie": SECRET}, SECRET.encode()),
    "JoseKeys": lambda: JoseKeys(canned_issuer(), "HS256", SECRET),
    "Http": lambda: Http(timeout=1),
    "Issuer": canned_issuer,
    "Client": lambda: Client(
        issuer=canned_issuer(),
        client_id=CLIENT_ID,
        auth=client_secret_post(CLIENT_ID, SECRET),
        http=Http(timeout=1),
        clock=lambda: NOW,
        leeway=0,
        client_secret=SECRET,
    ),
    "client_secret_post": lambda: client_secret_post(CLIENT_ID, SECRET),
    "client_secret_basic": lambda: client_secret_basic(CLIENT_ID, SECRET),
    "TokenAuth": lambda: TokenAuth(Source(), ["https://api.example.com"]),
    "ApiSession": lambda: ApiSession(Source(), ["https://api.example.com"], timeout=1),
}


@pytest.mark.parametrize("name", VALUES)
def test_values(name: str) -> None:
    value = VALUES[name]()
    assert SECRET not in f"{value!s} {value!r} {[value]} {vars(value) if name == 'Client' else ''}"


ERRORS: dict[str, Callable[[], errors.Auth0Error]] = {
    "Auth0Error": errors.Auth0Error,
    "TransportError": lambda: errors.TransportError(retry_after=7, status=503),
    "OAuthError": lambda: errors.OAuthError(SECRET, SECRET, status=400),
    "AuthorizationError": lambda: errors.AuthorizationError(SECRET, SECRET),
    "TokenRequestError": lambda: errors.TokenRequestError(SECRET, SECRET),
    "MachineTokenRefused": lambda: errors.MachineTokenRefused(SECRET, SECRET),
    "PasswordRefused": lambda: errors.PasswordRefused(
        errors.TokenRequestError(SECRET, SECRET), code="password_too_weak", policy=SECRET
    ),
    "InvalidGrant": lambda: errors.InvalidGrant("invalid_grant", SECRET),
    "MfaRequired": lambda: errors.MfaRequired(SECRET, {"challenge": SECRET}, error_description=SECRET),
    "CallbackError": lambda: errors.CallbackError("The response has no state.", code="state_missing"),
    "TokenValidationError": lambda: errors.TokenValidationError("nonce", "it is not the one of this login"),
    "TokenExpired": lambda: errors.TokenExpired("exp", "the token has expired"),
    "SigningKeyNotFound": lambda: errors.SigningKeyNotFound("kid", "no such key"),
    "LoginRequired": errors.LoginRequired,
    "NoAccessToken": errors.NoAccessToken,
    "AccountNotConnected": lambda: errors.AccountNotConnected("google-oauth2"),
    "AccountsRefused": lambda: errors.AccountsRefused(SECRET, SECRET, status=403),
    "OriginNotAllowed": errors.OriginNotAllowed,
}


def test_every_error_is_in_the_table() -> None:
    found = {name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Exception)}
    assert found == set(ERRORS)


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    error = ERRORS[name]()
    assert SECRET not in f"{error!s} {error!r} {error.code} {error.args}"
    assert error.code.replace(".", "_").isidentifier()
    assert str(error), "an error says something"
    assert isinstance(error, errors.Auth0Error)


@pytest.mark.parametrize("error", ["access_denied", "login_required", "invalid_grant"])
def test_known_words_become_codes(error: str) -> None:
    assert errors.OAuthError(error).code == error
    assert errors.OAuthError(error).error == error


def chain(error: BaseException) -> str:
    """Return everything that a log or an error tracker prints of an exception: the chain, and the repr of each link."""
    texts = ["".join(traceback.format_exception(error))]
    link: BaseException | None = error
    while link is not None:
        texts.append(f"{link!r} {vars(link) if not isinstance(link, errors.Auth0Error) else ''}")
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "\n".join(texts)


@pytest.mark.parametrize(
    "body",
    [
        f'{{"access_token":"{SECRET}"'.encode(),
        f'{{"access_token":"{SECRET}","x":"\xff"}}'.encode("latin-1"),
        f'{{"access_token":"{SECRET}","access_token":"{SECRET}"}}'.encode(),
        f'{{"access_token":"{SECRET}","x":NaN}}'.encode(),
        f'["{SECRET}"]'.encode(),
        f'{{"error":"{SECRET}","error_description":"{SECRET}"}}'.encode(),
    ],
    ids=["truncated", "bad-utf8", "duplicate", "nan", "list", "error"],
)
def test_answers_that_cannot_be_read(body: bytes) -> None:
    with pytest.raises(errors.Auth0Error) as caught:
        parse_oauth_answer(HttpAnswer(200, {}, body), now=NOW)
    assert SECRET not in chain(caught.value)


def test_token_responses_that_cannot_be_used() -> None:
    with pytest.raises(errors.TransportError) as caught:
        parse_token_response({"access_token": SECRET, "token_type": SECRET}, now=NOW, requested_scope="")
    assert SECRET not in chain(caught.value)


@pytest.mark.parametrize(
    "changes",
    [{"nonce": SECRET}, {"sub": SECRET * 50}, {"iss": SECRET}, {"aud": SECRET}, {"azp": SECRET}, {"exp": SECRET}],
    ids=lambda changes: next(iter(changes)),
)
def test_refused_tokens(changes: dict[str, str], key: SigningKey) -> None:
    token = id_token(key, good_claims(**changes))
    keys = JoseKeys(canned_issuer(key), "RS256")
    with pytest.raises(errors.TokenValidationError) as caught:
        validate_id_token(token, keys=keys, client_id=CLIENT_ID, now=NOW, leeway=0, nonce="nonce-of-this-login")
    assert SECRET not in chain(caught.value).replace(repr(changes), "")
    assert "nonce-of-this-login" not in f"{caught.value} {caught.value.expected}"


@pytest.mark.parametrize("fault", ["drop", "reset", "slow", "truncated", "not-http", "broken-chunks", "gzip-wrong"])
def test_broken_connections(fault: str, client: Client, tenant: Tenant, http: Http) -> None:
    client.issuer.metadata()
    hurry(http, fault)
    tenant.fault(fault)
    with pytest.raises(errors.TransportError) as caught:
        client.refresh(TokenSet(refresh_token=SECRET), first_claims={})
    text = chain(caught.value)
    assert SECRET not in text
    assert tenant.application.client_secret not in text


def test_log_lines(key: SigningKey, caplog: pytest.LogCaptureFixture) -> None:
    http = canned_http(key)
    issuer = Issuer(ISSUER, http=http)
    issuer.signing_keys(key.kid)
    http.answers = {METADATA_URL: http.answers[METADATA_URL]}
    with caplog.at_level(logging.DEBUG), pytest.raises(errors.SigningKeyNotFound):
        issuer.signing_keys(SECRET)
    assert [record.message.split()[0] for record in caplog.records] == ["keys_refetch_failed"]
    assert SECRET not in caplog.text


def test_public_clients_have_no_secret() -> None:
    form = {"a": "1"}
    no_client_auth("c")(form, ISSUER)
    assert form == {"a": "1", "client_id": "c"}
