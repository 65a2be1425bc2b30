"""Refresh tokens: rotation, reuse detection, overlap, lifetimes, and all of it under threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from django_auth0_flow.testing.tenant import Tenant
from tests.testing.tenant.helpers import RelyingParty, claims_of, error_of

UNKNOWN = (403, "invalid_grant", "Unknown or invalid refresh token.")


def test_rotation_gives_a_new_token_each_time(tenant: Tenant, rp: RelyingParty) -> None:
    tokens = [rp.log_in()["refresh_token"]]
    for _ in range(3):
        answer = rp.refresh(tokens[-1])
        assert answer.status_code == 200
        tokens.append(answer.json()["refresh_token"])
    assert len(set(tokens)) == 4
    assert all(len(token) == 45 for token in tokens)
    assert tenant.families_revoked == 0
    assert tenant.count("/oauth/token", grant_type="refresh_token") == 3


def test_reuse_revokes_the_family(tenant: Tenant, rp: RelyingParty) -> None:
    first = rp.log_in()["refresh_token"]
    second = rp.refresh(first).json()["refresh_token"]
    assert error_of(rp.refresh(first)) == UNKNOWN
    assert tenant.families_revoked == 1
    assert error_of(rp.refresh(second)) == UNKNOWN
    assert error_of(rp.refresh(first)) == UNKNOWN
    assert tenant.families_revoked == 1


def test_reuse_leaves_other_families_alone(tenant: Tenant, rp: RelyingParty) -> None:
    mine, other = rp.log_in()["refresh_token"], rp.log_in()["refresh_token"]
    rp.refresh(mine)
    rp.refresh(mine)
    assert rp.refresh(other).status_code == 200
    assert tenant.families_revoked == 1


def test_without_rotation_the_token_stays(rp: RelyingParty) -> None:
    rp.application.rotation = False
    token = rp.log_in()["refresh_token"]
    for _ in range(2):
        answer = rp.refresh(token)
        assert answer.status_code == 200
        assert "refresh_token" not in answer.json()


def test_overlap_accepts_the_immediately_previous_token(tenant: Tenant, rp: RelyingParty) -> None:
    rp.application.overlap = 30
    first = rp.log_in()["refresh_token"]
    second = rp.refresh(first).json()["refresh_token"]
    tenant.clock.advance(29)
    third = rp.refresh(first)
    assert third.status_code == 200
    assert third.json()["refresh_token"] not in {first, second}
    assert rp.refresh(second).status_code == 200
    assert tenant.families_revoked == 0


def test_overlap_ends(tenant: Tenant, rp: RelyingParty) -> None:
    rp.application.overlap = 30
    first = rp.log_in()["refresh_token"]
    rp.refresh(first)
    tenant.clock.advance(30)
    assert error_of(rp.refresh(first)) == UNKNOWN
    assert tenant.families_revoked == 1


def test_overlap_does_not_cover_older_tokens(tenant: Tenant, rp: RelyingParty) -> None:
    rp.application.overlap = 30
    first = rp.log_in()["refresh_token"]
    second = rp.refresh(first).json()["refresh_token"]
    rp.refresh(second)
    assert error_of(rp.refresh(first)) == UNKNOWN
    assert tenant.families_revoked == 1


@pytest.mark.parametrize("threads", [2, 16])
def test_exactly_one_of_many_parallel_refreshes_wins(tenant: Tenant, rp: RelyingParty, threads: int) -> None:
    token = rp.log_in()["refresh_token"]
    with ThreadPoolExecutor(threads) as pool:
        answers = list(pool.map(lambda _: rp.refresh(token), range(threads)))
    assert sorted(answer.status_code for answer in answers) == [200] + [403] * (threads - 1)
    assert tenant.families_revoked == 1
    assert tenant.count("/oauth/token", grant_type="refresh_token") == threads


def test_parallel_refreshes_within_the_overlap_all_win(tenant: Tenant, rp: RelyingParty) -> None:
    rp.application.overlap = 30
    token = rp.log_in()["refresh_token"]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: rp.refresh(token), range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 8
    assert tenant.families_revoked == 0


def test_idle_and_absolute_lifetime(tenant: Tenant, rp: RelyingParty) -> None:
    rp.application.refresh_token_idle_lifetime = 100
    rp.application.refresh_token_lifetime = 250
    token = rp.log_in()["refresh_token"]
    for _ in range(2):
        tenant.clock.advance(90)
        token = rp.refresh(token).json()["refresh_token"]
    tenant.clock.advance(90)
    assert error_of(rp.refresh(token)) == UNKNOWN, "an exchange never extends the absolute lifetime"
    token = rp.log_in()["refresh_token"]
    tenant.clock.advance(100)
    assert error_of(rp.refresh(token)) == UNKNOWN
    assert tenant.families_revoked == 0


def test_narrower_scope_is_granted_and_wider_is_dropped(rp: RelyingParty) -> None:
    token = rp.log_in()["refresh_token"]
    answer = rp.refresh(token, scope="openid read:appointments write:appointments").json()
    assert answer["scope"] == "openid read:appointments"
    again = rp.refresh(answer["refresh_token"]).json()
    assert again["scope"] == "openid profile email offline_access read:appointments", "the grant itself stays whole"


def test_audience_without_policy_is_ignored(tenant: Tenant, rp: RelyingParty) -> None:
    tenant.add_api("https://other.example.com", scopes=["read:other"])
    answer = rp.refresh(rp.log_in()["refresh_token"], audience="https://other.example.com")
    assert tenant.api.identifier in claims_of(answer.json()["access_token"])["aud"]


def test_multi_resource_refresh_token(tenant: Tenant, rp: RelyingParty) -> None:
    tenant.add_api("https://other.example.com", scopes=["read:other", "write:other"])
    rp.application.refresh_policies = {"https://other.example.com": ["read:other"]}
    token = rp.log_in()["refresh_token"]
    other = rp.refresh(token, audience="https://other.example.com", scope="read:other write:other").json()
    claims = claims_of(other["access_token"])
    assert claims["aud"] == "https://other.example.com"
    assert claims["scope"] == "read:other"
    back = rp.refresh(other["refresh_token"]).json()
    assert tenant.api.identifier in claims_of(back["access_token"])["aud"]
    assert rp.refresh(back["refresh_token"], audience="https://unknown").status_code == 403


def test_revocation(tenant: Tenant, rp: RelyingParty) -> None:
    first = rp.log_in()["refresh_token"]
    second = rp.refresh(first).json()["refresh_token"]
    form = {"client_id": rp.application.client_id, "client_secret": rp.application.client_secret}
    answer = rp.post("oauth/revoke", {**form, "token": first})
    assert (answer.status_code, answer.content) == (200, b"")
    assert error_of(rp.refresh(second)) == UNKNOWN
    assert rp.post("oauth/revoke", {**form, "token": "unknown"}).status_code == 200
    assert error_of(rp.post("oauth/revoke", form))[:2] == (400, "invalid_request")
    assert error_of(rp.post("oauth/revoke", {**form, "client_secret": "x"}))[:2] == (401, "invalid_client")
    assert tenant.families_revoked == 0


def test_token_of_another_application(tenant: Tenant, rp: RelyingParty) -> None:
    other = RelyingParty(tenant, tenant.add_application())
    token = rp.log_in()["refresh_token"]
    assert error_of(other.refresh(token)) == UNKNOWN
    assert rp.refresh(token).status_code == 200


def test_revoking_and_blocking_a_user(tenant: Tenant, rp: RelyingParty) -> None:
    token = rp.log_in()["refresh_token"]
    assert tenant.revoke_refresh_tokens(tenant.user.sub) == 1
    assert error_of(rp.refresh(token)) == UNKNOWN
    token = rp.log_in()["refresh_token"]
    tenant.block(tenant.user.sub)
    assert error_of(rp.refresh(token)) == (403, "invalid_grant", "user is blocked")


def test_user_who_is_gone(tenant: Tenant, rp: RelyingParty) -> None:
    token = rp.log_in()["refresh_token"]
    del tenant.users[tenant.user.sub]
    assert error_of(rp.refresh(token))[2] == "The refresh_token was generated for a user who doesn't exist anymore."


def test_refusals_leave_the_token_good(tenant: Tenant, rp: RelyingParty) -> None:
    token = rp.log_in()["refresh_token"]
    for name, expected in (
        ("mfa-required", (403, "mfa_required")),
        ("access-denied", (403, "access_denied")),
        ("error-200", (200, "invalid_grant")),
        ("refuse", (403, "invalid_grant")),
    ):
        tenant.fault(name, grant_type="refresh_token")
        assert error_of(rp.refresh(token))[:2] == expected
    tenant.user.deny_reason = "No"
    assert error_of(rp.refresh(token)) == (403, "access_denied", "No")
    tenant.user.deny_reason = None
    assert rp.refresh(token).status_code == 200


def test_only_two_hundred_families_live(tenant: Tenant, rp: RelyingParty) -> None:
    authorization = tenant.make_authorization(scope="openid offline_access")
    tokens = [tenant.refresh_tokens.issue(authorization, tenant.clock.now()) for _ in range(201)]
    assert error_of(rp.refresh(tokens[0])) == UNKNOWN
    assert rp.refresh(tokens[1]).status_code == 200
