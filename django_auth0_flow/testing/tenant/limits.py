"""Rate limits: token buckets per endpoint, off until a test sets them."""

from __future__ import annotations

import json
import math
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

#: The limits Auth0 documents: endpoint -> (burst, refilled per second).
DOCUMENTED: dict[str, tuple[int, float]] = {
    "token": (30, 30),
    "userinfo": (10, 5 / 60),
    "jwks": (20, 20),
    "passwordless": (50, 50 / 3600),
    "signup": (50, 1 / 1.2),
    "change_password": (10, 1 / 60),
}


@dataclass
class RateLimits:
    """``rates`` maps an endpoint's name to (burst, refilled per second).

    Userinfo counts per access token, change_password per address, which is all that its requests differ in.
    """

    rates: dict[str, tuple[int, float]] = field(default_factory=dict)
    _levels: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def enforce_documented(self) -> None:
        self.rates = dict(DOCUMENTED)

    def refuse(self, endpoint: str | None, environ: WSGIEnvironment, now: float) -> Response | None:
        """Take one token from the bucket; return the 429 answer when it is empty."""
        if endpoint is None or endpoint not in self.rates:
            return None
        burst, rate = self.rates[endpoint]
        bucket = _bucket(endpoint, environ)
        with self._lock:
            level, then = self._levels.get(bucket, (float(burst), now))
            level = min(float(burst), level + max(0.0, now - then) * rate)
            allowed = level >= 1
            self._levels[bucket] = (level - 1 if allowed else level, now)
        if allowed:
            return None
        wait = math.ceil((1 - level) / rate)
        body = {"error": "too_many_requests", "error_description": "Rate limit exceeded."}
        headers = {
            "Retry-After": str(wait),
            "X-RateLimit-Limit": str(burst),
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": str(math.ceil(now + burst / rate)),
        }
        return Response(json.dumps(body), status=429, content_type="application/json", headers=headers)

    def headers(self, endpoint: str | None, environ: WSGIEnvironment) -> dict[str, str]:
        """Return what an answer tells about the bucket that its request was taken from; nothing without a limit."""
        if endpoint is None or endpoint not in self.rates:
            return {}
        with self._lock:
            level = self._levels.get(_bucket(endpoint, environ), (0.0, 0.0))[0]
        return {"X-RateLimit-Limit": str(self.rates[endpoint][0]), "X-RateLimit-Remaining": str(int(level))}


def _bucket(endpoint: str, environ: WSGIEnvironment) -> tuple[str, str]:
    if endpoint == "change_password":
        body: bytes = environ["wsgi.input"].getvalue()
        return endpoint, body.decode("utf-8", "replace")
    return endpoint, environ.get("HTTP_AUTHORIZATION", "") if endpoint == "userinfo" else ""
