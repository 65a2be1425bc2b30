"""A site of ours beside the certified OpenID provider, as one person's browser meets both."""

from __future__ import annotations

import copy
import time
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

import requests
from django.test import Client

from django_auth0_flow.models import LoginSession
from django_auth0_flow.protocol.tokens import TokenSet
from tests.http_browser import TIMEOUT
from tests.servers.oidc_provider import OidcProvider

AUDIENCE = "https://api.example.com"
SCOPE = "openid profile email offline_access read:things"
#: Reserved characters, so that each way of sending it has to encode it.
SECRET = "a:secret+with/all%that=may&go wrong ~1234567"
ADA = "auth0|ada"
HOUR = 3600


class Site:
    """``client`` is the person's browser at our views, ``browser`` the same at the provider; one clock for both sides."""

    def __init__(self, provider: OidcProvider, settings: Any, url: str = "http://testserver") -> None:
        self.provider, self.settings, self.url = provider, settings, url
        self.ahead = 0.0
        self.client, self.browser = self._new_client(), provider.browser()
        self.register()
        self.configure()

    def another_person(self) -> Self:
        """Return the same site with browsers that nobody has logged in with."""
        other = copy.copy(self)
        other.client, other.browser = self._new_client(), self.provider.browser()
        return other

    def _new_client(self) -> Client:
        return Client(headers={"host": urlsplit(self.url).netloc})

    def now(self) -> float:
        return time.time() + self.ahead

    def advance(self, seconds: float) -> None:
        self.ahead += seconds
        self.provider.advance(seconds)

    def register(self, **metadata: Any) -> None:
        """Register the site at the provider; None takes a member of its metadata away."""
        client = {
            "client_id": "web",
            "client_secret": SECRET,
            "redirect_uris": [f"{self.url}/auth0/callback/"],
            "post_logout_redirect_uris": [f"{self.url}/auth0/logged-out/"],
        }
        metadata = client | metadata
        self.provider.register({name: value for name, value in metadata.items() if value is not None})

    def configure(self, **keys: Any) -> None:
        """Set what an Auth0 tenant needs, with ISSUER and the client's credentials of the provider."""
        self.settings.AUTH0 = {
            "ISSUER": self.provider.issuer,
            "CLIENT_ID": "web",
            "CLIENT_SECRET": SECRET,
            "AUDIENCE": AUDIENCE,
            "SCOPE": SCOPE,
            "CLOCK": self.now,
            **keys,
        }

    def get(self, url: str, **headers: str) -> Any:
        return self.client.get(url.removeprefix(self.url), headers=headers)

    def authorize_url(self, **parameters: str) -> str:
        """Start a login and return where the browser is sent."""
        response = self.get(f"/auth0/login/?{urlencode({'next': '/bare/', **parameters})}")
        assert response.status_code == 302, response.content
        return str(response["Location"])

    def log_in(self, username: str = ADA) -> Any:
        return self.get(self.browser.login(self.authorize_url(), username))

    def row(self) -> LoginSession:
        return LoginSession.objects.get()

    def tokens(self) -> TokenSet:
        return self.row().grant.tokens

    def refreshes(self) -> dict[str, int]:
        found: dict[str, int] = self.provider.counts()["token_requests"].get("refresh_token", {"ok": 0, "failed": 0})
        return found

    def replay(self, refresh_token: str | None) -> requests.Response:
        """Present a refresh token to the provider as a thief would."""
        form = {"client_id": "web", "client_secret": SECRET, "grant_type": "refresh_token"}
        url = f"{self.provider.issuer}oauth/token"
        return requests.post(url, data={**form, "refresh_token": refresh_token or ""}, timeout=TIMEOUT)


def assert_logged_in(response: Any, site: Site) -> None:
    assert (response.status_code, response["Location"]) == (302, "/bare/"), response.content
    assert site.get("/bare/").content == b"bare auth0|ada"


def assert_refused(response: Any, code: str, status: int = 400) -> None:
    assert (response.status_code, response.context["code"]) == (status, code)
    assert "_auth_user_id" not in response.client.session
    assert not LoginSession.objects.exists()


def tampered(url: str, **parameters: str | None) -> str:
    """Return ``url`` with parameters replaced, or left out where None."""
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()} | parameters
    return parts._replace(query=urlencode({name: value for name, value in query.items() if value is not None})).geturl()
