"""The client at a tenant over real HTTP: exchange, refresh, revocation, userinfo, logout."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from django_auth0_flow.protocol.authorization import AuthorizationRequest, parse_authorization_response
from django_auth0_flow.protocol.client import Client
from django_auth0_flow.protocol.client_auth import client_secret_basic, client_secret_post, no_client_auth
from django_auth0_flow.protocol.errors import (
    Auth0Error,
    InvalidGrant,
    MfaRequired,
    SigningKeyNotFound,
    TokenRequestError,
    TokenValidationError,
    TransportError,
)
from django_auth0_flow.protocol.http import Http
from django_auth0_flow.protocol.issuer import Issuer
from django_auth0_flow.protocol.tokens import TokenSet
from django_auth0_flow.testing.tenant import Tenant
from tests.protocol.conftest import Monotonic
from tests.protocol.support import ISSUER, METADATA, METADATA_URL, NOW, CannedHttp, TinyServer, hurry

CALLBACK = "http://testserver/auth0/callback/"
SCOPE = "openid profile email offline_access"


def begin(client: Client, tenant: Tenant, **parameters: str) -> tuple[AuthorizationRequest, str]:
    """Walk to the callback; return the request and the code."""
    request = AuthorizationRequest(
        CALLBACK, SCOPE, "state-of-this-login", parameters={"audience": tenant.api.identifier, **parameters}
    )
    callback = urlsplit(tenant.login(client.authorization_url(request)))
    response = parse_authorization_response(parse_qs(callback.query))
    assert response.state == request.state
    assert response.code is not None, response.error_description
    return request, response.code


def log_in(client: Client, tenant: Tenant, **parameters: str) -> tuple[TokenSet, dict[str, Any]]:
    return client.complete(*begin(client, tenant, **parameters))


def token_requests(tenant: Tenant) -> int:
    return tenant.count("/oauth/token")


def test_exchange(client: Client, tenant: Tenant) -> None:
    request, code = begin(client, tenant)
    tokens, claims = client.complete(request, code)
    assert (claims["sub"], claims["nonce"]) == (tenant.user.sub, request.nonce)
    assert tokens.access_token
    assert tokens.refresh_token
    assert client.validate_access_token(tokens.access_token, tenant.api.identifier)["sub"] == tenant.user.sub
    sent = next(entry for entry in tenant.requests if entry.path == "/oauth/token")
    assert sent.form == {
        "grant_type": ["authorization_code"],
        "code": [code],
        "redirect_uri": [CALLBACK],
        "code_verifier": [request.code_verifier],
        "client_id": [tenant.application.client_id],
        "client_secret": [tenant.application.client_secret],
    }
    assert sent.query == {}
    assert sent.headers["Content-Type"] == "application/x-www-form-urlencoded"


def test_one_http_call_when_warm(client: Client, tenant: Tenant) -> None:
    log_in(client, tenant)
    request, code = begin(client, tenant)
    tenant.clear_log()
    client.complete(request, code)
    assert [entry.path for entry in tenant.requests] == ["/oauth/token"]


@pytest.mark.parametrize("method", ["client_secret_post", "client_secret_basic", "none"])
def test_client_authentication(method: str, tenant: Tenant, issuer: Issuer, http: Http) -> None:
    application = tenant.application
    application.token_endpoint_auth_method = method
    application.client_secret = "odd:secret %&+é"
    auth = {
        "client_secret_post": client_secret_post(application.client_id, application.client_secret),
        "client_secret_basic": client_secret_basic(application.client_id, application.client_secret),
        "none": no_client_auth(application.client_id),
    }[method]
    client = Client(
        issuer=issuer, client_id=application.client_id, auth=auth, http=http, clock=tenant.clock.now, leeway=60
    )
    log_in(client, tenant)
    sent = next(entry for entry in tenant.requests if entry.path == "/oauth/token")
    assert ("client_secret" in sent.form) == (method == "client_secret_post")
    assert ("Authorization" in sent.headers) == (method == "client_secret_basic")
    if method == "client_secret_basic":
        decoded = base64.b64decode(sent.headers["Authorization"].removeprefix("Basic ")).decode()
        assert decoded == f"{application.client_id}:odd%3Asecret%20%25%26%2B%C3%A9"


def test_a_code_is_good_once(client: Client, tenant: Tenant) -> None:
    request, code = begin(client, tenant)
    client.complete(request, code)
    with pytest.raises(InvalidGrant) as caught:
        client.complete(request, code)
    assert (caught.value.status, caught.value.code) == (403, "invalid_grant")


def test_f3_a_stolen_code_with_another_verifier(client: Client, tenant: Tenant) -> None:
    _, stolen = begin(client, tenant)
    own, _ = begin(client, tenant)
    with pytest.raises(InvalidGrant):
        client.complete(own, stolen)


def test_f3_a_stolen_code_at_a_provider_that_ignores_pkce(client: Client, tenant: Tenant) -> None:
    victim, code = begin(client, tenant)
    own = replace(AuthorizationRequest(CALLBACK, SCOPE, "s"), code_verifier=victim.code_verifier)
    with pytest.raises(TokenValidationError) as caught:
        client.complete(own, code)
    assert caught.value.claim == "nonce"


@pytest.mark.parametrize(
    ("fault", "options", "claim"),
    [
        pytest.param("alg-none", {}, "token", id="S1-alg-none"),
        pytest.param("hs256-public-key", {}, "alg", id="S2-hs256-with-public-key-pem"),
        pytest.param("hs256-client-secret", {}, "alg", id="S3-hs256-with-client-secret"),
        pytest.param("rs512", {}, "alg", id="S4-rs512"),
        pytest.param("sig-invalid", {}, "signature", id="S5-sig-invalid"),
        pytest.param("kid-unknown", {}, "kid", id="S6-kid-unknown"),
        pytest.param("crit", {}, "crit", id="S8-crit"),
        pytest.param("access-token-as-id-token", {}, "aud", id="S12-access-token"),
        pytest.param("invalid-iss", {}, "iss", id="C1-invalid-iss"),
        pytest.param("invalid-aud", {}, "aud", id="C2-invalid-aud"),
        pytest.param("missing-aud", {}, "aud", id="C2-missing-aud"),
        pytest.param("multiple-aud-no-azp", {}, "azp", id="C3-multiple-aud-no-azp"),
        pytest.param("foreign-azp", {}, "azp", id="C3-foreign-azp"),
        pytest.param("missing-exp", {}, "exp", id="C4-missing-exp"),
        pytest.param("expired", {}, "exp", id="C4-expired"),
        pytest.param("missing-iat", {}, "iat", id="C5-missing-iat"),
        pytest.param("future-iat", {}, "iat", id="C5-future-iat"),
        pytest.param("nonce-invalid", {}, "nonce", id="C6-nonce-invalid"),
        pytest.param("nonce-missing", {}, "nonce", id="C6-nonce-missing"),
        pytest.param("missing-sub", {}, "sub", id="C7-missing-sub"),
        pytest.param("blank-sub", {}, "sub", id="C7-blank-sub"),
        pytest.param("at-hash-invalid", {}, "at_hash", id="C8-at-hash-invalid"),
        pytest.param("no-id-token", {}, "id_token", id="T2-no-id-token"),
    ],
)
def test_spoilt_id_tokens(fault: str, options: dict[str, Any], claim: str, client: Client, tenant: Tenant) -> None:
    request, code = begin(client, tenant)
    tenant.fault(fault, **options)
    with pytest.raises(TokenValidationError) as caught:
        client.complete(request, code)
    assert caught.value.claim == claim
    assert token_requests(tenant) == 1
    assert tenant.count("/userinfo") == 0, "no fallback"


def test_kid_absent(client: Client, tenant: Tenant) -> None:
    tenant.fault("kid-absent")
    assert log_in(client, tenant)[1]["sub"] == tenant.user.sub


@pytest.mark.parametrize("fault", ["auth-time-missing", "auth-time-old"])
def test_c9_max_age(fault: str, client: Client, tenant: Tenant) -> None:
    request, code = begin(client, tenant, max_age="0")
    tenant.fault(fault)
    with pytest.raises(TokenValidationError) as caught:
        client.complete(request, code, max_age=0)
    assert caught.value.claim == "auth_time"
    assert client.complete(*begin(client, tenant, max_age="0"), max_age=0)


@pytest.mark.parametrize("fault", [None, "org-id-missing", "org-id-other"])
@pytest.mark.parametrize("by", ["id", "name"])
def test_c10_organization(fault: str | None, by: str, client: Client, tenant: Tenant) -> None:
    organization = tenant.add_organization("acme")
    tenant.user.orgs.append(organization.id)
    asked = organization.id if by == "id" else organization.name
    request, code = begin(client, tenant, organization=organization.id)
    if fault:
        tenant.fault(fault)
        with pytest.raises(TokenValidationError):
            client.complete(request, code, organization=asked)
    else:
        tenant.user.claims = {"org_name": "acme"}
        assert client.complete(request, code, organization=asked)[1]["org_id"] == organization.id


@pytest.mark.parametrize(
    ("fault", "options", "code"),
    [
        pytest.param("token-type-missing", {}, "token_type_unsupported", id="T1-token-type-missing"),
        pytest.param("token-type-other", {}, "token_type_unsupported", id="T1-token-type-other"),
        pytest.param("no-access-token", {}, "access_token_missing", id="T1-no-access-token"),
        pytest.param("error-200", {}, "invalid_grant", id="T3-error-under-200"),
        pytest.param("tokens-400", {}, "malformed_answer", id="T3-tokens-under-400"),
        pytest.param("mfa-required", {}, "mfa_required", id="T3-mfa-required"),
        pytest.param("access-denied", {}, "access_denied", id="T3-access-denied"),
        pytest.param("global-limit", {}, "rate_limited", id="T3-global-limit"),
        pytest.param("html", {}, "malformed_answer", id="T4-html"),
        pytest.param("slow", {}, "tenant_timeout", id="T7-slow"),
    ],
)
def test_refused_token_answers(
    fault: str, options: dict[str, Any], code: str, client: Client, tenant: Tenant, http: Http
) -> None:
    request, authorization_code = begin(client, tenant)
    hurry(http, fault)
    tenant.fault(fault, **options)
    with pytest.raises(Auth0Error) as caught:
        client.complete(request, authorization_code)
    assert caught.value.code == code


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_t8_redirect_of_the_token_endpoint(status: int, client: Client, tenant: Tenant, stranger: TinyServer) -> None:
    request, code = begin(client, tenant)
    tenant.fault("redirect", status=status, location=stranger.origin)
    with pytest.raises(TransportError):
        client.complete(request, code)
    assert stranger.received == []


# Refresh


def test_refresh(client: Client, tenant: Tenant) -> None:
    tokens, first = log_in(client, tenant)
    tenant.clear_log()
    again, claims = client.refresh(tokens, first_claims=first)
    assert again.refresh_token != tokens.refresh_token
    assert claims is not None
    assert claims["sub"] == first["sub"]
    assert "nonce" not in claims
    assert [entry.form["refresh_token"] for entry in tenant.requests] == [[tokens.refresh_token]]
    third, _ = client.refresh(again, first_claims=first)
    assert third.refresh_token not in (tokens.refresh_token, again.refresh_token)
    assert tenant.families_revoked == 0


def test_refresh_with_fewer_scopes(client: Client, tenant: Tenant) -> None:
    tokens, first = log_in(client, tenant)
    again, _ = client.refresh(tokens, first_claims=first, scope="openid")
    assert again.scope == {"openid"}


def test_r2_what_the_answer_leaves_out_stays(client: Client, tenant: Tenant) -> None:
    tenant.application.rotation = False
    tokens, first = log_in(client, tenant)
    tenant.fault("no-refresh-token")
    tenant.fault("no-id-token")
    tenant.clock.advance(1)
    again, claims = client.refresh(tokens, first_claims=first)
    assert claims is None
    assert (again.refresh_token, again.id_token) == (tokens.refresh_token, tokens.id_token)
    assert again.access_token != tokens.access_token


@pytest.mark.parametrize(
    ("fault", "changes", "claim"),
    [
        pytest.param("other-sub", {}, "sub", id="R1-sub"),
        pytest.param("invalid-iss", {}, "iss", id="R1-iss"),
        pytest.param("invalid-aud", {}, "aud", id="R1-aud"),
        pytest.param(None, {"azp": "another"}, "azp", id="R1-azp"),
        pytest.param(None, {"auth_time": 1}, "auth_time", id="R1-auth-time"),
        pytest.param(None, {"org_id": "org_other"}, "org_id", id="R1-org-id"),
        pytest.param("sig-invalid", {}, "signature", id="R1-signature"),
        pytest.param("alg-none", {}, "token", id="R1-alg-none"),
    ],
)
def test_r1_refreshed_id_token_of_somebody_else(
    fault: str | None, changes: dict[str, Any], claim: str, client: Client, tenant: Tenant
) -> None:
    tokens, first = log_in(client, tenant, max_age="1000")
    first["org_id"] = "org_first"
    tenant.user.claims = changes
    if fault:
        tenant.fault(fault)
    with pytest.raises(TokenValidationError) as caught:
        client.refresh(tokens, first_claims=first)
    assert caught.value.claim == claim


def test_keys_out_of_reach_do_not_lose_the_rotated_token(
    client: Client, tenant: Tenant, http: Http, monotonic: Monotonic
) -> None:
    tokens, first = log_in(client, tenant)
    cold = Client(
        issuer=Issuer(tenant.issuer, http=http),
        client_id=client.client_id,
        auth=client_secret_post(client.client_id, tenant.application.client_secret),
        http=http,
        clock=tenant.clock.now,
        leeway=60,
    )
    tenant.fault("drop", endpoint="jwks", times=None)
    again, claims = cold.refresh(tokens, first_claims=first)
    assert claims is None
    assert again.refresh_token != tokens.refresh_token
    assert again.id_token == tokens.id_token, "an unchecked ID token is not kept"
    tenant.clear_faults()
    assert cold.refresh(again, first_claims=first)[1] is not None
    assert tenant.families_revoked == 0


@pytest.mark.parametrize("fault", ["expired", "kid-unknown", "future-iat"])
def test_clock_and_key_trouble_does_not_lose_the_rotated_token(fault: str, client: Client, tenant: Tenant) -> None:
    tokens, first = log_in(client, tenant)
    tenant.fault(fault)
    again, claims = client.refresh(tokens, first_claims=first)
    assert claims is None
    assert client.refresh(again, first_claims=first)[1] is not None


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("mfa-required", MfaRequired), ("access-denied", TokenRequestError), ("rate-limit", TransportError)],
)
def test_refresh_refused(fault: str, kind: type[Auth0Error], client: Client, tenant: Tenant) -> None:
    tokens, first = log_in(client, tenant)
    tenant.fault(fault)
    with pytest.raises(kind):
        client.refresh(tokens, first_claims=first)
    assert client.refresh(tokens, first_claims=first), "the refresh token was not spent"


def test_refresh_token_used_twice(client: Client, tenant: Tenant) -> None:
    tokens, first = log_in(client, tenant)
    client.refresh(tokens, first_claims=first)
    with pytest.raises(InvalidGrant):
        client.refresh(tokens, first_claims=first)


# Revocation, userinfo, logout


def test_revoke(client: Client, tenant: Tenant) -> None:
    tokens, first = log_in(client, tenant)
    assert tokens.refresh_token
    client.revoke(tokens.refresh_token)
    assert tenant.requests[-1].form["token"] == [tokens.refresh_token]
    with pytest.raises(InvalidGrant):
        client.refresh(tokens, first_claims=first)
    tenant.fault("status", endpoint="revoke", status=503)
    with pytest.raises(TransportError):
        client.revoke(tokens.refresh_token)


def bare_client() -> tuple[Client, CannedHttp]:
    """A client of an issuer that announces the required endpoints only."""
    required = {name: METADATA[name] for name in ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")}
    http = CannedHttp({METADATA_URL: required})
    issuer = Issuer(ISSUER, http=http)
    return Client(issuer=issuer, client_id="c", auth=no_client_auth("c"), http=http, clock=lambda: NOW, leeway=0), http


def test_revoke_without_an_endpoint() -> None:
    client, http = bare_client()
    client.revoke("refresh-token")
    assert http.asked == [METADATA_URL]


def test_userinfo(client: Client, tenant: Tenant) -> None:
    tokens, claims = log_in(client, tenant)
    assert tokens.access_token
    assert client.userinfo(tokens.access_token, subject=claims["sub"])["email"] == tenant.user.email
    assert tenant.requests[-1].query == {}, "the token travels in the header"
    with pytest.raises(TokenRequestError) as caught:
        client.userinfo("rubbish", subject=claims["sub"])
    assert caught.value.code == "invalid_token"


@pytest.mark.parametrize("fault", ["userinfo-sub-other", "userinfo-sub-missing"])
def test_u1_userinfo_about_somebody_else(fault: str, client: Client, tenant: Tenant) -> None:
    tokens, claims = log_in(client, tenant)
    tenant.fault(fault)
    with pytest.raises(TokenValidationError) as caught:
        client.userinfo(tokens.access_token or "", subject=claims["sub"])
    assert caught.value.claim == "sub"


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        pytest.param("status", {"status": 503}, id="U2-down"),
        pytest.param("drop", {}, id="U2-drop"),
        pytest.param("slow", {}, id="U2-slow"),
        pytest.param("drip-body", {}, id="U2-drip"),
        pytest.param("html", {}, id="U2-html"),
        pytest.param("list", {}, id="U2-list"),
        pytest.param("huge", {}, id="U2-huge"),
        pytest.param("status", {"status": 200, "body": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0."}, id="U2-unsigned-jwt"),
    ],
)
def test_u2_userinfo_out_of_order(
    fault: str, options: dict[str, Any], client: Client, tenant: Tenant, http: Http
) -> None:
    tokens, claims = log_in(client, tenant)
    hurry(http, fault)
    tenant.fault(fault, endpoint="userinfo", **options)
    with pytest.raises(TransportError):
        client.userinfo(tokens.access_token or "", subject=claims["sub"])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_u2_the_token_does_not_travel(status: int, client: Client, tenant: Tenant, stranger: TinyServer) -> None:
    tokens, claims = log_in(client, tenant)
    tenant.fault("redirect", endpoint="userinfo", status=status, location=stranger.origin)
    with pytest.raises(TransportError):
        client.userinfo(tokens.access_token or "", subject=claims["sub"])
    assert stranger.received == []


def test_userinfo_without_an_endpoint() -> None:
    client, _ = bare_client()
    with pytest.raises(TransportError) as caught:
        client.userinfo("at", subject="s")
    assert caught.value.code == "userinfo_unsupported"


@pytest.mark.parametrize("announced", [True, False])
def test_logout_url(announced: bool, client: Client, tenant: Tenant) -> None:
    tenant.advertise_end_session = announced
    url = client.logout_url(
        id_token_hint="hint", post_logout_redirect_uri="https://app/bye?a=1&b", state="s&t", federated=True
    )
    query = parse_qs(urlsplit(url).query, keep_blank_values=True)
    if announced:
        assert url.startswith(tenant.issuer + "oidc/logout?")
        assert query == {
            "client_id": [client.client_id],
            "post_logout_redirect_uri": ["https://app/bye?a=1&b"],
            "id_token_hint": ["hint"],
            "state": ["s&t"],
            "federated": [""],
        }
    else:
        assert url.startswith(tenant.issuer + "v2/logout?")
        assert query == {
            "client_id": [client.client_id],
            "returnTo": ["https://app/bye?a=1&b"],
            "federated": [""],
        }


def test_logout_url_with_little(client: Client, tenant: Tenant) -> None:
    url = client.logout_url(id_token_hint=None, post_logout_redirect_uri="https://app/bye")
    assert set(parse_qs(urlsplit(url).query)) == {"client_id", "post_logout_redirect_uri"}


def test_the_clock_is_the_callers(client: Client, tenant: Tenant, key: Any) -> None:
    tokens, _ = log_in(client, tenant)
    assert tokens.access_token
    tenant.clock.advance(tenant.api.lifetime + 3600)
    with pytest.raises(TokenValidationError):
        client.validate_access_token(tokens.access_token, tenant.api.identifier)


def test_unknown_signing_key(client: Client, tenant: Tenant) -> None:
    tenant.fault("kid-unknown")
    with pytest.raises(SigningKeyNotFound) as caught:
        log_in(client, tenant)
    assert caught.value.code == "signing_key_not_found"
