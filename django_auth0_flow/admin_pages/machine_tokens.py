"""Machine tokens in the admin: to look at, and to forget."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from django_auth0_flow.admin_pages.cells import when
from django_auth0_flow.admin_pages.lists import ReadOnlyAdmin
from django_auth0_flow.logout.own_logins import moment
from django_auth0_flow.models import MachineToken


@admin.register(MachineToken)
class MachineTokenAdmin(ReadOnlyAdmin):
    """The tokens that the site has in its own name, one for each API, set of scopes and organization."""

    list_display = ("audience", "scope", "organization", "expires_at", "refreshed", "refresh_failure")
    search_fields = ("audience", "organization")
    ordering = ("pk",)
    sortable_by = ()
    shown = ("audience", "scope", "organization", "configuration", *list_display[3:])
    actions = ("forget",)
    end_label = _("Forget")
    end_question = _("Forget this token?")
    end_consequence = _(
        "The next call to this API asks the tenant for another token, which counts towards its quota. The token itself "
        "stays valid until it expires."
    )

    def describe(self, row: Any) -> list[str]:
        """Return what the token is for."""
        return [row.audience, row.scope, row.organization]

    @admin.action(permissions=["delete"], description=_("Forget"))
    def forget(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete the selected rows: whoever needs such a token asks for another."""
        self.log_deletions(request, queryset)
        self.delete_queryset(request, queryset)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Forget the token."""
        self.delete_queryset(request, MachineToken.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Forget the tokens and say so."""
        count = queryset.delete()[0]
        text = ngettext("%(count)d token was forgotten.", "%(count)d tokens were forgotten.", count)
        self.message_user(request, text % {"count": count}, messages.SUCCESS)

    @admin.display(description=_("access token expires"))
    def expires_at(self, row: MachineToken) -> str:
        """When the token expires."""
        return when(moment(row.access_token_expires_at))

    @admin.display(description=_("last refreshed"))
    def refreshed(self, row: MachineToken) -> str:
        """When the token was asked for."""
        return when(moment(row.refreshed_at))
