"""Answers through a real browser's hands: which cookies it sends along with the tenant's POST, and what a fragment is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from pytest_django.live_server_helper import LiveServer

from django_auth0_flow.models import LoginSession
from django_auth0_flow.testing.tenant import Tenant

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.front_urls"),
]
Configure = Callable[..., dict[str, Any]]


@pytest.fixture
def site(tenant: Tenant, auth0_settings: Configure, live_server: LiveServer) -> Iterator[str]:
    """Serve as ``localhost``: to a browser another site than the tenant, which is 127.0.0.1."""
    url = live_server.url.replace("127.0.0.1", "localhost")
    tenant.application.callbacks = [f"{url}/auth0/callback/"]
    yield url
    for thread in threading.enumerate():
        if "process_request_thread" in thread.name:
            thread.join(5)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    context.set_default_timeout(120_000)
    yield context.new_page()
    context.close()


def rows() -> list[LoginSession]:
    """Return the login sessions; asked in another thread, since Playwright keeps an event loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: list(LoginSession.objects.all())).result()


@pytest.mark.parametrize(
    ("keys", "has_access_token"),
    [
        ({"RESPONSE_MODE": "form_post"}, True),
        ({"RESPONSE_TYPE": "code id_token"}, True),
        ({"RESPONSE_TYPE": "id_token", "SCOPE": "openid"}, False),
        ({"RESPONSE_TYPE": "id_token token", "SCOPE": "openid"}, True),
        ({"RESPONSE_TYPE": "id_token token", "RESPONSE_MODE": "form_post", "SCOPE": "openid"}, True),
    ],
    ids=lambda value: " ".join(value.values()) if isinstance(value, dict) else "",
)
def test_a_whole_login(
    site: str,
    page: Page,
    tenant: Tenant,
    auth0_settings: Configure,
    keys: dict[str, str],
    has_access_token: bool,
) -> None:
    auth0_settings(**keys)
    page.goto(f"{site}/plain/")
    page.goto(f"{site}/bare/")
    page.get_by_role("button", name="Ada Lovelace").click()
    page.wait_for_url(f"{site}/bare/")
    assert page.inner_text("body") == f"bare {tenant.user.sub}"
    cookies = {cookie["name"]: cookie for cookie in page.context.cookies(site)}
    assert cookies["sessionid"]["sameSite"] == "Lax"
    assert not [name for name in cookies if "auth0_login_" in name]
    (row,) = rows()
    assert (row.access_token_expires_at is not None) == has_access_token
    # Back leads past the tenant's page and the callback, and breaks nothing.
    page.go_back()
    page.goto(f"{site}/bare/")
    assert page.inner_text("body") == f"bare {tenant.user.sub}"


def test_without_its_script_the_fragment_page_says_what_is_missing(
    site: str, browser: Browser, auth0_settings: Configure
) -> None:
    auth0_settings(RESPONSE_TYPE="id_token token", SCOPE="openid")
    context = browser.new_context(java_script_enabled=False)
    context.set_default_timeout(120_000)
    page = context.new_page()
    page.goto(f"{site}/auth0/callback/#state=x")
    assert "JavaScript" in page.inner_text("main")
    context.close()


def test_a_silent_login_needs_two_redirects_and_no_page(
    site: str, page: Page, tenant: Tenant, auth0_settings: Configure
) -> None:
    page.goto(f"{site}/auth0/login/?next=/show/")
    page.get_by_role("button", name="Ada Lovelace").click()
    page.wait_for_url(f"{site}/show/")
    page.context.clear_cookies(domain="localhost")
    page.goto(f"{site}/quiet/?page=2")
    assert page.url == f"{site}/quiet/?page=2"
    assert tenant.user.sub in page.inner_text("body")
    page.context.clear_cookies()
    page.goto(f"{site}/quiet/")
    assert (page.url, page.inner_text("body")) == (f"{site}/quiet/", "nobody")
