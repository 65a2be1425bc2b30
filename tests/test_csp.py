"""Whole logins in Chromium under a strict Content-Security-Policy, as django-csp sets it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from django_auth0_flow.models import LoginSession
from django_auth0_flow.testing.tenant import Tenant
from tests.servers import chromium

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright's event loop runs in this thread
        with chromium.launch() as running:
            yield running


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    page.set_default_timeout(10000)
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text) if message.type == "error" else None)
    yield page
    context.close()


@pytest.fixture
def site(settings: Any, live_server: Any, tenant: Tenant, auth0_settings: Callable[..., Any]) -> str:
    """The site under a policy that allows its own style sheet and forms, and what a form's answer may redirect to."""
    settings.MIDDLEWARE = ["csp.middleware.CSPMiddleware", *settings.MIDDLEWARE]
    settings.CONTENT_SECURITY_POLICY = {
        "DIRECTIVES": {
            "default-src": ["'none'"],
            "style-src": ["'self'"],
            "form-action": ["'self'", tenant.issuer.rstrip("/")],
            "base-uri": ["'none'"],
            "frame-ancestors": ["'none'"],
        }
    }
    return str(live_server.url)


def complaints(page: Any) -> list[str]:
    return [text for text in page.complaints if "Content Security Policy" in text]


def log_in(page: Any, site: str, tenant: Tenant) -> None:
    page.goto(f"{site}/bare/")
    page.fill("input[name=username]", tenant.user.email)
    page.fill("input[name=password]", tenant.user.password)
    page.click("button[name=action][value=login]")
    page.wait_for_url(f"{site}/bare/")


@pytest.mark.parametrize("mode", ["query", "form_post"])
def test_login_and_logout(
    page: Any, site: str, tenant: Tenant, auth0_settings: Callable[..., Any], mode: str
) -> None:
    auth0_settings(RESPONSE_MODE=mode)
    log_in(page, site, tenant)
    assert page.text_content("body") == f"bare {tenant.user.sub}"
    page.goto(f"{site}/auth0/logout/")
    assert page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth") != "none"
    page.click("button[type=submit]")
    page.wait_for_url(f"{site}/")
    assert not LoginSession.objects.exists()
    assert complaints(page) == []


def test_without_the_tenant_in_form_action_chromium_stops_the_logout_on_its_way_there(
    page: Any, site: str, tenant: Tenant, settings: Any
) -> None:
    settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]["form-action"] = ["'self'"]
    log_in(page, site, tenant)
    page.goto(f"{site}/auth0/logout/")
    answer = page.goto(f"{site}/auth0/logout/")
    print(answer.headers.get("content-security-policy"), page.evaluate("document.styleSheets.length"), page.evaluate("document.styleSheets[0].cssRules.length"))
    page.click("button[type=submit]")
    page.wait_for_timeout(1000)
    print(page.url, page.complaints)
    assert not LoginSession.objects.exists()
    assert complaints(page)
