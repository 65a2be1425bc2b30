"""What every template knows."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def demo(request: HttpRequest) -> dict[str, bool]:
    """Tell templates whether ``manage.py demo`` runs the site."""
    return {"demo": settings.DEMO}
