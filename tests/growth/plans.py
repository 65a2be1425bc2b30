"""The plan of each statement, asked of the database just before the statement runs, on the same rows with the same values.

``EXPLAIN ANALYZE`` runs a statement to tell how many rows it reads; here in a transaction that is taken back.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from tests.growth.tables import GROWING

#: So many rows a statement may read, however many there are: a batch of the clean-up, or a list that is counted.
MAX_READ = 5000
#: Rows of a table that may be read from its beginning: the clean-up leaves small tables.
FEW = 100


@dataclass(frozen=True)
class Access:
    """How one table is read: ``way`` in the database's word, ``read``: how many rows, ``kept``: those that were wanted."""

    table: str
    way: str
    read: float
    kept: float

    @property
    def is_scan(self) -> bool:
        """Tell whether the table is read from its beginning, and not only until enough rows that all fit are found."""
        return self.way in ("Seq Scan", "ALL") and self.kept < self.read > FEW


@dataclass(frozen=True)
class Statement:
    """A statement that ran in a walk."""

    walk: str
    sql: str
    seconds: float
    accesses: list[Access]

    @property
    def read(self) -> float:
        return sum(access.read for access in self.accesses)

    @property
    def is_bad(self) -> bool:
        return self.read > MAX_READ or any(access.is_scan for access in self.accesses)

    def __str__(self) -> str:
        plan = "; ".join(f"{access.way} on {access.table} ({access.read:.0f} rows)" for access in self.accesses)
        return f"{self.walk}, {self.seconds * 1e3:.1f} ms: {plan}\n    {self.sql[:600]}"


@dataclass
class Recorder:
    """Keeps every statement of the walks, but for INSERTs, which look for nothing."""

    statements: list[Statement] = field(default_factory=list)

    @contextmanager
    def walk(self, name: str) -> Iterator[None]:
        def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            found = explain(sql, params) if re.match(r"\(?(SELECT|UPDATE|DELETE)\b", sql) else None
            started = time.perf_counter()
            result = execute(sql, params, many, context)
            if found is not None:
                self.statements.append(Statement(name, sql, time.perf_counter() - started, found))
            return result

        with connection.execute_wrapper(note):
            yield


def explain(sql: str, params: Any) -> list[Access]:
    """Return how a statement reads the growing tables."""
    on_postgres = connection.vendor == "postgresql"
    prefix = "EXPLAIN (ANALYZE, FORMAT JSON) " if on_postgres else "ANALYZE FORMAT=JSON "
    begin, back = (
        ("SAVEPOINT plan", "ROLLBACK TO SAVEPOINT plan") if connection.in_atomic_block else ("BEGIN", "ROLLBACK")
    )
    with connection.connection.cursor() as cursor:
        cursor.execute(begin)
        try:
            cursor.execute(prefix + sql, params)
            answer = cursor.fetchone()[0]
        finally:
            cursor.execute(back)
    plan = answer if on_postgres else json.loads(answer)
    found = list(_postgres(plan) if on_postgres else _mariadb(plan, _aliases(sql)))
    return [access for access in found if access.table in GROWING]


def _postgres(plan: Any) -> Iterator[Access]:
    for part in plan:
        node = part.get("Plan", part)
        if "Relation Name" in node and node["Node Type"] != "ModifyTable":
            passed = sum(node.get(f"Rows Removed by {why}", 0) for why in ("Filter", "Index Recheck"))
            read = (node["Actual Rows"] + passed) * node["Actual Loops"]
            yield Access(node["Relation Name"], node["Node Type"], read, node["Actual Rows"] * node["Actual Loops"])
        yield from _postgres(node.get("Plans", []))


def _mariadb(plan: Any, aliases: dict[str, str]) -> Iterator[Access]:
    if isinstance(plan, list):
        for part in plan:
            yield from _mariadb(part, aliases)
    elif isinstance(plan, dict):
        name = plan.get("table_name")
        if name is not None and "access_type" in plan:
            read = (plan.get("r_rows") or 0) * (plan.get("r_loops") or 0)
            kept = read * (plan.get("r_filtered") or 0) / 100
            yield Access(aliases.get(str(name), str(name)), plan["access_type"], read, kept)
        for part in plan.values():
            yield from _mariadb(part, aliases)


def _aliases(sql: str) -> dict[str, str]:
    """Return which table stands behind a name like ``U0``."""
    return {alias: table for table, alias in re.findall(r"`(\w+)` `?([A-Z]\d+)`?\b", sql)}
