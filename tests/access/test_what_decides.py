"""Each line of ``access.current_login`` that decides, seen from outside: one deterministic case for each."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from django_auth0_flow.models import LoginSession
from django_auth0_flow.testing.tenant import Tenant
from tests.walk import FETCH, is_logged_in, walk

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.urlconfs.access")]


@pytest.fixture
def visitor(client: Client, tenant: Tenant, auth0_settings: Any) -> Client:
    walk(client, tenant)
    assert client.get("/who/").content.decode().endswith(" default")
    return client


def note(client: Client, **facts: str) -> None:
    session = client.session
    session["_auth0"] = {**session["_auth0"], **facts}
    session.save()


def test_the_request_that_finds_the_row_gone_runs_on_as_nobodys(visitor: Client) -> None:
    LoginSession.objects.all().delete()
    assert visitor.get("/who/").content == b"nobody -"
    assert not is_logged_in(visitor)


def test_the_request_that_finds_the_row_gone_says_so(visitor: Client) -> None:
    LoginSession.objects.all().delete()
    answer = visitor.get("/bare/", headers=FETCH)
    assert (answer.status_code, answer.json()["code"]) == (401, "login_session_ended")


@pytest.mark.parametrize("named", ["no uuid", "0" * 32])
def test_a_session_that_names_no_row_is_over(visitor: Client, named: str) -> None:
    note(visitor, id=named)
    assert visitor.get("/who/").content == b"nobody -"
    assert "_auth_user_id" not in visitor.session


def test_X6_a_session_that_notes_another_configuration_than_its_rows_is_no_login(visitor: Client) -> None:
    note(visitor, configuration="partners")
    assert visitor.get("/who/").content.decode().endswith(" -")
    assert visitor.get("/bare/", headers=FETCH).status_code == 401
