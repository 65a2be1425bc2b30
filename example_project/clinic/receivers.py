"""Signals at work: a diary of refreshes, kept as long as the login lasts, and the way that a visitor logged in by."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest

from django_auth0_flow.models import LoginSession
from django_auth0_flow.signals import login_session_ended, tokens_refreshed

from .conf import WAY_KEY, has_ways
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


@receiver(user_logged_in)
def note_way(*, request: HttpRequest, **kwargs: Any) -> None:
    match = request.resolver_match
    if has_ways() and match is not None:
        request.session[WAY_KEY] = match.kwargs.get("configuration")
