"""A pooled database connection is not kept while the tenant answers: others may be waiting for one."""

from __future__ import annotations

from django.db import connections, router

from .models import LoginSession


def give_back_connection() -> None:
    """Return this thread's database connection to its pool, if it has one and no transaction is open.

    Only for moments when nobody reads from a cursor. The next query takes a connection again. Without a pool
    (``DATABASES[…]["OPTIONS"]["pool"]``) the connection is the thread's own, and nobody gains by closing it.
    """
    connection = connections[router.db_for_write(LoginSession)]
    # Without autocommit there is a transaction all the time, which closing would roll back.
    if connection.settings_dict["OPTIONS"].get("pool") and connection.autocommit and not connection.in_atomic_block:
        connection.close()
