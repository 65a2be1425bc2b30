"""Faults by name: what a tenant, or the network in front of it, may do wrong, once or until told to stop."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, cast

Kind = Literal["id_token", "answer", "transport", "jwks", "metadata", "authorize", "userinfo", "refusal"]

#: The names that ``endpoint=`` takes, with the paths they stand for.
ENDPOINTS: dict[str, tuple[str, ...]] = {
    "token": ("/oauth/token",),
    "jwks": ("/.well-known/jwks.json",),
    "metadata": ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"),
    "userinfo": ("/userinfo",),
    "revoke": ("/oauth/revoke",),
    "authorize": ("/authorize",),
    "par": ("/oauth/par",),
    "passwordless": ("/passwordless/start",),
    "signup": ("/dbconnections/signup",),
    "change_password": ("/dbconnections/change_password",),
    "mfa": ("/mfa/challenge", "/mfa/associate", "/mfa/authenticators"),
    "connect": ("/me/v1/connected-accounts/connect",),
    "connect_complete": ("/me/v1/connected-accounts/complete",),
    "accounts": ("/me/v1/connected-accounts/accounts",),
    "logout": ("/oidc/logout", "/v2/logout"),
}

#: name -> (kind, what it does, its options). Every fault also takes ``times``; those of kind ``transport`` take
#: ``endpoint``, ``grant_type`` and ``processed`` (the request takes effect before its answer is spoilt) as well, and
#: those of kind ``answer``, ``refusal`` and ``id_token`` take ``grant_type``.
FAULTS: dict[str, tuple[Kind, str, frozenset[str]]] = {
    name: (kind, summary, frozenset(options.split()))
    for name, kind, summary, options in cast(
        list[tuple[str, Kind, str, str]],
        [
            # The next ID token
            ("invalid-iss", "id_token", "iss of another tenant", "value"),
            ("invalid-aud", "id_token", "aud of another application", "value"),
            ("missing-aud", "id_token", "no aud", ""),
            ("multiple-aud-no-azp", "id_token", "two audiences and no azp", ""),
            ("foreign-azp", "id_token", "two audiences, azp of another application", ""),
            ("missing-sub", "id_token", "no sub", ""),
            ("blank-sub", "id_token", "sub of blanks", ""),
            ("other-sub", "id_token", "sub of somebody else", "value"),
            ("missing-iat", "id_token", "no iat", ""),
            ("future-iat", "id_token", "iat a day ahead", "seconds"),
            ("missing-exp", "id_token", "no exp", ""),
            ("expired", "id_token", "exp an hour ago", "seconds"),
            ("nonce-invalid", "id_token", "another nonce", "value"),
            ("nonce-missing", "id_token", "no nonce", ""),
            ("at-hash-invalid", "id_token", "an at_hash that fits no token", ""),
            ("c-hash-invalid", "id_token", "a c_hash that fits no code", ""),
            ("at-hash-missing", "id_token", "no at_hash", ""),
            ("c-hash-missing", "id_token", "no c_hash", ""),
            ("auth-time-missing", "id_token", "no auth_time", ""),
            ("auth-time-old", "id_token", "auth_time of yesterday", "seconds"),
            ("org-id-missing", "id_token", "no org_id and no org_name", ""),
            ("org-id-other", "id_token", "another organization", "value"),
            ("acr-missing", "id_token", "no acr and no amr", ""),
            ("sid-missing", "id_token", "no sid", ""),
            ("claim", "id_token", "one claim set to a value, or removed when no value is given", "claim value"),
            ("header", "id_token", "one header member set to a value, or removed when none is given", "member value"),
            ("id-token", "id_token", "any text in its place", "value"),
            ("alg-none", "id_token", "unsigned", "spelling"),
            ("sig-invalid", "id_token", "right kid, signature of another key", ""),
            ("hs256-public-key", "id_token", "HMAC with the public key as secret", ""),
            ("hs256-client-secret", "id_token", "HMAC with the client secret", ""),
            ("rs512", "id_token", "signed by the right key with RS512", ""),
            ("kid-absent", "id_token", "no kid", ""),
            ("kid-unknown", "id_token", "a kid that no key has", "value"),
            ("crit", "id_token", "a crit header that nobody understands", ""),
            ("no-id-token", "id_token", "left out of the answer", ""),
            ("access-token-as-id-token", "id_token", "the access token in its place", ""),
            # The next good answer of the token endpoint, or a refusal before anything is issued or rotated
            ("token-type-missing", "answer", "no token_type", ""),
            ("token-type-other", "answer", "token_type mac", "value"),
            ("no-access-token", "answer", "no access_token", ""),
            ("no-refresh-token", "answer", "no refresh_token", ""),
            ("expires-in", "answer", "expires_in of any value; left out when no value is given", "value"),
            ("extra", "answer", "an unknown member", "member value"),
            ("refresh-token-echo", "answer", "the refresh token that was sent comes back, rotated or not", ""),
            ("scope", "answer", "scope of any value; left out when no value is given", "value"),
            ("error-200", "refusal", "an error under status 200", ""),
            ("tokens-400", "answer", "the tokens under status 400", ""),
            ("mfa-required", "refusal", "403 mfa_required", ""),
            ("access-denied", "refusal", "403 access_denied, as an Action's api.access.deny", "description"),
            ("refuse", "refusal", "any OAuth error (default: 403 invalid_grant)", "error description status"),
            # Any endpoint: the answer, or the wire
            ("status", "transport", "any status, body (text or JSON) and headers", "status body headers"),
            ("html", "transport", "a web page", "status"),
            ("empty", "transport", "status 200 and nothing else", "status"),
            ("truncated", "transport", "the connection ends before the announced length", ""),
            ("huge", "transport", "a string of 50 MB", "megabytes"),
            ("gzip-bomb", "transport", "50 MB packed into 50 kB", "megabytes"),
            ("gzip-wrong", "transport", "says gzip and is not", ""),
            ("deep-json", "transport", "200 000 brackets", "depth"),
            ("big-integer", "transport", "an integer of 6000 digits", ""),
            ("nan", "transport", "NaN where a number belongs", ""),
            ("list", "transport", "a JSON list", ""),
            ("json", "transport", "any JSON value", "value status"),
            ("bad-utf8", "transport", "bytes that are not UTF-8", ""),
            ("bom", "transport", "a byte order mark before the JSON", ""),
            ("broken-chunks", "transport", "chunks whose sizes lie", ""),
            ("not-http", "transport", "bytes that are not HTTP", ""),
            ("slow", "transport", "silence, then the real answer", "seconds"),
            ("drip-body", "transport", "one byte at a time", "seconds interval"),
            ("drip-headers", "transport", "one header at a time", "seconds interval"),
            ("drop", "transport", "the connection is closed before any answer", ""),
            ("drop-after", "transport", "the request takes effect and its answer is lost", ""),
            ("reset", "transport", "the connection is reset", ""),
            ("redirect", "transport", "a redirect (default: 307 to /elsewhere on the tenant)", "status location"),
            ("rate-limit", "transport", "429 with Retry-After", "retry_after"),
            ("global-limit", "transport", "500 «Global limit has been reached», as seen once at Auth0", ""),
            # Keys, metadata, userinfo
            ("jwks-empty", "jwks", "no keys", ""),
            ("jwks-junk", "jwks", "junk and broken keys around the good ones", ""),
            ("jwks-enc-only", "jwks", "the keys are published for encryption only", ""),
            ("jwks-oct", "jwks", "a symmetric key under the right kid", ""),
            ("metadata-issuer-mismatch", "metadata", "another issuer", "value"),
            ("metadata-missing", "metadata", "one member left out", "member"),
            ("userinfo-sub-other", "userinfo", "sub of somebody else", "value"),
            ("userinfo-sub-missing", "userinfo", "no sub", ""),
            # The authorization response
            ("authorize-error", "authorize", "any error", "error description"),
            ("state-wrong", "authorize", "another state", "value"),
            ("state-missing", "authorize", "no state", ""),
            ("iss-wrong", "authorize", "iss of another tenant", "value"),
            ("iss-missing", "authorize", "no iss although it is announced", ""),
        ],
    )
}

_COMMON: dict[str, frozenset[str]] = {
    "transport": frozenset({"endpoint", "grant_type", "processed"}),
    "answer": frozenset({"grant_type"}),
    "refusal": frozenset({"grant_type"}),
    "id_token": frozenset({"grant_type"}),
}


@dataclass
class Fault:
    """One fault waiting to happen ``remaining`` times; ``None`` = until cleared."""

    name: str
    kind: Kind
    remaining: int | None
    options: dict[str, Any]

    def get(self, option: str, default: Any = None) -> Any:
        return self.options.get(option, default)


class FaultBox:
    """The faults waiting to happen, oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []

    def add(self, name: str, times: int | None = 1, **options: Any) -> None:
        """Arm a fault. Raises ValueError for a name, an option or an endpoint that does not exist."""
        if name not in FAULTS:
            raise ValueError(f"unknown fault {name!r}")
        kind, _, known = FAULTS[name]
        unknown = sorted(set(options) - known - _COMMON.get(kind, frozenset()))
        if unknown:
            raise ValueError(f"fault {name!r} has no option {', '.join(unknown)}")
        if options.get("endpoint", "token") not in ENDPOINTS:
            raise ValueError(f"unknown endpoint {options['endpoint']!r}; known: {', '.join(ENDPOINTS)}")
        with self._lock:
            self._waiting.append(Fault(name, kind, times, options))

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()

    def pending(self) -> list[str]:
        with self._lock:
            return [fault.name for fault in self._waiting]

    def take_all(self, kind: Kind, *, grant_type: str | None = None) -> list[Fault]:
        """Use up one turn of every waiting fault of this kind."""
        with self._lock:
            found = [fault for fault in self._waiting if fault.kind == kind and _fits(fault, grant_type)]
            self._spend(found)
            return found

    def take_transport(self, endpoint: str | None, *, grant_type: str | None) -> Fault | None:
        """Use up one turn of the oldest waiting fault of this endpoint."""
        with self._lock:
            for fault in self._waiting:
                if (
                    fault.kind == "transport"
                    and fault.get("endpoint", "token") == endpoint
                    and _fits(fault, grant_type)
                ):
                    self._spend([fault])
                    return fault
            return None

    def _spend(self, faults: Iterable[Fault]) -> None:
        for fault in faults:
            if fault.remaining is not None:
                fault.remaining -= 1
                if fault.remaining <= 0:
                    self._waiting.remove(fault)


def _fits(fault: Fault, grant_type: str | None) -> bool:
    wanted = fault.get("grant_type")
    return wanted is None or wanted == grant_type
