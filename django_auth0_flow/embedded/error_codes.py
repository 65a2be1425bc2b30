"""What the tenant's refusals mean in embedded logins: stable codes, whatever the wording."""

from __future__ import annotations

from django_auth0_flow.doctor.setup_mistakes import find_setup_mistake
from django_auth0_flow.protocol.errors import Auth0Error, InvalidGrant, OAuthError, PasswordRefused

#: After these the login under way is over: it has to be started again.
FINAL_CODES = frozenset(["mfa_expired", "too_many_codes", "code_expired"])


def password_code(error: Auth0Error) -> str:
    """Return the code of a refused password. Unknown user and wrong password are the same to the tenant, and here."""
    if isinstance(error, InvalidGrant) or _says(error, "invalid_user_password"):
        return "wrong_password"
    return _common_code(error)


def sign_up_code(error: Auth0Error) -> str:
    """Return the code of a refused sign-up. Where the tenant tells that a user exists, here it is not told."""
    if isinstance(error, PasswordRefused):
        return error.code
    if (mistake := find_setup_mistake(error)) is not None and mistake.id == "SM83":
        return "sign_up_disabled"
    if _says(error, "too_many_attempts"):
        return "too_many_sign_ups"
    code = _common_code(error)
    return "sign_up_refused" if code == OAuthError.code else code


def reset_code(error: Auth0Error) -> str:
    """Return the code of a message about a new password that can't be sent."""
    return _common_code(error)


def passwordless_code(error: Auth0Error) -> str:
    """Return the code of a refused one-time code."""
    if isinstance(error, InvalidGrant) or _says(error, "invalid_request"):
        text = _description(error)
        if "maximum number of attempts" in text:
            return "too_many_codes"
        if "expired" in text:
            return "code_expired"
        if isinstance(error, InvalidGrant):
            return "wrong_code"
    return _common_code(error)


def mfa_code(error: Auth0Error) -> str:
    """Return the code of a refused second factor."""
    text = _description(error)
    if _says(error, "expired_token") or "mfa_token" in text:
        return "mfa_expired"
    if "rejected" in text and _says(error, "access_denied", "invalid_grant"):
        return "mfa_rejected"
    if _says(error, "too_many_attempts", "too_many_requests"):
        return "too_many_codes"
    if _says(error, "authorization_pending"):
        return "push_pending"
    if _says(error, "slow_down"):
        return "push_slow_down"
    if _says(error, "unsupported_challenge_type"):
        return "factor_unusable"
    if isinstance(error, InvalidGrant) or "oob_code" in text:
        return "wrong_code"
    return _common_code(error)


def reveals_nothing(error: Auth0Error) -> bool:
    """Tell whether a refusal to send a message may be about the account, so that the page must not differ."""
    if not isinstance(error, OAuthError) or find_setup_mistake(error) is not None:
        return False
    return error.error not in ("bad.email", "bad.phone_number", "sms_provider_error", "too_many_attempts")


def _common_code(error: Auth0Error) -> str:
    if find_setup_mistake(error) is not None:
        return "client_rejected"
    if _says(error, "unauthorized") and "blocked" in _description(error):
        return "user_blocked"
    return error.code


def _says(error: Auth0Error, *words: str) -> bool:
    return isinstance(error, OAuthError) and error.error in words


def _description(error: Auth0Error) -> str:
    return error.error_description.lower() if isinstance(error, OAuthError) else ""
