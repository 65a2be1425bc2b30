"""Ending login sessions from outside their own request: the tenant has ended them, or their user, the staff or the site."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from django_auth0_flow.conf import get_settings, names_of_client
from django_auth0_flow.models import Identity, LoginSession
from django_auth0_flow.protocol.deadline import http_deadline
from django_auth0_flow.protocol.errors import TransportError
from django_auth0_flow.storage.sealing import UnsealError
from django_auth0_flow.tokens.fetch import revoke

#: Seconds in all for revoking refresh tokens. Auth0 waits 5 seconds for the answer to a logout token.
REVOCATION_SECONDS = 2


@dataclass(frozen=True)
class Ended:
    """The result: login sessions ended, and how many are left because their Django sessions could not be deleted.

    ``revoked``: refresh tokens that the tenant has revoked; ``unrevoked``: those for which it did not confirm that.
    """

    login_sessions: int = 0
    left: int = 0
    revoked: int = 0
    unrevoked: int = 0


def end_sessions(
    configuration: str, *, sid: str | None = None, subject: str | None = None, reason: str = "backchannel_logout"
) -> Ended:
    """End the login session with the tenant's ``sid``, or without one every login session of ``subject``.

    Only login sessions of this client count, under any of its configurations. Deletes Django's session, then the row: a
    crash in between leaves no one logged in, and a request that has just moved to a new session key finds its row gone
    and ends itself (``middleware.after_response``). A row whose session can't be deleted now stays (``Ended.left``), so
    that calling again finds it. Calling again is harmless.

    The refresh tokens are revoked, best effort: the row was the only place they could be used from. Back-Channel Logout
    1.0 §2.7 would let them live on for offline work, which needs the row here.
    """
    issuer = get_settings(configuration).issuer
    rows = LoginSession.objects.select_related("identity")
    if sid:
        rows = rows.filter(sid_key=LoginSession.sid_key_for(issuer, sid))
    elif subject:
        rows = rows.filter(identity__key=Identity.key_for(issuer, subject))
    else:
        raise ValueError("end_sessions needs a sid or a subject")
    return end_rows(rows.filter(configuration__in=names_of_client(configuration)), reason=reason)


def end_logins(user: Any, *, keep: LoginSession | None = None, reason: str = "ended_by_site") -> Ended:
    """End every login of ``user``, by whatever identity and configuration, but for ``keep``.

    As ``end_sessions`` does. In a request, ``keep=request.auth0.login_session`` leaves this browser logged in: a logout is
    what ends its own login.
    """
    rows = LoginSession.objects.for_user(user)
    return end_rows(rows.exclude(pk=keep.pk) if keep is not None else rows, reason=reason)


def end_rows(rows: Iterable[LoginSession], *, reason: str, seconds: float = REVOCATION_SECONDS) -> Ended:
    """End these login sessions, as ``end_sessions`` does. ``seconds`` in all for revoking their refresh tokens."""
    ended, left = end_here(rows, reason=reason)
    revoked, unrevoked = revoke_all(ended, seconds)
    return Ended(len(ended), left, revoked, unrevoked)


def end_here(rows: Iterable[LoginSession], *, reason: str) -> tuple[list[LoginSession], int]:
    """End these login sessions on this site; return those that ended, for ``revoke_all``, and how many are left."""
    ended, left = [], 0
    for row in rows:
        if row.end(reason, session=True):
            ended.append(row)
        else:
            left += LoginSession.objects.filter(pk=row.pk).exists()
    return ended, left


def revoke_all(rows: Iterable[LoginSession], seconds: float) -> tuple[int, int]:
    """Revoke the refresh tokens of login sessions that are gone, as far as the time allows; count what happened.

    A tenant that could not be reached is not asked again.
    """
    revoked = unrevoked = 0
    unreachable: set[str] = set()
    with http_deadline(seconds):
        for row in rows:
            try:
                refresh_token = row.grant.tokens.refresh_token
            except UnsealError:
                continue
            except ImproperlyConfigured:  # the configuration was taken out of the settings
                unrevoked += 1
                continue
            if not refresh_token:
                continue
            issuer = row.identity.issuer
            if issuer in unreachable:
                unrevoked += 1
                continue
            error = revoke(row.configuration, refresh_token, seconds=seconds)
            if isinstance(error, TransportError):
                unreachable.add(issuer)
            unrevoked += error is not None
            revoked += error is None
    return revoked, unrevoked
