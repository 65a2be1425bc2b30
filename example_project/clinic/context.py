"""What every template knows."""

from __future__ import annotations

from django.http import HttpRequest

from .conf import has_ways, is_demo


def demo(request: HttpRequest) -> dict[str, bool]:
    """Tell templates whether ``manage.py demo`` runs the site, and whether it has the page "Ways to log in"."""
    return {"demo": is_demo(), "ways": has_ways()}
