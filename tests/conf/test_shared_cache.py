"""Django's cache between the processes of a site: metadata and keys fetched once for all, and for a while only."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from django_auth0_flow.conf import clear_caches, get_client
from django_auth0_flow.conf.shared_cache import ForgivingCache, add_once
from django_auth0_flow.protocol.cached_document import CACHE_SECONDS
from django_auth0_flow.protocol.errors import TransportError
from django_auth0_flow.testing.tenant import Tenant

DOCUMENTS = ("/.well-known/openid-configuration", "/.well-known/jwks.json")
NOBODY = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:9/0"}


def as_another_process(tenant: Tenant) -> None:
    """Validate a token with nothing but the shared cache to start from."""
    clear_caches()
    get_client().validate_access_token(tenant.make_access_token(), tenant.api.identifier)


def test_one_process_fetches_for_all_until_it_is_old(
    tenant: Tenant, auth0_settings: Callable[..., Any], settings: Any
) -> None:
    settings.CACHES = {
        "default": {"BACKEND": "tests.clocked_cache.ClockedCache", "OPTIONS": {"clock": tenant.clock.now}}
    }
    for _ in range(3):
        as_another_process(tenant)
    assert [tenant.count(path) for path in DOCUMENTS] == [1, 1]
    tenant.clock.advance(CACHE_SECONDS + 1)
    as_another_process(tenant)
    assert [tenant.count(path) for path in DOCUMENTS] == [2, 2]


def test_a_cache_that_is_down_costs_a_fetch_and_lets_nothing_pass_that_counts_once(
    tenant: Tenant, auth0_settings: Callable[..., Any], settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CACHES = {"default": NOBODY}
    with caplog.at_level(logging.WARNING, "django_auth0_flow"):
        as_another_process(tenant)
        assert ForgivingCache().get("anything") is None
        with pytest.raises(TransportError) as caught:
            add_once("anything", 60)
    assert caught.value.code == "cache_unavailable"
    levels = {record.levelname for record in caplog.records if "shared_cache_unavailable" in record.getMessage()}
    assert levels == {"WARNING", "ERROR"}
    assert "redis://" not in caplog.text


def test_once_is_once() -> None:
    assert [add_once("a", 60), add_once("a", 60), add_once("b", 60)] == [True, False, True]
