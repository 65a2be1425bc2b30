"""Signals at work: a diary of token refreshes, kept as long as the login lasts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.dispatch import receiver

from django_auth0_flow.models import LoginSession
from django_auth0_flow.signals import login_session_ended, tokens_refreshed

from .models import TokenRefresh


@receiver(tokens_refreshed)
def note_refresh(*, login_session: LoginSession, duration: float, **kwargs: Any) -> None:
    TokenRefresh.objects.create(
        login_session_id=login_session.pk,
        at=datetime.fromtimestamp(login_session.refreshed_at or 0, UTC),
        milliseconds=round(duration * 1000),
    )


@receiver(login_session_ended)
def forget_refreshes(*, login_session: LoginSession, **kwargs: Any) -> None:
    TokenRefresh.objects.filter(login_session_id=login_session.pk).delete()
