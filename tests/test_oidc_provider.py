"""The package's views against a certified OpenID provider that nobody here wrote (npm ``oidc-provider``).

Only ISSUER and the client's credentials differ from what is set for an Auth0 tenant. The provider is asked over real
HTTP; the site is Django's test client, or a live server. One clock is moved for both.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.test import Client
from jwt.algorithms import RSAAlgorithm
from pytest_django.live_server_helper import LiveServer

from django_auth0_flow.models import Identity, LoginSession
from django_auth0_flow.protocol.connection_pool import close_idle_connections
from tests.http_browser import TIMEOUT, HttpBrowser
from tests.oidc_site import ADA, AUDIENCE, HOUR, SECRET, Site, assert_logged_in, assert_refused, tampered
from tests.servers.fixtures import OidcProviderFactory
from tests.servers.oidc_provider import OidcProvider

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def _cold_cache() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def site(oidc_provider: OidcProviderFactory, settings: Any) -> Site:
    return Site(oidc_provider(apiScopes=["read:things"]), settings)


@pytest.fixture
def own_site(settings: Any) -> Iterator[Site]:
    """A site whose provider the test may stop and start."""
    with OidcProvider(apiScopes=["read:things"]) as provider:
        yield Site(provider, settings)


@pytest.fixture
def live_site(oidc_provider: OidcProviderFactory, settings: Any, live_server: LiveServer) -> Iterator[Site]:
    """A site that is a real HTTP server at ``url``, for ``client`` too."""
    yield Site(oidc_provider(apiScopes=["read:things"]), settings, live_server.url)
    # The server's threads share the test's database connection: they have to end before the test does.
    close_idle_connections()
    for thread in threading.enumerate():
        if "process_request_thread" in thread.name:
            thread.join(TIMEOUT)


# -- login ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["client_secret_post", "client_secret_basic", "none"])
def test_login_refresh_and_revocation_with_each_client_authentication(site: Site, method: str) -> None:
    secret = SECRET if method != "none" else None
    site.register(token_endpoint_auth_method=method, client_secret=secret)
    site.configure(CLIENT_AUTH=method, CLIENT_SECRET=secret or "")
    assert_logged_in(site.log_in(), site)
    site.advance(HOUR)
    assert site.get("/token/").status_code == 200
    assert site.refreshes() == {"ok": 1, "failed": 0}
    site.client.post("/auth0/logout/")
    assert site.provider.counts()["requests"]["/oauth/revoke"] == 1
    assert site.provider.counts()["refresh_tokens_stored"] == 0


def test_login_stores_the_user_and_validated_tokens(site: Site) -> None:
    assert_logged_in(site.log_in(), site)
    identity = Identity.objects.get()
    assert (identity.issuer, identity.subject) == (site.provider.issuer, ADA)
    assert get_user_model().objects.get().email == "ada@example.com"
    tokens = site.tokens()
    assert tokens.refresh_token
    assert jwt.get_unverified_header(tokens.id_token or "")["kid"]
    claims = site.row().grant.claims
    assert claims["aud"] == "web"
    assert "at_hash" not in claims  # not for ID tokens of the token endpoint; the check needs one to compare


def test_a_warm_login_is_one_call(site: Site) -> None:
    site.log_in()
    calls = ["/oauth/token", "/userinfo", "/.well-known/openid-configuration", "/.well-known/jwks.json"]
    before = site.provider.counts()["requests"]
    site.log_in()
    after = site.provider.counts()["requests"]
    assert [after.get(path, 0) - before.get(path, 0) for path in calls] == [1, 0, 0, 0]


def test_default_scope_gives_no_refresh_token_and_expiry_asks_for_a_login(site: Site) -> None:
    """Without ``offline_access`` the provider's own session makes the next login a mere round trip."""
    site.configure(SCOPE="openid profile email")
    assert_logged_in(site.log_in(), site)
    assert site.tokens().refresh_token is None
    assert site.get("/token/").status_code == 200
    site.advance(HOUR)
    response = site.get("/token/")
    assert (response.status_code, response["Location"]) == (302, "/auth0/login/?next=%2Ftoken%2F")
    assert site.get(site.browser.login(site.authorize_url(), "")).status_code == 302
    assert site.get("/token/").status_code == 200
    assert site.refreshes() == {"ok": 0, "failed": 0}


def test_two_tabs_finish_in_any_order(site: Site) -> None:
    first, second = site.authorize_url(next="/plain/"), site.authorize_url()
    assert site.get(site.browser.login(second, ADA))["Location"] == "/bare/"
    assert site.get(site.browser.login(first, ADA))["Location"] == "/plain/"
    assert LoginSession.objects.count() == 1


