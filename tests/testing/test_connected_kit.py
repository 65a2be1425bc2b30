"""The offline tenant of the test kit: every account is connected, unless the test says that it is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from django_auth0_flow.testing.offline import OfflineTenant
from tests.walk import NAVIGATE

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.urlconfs.connected_accounts")]


@pytest.fixture(autouse=True)
def configure(settings: Any) -> None:
    settings.AUTH0 = {
        "DOMAIN": "example.eu.auth0.com",
        "CLIENT_ID": "client",
        "CLIENT_SECRET": "secret",
        "SCOPE": "openid offline_access",
        "CONNECTED_ACCOUNTS": {"google-oauth2": "openid"},
    }


def test_an_account_is_connected(client: Client, auth0_login: Callable[..., Any]) -> None:
    auth0_login(client)
    assert client.get("/calendar/", headers=NAVIGATE).content == b"offline-google-oauth2"


def test_none_is_connected(client: Client, auth0_offline: OfflineTenant, auth0_login: Callable[..., Any]) -> None:
    auth0_login(client)
    auth0_offline.unconnected.add("google-oauth2")
    answer = client.get("/calendar/", headers=NAVIGATE)
    assert answer["Location"] == "/auth0/connect/?connection=google-oauth2&next=%2Fcalendar%2F"


def test_what_a_test_took_away_is_back_in_the_next(auth0_offline: OfflineTenant) -> None:
    assert auth0_offline.unconnected == set()
