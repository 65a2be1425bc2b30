"""Identities, login sessions and machine tokens in Django's admin: to look at, to search and to end. No token is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import Count, Model, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_auth0_flow.admin_pages.cells import address_of, link_to_logins, link_to_row, name_of, person, when
from django_auth0_flow.admin_pages.ending import end_and_tell
from django_auth0_flow.admin_pages.lists import ReadOnlyAdmin, ValuesByIndex
from django_auth0_flow.admin_pages.machine_tokens import MachineTokenAdmin
from django_auth0_flow.admin_pages.search import MOST, find_identities, find_login_sessions
from django_auth0_flow.logout.own_logins import moment
from django_auth0_flow.models import Identity, LoginSession

__all__ = ["IdentityAdmin", "IdentityInline", "LoginSessionAdmin", "MachineTokenAdmin", "log_out_everywhere"]


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
    list_display = ("user", "device", "logged_in", "used", "refresh_failure")
    list_display_links = ("user",)
    list_filter = ("created_at", ("configuration", ValuesByIndex), ("refresh_failure", ValuesByIndex))
    list_select_related = ("identity__user",)
    ordering = ("-created_at",)
    sortable_by = ("logged_in",)
    shown = (
        *("user_page", "identity_page", "issuer", "configuration", "device", "logged_in", "used"),
        *("to_end_at", "expires_at", "refreshed", "refresh_failure", "id"),
    )
    search_help_text = _(
        "How a username, an e-mail address or a subject begins; the tenant's session id (sid); "
        "the id of the login session from a log"
    )
    end_label = _("Log out")
    end_question = _("Log this person out?")
    end_consequence = _(
        "The login ends on this site at once: the browser is logged out with its next request. The tenant is asked to "
        "revoke the refresh token. The person can log in again."
    )

    @admin.action(permissions=["delete"], description=_("Log out"))
    def end_logins(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """End the selected login sessions and say what happened."""
        super().end_logins(request, queryset)

    def find(self, term: str) -> set[Any]:
        """Find by subject, user, sid and primary key."""
        return find_login_sessions(term)

    def describe(self, row: Any) -> list[str]:
        """Return whose login it is, from where, since when."""
        user = row.identity.user
        return [name_of(user), address_of(user), row.identity.subject, self.device(row), self.logged_in(row)]

    def login_sessions(self, rows: QuerySet[Any]) -> QuerySet[LoginSession]:
        """Return ``rows``."""
        return rows

    def log_end(self, request: HttpRequest, rows: QuerySet[Any]) -> None:
        """Log them as deleted: ending a login session deletes its row."""
        self.log_deletions(request, rows)

    @admin.display(description=_("user"))
    def user(self, row: LoginSession) -> str:
        """The user who is logged in, and by which identity."""
        return person(row.identity.user, identity=row.identity)

    @admin.display(description=_("user"))
    def user_page(self, row: LoginSession) -> str:
        """The user, as a link."""
        return link_to_row(self.admin_site.name, row.identity.user, person(row.identity.user))

    @admin.display(description=_("identity"))
    def identity_page(self, row: LoginSession) -> str:
        """The identity, as a link."""
        return link_to_row(self.admin_site.name, row.identity, row.identity.subject)

    @admin.display(description=_("issuer"))
    def issuer(self, row: LoginSession) -> str:
        """The issuer of the identity."""
        return row.identity.issuer

    @admin.display(description=_("browser"))
    def device(self, row: LoginSession) -> str:
        """Browser and system in words, "" where they are not kept."""
        return row.device if row.browser or row.system else ""

    @admin.display(description=_("logged in at"), ordering="created_at")
    def logged_in(self, row: LoginSession) -> str:
        """When the login was made."""
        return when(row.created_at)

    @admin.display(description=_("last used"))
    def used(self, row: LoginSession) -> str:
        """The hour in which the login was used last."""
        return when(moment(row.last_used_at))

    @admin.display(description=_("to end at"))
    def to_end_at(self, row: LoginSession) -> str:
        """When the identity provider wants the login to be over."""
        return when(moment(row.session_ceiling))

    @admin.display(description=_("access token expires"))
    def expires_at(self, row: LoginSession) -> str:
        """When the login's own access token expires."""
        return when(moment(row.access_token_expires_at))

    @admin.display(description=_("last refreshed"))
    def refreshed(self, row: LoginSession) -> str:
        """When tokens were refreshed last."""
        return when(moment(row.refreshed_at))


