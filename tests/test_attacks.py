"""Attacks on sessions, logins and logouts that once worked, each as its attacker would try it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Group
from django.contrib.auth.models import User as DjangoUser
from django.core.handlers.asgi import ASGIRequest
from django.test import Client
from django.urls import resolve

from django_auth0_flow.access.requirements import MULTI_FACTOR
from django_auth0_flow.models import Identity, LoginSession
from django_auth0_flow.testing.tenant import Tenant
from tests import stubborn_sessions
from tests.login.test_ended_meanwhile import CODE, assert_ended, send
from tests.login.test_silent import HOUR, SITE, log_in_elsewhere, log_out_elsewhere
from tests.visitor import Visitor
from tests.walk import CALLBACK, NAVIGATE, code_shown, come_back, is_logged_in, start, walk

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("auth0_settings")]
Configure = Callable[..., dict[str, Any]]
PATH, FORM = "/auth0/backchannel-logout/", "application/x-www-form-urlencoded"


# -- logins that survived a logout token -----------------------------------------------------------------------------------


@pytest.mark.urls("tests.front_urls")
class TestRecheckedMeanwhile:
    """A re-check moves the login to the session that the tenant has now, which may have ended before it was noted."""

    @pytest.fixture
    def person(self, tenant: Tenant, auth0_settings: Configure) -> Visitor:
        auth0_settings(RECHECK_SECONDS=HOUR)
        tenant.application.callbacks = [f"{SITE}{CALLBACK}"]
        person = Visitor(tenant)
        person.visit("/watched/")
        assert is_logged_in(person.client)
        tenant.clock.advance(HOUR)
        log_out_elsewhere(tenant)
        log_in_elsewhere(person, tenant)
        return person

    def recheck(self, person: Visitor, tenant: Tenant, ended: str) -> None:
        """Come back from a re-check after the tenant has told that the session ``ended``."""
        asked = person.get(f"{SITE}/watched/")
        back = person.at_tenant(asked["Location"])
        assert send(tenant.make_logout_token(sid=ended)) == 200
        assert LoginSession.objects.exists()  # which knows of the session before only
        assert person.bring(back)["Location"] == "/watched/"

    def test_X16_the_new_session_ended_before_the_recheck_noted_it(self, person: Visitor, tenant: Tenant) -> None:
        self.recheck(person, tenant, next(iter(tenant.sessions)))
        assert not LoginSession.objects.exists()
        assert not is_logged_in(person.client)
        assert tenant.refresh_tokens.live() == 0

    def test_X16_another_session_that_ended_leaves_the_rechecked_login(self, person: Visitor, tenant: Tenant) -> None:
        self.recheck(person, tenant, "another")
        assert LoginSession.objects.count() == 1
        assert is_logged_in(person.client)


def test_X16_a_logout_that_failed_for_one_login_still_ends_the_one_under_way(tenant: Tenant, settings: Any) -> None:
    """The token may come again, but what it has ended stays ended."""
    settings.SESSION_ENGINE = "tests.stubborn_sessions"
    old = Client(headers=NAVIGATE)
    walk(old, tenant)
    subject = LoginSession.objects.get().grant.claims["sub"]
    browser = Client(headers=NAVIGATE)
    url = tenant.login(start(browser))
    stubborn_sessions.spared = old.session.session_key
    token = tenant.make_logout_token(sub=subject)
    try:
        assert send(token) == 400
    finally:
        stubborn_sessions.spared = None
    answer = come_back(browser, url)
    assert (answer.status_code, code_shown(answer)) == (400, CODE)
    assert not is_logged_in(browser)
    assert send(token) == 200
    assert not LoginSession.objects.exists()
    assert send(token) == 400  # used up now


@pytest.mark.parametrize("held_back", [0, 30])
def test_X16_a_code_redeemed_after_the_logout_is_no_newer_than_its_login(tenant: Tenant, held_back: int) -> None:
    """Without ``auth_time`` nothing says that the person logged in after the token: ``iat`` is when a code is redeemed."""
    browser = Client(headers=NAVIGATE)
    url = tenant.login(start(browser))
    assert send(tenant.make_logout_token(sub=tenant.user.sub)) == 200
    tenant.clock.advance(held_back)
    tenant.token_hook = lambda kind, claims, header: claims.pop("auth_time", None)
    assert_ended(come_back(browser, url), browser, tenant)
    assert walk(browser, tenant)["Location"] == "/"
    assert is_logged_in(browser)


# -- what userinfo says about a login --------------------------------------------------------------------------------------


class TestUserinfoIsAboutThePerson:
    """Only the ID token says how, when and where somebody logged in; userinfo's claims may be a profile's free text."""

    @pytest.fixture(autouse=True)
    def _asked_for(self, auth0_settings: Configure, tenant: Tenant) -> Iterator[None]:
        auth0_settings(USERINFO=True)
        yield
        tenant.token_hook = None

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("org_id", "org_intruders"),
            ("org_name", "intruders"),
            ("acr", MULTI_FACTOR),
            ("amr", ["mfa"]),
            ("auth_time", 4_000_000_000),
            ("sid", "somebody-elses"),
        ],
    )
    def test_X17_it_does_not_say_how_somebody_logged_in(
        self, client: Client, tenant: Tenant, name: str, value: object
    ) -> None:
        tenant.user.claims[name] = value
        tenant.token_hook = lambda kind, claims, header: claims.pop(name, None)
        walk(client, tenant)
        assert is_logged_in(client)
        row = LoginSession.objects.get()
        assert name not in row.grant.claims
        assert row.sid_key != LoginSession.sid_key_for(tenant.issuer, value)

    def test_L1_it_does_not_vouch_for_the_address_in_the_id_token(
        self, client: Client, tenant: Tenant, auth0_settings: Configure
    ) -> None:
        auth0_settings(USERINFO=True, LINK_BY_VERIFIED_EMAIL=True)
        boss = DjangoUser.objects.create_user("boss", email="boss@example.com")

        def claim_another(kind: str, claims: dict[str, Any], header: dict[str, Any]) -> None:
            claims["email"] = "boss@example.com"
            claims.pop("email_verified", None)

        tenant.token_hook = claim_another
        walk(client, tenant)
        assert is_logged_in(client)
        assert not Identity.objects.filter(user=boss).exists()


# -- bodies ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("padding", "status"), [(0, 200), (200_000, 400)])
def test_B8_a_body_without_a_length_is_bounded_all_the_same(
    client: Client, tenant: Tenant, padding: int, status: int
) -> None:
    """ASGI servers pass a chunked body on, which names no length."""
    walk(client, tenant)
    body = urlencode({"logout_token": tenant.make_logout_token(sub=tenant.user.sub), "pad": "x" * padding}).encode()

    headers = [(b"host", b"testserver"), (b"content-type", FORM.encode()), (b"transfer-encoding", b"chunked")]
    scope = {"type": "http", "method": "POST", "path": PATH, "query_string": b"", "headers": headers}
    answer = resolve(PATH).func(ASGIRequest(scope, BytesIO(body)))
    assert answer.status_code == status
    assert LoginSession.objects.exists() == (status == 400)


# -- groups ----------------------------------------------------------------------------------------------------------------


def test_X5_a_group_that_was_renamed_is_taken_back(client: Client, tenant: Tenant, auth0_settings: Configure) -> None:
    auth0_settings(GROUPS_CLAIM="roles", GROUPS={"editor": "editors"})
    group = Group.objects.create(name="editors")
    tenant.user.claims["roles"] = ["editor"]
    walk(client, tenant)
    group.name = "authors"
    group.save()
    auth0_settings(GROUPS_CLAIM="roles", GROUPS={"editor": "authors"})
    walk(client, tenant)
    assert [found.name for found in DjangoUser.objects.get().groups.all()] == ["authors"]
    tenant.user.claims["roles"] = []
    walk(client, tenant)
    assert not DjangoUser.objects.get().groups.exists()


def test_X5_a_group_given_by_hand_stays_whatever_it_is_called(
    client: Client, tenant: Tenant, auth0_settings: Configure
) -> None:
    auth0_settings(GROUPS_CLAIM="roles")
    Group.objects.create(name="editors")
    by_hand = Group.objects.create(name="readers")
    tenant.user.claims["roles"] = ["editors"]
    walk(client, tenant)
    DjangoUser.objects.get().groups.add(by_hand)
    by_hand.name = "proofreaders"
    by_hand.save()
    tenant.user.claims["roles"] = []
    walk(client, tenant)
    assert [found.name for found in DjangoUser.objects.get().groups.all()] == ["proofreaders"]
