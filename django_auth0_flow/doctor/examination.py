"""The tests, in the order that gives the clearest message first, and what each one can't do without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django_auth0_flow.conf import Auth0Settings
from django_auth0_flow.doctor.authorize_probes import probe_authorize, probe_silent
from django_auth0_flow.doctor.catalogue import ERROR, WARNING
from django_auth0_flow.doctor.examined import Subject
from django_auth0_flow.doctor.findings import Finding, Report, Untested, finding
from django_auth0_flow.doctor.logout_probe import probe_logout
from django_auth0_flow.doctor.metadata_probes import (
    probe_clock,
    probe_discovery,
    probe_endpoints,
    probe_keys,
    unreachable,
)
from django_auth0_flow.doctor.token_probes import (
    needs_code,
    needs_mfa,
    needs_one_time_code,
    needs_password,
    needs_passwordless,
    needs_refresh,
    probe_code,
    probe_mfa,
    probe_one_time_code,
    probe_password,
    probe_passwordless,
    probe_refresh,
)
from django_auth0_flow.protocol.errors import TransportError


@dataclass(frozen=True)
class Step:
    """``needs``: what must not be lost before. ``applies``: whether the settings call for it."""

    name: str
    probe: Callable[[Subject], Iterator[Finding]]
    needs: tuple[str, ...] = ("tenant",)
    applies: Callable[[Auth0Settings], bool] = lambda conf: True


_CLIENT = ("tenant", "client", "credentials")


def probe_limits(subject: Subject) -> Iterator[Finding]:
    """Judge what the answers so far say about the rate limit."""
    for exchange in subject.http.exchanges:
        if exchange.answer.status == 429 and b"too_many_attempts" not in exchange.answer.body:
            yield finding("SM69", "rate limits", "429")
            return
    for exchange in subject.http.exchanges:
        limit, left = (exchange.answer.headers.get(f"X-RateLimit-{name}", "") for name in ("Limit", "Remaining"))
        if limit.isdecimal() and left.isdecimal() and int(left) * 10 < int(limit):
            yield finding("SM69", "rate limits", subject.literal(f"{left} of {limit} left"), severity=WARNING)
            return


STEPS = (
    Step("discovery", probe_discovery, needs=()),
    Step("keys", probe_keys),
    Step("clock", probe_clock),
    Step("endpoints", probe_endpoints),
    Step("authorize", probe_authorize, needs=("tenant", "client")),
    Step("silent", probe_silent, needs=("tenant", "client", "authorize")),
    Step("code", probe_code, needs=_CLIENT, applies=needs_code),
    Step("refresh", probe_refresh, needs=_CLIENT, applies=needs_refresh),
    Step("password", probe_password, needs=_CLIENT, applies=needs_password),
    Step("one-time code", probe_one_time_code, needs=_CLIENT, applies=needs_one_time_code),
    Step("passwordless", probe_passwordless, needs=_CLIENT, applies=needs_passwordless),
    Step("second factor", probe_mfa, needs=_CLIENT, applies=needs_mfa),
    Step("logout", probe_logout, needs=("tenant", "client")),
    Step("rate limits", probe_limits),
)

#: Findings that mean that a test did not get through to the tenant.
_NO_ANSWER = frozenset(["D01", "D02", "D03", "D07", "D99"])


def examine(subject: Subject, report: Report) -> None:
    """Run the tests and write into ``report`` what comes out; a test that fails itself does not end the examination."""
    for step in STEPS:
        if not step.applies(subject.conf):
            continue
        reasons = [subject.lost[need] for need in step.needs if need in subject.lost]
        if reasons:
            report.untested.append(Untested(step.name, reasons[0]))
            continue
        for found in _run(step, subject):
            _add(report, found)
        report.tested.append(step.name)
    report.requests = subject.http.requests


def _run(step: Step, subject: Subject) -> list[Finding]:
    found: list[Finding] = []
    try:
        found.extend(step.probe(subject))
    except TransportError as error:
        if error.code == "rate_limited":
            subject.lost["tenant"] = "the tenant limits the rate of requests"
            found.append(finding("SM69", step.name, subject.last_answer()))
        elif error.status is None:
            found.append(unreachable(subject, error, step.name))
        else:
            found.append(finding("D07", step.name, subject.last_answer()))
    except Exception as error:
        found.append(finding("D99", step.name, type(error).__name__))
    return found


def _add(report: Report, found: Finding) -> None:
    """Add a finding once: two tests may meet the same mistake."""
    if any((known.name, known.cause) == (found.name, found.cause) for known in report.findings):
        return
    report.findings.append(found)
    if found.id in _NO_ANSWER and found.severity == ERROR:
        report.is_complete = False
