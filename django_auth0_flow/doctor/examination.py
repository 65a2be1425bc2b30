"""The whole examination: the settings, then the tenant of each configuration, by one test after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.conf import settings as django_settings
from django.core.checks import ERROR as DJANGO_ERROR
from django.core.checks import CheckMessage
from django.core.exceptions import ImproperlyConfigured

from django_auth0_flow import checks
from django_auth0_flow.conf import Auth0Settings, get_settings
from django_auth0_flow.conf.clients import build_client, http_options
from django_auth0_flow.doctor import (
    authorize_probes,
    limits_probes,
    login_probes,
    logout_probes,
    machine_probes,
    metadata_probes,
    token_probes,
)
from django_auth0_flow.doctor.addresses import find_addresses
from django_auth0_flow.doctor.catalogue import ERROR, WARNING
from django_auth0_flow.doctor.examined import Examined, RecordingHttp, Test
from django_auth0_flow.doctor.findings import Finding, Report, Untested, finding
from django_auth0_flow.doctor.hints import hints_for
from django_auth0_flow.doctor.metadata_probes import unreachable
from django_auth0_flow.doctor.printable import Printable
from django_auth0_flow.protocol.errors import TransportError

#: In this order: what a test finds missing spares later ones, and the answers to all of them tell of the rate limit.
TESTS = (
    *login_probes.TESTS,
    *metadata_probes.TESTS,
    *authorize_probes.TESTS,
    *token_probes.TESTS,
    *machine_probes.TESTS,
    *logout_probes.TESTS,
    *limits_probes.TESTS,
)

#: Findings that mean that a test did not get through to the tenant.
_NO_ANSWER = frozenset(["D01", "D02", "D03", "D07", "D99"])

#: Only warnings among the checks, since commands that come before ``migrate`` run them too.
_ERRORS_HERE = ("auth0_flow.W042",)


def examine(examined: Examined, report: Report) -> None:
    """Run the tests and write the results into ``report``; one that fails itself does not keep the others from running."""
    for test in TESTS:
        if not test.applies(examined.conf):
            continue
        reasons = [examined.lost[need] for need in test.needs if need in examined.lost]
        if reasons:
            report.untested.append(Untested(test.name, reasons[0]))
            continue
        for found in _run(test, examined):
            _add(report, found)
        report.tested.append(test.name)
    report.requests = examined.http.requests


def _run(test: Test, examined: Examined) -> list[Finding]:
    found: list[Finding] = []
    try:
        found.extend(test.probe(examined))
    except TransportError as error:
        if error.code == "rate_limited":
            examined.lost["tenant"] = "the tenant limits the rate of requests"
            found.append(finding("SM69", test.name, examined.last_answer()))
        elif error.status is None:
            found.append(unreachable(examined, error, test.name))
        else:
            found.append(finding("D07", test.name, examined.last_answer()))
    except Exception as error:
        found.append(finding("D99", test.name, type(error).__name__))
    return found


def _add(report: Report, found: Finding) -> None:
    """Add a finding once: two tests may meet the same mistake."""
    if any((known.name, known.cause) == (found.name, found.cause) for known in report.findings):
        return
    report.findings.append(found)
    if found.id in _NO_ANSWER and found.severity == ERROR:
        report.is_complete = False


def examine_settings() -> list[Finding]:
    """Return what the system checks of this package report, those included that look into the database."""
    messages: list[CheckMessage] = [
        *checks.check_settings(),
        *checks.check_project(),
        *checks.check_addresses(),
        *checks.check_views(),
        *checks.database_messages(),
    ]
    return [_from_check(message) for message in messages if not message.is_silenced()]


def _from_check(message: CheckMessage) -> Finding:
    severity = ERROR if message.level >= DJANGO_ERROR or message.id in _ERRORS_HERE else WARNING
    return Finding(message.id or "", "", severity, "settings", message.msg, message.hint or "")


def examine_configuration(name: str, *, base_url: str = "", callback: str = "", with_hints: bool = False) -> Report:
    """Return what the tenant says about one configuration; settings that can't be read leave the report empty.

    Raises NoAddress when the site's address can't be known.
    """
    report = Report(name)
    try:
        conf = get_settings(name)
    except ImproperlyConfigured:
        report.untested.append(Untested("everything", "AUTH0 has to be fixed first"))
        return report
    addresses = find_addresses(conf, base_url=base_url, callback=callback)
    report.issuer, report.client_id = conf.issuer, conf.client_id
    report.callback, report.logged_out = addresses.callback, addresses.logged_out
    report.address_source = addresses.source
    http = RecordingHttp(clock=conf.clock, **http_options(conf))
    examined = Examined(
        conf=conf,
        client=build_client(conf, http=http, cache=None),
        http=http,
        callback=addresses.callback,
        logged_out=addresses.logged_out,
        printable=Printable(_secrets(conf)),
    )
    examine(examined, report)
    if with_hints:
        report.hints = hints_for(conf, addresses.callback)
    return report


def _secrets(conf: Auth0Settings) -> Iterator[str]:
    yield conf.client_secret
    yield from conf.encryption_keys
    yield from map(str, [django_settings.SECRET_KEY, *django_settings.SECRET_KEY_FALLBACKS])


def exit_code(settings: Sequence[Finding], reports: Sequence[Report], *, fail_level: str) -> int:
    """Return 0 when all is well, 1 for problems of ``fail_level`` or worse, 2 when a tenant could not be asked."""
    if not all(report.is_complete for report in reports):
        return 2
    found = [*settings, *(found for report in reports for found in report.findings)]
    return int(any(item.is_error or fail_level == WARNING for item in found))
