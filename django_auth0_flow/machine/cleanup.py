"""Clearing away machine tokens that have expired and were not renewed: nothing uses them any more."""

from __future__ import annotations

from django_auth0_flow.conf import configuration_names, get_settings
from django_auth0_flow.models import MachineToken

#: Seconds after its expiry before a row goes: one in regular use is renewed long before.
UNUSED_SECONDS = 3600


def clear_machine_tokens(*, batch_size: int = 1000, dry_run: bool) -> int:
    """Delete dead rows, in batches by primary key, and return how many those were."""
    now = min(get_settings(name).clock() for name in configuration_names())
    dead, keys = MachineToken.objects.dead(now - UNUSED_SECONDS), MachineToken.objects.order_by("pk")
    found, last = 0, ""
    while batch := list(keys.filter(pk__gt=last).values_list("pk", flat=True)[:batch_size]):
        rows = dead.filter(pk__gt=last, pk__lte=batch[-1])
        found += rows.count() if dry_run else rows.delete()[0]
        last = batch[-1]
    return found
