"""Calling APIs in the site's own name (client credentials), without a user: one token for all workers."""

from __future__ import annotations

from django_auth0_flow.machine.source import MachineApi, amachine_token, machine_api, machine_token

__all__ = ["MachineApi", "amachine_token", "machine_api", "machine_token"]
