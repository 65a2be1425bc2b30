"""The log of the requests a tenant received, for tests to count."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from werkzeug.datastructures import Headers

#: Members that the HTTP log shows as «<redacted>».
SECRET_NAMES = frozenset(
    "access_token assertion binding_code client_assertion client_secret code code_verifier id_token id_token_hint "
    "logout_token mfa_token oob_code otp password recovery_code refresh_token request request_uri subject_token "
    "token ticket invitation".split()
)
_SECRET_HEADERS = frozenset({"authorization", "cookie", "dpop"})


@dataclass
class LoggedRequest:
    """One request as it arrived. ``form`` also holds the members of a JSON body; ``status`` is 0 until answered."""

    method: str
    path: str
    query: dict[str, list[str]] = field(repr=False)
    form: dict[str, list[str]] = field(repr=False)
    headers: Headers = field(repr=False)
    time: float
    status: int = 0

    @property
    def grant_type(self) -> str | None:
        values = self.form.get("grant_type")
        return values[0] if values else None

    def as_dict(self) -> dict[str, Any]:
        """Return the request as JSON for the control API, secrets left out."""
        return {
            "method": self.method,
            "path": self.path,
            "query": _redacted(self.query),
            "form": _redacted(self.form),
            "headers": {
                name: "<redacted>" if name.lower() in _SECRET_HEADERS else value for name, value in self.headers
            },
            "time": self.time,
            "status": self.status,
            "grant_type": self.grant_type,
        }


def _redacted(values: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: ["<redacted>"] * len(found) if name in SECRET_NAMES else found for name, found in values.items()}


class RequestLog:
    """Requests in the order of their arrival; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[LoggedRequest] = []

    def append(self, entry: LoggedRequest) -> None:
        with self._lock:
            self._entries.append(entry)

    def snapshot(self) -> list[LoggedRequest]:
        with self._lock:
            return list(self._entries)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()

    def count(self, path: str | None = None, *, method: str | None = None, grant_type: str | None = None) -> int:
        return sum(
            (path is None or entry.path == path)
            and (method is None or entry.method == method)
            and (grant_type is None or entry.grant_type == grant_type)
            for entry in self.snapshot()
        )
