"""Logins that follow each other within seconds, and failures in a row: where trying again would not help."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FAILURES_KEY = "_auth0_failures"

#: Logins that follow each other within this many seconds count as one loop, ended after LOOP_ROUNDS.
LOOP_SECONDS, LOOP_ROUNDS = 30, 3


def rounds_so_far(before: Mapping[str, Any], configuration: str, now: float) -> int:
    """Return how many logins by this configuration came directly before this one, each within LOOP_SECONDS of the next.

    ``before``: what the session notes of the last login. ``now``: epoch seconds.
    """
    if not isinstance(before.get("at"), (int, float)):
        return 0
    if before.get("configuration") != configuration:
        return 0
    return int(before.get("rounds", 0)) + 1 if abs(now - before["at"]) < LOOP_SECONDS else 0


def is_looping(facts: Mapping[str, Any], configuration: str, now: float) -> bool:
    """Tell whether this browser has logged in again and again within seconds: another login would not help.

    A login with another configuration than the last is not part of a loop: a person chose it.
    """
    at = facts.get("at")
    if facts.get("configuration") != configuration:
        return False
    return isinstance(at, (int, float)) and abs(now - at) < LOOP_SECONDS and facts.get("rounds", 0) >= LOOP_ROUNDS - 1
