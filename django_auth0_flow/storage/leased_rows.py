"""Rows that keep tokens sealed and are renewed by one worker at a time: each step of that is one statement."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, TypeVar

from django.db import models, router
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from django_auth0_flow.protocol.grant import Grant
from django_auth0_flow.storage.db_types import OpaqueCharField, OpaqueTextField, UtcNow
from django_auth0_flow.storage.sealing import UnsealError, seal, secrets_of, unseal

Row_co = TypeVar("Row_co", bound=models.Model, covariant=True)


class UpToDateQuerySet(models.QuerySet[Row_co]):
    """Reads from the database that writes go to, whatever the router says: a replica may lag behind."""

    @property
    def db(self) -> str:
        """The alias to be used, as Django's own attribute of this name."""
        own: Any = self  # what using() and a related manager have set; the stubs don't know of it
        return str(own._db or router.db_for_write(self.model, **own._hints))


class LeasedRow(models.Model):
    """A sealed grant with the lease on its renewal.

    The lease is measured by the database's clock, so workers with differing clocks agree on it; token expiries are in
    epoch seconds by the application's clock. ``SEALED_AS``: the purpose that the grant is sealed for.
    """

    SEALED_AS = ""

    configuration = models.CharField(_("configuration"), max_length=64, default="default")
    sealed = OpaqueTextField(editable=False)
    access_token_expires_at = models.FloatField(_("access token expires at (epoch)"), null=True, blank=True)
    version = models.PositiveIntegerField(default=1, editable=False)
    lease = OpaqueCharField(max_length=32, blank=True, default="", editable=False)
    lease_expires_at = models.DateTimeField(null=True, blank=True, editable=False)
    retry_at = models.FloatField(null=True, blank=True, editable=False)
    refresh_failure = models.CharField(_("last refresh failure"), max_length=64, blank=True, default="", editable=False)
    refreshed_at = models.FloatField(_("last refreshed at (epoch)"), null=True, blank=True)

    _opened: tuple[str, Grant] | None = None

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def _sealing_context(self) -> str:
        return str(self.pk)

    def is_over(self, now: float) -> bool:
        """Tell whether no token may come from this row any more, at ``now`` in epoch seconds."""
        return False

    @property
    def grant(self) -> Grant:
        """Tokens and claims. Raises UnsealError: the keys are gone or the row was changed, log in again."""
        return self.unsealed_grant()

    @grant.setter
    def grant(self, grant: Grant) -> None:
        self.seal_grant(grant)

    def unsealed_grant(self) -> Grant:
        """Return what ``seal_grant`` was given. Raises UnsealError."""
        if self._opened is not None and self._opened[0] == self.sealed:
            return self._opened[1]
        keys = secrets_of(self.configuration)
        data = unseal(self.sealed, purpose=self.SEALED_AS, keys=keys, context=self._sealing_context)
        try:
            grant = Grant.load(data)
        except (ValueError, KeyError, TypeError) as error:
            raise UnsealError("written by another version") from error
        self._opened = (self.sealed, grant)
        return grant

    def seal_grant(self, grant: Grant) -> None:
        """Hold ``grant`` from now on; nothing is saved."""
        keys = secrets_of(self.configuration)
        self.sealed = seal(grant.dump(), purpose=self.SEALED_AS, keys=keys, context=self._sealing_context)
        self.access_token_expires_at = grant.tokens.expires_at if grant.tokens.access_token else None

    def claim(self, lease: str, seconds: float) -> bool:
        """Claim the right to refresh for ``seconds``; False while another worker's claim lasts. One UPDATE."""
        free = Q(lease="") | Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lt=UtcNow())
        rows = type(self)._default_manager.filter(free, pk=self.pk)
        return rows.update(lease=lease, lease_expires_at=UtcNow() + timedelta(seconds=seconds)) == 1

    def release(self, lease: str, *, retry_at: float | None = None, failure: str = "") -> None:
        """Give the lease back without new tokens; ``retry_at`` (epoch) keeps others from trying before then."""
        type(self)._default_manager.filter(pk=self.pk, lease=lease).update(
            lease="", lease_expires_at=None, retry_at=retry_at, refresh_failure=failure
        )

    def save_grant(
        self, grant: Grant, *, refreshed_at: float | None, retry_at: float | None = None, failure: str = ""
    ) -> bool:
        """Store refreshed tokens if no one else has since this copy was loaded; False if so, or if the row is gone.

        ``retry_at`` and ``failure`` as for ``release``.
        """
        copy = type(self)(configuration=self.configuration)
        copy.pk = self.pk
        copy.grant = grant
        rows = type(self)._default_manager.filter(pk=self.pk, version=self.version)
        changed = rows.update(
            sealed=copy.sealed,
            access_token_expires_at=copy.access_token_expires_at,
            refreshed_at=refreshed_at,
            version=F("version") + 1,
            lease="",
            lease_expires_at=None,
            retry_at=retry_at,
            refresh_failure=failure,
        )
        if changed == 1:
            self.sealed, self.access_token_expires_at = copy.sealed, copy.access_token_expires_at
            self.refreshed_at, self.version = refreshed_at, self.version + 1
        return changed == 1
