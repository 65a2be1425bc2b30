"""The clinic's own two settings."""

from __future__ import annotations

from django.conf import settings


def api_url() -> str:
    """Return the address of the appointments API."""
    return str(getattr(settings, "API_URL", ""))


def is_demo() -> bool:
    """Tell whether ``manage.py demo`` runs the site, so that its clock can be put forward."""
    return bool(getattr(settings, "DEMO", False))
