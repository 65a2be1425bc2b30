"""Delete what is no longer needed: login sessions whose Django session is gone, logout tokens that have expired.

In batches by primary key, each statement a transaction of its own: memory is bounded and no request waits for a lock.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings as django_settings
from django.db import router
from django.db.models import Q, QuerySet
from django.utils import timezone

from django_auth0_flow.conf import configuration_names, get_settings
from django_auth0_flow.models import LoginSession
from django_auth0_flow.signals import login_session_ended
from django_auth0_flow.storage.django_sessions import living_sessions
from django_auth0_flow.storage.logout_tokens import SpentLogoutToken

#: A login session is dead when its Django session was missing in two runs, at least so many seconds apart. One run is not
#: enough: while a request is under way, its new session key (or all of a login) is not stored everywhere yet.
MISSING_SECONDS = 300


@dataclass(frozen=True)
class _Look:
    """What was read of a row. ``key``: of its Django session; None if the keys that sealed it are not here."""

    pk: uuid.UUID
    key: str | None = field(repr=False)
    missing_since: datetime | None

    @classmethod
    def at(cls, row: LoginSession) -> _Look:
        key = row.session_key
        return cls(row.pk, key if key or not row.session_digest else None, row.session_missing_since)

    def is_dead(self, now: datetime) -> bool:
        """Tell whether the session has been missing for long enough.

        One whose key can't be read may be alive: perhaps only this machine lacks the keys. It is waited for as long as
        Django's own cookie lives.
        """
        seconds = MISSING_SECONDS if self.key is not None else max(MISSING_SECONDS, django_settings.SESSION_COOKIE_AGE)
        return self.missing_since is not None and self.missing_since <= now - timedelta(seconds=seconds)


@dataclass
class Counts:
    """The result of a run: rows looked at, rows whose session is missing for now, rows deleted."""

    looked_at: int = 0
    missing: int = 0
    deleted: int = 0


def clear_login_sessions(
    *, batch_size: int = 1000, limit: int | None = None, dry_run: bool = False, start: uuid.UUID | None = None
) -> Counts:
    """Delete login sessions without a Django session; with ``dry_run`` only count them.

    ``limit`` is how many rows to look at in all: a big table is then walked bit by bit, each run beginning at a random
    place (``start``) and going round. The tenant is not asked to revoke anything: that would be a storm of requests.
    """
    counts = Counts()
    if start is None and limit is not None:
        start = uuid.uuid4()
    for batch in _batches(batch_size, limit, start):
        counts.looked_at += len(batch)
        _clear_batch(batch, counts, dry_run)
    return counts


def clear_logout_tokens(*, batch_size: int = 1000, dry_run: bool = False) -> int:
    """Delete the used logout tokens that have expired, and return how many; with ``dry_run`` only count them."""
    now = min(get_settings(name).clock() for name in configuration_names())
    alias = router.db_for_write(SpentLogoutToken)
    expired = SpentLogoutToken.objects.using(alias).filter(expires_at__lt=now)
    if dry_run:
        return expired.count()
    deleted = 0
    while keys := list(expired.order_by("expires_at").values_list("pk", flat=True)[:batch_size]):
        deleted += expired.filter(pk__in=keys).delete()[0]
    return deleted


def _batches(size: int, limit: int | None, start: uuid.UUID | None) -> Iterator[list[_Look]]:
    """Yield all rows in batches by primary key, from ``start`` on and then those before it, ``limit`` at most."""
    rows = LoginSession.objects.order_by("pk").only(
        "configuration", "sealed_session_key", "session_digest", "session_missing_since"
    )
    parts = [rows] if start is None else [rows.filter(pk__gt=start), rows.filter(pk__lte=start)]
    for part in parts:
        last: uuid.UUID | None = None
        while limit is None or limit > 0:
            page = part if last is None else part.filter(pk__gt=last)
            wanted = size if limit is None else min(size, limit)
            batch = [_Look.at(row) for row in page[:wanted]]
            if not batch:
                break
            yield batch
            last = batch[-1].pk
            limit = None if limit is None else limit - len(batch)


def _clear_batch(batch: list[_Look], counts: Counts, dry_run: bool) -> None:
    now = timezone.now()
    living = living_sessions({look.key for look in batch if look.key})
    missing = [look for look in batch if look.key not in living]
    dead = [look.pk for look in missing if look.is_dead(now)]
    counts.missing += len(missing) - len(dead)
    if dry_run:
        counts.deleted += len(dead)
        return
    back = [look.pk for look in batch if look.missing_since is not None and look.key in living]
    if back:
        LoginSession.objects.filter(pk__in=back).update(session_missing_since=None)
    new = [look.pk for look in missing if look.missing_since is None]
    if new:
        LoginSession.objects.filter(pk__in=new, session_missing_since__isnull=True).update(session_missing_since=now)
    if dead:
        still_missing = Q(session_missing_since__lte=now - timedelta(seconds=MISSING_SECONDS))
        counts.deleted += _delete(LoginSession.objects.filter(pk__in=dead), still_missing)


def _delete(rows: QuerySet[LoginSession], still_missing: Q) -> int:
    """Delete all at once, or one by one if ``login_session_ended`` has receivers."""
    if not login_session_ended.has_listeners(LoginSession):
        return rows.filter(still_missing).delete()[0]
    return sum(row.end("session_gone", only_if=still_missing) for row in rows.select_related("identity"))
