"""The Django app."""

from __future__ import annotations

from django.apps import AppConfig


class ClinicConfig(AppConfig):
    name = "clinic"

    def ready(self) -> None:
        """Connect the receivers."""
        from . import receivers  # noqa: F401  # importing connects them
