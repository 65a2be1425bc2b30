"""Is the tenant about to refuse: what the answers to all other tests say about the rate limit."""

from __future__ import annotations

from collections.abc import Iterator

from django_auth0_flow.doctor.catalogue import WARNING
from django_auth0_flow.doctor.examined import Examined, Test
from django_auth0_flow.doctor.findings import Finding, finding


def probe_limits(examined: Examined) -> Iterator[Finding]:
    """Judge what the answers so far say about the rate limit."""
    for exchange in examined.http.exchanges:
        if exchange.answer.status == 429 and b"too_many_attempts" not in exchange.answer.body:
            yield finding("SM69", "rate limits", "429")
            return
    for exchange in examined.http.exchanges:
        limit, left = (exchange.answer.headers.get(f"X-RateLimit-{name}", "") for name in ("Limit", "Remaining"))
        if limit.isdecimal() and left.isdecimal() and int(left) * 10 < int(limit):
            yield finding("SM69", "rate limits", examined.printable(f"{left} of {limit} left"), severity=WARNING)
            return


TESTS = (Test("rate limits", probe_limits),)
