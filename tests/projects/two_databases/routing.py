"""Users and logins live in a database of their own, and logins are read from a replica that lags for ever."""

from __future__ import annotations

from typing import Any

PEOPLE = {"admin", "auth", "auth0_flow", "contenttypes"}


class Router:
    def db_for_read(self, model: Any, **hints: Any) -> str:
        return "replica" if model._meta.app_label == "auth0_flow" else self.db_for_write(model)

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return "people" if model._meta.app_label in PEOPLE else "default"

    def allow_relation(self, one: Any, other: Any, **hints: Any) -> bool:
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return (db != "default") == (app_label in PEOPLE)
