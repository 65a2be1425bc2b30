"""What a login writes into its user: flags, groups, fields. Whatever fails leaves the transaction around it usable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import DatabaseError, router, transaction

from django_auth0_flow.models import Identity

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

    What is taken away is saved first and by itself, and what was given is noted with it: by name, and by primary key, so
    that a group which is renamed is still known. Raises what the database raises.
    """
    groups: Any = getattr(identity.user, "groups")  # noqa: B009 - not every user model has them
    alias = _database_of(identity)
    existing = groups.model._default_manager.using(alias)
    keys = {name: str(key) for key, name in groups.using(alias).values_list("pk", "name")}
    current, given = set(keys), _texts(identity.managed_group_keys)
    managed = _texts(identity.managed_groups) | {name for name, key in keys.items() if key in given}
    kept = managed & claimed & current
    with transaction.atomic(using=alias):
        if gone := (managed - claimed) & current:
            groups.remove(*existing.filter(name__in=gone))
        _note_given(identity, {name: keys[name] for name in kept})
    new = claimed - current
    # The database may compare without case: look again.
    found = [group for group in existing.filter(name__in=new) if group.name in new] if new else []
    if found:
        with transaction.atomic(using=alias):
            groups.add(*found)
            keys |= {group.name: str(group.pk) for group in found}
            _note_given(identity, {name: keys[name] for name in kept.union(group.name for group in found)})


def _note_given(identity: Identity, given: Mapping[str, str]) -> None:
    """Note the groups that this identity gave: key by name."""
    names, keys = sorted(given), sorted(given.values())
    if (names, keys) != (identity.managed_groups, identity.managed_group_keys):
        identity.managed_groups, identity.managed_group_keys = names, keys
        identity.save(update_fields=["managed_groups", "managed_group_keys"])


def _texts(noted: object) -> set[str]:
    return {text for text in noted if isinstance(text, str)} if isinstance(noted, list) else set()


def _save(user: Any, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        setattr(user, name, value)
    with transaction.atomic(using=_database_of(user)):
        user.save(update_fields=list(values))


def _database_of(row: Any) -> str:
    """Return the database that ``row.save()`` writes to."""
    return router.db_for_write(type(row), instance=row)
