"""``mfa_required``, the MFA API and its three grants."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from django_auth0_flow.testing.tenant import ALL_GRANTS, Authenticator, Tenant
from django_auth0_flow.testing.tenant.factors import totp
from django_auth0_flow.testing.tenant.model import MFA_OOB, MFA_OTP, MFA_RECOVERY_CODE
from tests.testing.tenant.helpers import RelyingParty, claims_of, error_of

ADA = {"username": "ada@example.com", "password": "correct horse", "scope": "openid offline_access"}
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture(autouse=True)
def demanding(tenant: Tenant, rp: RelyingParty) -> None:
    rp.application.grant_types = set(ALL_GRANTS)
    tenant.user.mfa_required = True


def mfa_token(rp: RelyingParty) -> str:
    answer = rp.token("password", **ADA)
    assert error_of(answer) == (403, "mfa_required", "Multifactor authentication required")
    return str(answer.json()["mfa_token"])


def api(rp: RelyingParty, path: str, *, bearer: str | None = None, **body: Any) -> requests.Response:
    full = {
        "client_id": rp.application.client_id,
        "client_secret": rp.application.client_secret,
        **body,
    }
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    return requests.post(f"{rp.tenant.issuer}mfa/{path}", json=full, headers=headers, timeout=60)


def test_requirements(tenant: Tenant, rp: RelyingParty) -> None:
    enroll = rp.token("password", **ADA).json()["mfa_requirements"]["enroll"]
    assert {"type": "otp"} in enroll
    tenant.user.authenticators = [Authenticator("otp", secret=SECRET), Authenticator("push")]
    challenge = rp.token("password", **ADA).json()["mfa_requirements"]
    assert challenge == {"challenge": [{"type": "otp"}, {"type": "push-notification"}]}
    tenant.mfa_requirements = False
    assert "mfa_requirements" not in rp.token("password", **ADA).json()


def test_otp(tenant: Tenant, rp: RelyingParty) -> None:
    tenant.user.authenticators = [Authenticator("otp", secret=SECRET)]
    token = mfa_token(rp)
    assert api(rp, "challenge", mfa_token=token, challenge_type="otp").json() == {"challenge_type": "otp"}
    assert error_of(rp.token(MFA_OTP, mfa_token=token, otp="000")) == (403, "invalid_grant", "Invalid otp_code.")
    answer = rp.token(MFA_OTP, mfa_token=token, otp=totp(SECRET, tenant.clock.now()))
    assert answer.status_code == 200
    assert "refresh_token" in answer.json()
    assert not {"acr", "amr"} & set(claims_of(answer.json()["id_token"]))
    assert error_of(rp.token(MFA_OTP, mfa_token=token, otp="1"))[2] == "Malformed mfa_token"


def test_totp_is_the_standards() -> None:
    """RFC 6238, appendix B, cut to six digits."""
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    assert [totp(secret, then) for then in (59, 1111111109, 2000000000)] == ["287082", "081804", "279037"]


def test_sms(tenant: Tenant, rp: RelyingParty) -> None:
    tenant.user.authenticators = [Authenticator("sms", name="+15555550123")]
    token = mfa_token(rp)
    body = api(rp, "challenge", mfa_token=token, challenge_type="oob").json()
    assert (body["challenge_type"], body["binding_method"]) == ("oob", "prompt")
    form = {"mfa_token": token, "oob_code": body["oob_code"]}
    assert error_of(rp.token(MFA_OOB, **form))[2] == "Missing required parameter: binding_code"
    wrong = rp.token(MFA_OOB, **form, binding_code="x")
    assert error_of(wrong) == (403, "invalid_grant", "Invalid binding_code.")
    other = rp.token(MFA_OOB, mfa_token=token, oob_code="other", binding_code="x")
    assert error_of(other)[2] == "The oob_code doesn't match the mfa_token"
    code = tenant.last_message().code
    assert rp.token(MFA_OOB, **form, binding_code=code).status_code == 200


def test_push(tenant: Tenant, rp: RelyingParty) -> None:
    tenant.user.authenticators = [Authenticator("push", name="phone")]
    token = mfa_token(rp)
    body = api(rp, "challenge", mfa_token=token).json()
    assert set(body) == {"challenge_type", "oob_code"}
    form = {"mfa_token": token, "oob_code": body["oob_code"]}
    for _ in range(12):
        assert error_of(rp.token(MFA_OOB, **form))[:2] == (400, "authorization_pending")
    assert error_of(rp.token(MFA_OOB, **form))[1] == "slow_down"
    tenant.clock.advance(61)
    tenant.answer_push(approve=False)
    assert error_of(rp.token(MFA_OOB, **form)) == (400, "access_denied", "MFA Authorization rejected.")
    tenant.answer_push()
    assert rp.token(MFA_OOB, **form).status_code == 200


def test_recovery_code_is_replaced(tenant: Tenant, rp: RelyingParty) -> None:
    factor = Authenticator("recovery-code", secret="AAAABBBBCCCCDDDDEEEEFFFF")
    tenant.user.authenticators = [Authenticator("otp", secret=SECRET), factor]
    token = mfa_token(rp)
    assert rp.token(MFA_RECOVERY_CODE, mfa_token=token, recovery_code="no").status_code == 403
    answer = rp.token(MFA_RECOVERY_CODE, mfa_token=token, recovery_code="AAAABBBBCCCCDDDDEEEEFFFF")
    assert answer.json()["recovery_code"] == factor.secret != "AAAABBBBCCCCDDDDEEEEFFFF"


def test_first_enrolment_of_a_totp_app(tenant: Tenant, rp: RelyingParty) -> None:
    token = mfa_token(rp)
    assert error_of(api(rp, "challenge", mfa_token=token))[1] == "association_required"
    body = api(rp, "associate", bearer=token, authenticator_types=["otp"]).json()
    assert body["barcode_uri"].startswith("otpauth://totp/")
    assert len(body["recovery_codes"]) == 1
    assert tenant.user.authenticators == []
    code = totp(body["secret"], tenant.clock.now())
    assert rp.token(MFA_OTP, mfa_token=token, otp=code).status_code == 200
    assert [factor.kind for factor in tenant.user.authenticators] == ["otp", "recovery-code"]
    second = api(rp, "associate", bearer=mfa_token(rp), authenticator_types=["otp"])
    assert error_of(second) == (403, "access_denied", "User is already enrolled")


@pytest.mark.parametrize(
    ("channel", "extra"), [("sms", {"phone_number": "+15555550123"}), ("email", {"email": "ada@example.com"})]
)
def test_first_enrolment_of_a_message_channel(
    tenant: Tenant, rp: RelyingParty, channel: str, extra: dict[str, str]
) -> None:
    token = mfa_token(rp)
    asked = {"authenticator_types": ["oob"], "oob_channels": [channel], **extra}
    body = api(rp, "associate", bearer=token, **asked).json()
    assert (body["oob_channel"], body["binding_method"]) == (channel, "prompt")
    form = {"mfa_token": token, "oob_code": body["oob_code"], "binding_code": tenant.last_message().code}
    assert rp.token(MFA_OOB, **form).status_code == 200
    listed = requests.get(
        rp.tenant.issuer + "mfa/authenticators",
        headers={"Authorization": f"Bearer {mfa_token(rp)}"},
        timeout=120,
    ).json()
    assert listed[0]["oob_channel"] == channel
    assert "@example.com" not in listed[0]["name"]


def test_enrolment_by_push(tenant: Tenant, rp: RelyingParty) -> None:
    token = mfa_token(rp)
    body = api(rp, "associate", bearer=token, authenticator_types=["oob"], oob_channels=["auth0"]).json()
    assert "barcode_uri" in body
    tenant.answer_push()
    assert rp.token(MFA_OOB, mfa_token=token, oob_code=body["oob_code"]).status_code == 200


def test_mfa_token_expires_and_belongs_to_one_client(tenant: Tenant, rp: RelyingParty) -> None:
    token = mfa_token(rp)
    other = RelyingParty(tenant, tenant.add_application(grant_types=set(ALL_GRANTS)))
    answer = other.token(MFA_OTP, mfa_token=token, otp="1")
    assert error_of(answer) == (400, "invalid_request", "mfa_token not issued to this client")
    tenant.clock.advance(601)
    assert error_of(rp.token(MFA_OTP, mfa_token=token, otp="1"))[1:] == ("expired_token", "mfa_token is expired")


def test_too_many_codes(tenant: Tenant, rp: RelyingParty) -> None:
    tenant.user.authenticators = [Authenticator("otp", secret=SECRET)]
    token = mfa_token(rp)
    answers = [rp.token(MFA_OTP, mfa_token=token, otp="x") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [403] * 10 + [429]


def test_mfa_on_refresh_keeps_the_token_until_it_is_done(tenant: Tenant, rp: RelyingParty) -> None:
    tenant.user.mfa_required = False
    tenant.user.authenticators = [Authenticator("otp", secret=SECRET)]
    first = rp.log_in()["refresh_token"]
    tenant.user.mfa_on_refresh = True
    answer = rp.refresh(first)
    assert answer.json()["error"] == "mfa_required"
    code = totp(SECRET, tenant.clock.now())
    done = rp.token(MFA_OTP, mfa_token=answer.json()["mfa_token"], otp=code)
    assert done.json()["refresh_token"] != first
    assert tenant.families_revoked == 0


def test_mfa_in_the_browser(tenant: Tenant, rp: RelyingParty) -> None:
    tenant.user.authenticators = [Authenticator("otp", secret=SECRET)]
    assert claims_of(rp.log_in()["id_token"])["amr"] == ["mfa"]
    assert tenant.count("/u/mfa", method="POST") == 1


def test_grant_not_ticked(rp: RelyingParty) -> None:
    rp.application.grant_types = {"password"}
    answer = rp.token(MFA_OTP, mfa_token=mfa_token(rp), otp="1")
    assert error_of(answer)[2] == f"Grant type '{MFA_OTP}' not allowed for the client."
    rp.application.grant_types = {"password", "mfa"}
    answer = rp.token(MFA_OTP, mfa_token=mfa_token(rp), otp="1")
    assert error_of(answer)[2] == "Invalid otp_code."
