"""What a login writes into its user: flags, groups, fields. Whatever fails leaves the transaction around it usable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import DatabaseError, router, transaction

from .models import Identity

#: How a database, a field, or a user model's own ``save()`` refuses a value.
_REFUSALS = (DatabaseError, ValidationError, ValueError, TypeError, OverflowError)


def save_fields(user: Any, values: Mapping[str, Any]) -> bool:
    """Save these fields of ``user`` by one UPDATE; False, with ``user`` as it was, if they are refused."""
    before = {name: getattr(user, name) for name in values}
    try:
        _save(user, values)
    except _REFUSALS:
        for name, value in before.items():
            setattr(user, name, value)
        return False
    return True


def save_flags(user: Any, flags: Mapping[str, bool]) -> None:
    """Save the flags that differ; what is taken away first and by itself. Raises what the database raises."""
    for wanted in (False, True):
        changed = {
            name: wanted for name, flag in flags.items() if bool(flag) == wanted and getattr(user, name) != wanted
        }
        if changed:
            _save(user, changed)


def save_groups(identity: Identity, claimed: set[str]) -> None:
    """Give the identity's user the claimed groups that exist and take those back that this identity once gave.

    What is taken away is saved first and by itself, and what was given is noted with it. Raises what the database raises.
    """
    groups: Any = getattr(identity.user, "groups")  # noqa: B009 - not every user model has them
    alias = _database_of(identity)
    existing = groups.model._default_manager.using(alias)
    given = identity.managed_groups if isinstance(identity.managed_groups, list) else []
    managed = {name for name in given if isinstance(name, str)}
    current = set(groups.using(alias).values_list("name", flat=True))
    kept = managed & claimed & current
    with transaction.atomic(using=alias):
        if gone := (managed - claimed) & current:
            groups.remove(*existing.filter(name__in=gone))
        _note_given(identity, kept)
    new = claimed - current
    # The database may compare without case: look again.
    found = [group for group in existing.filter(name__in=new) if group.name in new] if new else []
    if found:
        with transaction.atomic(using=alias):
            groups.add(*found)
            _note_given(identity, kept | {group.name for group in found})


def _note_given(identity: Identity, names: set[str]) -> None:
    given = sorted(names)
    if given != identity.managed_groups:
        identity.managed_groups = given
        identity.save(update_fields=["managed_groups"])


def _save(user: Any, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        setattr(user, name, value)
    with transaction.atomic(using=_database_of(user)):
        user.save(update_fields=list(values))


def _database_of(row: Any) -> str:
    """Return the database that ``row.save()`` writes to."""
    return router.db_for_write(type(row), instance=row)
