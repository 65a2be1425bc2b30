"""``{% outbox %}``: the newest messages of the demo's tenant, in the place of a mailbox and a telephone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import requests
from clinic.conf import settings
from django import template
from django.utils.translation import gettext_lazy as _

from django_auth0_flow.testing.demo import clock
from django_auth0_flow.testing.tenant.factors import totp

register = template.Library()
_NEWEST = 5
_KINDS = {
    "email-code": _("by e-mail"),
    "email-link": _("by e-mail"),
    "password-reset": _("by e-mail"),
    "sms": _("by text message"),
    "mfa-email": _("second step, by e-mail"),
    "mfa-sms": _("second step, by text message"),
    "mfa-voice": _("second step, by telephone"),
}


def newest_messages() -> list[dict[str, Any]]:
    """Return what the tenant has sent, newest first."""
    try:
        sent = requests.get(settings.OUTBOX_URL, timeout=60).json()
    except requests.RequestException:
        sent = []
    return [
        {**each, "how": _KINDS.get(each["kind"], each["kind"]), "sent_at": datetime.fromtimestamp(each["at"], UTC)}
        for each in sent[: -_NEWEST - 1 : -1]
    ]


@register.inclusion_tag("demo/outbox_here.html")
def outbox() -> dict[str, Any]:
    return {"outbox": newest_messages()}


@register.simple_tag
def authenticator_code(key: str) -> str:
    """Return what an authenticator app with this key shows now: not everybody has one at hand to try the demo with."""
    return totp(key.replace(" ", ""), clock.now())
