"""Identities and login sessions in Django's admin: staff can view, search and end them. No token is ever shown."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.constants import LOOKUP_SEP
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_auth0_flow.admin_pages.ending import end_and_tell
from django_auth0_flow.admin_pages.lists import ReadOnlyAdmin, ValuesByIndex
from django_auth0_flow.admin_pages.search import MOST, find_identities, find_login_sessions
from django_auth0_flow.logout.own_logins import moment
from django_auth0_flow.models import Identity, LoginSession
from django_auth0_flow.storage.db_types import OpaqueField

_OPAQUE = frozenset(field.name for field in LoginSession._meta.get_fields() if isinstance(field, OpaqueField))


class _LoginsAdmin(ReadOnlyAdmin):
    """Rows that stand for logins. Deleting one ends its login sessions.

    ``lookup``: the prefix that leads from a row to its identity, "" for an identity.
    """

    lookup = ""
    actions = ("end_logins", "log_out_everywhere")
    search_fields = ("subject",)  # to have a search box; ``find`` searches

    def find(self, term: str) -> set[Any]:
        """Return the primary keys of the rows that ``term`` names."""
        raise NotImplementedError  # each of the two admins below has its own

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search with an index per statement; say so if the term names more than are listed."""
        if not (term := search_term.strip()):
            return queryset, False
        found = self.find(term)
        if len(found) >= MOST:
            text = gettext("More than %(count)d match; some are not listed. Please type more of the name.")
            self.message_user(request, text % {"count": MOST}, messages.WARNING)
        return queryset.filter(pk__in=found), False

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
        end_and_tell(self, request, self.login_sessions(queryset))

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
        end_and_tell(self, request, self.login_sessions(rows), delete=rows)


@admin.action(permissions=["change"], description=_("Log out everywhere"))
def log_out_everywhere(model_admin: admin.ModelAdmin[Any], request: HttpRequest, queryset: QuerySet[Any]) -> None:
    """End every login of the selected users. For the admin of your users: ``actions = [log_out_everywhere]``."""
    users = list(queryset)
    for user in users:
        model_admin.log_change(request, user, gettext("Ended the logins."))
    end_and_tell(model_admin, request, LoginSession.objects.filter(identity__user__in=users))


@admin.register(LoginSession)
class LoginSessionAdmin(_LoginsAdmin):
    """Who is logged in, since when, and how the last refresh went."""

    lookup = "identity__"
    list_display = (
        *("user", "identity", "configuration", "device", "created_at", "used"),
        *("expires_at", "refreshed", "refresh_failure"),
    )
    list_display_links = ("user", "identity")
    list_filter = ("created_at", ("configuration", ValuesByIndex), ("refresh_failure", ValuesByIndex))
    list_select_related = ("identity__user",)
    ordering = ("-created_at",)
    sortable_by = ("created_at",)
    shown = ("id", "user", "identity", "issuer", *list_display[2:], "to_end_at")
    search_help_text = _("Subject, user, the tenant's session id (sid), or the id of the login session from a log")

    def find(self, term: str) -> set[Any]:
        """Find by subject, user, sid and primary key."""
        return find_login_sessions(term)

    def login_sessions(self, rows: QuerySet[Any]) -> QuerySet[LoginSession]:
        """Return ``rows``."""
        return rows

    def log_end(self, request: HttpRequest, rows: QuerySet[Any]) -> None:
        """Log them as deleted: ending a login session deletes its row."""
        self.log_deletions(request, rows)

    @admin.display(description=_("user"))
    def user(self, row: LoginSession) -> str:
        """The user who is logged in."""
        return str(row.identity.user)

    @admin.display(description=_("issuer"))
    def issuer(self, row: LoginSession) -> str:
        """The issuer of the identity."""
        return row.identity.issuer

    @admin.display(description=_("access token expires"))
    def expires_at(self, row: LoginSession) -> datetime | None:
        """When the login's own access token expires."""
        return moment(row.access_token_expires_at)

    @admin.display(description=_("browser"))
    def device(self, row: LoginSession) -> str:
        """Browser and system in words, "" where they are not kept."""
        return row.device if row.browser or row.system else ""

    @admin.display(description=_("last used"))
    def used(self, row: LoginSession) -> datetime | None:
        """The hour in which the login was used last."""
        return moment(row.last_used_at)

    @admin.display(description=_("to end at"))
    def to_end_at(self, row: LoginSession) -> datetime | None:
        """When the identity provider wants the login to be over."""
        return moment(row.session_ceiling)

    @admin.display(description=_("last refreshed"))
    def refreshed(self, row: LoginSession) -> datetime | None:
        """When tokens were refreshed last."""
        return moment(row.refreshed_at)


@admin.register(Identity)
class IdentityAdmin(_LoginsAdmin):
    """Which subject at which issuer is which user."""

    list_display = ("subject", "issuer", "user", "logins", "created_at")
    list_filter = (("issuer", ValuesByIndex),)
    list_select_related = ("user",)
    ordering = ("-pk",)
    sortable_by = ()
    shown = (*list_display, "managed_groups")
    search_help_text = _("Subject or user")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Add the number of login sessions to each row; a subquery is asked for the rows of a page only."""
        own = LoginSession.objects.filter(identity=OuterRef("pk")).order_by().values("identity")
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.annotate(logins_now=Coalesce(Subquery(own.annotate(number=Count("pk")).values("number")), 0))

    def find(self, term: str) -> set[Any]:
        """Find by subject and user."""
        return find_identities(term)

    def login_sessions(self, rows: QuerySet[Any]) -> QuerySet[LoginSession]:
        """Return the login sessions of these identities."""
        return LoginSession.objects.filter(identity__in=list(rows.values_list("pk", flat=True)))

    def log_end(self, request: HttpRequest, rows: QuerySet[Any]) -> None:
        """Log a change of each identity: ending its logins does not delete it."""
        for identity in rows:
            self.log_change(request, identity, gettext("Ended the logins."))

    @admin.display(description=_("logins"))
    def logins(self, row: Any) -> int:
        """How many login sessions there are now."""
        return int(row.logins_now)
