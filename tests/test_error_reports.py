"""W5: what Django tells the site's administrators of an exception has no password, code or token of the visitor's."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.models import Session
from django.core.signals import got_request_exception
from django.db.models.signals import pre_save
from django.test import Client
from django.views.debug import ExceptionReporter

from django_auth0_flow.models import LoginSession
from django_auth0_flow.protocol.embedded_grants import PASSWORDLESS_OTP
from django_auth0_flow.protocol.errors import TransportError
from django_auth0_flow.testing.tenant import Tenant
from django_auth0_flow.testing.tenant.factors import totp
from django_auth0_flow.testing.tenant.model import Authenticator
from django_auth0_flow.tokens.connected_accounts import ConnectedAccounts
from django_auth0_flow.tokens.source import StoredTokenSource
from tests.visitor import Visitor
from tests.walk import walk

pytestmark = pytest.mark.django_db

REALM = "Username-Password-Authentication"
PASSWORD = "correct horse"
NEW_PASSWORD = "Jamaica-1805"
TOTP_SECRET = "JBSWY3DPEHPK3PXP"
BACKENDS = ["django_auth0_flow.backends.Auth0PasswordBackend", "django_auth0_flow.backends.Auth0Backend"]


class Breakdown(Exception):
    """A fault of the site's own, in the middle of a login."""


def break_down(**kwargs: Any) -> None:
    raise Breakdown


@contextmanager
def collected_reports() -> Iterator[list[str]]:
    """Collect the reports that ``AdminEmailHandler`` would send."""
    found: list[str] = []

    def report(request: Any, **kwargs: Any) -> None:
        reporter = ExceptionReporter(request, *sys.exc_info())
        found.append(reporter.get_traceback_html() + reporter.get_traceback_text())

    got_request_exception.connect(report)
    try:
        yield found
    finally:
        got_request_exception.disconnect(report)


@pytest.fixture
def reports() -> Iterator[list[str]]:
    """Have every login end in an exception, and collect the reports."""
    user_logged_in.connect(break_down)
    with collected_reports() as found:
        yield found
    user_logged_in.disconnect(break_down)


@pytest.fixture
def embedded_logins(tenant: Tenant, auth0_settings: Callable[..., Any], settings: Any) -> None:
    settings.AUTHENTICATION_BACKENDS = BACKENDS
    tenant.application.grant_types |= {"password", "mfa", PASSWORDLESS_OTP}
    auth0_settings(PASSWORDLESS=["email-code"], PASSWORD_REALM=REALM)


def submit(visitor: Visitor, *names: str, **values: Any) -> None:
    visitor.client.raise_request_exception = False
    visitor.submit(*names, **values)


def secrets_of_requests(tenant: Tenant) -> set[str]:
    """Return what the site proved to the tenant: nothing of it belongs in a report."""
    names = "password code code_verifier otp mfa_token client_secret recovery_code refresh_token".split()
    return {value for request in tenant.requests for name in names for value in request.form.get(name, [])}


def assert_clean(reports: list[str], tenant: Tenant, *secrets: str) -> None:
    assert len(reports) == 1
    assert "Breakdown" in reports[0]
    found = [secret for secret in {*secrets, *secrets_of_requests(tenant)} if secret in reports[0]]
    assert found == []


