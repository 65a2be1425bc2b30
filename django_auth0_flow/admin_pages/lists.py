"""Lists of tables with millions of rows: each statement reads a bounded number of rows, found by an index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.utils.functional import cached_property

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
    _Paginator = Paginator[Any]
else:
    _ModelAdmin, _Paginator = admin.ModelAdmin, Paginator

#: So many rows are counted and can be paged through. Filters and the search lead to the others.
COUNTED = 1000

#: So many values of a column are offered as a filter.
MAX_VALUES = 50


class BoundedPaginator(_Paginator):
    """Counts ``COUNTED`` rows at most. ``has_more``: there are others, which are not counted."""

    @cached_property
    def _counted(self) -> int:
        rows: Any = self.object_list
        return int(rows[: COUNTED + 1].count())

    @property
    def count(self) -> int:  # type: ignore[override]  # a cached property there
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


class ReadOnlyAdmin(_ModelAdmin):
    """Rows that can't be added or changed here. ``shown``: the fields on a row's page."""

    shown: tuple[str, ...] = ()
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # they count every row once per value

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

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponseBase | None:
        """Let "select all" mean the rows that the list counts and shows, not the whole table."""
        if request.POST.get("select_across", "0") != "0":
            queryset = queryset.filter(pk__in=list(queryset.values_list("pk", flat=True)[:COUNTED]))
        return super().response_action(request, queryset)
