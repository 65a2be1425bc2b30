"""Tokens and claims in words, for the pages that show them. Never a token."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext as _

from django_auth0_flow.session import Auth0Session


def token_facts(login: Auth0Session) -> dict[str, Any]:
    """Return what may be shown of an access token."""
    tokens, row = login.tokens, login.login_session
    now = login.configuration.clock()
    return {
        "now": moment(now),
        "received_at": moment(row.refreshed_at or row.logged_in_at),
        "expires_at": moment(tokens.expires_at) if tokens.expires_at else None,
        "lives": minutes(max(0, (tokens.expires_at or 0) - now)),
        "has_refresh_token": tokens.refresh_token is not None,
    }


def claim(name: str, value: object) -> str:
    """Return a claim's value for reading; points in time are told as such."""
    if name in ("iat", "exp", "auth_time") and isinstance(value, (int, float)):
        return f"{value} ({moment(value):%Y-%m-%d %H:%M:%S} UTC)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def moment(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)


def minutes(seconds: float) -> str:
    """Return a length of time in words: ``4 min 59 s``, without seconds from an hour on."""
    whole, rest = divmod(round(seconds), 60)
    hours, whole = divmod(whole, 60)
    parts = [
        _("%d h") % hours if hours else "",
        _("%d min") % whole if whole else "",
        _("%d s") % rest if not hours and (rest or not whole) else "",
    ]
    return " ".join(filter(None, parts))
