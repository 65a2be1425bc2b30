"""``Identity``: which subject at an issuer is which user. ``LoginSession``: one login in one browser, with its tokens.

``MachineToken``: the site's own access token for an API.
"""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_auth0_flow.protocol.claim_checks import is_past_ceiling
from django_auth0_flow.protocol.grant import Grant
from django_auth0_flow.signals import login_session_ended, send
from django_auth0_flow.storage.db_types import OpaqueCharField, OpaqueTextField, UtcNow, exact_key
from django_auth0_flow.storage.django_sessions import try_to_delete_session
from django_auth0_flow.storage.leased_rows import LeasedRow, UpToDateQuerySet
from django_auth0_flow.storage.sealing import UnsealError
from django_auth0_flow.storage.session_keys import digest_session_key, seal_session_key, unseal_session_key

if TYPE_CHECKING:
    from django_auth0_flow.protocol.outbound import ApiSession

logger = logging.getLogger(__name__)

if not apps.is_installed("django_auth0_flow"):
    raise ImproperlyConfigured('django_auth0_flow is not installed: add "django_auth0_flow" to INSTALLED_APPS.')

_HOUR = 3600

#: So often an end follows a Django session whose key changes at that very moment.
_ROUNDS = 3


def hour_of(epoch: float) -> float:
    """Return when the hour of this moment began: the last use of a login is kept no finer."""
    return epoch // _HOUR * _HOUR


class IdentityQuerySet(UpToDateQuerySet["Identity"]):
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
        # For the admin: its search and its filter. The operator class serves LIKE 'auth0|5f%' on PostgreSQL.
        indexes = [
            models.Index(fields=["subject"], name="auth0_flow_subject", opclasses=["varchar_pattern_ops"]),
            models.Index(fields=["issuer", "id"], name="auth0_flow_issuer"),
        ]

    def __str__(self) -> str:
        return self.subject

    @staticmethod
    def key_for(issuer: str, subject: str) -> str:
        """Return the unique key of (issuer, subject)."""
        return exact_key(issuer, subject)


class LoginSessionQuerySet(UpToDateQuerySet["LoginSession"]):
    def for_user(self, user: Any) -> LoginSessionQuerySet:
        """Return the user's login sessions, newest first: ``for_user(user).first().api`` works in a Celery task."""
        return self.filter(identity__user=user).select_related("identity").order_by("-created_at")


