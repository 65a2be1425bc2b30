"""Quotas of machine tokens per application, in UTC windows (reference 3.5.2; at Auth0 for its Management API only)."""

from __future__ import annotations

from .errors import ApiRefusal
from .model import DAY, Application
from .state import TenantState

_HEADER = "Auth0-Client-Quota-Limit"
_WINDOWS = {"per_hour": 3600, "per_day": DAY}


def spend(state: TenantState, application: Application) -> None:
    """Count a token that is about to be issued, or refuse it."""
    with state.lock:
        buckets = _buckets(state, application)
        if any(left <= 0 for _, left, _ in buckets.values()):
            headers = {**quota_headers(state, application), "X-RateLimit-Remaining": "0"}
            raise ApiRefusal(429, "too_many_requests", "Client quota exceeded", headers=headers)
        for bucket in buckets:
            state.quota_spent[_window(state, application, bucket)] += 1


def quota_headers(state: TenantState, application: Application) -> dict[str, str]:
    """Return what an answer tells about the application's quotas; nothing without any."""
    buckets = _buckets(state, application)
    told = [f"b={name};q={quota};r={max(0, left)};t={reset}" for name, (quota, left, reset) in buckets.items()]
    return {_HEADER: ",".join(told)} if told else {}


def _window(state: TenantState, application: Application, bucket: str) -> tuple[str, str, int]:
    return application.client_id, bucket, int(state.clock.now() // _WINDOWS[bucket])


def _buckets(state: TenantState, application: Application) -> dict[str, tuple[int, int, int]]:
    """Return quota, tokens left and seconds to the next window by the name of each bucket."""
    now = state.clock.now()
    return {
        name: (quota, quota - state.quota_spent[_window(state, application, name)], int(length - now % length) + 1)
        for name, length in _WINDOWS.items()
        if (quota := application.token_quota.get(name)) is not None
    }
