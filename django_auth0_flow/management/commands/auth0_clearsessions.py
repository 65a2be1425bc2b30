"""``manage.py auth0_clearsessions``: like Django's ``clearsessions``, for login sessions."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_auth0_flow.logout.cleanup import MISSING_SECONDS, clear_login_sessions, clear_logout_tokens
from django_auth0_flow.machine.cleanup import clear_machine_tokens
from django_auth0_flow.storage.django_sessions import why_unknowable

MAX_BATCH = 10_000


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


class Command(BaseCommand):
    help = (
        "Deletes login sessions whose Django session is gone, expired machine tokens and records of logout tokens. "
        "A login session goes when its session was missing in two runs at least "
        f"{MISSING_SECONDS // 60} minutes apart. May run every minute beside live traffic."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--batch-size", type=_count, default=1000, help="rows per statement (1000)")
        parser.add_argument(
            "--limit", type=_count, help="look at so many login sessions at most, from a random place on (all of them)"
        )
        parser.add_argument("--dry-run", action="store_true", help="only count")

    def handle(self, *args: Any, **options: Any) -> None:
        """Clear all and print the counts."""
        if reason := why_unknowable():
            raise CommandError(f"Nothing was deleted: {reason}.")
        batch_size, dry_run = min(options["batch_size"], MAX_BATCH), options["dry_run"]
        found = clear_login_sessions(batch_size=batch_size, limit=options["limit"], dry_run=dry_run)
        tokens = clear_logout_tokens(batch_size=batch_size, dry_run=dry_run)
        machine_tokens = clear_machine_tokens(batch_size=batch_size, dry_run=dry_run)
        if options["verbosity"] > 0:
            done = "to delete" if dry_run else "deleted"
            self.stdout.write(
                f"{found.looked_at} login sessions looked at: {found.deleted} {done}, "
                f"{found.missing} without a session for now. {tokens} used logout tokens {done}."
                + (f" {machine_tokens} machine tokens {done}." if machine_tokens else "")
            )
