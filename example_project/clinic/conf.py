"""The clinic's own settings."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest

#: Under this key the session knows the configuration that the visitor logged in with by last.
WAY_KEY = "way"


def api_url() -> str:
    """Return the address of the appointments API."""
    return str(getattr(settings, "API_URL", ""))


def billing_audience() -> str:
    """Return the identifier of the invoices API."""
    return str(getattr(settings, "BILLING_AUDIENCE", ""))


def organization() -> str:
    """Return the id of the organization that the page "Ways to log in" logs in to; "" for none."""
    return str(getattr(settings, "ORGANIZATION", ""))


def outbox_url() -> str:
    """Return where the demo's tenant shows the messages that it would have sent; "" outside the demo."""
    return str(getattr(settings, "OUTBOX_URL", ""))


def has_ways() -> bool:
    """Tell whether the site has the page "Ways to log in"."""
    return bool(getattr(settings, "WAYS", False))


def is_demo() -> bool:
    """Tell whether ``manage.py demo`` runs the site, so that its clock can be put forward."""
    return bool(getattr(settings, "DEMO", False))


def way_of(request: HttpRequest) -> str | None:
    """Return the configuration that this request would log in with, for ``CONFIGURATION_FOR``; None for the default."""
    way: str | None = request.session.get(WAY_KEY)
    return way
