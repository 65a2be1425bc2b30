"""Counting what a step costs: SQL statements, and requests to the tenant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_auth0_flow.testing.tenant import Tenant

CONTROL = ("BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK", "COMMIT")


@dataclass
class Cost:
    """What one step took."""

    sql: list[str] = field(default_factory=list)
    http: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{len(self.http)} HTTP, {len(self.sql)} SQL"


@contextmanager
def counted(step: str, tenant: Tenant) -> Iterator[Cost]:
    """Count statements (transaction control apart) and requests to the tenant."""
    cost, seen = Cost(), len(tenant.requests)
    with CaptureQueriesContext(connection) as captured:
        yield cost
    cost.sql = [query["sql"] for query in captured if not query["sql"].startswith(CONTROL)]
    cost.http = [request.path for request in tenant.requests[seen:]]
    print(f"{step}: {cost}", *cost.sql, sep="\n    ")  # noqa: T201 - shown with -s, and when a budget is broken
