"""Identities and login sessions in Django's admin: staff can view, search and end them. No token is ever shown."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.auth import get_user_model, logout
from django.db import router, transaction
from django.db.models import Count, Q, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from django_auth0_flow.conf import readable_settings
from django_auth0_flow.logout.own_logins import moment
from django_auth0_flow.logout.sessions import Ended, end_here, revoke_all
from django_auth0_flow.models import Identity, LoginSession
from django_auth0_flow.storage.db_types import OpaqueField

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = admin.ModelAdmin

#: Seconds for revoking all refresh tokens of one admin action.
REVOCATION_SECONDS = 5

_OPAQUE = frozenset(field.name for field in LoginSession._meta.get_fields() if isinstance(field, OpaqueField))


class _ReadOnlyAdmin(_ModelAdmin):
    """Rows that only logins create: they can't be added or changed here. Deleting one ends its login sessions.

    ``shown``: the fields on a row's page. ``lookup``: the prefix that leads from a row to its identity, "" for an identity.
    """

    shown: tuple[str, ...] = ()
    lookup = ""
    show_full_result_count = False
    actions = ("end_logins", "log_out_everywhere")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: only logins add rows."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: nothing can be edited here."""
        return False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Return what is shown."""
        return self.shown

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Return what is shown."""
        return self.shown

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        """Return the subject and what names a user, whatever the user model calls it."""
        model: Any = get_user_model()
        names = {model.USERNAME_FIELD, model.get_email_field_name()}
        known = sorted(names & {field.name for field in model._meta.get_fields()})
        return [f"{self.lookup}subject", *(f"{self.lookup}user__{name}" for name in known)]

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """Refuse look-ups that name a secret column, through any relation; the columns themselves refuse most of them."""
        if not _OPAQUE.isdisjoint(lookup.split(LOOKUP_SEP)):
            return False
        return bool(super().lookup_allowed(lookup, value, request))

    # -- ending ----------------------------------------------------------------------------------------------------------

    def login_sessions(self, rows: QuerySet[Any]) -> QuerySet[LoginSession]:
        """Return the login sessions of ``rows``."""
        raise NotImplementedError  # each of the two admins below has its own

    def log_end(self, request: HttpRequest, rows: QuerySet[Any]) -> None:
        """Record in the admin's history that the logins of ``rows`` are ended."""
        raise NotImplementedError  # as above

    @admin.action(permissions=["delete"], description=_("End the logins"))
    def end_logins(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """End the login sessions of the selected rows and say what happened."""
        self.log_end(request, queryset)
        _end_and_tell(self, request, self.login_sessions(queryset))

    @admin.action(permissions=["delete"], description=_("Log out everywhere"))
    def log_out_everywhere(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """End every login of the people behind the selected rows, by whatever identity, and say what happened."""
        user = f"{self.lookup}user"
        people = set(queryset.values_list(user, flat=True))
        self.end_logins(request, self.get_queryset(request).filter(**{f"{user}__in": people}))

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """End the row's login sessions, then delete the row."""
        self.delete_queryset(request, self.model._default_manager.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """End the rows' login sessions, then delete the rows. If a login session could not be ended, all of them stay."""
        rows = self.model._default_manager.filter(pk__in=list(queryset.values_list("pk", flat=True)))
        _end_and_tell(self, request, self.login_sessions(rows), delete=rows)


@admin.action(permissions=["change"], description=_("Log out everywhere"))
def log_out_everywhere(model_admin: _ModelAdmin, request: HttpRequest, queryset: QuerySet[Any]) -> None:
    """End every login of the selected users. For the admin of your users: ``actions = [log_out_everywhere]``."""
    users = list(queryset)
    for user in users:
        model_admin.log_change(request, user, gettext("Ended the logins."))
    _end_and_tell(model_admin, request, LoginSession.objects.filter(identity__user__in=users))


def _end_and_tell(
    model_admin: _ModelAdmin,
    request: HttpRequest,
    login_sessions: QuerySet[LoginSession],
    *,
    delete: QuerySet[Any] | None = None,
) -> None:
    """End the login sessions, delete what is to be deleted if none is left, revoke the refresh tokens and tell it all.

    ``delete`` is locked before the login sessions are read: a login that is stored meanwhile would go with its identity,
    while its Django session lived on. The tenant, which may take its time, is asked after that.
    """
    own_digest = LoginSession.digest_of(request.session.session_key)
    with nullcontext() if delete is None else transaction.atomic(using=router.db_for_write(LoginSession)):
        if delete is not None:
            list(delete.select_for_update().values_list("pk"))
        rows = list(login_sessions.select_related("identity"))
        own = any(row.session_digest == own_digest for row in rows) and bool(own_digest)
        ended, left = end_here(rows, reason="admin")
        if delete is not None and not left:
            delete.delete()
    if own:
        logout(request)  # or Django would save a session that is gone
    revoked, unrevoked = revoke_all(ended, REVOCATION_SECONDS)
    for level, text in outcome(Ended(len(ended), left, revoked, unrevoked)):
        model_admin.message_user(request, text, level)


def outcome(ended: Ended) -> Iterator[tuple[int, str]]:
    """Yield messages (level, text) about ended logins: what happened on this site, and at the tenant."""
    count = ended.login_sessions
    text = ngettext("%(count)d login was ended on this site.", "%(count)d logins were ended on this site.", count)
    yield messages.SUCCESS if count else messages.INFO, text % {"count": count}
    if ended.left:
        text = ngettext(
            "%(count)d session could not be deleted: its visitor stays logged in here. Please try again.",
            "%(count)d sessions could not be deleted: their visitors stay logged in here. Please try again.",
            ended.left,
        )
        yield messages.ERROR, text % {"count": ended.left}
    if ended.revoked:
        text = ngettext(
            "The tenant has revoked %(count)d refresh token.",
            "The tenant has revoked %(count)d refresh tokens.",
            ended.revoked,
        )
        yield messages.SUCCESS, text % {"count": ended.revoked}
    if ended.unrevoked:
        text = ngettext(
            "The tenant did not confirm that it has revoked %(count)d refresh token. It is deleted here.",
            "The tenant did not confirm that it has revoked %(count)d refresh tokens. They are deleted here.",
            ended.unrevoked,
        )
        yield messages.WARNING, text % {"count": ended.unrevoked}
    if count:
        yield (
            messages.INFO,
            gettext(
                "At the tenant these users may still be logged in, and can come back without a password. To keep a user "
                "out: Auth0 Dashboard: User Management > Users > (user) > Actions > Block."
            ),
        )


@admin.register(LoginSession)
class LoginSessionAdmin(_ReadOnlyAdmin):
    """Who is logged in, since when, and how the last refresh went."""

    lookup = "identity__"
    list_display = (
        *("user", "identity", "configuration", "device", "created_at", "used"),
        *("expires_at", "refreshed", "refresh_failure"),
    )
    list_display_links = ("user", "identity")
    list_filter = ("configuration", "identity__issuer", "refresh_failure")
    list_select_related = ("identity__user",)
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    shown = ("id", "user", "identity", "issuer", *list_display[2:], "to_end_at")
    search_help_text = _("Subject, user, the tenant's session id (sid), or the id of the login session from a log")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search by sid and by primary key as well, as exact matches only."""
        found, may_have_duplicates = super().get_search_results(request, queryset, search_term)
        if term := search_term.strip():
            issuers = {conf.issuer for conf in readable_settings()}
            exactly = Q(sid_key__in=[LoginSession.sid_key_for(issuer, term) for issuer in issuers])
            with suppress(ValueError):
                exactly |= Q(pk=uuid.UUID(term))
            found |= queryset.filter(exactly)
        return found, may_have_duplicates

    def login_sessions(self, rows: QuerySet[Any]) -> QuerySet[LoginSession]:
        """Return ``rows``."""
        return rows

    def log_end(self, request: HttpRequest, rows: QuerySet[Any]) -> None:
        """Log them as deleted: ending a login session deletes its row."""
        self.log_deletions(request, rows)

    @admin.display(description=_("user"), ordering="identity__user")
    def user(self, row: LoginSession) -> str:
        """The user who is logged in."""
        return str(row.identity.user)

    @admin.display(description=_("issuer"))
    def issuer(self, row: LoginSession) -> str:
        """The issuer of the identity."""
        return row.identity.issuer

    @admin.display(description=_("access token expires"), ordering="access_token_expires_at")
    def expires_at(self, row: LoginSession) -> datetime | None:
        """When the login's own access token expires."""
        return moment(row.access_token_expires_at)

    @admin.display(description=_("browser"), ordering="browser")
    def device(self, row: LoginSession) -> str:
        """Browser and system in words, "" where they are not kept."""
        return row.device if row.browser or row.system else ""

    @admin.display(description=_("last used"), ordering="last_used_at")
    def used(self, row: LoginSession) -> datetime | None:
        """The hour in which the login was used last."""
        return moment(row.last_used_at)

    @admin.display(description=_("to end at"))
    def to_end_at(self, row: LoginSession) -> datetime | None:
        """When the identity provider wants the login to be over."""
        return moment(row.session_ceiling)

    @admin.display(description=_("last refreshed"), ordering="refreshed_at")
    def refreshed(self, row: LoginSession) -> datetime | None:
        """When tokens were refreshed last."""
        return moment(row.refreshed_at)


@admin.register(Identity)
class IdentityAdmin(_ReadOnlyAdmin):
    """Which subject at which issuer is which user."""

    list_display = ("subject", "issuer", "user", "logins", "created_at")
    list_filter = ("issuer",)
    list_select_related = ("user",)
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    shown = (*list_display, "managed_groups")
    search_help_text = _("Subject or user")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Add the number of login sessions to each row."""
        rows: QuerySet[Any] = super().get_queryset(request).annotate(logins_now=Count("login_sessions"))
        return rows

    def login_sessions(self, rows: QuerySet[Any]) -> QuerySet[LoginSession]:
        """Return the login sessions of these identities."""
        return LoginSession.objects.filter(identity__in=list(rows.values_list("pk", flat=True)))

    def log_end(self, request: HttpRequest, rows: QuerySet[Any]) -> None:
        """Log a change of each identity: ending its logins does not delete it."""
        for identity in rows:
            self.log_change(request, identity, gettext("Ended the logins."))

    @admin.display(description=_("logins"), ordering="logins_now")
    def logins(self, row: Any) -> int:
        """How many login sessions there are now."""
        return int(row.logins_now)
