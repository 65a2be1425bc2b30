"""Each line of ``access.current_login`` that decides, seen from outside: one deterministic case for each."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import transaction
from django.http import HttpResponse
from django.test import AsyncClient, Client
from django.urls import path

from django_auth0_flow.models import LoginSession
from django_auth0_flow.testing.tenant import Tenant
from tests.urlconfs import access
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


@pytest.mark.parametrize("is_async", [False, True])
def test_X4_the_row_follows_a_session_key_that_changes_where_nobody_asks_for_the_login(
    visitor: Client, settings: Any, is_async: bool
) -> None:
    def renew(request: Any) -> HttpResponse:
        request.session.cycle_key()
        return HttpResponse("renewed")

    async def arenew(request: Any) -> HttpResponse:
        return await sync_to_async(renew)(request)

    view = transaction.non_atomic_requests(arenew if is_async else renew)
    settings.ROOT_URLCONF = type("urls", (), {"urlpatterns": [path("renew/", view), *access.urlpatterns]})
    before = visitor.session.session_key
    (browser := AsyncClient()).cookies.update(visitor.cookies)
    answer = async_to_sync(browser.get)("/renew/") if is_async else visitor.get("/renew/")
    assert answer.content == b"renewed"
    visitor.cookies.update(answer.cookies)
    assert before != visitor.session.session_key == visitor.session["_auth0"]["key"]
