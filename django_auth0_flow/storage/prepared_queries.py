"""Queries of the ORM whose SQL is made once per process.

The ORM makes its statement anew for each query, which costs more than all else about reading one row. These are for what
every login reads, and every request that asks who is logged in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db import connections, models

Row = TypeVar("Row", bound=models.Model)


@dataclass(frozen=True)
class _Statement:
    """``own``: so many columns are the row's, the rest its related object's. ``converters``: by the place of a column."""

    sql: str
    names: list[str]
    own: int
    converters: list[tuple[int, Any, Callable[[Any, Any, Any], Any]]]


class PreparedQuery(Generic[Row]):
    """The rows of ``model`` that ``build`` finds in the database of an alias, for other values than those in ``build``.

    ``related``: the foreign key that ``build`` follows by ``select_related``, if any.
    """

    def __init__(self, model: type[Row], build: Callable[[str], models.QuerySet[Row]], *, related: str = "") -> None:
        self._model = model
        self._build = build
        self._related = related
        self._statements: dict[str, _Statement] = {}

    def rows(self, alias: str, *values: Any) -> list[Row]:
        """Return the rows for these values, which are as the database takes them and in the order of the SQL."""
        if alias not in self._statements:
            self._statements[alias] = self._prepare(alias)
        statement = self._statements[alias]
        with connections[alias].cursor() as cursor:
            cursor.execute(statement.sql, values)
            found = cursor.fetchall()
        return [self._row(alias, statement, [*columns]) for columns in found]

    def _prepare(self, alias: str) -> _Statement:
        compiler = self._build(alias).query.get_compiler(alias)
        sql, _ = compiler.as_sql()
        columns: list[Any] = [column for column, *_ in compiler.select]
        converters = compiler.get_converters(columns).items()
        return _Statement(
            sql,
            [column.target.attname for column in columns],
            len(self._model._meta.concrete_fields),
            [(place, column, convert) for place, (of_column, column) in converters for convert in of_column],
        )

    def _row(self, alias: str, statement: _Statement, columns: list[Any]) -> Row:
        for place, column, convert in statement.converters:
            columns[place] = convert(columns[place], column, connections[alias])
        names, own = statement.names, statement.own
        row = self._model.from_db(alias, names[:own], columns[:own])
        if self._related:
            related: Any = self._model._meta.get_field(self._related).related_model
            setattr(row, self._related, related.from_db(alias, names[own:], columns[own:]))
        return row
