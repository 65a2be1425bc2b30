"""A login ends although another request moved it to a new session key, after this one had read its own session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.test import Client, RequestFactory

from django_auth0_flow.login.admission import Login
from django_auth0_flow.login.finish import finish_login
from django_auth0_flow.logout.browser import end_login
from django_auth0_flow.models import LoginSession
from django_auth0_flow.storage.django_session_facts import noted_login
from django_auth0_flow.storage.django_sessions import session_store
from tests.walk import NAVIGATE

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("auth0_settings")]


@pytest.fixture
def row(logged_in_client: Client) -> LoginSession:
    return LoginSession.objects.get()


@pytest.fixture
def request_under_way(row: LoginSession) -> HttpRequest:
    """A request of this browser that has read its session."""
    request = RequestFactory(headers=NAVIGATE).get("/")
    request.session = session_store()(row.session_key)
    request.user = AnonymousUser()
    assert noted_login(request)["id"] == row.pk.hex
    return request


def move(row: LoginSession) -> str:
    """Do what a request does whose view calls ``cycle_key``, a change of the password say; return the new key."""
    session = session_store()(row.session_key)
    session.cycle_key()
    assert row.follow_session(session.session_key)
    return str(session.session_key)


def log_in_again(request: HttpRequest) -> None:
    row = LoginSession.objects.get()
    finish_login(request, Login("default", row.grant.tokens, row.grant.claims, began_at=row.logged_in_at))


@pytest.mark.parametrize("end", [end_login, log_in_again], ids=["logout", "login that replaces it"])
def test_X28_the_session_with_the_new_key_ends_too(
    row: LoginSession, request_under_way: HttpRequest, end: Callable[[HttpRequest], Any]
) -> None:
    moved = move(row)
    assert session_store()().exists(moved)
    end(request_under_way)
    assert not session_store()().exists(moved)
    assert not LoginSession.objects.filter(pk=row.pk).exists()


def test_a_login_again_keeps_what_its_own_session_holds(row: LoginSession, request_under_way: HttpRequest) -> None:
    request_under_way.session["basket"] = 1
    log_in_again(request_under_way)
    assert request_under_way.session["basket"] == 1
    assert LoginSession.objects.get().session_key == request_under_way.session.session_key


def test_so_does_one_whose_request_has_changed_the_key_itself(
    row: LoginSession, request_under_way: HttpRequest
) -> None:
    request_under_way.session.cycle_key()
    log_in_again(request_under_way)
    key = request_under_way.session.session_key
    request_under_way.session.save()
    assert session_store()().exists(str(key))
    assert LoginSession.objects.get().session_key == key