@pytest.mark.urls("tests.embedded_urls")
@pytest.mark.usefixtures("embedded_logins")
class TestEmbeddedLogins:
    @pytest.mark.parametrize("page", ["/auth0/password/", "/accounts/login/"])
    def test_W5_a_password(self, tenant: Tenant, reports: list[str], page: str) -> None:
        visitor = Visitor()
        visitor.open(page)
        submit(visitor, "username", "password", username="ada@example.com", password=PASSWORD)
        assert_clean(reports, tenant, PASSWORD)

    def test_W5_a_code_from_a_message(self, tenant: Tenant, reports: list[str]) -> None:
        visitor = Visitor()
        visitor.open("/auth0/passwordless/")
        visitor.submit("address", address="mary@example.com")
        code = str(tenant.last_message().code)
        submit(visitor, "code", code=code)
        assert_clean(reports, tenant, code)

    def test_W5_a_second_factor(self, tenant: Tenant, reports: list[str]) -> None:
        tenant.user.mfa_required, tenant.user.authenticators = True, [Authenticator("otp", secret=TOTP_SECRET)]
        visitor = Visitor()
        visitor.open("/auth0/password/")
        visitor.submit("username", "password", username="ada@example.com", password=PASSWORD)
        code = totp(TOTP_SECRET, tenant.clock.now())
        submit(visitor, "code", code=code)
        assert_clean(reports, tenant, code)

    @pytest.mark.parametrize("page", ["/auth0/password/", "/accounts/login/"])
    def test_W5_a_password_while_the_tenant_is_asked(
        self, tenant: Tenant, auth0_settings: Callable[..., Any], reports: list[str], page: str
    ) -> None:
        def broken_clock() -> float:
            if tenant.count("/oauth/token"):
                raise Breakdown
            return tenant.clock.now()

        auth0_settings(PASSWORD_REALM=REALM, CLOCK=broken_clock)
        visitor = Visitor()
        visitor.open(page)
        submit(visitor, "username", "password", username="ada@example.com", password=PASSWORD)
        assert_clean(reports, tenant, PASSWORD)

    @pytest.mark.parametrize("path", ["/dbconnections/signup", "/oauth/token"])
    def test_W5_a_new_password_while_the_tenant_is_asked(
        self, tenant: Tenant, auth0_settings: Callable[..., Any], reports: list[str], path: str
    ) -> None:
        def broken_clock() -> float:
            if tenant.count(path):
                raise Breakdown
            return tenant.clock.now()

        auth0_settings(PASSWORD_REALM=REALM, SIGN_UP_FIELDS=["email"], CLOCK=broken_clock)
        visitor = Visitor()
        visitor.open("/auth0/signup/")
        submit(visitor, "email", "password", email="mary@example.com", password=NEW_PASSWORD)
        assert_clean(reports, tenant, NEW_PASSWORD)


@pytest.mark.urls("tests.front_urls")
class TestPostedAnswers:
    @pytest.mark.parametrize("mode", ["form_post", "fragment"])
    def test_W5_tokens(self, tenant: Tenant, auth0_settings: Callable[..., Any], reports: list[str], mode: str) -> None:
        tenant.application.callbacks = ["https://testserver/auth0/callback/"]
        tenant.application.grant_types |= {"implicit"}
        auth0_settings(RESPONSE_TYPE="id_token token", RESPONSE_MODE=mode)
        person = Visitor(tenant)
        answer = person.at_tenant(person.start("/auth0/login/"))
        fields = answer.fields or dict(parse_qsl(urlsplit(answer.url).fragment))
        person.client.raise_request_exception = False
        pre_save.connect(break_down, sender=Session)
        try:
            person.bring(answer)
        finally:
            pre_save.disconnect(break_down, sender=Session)
        assert_clean(reports, tenant, fields["access_token"], fields["id_token"])


@pytest.mark.usefixtures("auth0_settings")
def test_W5_an_access_token_on_its_way_to_an_api_that_does_not_answer(
    client: Client, tenant: Tenant, auth0_settings: Callable[..., Any]
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        api = f"http://127.0.0.1:{closed.getsockname()[1]}"
    auth0_settings(API_ORIGINS=[api])
    walk(client, tenant)
    token = LoginSession.objects.get().grant.tokens.access_token
    assert token
    client.raise_request_exception = False
    with collected_reports() as reports:
        client.get("/call/", {"url": f"{api}/things"})
    assert "ConnectionError" in reports[0]
    assert token not in reports[0]


def test_W5_what_a_refresh_sends(client: Client, tenant: Tenant, auth0_settings: Callable[..., Any]) -> None:
    walk(client, tenant)
    tenant.clock.advance(90000)
    tenant.clear_log()

    def broken_clock() -> float:
        if tenant.count("/oauth/token"):
            raise Breakdown
        return tenant.clock.now()

    auth0_settings(CLOCK=broken_clock)
    client.raise_request_exception = False
    with collected_reports() as reports:
        client.get("/bare/")
    assert_clean(reports, tenant)


@pytest.mark.parametrize("end", ["list", "disconnect"])
def test_W5_a_token_for_connected_accounts(
    client: Client, tenant: Tenant, auth0_settings: Callable[..., Any], end: str
) -> None:
    tenant.allow_connected_accounts(google_oauth2=["openid"])
    auth0_settings(SCOPE="openid offline_access", CONNECTED_ACCOUNTS={"google-oauth2": ""})
    walk(client, tenant)
    accounts = ConnectedAccounts(StoredTokenSource(LoginSession.objects.get().pk))
    calls: dict[str, Callable[[], Any]] = {"list": accounts.list, "disconnect": lambda: accounts.disconnect("cac_1")}
    calls[end]()
    tenant.stop()
    with pytest.raises(TransportError) as caught:
        calls[end]()
    reporter = ExceptionReporter(None, caught.type, caught.value, caught.tb)
    report = reporter.get_traceback_html() + reporter.get_traceback_text()
    (token,) = [found.access_token for found in LoginSession.objects.get().grant.others.values()]
    assert token
    assert token not in report
