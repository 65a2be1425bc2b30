"""The table of client authentication methods."""

from __future__ import annotations

import pytest

from django_auth0_flow.conf.client_auth_methods import CLIENT_AUTH_METHODS
from django_auth0_flow.conf.clients import build_client
from django_auth0_flow.conf.settings import SETTINGS, build_settings
from django_auth0_flow.protocol.http import Http

BASE = {"DOMAIN": "tenant.example", "CLIENT_ID": "client", "CLIENT_SECRET": "very secret"}


def test_a_credential_is_a_setting() -> None:
    assert {method.credential for method in CLIENT_AUTH_METHODS.values()} - {""} <= SETTINGS.keys()


@pytest.mark.parametrize("name", CLIENT_AUTH_METHODS)
def test_a_client_without_requests_that_need_a_proof_is_built_by_each_method(name: str) -> None:
    conf = build_settings({**BASE, "CLIENT_AUTH": name, "RESPONSE_TYPE": "id_token"})
    assert build_client(conf, http=Http(timeout=1), cache=None).client_id == "client"


def test_an_unknown_method_never_sends_the_secret() -> None:
    with pytest.raises(KeyError):
        build_client(build_settings({**BASE, "CLIENT_AUTH": "client_secret_jwt"}), http=Http(timeout=1), cache=None)
