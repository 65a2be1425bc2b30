"""Lists of tables with millions of rows: each statement reads a bounded number of rows, found by an index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import cached_property

from django_auth0_flow.models import LoginSession
from django_auth0_flow.storage.db_types import OpaqueField

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
    _Paginator = Paginator[Any]
else:
    _ModelAdmin, _Paginator = admin.ModelAdmin, Paginator

#: So many rows are counted and can be paged through. Filters and the search lead to the others.
COUNTED = 1000

#: So many values of a column are offered as a filter.
MAX_VALUES = 50


_OPAQUE = frozenset(field.name for field in LoginSession._meta.get_fields() if isinstance(field, OpaqueField))


class BoundedPaginator(_Paginator):
    """Counts ``COUNTED`` rows at most. ``has_more``: there are others, which are not counted."""

    @cached_property
    def _counted(self) -> int:
        rows: Any = self.object_list
        return int(rows[: COUNTED + 1].count())

    @property
    def count(self) -> int:
        return min(self._counted, COUNTED)

    @property
    def has_more(self) -> bool:
        return self._counted > COUNTED


class ValuesByIndex(admin.AllValuesFieldListFilter):
    """Offers the values of an indexed column, with one query per value: DISTINCT would read every row."""

    def __init__(self, field: Any, request: HttpRequest, *args: Any, **options: Any) -> None:
        super().__init__(field, request, *args, **options)
        self.lookup_choices: Any = _values(field)
        self.least = 1 if field.blank else 2

    def has_output(self) -> bool:
        return len(self.lookup_choices) >= self.least


def _values(field: Any) -> list[Any]:
    rows = field.model._default_manager.order_by(field.name).values_list(field.name, flat=True)
    found: list[Any] = []
    while len(found) < MAX_VALUES:
        value = rows.filter(**{f"{field.name}__gt": found[-1] if found else ""}).first()
        if value is None:
            break
        found.append(value)
    return found


def _if_given(value: Any) -> tuple[Any, ...]:
    return () if value is None else (value,)


class ReadOnlyAdmin(_ModelAdmin):
    """Rows that can't be added or changed here. ``shown``: the fields on a row's page.

    Deleting a row has consequences, so the button and the page that asks say which: ``end_label``, ``end_question`` and
    ``end_consequence``. What happened is told by ``delete_queryset``.
    """

    shown: tuple[str, ...] = ()
    end_label: Any = ""
    end_question: Any = ""
    end_consequence: Any = ""
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # they count every row once per value

    class Media:
        css = {"all": ("auth0/admin.css",)}

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: only the package adds rows."""
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

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """Refuse look-ups that name a secret column, through any relation; the columns themselves refuse most of them."""
        if not _OPAQUE.isdisjoint(lookup.split(LOOKUP_SEP)):
            return False
        return bool(super().lookup_allowed(lookup, value, request))

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> dict[str, Any]:
        """Leave "Delete selected" out where deleting has a name of its own. ``action_location`` is new in Django 6.1."""
        actions: dict[str, Any] = super().get_actions(request, *_if_given(action_location))
        if self.end_label:
            actions.pop("delete_selected", None)
        return actions

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], action_location: Any = None) -> Any:
        """Let "select all" mean the rows that the list counts and shows, not the whole table."""
        if request.POST.get("select_across", "0") != "0":
            queryset = queryset.filter(pk__in=list(queryset.values_list("pk", flat=True)[:COUNTED]))
        return super().response_action(request, queryset, *_if_given(action_location))

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        """Name the button that deletes."""
        context = {"end_label": self.end_label, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def describe(self, row: Any) -> list[str]:
        """Return what tells this row from others, for the question whether to delete it."""
        raise NotImplementedError  # each admin has its own

    def render_delete_form(self, request: HttpRequest, context: dict[str, Any]) -> Any:
        """Say what is deleted and what that does."""
        texts = {"title": self.end_question, "end_consequence": self.end_consequence, "end_label": self.end_label}
        row = " · ".join(filter(None, self.describe(context["object"])))
        return super().render_delete_form(request, {**context, **texts, "end_row": row})

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: Any) -> HttpResponse:
        """Return to the list, without another message: a login that could not be ended is still there."""
        page = reverse(
            f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist", current_app=self.admin_site.name
        )
        filters: dict[str, Any] = {"preserved_filters": self.get_preserved_filters(request), "opts": self.opts}
        return HttpResponseRedirect(add_preserved_filters(filters, page))