def _with_logins(identities: QuerySet[Any]) -> QuerySet[Any]:
    """Add the number of login sessions to each row, by a subquery that is asked for the rows of a page only."""
    own = LoginSession.objects.filter(identity=OuterRef("pk")).order_by().values("identity")
    number: Any = Subquery(own.annotate(number=Count("pk")).values("number"))
    counted: QuerySet[Any] = identities.annotate(logins_now=Coalesce(number, 0))
    return counted


@admin.register(Identity)
class IdentityAdmin(_LoginsAdmin):
    """Which subject at which issuer is which user."""

    list_display = ("person", "issuer", "logins", "created")
    list_display_links = ("person",)
    list_filter = (("issuer", ValuesByIndex),)
    list_select_related = ("user",)
    ordering = ("-pk",)
    sortable_by = ()
    shown = ("user_page", "subject", "issuer", "logins", "created", "managed_groups")
    search_help_text = _("How a username, an e-mail address or a subject begins")
    end_question = _("Delete this identity and end its logins?")
    end_consequence = _(
        "Its logins end on this site at once, and the tenant is asked to revoke their refresh tokens. The user stays. A "
        "person who logs in with this identity again is taken for somebody new, and may get another user."
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Add the number of login sessions to each row."""
        return _with_logins(super().get_queryset(request))

    def find(self, term: str) -> set[Any]:
        """Find by subject and user."""
        return find_identities(term)

    def describe(self, row: Any) -> list[str]:
        """Return whose identity it is, and where."""
        return [name_of(row.user), address_of(row.user), row.subject, row.issuer]

    def login_sessions(self, rows: QuerySet[Any]) -> QuerySet[LoginSession]:
        """Return the login sessions of these identities."""
        return LoginSession.objects.filter(identity__in=list(rows.values_list("pk", flat=True)))

    def log_end(self, request: HttpRequest, rows: QuerySet[Any]) -> None:
        """Log a change of each identity: ending its logins does not delete it."""
        for identity in rows:
            self.log_change(request, identity, gettext("Ended the logins."))

    @admin.display(description=_("user"))
    def person(self, row: Identity) -> str:
        """The user whose identity it is, and the subject at the tenant."""
        return person(row.user, identity=row)

    @admin.display(description=_("user"))
    def user_page(self, row: Identity) -> str:
        """The user, as a link."""
        return link_to_row(self.admin_site.name, row.user, person(row.user))

    @admin.display(description=_("created at"))
    def created(self, row: Identity) -> str:
        """When the identity logged in for the first time, or was imported."""
        return when(row.created_at)

    @admin.display(description=_("logins"))
    def logins(self, row: Any) -> str:
        """How many login sessions there are now, as a link to them."""
        return link_to_logins(self.admin_site.name, row, str(row.logins_now))


class IdentityInline(admin.TabularInline[Identity, Model] if TYPE_CHECKING else admin.TabularInline):  # type: ignore[misc]
    """A user's identities, with links to their logins. For the admin of your users: ``inlines = [IdentityInline]``."""

    model = Identity
    extra = 0
    can_delete = False
    show_change_link = True
    verbose_name_plural = _("identities and logins at Auth0")
    fields = readonly_fields = ("subject", "issuer", "logins", "created")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Add the number of login sessions to each row."""
        return _with_logins(super().get_queryset(request))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: only logins add identities."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: nothing can be edited here."""
        return False

    @admin.display(description=_("logins"))
    def logins(self, row: Any) -> str:
        """How many login sessions there are now, as a link to them."""
        return link_to_logins(self.admin_site.name, row, str(row.logins_now))

    @admin.display(description=_("created at"))
    def created(self, row: Identity) -> str:
        """When the identity logged in for the first time, or was imported."""
        return when(row.created_at)
