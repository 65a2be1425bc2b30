"""``Identity``: which subject at an issuer is which user. ``LoginSession``: one login in one browser, with its tokens."""

from __future__ import annotations

import logging
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from django.conf import settings
from django.db import models, router
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from django_auth0_flow.protocol.grant import Grant
from django_auth0_flow.signals import login_session_ended, send
from django_auth0_flow.storage.db_types import OpaqueCharField, OpaqueTextField, UtcNow, exact_key
from django_auth0_flow.storage.django_sessions import try_to_delete_session
from django_auth0_flow.storage.sealing import UnsealError, seal, secrets_of, unseal
from django_auth0_flow.storage.session_keys import digest_session_key, seal_session_key, unseal_session_key

if TYPE_CHECKING:
    from django_auth0_flow.protocol.outbound import ApiSession

logger = logging.getLogger(__name__)

Row_co = TypeVar("Row_co", bound=models.Model, covariant=True)


class _UpToDateQuerySet(models.QuerySet[Row_co]):
    """Reads from the database that writes go to, whatever the router says: a replica may lag behind."""

    @property
    def db(self) -> str:
        """The alias to be used, as Django's own attribute of this name."""
        own: Any = self  # what using() and a related manager have set; the stubs don't know of it
        return str(own._db or router.db_for_write(self.model, **own._hints))


class IdentityQuerySet(_UpToDateQuerySet["Identity"]):
    pass


