"""``manage.py auth0_doctor``: what is wrong between this site and its Auth0 tenant, and where to fix it."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_auth0_flow.conf import configuration_names
from django_auth0_flow.doctor.addresses import NoAddress
from django_auth0_flow.doctor.catalogue import ERROR, WARNING
from django_auth0_flow.doctor.examination import examine_configuration, examine_settings, exit_code
from django_auth0_flow.doctor.report import as_json, as_text


class Command(BaseCommand):
    help = (
        "Checks the settings, then asks the Auth0 tenant itself: discovery, keys, clock, callback and logout URL, client "
        "credentials and each grant that the settings need. Each mistake comes with the tenant's answer, the cause and the "
        "place in the Auth0 Dashboard. Safe in production: about ten requests, no one is logged in or out, no message is "
        "sent, nothing is stored. The requests are meant to be refused, so each writes a failure into the tenant's log "
        "(Monitoring > Logs) and counts against its rate limit. Exit codes: 0 nothing wrong, 1 problems, 2 could not run "
        "or the tenant did not answer."
    )
    requires_system_checks: list[str] = []  # they are part of the report

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--configuration", action="append", metavar="NAME", help="a configuration in AUTH0; may be repeated (all)"
        )
        parser.add_argument("--base-url", default="", metavar="URL", help="where the site is, if AUTH0 has no BASE_URL")
        parser.add_argument(
            "--callback", default="", metavar="URL", help="the whole callback URL, if that is not enough"
        )
        parser.add_argument("--json", action="store_true", help="print JSON")
        parser.add_argument(
            "--fail-level", choices=(ERROR, WARNING), default=ERROR, help="what makes the exit code 1 (error)"
        )
        parser.add_argument(
            "--verbose", action="store_true", help="also say what can't be seen from here (same as --verbosity 2)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Examine, print, and exit with the code."""
        known = configuration_names()
        names = options["configuration"] or known
        if unknown := [name for name in names if name not in known]:
            raise CommandError(f"AUTH0 has no configuration {unknown[0]!r}; it has {', '.join(known)}.", returncode=2)
        settings = examine_settings()
        try:
            reports = [
                examine_configuration(
                    name,
                    base_url=options["base_url"],
                    callback=options["callback"],
                    with_hints=options["verbose"] or options["verbosity"] > 1,
                )
                for name in names
            ]
        except NoAddress as error:
            raise CommandError(str(error), returncode=2) from None
        code = exit_code(settings, reports, fail_level=options["fail_level"])
        if options["json"]:
            self.stdout.write(json.dumps(as_json(settings, reports, code), indent=2))
        else:
            style = self.style
            for line in as_text(settings, reports, error=style.ERROR, warning=style.WARNING, good=style.SUCCESS):
                self.stdout.write(line)
        if code:
            raise SystemExit(code)
