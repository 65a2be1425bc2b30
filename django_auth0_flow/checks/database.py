"""Checks of what is in the database: our tables, and the groups that ``GROUPS`` names.

``manage.py check`` looks at SQLite, which needs no server; at any other database only with ``--database``, as Django does.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, Error, connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader

from django_auth0_flow.conf import readable_settings
from django_auth0_flow.models import LoginSession

#: Commands that make the tables: there is nothing to look at before they have.
_BEFORE_THE_TABLES = ("makemigrations", "migrate", "test")


def check_local_database(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Report what is missing in the database of the logins if it is a SQLite file."""
    connection = connections[_alias()]
    return database_messages() if connection.vendor == "sqlite" and not _makes_tables() else []


def check_database(
    app_configs: Any = None, databases: Collection[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Report what is missing in the database of the logins, if it is among ``databases`` and on a server."""
    alias = _alias()
    if alias not in (databases or ()) or connections[alias].vendor == "sqlite" or _makes_tables():
        return []
    return database_messages()


def database_messages() -> list[CheckMessage]:
    """Return what is missing in the database of the logins."""
    try:
        missing = _missing_migrations()
        groups = [] if missing else list(_group_messages())
    except (Error, ImproperlyConfigured) as error:
        return [
            CheckWarning(
                f"The database of the logins can't be asked ({type(error).__name__}).",
                hint="See DATABASES; the database must be there and take connections.",
                id="auth0_flow.W043",
            )
        ]
    if missing:
        more = f" and {len(missing) - 1} more" if missing[1:] else ""
        text = f"The tables of django_auth0_flow are not up to date: {missing[0]}{more} not applied."
        return [CheckWarning(text, hint="python manage.py migrate", id="auth0_flow.W042")]
    return groups


def _alias() -> str:
    return router.db_for_write(LoginSession) or DEFAULT_DB_ALIAS


def _makes_tables() -> bool:
    return sys.argv[1:2] != [] and sys.argv[1] in _BEFORE_THE_TABLES


def _missing_migrations() -> list[str]:
    connection = connections[_alias()]
    # Asking would make an empty file of one that is not there.
    loader = MigrationLoader(None if _is_absent_file(connection) else connection, ignore_no_migrations=True)
    label = LoginSession._meta.app_label
    return sorted(
        name for app, name in loader.disk_migrations if app == label and (app, name) not in loader.applied_migrations
    )


def _is_absent_file(connection: BaseDatabaseWrapper) -> bool:
    name = str(connection.settings_dict["NAME"])
    is_file = connection.vendor == "sqlite" and name != ":memory:" and not name.startswith("file:")
    return is_file and not Path(name).exists()


def _group_messages() -> Iterator[CheckMessage]:
    try:
        groups: Any = get_user_model()._meta.get_field("groups").related_model
    except FieldDoesNotExist:
        return
    for conf in readable_settings():
        wanted = set(conf.groups.values())
        known = set(groups._default_manager.filter(name__in=wanted).values_list("name", flat=True)) if wanted else set()
        if missing := sorted(wanted - known):
            yield CheckWarning(
                f"GROUPS of {conf.where} leads to groups that don't exist: {', '.join(missing)}. Logins don't make them.",
                hint=f"Add them in the admin, or: Group.objects.create(name={missing[0]!r})",
                id="auth0_flow.W041",
            )
