"""Refresh tokens: rotation, reuse detection, overlap, lifetimes, and all of it under threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from django_auth0_flow.testing.tenant import Tenant
from tests.testing.tenant.helpers import Relier, claims_of, error_of

UNKNOWN = (403, "invalid_grant", "Unknown or invalid refresh token.")


def test_rotation_gives_a_new_token_each_time(tenant: Tenant, relier: Relier) -> None:
    tokens = [relier.log_in()["refresh_token"]]
    for _ in range(3):
        answer = relier.refresh(tokens[-1])
        assert answer.status_code == 200
        tokens.append(answer.json()["refresh_token"])
    assert len(set(tokens)) == 4
    assert all(len(token) == 45 for token in tokens)
    assert tenant.families_revoked == 0
    assert tenant.count("/oauth/token", grant_type="refresh_token") == 3


def test_reuse_revokes_the_family(tenant: Tenant, relier: Relier) -> None:
    first = relier.log_in()["refresh_token"]
    second = relier.refresh(first).json()["refresh_token"]
    assert error_of(relier.refresh(first)) == UNKNOWN
    assert tenant.families_revoked == 1
    assert error_of(relier.refresh(second)) == UNKNOWN
    assert error_of(relier.refresh(first)) == UNKNOWN
    assert tenant.families_revoked == 1


def test_reuse_leaves_other_families_alone(tenant: Tenant, relier: Relier) -> None:
    mine, other = relier.log_in()["refresh_token"], relier.log_in()["refresh_token"]
    relier.refresh(mine)
    relier.refresh(mine)
    assert relier.refresh(other).status_code == 200
    assert tenant.families_revoked == 1


def test_without_rotation_the_token_stays(relier: Relier) -> None:
    relier.application.rotation = False
    token = relier.log_in()["refresh_token"]
    for _ in range(2):
        answer = relier.refresh(token)
        assert answer.status_code == 200
        assert "refresh_token" not in answer.json()


def test_overlap_accepts_the_immediately_previous_token(tenant: Tenant, relier: Relier) -> None:
    relier.application.overlap = 30
    first = relier.log_in()["refresh_token"]
    second = relier.refresh(first).json()["refresh_token"]
    tenant.clock.advance(29)
    third = relier.refresh(first)
    assert third.status_code == 200
    assert third.json()["refresh_token"] not in {first, second}
    assert relier.refresh(second).status_code == 200
    assert tenant.families_revoked == 0


def test_overlap_ends(tenant: Tenant, relier: Relier) -> None:
    relier.application.overlap = 30
    first = relier.log_in()["refresh_token"]
    relier.refresh(first)
    tenant.clock.advance(30)
    assert error_of(relier.refresh(first)) == UNKNOWN
    assert tenant.families_revoked == 1


def test_overlap_does_not_cover_older_tokens(tenant: Tenant, relier: Relier) -> None:
    relier.application.overlap = 30
    first = relier.log_in()["refresh_token"]
    second = relier.refresh(first).json()["refresh_token"]
    relier.refresh(second)
    assert error_of(relier.refresh(first)) == UNKNOWN
    assert tenant.families_revoked == 1


@pytest.mark.parametrize("threads", [2, 16])
def test_exactly_one_of_many_parallel_refreshes_wins(tenant: Tenant, relier: Relier, threads: int) -> None:
    token = relier.log_in()["refresh_token"]
    with ThreadPoolExecutor(threads) as pool:
        answers = list(pool.map(lambda _: relier.refresh(token), range(threads)))
    assert sorted(answer.status_code for answer in answers) == [200] + [403] * (threads - 1)
    assert tenant.families_revoked == 1
    assert tenant.count("/oauth/token", grant_type="refresh_token") == threads


def test_parallel_refreshes_within_the_overlap_all_win(tenant: Tenant, relier: Relier) -> None:
    relier.application.overlap = 30
    token = relier.log_in()["refresh_token"]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: relier.refresh(token), range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 8
    assert tenant.families_revoked == 0


def test_idle_and_absolute_lifetime(tenant: Tenant, relier: Relier) -> None:
    relier.application.refresh_token_idle_lifetime = 100
    relier.application.refresh_token_lifetime = 250
    token = relier.log_in()["refresh_token"]
    for _ in range(2):
        tenant.clock.advance(90)
        token = relier.refresh(token).json()["refresh_token"]
    tenant.clock.advance(90)
    assert error_of(relier.refresh(token)) == UNKNOWN, "an exchange never extends the absolute lifetime"
    token = relier.log_in()["refresh_token"]
    tenant.clock.advance(100)
    assert error_of(relier.refresh(token)) == UNKNOWN
    assert tenant.families_revoked == 0


def test_narrower_scope_is_granted_and_wider_is_dropped(relier: Relier) -> None:
    token = relier.log_in()["refresh_token"]
    answer = relier.refresh(token, scope="openid read:appointments write:appointments").json()
    assert answer["scope"] == "openid read:appointments"
    again = relier.refresh(answer["refresh_token"]).json()
    assert again["scope"] == "openid profile email offline_access read:appointments", "the grant itself stays whole"


def test_audience_without_policy_is_ignored(tenant: Tenant, relier: Relier) -> None:
    tenant.add_api("https://other.example.com", scopes=["read:other"])
    answer = relier.refresh(relier.log_in()["refresh_token"], audience="https://other.example.com")
    assert tenant.api.identifier in claims_of(answer.json()["access_token"])["aud"]


def test_multi_resource_refresh_token(tenant: Tenant, relier: Relier) -> None:
    tenant.add_api("https://other.example.com", scopes=["read:other", "write:other"])
    relier.application.refresh_policies = {"https://other.example.com": ["read:other"]}
    token = relier.log_in()["refresh_token"]
    other = relier.refresh(token, audience="https://other.example.com", scope="read:other write:other").json()
    claims = claims_of(other["access_token"])
    assert claims["aud"] == "https://other.example.com"
    assert claims["scope"] == "read:other"
    back = relier.refresh(other["refresh_token"]).json()
    assert tenant.api.identifier in claims_of(back["access_token"])["aud"]
    assert relier.refresh(back["refresh_token"], audience="https://unknown").status_code == 403


def test_revocation(tenant: Tenant, relier: Relier) -> None:
    first = relier.log_in()["refresh_token"]
    second = relier.refresh(first).json()["refresh_token"]
    form = {"client_id": relier.application.client_id, "client_secret": relier.application.client_secret}
    answer = relier.post("oauth/revoke", {**form, "token": first})
    assert (answer.status_code, answer.content) == (200, b"")
    assert error_of(relier.refresh(second)) == UNKNOWN
    assert relier.post("oauth/revoke", {**form, "token": "unknown"}).status_code == 200
    assert error_of(relier.post("oauth/revoke", form))[:2] == (400, "invalid_request")
    assert error_of(relier.post("oauth/revoke", {**form, "client_secret": "x"}))[:2] == (401, "invalid_client")
    assert tenant.families_revoked == 0


def test_token_of_another_application(tenant: Tenant, relier: Relier) -> None:
    other = Relier(tenant, tenant.add_application())
    token = relier.log_in()["refresh_token"]
    assert error_of(other.refresh(token)) == UNKNOWN
    assert relier.refresh(token).status_code == 200


def test_revoking_and_blocking_a_user(tenant: Tenant, relier: Relier) -> None:
    token = relier.log_in()["refresh_token"]
    assert tenant.revoke_refresh_tokens(tenant.user.sub) == 1
    assert error_of(relier.refresh(token)) == UNKNOWN
    token = relier.log_in()["refresh_token"]
    tenant.block(tenant.user.sub)
    assert error_of(relier.refresh(token)) == (403, "invalid_grant", "user is blocked")


def test_user_who_is_gone(tenant: Tenant, relier: Relier) -> None:
    token = relier.log_in()["refresh_token"]
    del tenant.users[tenant.user.sub]
    assert error_of(relier.refresh(token))[2] == "The refresh_token was generated for a user who doesn't exist anymore."


def test_refusals_leave_the_token_good(tenant: Tenant, relier: Relier) -> None:
    token = relier.log_in()["refresh_token"]
    for name, expected in (
        ("mfa-required", (403, "mfa_required")),
        ("access-denied", (403, "access_denied")),
        ("error-200", (200, "invalid_grant")),
        ("refuse", (403, "invalid_grant")),
    ):
        tenant.fault(name, grant_type="refresh_token")
        assert error_of(relier.refresh(token))[:2] == expected
    tenant.user.deny_reason = "No"
    assert error_of(relier.refresh(token)) == (403, "access_denied", "No")
    tenant.user.deny_reason = None
    assert relier.refresh(token).status_code == 200


def test_only_two_hundred_families_live(tenant: Tenant, relier: Relier) -> None:
    authorization = tenant.make_authorization(scope="openid offline_access")
    tokens = [tenant.refresh_tokens.issue(authorization, tenant.clock.now()) for _ in range(201)]
    assert error_of(relier.refresh(tokens[0])) == UNKNOWN
    assert relier.refresh(tokens[1]).status_code == 200
