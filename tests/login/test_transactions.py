"""Logins under way in a session that other requests write at the same moment, or end."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from django_auth0_flow.login import transactions
from django_auth0_flow.login.transactions import Transaction
from django_auth0_flow.storage import django_session_writes
from django_auth0_flow.storage.django_session_writes import change_session

pytestmark = pytest.mark.django_db
NAME = transactions.SESSION_KEY


@pytest.fixture
def key() -> str:
    """Return the key of a session in which somebody is logged in."""
    session = SessionStore()
    session.update({"_auth_user_id": "1", NAME: {"first": {"started_at": 1}}})
    session.save()
    return str(session.session_key)


def read(key: str) -> SessionStore:
    """Return the session as a request has it that has read it."""
    session = SessionStore(key)
    assert session["_auth_user_id"] == "1"
    return session


def add(stored: dict[str, Any]) -> str:
    stored["second"] = {"started_at": 2}
    return "added"


@pytest.mark.parametrize("was_read", [True, False])
def test_F12_a_change_keeps_what_another_request_wrote_meanwhile(key: str, was_read: bool) -> None:
    session = read(key) if was_read else SessionStore(key)
    other = SessionStore(key)
    other["cart"] = ["apples"]
    other[NAME] = {**other[NAME], "other": {"started_at": 3}}
    other.save()
    assert change_session(session, NAME, add) == "added"
    stored = SessionStore(key)
    assert set(stored[NAME]) == set(session[NAME]) == {"first", "second", "other"}
    assert stored["cart"] == ["apples"]
    assert session.modified is False


def test_F12_what_this_request_has_not_saved_yet_stays_unsaved(key: str) -> None:
    session = read(key)
    session["cart"] = ["pears"]
    change_session(session, NAME, add)
    assert "cart" not in SessionStore(key)
    assert (session["cart"], session.modified) == (["pears"], True)


def test_F12_a_change_that_changes_nothing_is_not_written(key: str) -> None:
    """It would undo what another request writes just now."""
    with CaptureQueriesContext(connection) as queries:
        assert change_session(SessionStore(key), NAME, len) == 1
    assert [query["sql"].split()[0] for query in queries.captured_queries] == ["SELECT"]


def test_only_if_leaves_other_sessions_alone(key: str) -> None:
    assert change_session(SessionStore(key), NAME, add, only_if="unknown") is None
    assert set(SessionStore(key)[NAME]) == {"first"}
    assert change_session(SessionStore(key), NAME, add, only_if="first") == "added"
    empty = SessionStore()
    assert change_session(empty, NAME, add, only_if="first") is None
    assert NAME not in empty


@pytest.mark.parametrize("was_read", [True, False])
@pytest.mark.parametrize("moment", ["before", "between"])
def test_a_session_that_was_ended_meanwhile_does_not_come_back(key: str, moment: str, was_read: bool) -> None:
    session = read(key) if was_read else SessionStore(key)

    def change(stored: dict[str, Any]) -> str:
        if moment == "between":
            Session.objects.all().delete()
        return add(stored)

    if moment == "before":
        Session.objects.all().delete()
    assert change_session(session, NAME, change) == "added"
    assert session.session_key is None
    assert "_auth_user_id" not in session
    assert set(session[NAME]) == {"second"}
    assert not Session.objects.exists()


def test_what_another_version_stored_is_no_login() -> None:
    session = SessionStore()
    session[NAME] = {"a": {"unknown": 1}, "b": "text", "c": None}
    session.save()
    request = RequestFactory().get("/")
    request.session = session
    assert django_session_writes.change_session(session, NAME, dict) == {"a": {"unknown": 1}}
    session[NAME] = ["no", "dict"]
    session.save()
    assert django_session_writes.change_session(session, NAME, dict) == {}
    assert transactions.take(request, "made-up") is None


@pytest.mark.parametrize(
    ("purpose", "silent"),
    [
        (transactions.LOGIN, False),
        (transactions.SILENT, True),
        (transactions.RECHECK, True),
        (transactions.ACCESS_TOKEN, False),
    ],
)
def test_the_state_says_whether_a_person_waits(auth0_settings: Any, purpose: str, silent: bool) -> None:
    auth0_settings()
    transaction = transactions.new_transaction("default", redirect_uri="", scope="", next_url="/", purpose=purpose)
    request = RequestFactory().get("/")
    request.session = SessionStore()
    state = transactions.open_state(transactions.begin(request, transaction), "default")
    assert state is not None
    assert (transaction.is_silent, state.is_silent) == (silent, silent)


@pytest.mark.parametrize(("age", "found"), [(0, True), (3590, True), (3610, False), (-50, True), (-70, False)])
def test_a_transaction_lives_an_hour_and_comes_from_no_future(auth0_settings: Any, age: int, found: bool) -> None:
    auth0_settings()
    request = RequestFactory().get("/")
    request.session = SessionStore()
    state = transactions.begin(request, transactions.new_transaction("default", redirect_uri="", scope="", next_url=""))
    next(iter(request.session[NAME].values()))["started_at"] -= age
    assert isinstance(transactions.take(request, state), Transaction) is found
    assert transactions.take(request, state) is None
