"""A person's logins and identities as the person may see them: no token, no key, nothing of the tenant's session."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_auth0_flow.models import Identity, LoginSession
from django_auth0_flow.storage.django_sessions import living_sessions

#: So many logins are looked at, and so many shown; the newest are.
MAX_LOOKED_AT, MAX_SHOWN = 200, 50

#: What stands before the first "|" of a subject, in words.
_PROVIDERS = {
    "auth0": _("Name and password"),
    "email": _("Code by e-mail"),
    "sms": _("Code by text message"),
    "google-oauth2": "Google",
    "google-apps": "Google Workspace",
    "windowslive": "Microsoft",
    "waad": "Microsoft Entra ID",
    "apple": "Apple",
    "facebook": "Facebook",
    "github": "GitHub",
    "linkedin": "LinkedIn",
    "line": "LINE",
}


def provider_in_words(connection: str) -> str:
    """Return what people call an identity provider: its name, else that of the connection."""
    return str(_PROVIDERS.get(connection, connection))


@dataclass(frozen=True)
class OwnIdentity:
    """``provider``: in words; ``issuer``: the tenant's host."""

    provider: str
    subject: str
    issuer: str
    since: datetime

    @classmethod
    def of(cls, identity: Identity) -> OwnIdentity:
        issuer = urlsplit(identity.issuer).hostname or identity.issuer
        kind = identity.subject.partition("|")[0] if "|" in identity.subject else ""
        return cls(provider_in_words(kind) or issuer, identity.subject, issuer, identity.created_at)


@dataclass(frozen=True)
class OwnLogin:
    """``device``: browser and system in words; ``last_used_at``: None if it is not kept."""

    id: uuid.UUID
    device: str
    is_current: bool
    logged_in_at: datetime | None
    last_used_at: datetime | None
    identity: OwnIdentity

    @classmethod
    def of(cls, row: LoginSession, current: LoginSession) -> OwnLogin:
        used = None if row.last_used_at is None else max(row.last_used_at, row.logged_in_at)
        identity = OwnIdentity.of(row.identity)
        return cls(row.pk, row.device, row.pk == current.pk, moment(row.logged_in_at), moment(used), identity)


def logins_of(user: Any, current: LoginSession) -> list[OwnLogin]:
    """Return the logins of ``user`` that are not over and whose Django session lives: ``current``, then the newest."""
    others = LoginSession.objects.for_user(user).exclude(pk=current.pk).defer("sealed")[:MAX_LOOKED_AT]
    keys = {row.pk: row.session_key for row in others}
    living = living_sessions(set(keys.values()))
    # A row without a key, or whose key can't be read here, may be alive.
    now = timezone.now().timestamp()
    alive = [row for row in others if (not keys[row.pk] or keys[row.pk] in living) and not row.is_over(now)]
    return [OwnLogin.of(row, current) for row in (current, *alive)]


def identities_of(user: Any) -> list[OwnIdentity]:
    """Return the identities of ``user``, oldest first."""
    return [OwnIdentity.of(identity) for identity in Identity.objects.filter(user=user).order_by("created_at", "pk")]


def find_login(user: Any, login_id: str) -> LoginSession | None:
    """Return the login session with this id if it is one of ``user``'s, else None."""
    try:
        wanted = uuid.UUID(login_id)
    except ValueError:
        return None
    return LoginSession.objects.for_user(user).filter(pk=wanted).first()


def moment(epoch: float | None) -> datetime | None:
    """Return epoch seconds as Django's other dates are: aware, or naive where ``USE_TZ`` is off."""
    if epoch is None:
        return None
    try:
        found = datetime.fromtimestamp(epoch, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return found if django_settings.USE_TZ else timezone.make_naive(found, timezone.get_default_timezone())
