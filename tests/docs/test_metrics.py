"""``docs/metrics.md``: its code counts with OpenTelemetry's SDK, and spans show our calls without a secret in them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from opentelemetry import metrics, trace
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from django_auth0_flow.machine import machine_token
from django_auth0_flow.models import LoginSession
from django_auth0_flow.protocol.errors import Auth0Error
from django_auth0_flow.testing import expire_machine_tokens, expire_tokens
from django_auth0_flow.testing.tenant import Tenant
from django_auth0_flow.tokens.source import StoredTokenSource
from tests.docs.pages import blocks

pytestmark = pytest.mark.django_db


def run_block(marker: str) -> dict[str, Any]:
    (block,) = blocks(marker)
    names: dict[str, Any] = {"__name__": "mysite.metrics"}
    exec(compile(block.code, str(block), "exec"), names)  # noqa: S102
    return names


@pytest.fixture(scope="module")
def reader() -> InMemoryMetricReader:
    """Where a process's meters lead; OpenTelemetry takes a provider once."""
    reader = InMemoryMetricReader()
    metrics.set_meter_provider(MeterProvider([reader]))
    return reader


@pytest.fixture
def counted(reader: InMemoryMetricReader) -> Iterator[Callable[[], dict[str, int]]]:
    """Run the page's receivers; return what they counted since, by name and labels."""
    receivers = run_block("module: metrics")

    def count() -> dict[str, int]:
        data = reader.get_metrics_data()
        found = {}
        for resource in data.resource_metrics if data else ():
            for metric in resource.scope_metrics[0].metrics:
                for point in metric.data.data_points:
                    labels = ",".join(str(value) for _, value in sorted(dict(point.attributes or {}).items()))
                    found[f"{metric.name} {labels}"] = int(getattr(point, "count", getattr(point, "value", 0)))
        return found

    before = count()
    yield lambda: {key: value - before.get(key, 0) for key, value in count().items() if value != before.get(key, 0)}
    receivers.clear()


def access_token() -> str | None:
    """Return the access token of the one login, refreshed if need be."""
    return StoredTokenSource(LoginSession.objects.get().pk).access_token().access_token


def test_logins_refreshes_and_ends_are_counted(
    counted: Callable[[], dict[str, int]], log_in: Callable[..., Any], client: Client, tenant: Tenant
) -> None:
    log_in(client)
    client.get(tenant.login(client.get("/auth0/login/")["Location"], deny=True))
    expire_tokens(client)
    assert access_token()
    expire_tokens(client)
    tenant.revoke_refresh_tokens(tenant.user.sub)
    with pytest.raises(Auth0Error, match="no longer accepts"):
        access_token()
    assert counted() == {
        "auth0.logins ok,default": 1,
        "auth0.logins access_denied,default": 1,
        "auth0.refresh.duration ok,default,user": 1,
        "auth0.refresh.duration invalid_grant,default,user": 1,
        "auth0.logins.ended default,invalid_grant": 1,
    }


def test_a_refresh_that_fails_is_counted_though_the_old_token_is_still_good(
    counted: Callable[[], dict[str, int]], log_in: Callable[..., Any], client: Client, tenant: Tenant
) -> None:
    log_in(client)
    tenant.clock.advance(86400 - 30)
    tenant.fault("status", status=503, times=None)
    assert access_token()
    assert counted()["auth0.refresh.duration tenant_unreachable,default,user"] == 1


def test_machine_tokens_are_counted(
    counted: Callable[[], dict[str, int]], auth0_settings: Callable[..., Any], tenant: Tenant
) -> None:
    auth0_settings(MACHINE_AUDIENCES=[tenant.api.identifier])
    tenant.application.client_grants = {tenant.api.identifier: ["read:appointments"]}
    machine_token(tenant.api.identifier)
    expire_machine_tokens()
    tenant.application.client_grants = {}
    with pytest.raises(Auth0Error):
        machine_token(tenant.api.identifier)
    assert counted() == {
        "auth0.refresh.duration ok,default,site": 1,
        "auth0.refresh.duration access_denied,default,site": 1,
    }


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """The spans of a process that has the page's line in it."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    run_block("module: spans")
    yield exporter
    URLLib3Instrumentor().uninstrument()


def test_each_call_is_one_span_without_a_secret(
    spans: InMemorySpanExporter,
    auth0_settings: Callable[..., Any],
    log_in: Callable[..., Any],
    client: Client,
    tenant: Tenant,
) -> None:
    auth0_settings(API_ORIGINS=[tenant.issuer.rstrip("/")])
    log_in(client)
    (exchange,) = [span for span in spans.get_finished_spans() if "/oauth/token" in span.to_json()]
    grant = LoginSession.objects.get().grant.tokens
    expire_tokens(client)
    spans.clear()
    api = LoginSession.objects.get().api
    assert api.get(f"{tenant.issuer}things?page=2").status_code == 404
    refresh, call = (dict(span.attributes or {}) for span in spans.get_finished_spans())
    assert refresh["http.method"] == "POST"
    assert refresh["http.url"] == f"{tenant.issuer}oauth/token"
    assert call["http.method"] == "GET"
    assert call["http.url"] == f"{tenant.issuer}things?page=2"
    assert call["http.status_code"] == 404
    renewed = LoginSession.objects.get().grant.tokens
    sent = tenant.requests[-1].headers["Authorization"]
    assert sent == f"Bearer {renewed.access_token}"
    said = json.dumps([refresh, call, dict(exchange.attributes or {})], default=str)
    for secret in (*_secrets(grant), *_secrets(renewed), tenant.application.client_secret):
        assert secret not in said


def _secrets(tokens: Any) -> list[str]:
    found = [tokens.access_token, tokens.refresh_token, tokens.id_token]
    return [secret for secret in found if secret]
