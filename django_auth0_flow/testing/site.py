"""A site under test and the local tenant: which addresses the tenant must know, and whole logins over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.urls import NoReverseMatch, get_script_prefix

from django_auth0_flow.pages.urls import url_of

if TYPE_CHECKING:
    from django.test import Client

    from .tenant import Application, Tenant, User

#: Where Django's test client is, without and with ``secure=True``.
TEST_SITES = ("http://testserver", "https://testserver")


def register_site(
    tenant: Tenant, *sites: str, configuration: str = "default", application: Application | None = None
) -> None:
    """Enter this project's callback and logout addresses at the tenant's application, below each of ``sites``.

    ``application``: another one than the tenant's first.
    They come from the project's own URLs, whatever prefix the include has; no-op where the include is missing.
    """
    try:
        callback, logged_out = (url_of(name, configuration) for name in ("callback", "logged_out"))
    except NoReverseMatch:
        return
    application = application or tenant.application
    for site in sites or TEST_SITES:
        for known, path in ((application.callbacks, callback), (application.logout_urls, logged_out)):
            if site + path not in known:
                known.append(site + path)


def settings_for(tenant: Tenant, *, sites: Sequence[str] = TEST_SITES, **keys: Any) -> dict[str, Any]:
    """Return an ``AUTH0`` that points at the local tenant, further keys added, and make this site known to it.

    ``sites``: where the site is reachable, say a ``live_server_url``; ``BASE_URL`` among the keys is added to them.
    """
    register_site(tenant, *sites, *([keys["BASE_URL"].rstrip("/")] if keys.get("BASE_URL") else []))
    return {
        "ISSUER": tenant.issuer,
        "CLIENT_ID": tenant.application.client_id,
        "CLIENT_SECRET": tenant.application.client_secret,
        "AUDIENCE": tenant.api.identifier,
        "SCOPE": "openid profile email offline_access",
        "CLOCK": tenant.clock.now,
        **keys,
    }


def log_in_at(
    tenant: Tenant,
    client: Client,
    *,
    next: str = "/",
    user: User | None = None,
    configuration: str = "default",
    **parameters: str,
) -> Any:
    """Walk a whole login with a Django test client, the tenant asked over real HTTP; return the callback's answer.

    ``user``: one of the tenant's, default ``tenant.user``; ``parameters`` join the query of the login page. Raises
    AssertionError when the login page does not lead to the tenant, TenantPage when the tenant shows an error.
    """
    secure = bool(django_settings.SECURE_SSL_REDIRECT)
    start = client.get(_within(url_of("login", configuration)), {"next": next, **parameters}, secure=secure)
    assert start.status_code == 302, start.content
    answer = tenant.authorize(start["Location"], user=user)
    parts = urlsplit(answer.url)
    secure, callback = parts.scheme == "https", _within(parts.path)
    if answer.method == "GET":
        return client.get(f"{callback}?{parts.query}", secure=secure)
    response = client.post(callback, answer.fields, secure=secure)
    for _ in range(2):  # a form_post response waits at the callback until the browser comes for it
        location = response.get("Location", "")
        if _within(urlsplit(location).path) != callback:
            break
        response = client.get(f"{callback}?{urlsplit(location).query}", secure=secure)
    return response


def _within(path: str) -> str:
    """Return a path without the script prefix: Django's test client is not below it."""
    prefix = get_script_prefix()
    return f"/{path.removeprefix(prefix)}" if path.startswith(prefix) else path