def test_login_over_http_on_both_sides(live_site: Site) -> None:
    url = live_site.url
    with closing(HttpBrowser(url)) as person:
        person.open("/auth0/login/?next=/bare/")
        back = person.visit(live_site.browser.login(person.next_url, ADA))
        assert (back.url, back.text) == (f"{url}/bare/", "bare auth0|ada")
        person.open("/auth0/logout/")
        person.submit()
        returned = person.open(live_site.browser.logout(person.next_url))
        assert (returned.status_code, person.next_url) == (302, f"{url}/")


@pytest.mark.parametrize(("audience", "name"), [("", "ada"), (AUDIENCE, "")], ids=["accepted", "refused"])
def test_userinfo_is_used_where_the_provider_accepts_the_token(site: Site, audience: str, name: str) -> None:
    """The provider's userinfo takes tokens for itself only, not those for an API; then the login goes on without."""
    claims = '{"userinfo": {"nickname": null}}'
    fields = {"first_name": "nickname"}
    site.configure(
        AUDIENCE=audience, SCOPE="openid", USERINFO=True, USER_FIELDS=fields, AUTHORIZATION_PARAMS={"claims": claims}
    )
    assert_logged_in(site.log_in(), site)
    assert site.provider.counts()["requests"]["/userinfo"] == 1
    assert get_user_model().objects.get().first_name == name


@pytest.mark.parametrize("path", ["/recent/", "/scoped/"])
def test_a_page_that_asks_for_more_gets_it(site: Site, path: str) -> None:
    site.configure(SCOPE="openid profile email offline_access")
    site.log_in()
    site.advance(400)
    step_up = site.get(path)
    assert step_up["Location"].startswith(f"{site.provider.issuer}authorize?")
    assert site.get(site.browser.login(step_up["Location"], ADA))["Location"] == path
    assert site.get(path).status_code == 200


# -- what is refused -----------------------------------------------------------------------------------------------------


def test_id_token_with_another_nonce_is_refused(site: Site) -> None:
    assert_refused(site.get(site.browser.login(tampered(site.authorize_url(), nonce="another"), ADA)), "token_nonce")


@pytest.mark.parametrize(("ahead", "code"), [(11 * HOUR, "token_exp"), (-HOUR, "token_iat")])
def test_id_token_of_another_time_is_refused(site: Site, ahead: int, code: str) -> None:
    site.ahead = ahead
    assert_refused(site.log_in(), code)


@pytest.mark.parametrize("algorithm", ["PS256", "HS256"])
def test_id_token_with_another_algorithm_than_configured_is_refused(site: Site, algorithm: str) -> None:
    site.configure(ID_TOKEN_ALGORITHM=algorithm)
    assert_refused(site.log_in(), "token_alg")


def test_id_token_without_the_auth_time_asked_for_is_refused(site: Site) -> None:
    site.configure(AUTHORIZATION_PARAMS={"max_age": "300"})
    authorize_url = site.authorize_url()
    assert_refused(site.get(site.browser.login(tampered(authorize_url, max_age=None), ADA)), "token_auth_time")
    assert_logged_in(site.log_in(), site)


def test_id_token_signed_by_another_key_of_the_same_name_is_refused(own_site: Site) -> None:
    own_site.provider.options["signingKeys"] = signing_keys("same-kid")
    own_site.provider.restart()
    assert_logged_in(own_site.log_in(), own_site)
    LoginSession.objects.all().delete()
    own_site.provider.options["signingKeys"] = signing_keys("same-kid")
    own_site.provider.restart()
    assert_refused(own_site.another_person().log_in(), "token_signature")


def signing_keys(kid: str) -> dict[str, Any]:
    key = RSAAlgorithm.to_jwk(rsa.generate_private_key(public_exponent=65537, key_size=2048), as_dict=True)
    del key["key_ops"]  # the provider would publish it, and it names signing only
    return {"keys": [{**key, "kid": kid, "use": "sig", "alg": "RS256"}]}


def test_pkce_is_checked_by_the_provider(site: Site) -> None:
    authorize_url = tampered(site.authorize_url(), code_challenge="x" * 43)
    assert_refused(site.get(site.browser.login(authorize_url, ADA)), "invalid_grant")


def test_somebody_elses_code_is_refused(site: Site) -> None:
    mallory = site.another_person()
    stolen = parse_qs(urlsplit(mallory.browser.login(mallory.authorize_url(), "auth0|mallory")).query)["code"][0]
    callback = site.browser.login(site.authorize_url(), ADA)
    assert_refused(site.get(tampered(callback, code=stolen)), "invalid_grant")


def test_a_code_is_good_once(site: Site) -> None:
    """The second visit of a finished callback goes on to the page and asks the provider nothing."""
    callback = site.browser.login(site.authorize_url(), ADA)
    assert_logged_in(site.get(callback), site)
    assert_logged_in(site.get(callback), site)
    assert site.provider.counts()["token_requests"]["authorization_code"] == {"ok": 1, "failed": 0}


