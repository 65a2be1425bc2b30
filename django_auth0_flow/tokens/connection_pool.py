"""Give a pooled database connection back while the tenant answers: other requests may be waiting for one."""

from __future__ import annotations

from django.db import connections, router

from django_auth0_flow.conf import get_settings
from django_auth0_flow.models import LoginSession


def give_back_connection(configuration: str) -> None:
    """With ``RELEASE_CONNECTIONS``, return this thread's database connection to its pool, unless a transaction is open.

    Only for moments when no cursor is being read. The next query takes another connection, which is why the setting is
    off by default: what a middleware has set on this one, for row-level security say, stays behind. Without a pool
    (``DATABASES[…]["OPTIONS"]["pool"]``) the connection is the thread's own, and closing it gains nothing.
    """
    if not get_settings(configuration).release_connections:
        return
    connection = connections[router.db_for_write(LoginSession)]
    # Without autocommit there is a transaction all the time, which closing would roll back.
    if connection.settings_dict["OPTIONS"].get("pool") and connection.autocommit and not connection.in_atomic_block:
        connection.close()
