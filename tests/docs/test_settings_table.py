"""The documented settings are the declared ones."""

from __future__ import annotations

from django_auth0_flow.conf.client_auth_methods import CLIENT_AUTH_METHODS
from django_auth0_flow.conf.settings import SETTINGS
from tests.docs.pages import table
from tests.docs.settings_table import render


def test_the_table_is_made_of_the_declarations() -> None:
    assert table("settings table") == render(), "python -m tests.docs.settings_table writes it anew"


def test_every_setting_has_its_row_and_a_meaning() -> None:
    rows = [row.strip("| ").split(" | ") for row in render().splitlines()[2:]]
    assert [row[0] for row in rows] == [f"`{key}`" for key in SETTINGS]
    assert all(len(row) == 3 and all(row) for row in rows)


def test_every_way_of_client_authentication_has_its_row() -> None:
    rows = [row.strip("| ").split(" | ") for row in table("client authentication").splitlines()[2:]]
    declared = {name: method.credential for name, method in CLIENT_AUTH_METHODS.items()}
    assert {row[0].strip("`"): row[1].strip("`").replace("nothing", "") for row in rows} == declared
