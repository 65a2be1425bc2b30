"""The whole examination: settings first, then the tenant of each configuration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.conf import settings as django_settings
from django.core.checks import ERROR as DJANGO_ERROR
from django.core.checks import CheckMessage
from django.core.exceptions import ImproperlyConfigured

from django_auth0_flow import checks
from django_auth0_flow.conf import Auth0Settings, build_client, get_settings, http_options
from django_auth0_flow.doctor.addresses import NoAddress, find_addresses
from django_auth0_flow.doctor.catalogue import ERROR, WARNING
from django_auth0_flow.doctor.examination import examine
from django_auth0_flow.doctor.examined import RecordingHttp, Subject
from django_auth0_flow.doctor.findings import Finding, Report, Untested
from django_auth0_flow.doctor.hints import hints_for
from django_auth0_flow.doctor.literal import Literal


def examine_settings() -> list[Finding]:
    """Return what the system checks of this package report."""
    messages: list[CheckMessage] = [*checks.check_settings(), *checks.check_project()]
    return [_from_check(message) for message in messages if not message.is_silenced()]


def _from_check(message: CheckMessage) -> Finding:
    severity = ERROR if message.level >= DJANGO_ERROR else WARNING
    return Finding(message.id or "", "", severity, "settings", message.msg, message.hint or "")


def examine_configuration(name: str, *, base_url: str = "", callback: str = "", with_hints: bool = False) -> Report:
    """Return what the tenant says about one configuration; settings that can't be read leave the report empty.

    Raises NoAddress when nobody can tell where the site is.
    """
    report = Report(name)
    try:
        conf = get_settings(name)
    except ImproperlyConfigured:
        report.untested.append(Untested("everything", "AUTH0 has to be mended first"))
        return report
    addresses = find_addresses(conf, base_url=base_url, callback=callback)
    report.issuer, report.client_id = conf.issuer, conf.client_id
    report.callback, report.logged_out = addresses.callback, addresses.logged_out
    report.address_source = addresses.source
    http = RecordingHttp(clock=conf.clock, **http_options(conf))
    subject = Subject(
        conf=conf,
        client=build_client(conf, http=http, cache=None),
        http=http,
        callback=addresses.callback,
        logged_out=addresses.logged_out,
        literal=Literal(_secrets(conf)),
    )
    examine(subject, report)
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


__all__ = ["NoAddress", "examine_configuration", "examine_settings", "exit_code"]
