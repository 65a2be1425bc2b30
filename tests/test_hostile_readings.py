"""Holes that a hostile reading of the code once found; each test is the attack."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import ThreadSensitiveContext
from django.test import Client, RequestFactory

from django_auth0_flow.protocol.embedded_grants import PASSWORDLESS_OTP
from django_auth0_flow.session import Auth0Session
from django_auth0_flow.testing.tenant import Tenant
from tests.visitor import Visitor
from tests.walk import is_logged_in

DAY = 86400


@pytest.mark.django_db
def test_who_knows_the_old_cookie_can_not_guess_the_code_of_a_finished_login(
    tenant: Tenant, auth0_settings: Callable[..., Any]
) -> None:
    tenant.application.grant_types |= {PASSWORDLESS_OTP}
    auth0_settings(PASSWORDLESS=["email-code"])
    visitor = Visitor()
    visitor.open("/auth0/passwordless/", next="/plain/")
    visitor.submit("address", address="mary@example.com")
    code = str(tenant.last_message().code)
    path, data = visitor.filled("code", code=code)
    attackers = [visitor.other_tab(), visitor.other_tab()]
    assert visitor.client.post(path, data)["Location"] == "/plain/"
    for attacker, guess in zip(attackers, (f"{(int(code) + 1) % 1_000_000:06d}", code), strict=True):
        attacker.post(path, {**data, "code": guess})
        assert not is_logged_in(attacker)


@pytest.mark.django_db
def test_login_of_one_organization_does_not_open_the_host_of_another(
    client: Client, log_in: Callable[..., Any], tenant: Tenant, auth0_settings: Callable[..., Any], settings: Any
) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    first, second = tenant.add_organization("first"), tenant.add_organization("second")
    tenant.user.orgs = [first.id, second.id]
    hosts = {"testserver": first.id, "second.example.com": second.id}
    auth0_settings(ORGANIZATION=lambda request: hosts[request.get_host()])
    assert log_in(client).status_code == 302
    assert client.get("/bare/").status_code == 200
    answer = client.get("/bare/", headers={"host": "second.example.com"})
    assert answer.status_code == 302
    assert f"organization={second.id}" in answer["Location"]


@pytest.mark.django_db(transaction=True)
def test_async_siblings_on_a_stale_token_do_not_wait_for_each_other(
    logged_in_client: Client, tenant: Tenant, rf: RequestFactory
) -> None:
    request = rf.get("/")
    request.session = logged_in_client.session
    tenant.clock.advance(DAY)
    tenant.fault("slow", seconds=0.4)
    login = Auth0Session(request)

    async def both() -> Any:
        async with ThreadSensitiveContext():
            return await asyncio.wait_for(asyncio.gather(login.aaccess_token(), login.apermissions()), timeout=120)

    token, _ = asyncio.run(both())
    assert token
    assert tenant.count("/oauth/token", grant_type="refresh_token") == 1
