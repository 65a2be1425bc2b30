"""``SpentLogoutToken``: which logout tokens were used, and what they ended, for logins that were under way then."""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, models, router, transaction
from django.utils.translation import gettext_lazy as _

from django_auth0_flow.storage.db_types import exact_key
from django_auth0_flow.storage.prepared_queries import PreparedQuery


class SpentLogoutTokenManager(models.Manager["SpentLogoutToken"]):
    def spend(
        self, issuer: str, jti: str, *, expires_at: float, ended_key: str = "", issued_at: float = 0, now: float = 0
    ) -> bool:
        """Remember a logout token until ``expires_at`` (epoch), with what it ends; False if it was used before.

        The unique key decides, so of several processes one wins, on any database.
        """
        values = {"expires_at": expires_at, "ended_key": ended_key, "issued_at": issued_at, "received_at": now}
        try:
            with transaction.atomic(using=router.db_for_write(self.model)):
                self.create(key=exact_key(issuer, jti), **values)
        except IntegrityError:
            return False
        return True

    def give_back(self, issuer: str, jti: str) -> None:
        """Let the tenant send a logout token again after its logout has failed. What it ended under way stays ended."""
        key = exact_key(issuer, jti, secrets.token_hex(16))
        self.filter(key=exact_key(issuer, jti)).update(key=key)

    def has_ended(self, client_id: str, claims: Mapping[str, Any], *, began_at: float | None = None) -> bool:
        """Tell whether a login with these ID token claims was under way when a logout token ended it at the tenant.

        ``began_at``: when the login began, in epoch seconds by the configuration's clock; None if unknown. A login that
        began after the token arrived is not ended: the tenant has allowed it since. A token without ``sid`` ends what its
        subject authenticated before it. That moment is ``auth_time``; without one it is when the login began, since a code
        may be redeemed much later. One query. Ask after the login session's row is committed: a token is stored before
        rows are looked for, so one of the two finds the other.
        """
        issuer, authenticated_at = claims["iss"], claims.get("auth_time")
        if authenticated_at is None:
            authenticated_at = claims.get("iat") if began_at is None else int(began_at)
        if not isinstance(authenticated_at, (int, float)):
            authenticated_at = -math.inf
        by_subject = self.model.ended_key_for(client_id, issuer, subject=claims["sub"])
        by_session = self.model.ended_key_for(client_id, issuer, sid=claims.get("sid"))
        rows = _ending.rows(router.db_for_write(self.model), by_subject, by_session or by_subject)
        return any(
            (row.ended_key == by_session or row.issued_at >= authenticated_at)
            and (began_at is None or row.received_at >= began_at)
            for row in rows
        )


class SpentLogoutToken(models.Model):
    """A back-channel logout token that was used: its ``jti``, and what it ended, for logins that are under way.

    Embedded logins that were submitted have rows here too, by the same unique key: see ``embedded.waiting.claim``.
    """

    key = models.CharField(max_length=64, unique=True, editable=False)
    expires_at = models.FloatField(db_index=True, editable=False)
    ended_key = models.CharField(max_length=64, blank=True, default="", editable=False)
    issued_at = models.FloatField(default=0, editable=False)
    received_at = models.FloatField(default=0, editable=False)

    objects = SpentLogoutTokenManager()

    class Meta:
        verbose_name = _("used logout token")
        verbose_name_plural = _("used logout tokens")
        indexes = [models.Index(fields=["ended_key"], name="auth0_flow_ended_key")]

    def __str__(self) -> str:
        return self.key

    @staticmethod
    def ended_key_for(client_id: str, issuer: str, *, sid: object = None, subject: object = None) -> str:
        """Return the key of what a logout token to a client ends: the session ``sid``, else all of ``subject``."""
        if isinstance(sid, str) and sid:
            return exact_key(client_id, issuer, "sid", sid)
        return exact_key(client_id, issuer, "sub", subject) if isinstance(subject, str) and subject else ""


_ending = PreparedQuery(
    SpentLogoutToken, lambda alias: SpentLogoutToken.objects.using(alias).filter(ended_key__in=["subject", "session"])
)
