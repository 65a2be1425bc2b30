"""A login session, read for a request. Every request that asks who is logged in does this, so it is cheap.

The ORM makes its statement anew for each query, which costs more than everything else about reading a login. Here it makes
the statement once per process.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db import connections, router

from django_auth0_flow.models import Identity, LoginSession


@dataclass(frozen=True)
class _Statement:
    """The ORM's own query for a row and its identity. ``converters``: how to read a column, by its place."""

    sql: str
    names: list[str]
    identity_starts: int
    converters: list[tuple[int, Any, Callable[[Any, Any, Any], Any]]]


@cache
def _statement(alias: str) -> _Statement:
    rows = LoginSession.objects.using(alias).select_related("identity").filter(pk=uuid.UUID(int=0))
    compiler = rows.query.get_compiler(alias)
    sql, _ = compiler.as_sql()
    columns: list[Any] = [column for column, *_ in compiler.select]
    converters = compiler.get_converters(columns).items()
    return _Statement(
        sql,
        [column.target.attname for column in columns],
        len(LoginSession._meta.concrete_fields),
        [(place, column, convert) for place, (of_column, column) in converters for convert in of_column],
    )


def read_login_session(pk: uuid.UUID) -> LoginSession | None:
    """Return the row with its identity, None if it is gone. Whether its user is active is not looked at."""
    alias = router.db_for_write(LoginSession)
    connection, statement = connections[alias], _statement(alias)
    with connection.cursor() as cursor:
        cursor.execute(statement.sql, [LoginSession._meta.pk.get_db_prep_value(pk, connection)])
        found = cursor.fetchone()
    if found is None:
        return None
    values = [*found]
    for place, column, convert in statement.converters:
        values[place] = convert(values[place], column, connection)
    end = statement.identity_starts
    row = LoginSession.from_db(alias, statement.names[:end], values[:end])
    row.identity = Identity.from_db(alias, statement.names[end:], values[end:])
    return row
