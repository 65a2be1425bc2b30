"""Finding people, identities and logins in the admin: exactly, or by how a name begins; one index per statement.

A single condition over several tables, or one for a text somewhere inside a name, would read every row. The results are
primary keys, ``MOST`` at most.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connections
from django.db.models import CharField, Q, QuerySet

from django_auth0_flow.conf import readable_settings
from django_auth0_flow.models import Identity, LoginSession

MOST = 200


def find_identities(term: str) -> set[Any]:
    """Return the identities whose subject begins with ``term``, and those of the users whom it names."""
    by_subject = _beginning(Identity.objects.all(), "subject", term)
    return by_subject | _keys(Identity.objects.filter(user__in=_find_users(term)))


def find_login_sessions(term: str) -> set[Any]:
    """Return the login sessions of such identities, that with the tenant's session id ``term``, and that with this id."""
    issuers = {conf.issuer for conf in readable_settings()}
    rows = LoginSession.objects.all()
    found = _keys(rows.filter(sid_key__in=[LoginSession.sid_key_for(issuer, term) for issuer in issuers]))
    with suppress(ValueError):
        found |= _keys(rows.filter(pk=uuid.UUID(term)))
    return found | _keys(rows.filter(identity__in=find_identities(term)))


def _find_users(term: str) -> set[Any]:
    """Return the users whose name or address begins with ``term``, whatever the user model calls them."""
    model: Any = get_user_model()
    names = {model.USERNAME_FIELD, model.get_email_field_name()}
    found: set[Any] = set()
    for field in model._meta.concrete_fields:
        if field.name in names and isinstance(field, CharField):
            found |= _beginning(model._default_manager.all(), field.name, term)
    return found


def _beginning(rows: QuerySet[Any], name: str, term: str) -> set[Any]:
    """Return the rows where a text begins with ``term``, in the way for which this database uses an index.

    The first statement asks for the texts only, which the index itself has. Asked for the keys, PostgreSQL may rather read
    the table until it has found enough.
    """
    if connections[rows.db].vendor == "mysql":
        begins = Q(**{f"{name}__istartswith": term})
    else:
        begins = Q(**{f"{name}__startswith": term}) | Q(**{f"{name}__startswith": term.lower()})
    texts = list(rows.filter(begins).order_by().values_list(name, flat=True)[:MOST])
    return _keys(rows.filter(**{f"{name}__in": texts})) if texts else set()


def _keys(rows: QuerySet[Any]) -> set[Any]:
    return set(rows.order_by().values_list("pk", flat=True)[:MOST])
