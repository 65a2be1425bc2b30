"""What Django's session holds of a login: the login session's id and a few public facts. Never a token.

These are notes, not a judgement: ``access.current_login`` decides whether a person is logged in.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from django.http import HttpRequest

#: Under this key: ``{"id", "configuration", "key", "at", "asked", "rounds", …}``. What guards against loops (``at``,
#: ``rounds``, ``configuration``) stays when a login has ended; ``id`` does not.
FACTS_KEY = "_auth0"
#: Under this key the session knows for which configurations a silent login need not be tried (again).
_TRIED_KEY = "_auth0_silent"
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_LOOP_GUARD = ("at", "rounds", "configuration")


def noted(request: HttpRequest) -> Mapping[str, Any]:
    """Return all that the session notes under ``FACTS_KEY``, of a login or of one that has ended; empty for nothing."""
    facts = request.session.get(FACTS_KEY)
    return facts if isinstance(facts, dict) else _NOTHING


def noted_login(request: HttpRequest) -> Mapping[str, Any]:
    """Return the facts of the login session that this Django session names; empty if it names none."""
    facts = noted(request)
    return facts if isinstance(facts.get("id"), str) and facts["id"] else _NOTHING


def keep_loop_guard(request: HttpRequest, facts: Mapping[str, Any]) -> None:
    """Note in a new session how often this browser logged in within the last seconds, and by which configuration."""
    request.session[FACTS_KEY] = {name: facts[name] for name in _LOOP_GUARD if name in facts}


def silent_logins_tried(request: HttpRequest) -> frozenset[str]:
    """Return the configurations for which this session has looked for the tenant's session."""
    found = request.session.get(_TRIED_KEY)
    return frozenset(name for name in found if isinstance(name, str)) if isinstance(found, list) else frozenset()


def remember_silent_login(request: HttpRequest, configuration: str) -> None:
    """Note that this session need not look for the tenant's session: there is none, or it is not wanted back."""
    request.session[_TRIED_KEY] = sorted({*silent_logins_tried(request), configuration})
