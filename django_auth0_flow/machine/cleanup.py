"""Clearing away machine tokens that have expired and were not renewed: nothing uses them any more."""

from __future__ import annotations

from django_auth0_flow.conf import configuration_names, get_settings
from django_auth0_flow.models import MachineToken

#: Seconds after its expiry before a row goes: one in regular use is renewed long before.
UNUSED_SECONDS = 3600


def clear_machine_tokens(*, dry_run: bool) -> int:
    """Delete dead rows, and return how many those were."""
    now = min(get_settings(name).clock() for name in configuration_names())
    dead = MachineToken.objects.dead(now - UNUSED_SECONDS)
    return dead.count() if dry_run else dead.delete()[0]
