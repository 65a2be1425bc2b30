"""``LoginSession.end``: the one way a login session ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db.models import Q
from django.test import Client

from django_auth0_flow import models
from django_auth0_flow.models import LoginSession
from django_auth0_flow.signals import login_session_ended
from tests import stubborn_sessions

LogIn = Callable[..., Any]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("auth0_settings")]


@pytest.fixture
def reasons() -> Iterator[list[str]]:
    heard: list[str] = []

    def hear(*, login_session: LoginSession, reason: str, **kwargs: Any) -> None:
        assert not LoginSession.objects.filter(pk=login_session.pk).exists()
        heard.append(reason)

    login_session_ended.connect(hear)
    yield heard
    login_session_ended.disconnect(hear)


@pytest.fixture
def row(client: Client, log_in: LogIn) -> LoginSession:
    log_in(client)
    return LoginSession.objects.get()


def test_the_row_alone(row: LoginSession, reasons: list[str]) -> None:
    assert row.end("logout")
    assert Session.objects.exists()
    assert not row.end("logout")
    assert reasons == ["logout"]


def test_with_its_session_under_the_key_it_has_by_now(client: Client, row: LoginSession, reasons: list[str]) -> None:
    session = client.session
    session.cycle_key()
    LoginSession.objects.get().follow_session(session.session_key)
    assert row.end("admin", session=True)
    assert not Session.objects.exists()
    assert not row.end("admin", session=True)
    assert reasons == ["admin"]


def test_a_row_stays_whose_session_can_t_be_deleted(
    row: LoginSession, reasons: list[str], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SESSION_ENGINE = "tests.stubborn_sessions"
    monkeypatch.setattr(stubborn_sessions, "spared", row.session_key)
    assert not row.end("admin", session=True)
    assert LoginSession.objects.get() == row
    assert reasons == []


def test_only_if_it_is_unchanged(row: LoginSession, reasons: list[str]) -> None:
    assert not row.end("session_gone", only_if=Q(version=row.version + 1))
    assert LoginSession.objects.exists()
    assert reasons == []
    assert row.end("session_gone", only_if=Q(version=row.version))
    assert not LoginSession.objects.exists()


def move(client: Client) -> None:
    """Change the key of the client's session, as another request of the same browser may do."""
    session = client.session
    session.cycle_key()
    client.cookies["sessionid"] = str(session.session_key)
    LoginSession.objects.get().follow_session(session.session_key)


def test_the_row_alone_takes_along_a_session_whose_key_has_changed(
    client: Client, row: LoginSession, reasons: list[str]
) -> None:
    move(client)
    assert row.end("logout")
    assert not LoginSession.objects.exists()
    assert not Session.objects.exists()
    assert reasons == ["logout"]


def test_a_session_that_came_back_under_another_key_stays_with_its_row(client: Client, row: LoginSession) -> None:
    missing = Q(session_missing_since__isnull=False)
    move(client)
    assert not row.end("session_gone", only_if=missing)
    assert LoginSession.objects.exists()
    assert Session.objects.exists()


def test_a_row_stays_whose_session_key_can_t_be_read_here(row: LoginSession, reasons: list[str]) -> None:
    LoginSession.objects.update(sealed_session_key="junk")
    row = LoginSession.objects.get()
    assert not row.end("admin", session=True)
    assert LoginSession.objects.get() == row
    assert reasons == []
    assert row.end("session_gone")


def test_a_session_whose_key_changes_all_the_time_is_not_followed_for_ever(
    client: Client, row: LoginSession, reasons: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    deleted: list[str] = []

    def delete_too_late(key: str, login_session: object) -> bool:
        deleted.append(key)
        move(client)
        return True

    monkeypatch.setattr(models, "try_to_delete_session", delete_too_late)
    assert not row.end("admin", session=True)
    assert len(set(deleted)) == len(deleted) == 3
    assert LoginSession.objects.get() == row
    assert reasons == []
