"""The site's own address, as settings tell it."""

from __future__ import annotations

from typing import Any

import pytest

from django_auth0_flow.checks import check_addresses, check_deployment
from tests.test_checks import GOOD, changed


@pytest.mark.parametrize(
    ("base_url", "hosts", "debug", "expected"),
    [
        ("http://localhost:8000", ["127.0.0.1"], False, ["auth0_flow.W045"]),
        ("http://127.0.0.1:8000", ["localhost"], True, ["auth0_flow.W045"]),
        ("http://localhost:8000", ["localhost", "127.0.0.1"], False, []),
        ("http://[::1]:8000", [], True, []),
        ("http://localhost:8000", [], False, ["auth0_flow.W045"]),
        ("https://www.example.com", ["10.0.0.1"], False, []),  # a proxy may ask for another host
        ("", ["127.0.0.1"], False, []),
    ],
)
def test_W045_a_base_url_on_this_machine_that_django_does_not_answer_at(
    base_url: str, hosts: list[str], debug: bool, expected: list[str], settings: Any
) -> None:
    settings.AUTH0, settings.ALLOWED_HOSTS, settings.DEBUG = changed(BASE_URL=base_url), hosts, debug
    found = check_addresses()
    assert [message.id for message in found] == expected
    assert all("localhost and 127.0.0.1 are two sites" in str(message.hint) for message in found)


def test_W044_a_proxy_that_django_does_not_know_of(settings: Any) -> None:
    settings.AUTH0 = {"default": GOOD, "partners": changed(BASE_URL="https://partners.example.com")}
    (found,) = check_deployment()
    assert (found.id, found.is_serious()) == ("auth0_flow.W044", False)
    assert found.msg.startswith("AUTH0 has no BASE_URL")
    assert 'SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")' in str(found.hint)
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert check_deployment() == []
