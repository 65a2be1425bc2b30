"""An error report of a refresh that breaks down has variables of generators and of other threads, and no token in them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client, RequestFactory
from django.views.debug import ExceptionReporter

from django_auth0_flow.embedded.token_exchange import alog_in_with_token
from django_auth0_flow.machine import amachine_token, machine_token
from django_auth0_flow.models import LoginSession, MachineToken
from django_auth0_flow.protocol.client import Client as ProtocolClient
from django_auth0_flow.testing.tenant import Tenant
from django_auth0_flow.tokens import login_lease
from django_auth0_flow.tokens.exchange import aexchange_token
from django_auth0_flow.tokens.source import StoredTokenSource
from django_auth0_flow.tokens.sync_async import acall
from tests.picky_api import PickyApi, picky_api
from tests.walk import walk

pytestmark = pytest.mark.django_db

DAY = 86400
Configure = Callable[..., dict[str, Any]]
SUBJECT = "subject-token-of-another-system"
PROFILE = "urn:example:old-session"


class Breakdown(Exception):
    """A fault that no one has thought of."""


def break_down(*args: Any, **kwargs: Any) -> Any:
    raise Breakdown


class Reporter(ExceptionReporter):
    """Leaves out the frames of this module."""

    def get_traceback_frames(self) -> list[dict[str, Any]]:
        frames: list[dict[str, Any]] = super().get_traceback_frames()
        return [frame for frame in frames if frame["filename"] != __file__]


def report_of(work: Callable[[], object]) -> str:
    """Return what ``AdminEmailHandler`` would send when ``work`` breaks down."""
    try:
        work()
    except Breakdown:
        reporter = Reporter(None, *sys.exc_info())
        return reporter.get_traceback_html() + reporter.get_traceback_text()
    pytest.fail("nothing broke down")


def shown(report: str, *secrets: str | None) -> list[str | None]:
    """Return those secrets that stand in the report."""
    assert all(secrets)
    return [secret for secret in secrets if secret and secret in report]


@pytest.fixture
def api() -> Iterator[PickyApi]:
    with picky_api() as running:
        yield running


@pytest.fixture
def row(client: Client, tenant: Tenant, auth0_settings: Configure) -> LoginSession:
    walk(client, tenant)
    tenant.clock.advance(1)
    tenant.clear_log()
    return LoginSession.objects.get()


def break_after_the_answer(tenant: Tenant, auth0_settings: Configure, **keys: Any) -> None:
    """Let the clock fail once the tenant was asked for a token."""
    tenant.clear_log()

    def broken_clock() -> float:
        if tenant.count("/oauth/token"):
            raise Breakdown
        return tenant.clock.now()

    auth0_settings(CLOCK=broken_clock, **keys)


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_a_token_that_an_api_rejects(
    row: LoginSession, tenant: Tenant, api: PickyApi, monkeypatch: pytest.MonkeyPatch, is_async: bool
) -> None:
    api.rejects = lambda token: True
    monkeypatch.setattr(LoginSession, "save_grant", break_down)
    session = StoredTokenSource(row.pk).api_session([api.origin])

    def call() -> object:
        return session.get(api.url)

    async def call_from_loop() -> object:
        return await acall(call)

    report = report_of(async_to_sync(call_from_loop) if is_async else call)
    assert "wanted" in report
    assert tenant.count(grant_type="refresh_token") == 1
    assert shown(report, row.grant.tokens.access_token, row.grant.tokens.refresh_token) == []


def test_a_refresh_token_that_came_without_an_access_token(
    row: LoginSession, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python 3.11 leaves the frame that had it out of the traceback, 3.13 does not."""
    tenant.clock.advance(DAY)
    tenant.fault("no-access-token")
    kept: list[str | None] = []

    def save_grant(self: LoginSession, grant: Any, **kwargs: Any) -> bool:
        kept.append(grant.tokens.refresh_token)
        raise Breakdown

    monkeypatch.setattr(LoginSession, "save_grant", save_grant)
    report = report_of(lambda: StoredTokenSource(row.pk).access_token())
    assert kept != [row.grant.tokens.refresh_token]
    assert shown(report, *kept) == []


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_a_refresh_token_that_is_to_be_revoked(
    row: LoginSession, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, is_async: bool
) -> None:
    """The visitor has logged out while the tenant answered."""
    tenant.clock.advance(DAY)
    revoked: list[str] = []

    def log_out(self: LoginSession, grant: Any, **kwargs: Any) -> bool:
        LoginSession.objects.all().delete()
        return False

    def revoke(configuration: str, *tokens: str) -> None:
        revoked.extend(tokens)
        raise Breakdown

    monkeypatch.setattr(LoginSession, "save_grant", log_out)
    monkeypatch.setattr(login_lease, "revoke", revoke)
    source = StoredTokenSource(row.pk)
    report = report_of(async_to_sync(source.aaccess_token) if is_async else source.access_token)
    assert len(revoked) == 1
    assert shown(report, *revoked) == []


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_the_key_of_a_machine_token(tenant: Tenant, auth0_settings: Configure, is_async: bool) -> None:
    tenant.application.client_grants = {tenant.api.identifier: ["read:appointments"]}
    tenant.api.dpop = "required"
    tenant.application.require_dpop = True
    auth0_settings(DPOP=True)
    machine_token()
    tokens = MachineToken.objects.get().grant.tokens
    tenant.clock.advance(DAY)
    break_after_the_answer(tenant, auth0_settings, DPOP=True)
    report = report_of(async_to_sync(amachine_token) if is_async else machine_token)
    assert "fetch_machine_token" in report
    assert shown(report, tokens.dpop_key, tokens.access_token) == []


def test_a_token_that_permissions_are_read_from(row: LoginSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ProtocolClient, "validate_access_token", break_down)
    report = report_of(lambda: StoredTokenSource(row.pk).permissions("https://api.example.com"))
    assert shown(report, row.grant.tokens.access_token) == []


@pytest.mark.parametrize("is_login", [False, True], ids=["tokens", "login"])
def test_a_token_of_another_system(tenant: Tenant, auth0_settings: Configure, is_login: bool) -> None:
    tenant.application.allow_token_exchange = True
    tenant.token_exchange_profiles[PROFILE] = {SUBJECT: tenant.user}.get
    break_after_the_answer(tenant, auth0_settings)
    request = RequestFactory().get("/")
    request.session = SessionStore()

    async def exchange() -> None:
        await (alog_in_with_token(request, SUBJECT, PROFILE) if is_login else aexchange_token(SUBJECT, PROFILE))

    report = report_of(async_to_sync(exchange))
    assert "log_in_with_token" in report if is_login else "aexchange_token" in report
    assert shown(report, SUBJECT) == []
