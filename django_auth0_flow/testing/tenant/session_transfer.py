"""Session transfer tokens (Native to Web SSO): got by a refresh token, good once for a minute at ``/authorize``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .errors import ApiRefusal
from .login_steps import Login, Steps
from .logout import end_session
from .model import Application
from .state import TenantState, only_values

LIFETIME = 60
TOKEN_TYPE = "urn:auth0:params:oauth:token-type:session_transfer_token"
_FAILED = "Single Sign-On failed: "


@dataclass(frozen=True)
class Transfer:
    """Whose session may be started, and in which organization."""

    sub: str
    organization: str | None = None


def audience_of(state: TenantState) -> str:
    return f"urn:{state.issuer.removeprefix('http://').rstrip('/')}:session_transfer"


def issue(state: TenantState, sub: str, organization: str | None = None) -> str:
    """Return a new token."""
    return state.keep("session-transfer", Transfer(sub, organization), LIFETIME)


def answer(
    state: TenantState, application: Application, sub: str, organization: str | None, refresh_token: str | None
) -> dict[str, Any]:
    """Answer a refresh grant for ``audience_of(state)``."""
    if not application.can_create_session_transfer_token:
        text = "Session Transfer Tokens cannot be requested on this tenant."
        raise ApiRefusal(400, "invalid_request", text)
    return only_values(
        {
            "access_token": issue(state, sub, organization),
            "refresh_token": refresh_token,
            "issued_token_type": TOKEN_TYPE,
            "expires_in": LIFETIME,
            "token_type": "N_A",
        }
    )


def adopt(state: TenantState, steps: Steps, login: Login) -> None:
    """Log in by the token of an authorization request. One that is refused changes nothing: the login page follows."""
    value = login.asked.get("session_transfer_token")
    if value is None or "query" not in login.asked.application.session_transfer_methods:
        return
    transfer: Transfer | None = state.take("session-transfer", value)
    user = state.users.get(transfer.sub) if transfer is not None else None
    if transfer is None or user is None:
        text = "Session Transfer Token not found or expired. This may indicate token reuse or expiration."
        state.warnings.append(_FAILED + text)
        return
    wanted = login.asked.get("organization")
    found = state.find_organization(wanted) if wanted is not None else None
    if transfer.organization is not None and (found is None or found.id != transfer.organization):
        state.warnings.append(_FAILED + "organization mismatch detected.")
        return
    session = steps.session(login)
    if session is not None and session.sub != transfer.sub:
        state.warnings.append(_FAILED + "user mismatch detected.")
        end_session(state, session)
        return
    steps.sign_in(login, user)