class Identity(models.Model):
    """A person at an issuer: (issuer, subject), compared byte by byte. E-mail is never a key."""

    key = models.CharField(max_length=64, unique=True, editable=False)
    issuer = models.CharField(_("issuer"), max_length=255)
    subject = models.CharField(_("subject"), max_length=255)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="auth0_identities", verbose_name=_("user")
    )
    managed_groups = models.JSONField(_("groups given by the tenant"), default=list, blank=True)
    managed_group_keys = models.JSONField(default=list, editable=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    objects = IdentityQuerySet.as_manager()

    class Meta:
        verbose_name = _("identity")
        verbose_name_plural = _("identities")

    def __str__(self) -> str:
        return self.subject

    @staticmethod
    def key_for(issuer: str, subject: str) -> str:
        """Return the unique key of (issuer, subject)."""
        return exact_key(issuer, subject)


class LoginSessionQuerySet(_UpToDateQuerySet["LoginSession"]):
    def for_user(self, user: Any) -> LoginSessionQuerySet:
        """Return the user's login sessions, newest first: ``for_user(user).first().api`` works in a Celery task."""
        return self.filter(identity__user=user).select_related("identity").order_by("-created_at")


class LoginSession(models.Model):
    """One login in one browser. Claiming, loading and saving are one conditional statement each.

    The lease is measured by the database's clock, so workers with differing clocks agree on it; token expiries are in
    epoch seconds by the application's clock.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    identity = models.ForeignKey(
        Identity, on_delete=models.CASCADE, related_name="login_sessions", verbose_name=_("identity")
    )
    configuration = models.CharField(_("configuration"), max_length=64, default="default")
    sealed_session_key = OpaqueTextField(blank=True, default="", editable=False)
    session_digest = OpaqueCharField(max_length=64, blank=True, default="", editable=False)
    session_missing_since = models.DateTimeField(null=True, blank=True, editable=False)
    sid_key = OpaqueCharField(max_length=64, blank=True, editable=False)
    sealed = OpaqueTextField(editable=False)
    access_token_expires_at = models.FloatField(_("access token expires at (epoch)"), null=True, blank=True)
    version = models.PositiveIntegerField(default=1, editable=False)
    lease = OpaqueCharField(max_length=32, blank=True, default="", editable=False)
    lease_expires_at = models.DateTimeField(null=True, blank=True, editable=False)
    retry_at = models.FloatField(null=True, blank=True, editable=False)
    refresh_failure = models.CharField(_("last refresh failure"), max_length=64, blank=True, default="", editable=False)
    created_at = models.DateTimeField(_("logged in at"), auto_now_add=True)
    logged_in_at = models.FloatField(_("logged in at (epoch)"))
    refreshed_at = models.FloatField(_("last refreshed at (epoch)"), null=True, blank=True)

    objects = LoginSessionQuerySet.as_manager()
    _opened: tuple[str, Grant] | None = None

    class Meta:
        verbose_name = _("login session")
        verbose_name_plural = _("login sessions")
        # Not db_index: PostgreSQL would get a second index for LIKE, and every login would write it.
        indexes = [models.Index(fields=["sid_key"], name="auth0_flow_sid_key")]

    def __str__(self) -> str:
        return str(self.pk)

    @staticmethod
    def sid_key_for(issuer: str, sid: object) -> str:
        """Return the look-up key of a tenant session id; "" for logins that have none."""
        return exact_key(issuer, sid) if isinstance(sid, str) and sid else ""

    @staticmethod
    def digest_of(session_key: str | None) -> str:
        """Return the ``session_digest`` of rows whose Django session has this key."""
        return digest_session_key(session_key or "")

    @property
    def session_key(self) -> str:
        """The key of the Django session behind this login; "" if it has none or the keys that sealed it are gone."""
        return unseal_session_key(self.sealed_session_key, configuration=self.configuration, login_id=self.pk)

    @session_key.setter
    def session_key(self, key: str | None) -> None:
        """Seal the key; ``pk`` and ``configuration`` must be set."""
        self.session_digest = digest_session_key(key or "")
        self.sealed_session_key = seal_session_key(key or "", configuration=self.configuration, login_id=self.pk)

    @property
    def grant(self) -> Grant:
        """Unseal tokens and claims. Raises UnsealError: the keys are gone or the row was changed, log in again."""
        if self._opened is not None and self._opened[0] == self.sealed:
            return self._opened[1]
        data = unseal(self.sealed, purpose="login_session", keys=secrets_of(self.configuration), context=self.pk.hex)
        try:
            grant = Grant.load(data)
        except (ValueError, KeyError, TypeError) as error:
            raise UnsealError("written by another version") from error
        self._opened = (self.sealed, grant)
        return grant

    @grant.setter
    def grant(self, grant: Grant) -> None:
        self.sealed = seal(
            grant.dump(), purpose="login_session", keys=secrets_of(self.configuration), context=self.pk.hex
        )
        self.access_token_expires_at = grant.tokens.expires_at if grant.tokens.access_token else None

    if TYPE_CHECKING:  # added in ``apps``: it is built on this module

        @property
        def api(self) -> ApiSession:
            """A ``requests.Session`` that calls APIs with this login's access token; works outside requests."""

    def claim(self, lease: str, seconds: float) -> bool:
        """Claim the right to refresh for ``seconds``; False while another worker's claim lasts. One UPDATE."""
        free = Q(lease="") | Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lt=UtcNow())
        changed = (
            type(self)
            .objects.filter(free, pk=self.pk)
            .update(lease=lease, lease_expires_at=UtcNow() + timedelta(seconds=seconds))
        )
        return changed == 1

    def follow_session(self, key: str | None) -> bool:
        """Store that the Django session has a new key; False if the row is gone. One UPDATE, no tokens needed."""
        self.session_key = key
        rows = type(self).objects.filter(pk=self.pk)
        return bool(
            rows.update(
                sealed_session_key=self.sealed_session_key,
                session_digest=self.session_digest,
                session_missing_since=None,
            )
        )

    def release(self, lease: str, *, retry_at: float | None = None, failure: str = "") -> None:
        """Give the lease back without new tokens; ``retry_at`` (epoch) keeps others from trying before then."""
        type(self).objects.filter(pk=self.pk, lease=lease).update(
            lease="", lease_expires_at=None, retry_at=retry_at, refresh_failure=failure
        )

    def save_grant(
        self, grant: Grant, *, refreshed_at: float | None, retry_at: float | None = None, failure: str = ""
    ) -> bool:
        """Store refreshed tokens if no one else has since this copy was loaded; False if so, or if the row is gone.

        ``retry_at`` and ``failure`` as for ``release``.
        """
        copy = LoginSession(id=self.id, configuration=self.configuration)
        copy.grant = grant
        changed = (
            type(self)
            .objects.filter(pk=self.pk, version=self.version)
            .update(
                sealed=copy.sealed,
                access_token_expires_at=copy.access_token_expires_at,
                refreshed_at=refreshed_at,
                version=F("version") + 1,
                lease="",
                lease_expires_at=None,
                retry_at=retry_at,
                refresh_failure=failure,
            )
        )
        if changed == 1:
            self.sealed, self.access_token_expires_at = copy.sealed, copy.access_token_expires_at
            self.refreshed_at, self.version = refreshed_at, self.version + 1
        return changed == 1

    def end(self, reason: str, *, session: bool = False, only_if: Q | None = None) -> bool:
        """Delete the row, log that and send ``login_session_ended``; False if the row is gone, or stays.

        ``session``: delete Django's session too, and first, so that a crash in between leaves no one logged in. If its key
        has changed meanwhile, the session with the new key is deleted. If that fails the row stays, so that ending it again
        finds it. The session of the request itself is for ``logout(request)`` to end. ``only_if``: a condition on the row,
        for use without ``session``. Refresh tokens: see ``tokens.fetch.revoke``.
        """
        rows = type(self).objects.filter(pk=self.pk)
        if not session and not rows.filter(only_if or Q()).delete()[0]:
            return False
        while session:
            if not try_to_delete_session(self.session_key, self.pk):
                return False
            if rows.filter(session_digest=self.session_digest).delete()[0]:
                break
            try:
                self.refresh_from_db(from_queryset=rows)
            except type(self).DoesNotExist:
                return False
        logger.info("login_session_ended login_session=%s reason=%s", self.pk, reason)
        send(login_session_ended, type(self), login_session=self, reason=reason)
        return True
