"""Stronger requests against a certified OpenID provider that nobody here wrote (npm ``oidc-provider``)."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from django.core.cache import cache
from jwt.algorithms import RSAAlgorithm
from pytest_django.live_server_helper import LiveServer

from django_auth0_flow.protocol.connection_pool import close_idle_connections
from django_auth0_flow.protocol.dpop import DPoPKey
from tests.client_keys import client_key
from tests.oidc_site import AUDIENCE, HOUR, SECRET, Site, assert_logged_in
from tests.servers.fixtures import OidcProviderFactory

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def _cold_cache() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def site(oidc_provider: OidcProviderFactory, settings: Any) -> Site:
    return Site(oidc_provider(apiScopes=["read:things"]), settings)


@pytest.fixture(params=[False, True], ids=["no-nonce", "nonce"])
def dpop_site(oidc_provider: OidcProviderFactory, settings: Any, request: pytest.FixtureRequest) -> Site:
    """A site of a client whose tokens must be bound, at a provider that wants nonces in proofs, or does not."""
    provider = oidc_provider(apiScopes=["read:things"], dpopNonceRequired=request.param)
    site = Site(provider, settings)
    site.register(dpop_bound_access_tokens=True)
    site.configure(DPOP=True)
    return site


def public_keys(*names: str) -> dict[str, Any]:
    """Return a JWKS of the keys called ``names``."""
    keys = [json.loads(RSAAlgorithm.to_jwk(client_key(name).private.public_key())) for name in names]
    return {"keys": [{**key, "kid": name, "use": "sig"} for name, key in zip(names, keys, strict=True)]}


def calls(site: Site, path: str) -> int:
    found: int = site.provider.counts()["requests"].get(path, 0)
    return found


def binding(access_token: str | None) -> str:
    found: str = jwt.decode(access_token or "", options={"verify_signature": False})["cnf"]["jkt"]
    return found


def test_a_provider_that_requires_pushed_requests(oidc_provider: OidcProviderFactory, settings: Any) -> None:
    site = Site(oidc_provider(apiScopes=["read:things"], parRequired=True), settings)
    refused = site.browser.login(site.authorize_url(), "auth0|ada")
    assert parse_qs(urlsplit(refused).query)["error"] == ["invalid_request"]
    site.configure(PUSHED_AUTHORIZATION=True)
    assert set(parse_qs(urlsplit(site.authorize_url()).query)) == {"client_id", "request_uri"}
    assert_logged_in(site.log_in(), site)
    assert calls(site, "/oauth/par") == 2
    site.advance(HOUR)
    assert site.get("/token/").status_code == 200


def test_a_push_that_the_provider_refuses(site: Site) -> None:
    site.configure(PUSHED_AUTHORIZATION=True, SCOPE="openid no-such-scope", AUTHORIZATION_PARAMS={"prompt": "sing"})
    response = site.get("/auth0/login/")
    assert (response.status_code, response.context["code"]) == (400, "invalid_request")
    site.configure(PUSHED_AUTHORIZATION=True, CLIENT_SECRET="wrong")
    response = site.get("/auth0/login/")
    assert (response.status_code, response.context["code"]) == (400, "client_rejected")


@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
def test_private_key_jwt(site: Site, algorithm: str) -> None:
    method = {"token_endpoint_auth_method": "private_key_jwt", "client_secret": None}
    site.register(**method, jwks=public_keys("new"), token_endpoint_auth_signing_alg=algorithm)
    keys = [{"key": client_key("new").pem, "kid": "new", "alg": algorithm}]
    site.configure(CLIENT_SECRET="", CLIENT_ASSERTION_KEYS=keys, PUSHED_AUTHORIZATION=True)
    assert_logged_in(site.log_in(), site)
    site.advance(HOUR)
    assert site.get("/token/").status_code == 200
    site.client.post("/auth0/logout/")
    assert calls(site, "/oauth/revoke") == 1
    assert site.provider.counts()["refresh_tokens_stored"] == 0


def test_a_key_roll_over(site: Site) -> None:
    """The site signs with a key that the provider learns later; no login fails, no refresh token is lost."""
    method = {"token_endpoint_auth_method": "private_key_jwt", "client_secret": None}
    site.register(**method, jwks=public_keys("old"))
    keys = [{"key": client_key(name).pem, "kid": name} for name in ("new", "old")]
    site.configure(CLIENT_SECRET="", CLIENT_ASSERTION_KEYS=keys)
    assert_logged_in(site.log_in(), site)
    assert site.provider.counts()["token_requests"]["authorization_code"]["ok"] == 1
    site.advance(HOUR)
    site.register(**method, jwks=public_keys("new"))
    assert site.get("/token/").status_code == 200
    assert site.refreshes()["ok"] == 1
    assert site.provider.counts()["refresh_tokens_reused"] == 0


@pytest.mark.parametrize("is_pushed", [False, True], ids=["by-browser", "pushed"])
def test_signed_requests(site: Site, is_pushed: bool) -> None:
    method = {"token_endpoint_auth_method": "private_key_jwt", "client_secret": None}
    site.register(**method, jwks=public_keys("new"), require_signed_request_object=True)
    keys = [{"key": client_key("new").pem, "kid": "new", "alg": "PS256"}]
    site.configure(CLIENT_SECRET="", CLIENT_ASSERTION_KEYS=keys, SIGNED_REQUESTS=True, PUSHED_AUTHORIZATION=is_pushed)
    assert_logged_in(site.log_in(), site)
    again = site.get("/recent/")["Location"]
    assert set(parse_qs(urlsplit(again).query)) == {"client_id", "request_uri" if is_pushed else "request"}
    response = site.get(site.browser.login(again, "auth0|ada"))
    assert (response.status_code, response["Location"]) == (302, "/recent/")
    assert site.get("/recent/").status_code == 200, "max_age arrived, as the number that it is"


def test_resource(site: Site) -> None:
    site.configure(AUDIENCE="", RESOURCE=AUDIENCE)
    assert_logged_in(site.log_in(), site)
    site.advance(HOUR)
    token = site.get("/token/").content.decode()
    assert jwt.decode(token, options={"verify_signature": False})["aud"] == AUDIENCE


def test_dpop_login_refresh_and_logout(dpop_site: Site) -> None:
    site = dpop_site
    assert_logged_in(site.log_in(), site)
    first = site.tokens()
    assert first.token_type == "DPoP"
    assert binding(first.access_token) == DPoPKey.load(first.dpop_key or "").thumbprint
    site.advance(HOUR)
    assert site.get("/token/").status_code == 200
    assert binding(site.tokens().access_token) == binding(first.access_token)
    assert site.refreshes()["ok"] == 1
    site.client.post("/auth0/logout/")
    assert site.provider.counts()["refresh_tokens_stored"] == 0


def test_dpop_with_pushed_requests_and_userinfo(dpop_site: Site) -> None:
    site = dpop_site
    site.configure(DPOP=True, PUSHED_AUTHORIZATION=True, USERINFO=True, AUDIENCE="", SCOPE="openid offline_access")
    response = site.log_in()
    assert response.status_code == 302, response.content
    assert site.tokens().token_type == "DPoP"
    assert calls(site, "/userinfo") in (1, 2)
    assert site.row().grant.claims["sub"] == "auth0|ada"


def test_dpop_for_a_public_client(dpop_site: Site) -> None:
    site = dpop_site
    site.register(dpop_bound_access_tokens=True, token_endpoint_auth_method="none", client_secret=None)
    site.configure(DPOP=True, CLIENT_AUTH="none", CLIENT_SECRET="")
    assert_logged_in(site.log_in(), site)
    site.advance(HOUR)
    assert site.get("/token/").status_code == 200, "the refresh token is bound to the key too"


def test_a_client_without_dpop_is_refused_where_it_is_required(dpop_site: Site) -> None:
    dpop_site.configure()
    response = dpop_site.log_in()
    assert response.status_code in (400, 503)
    assert "_auth_user_id" not in dpop_site.client.session


@pytest.fixture
def live_dpop_site(dpop_site: Site, live_server: LiveServer) -> Iterator[Site]:
    dpop_site.url = live_server.url
    dpop_site.client = dpop_site._new_client()
    dpop_site.register(dpop_bound_access_tokens=True)
    dpop_site.configure(DPOP=True, API_ORIGINS=[live_server.url], CLIENT_SECRET=SECRET)
    yield dpop_site
    close_idle_connections()  # else their handlers wait for the next request
    for thread in threading.enumerate():
        if "process_request_thread" in thread.name:
            thread.join(120)


def test_our_api_takes_the_provider_s_bound_token_with_a_proof_and_not_as_bearer(live_dpop_site: Site) -> None:
    site = live_dpop_site
    assert_logged_in(site.log_in(), site)
    answer = site.get(f"/call/?url={site.url}/api/things/")
    assert json.loads(answer.content) == {"sub": "auth0|ada", "method": "GET"}
    stolen = site.get("/api/things/", Authorization=f"Bearer {site.tokens().access_token}")
    assert (stolen.status_code, stolen.json()["error"]) == (401, "invalid_token")
