"""What every template knows."""

from __future__ import annotations

from django.http import HttpRequest

from .conf import is_demo


def demo(request: HttpRequest) -> dict[str, bool]:
    """Tell templates whether ``manage.py demo`` runs the site."""
    return {"demo": is_demo()}
