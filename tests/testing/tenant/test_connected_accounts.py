"""The My Account API's connected accounts, with the documented answers, and the consent page at the identity provider."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from django_auth0_flow.testing.tenant import Tenant
from tests.testing.tenant.helpers import CALLBACK, CHALLENGE, VERIFIER, RelyingParty, fields_of

BASE = "me/v1/connected-accounts"
GOOGLE = "google-oauth2"


@pytest.fixture(autouse=True)
def allowed(tenant: Tenant, rp: RelyingParty) -> None:
    tenant.allow_connected_accounts(google_oauth2=["openid", "calendar"])


def call(tenant: Tenant, method: str, path: str, *, token: str | None = None, **body: Any) -> requests.Response:
    verb = {"GET": "read", "DELETE": "delete"}.get(method, "create")
    token = token or tenant.make_access_token(
        audience=tenant.my_account_audience, scope=f"{verb}:me:connected_accounts"
    )
    headers = {"Authorization": f"Bearer {token}"}
    return requests.request(method, tenant.issuer + BASE + path, json=body or None, headers=headers, timeout=60)


def begin(tenant: Tenant, **changes: Any) -> requests.Response:
    body = {
        "connection": GOOGLE,
        "redirect_uri": CALLBACK,
        "state": "the-state",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **changes,
    }
    return call(tenant, "POST", "/connect", **{name: value for name, value in body.items() if value is not None})


def agree(tenant: Tenant, begun: requests.Response, *, deny: bool = False) -> dict[str, str]:
    body = begun.json()
    url = f"{body['connect_uri']}?ticket={body['connect_params']['ticket']}"
    return fields_of(tenant.browser().authorize(url, deny=deny).url)


def complete(tenant: Tenant, begun: requests.Response, code: str, **changes: Any) -> requests.Response:
    body = {
        "auth_session": begun.json()["auth_session"],
        "connect_code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    }
    return call(tenant, "POST", "/complete", **{**body, **changes})


def test_an_account_is_connected_listed_and_deleted(tenant: Tenant) -> None:
    begun = begin(tenant)
    assert (begun.status_code, begun.json()["expires_in"]) == (201, 300)
    answer = agree(tenant, begun)
    assert answer["state"] == "the-state"
    done = complete(tenant, begun, answer["connect_code"])
    assert done.status_code == 201
    account = done.json()
    assert (account["connection"], account["scopes"]) == (GOOGLE, ["openid", "calendar"])
    assert call(tenant, "GET", "/accounts").json() == {"accounts": [account]}
    assert tenant.user.linked_connections[GOOGLE]
    assert call(tenant, "DELETE", f"/accounts/{account['id']}").status_code == 204
    assert call(tenant, "DELETE", f"/accounts/{account['id']}").status_code == 404
    assert tenant.user.linked_connections == {}


def test_who_declines_brings_an_error_back(tenant: Tenant) -> None:
    assert agree(tenant, begin(tenant), deny=True)["error"] == "access_denied"


def test_what_is_not_documented_can_be_chosen(tenant: Tenant) -> None:
    settings = tenant.connected_accounts
    settings.success, settings.code_in_fragment, settings.delete_unknown = 200, True, 204
    begun = begin(tenant)
    body = begun.json()
    url = f"{body['connect_uri']}?ticket={body['connect_params']['ticket']}"
    assert "#connect_code=" in tenant.browser().authorize(url).url
    assert begun.status_code == 200
    assert call(tenant, "DELETE", "/accounts/cac_1").status_code == 204


def test_connections_are_listed(tenant: Tenant) -> None:
    assert call(tenant, "GET", "/connections").json()["connections"][0]["name"] == GOOGLE


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"connection": None}, 400),
        ({"connection": "facebook"}, 404),
        ({"redirect_uri": "https://evil.example/"}, 400),
        ({"scopes": []}, 400),
        ({"code_challenge_method": "plain"}, 400),
    ],
    ids=str,
)
def test_what_can_t_be_begun(tenant: Tenant, changes: dict[str, Any], status: int) -> None:
    answer = begin(tenant, **changes)
    assert (answer.status_code, answer.json()["status"]) == (status, status)


@pytest.mark.parametrize(
    "changes", [{"redirect_uri": f"{CALLBACK}x"}, {"code_verifier": "w" * 50}, {"auth_session": "x"}]
)
def test_what_can_t_be_completed(tenant: Tenant, changes: dict[str, str]) -> None:
    begun = begin(tenant)
    code = agree(tenant, begun)["connect_code"]
    assert complete(tenant, begun, code, **changes).status_code in (400, 404)
    answer = complete(tenant, begun, code)
    assert (answer.status_code, answer.json()["detail"]) == (404, "Invalid or expired session"), "it was used"


def test_another_user_completes_nothing(tenant: Tenant) -> None:
    begun = begin(tenant)
    code = agree(tenant, begun)["connect_code"]
    grace = next(user for user in tenant.users.values() if user.nickname == "grace")
    token = tenant.make_access_token(grace, audience=tenant.my_account_audience, scope="create:me:connected_accounts")
    assert complete(tenant, begun, code, token=token).status_code == 404


def test_five_minutes(tenant: Tenant) -> None:
    begun = begin(tenant)
    code = agree(tenant, begun)["connect_code"]
    tenant.clock.advance(301)
    assert complete(tenant, begun, code).status_code == 404


@pytest.mark.parametrize(
    ("fields", "status"),
    [({"audience": None}, 401), ({"scope": "openid"}, 403)],
    ids=["token for another API", "scope missing"],
)
def test_the_token_must_fit(tenant: Tenant, fields: dict[str, Any], status: int) -> None:
    token = tenant.make_access_token(**{"audience": tenant.my_account_audience, **fields})
    assert call(tenant, "GET", "/accounts", token=token).status_code == status
