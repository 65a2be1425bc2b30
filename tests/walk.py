"""Steps of a login as a browser takes them, and what must hold when a login did not happen."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from django.contrib.auth import SESSION_KEY as USER_KEY
from django.contrib.auth import get_user_model
from django.test import Client

from django_auth0_flow.models import Identity, LoginSession
from django_auth0_flow.storage.django_session_facts import FACTS_KEY
from django_auth0_flow.testing.tenant import Tenant, User
from tests import http_browser

SITE = "http://testserver"
LOGIN, CALLBACK, LOGOUT = "/auth0/login/", "/auth0/callback/", "/auth0/logout/"
#: Faults that only a timeout ends: the tests give them a short one.
SLOW = frozenset({"slow", "drip-body", "drip-headers"})
NAVIGATE = http_browser.NAVIGATE
FETCH = {"Accept": "application/json", "Sec-Fetch-Mode": "cors"}


def start(client: Client, path: str = LOGIN, **parameters: Any) -> str:
    """Open the login page and return the address at the tenant. ``next`` is ``/`` unless given."""
    answer = client.get(path, {"next": "/", **parameters})
    assert answer.status_code == 302, answer.content
    return str(answer["Location"])


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


def with_query(url: str, **changes: str | None) -> str:
    """Return ``url`` with parameters changed; None removes one."""
    query = {**query_of(url), **changes}
    kept = {name: value for name, value in query.items() if value is not None}
    return f"{urlsplit(url)._replace(query='').geturl()}?{urlencode(kept)}"


def come_back(client: Client, url: str, **extra: Any) -> Any:
    """Open the callback address that the tenant gave."""
    return client.get(url.removeprefix(SITE), **extra)


def walk(client: Client, tenant: Tenant, user: User | None = None, **parameters: Any) -> Any:
    """Walk a whole login; return the callback's answer."""
    return come_back(client, tenant.login(start(client, **parameters), user=user))


def session_of(client: Client) -> dict[str, Any]:
    """Return what the visitor's Django session holds."""
    return dict(client.session.items())


def is_logged_in(client: Client) -> bool:
    session = session_of(client)
    return USER_KEY in session and "id" in session.get(FACTS_KEY, {})


def assert_nothing_stored(client: Client) -> None:
    """There was no login: no session user, no user, no identity, no login session."""
    session = session_of(client)
    assert USER_KEY not in session
    assert "id" not in session.get(FACTS_KEY, {})
    assert not get_user_model().objects.exists()
    assert not Identity.objects.exists()
    assert not LoginSession.objects.exists()


def code_shown(answer: Any) -> str:
    """Return the error code on a page or in a JSON answer."""
    if answer["Content-Type"].startswith("application/json"):
        body = answer.json()
        return str(body.get("code") or body["error"])
    return str(answer.context["code"])
