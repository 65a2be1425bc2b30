"""The certified provider itself: that it behaves as the tests that log in with it expect."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from tests.servers.oidc_provider import FOLDER, OidcProvider, ProviderBrowser
from tests.servers.process import accepts_connections

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium

    from tests.servers.fixtures import OidcProviderFactory

pytest_plugins = ["tests.servers.fixtures"]
pytestmark = pytest.mark.slow

CALLBACK = "http://127.0.0.1:9/auth0/callback/"
AUDIENCE = "https://api.example.com"
VERIFIER = "a-verifier-of-at-least-forty-three-characters-0"
CLIENT = {
    "client_id": "web",
    "client_secret": "web-secret",
    "redirect_uris": [CALLBACK],
    "post_logout_redirect_uris": ["http://127.0.0.1:9/bye/"],
}


def get_json(url: str) -> dict[str, Any]:
    answer: dict[str, Any] = http_session().get(url, timeout=60).json()
    return answer


def http_session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    return session


def authorize_url(provider: OidcProvider, **parameters: str) -> str:
    challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
    query = {
        "response_type": "code",
        "client_id": "web",
        "redirect_uri": CALLBACK,
        "scope": "openid profile email offline_access read:appointments",
        "audience": AUDIENCE,
        "state": "a-state",
        "nonce": "a-nonce",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return f"{provider.issuer}authorize?{urlencode(query | parameters)}"


def token_request(provider: OidcProvider, **form: str) -> requests.Response:
    credentials = {"client_id": "web", "client_secret": "web-secret"}
    return http_session().post(f"{provider.issuer}oauth/token", data=credentials | form, timeout=60)


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def tokens_for(provider: OidcProvider, browser: ProviderBrowser, **parameters: str) -> dict[str, Any]:
    code = query_of(browser.login(authorize_url(provider, **parameters), "auth0|ada"))["code"]
    response = token_request(
        provider, grant_type="authorization_code", code=code, redirect_uri=CALLBACK, code_verifier=VERIFIER
    )
    assert response.status_code == 200, response.text
    tokens: dict[str, Any] = response.json()
    return tokens


def refreshed(provider: OidcProvider, tokens: Mapping[str, Any]) -> requests.Response:
    return token_request(provider, grant_type="refresh_token", refresh_token=tokens["refresh_token"])


def unverified(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


def test_provider_has_auth0s_paths_and_issuer(oidc_provider: OidcProviderFactory) -> None:
    provider = oidc_provider([CLIENT])
    metadata = get_json(f"{provider.issuer}.well-known/openid-configuration")
    assert metadata["issuer"] == provider.issuer
    for endpoint, path in {
        "authorization_endpoint": "authorize",
        "token_endpoint": "oauth/token",
        "userinfo_endpoint": "userinfo",
        "jwks_uri": ".well-known/jwks.json",
        "end_session_endpoint": "oidc/logout",
        "revocation_endpoint": "oauth/revoke",
        "pushed_authorization_request_endpoint": "oauth/par",
    }.items():
        assert metadata[endpoint] == provider.issuer + path


def test_provider_gives_an_api_token_and_a_refresh_token(oidc_provider: OidcProviderFactory) -> None:
    provider = oidc_provider([CLIENT], accessTokenLifetime=120)
    callback = provider.login(authorize_url(provider), "auth0|ada")
    assert query_of(callback)["state"] == "a-state"
    assert query_of(callback)["iss"] == provider.issuer
    tokens = tokens_for(provider, provider.browser())
    assert tokens["expires_in"] == 120
    keys = jwt.PyJWKSet.from_dict(get_json(f"{provider.issuer}.well-known/jwks.json"))
    key = keys[jwt.get_unverified_header(tokens["access_token"])["kid"]]
    access = jwt.decode(
        tokens["access_token"], key, algorithms=["RS256"], audience=AUDIENCE, issuer=provider.issuer, leeway=5
    )
    assert access["sub"] == "auth0|ada"
    assert access["scope"] == "read:appointments"
    claims = jwt.decode(tokens["id_token"], key, algorithms=["RS256"], audience="web", leeway=5)
    assert claims["nonce"] == "a-nonce"
    assert claims["email"] == "ada@example.com"
    assert tokens["refresh_token"]


def test_provider_rotates_and_ends_the_family_on_reuse(oidc_provider: OidcProviderFactory) -> None:
    provider = oidc_provider([CLIENT])
    other_login = tokens_for(provider, provider.browser())
    first = tokens_for(provider, provider.browser())
    second = refreshed(provider, first).json()
    assert second["refresh_token"] != first["refresh_token"]
    reused = refreshed(provider, first)
    assert (reused.status_code, reused.json()["error"]) == (400, "invalid_grant")
    assert refreshed(provider, second).status_code == 400
    assert refreshed(provider, other_login).status_code == 200
    counts = provider.counts()
    assert counts["token_requests"] == {
        "authorization_code": {"ok": 2, "failed": 0},
        "refresh_token": {"ok": 2, "failed": 2},
    }
    assert counts["refresh_tokens_reused"] == 1
    assert counts["grants_revoked"] == 1


def test_two_logins_of_one_browser_are_two_families(oidc_provider: OidcProviderFactory) -> None:
    provider = oidc_provider([CLIENT])
    browser = provider.browser()
    first, second = tokens_for(provider, browser), tokens_for(provider, browser)
    refreshed(provider, first)
    assert refreshed(provider, first).status_code == 400
    assert refreshed(provider, second).status_code == 200


def test_provider_clock_moves(oidc_provider: OidcProviderFactory) -> None:
    provider = oidc_provider([CLIENT], refreshTokenLifetime=1000)
    tokens = tokens_for(provider, provider.browser())
    provider.advance(990)
    later = refreshed(provider, tokens).json()
    difference = unverified(later["access_token"])["iat"] - unverified(tokens["access_token"])["iat"]
    assert 990 <= difference < 1010
    provider.advance(1001)
    assert refreshed(provider, later).status_code == 400


def test_access_can_be_denied_and_revoked(oidc_provider: OidcProviderFactory) -> None:
    provider = oidc_provider([CLIENT])
    denied = query_of(provider.browser().login(authorize_url(provider), "auth0|ada", deny=True))
    assert denied["error"] == "access_denied"
    tokens = tokens_for(provider, provider.browser())
    assert provider.revoke("auth0|ada") == 1
    assert refreshed(provider, tokens).json()["error"] == "invalid_grant"


def test_silent_login_needs_a_session(oidc_provider: OidcProviderFactory) -> None:
    provider = oidc_provider([CLIENT])
    browser = provider.browser()
    silent = authorize_url(provider, prompt="none", scope="openid read:appointments")
    assert query_of(browser.login(silent, ""))["error"] == "login_required"
    browser.login(authorize_url(provider), "auth0|ada")
    assert "code" in query_of(browser.login(silent, ""))


def test_form_post(oidc_provider: OidcProviderFactory) -> None:
    provider = oidc_provider([CLIENT])
    url = authorize_url(provider, response_mode="form_post")
    answer = provider.browser().authorize(url, "auth0|ada")
    assert (answer.method, answer.url) == ("POST", CALLBACK)
    assert set(answer.fields) == {"code", "state", "iss"}


def test_pushed_requests_can_be_required(oidc_provider: OidcProviderFactory) -> None:
    provider = oidc_provider([CLIENT], parRequired=True)
    refused = query_of(provider.login(authorize_url(provider), "auth0|ada"))
    assert refused["error"] == "invalid_request"
    form = query_of(authorize_url(provider)) | {"client_secret": "web-secret"}
    pushed = http_session().post(f"{provider.issuer}oauth/par", data=form, timeout=60)
    assert pushed.status_code == 201, pushed.text
    query = urlencode({"client_id": "web", "request_uri": pushed.json()["request_uri"]})
    code = query_of(provider.login(f"{provider.issuer}authorize?{query}", "auth0|ada"))["code"]
    answer = token_request(
        provider, grant_type="authorization_code", code=code, redirect_uri=CALLBACK, code_verifier=VERIFIER
    )
    assert "refresh_token" in answer.json()


def dpop_proof(key: ec.EllipticCurvePrivateKey, url: str, nonce: str | None) -> str:
    public = json.loads(ECAlgorithm.to_jwk(key.public_key()))
    claims = {"jti": secrets.token_hex(8), "htm": "POST", "htu": url, "iat": int(time.time())}
    if nonce is not None:
        claims["nonce"] = nonce
    return jwt.encode(claims, key, algorithm="ES256", headers={"typ": "dpop+jwt", "jwk": public})


def test_a_dpop_nonce_can_be_required(oidc_provider: OidcProviderFactory) -> None:
    provider = oidc_provider([CLIENT | {"dpop_bound_access_tokens": True}], dpopNonceRequired=True)
    code = query_of(provider.login(authorize_url(provider), "auth0|ada"))["code"]
    url = f"{provider.issuer}oauth/token"
    key = ec.generate_private_key(ec.SECP256R1())
    form = {
        "client_id": "web",
        "client_secret": "web-secret",
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    }
    first = http_session().post(url, data=form, headers={"DPoP": dpop_proof(key, url, None)}, timeout=60)
    assert (first.status_code, first.json()["error"]) == (400, "use_dpop_nonce")
    proof = dpop_proof(key, url, first.headers["DPoP-Nonce"])
    second = http_session().post(url, data=form, headers={"DPoP": proof}, timeout=60)
    assert second.json()["token_type"] == "DPoP"
    assert "jkt" in unverified(second.json()["access_token"])["cnf"]


@pytest.fixture
def logout_receiver() -> Iterator[tuple[str, list[str]]]:
    """An address on loopback that takes back-channel logouts, and the bodies it got."""
    received: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is the base class's
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/logout", received
    server.shutdown()
    thread.join()
    server.server_close()


def test_logout_reaches_the_back_channel(
    oidc_provider: OidcProviderFactory, logout_receiver: tuple[str, list[str]]
) -> None:
    address, received = logout_receiver
    provider = oidc_provider([CLIENT | {"backchannel_logout_uri": address}])
    browser = provider.browser()
    tokens = tokens_for(provider, browser)
    query = urlencode({"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": "http://127.0.0.1:9/bye/"})
    assert browser.logout(f"{provider.issuer}oidc/logout?{query}") == "http://127.0.0.1:9/bye/"
    assert provider.counts()["backchannel_logouts"] == {"ok": 1, "failed": 0}
    logout_token = unverified(parse_qs(received[0])["logout_token"][0])
    assert logout_token["sid"] == unverified(tokens["id_token"])["sid"]
    assert logout_token["sub"] == "auth0|ada"
    silent = authorize_url(provider, prompt="none", scope="openid")
    assert query_of(browser.login(silent, ""))["error"] == "login_required"


def test_provider_that_cannot_start_says_why() -> None:
    with OidcProvider() as first:
        second = OidcProvider()
        second.port = first.port
        with pytest.raises(RuntimeError, match=r"did not start:\n(.|\n)*EADDRINUSE"):
            second.start()


def test_restart_brings_new_keys_on_the_same_port() -> None:
    with OidcProvider([CLIENT]) as provider:
        issuer = provider.issuer
        before = get_json(f"{issuer}.well-known/jwks.json")
        provider.restart()
        assert provider.issuer == issuer
        assert get_json(f"{issuer}.well-known/jwks.json") != before
        assert "code" in query_of(provider.login(authorize_url(provider), "auth0|ada"))
    assert not accepts_connections(provider.port)


def test_lock_file_names_no_addresses() -> None:
    packages = json.loads((FOLDER / "package-lock.json").read_text())["packages"]
    assert packages["node_modules/oidc-provider"]["integrity"]
    assert [name for name, package in packages.items() if "resolved" in package] == []


def test_chromium_logs_in_at_the_provider(oidc_provider: OidcProviderFactory, browser: Chromium) -> None:
    provider = oidc_provider([CLIENT])
    page = browser.new_page()
    page.set_default_timeout(120_000)
    page.route(f"{CALLBACK}**", lambda route: route.fulfill(body="back"))
    page.goto(authorize_url(provider, login_hint="auth0|ada"))
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url(f"{CALLBACK}**")
    assert query_of(page.url)["state"] == "a-state"
    page.goto(f"{provider.issuer}oidc/logout")
    page.get_by_role("heading", name="Logged out").wait_for()
