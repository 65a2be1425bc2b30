"""What the tenant has refused, and by which mistake: the page of the tenant says how to correct each."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

#: (error, part of the description, the name of the mistake), the first that fits; the page has a text for each name.
_MISTAKES = (
    ("Callback URL mismatch.", "", "callback"),
    ("Unknown client", "", "client_id"),
    ("Origin not allowed", "", "web_origin"),
    ("Invalid state", "", "login_expired"),
    ("access_denied", "Unauthorized", "secret"),
    ("access_denied", "Service not", "audience"),
    ("access_denied", "did not authorize", "declined"),
    ("access_denied", "not been granted", "client_grant"),
    ("access_denied", "not authorized to access", "client_grant"),
    ("access_denied", "", "denied"),
    ("invalid_client", "", "secret"),
    ("unauthorized_client", "Grant type", "grant_type"),
    ("unauthorized_client", "", "client_settings"),
    ("unauthorized", "blocked", "blocked"),
    ("invalid_grant", "blocked", "blocked"),
    ("invalid_grant", "refresh token", "refresh_token"),
    ("invalid_grant", "authorization code", "code"),
    ("invalid_grant", "code verifier", "code"),
    ("invalid_grant", "password", "password"),
    ("invalid_grant", "", "one_time_code"),
    ("login_required", "", "silent"),
    ("interaction_required", "", "silent"),
    ("consent_required", "", "silent"),
    ("mfa_required", "", "mfa"),
    ("invalid_dpop_proof", "", "dpop"),
    ("use_dpop_nonce", "", "dpop_nonce"),
    ("invalid_request", "sender constraining", "dpop"),
    ("invalid_request", "Logout URLs", "logout_url"),
    ("invalid_request", "organization", "organization"),
    ("invalid_request", "invitation", "organization"),
    ("invalid_request", "no connections enabled", "connection"),
    ("invalid_request", "Pushed Authorization", "par"),
    ("invalid_request", "id_token_hint", "id_token_hint"),
    ("invalid_request", "code_verifier", "code"),
    ("invalid_request", "Missing required parameter", "parameter"),
    ("too_many", "", "too_many"),
    ("invalid_password", "", "weak_password"),
    ("invalid_signup", "", "account_exists"),
    ("user_exists", "", "account_exists"),
    ("bad.", "", "parameter"),
)


@dataclass(frozen=True)
class Refusal:
    """One refusal: what was asked where and by which application, the answer, and the ``mistake`` behind it or "".

    ``callback``: the address that the answer was to go to, where one was sent.
    """

    at: float
    path: str
    client_id: str
    status: int
    error: str
    description: str
    mistake: str
    callback: str = ""


def mistake_of(error: str, description: str) -> str:
    """Return the name of the mistake that a refusal tells of, "" for one that explains itself."""
    for wanted, part, name in _MISTAKES:
        if error.startswith(wanted) and part.lower() in description.lower():
            return name
    return ""


class RefusalLog:
    """The newest refusals, newest first; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: deque[Refusal] = deque(maxlen=200)

    def add(
        self, at: float, path: str, client_id: str, status: int, error: str, description: str, callback: str = ""
    ) -> None:
        found = Refusal(at, path, client_id, status, error, description, mistake_of(error, description), callback)
        with self._lock:
            self._found.appendleft(found)

    def snapshot(self) -> list[Refusal]:
        with self._lock:
            return list(self._found)

    def clear(self) -> None:
        with self._lock:
            self._found.clear()