@pytest.mark.parametrize(("iss", "code"), [("https://evil.example/", "iss_mismatch"), (None, "iss_missing")])
def test_callback_must_name_its_issuer(site: Site, iss: str | None, code: str) -> None:
    """The provider's metadata announces ``iss``: another one, or none, is refused before the code is used. RFC 9207."""
    callback = site.browser.login(site.authorize_url(), ADA)
    assert f"iss={site.provider.issuer}" in callback.replace("%3A", ":").replace("%2F", "/")
    assert_refused(site.get(tampered(callback, iss=iss)), code)
    assert site.provider.counts()["token_requests"] == {}


def test_forged_responses_leave_a_login_alone(site: Site) -> None:
    site.log_in()
    callback = site.browser.login(site.authorize_url(), ADA)
    assert site.get(tampered(callback, iss="https://evil.example/")).status_code == 400
    assert site.get("/auth0/callback/?error=access_denied&state=forged").status_code == 400
    assert site.get("/bare/").content == b"bare auth0|ada"


def test_an_issuer_spelt_otherwise_is_refused(site: Site) -> None:
    site.configure(ISSUER=site.provider.issuer.replace("127.0.0.1", "localhost"))
    response = site.get("/auth0/login/")
    assert (response.status_code, response.context["code"]) == (502, "issuer_mismatch")


def test_a_wrong_client_secret_is_told_from_a_refused_user(site: Site) -> None:
    site.configure(CLIENT_SECRET="another")
    assert_refused(site.log_in(), "client_rejected")


def test_denied_consent_is_a_page_and_the_next_try_works(site: Site) -> None:
    response = site.get(site.browser.login(site.authorize_url(), ADA, deny=True))
    assert_refused(response, "access_denied", 403)
    assert "User did not authorize the request" in response.content.decode()
    assert_logged_in(site.log_in(), site)
    assert site.get(site.provider.browser().login(site.authorize_url(), ADA, deny=True)).status_code == 403
    assert site.get("/bare/").content == b"bare auth0|ada"


# -- access tokens -------------------------------------------------------------------------------------------------------


