from __future__ import annotations

import base64

import pytest

from django_auth0_flow.protocol.client_auth import (
    ClientAuth,
    client_secret_basic,
    client_secret_post,
    no_client_auth,
)
from tests.protocol.support import ISSUER


@pytest.mark.parametrize(
    ("auth", "form", "headers"),
    [
        (client_secret_post("c", "s:% é"), {"a": "1", "client_id": "c", "client_secret": "s:% é"}, {}),
        (no_client_auth("c"), {"a": "1", "client_id": "c"}, {}),
        (
            client_secret_basic("c:d", "s:% é"),
            {"a": "1"},
            {"Authorization": "Basic " + base64.b64encode(b"c%3Ad:s%3A%25%20%C3%A9").decode()},
        ),
    ],
    ids=["post", "none", "basic-form-encoded"],
)
def test_methods(auth: ClientAuth, form: dict[str, str], headers: dict[str, str]) -> None:
    sent = {"a": "1"}
    assert auth(sent, ISSUER) == headers
    assert sent == form
