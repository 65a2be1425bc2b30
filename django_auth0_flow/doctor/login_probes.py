"""What the newest login that is stored here tells: some mistakes show in real logins only."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import Error

from django_auth0_flow.doctor.examined import Examined, Test
from django_auth0_flow.doctor.findings import Finding, finding
from django_auth0_flow.doctor.token_probes import needs_refresh
from django_auth0_flow.models import LoginSession
from django_auth0_flow.protocol.claim_checks import utc_text
from django_auth0_flow.storage.sealing import UnsealError


def probe_last_login(examined: Examined) -> Iterator[Finding]:
    """Look whether the newest login has the refresh token that it asked for."""
    try:
        # In the order of an index: there may be a million.
        row = LoginSession.objects.filter(configuration=examined.conf.name).order_by("-created_at", "-id").first()
        tokens = row.grant.tokens if row is not None else None
    except (Error, UnsealError):
        return  # the settings' part of the report says so
    if row is not None and tokens is not None and tokens.refresh_token is None:
        yield finding("SM37", "last login", detail=f"That login was at {utc_text(row.logged_in_at)}.")


TESTS = (
    Test(
        "last login",
        probe_last_login,
        needs=(),
        applies=lambda conf: needs_refresh(conf) and "code" in conf.response_kinds,
    ),
)
