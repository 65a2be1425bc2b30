"""The authorization code flow: Auth0's literal answers at /authorize and /oauth/token."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from django_auth0_flow.testing.tenant import Tenant, TenantPage
from tests.testing.tenant.helpers import CALLBACK, VERIFIER, RelyingParty, error_of

INVALID_CODE = (403, "invalid_grant", "Invalid authorization code")


def test_login_gives_code_and_state(rp: RelyingParty) -> None:
    answer = rp.callback()
    assert answer["state"] == "the-state"
    assert re.fullmatch(r"[-\w]{43,45}", answer["code"])
    assert set(answer) == {"code", "state"}


def test_exchange_gives_tokens_in_auth0s_order(rp: RelyingParty) -> None:
    answer = rp.exchange(rp.callback()["code"])
    assert answer.status_code == 200
    members = ["access_token", "refresh_token", "id_token", "scope", "expires_in", "token_type"]
    assert list(answer.json()) == members
    assert answer.json()["token_type"] == "Bearer"
    assert answer.json()["expires_in"] == 86400
    assert answer.headers["Cache-Control"] == "no-store"
    assert re.fullmatch("[0-9a-f]{20}", answer.headers["X-Auth0-RequestId"])
    assert {"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"} <= set(answer.headers)


def test_json_body_works_too(rp: RelyingParty) -> None:
    body = {
        "grant_type": "authorization_code",
        "client_id": rp.application.client_id,
        "client_secret": rp.application.client_secret,
        "code": rp.callback()["code"],
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    }
    answer = requests.post(rp.tenant.issuer + "oauth/token", json=body, timeout=60)
    assert answer.status_code == 200
    assert rp.tenant.count("/oauth/token", grant_type="authorization_code") == 1


def test_basic_authentication(rp: RelyingParty) -> None:
    form = {"grant_type": "authorization_code", "code": rp.callback()["code"], "code_verifier": VERIFIER}
    basic = (rp.application.client_id, rp.application.client_secret)
    answer = rp.post("oauth/token", {**form, "redirect_uri": CALLBACK}, auth=basic)
    assert answer.status_code == 200


def test_code_is_good_once(rp: RelyingParty) -> None:
    code = rp.callback()["code"]
    assert rp.exchange(code).status_code == 200
    assert error_of(rp.exchange(code)) == INVALID_CODE


def test_parallel_exchanges_of_one_code(rp: RelyingParty) -> None:
    code = rp.callback()["code"]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: rp.exchange(code).status_code, range(8)))
    assert sorted(answers) == [200] + [403] * 7


def test_code_is_good_for_a_minute(rp: RelyingParty) -> None:
    code = rp.callback()["code"]
    rp.tenant.clock.advance(61)
    assert error_of(rp.exchange(code)) == INVALID_CODE


def test_code_of_another_application(tenant: Tenant, rp: RelyingParty) -> None:
    other = RelyingParty(tenant, tenant.add_application())
    assert error_of(other.exchange(rp.callback()["code"])) == INVALID_CODE


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param(
            {"code_verifier": "w" * 50}, (403, "invalid_grant", "Failed to verify code verifier"), id="wrong verifier"
        ),
        pytest.param(
            {"code_verifier": None}, (400, "invalid_request", "Parameter 'code_verifier' is required"), id="no verifier"
        ),
        pytest.param({"code": None}, (400, "invalid_request", "Missing required parameter: code"), id="no code"),
        pytest.param({"code": "unknown"}, INVALID_CODE, id="unknown code"),
        pytest.param(
            {"redirect_uri": "http://127.0.0.1:9/x"},
            (
                403,
                "unauthorized_client",
                "The redirect URI is wrong. You sent http://127.0.0.1:9, and we expected http://127.0.0.1:8000",
            ),
            id="other redirect URI",
        ),
        pytest.param({"client_secret": "wrong"}, (401, "access_denied", "Unauthorized"), id="wrong secret"),
        pytest.param({"client_secret": None}, (401, "access_denied", "Unauthorized"), id="no secret"),
        pytest.param({"client_id": "unknown"}, (401, "access_denied", "Unauthorized"), id="unknown client"),
        pytest.param(
            {"grant_type": None}, (400, "invalid_request", "Missing required parameter: grant_type"), id="no grant type"
        ),
    ],
)
def test_exchange_refused(rp: RelyingParty, changes: dict[str, Any], expected: tuple[int, str, str]) -> None:
    form = {
        "grant_type": "authorization_code",
        "client_id": rp.application.client_id,
        "client_secret": rp.application.client_secret,
        "code": rp.callback()["code"],
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
        **changes,
    }
    answer = rp.post("oauth/token", {name: value for name, value in form.items() if value is not None})
    assert error_of(answer) == expected
    assert answer.headers["Cache-Control"].startswith("private, no-store")


def test_grant_that_is_not_ticked(rp: RelyingParty) -> None:
    rp.application.grant_types.discard("refresh_token")
    answer = rp.refresh("anything")
    assert error_of(answer) == (
        403,
        "unauthorized_client",
        "Grant type 'refresh_token' not allowed for the client.",
    )
    assert answer.json()["error_uri"] == "https://auth0.com/docs/clients/client-grant-types"


def test_public_application_needs_pkce(tenant: Tenant) -> None:
    rp = RelyingParty(tenant, tenant.add_application(token_endpoint_auth_method="none"))
    assert rp.log_in()["access_token"]
    code = rp.callback(code_challenge=None, code_challenge_method=None)["code"]
    assert error_of(rp.exchange(code, code_verifier=None))[1:] == (
        "invalid_request",
        "Parameter 'code_verifier' is required",
    )


@pytest.mark.parametrize(
    ("changes", "status", "text"),
    [
        ({"client_id": None}, 400, "Missing required parameter: client_id"),
        ({"client_id": "unknown"}, 400, "Unknown client: unknown"),
        (
            {"redirect_uri": CALLBACK + "x"},
            400,
            "The provided redirect_uri is not in the list of allowed callback URLs.",
        ),
        ({"redirect_uri": CALLBACK[:-1]}, 400, "Callback URL mismatch."),
        ({"response_type": None}, 400, "Missing required parameter: response_type"),
    ],
)
def test_errors_on_the_tenants_own_page(rp: RelyingParty, changes: dict[str, Any], status: int, text: str) -> None:
    with pytest.raises(TenantPage) as stuck:
        rp.callback(**changes)
    assert stuck.value.status == status
    assert text in stuck.value.text
    assert "Oops!, something went wrong" in stuck.value.text


def test_implicit_grant_off_is_a_page(rp: RelyingParty) -> None:
    rp.application.grant_types.discard("implicit")
    with pytest.raises(TenantPage, match="Grant type 'implicit' not allowed for the client") as stuck:
        rp.callback(response_type="id_token")
    assert stuck.value.status == 403


@pytest.mark.parametrize(
    ("changes", "error", "description"),
    [
        ({"audience": "https://nowhere"}, "access_denied", "Service not found: https://nowhere"),
        ({"response_type": "foo"}, "unsupported_response_type", "Unsupported response type: foo"),
        ({"organization": "org_x"}, "invalid_request", "parameter organization is invalid: org_x"),
        ({"prompt": "none"}, "login_required", "Login required"),
        ({"scope": "openid offline_access online_access"}, "invalid_request", None),
    ],
)
def test_errors_at_the_callback(rp: RelyingParty, changes: dict[str, Any], error: str, description: str | None) -> None:
    answer = rp.callback(**changes)
    assert answer["error"] == error
    assert description is None or answer["error_description"] == description
    assert answer["state"] == "the-state"


def test_denying(rp: RelyingParty) -> None:
    answer = rp.callback(deny=True)
    assert answer["error"] == "access_denied"
    assert answer["error_description"] == "User did not authorize the request"


def test_blocked_user(tenant: Tenant, rp: RelyingParty) -> None:
    tenant.block(tenant.user.sub)
    answer = rp.callback()
    assert (answer["error"], answer["error_description"]) == ("unauthorized", "user is blocked")


def test_action_that_denies(tenant: Tenant, rp: RelyingParty) -> None:
    tenant.user.deny_reason = "Not on Sundays"
    assert rp.callback()["error_description"] == "Not on Sundays"


def test_no_connections(rp: RelyingParty) -> None:
    rp.application.connections = []
    assert rp.callback()["error_description"] == "no connections enabled for the client"


def test_refresh_token_needs_every_precondition(tenant: Tenant, rp: RelyingParty) -> None:
    assert "refresh_token" not in rp.log_in(scope="openid")
    tenant.api.allow_offline_access = False
    assert "refresh_token" not in rp.log_in()


def test_issuer_in_the_response(tenant: Tenant, rp: RelyingParty) -> None:
    tenant.include_iss = True
    assert rp.callback()["iss"] == tenant.issuer
    metadata = requests.get(f"{tenant.issuer}.well-known/openid-configuration", timeout=60).json()
    assert metadata["authorization_response_iss_parameter_supported"] is True


@pytest.mark.parametrize("path", [".well-known/openid-configuration", ".well-known/oauth-authorization-server"])
def test_metadata(tenant: Tenant, path: str) -> None:
    answer = requests.get(tenant.issuer + path, timeout=60)
    metadata = answer.json()
    assert metadata["issuer"] == tenant.issuer
    assert metadata["issuer"].endswith("/")
    assert metadata["token_endpoint"] == tenant.issuer + "oauth/token"
    assert metadata["end_session_endpoint"] == tenant.issuer + "oidc/logout"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_auto_login(tenant: Tenant, rp: RelyingParty) -> None:
    tenant.auto_login = True
    answer = requests.get(rp.url(), allow_redirects=False, timeout=60)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(CALLBACK + "?code=")
