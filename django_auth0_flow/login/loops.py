"""Logins that follow each other within seconds, and failures in a row: where trying again would not help.

A view that always asks for another login would send the browser round for ever: each round costs the visitor's patience,
this site a row and the tenant a token request. A person at work looks different: a login that somebody clicked or typed for
starts the count anew. The guard is against mistakes of a site's setup. It stops no attacker, who needs no redirects.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest

from django_auth0_flow.pages.rendering import is_click
from django_auth0_flow.storage.django_session_facts import FACTS_KEY, noted

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


def is_looping(request: HttpRequest, configuration: str, now: float) -> bool:
    """Tell whether this browser has logged in again and again within seconds: another login would not help.

    A click is not part of a loop, nor is a login with another configuration than the last: a person chose it.
    """
    facts = noted(request)
    at = facts.get("at")
    if facts.get("configuration") != configuration or is_click(request):
        return False
    return isinstance(at, (int, float)) and abs(now - at) < LOOP_SECONDS and facts.get("rounds", 0) >= LOOP_ROUNDS - 1


def count_anew(request: HttpRequest) -> None:
    """Forget the rounds so far: the page that ended them has no redirect, so only a person goes on from there.

    Without this, somebody whose browser does not say what was clicked would have to wait until LOOP_SECONDS are over.
    """
    if facts := noted(request):
        request.session[FACTS_KEY] = {**facts, "rounds": 0}
