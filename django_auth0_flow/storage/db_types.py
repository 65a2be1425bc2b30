"""What the models need of a database beyond Django's own: its clock in UTC, exact keys, columns that are only compared."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models.functions import Now

if TYPE_CHECKING:
    _Field = models.Field[Any, Any]
    _CharField = models.CharField[Any, Any]
    _TextField = models.TextField[Any, Any]
else:
    _Field, _CharField, _TextField = object, models.CharField, models.TextField


class UtcNow(Now):
    """The database's clock, in UTC everywhere: MySQL's own is local time, which repeats an hour each autumn."""

    def as_mysql(self, compiler: Any, connection: Any, **extra: Any) -> tuple[str, Any]:
        """Return UTC with microseconds, as Django stores every datetime there."""
        return self.as_sql(compiler, connection, template="UTC_TIMESTAMP(6)", **extra)


def exact_key(*parts: str) -> str:
    """Return a digest of ``parts``: it compares exactly, whatever collation or column length a database has."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


class OpaqueField(_Field):
    """For a column that is compared as a whole: ``exact``, ``in`` and ``isnull``, no other look-up, no transform.

    ``startswith``, ``gt``, ``regex`` and their like would reveal a secret, character by character, to anyone who may filter
    a list. In Django's admin these are all who may view it, and no ``ModelAdmin`` asks the model. Here the query itself is
    refused (FieldError), in every admin and from every relation.
    """

    _LOOKUPS = frozenset({"exact", "in", "isnull"})

    def get_lookup(self, lookup_name: str) -> Any:
        """Return the look-up's class, None for one that does not exist here."""
        return super().get_lookup(lookup_name) if lookup_name in self._LOOKUPS else None

    def get_transform(self, lookup_name: str) -> Any:
        """Return None: a part of the value, or its length, would reveal as much."""
        return None

    def deconstruct(self) -> Any:
        """Name Django's own class: to the database and its migrations this is an ordinary column."""
        name, _, args, kwargs = super().deconstruct()
        plain = next(base for base in type(self).__mro__ if base.__module__.startswith("django.db.models"))
        return name, f"django.db.models.{plain.__name__}", args, kwargs


class OpaqueCharField(OpaqueField, _CharField):
    """Up to ``max_length`` characters."""


class OpaqueTextField(OpaqueField, _TextField):
    """Text of any length."""
