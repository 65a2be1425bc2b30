"""The SSO session, silent logins, response modes, logout and logout tokens."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
import requests

from django_auth0_flow.testing.tenant import Api, Browser, Tenant, TenantPage, jws
from tests.testing.tenant.helpers import CALLBACK, RelyingParty, claims_of, fields_of, verified

MFA = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"
GOODBYE = "http://127.0.0.1:8000/goodbye/"


def through(browser: Browser, rp: RelyingParty, **changes: Any) -> dict[str, str]:
    return fields_of(browser.authorize(rp.url(**changes)).url)


def test_second_login_is_silent(tenant: Tenant, rp: RelyingParty) -> None:
    browser = tenant.browser()
    first = rp.exchange(through(browser, rp)["code"]).json()
    tenant.clear_log()
    second = rp.exchange(through(browser, rp)["code"]).json()
    assert tenant.count("/u/login") == 0
    assert claims_of(first["id_token"])["sid"] == claims_of(second["id_token"])["sid"]
    assert "code" in through(browser, rp, prompt="none")
    assert [cookie.name for cookie in browser.cookies] == ["auth0"]


def test_prompt_login_and_max_age_ask_again(tenant: Tenant, rp: RelyingParty) -> None:
    browser = tenant.browser()
    through(browser, rp)
    for changes in ({"prompt": "login"}, {"max_age": "0"}):
        tenant.clear_log()
        assert "code" in through(browser, rp, **changes)
        assert tenant.count("/u/login", method="POST") == 1
    tenant.clock.advance(100)
    assert through(browser, rp, prompt="none", max_age="60")["error"] == "login_required"
    assert "code" in through(browser, rp, prompt="none", max_age="600")


def test_session_runs_out(tenant: Tenant, rp: RelyingParty) -> None:
    browser = tenant.browser()
    through(browser, rp)
    for _ in range(3):
        tenant.clock.advance(2 * 86400)
        assert "code" in through(browser, rp, prompt="none")
    tenant.clock.advance(2 * 86400)
    assert through(browser, rp, prompt="none")["error"] == "login_required", "seven days at most"


def test_consent(tenant: Tenant, rp: RelyingParty) -> None:
    tenant.api.skip_consent = False
    browser = tenant.browser()
    assert through(browser, rp, audience=None)["code"]
    assert through(browser, rp, prompt="none") == {
        "error": "consent_required",
        "error_description": "Consent required",
        "state": "the-state",
    }
    assert "code" in through(browser, rp)
    assert "code" in through(browser, rp, prompt="none")


def test_confirmation_of_loopback_callbacks(tenant: Tenant, rp: RelyingParty) -> None:
    browser = tenant.browser()
    through(browser, rp)
    tenant.confirm_non_verifiable_callbacks = True
    assert through(browser, rp, prompt="none")["error"] == "interaction_required"
    assert "code" in through(browser, rp)


def test_step_up(tenant: Tenant, rp: RelyingParty) -> None:
    browser = tenant.browser()
    first = rp.exchange(through(browser, rp)["code"]).json()
    assert "amr" not in claims_of(first["id_token"])
    silent = through(browser, rp, prompt="none", acr_values=MFA)
    assert (silent["error"], silent["error_description"]) == ("login_required", "Multifactor authentication required")
    claims = claims_of(rp.exchange(through(browser, rp, acr_values=MFA)["code"]).json()["id_token"])
    assert (claims["acr"], claims["amr"]) == (MFA, ["mfa"])


def test_allowed_acr_values(tenant: Tenant, rp: RelyingParty) -> None:
    tenant.allowed_acr_values = [MFA]
    assert rp.callback(acr_values="urn:other")["error"] == "invalid_request"


def test_implicit_and_hybrid(tenant: Tenant, rp: RelyingParty) -> None:
    url = tenant.login(rp.url(response_type="id_token token"))
    assert "#" in url
    answer = fields_of(url)
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", "7200")
    claims = verified(tenant, answer["id_token"])
    assert claims["at_hash"] == jws.half_hash(answer["access_token"])
    assert "refresh_token" not in answer
    hybrid = fields_of(tenant.login(rp.url(response_type="code id_token")))
    assert claims_of(hybrid["id_token"])["c_hash"] == jws.half_hash(hybrid["code"])
    assert rp.exchange(hybrid["code"]).status_code == 200
    missing = rp.callback(response_type="id_token", nonce=None)
    assert missing["error"] == "invalid_request"
    assert "id_token" not in fields_of(tenant.login(rp.url(response_type="token")))


def test_form_post(tenant: Tenant, rp: RelyingParty) -> None:
    answer = tenant.authorize(rp.url(response_type="code id_token", response_mode="form_post"))
    assert (answer.method, answer.url) == ("POST", CALLBACK)
    assert set(answer.fields) == {"code", "id_token", "state"}
    refused = tenant.authorize(rp.url(response_mode="form_post", state='"><script>'), deny=True)
    assert refused.fields["error"] == "access_denied"
    assert refused.fields["state"] == '"><script>'


def test_web_message(tenant: Tenant, rp: RelyingParty) -> None:
    browser = tenant.browser()
    through(browser, rp)
    url = rp.url(response_mode="web_message", prompt="none")
    assert browser.open(url)[0] == 403
    rp.application.web_origins = ["http://127.0.0.1:8000"]
    status, _, page = browser.open(url)
    assert status == 200
    assert '"type": "authorization_response"' in page


def oidc_logout(browser: Browser, tenant: Tenant, **parameters: str) -> tuple[int, str | None, str]:
    return browser.open(f"{tenant.issuer}oidc/logout?{urlencode(parameters)}")


def test_oidc_logout(tenant: Tenant, rp: RelyingParty) -> None:
    rp.application.logout_urls = [GOODBYE]
    browser = tenant.browser()
    id_token = rp.exchange(through(browser, rp)["code"]).json()["id_token"]
    tenant.clock.advance(40000)
    status, location, _ = oidc_logout(
        browser, tenant, id_token_hint=id_token, post_logout_redirect_uri=GOODBYE, state="bye"
    )
    assert (status, location) == (302, GOODBYE + "?state=bye")
    assert through(browser, rp, prompt="none")["error"] == "login_required"


@pytest.mark.parametrize(
    "parameters",
    [
        {"post_logout_redirect_uri": GOODBYE + "?x=1"},
        {"post_logout_redirect_uri": "https://evil.example/"},
        {"client_id": "another"},
        {"logout_hint": "another"},
        {"id_token_hint": "nonsense"},
    ],
)
def test_oidc_logout_refused(tenant: Tenant, rp: RelyingParty, parameters: dict[str, str]) -> None:
    rp.application.logout_urls = [GOODBYE]
    browser = tenant.browser()
    id_token = rp.exchange(through(browser, rp)["code"]).json()["id_token"]
    assert oidc_logout(browser, tenant, **{"id_token_hint": id_token, **parameters})[0] == 400
    assert "code" in through(browser, rp, prompt="none")


def test_oidc_logout_without_hint_asks(tenant: Tenant, rp: RelyingParty) -> None:
    browser = tenant.browser()
    through(browser, rp)
    status, _, page = oidc_logout(browser, tenant, client_id=rp.application.client_id)
    assert status == 200
    assert "Do you want to log out?" in page
    assert "code" in through(browser, rp, prompt="none")
    browser.open(f"{tenant.issuer}oidc/logout", {"action": "confirm"})
    assert through(browser, rp, prompt="none")["error"] == "login_required"


def test_v2_logout(tenant: Tenant, rp: RelyingParty) -> None:
    rp.application.logout_urls = [GOODBYE]
    browser = tenant.browser()
    through(browser, rp)
    query = urlencode({"client_id": rp.application.client_id, "returnTo": GOODBYE + "?any=thing"})
    status, location, _ = browser.open(f"{tenant.issuer}v2/logout?{query}")
    assert (status, location) == (302, GOODBYE + "?any=thing")
    assert through(browser, rp, prompt="none")["error"] == "login_required"
    query = urlencode({"client_id": rp.application.client_id, "returnTo": "https://evil.example/"})
    status, _, page = browser.open(f"{tenant.issuer}v2/logout?{query}")
    assert status == 400
    expected = (
        "parameter &#34;https://evil.example/&#34; is not defined as a valid URL in &#34;Allowed Logout URLs&#34;."
    )
    assert expected in page


class Listener:
    """An application's back-channel logout endpoint."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.arrived = threading.Event()
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                listener.tokens.append(parse_qs(body)["logout_token"][0])
                self.send_response(200)
                self.end_headers()
                listener.arrived.set()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    thread = threading.Thread(target=listener.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield listener
    listener.server.shutdown()
    listener.server.server_close()
    thread.join()


def test_logout_tells_the_applications(tenant: Tenant, rp: RelyingParty, listener: Listener) -> None:
    rp.application.backchannel_logout_uri = listener.url
    browser = tenant.browser()
    id_token = rp.exchange(through(browser, rp)["code"]).json()["id_token"]
    oidc_logout(browser, tenant, id_token_hint=id_token)
    assert listener.arrived.wait(120)
    claims = verified(tenant, listener.tokens[0], audience=rp.application.client_id)
    assert claims["sid"] == claims_of(id_token)["sid"]
    assert claims["sub"] == tenant.user.sub
    assert claims["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}
    assert claims["exp"] - claims["iat"] == 120
    assert claims["jti"]
    assert "nonce" not in claims


def test_logout_tokens_to_order(tenant: Tenant, listener: Listener) -> None:
    token = tenant.make_logout_token(sid="s", nonce="n", events=None)
    claims = verified(tenant, token)
    assert (claims["sid"], claims["nonce"]) == ("s", "n")
    assert not {"sub", "events"} & set(claims)
    assert tenant.send_logout_token(listener.url, token) == 200
    assert tenant.logout_deliveries == [(listener.url, 200)]
    assert tenant.send_logout_token("http://127.0.0.1:9/", token) == 0


def test_login_page_for_people(tenant: Tenant, rp: RelyingParty) -> None:
    answer = requests.get(rp.url(login_hint="grace@example.com"), timeout=60)
    assert answer.status_code == 200
    assert "/u/login?state=" in answer.url
    assert "the-state" not in answer.url
    for text in ("Ada Lovelace", "grace@example.com", "This is not Auth0", 'value="grace@example.com"'):
        assert text in answer.text
    wrong = requests.post(answer.url, data={"username": "ada@example.com", "password": "no"}, timeout=60)
    assert wrong.status_code == 400
    assert "Wrong email or password" in wrong.text
    form = {"username": "ADA@example.com", "password": "correct horse"}
    right = requests.post(answer.url, data=form, timeout=120, allow_redirects=False)
    assert right.headers["Location"].startswith("/authorize/resume?state=")


def test_sign_up(tenant: Tenant, rp: RelyingParty) -> None:
    page = requests.get(rp.url(screen_hint="signup"), timeout=60)
    assert "Sign up for" in page.text
    form = {"username": "new@example.com", "password": "long enough"}
    assert requests.post(page.url, data=form, timeout=120, allow_redirects=False).status_code == 302
    user = tenant.user_by_login("new@example.com")
    assert user is not None
    assert user.email_verified is False
    tenant.sign_up_enabled = False
    assert rp.callback(screen_hint="signup")["error_description"] == "signup is disabled"


def test_choosing_an_organization_and_declining_consent(tenant: Tenant, rp: RelyingParty) -> None:
    rp.application.organization_prompt = True
    rp.application.first_party = False
    tenant.user.orgs = [tenant.add_organization("Acme").id, tenant.add_organization("Zeta").id]
    browser = tenant.browser()
    _, location, _ = browser.open(rp.url())
    _, location, _ = browser.open(tenant.issuer + str(location)[1:], {"user": tenant.user.sub})
    _, location, _ = browser.open(tenant.issuer + str(location)[1:])
    page_url = tenant.issuer + str(location)[1:]
    assert "Zeta" in browser.open(page_url)[2]
    assert browser.open(page_url, {"organization": "org_foreign"})[0] == 200
    _, location, _ = browser.open(page_url, {"organization": tenant.user.orgs[1]})
    _, location, _ = browser.open(tenant.issuer + str(location)[1:])
    consent_url = tenant.issuer + str(location)[1:]
    assert "read:appointments" in browser.open(consent_url)[2]
    _, location, _ = browser.open(consent_url, {"action": "deny"})
    _, location, _ = browser.open(tenant.issuer + str(location)[1:])
    assert fields_of(str(location))["error_description"] == "User did not authorize the request"


def test_second_factor_page(tenant: Tenant, rp: RelyingParty) -> None:
    browser = tenant.browser()
    _, location, _ = browser.open(rp.url(acr_values=MFA))
    _, location, _ = browser.open(tenant.issuer + str(location)[1:], {"user": tenant.user.sub})
    _, location, _ = browser.open(tenant.issuer + str(location)[1:])
    url = tenant.issuer + str(location)[1:]
    assert "123456" in browser.open(url)[2]
    status, _, page = browser.open(url, {"code": "000000"})
    assert status == 400
    assert "The code you entered is invalid" in page
    assert browser.open(url, {"code": "123456"})[0] == 302


def test_lost_login_page(tenant: Tenant) -> None:
    answer = requests.get(tenant.issuer + "u/login?state=unknown", timeout=60)
    assert answer.status_code == 400
    assert "Invalid state" in answer.text


def test_error_page_escapes(tenant: Tenant) -> None:
    page = requests.get(tenant.issuer + "authorize?client_id=<script>alert(1)</script>", timeout=60).text
    assert "<script>alert" not in page


def test_stopping_and_starting_keeps_port_and_memory(tenant: Tenant, rp: RelyingParty) -> None:
    token = rp.log_in()["refresh_token"]
    issuer = tenant.issuer
    tenant.stop()
    with pytest.raises(requests.ConnectionError):
        rp.refresh(token)
    tenant.start()
    assert tenant.issuer == issuer
    assert rp.refresh(token).status_code == 200


def test_issuer_is_unknown_before_the_start() -> None:
    with pytest.raises(RuntimeError, match="start the tenant first"):
        _ = Tenant().issuer


def test_third_party_application_asks(tenant: Tenant, rp: RelyingParty) -> None:
    rp.application.first_party = False
    assert "code" in rp.callback(audience=None)
    assert tenant.count("/u/consent", method="POST") == 1
    assert isinstance(tenant.api, Api)
    with pytest.raises(TenantPage):
        rp.callback(redirect_uri="https://evil.example/")
