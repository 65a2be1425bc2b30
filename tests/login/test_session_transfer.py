"""F42: a ``session_transfer_token`` goes to the tenant once, and is kept and shown nowhere."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
import requests
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.test import AsyncRequestFactory, Client, RequestFactory
from django.views.debug import ExceptionReporter

from django_auth0_flow.login import begin
from django_auth0_flow.models import LoginSession
from django_auth0_flow.pages import session_transfer
from django_auth0_flow.pages.urls import safe_next
from django_auth0_flow.protocol.errors import TransportError
from django_auth0_flow.testing.tenant import Tenant
from django_auth0_flow.testing.tenant.browser import Browser
from tests.client_keys import client_key
from tests.walk import FETCH, LOGIN, come_back, is_logged_in, query_of, start, walk

pytestmark = pytest.mark.django_db
NAME = session_transfer.NAME
TOKEN = "a-native-applications-login"


@pytest.fixture(autouse=True)
def configure(auth0_settings: Callable[..., Any]) -> Callable[..., Any]:
    def apply(**keys: Any) -> None:
        auth0_settings(FORWARDED_PARAMS=["organization", NAME], **keys)

    apply()
    return apply


def hand_over(client: Client, browser: Browser, token: str, **parameters: str) -> Any:
    """Open the login with a token, and go on to the tenant, which shows no page; return the callback's answer."""
    _, location, _ = browser.open(start(client, **{NAME: token, **parameters}))
    assert location is not None
    return come_back(client, location)


def test_a_person_is_logged_in_without_a_page(client: Client, tenant: Tenant) -> None:
    grace = next(user for user in tenant.users.values() if user.nickname == "grace")
    assert hand_over(client, tenant.browser(), tenant.make_session_transfer_token(grace)).status_code == 302
    assert get_user_model().objects.get().email == "grace@example.com"
    assert tenant.warnings == []


def test_a_native_application_gets_such_a_token_by_its_refresh_token(
    client: Client, tenant: Tenant, configure: Callable[..., Any]
) -> None:
    tenant.application.can_create_session_transfer_token = True
    configure(SCOPE="openid offline_access")
    walk(client, tenant)
    tokens = LoginSession.objects.get().grant.tokens
    audience = f"urn:127.0.0.1:{tenant.port}:session_transfer"
    form = {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token, "audience": audience}
    client_fields = {"client_id": tenant.application.client_id, "client_secret": tenant.application.client_secret}
    answer = requests.post(f"{tenant.issuer}oauth/token", {**form, **client_fields}, timeout=10).json()
    assert (answer["token_type"], answer["expires_in"]) == ("N_A", 60)
    assert hand_over(Client(), tenant.browser(), answer["access_token"]).status_code == 302


def test_the_organization_goes_along(client: Client, tenant: Tenant) -> None:
    acme = tenant.add_organization("Acme")
    tenant.user.orgs.append(acme.id)
    token = tenant.make_session_transfer_token(organization=acme)
    assert hand_over(client, tenant.browser(), token, organization=acme.id).status_code == 302
    assert LoginSession.objects.get().grant.claims["org_id"] == acme.id


def test_F42_another_person_s_login_on_this_site_is_replaced_not_merged(client: Client, tenant: Tenant) -> None:
    walk(client, tenant)
    client.session["basket"] = "full"
    before = client.session.session_key
    grace = next(user for user in tenant.users.values() if user.nickname == "grace")
    hand_over(client, tenant.browser(), tenant.make_session_transfer_token(grace))
    assert [row.identity.subject for row in LoginSession.objects.all()] == [grace.sub]
    assert not Session.objects.filter(pk=before).exists()


def test_a_token_that_was_used_shows_the_login_page(client: Client, tenant: Tenant) -> None:
    token = tenant.make_session_transfer_token()
    hand_over(client, tenant.browser(), token)
    _, location, _ = tenant.browser().open(start(Client(), **{NAME: token}))
    assert (location or "").startswith("/u/login")
    assert "not found or expired" in tenant.warnings[0]


@pytest.mark.parametrize("how", ["plain", "pushed", "signed", "signed and pushed"])
def test_F42_it_is_in_the_request_to_the_tenant_and_in_nothing_that_is_kept(
    client: Client, tenant: Tenant, configure: Callable[..., Any], how: str, caplog: Any
) -> None:
    caplog.set_level(logging.DEBUG, logger="django_auth0_flow")
    keys: dict[str, Any] = {}
    if "signed" in how:
        tenant.application.public_keys = {"k": client_key("new").public_pem}
        keys |= {"SIGNED_REQUESTS": True, "CLIENT_ASSERTION_KEYS": [{"key": client_key("new").pem, "kid": "k"}]}
        tenant.application.token_endpoint_auth_method = "private_key_jwt"
        keys["CLIENT_SECRET"] = ""
    if "pushed" in how:
        keys["PUSHED_AUTHORIZATION"] = True
    configure(**keys)
    token = tenant.make_session_transfer_token()
    answer = client.get(LOGIN, {"next": f"/?{NAME}={token}&page=2", NAME: token})
    url = answer["Location"]
    assert (token in url) == (how == "plain")
    assert answer["Referrer-Policy"] == "no-referrer"
    assert "no-store" in answer["Cache-Control"]
    assert token not in str([row.get_decoded() for row in Session.objects.all()])
    assert token not in caplog.text
    _, location, _ = tenant.browser().open(url)
    assert come_back(client, location or "")["Location"] == "/?page=2"
    assert is_logged_in(client)


