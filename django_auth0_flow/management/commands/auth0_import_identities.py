"""``manage.py auth0_import_identities``: users of another login package keep their accounts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_auth0_flow.conf import DEFAULT, configuration_names, get_settings
from django_auth0_flow.users.import_sources import (
    ALLAUTH,
    SOCIAL_AUTH,
    CannotRead,
    Found,
    read_accounts,
    read_csv,
    read_user_field,
)
from django_auth0_flow.users.importing import Plan, apply_plan, build_plan

_SHOWN = 20

_TABLES = {"social-auth": SOCIAL_AUTH, "allauth": ALLAUTH}

_NO_FIELD = (
    "mozilla-django-oidc keeps no subject of its own: it finds users by e-mail. Name the field in which your project keeps "
    "the subject with --field; if there is none, export the tenant's users (user_id, email, email_verified) and use "
    "the source csv with --field email."
)


class Command(BaseCommand):
    help = (
        "Links existing users to their Auth0 identities, so that their next login finds their account: no new password, "
        "no second account. Only shows what it would do, unless called with --apply. Links that exist are never changed, "
        "conflicts are listed and left alone, and running it again does no harm. Exit codes: 0 done, 1 conflicts, "
        "2 could not run."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "source", choices=["mozilla-django-oidc", *_TABLES, "csv"], help="where the subjects are now"
        )
        parser.add_argument(
            "--field",
            default="",
            metavar="NAME",
            help="mozilla-django-oidc: the users' field that holds the subject. csv: the users' field that the file has "
            "as a column beside sub or user_id (pk)",
        )
        parser.add_argument(
            "--provider",
            action="append",
            default=[],
            metavar="NAME",
            help="social-auth, allauth: the provider's name in its table; may be repeated (auth0)",
        )
        parser.add_argument("--file", type=Path, metavar="PATH", help="csv: the file")
        parser.add_argument("--configuration", default=DEFAULT, metavar="NAME", help="whose issuer it is (default)")
        parser.add_argument("--apply", action="store_true", help="write the links")

    def handle(self, *args: Any, **options: Any) -> None:
        """Plan, show, and with ``--apply`` write."""
        name = options["configuration"]
        if name not in (known := configuration_names()):
            raise CommandError(f"AUTH0 has no configuration {name!r}; it has {', '.join(known)}.", returncode=2)
        conf = get_settings(name)
        try:
            plan = build_plan(conf, self._read(options))
        except CannotRead as error:
            raise CommandError(str(error), returncode=2) from None
        linked = apply_plan(plan) if options["apply"] else None
        self._tell(plan, linked, verbosity=options["verbosity"])
        if plan.conflicts:
            raise SystemExit(1)

    def _read(self, options: dict[str, Any]) -> Iterator[Found]:
        source, field = options["source"], options["field"]
        if source in _TABLES:
            return read_accounts(_TABLES[source], options["provider"])
        if source == "csv":
            if options["file"] is None:
                raise CommandError("The source csv needs --file.", returncode=2)
            return read_csv(options["file"], field or "pk")
        if not field:
            raise CommandError(_NO_FIELD, returncode=2)
        return read_user_field(field)

    def _tell(self, plan: Plan, linked: int | None, *, verbosity: int) -> None:
        if verbosity == 0:
            return
        say, style = self.stdout.write, self.style
        say(f"Issuer: {plan.issuer}")
        say(f"{len(plan.new)} to link" if linked is None else style.SUCCESS(f"{linked} linked"))
        say(f"{plan.present} linked already")
        if plan.passed_over:
            say(f"{plan.passed_over} passed over: their field holds no subject")
        if verbosity > 1:
            for subject, user in plan.new.items():
                say(f"  {subject} is user {user}")
        if plan.conflicts:
            say(style.WARNING(f"{len(plan.conflicts)} left alone:"))
            shown = plan.conflicts if verbosity > 1 else plan.conflicts[:_SHOWN]
            for conflict in shown:
                say(f"  {conflict}")
            if len(shown) < len(plan.conflicts):
                say(f"  and {len(plan.conflicts) - len(shown)} more: --verbosity 2 shows all")
        if linked is None:
            say("Nothing was written. Read this, then run it again with --apply.")