def test_access_token_is_accepted_by_an_api(site: Site) -> None:
    site.log_in()
    token = site.get("/token/").content.decode()
    assert jwt.decode(token, options={"verify_signature": False})["aud"] == AUDIENCE
    api = Client()
    response = api.get("/api/things/", headers={"Authorization": f"Bearer {token}"})
    assert response.json() == {"sub": ADA, "method": "GET"}
    for wrong in (site.tokens().id_token, token[:-8] + "AAAAAAAA"):
        response = api.get("/api/things/", headers={"Authorization": f"Bearer {wrong}"})
        assert (response.status_code, response.json()["error"]) == (401, "invalid_token")
    site.advance(HOUR + 61)
    assert api.get("/api/things/", headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_api_calls_over_http_stay_alive_across_expiries(live_site: Site) -> None:
    live_site.configure(API_ORIGINS=[live_site.url])
    live_site.log_in()
    for _expiry in range(3):
        answer = live_site.get(f"/call/?url={live_site.url}/api/things/")
        assert (answer.status_code, json.loads(answer.content)) == (200, {"sub": ADA, "method": "GET"})
        answer.wsgi_request.auth0.api.close()
        live_site.advance(HOUR)
    assert live_site.refreshes() == {"ok": 2, "failed": 0}


def test_several_refreshes_in_a_row_rotate_and_keep_the_login(site: Site) -> None:
    site.log_in()
    seen = {(site.tokens().access_token, site.tokens().refresh_token)}
    first = site.row().grant.claims
    for count in range(1, 6):
        site.advance(HOUR)
        for _ in range(2):
            assert site.get("/token/").content.decode() == site.tokens().access_token
        seen.add((site.tokens().access_token, site.tokens().refresh_token))
        assert site.refreshes() == {"ok": count, "failed": 0}
    assert len({access for access, _ in seen}) == len({refresh for _, refresh in seen}) == 6
    assert site.row().grant.claims == first
    counts = site.provider.counts()
    assert (counts["refresh_tokens_reused"], counts["grants_revoked"]) == (0, 0)


def test_a_replayed_refresh_token_ends_the_family_and_a_login_mends_it(site: Site) -> None:
    site.log_in()
    old = site.tokens().refresh_token
    site.advance(HOUR)
    assert site.get("/token/").status_code == 200
    assert site.replay(old).json()["error"] == "invalid_grant"
    assert site.provider.counts()["grants_revoked"] == 1
    assert site.get("/token/").status_code == 200  # the access token itself lives on
    site.advance(HOUR)
    response = site.get("/token/")
    assert (response.status_code, response["Location"]) == (302, "/auth0/login/?next=%2Ftoken%2F")
    assert not LoginSession.objects.exists()
    assert "_auth_user_id" not in site.client.session
    assert site.refreshes() == {"ok": 1, "failed": 2}
    assert_logged_in(site.log_in(), site)
    site.advance(HOUR)
    assert site.get("/token/").status_code == 200


def test_access_ended_by_an_administrator_tells_a_script_to_log_in(site: Site) -> None:
    site.log_in()
    assert site.provider.revoke(ADA) == 1
    site.advance(HOUR)
    response = site.get("/token/", Accept="application/json")
    assert (response.status_code, response.json()["error"]) == (401, "login_required")


def test_nothing_secret_is_logged(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "django_auth0_flow")
    callback = site.browser.login(site.authorize_url(), ADA)
    site.get(callback)
    sets = [site.tokens()]
    site.advance(HOUR)
    site.get("/token/")
    sets.append(site.tokens())
    site.replay(sets[0].refresh_token)
    site.advance(HOUR)
    site.get("/token/")
    site.get(tampered(callback, code="another"))
    assert "tokens_refreshed" in caplog.text
    secrets = [SECRET, *parse_qs(urlsplit(callback).query)["code"]]
    secrets += [
        token for tokens in sets for token in (tokens.access_token, tokens.refresh_token, tokens.id_token) if token
    ]
    assert len(secrets) == 8
    assert [secret for secret in secrets if secret in caplog.text] == []


# -- a provider that restarts or is away ---------------------------------------------------------------------------------


def test_new_signing_keys_and_lost_memory(own_site: Site) -> None:
    """After a restart a live login goes on until it expires, and the next one works at once: one refetch of the keys."""
    own_site.log_in()
    own_site.provider.restart()
    assert own_site.get("/token/").status_code == 200
    other = own_site.another_person()
    assert_logged_in(other.log_in(), other)
    assert own_site.provider.counts()["requests"]["/.well-known/jwks.json"] == 1
    own_site.advance(HOUR)
    response = own_site.get("/token/")
    assert (response.status_code, response["Location"]) == (302, "/auth0/login/?next=%2Ftoken%2F")
    assert_logged_in(own_site.log_in(), own_site)


def test_provider_down(own_site: Site) -> None:
    """Nobody is logged out: a live token is used, an expired one answers 503, and so does every step of a login."""
    own_site.log_in()
    visitor = own_site.another_person()
    callback = visitor.browser.login(visitor.authorize_url(), ADA)
    own_site.provider.stop()
    assert own_site.get("/token/").status_code == 200
    assert visitor.get(callback).status_code == 503
    own_site.ahead += HOUR
    page, answer = own_site.get("/token/"), own_site.get("/token/", Accept="application/json")
    assert (page.status_code, page["Retry-After"]) == (503, "1")
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
    assert own_site.get("/bare/").status_code == 200
    cache.clear()
    own_site.configure()
    page = visitor.get("/auth0/login/")
    assert (page.status_code, page.context["code"]) == (503, "tenant_unreachable")
    own_site.ahead = 0
    own_site.provider.start()
    assert_logged_in(visitor.log_in(), visitor)


def test_logout_with_the_provider_down_ends_the_login_here(own_site: Site) -> None:
    own_site.log_in()
    cache.clear()
    own_site.configure()
    own_site.provider.stop()
    response = own_site.client.post("/auth0/logout/")
    assert (response.status_code, response.context["tenant_left"]) == (200, True)
    assert "_auth_user_id" not in own_site.client.session
    assert not LoginSession.objects.exists()


# -- logout --------------------------------------------------------------------------------------------------------------


def test_logout_ends_both_sessions_and_comes_back(site: Site) -> None:
    site.settings.LOGOUT_REDIRECT_URL = "/plain/"
    site.log_in()
    refresh_token = site.tokens().refresh_token
    leave = site.client.post("/auth0/logout/")
    assert leave["Location"].startswith(f"{site.provider.issuer}oidc/logout?")
    assert "_auth_user_id" not in site.client.session
    assert not LoginSession.objects.exists()
    assert site.replay(refresh_token).json()["error"] == "invalid_grant"
    back = site.browser.logout(leave["Location"])
    assert back.startswith("http://testserver/auth0/logged-out/?state=")
    assert site.get(tampered(back, state="forged")).status_code == 200  # a page: nobody here asked for that logout
    returned = site.get(back)
    assert (returned.status_code, returned["Location"]) == (302, "/plain/")
    silent = site.browser.login(tampered(site.authorize_url(), prompt="none"), "")
    assert_refused(site.get(silent), "login_required")
