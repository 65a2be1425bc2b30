"""Posted, hybrid and silent answers of a certified OpenID provider that nobody here wrote (npm ``oidc-provider``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache

from django_auth0_flow.models import LoginSession
from tests.oidc_site import ADA, AUDIENCE, HOUR, SECRET, Site
from tests.servers.fixtures import OidcProviderFactory
from tests.visitor import Visitor
from tests.walk import code_shown, is_logged_in

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.urls("tests.front_urls")]
SITE_URL = "https://testserver"


@pytest.fixture(autouse=True)
def _cold_cache() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def site(oidc_provider: OidcProviderFactory, settings: Any) -> Site:
    return Site(oidc_provider(apiScopes=["read:things"]), settings, SITE_URL)


@pytest.fixture
def person(site: Site) -> Visitor:
    return Visitor(site.provider, site=SITE_URL, user=ADA)


def allow(site: Site, response_type: str) -> None:
    grants = ["implicit", "authorization_code", "refresh_token"]
    site.register(response_types=[response_type], grant_types=grants)


def test_a_code_by_post(site: Site, person: Visitor) -> None:
    site.configure(RESPONSE_MODE="form_post")
    assert person.visit("/bare/?page=2").content == b"bare auth0|ada"
    assert person.trail[-1] == f"{SITE_URL}/bare/?page=2"
    site.advance(HOUR)
    assert person.visit("/token/").status_code == 200
    assert site.refreshes() == {"ok": 1, "failed": 0}


def test_a_code_and_an_id_token_by_post(site: Site, person: Visitor) -> None:
    allow(site, "code id_token")
    site.configure(RESPONSE_TYPE="code id_token")
    assert person.visit("/bare/").content == b"bare auth0|ada"
    assert site.provider.counts()["token_requests"]["authorization_code"]["ok"] == 1
    assert LoginSession.objects.get().grant.tokens.refresh_token


def test_an_id_token_alone_by_post_needs_no_secret(site: Site, person: Visitor) -> None:
    allow(site, "id_token")
    site.configure(RESPONSE_TYPE="id_token", CLIENT_SECRET="", SCOPE="openid profile email")
    assert person.visit("/bare/").content == b"bare auth0|ada"
    assert site.provider.counts()["token_requests"] == {}
    assert code_shown(person.visit("/token/")) == "no_access_token"


def test_a_code_that_the_id_token_does_not_name_is_refused(site: Site, person: Visitor) -> None:
    allow(site, "code id_token")
    site.configure(RESPONSE_TYPE="code id_token")
    own = person.at_tenant(person.start("/auth0/login/"))
    other = Visitor(site.provider, site=SITE_URL, user=ADA)
    stolen = other.at_tenant(other.start("/auth0/login/")).fields["code"]
    page = person.follow(person.post_from_elsewhere(own.url, {**own.fields, "code": stolen}))
    assert code_shown(page) == "token_c_hash"
    assert site.provider.counts()["token_requests"] == {}


@pytest.mark.parametrize("mode", ["query", "form_post"])
def test_a_silent_login(site: Site, person: Visitor, mode: str) -> None:
    site.configure(RESPONSE_MODE=mode, SCOPE="openid profile email")
    assert person.visit("/quiet/").content == b"nobody"
    assert person.visit("/quiet/").content == b"nobody"
    person.visit("/auth0/login/?next=/quiet/")
    assert ADA in person.text
    person.client.cookies.clear()
    assert ADA in person.visit("/quiet/").content.decode()
    assert [asked.get("prompt") for asked in person.asked()] == ["none", None, "none"]


@pytest.mark.parametrize("mode", ["query", "form_post"])
def test_a_recheck_ends_the_login_when_the_providers_session_is_gone(site: Site, person: Visitor, mode: str) -> None:
    site.configure(RESPONSE_MODE=mode, RECHECK_SECONDS=HOUR, AUDIENCE="", SCOPE="openid profile email")
    person.visit("/watched/")
    site.advance(HOUR)
    assert ADA in person.visit("/watched/").content.decode()
    assert [asked.get("prompt") for asked in person.asked()] == [None, "none"]
    site.advance(HOUR)
    person.knows(site.provider)
    answer = person.bring(person.at_tenant(person.start("/watched/")))
    person.get(f"{SITE_URL}{answer['Location']}")
    assert not is_logged_in(person.client)
    assert not LoginSession.objects.exists()


def test_the_settings_of_the_site_are_those_of_an_auth0_tenant(site: Site) -> None:
    """Nothing but the issuer and the credentials was set for the provider."""
    assert {"AUDIENCE": AUDIENCE, "CLIENT_SECRET": SECRET}.items() <= site.settings.AUTH0.items()