@pytest.mark.parametrize("name", [NAME, "session%5Ftransfer_token", "session_transfer%5ftoken"])
def test_F42_an_error_page_and_an_error_report_don_t_show_it(
    client: Client, tenant: Tenant, monkeypatch: Any, name: str, settings: Any
) -> None:
    found: list[str] = []
    settings.DEBUG = True

    def break_down(request: Any, **kwargs: Any) -> str:
        try:
            raise RuntimeError
        except RuntimeError as error:
            reporter = ExceptionReporter(request, RuntimeError, error, None)
            found.append(reporter.get_traceback_html() + reporter.get_traceback_text())
            found.append(request.get_full_path())
        raise TransportError("away")

    monkeypatch.setattr(begin, "begin_login", break_down)
    environ: Any = {"RAW_URI": f"{LOGIN}?{name}={TOKEN}&next=/", "REQUEST_URI": f"{LOGIN}?next=/&{name}={TOKEN}"}
    answer = client.get(f"{LOGIN}?{name}={TOKEN}&next=/", **environ)
    assert answer.status_code == 503
    assert TOKEN not in answer.content.decode()
    assert answer["Referrer-Policy"] in ("no-referrer", "same-origin")
    assert len(found) == 2
    assert TOKEN not in found[0].replace("kwargs", "")
    assert found[1] == f"{LOGIN}?next=%2F"


@pytest.mark.parametrize("forwarded", [["organization"], []])
def test_F42_a_site_that_takes_none_passes_none_on(
    client: Client, auth0_settings: Callable[..., Any], forwarded: list[str]
) -> None:
    auth0_settings(FORWARDED_PARAMS=forwarded)
    assert NAME not in query_of(start(client, **{NAME: TOKEN}))


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (f"{NAME}=a&{NAME}=b", "parameter_repeated"),
        (f"{NAME}={'x' * 2049}", "malformed_request"),
        (f"{NAME}=%0A", "malformed_request"),
        (f"{NAME}=%C3%A4", "malformed_request"),
    ],
)
def test_a_malformed_one_begins_nothing(client: Client, query: str, code: str) -> None:
    answer = client.get(f"{LOGIN}?{query}")
    assert (answer.status_code, answer.context["code"]) == (400, code)


def test_an_empty_one_is_none(client: Client) -> None:
    assert NAME not in query_of(start(client, **{NAME: ""}))


def test_a_script_begins_nothing_and_learns_no_token(client: Client) -> None:
    answer = client.get(LOGIN, {NAME: TOKEN}, headers=FETCH)
    assert answer.status_code == 401
    assert TOKEN not in answer.content.decode()


def test_the_look_for_cookies_does_not_lose_it(client: Client, tenant: Tenant) -> None:
    """The application's login address is opened with ``iss`` by a browser that has no cookie of this site."""
    assert query_of(start(client, iss=tenant.issuer, **{NAME: TOKEN}))[NAME] == TOKEN


@pytest.mark.parametrize(
    ("url", "left"),
    [
        (f"/a/?{NAME}=x", "/a/"),
        (f"/a/?b=1&{NAME}=x&c=%20#d", "/a/?b=1&c=%20#d"),
        (f"/a/?session%5Ftransfer_token=x&{NAME}=y", "/a/"),
        (f"/a/?about={NAME}", f"/a/?about={NAME}"),
        ("/a/?b=1&b=2", "/a/?b=1&b=2"),
        (f"/{NAME}", f"/{NAME}"),
    ],
)
def test_F42_it_is_taken_out_of_where_a_login_leads(url: str, left: str) -> None:
    assert safe_next(RequestFactory().get("/"), url) == left


def test_F42_a_page_that_is_opened_with_it_does_not_come_back_with_it(client: Client) -> None:
    answer = client.get(f"/bare/?{NAME}={TOKEN}&page=2")
    assert answer.status_code == 302
    assert TOKEN not in answer["Location"]
    assert quote("page=2") in answer["Location"]


def test_F42_an_asgi_server_that_logs_the_address_afterwards_finds_none() -> None:
    request: Any = AsyncRequestFactory().get(f"{LOGIN}?{NAME}={TOKEN}&next=/a/")
    assert session_transfer.take(request) == [TOKEN]
    assert request.scope["query_string"] == b"next=%2Fa%2F"
    assert TOKEN not in str(request.scope) + request.get_full_path()
