"""``{% outbox %}``: the newest messages of the demo's tenant, in the place of a mailbox and a telephone."""

from __future__ import annotations

from typing import Any

import requests
from clinic.conf import settings
from django import template

register = template.Library()
_NEWEST = 5


@register.inclusion_tag("demo/messages.html")
def outbox() -> dict[str, Any]:
    try:
        sent = requests.get(settings.OUTBOX_URL, timeout=60).json()
    except requests.RequestException:
        sent = []
    return {"outbox": sent[: -_NEWEST - 1 : -1]}