class LoginSession(LeasedRow):
    """One login in one browser; made in ``login.store``."""

    SEALED_AS = "login_session"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    identity = models.ForeignKey(
        Identity, on_delete=models.CASCADE, related_name="login_sessions", verbose_name=_("identity")
    )
    sealed_session_key = OpaqueTextField(blank=True, default="", editable=False)
    session_digest = OpaqueCharField(max_length=64, blank=True, default="", editable=False)
    session_missing_since = models.DateTimeField(null=True, blank=True, editable=False)
    sid_key = OpaqueCharField(max_length=64, blank=True, editable=False)
    created_at = models.DateTimeField(_("logged in at"), auto_now_add=True)
    logged_in_at = models.FloatField(_("logged in at (epoch)"))
    browser = models.CharField(_("browser"), max_length=40, blank=True, default="", db_default="")
    system = models.CharField(_("operating system"), max_length=40, blank=True, default="", db_default="")
    last_used_at = models.FloatField(_("last used at (epoch, to the hour)"), null=True, blank=True)
    session_ceiling = models.BigIntegerField(_("to end at (epoch)"), null=True, blank=True)

    objects = LoginSessionQuerySet.as_manager()

    class Meta:
        verbose_name = _("login session")
        verbose_name_plural = _("login sessions")
        # Not db_index: PostgreSQL would get a second index for LIKE, and every login would write it.
        indexes = [
            models.Index(fields=["sid_key"], name="auth0_flow_sid_key"),
            # For the admin: its list, newest first, and its filters.
            models.Index(fields=["created_at", "id"], name="auth0_flow_created"),
            models.Index(fields=["configuration", "created_at", "id"], name="auth0_flow_configuration"),
            models.Index(fields=["refresh_failure", "created_at", "id"], name="auth0_flow_failure"),
        ]

    @property
    def _sealing_context(self) -> str:
        return str(self.pk.hex)

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

    def has_moved_from(self, *keys: str | None) -> bool:
        """Tell whether the Django session has none of these keys any more: another request has changed it meanwhile."""
        return self.session_digest not in map(self.digest_of, keys)

    if TYPE_CHECKING:  # added in ``apps``: it is built on this module

        @property
        def api(self) -> ApiSession:
            """A ``requests.Session`` that calls APIs with this login's access token; works outside requests."""

    def is_over(self, now: float) -> bool:
        return is_past_ceiling(self.session_ceiling, now)

    @property
    def device(self) -> str:
        """The browser and its system in words."""
        names = {"browser": self.browser, "system": self.system}
        if self.browser and self.system:
            return gettext("%(browser)s on %(system)s") % names
        if self.system:
            return gettext("A browser on %(system)s") % names
        return self.browser or gettext("Unknown browser")

    def note_use(self, now: float) -> None:
        """Store the hour of this use, in epoch seconds; at most one UPDATE an hour, whichever worker's clock it is."""
        if self.last_used_at is None or abs(now - self.last_used_at) >= _HOUR:
            self.last_used_at = hour_of(now)
            rows = type(self).objects.filter(pk=self.pk).exclude(last_used_at=self.last_used_at)
            rows.update(last_used_at=self.last_used_at)

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

    def end(self, reason: str, *, session: bool = False, only_if: Q | None = None) -> bool:
        """Delete the row, log that and send ``login_session_ended``; False if the row is gone, or stays.

        ``session``: delete Django's session too, and first, so that a crash in between leaves no one logged in. If that
        fails, or its key can't be read here, the row stays, so that ending it again finds it. The session of the request
        itself is for ``logout(request)`` to end. If the key has changed since this copy was read, the session with the new
        key is deleted in any case: without the row it could not be ended any more. ``only_if``: a condition on the row,
        which stays when it does not hold. Refresh tokens: see ``tokens.fetch.revoke``.
        """
        rows = type(self).objects.filter(only_if or Q(), pk=self.pk)
        for _round in range(_ROUNDS):
            if session and not self._end_session():
                return False
            if rows.filter(session_digest=self.session_digest).delete()[0]:
                logger.info("login_session_ended login_session=%s reason=%s", self.pk, reason)
                values = {"login_session": self, "configuration": self.configuration, "reason": reason}
                send(login_session_ended, type(self), **values)
                return True
            try:
                self.refresh_from_db(from_queryset=rows)
            except type(self).DoesNotExist:
                return False
            session = True
        return False

    def _end_session(self) -> bool:
        """End the Django session; False if the engine fails, or the keys that sealed its key are not here."""
        key = self.session_key
        return bool(key or not self.session_digest) and try_to_delete_session(key, self.pk)


class MachineTokenQuerySet(UpToDateQuerySet["MachineToken"]):
    def dead(self, now: float) -> MachineTokenQuerySet:
        """Return the rows that no worker uses: token expired or never given, no pause under way, no lease held."""
        unused = Q(access_token_expires_at__isnull=True) | Q(access_token_expires_at__lt=now)
        unpaused = Q(retry_at__isnull=True) | Q(retry_at__lt=now)
        unleased = Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lt=UtcNow())
        return self.filter(unused, unpaused, unleased)


class MachineToken(LeasedRow):
    """The site's own access token for one API (client credentials), shared by all workers and hosts.

    ``key`` stands for the application, audience, scope and organization; see ``machine.source.key_of``. A row that can't be
    unsealed holds no token: another one is asked for.
    """

    SEALED_AS = "machine_token"

    key = models.CharField(max_length=64, primary_key=True, editable=False)
    audience = models.TextField(_("audience"))
    scope = models.TextField(_("scope"), blank=True, default="")
    organization = models.TextField(_("organization"), blank=True, default="")

    objects = MachineTokenQuerySet.as_manager()

    class Meta:
        verbose_name = _("machine token")
        verbose_name_plural = _("machine tokens")

    def __str__(self) -> str:
        return self.audience

    @property
    def grant(self) -> Grant:
        """The stored token set, an empty one if there is none yet."""
        if not self.sealed:
            return Grant()
        try:
            return self.unsealed_grant()
        except UnsealError:
            logger.warning("machine_token_unreadable machine_token=%s", self.pk)
            return Grant()

    @grant.setter
    def grant(self, grant: Grant) -> None:
        self.seal_grant(grant)
