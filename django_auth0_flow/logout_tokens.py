"""``SpentLogoutToken``: which logout tokens were used."""

from __future__ import annotations

from django.db import IntegrityError, models, router, transaction
from django.utils.translation import gettext_lazy as _

from .db_types import exact_key


class SpentLogoutTokenManager(models.Manager["SpentLogoutToken"]):
    def spend(self, issuer: str, jti: str, *, expires_at: float) -> bool:
        """Remember a logout token until ``expires_at`` (epoch); False if it was used before.

        The unique key decides, so of several processes one wins, on any database.
        """
        try:
            with transaction.atomic(using=router.db_for_write(self.model)):
                self.create(key=exact_key(issuer, jti), expires_at=expires_at)
        except IntegrityError:
            return False
        return True

    def give_back(self, issuer: str, jti: str) -> None:
        """Forget a logout token whose logout did not succeed, so that the tenant may send it again."""
        self.filter(key=exact_key(issuer, jti)).delete()


class SpentLogoutToken(models.Model):
    """The ``jti`` of a back-channel logout token that was used, kept until the token expires."""

    key = models.CharField(max_length=64, unique=True, editable=False)
    expires_at = models.FloatField(db_index=True, editable=False)

    objects = SpentLogoutTokenManager()

    class Meta:
        verbose_name = _("used logout token")
        verbose_name_plural = _("used logout tokens")

    def __str__(self) -> str:
        return self.key
