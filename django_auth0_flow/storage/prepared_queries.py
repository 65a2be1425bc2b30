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
Converter = Callable[[Any, Any, Any], Any]


@dataclass(frozen=True)
class _Statement:
    """``own``: so many columns are the row's, the rest its related object's. ``converters``: by the place of a column.

    ``parameters``: as the ORM gave them, those of the columns first, then the values in ``build``.
    """

    sql: str
    parameters: tuple[Any, ...]
    names: list[str]
    own: int
    converters: list[tuple[int, Any, Converter]]


def _of_any_connection(convert: Converter, operations: Any) -> Converter:
    """Return a converter that keeps no connection: that of one thread would stay in the memory of all."""
    if getattr(convert, "__self__", None) is not operations:
        return convert
    name = convert.__name__
    return lambda value, column, connection: getattr(connection.ops, name)(value, column, connection)


class PreparedQuery(Generic[Row]):
    """The rows of ``model`` that ``build`` finds in the database of an alias, for other values than those in ``build``.

    ``related``: the foreign key that ``build`` follows by ``select_related``, if any; one that is never null.
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
        before_values = statement.parameters[: len(statement.parameters) - len(values)]
        with connections[alias].cursor() as cursor:
            cursor.execute(statement.sql, [*before_values, *values])
            found = cursor.fetchall()
        return [self._row(alias, statement, [*columns]) for columns in found]

    def _prepare(self, alias: str) -> _Statement:
        compiler = self._build(alias).query.get_compiler(alias)
        sql, parameters = compiler.as_sql()
        columns: list[Any] = [column for column, *_ in compiler.select]
        converters = compiler.get_converters(columns).items()
        operations = connections[alias].ops
        return _Statement(
            sql,
            tuple(parameters),
            [column.target.attname for column in columns],
            len(self._model._meta.concrete_fields),
            [
                (place, column, _of_any_connection(convert, operations))
                for place, (of_column, column) in converters
                for convert in of_column
            ],
        )

    def _row(self, alias: str, statement: _Statement, columns: list[Any]) -> Row:
        for place, column, convert in statement.converters:
            columns[place] = convert(columns[place], column, connections[alias])
        names, own = statement.names, statement.own
        row = self._model.from_db(alias, names[:own], columns[:own])
        if self._related:
            field: Any = self._model._meta.get_field(self._related)
            field.set_cached_value(row, field.related_model.from_db(alias, names[own:], columns[own:]))
        return row
