"""A login session, read for a request. Every request that asks who is logged in does this, so it is cheap."""

from __future__ import annotations

import uuid

from django.db import connections, router

from django_auth0_flow.models import LoginSession
from django_auth0_flow.storage.prepared_queries import PreparedQuery

_login_sessions = PreparedQuery(
    LoginSession,
    lambda alias: LoginSession.objects.using(alias).select_related("identity").filter(pk=uuid.UUID(int=0)),
    related="identity",
)


def read_login_session(pk: uuid.UUID) -> LoginSession | None:
    """Return the row with its identity, None if it is gone. Whether its user is active is not looked at."""
    alias = router.db_for_write(LoginSession)
    rows = _login_sessions.rows(alias, LoginSession._meta.pk.get_db_prep_value(pk, connections[alias]))
    return rows[0] if rows else None
