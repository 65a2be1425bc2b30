"""Silent logins (``prompt=none``): adopting the tenant's session, and looking whether it is still there."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.sessions.models import Session

from django_auth0_flow.access.requirements import MULTI_FACTOR
from django_auth0_flow.login import silent
from django_auth0_flow.models import LoginSession
from django_auth0_flow.testing.tenant import Tenant, User
from tests.visitor import Visitor
from tests.walk import FETCH, code_shown, is_logged_in, session_of

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.front_urls")]
Configure = Callable[..., dict[str, Any]]
SITE = "https://testserver"
HOUR = 3600


@pytest.fixture(autouse=True)
def _site(tenant: Tenant, auth0_settings: Configure) -> None:
    tenant.application.callbacks = [f"{SITE}/auth0/callback/"]
    tenant.application.logout_urls = [f"{SITE}/auth0/logged-out/"]


@pytest.fixture
def person(tenant: Tenant) -> Visitor:
    return Visitor(tenant)


@pytest.fixture
def grace(tenant: Tenant) -> User:
    return next(user for user in tenant.users.values() if user.nickname == "grace")


def log_in_elsewhere(person: Visitor, tenant: Tenant, user: User | None = None) -> None:
    """Log in at another application of the tenant: it has a session for this browser now."""
    other = tenant.add_application(name="Another", callbacks=["https://another.example/callback"])
    url = f"{tenant.issuer}authorize?client_id={other.client_id}&response_type=code&scope=openid&prompt=login"
    person.tenant.authorize(f"{url}&redirect_uri=https://another.example/callback", user)


def log_out_elsewhere(tenant: Tenant) -> None:
    tenant.sessions.clear()


def prompts(person: Visitor) -> list[str | None]:
    return [asked.get("prompt") for asked in person.asked()]


class TestAdopting:
    @pytest.mark.parametrize("path", ["/quiet/", "/quiet-async/"])
    def test_a_session_at_the_tenant_becomes_a_login_without_a_page(
        self, person: Visitor, tenant: Tenant, path: str
    ) -> None:
        log_in_elsewhere(person, tenant)
        assert tenant.user.sub in person.visit(path).content.decode()
        assert person.trail[-1] == f"{SITE}{path}"
        assert prompts(person) == ["none"]
        assert is_logged_in(person.client)

    def test_the_mixin_does_so_too(self, person: Visitor, tenant: Tenant) -> None:
        log_in_elsewhere(person, tenant)
        assert tenant.user.sub in person.visit("/quiet-mixin/").content.decode()

    def test_a_visitor_whom_the_tenant_does_not_know_is_let_through_and_asked_once_per_session(
        self, person: Visitor
    ) -> None:
        for path in ("/quiet/?page=2", "/quiet/", "/quiet-async/", "/quiet-mixin/"):
            assert person.visit(path).content.decode() == "nobody"
        assert prompts(person) == ["none"]
        assert f"{SITE}/quiet/?page=2" in person.trail[-4]
        assert silent.MARKER not in person.trail[-4]

    def test_a_login_by_hand_still_works_afterwards(self, person: Visitor, tenant: Tenant) -> None:
        person.visit("/quiet/")
        assert tenant.user.sub in person.visit("/auth0/login/?next=/quiet/").content.decode()

    @pytest.mark.parametrize("error", ["login_required", "consent_required", "interaction_required"])
    def test_what_auth0_answers_without_a_page_lets_the_visitor_through(
        self, person: Visitor, tenant: Tenant, error: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        log_in_elsewhere(person, tenant)
        tenant.fault("authorize-error", error=error)
        with caplog.at_level(logging.INFO, "django_auth0_flow"):
            assert person.visit("/quiet/").content.decode() == "nobody"
        assert [record.levelname for record in caplog.records if error in record.getMessage()] == ["INFO"]
        assert person.visit("/quiet/").content.decode() == "nobody"
        assert prompts(person) == ["none"]

    def test_a_consent_that_is_due_is_such_an_answer(self, person: Visitor, tenant: Tenant) -> None:
        log_in_elsewhere(person, tenant)
        tenant.api.skip_consent = False
        assert person.visit("/quiet/").content.decode() == "nobody"

    @pytest.mark.parametrize(
        ("fault", "options"),
        [
            ("authorize-error", {"error": "access_denied"}),
            ("authorize-error", {"error": "temporarily_unavailable"}),
            ("nonce-invalid", {}),
            ("iss-wrong", {}),
            ("status", {"status": 500}),
            ("refuse", {"error": "invalid_grant", "status": 403}),
        ],
        ids=str,
    )
    def test_nobody_sees_an_error_page_over_a_login_that_nobody_asked_for(
        self, person: Visitor, tenant: Tenant, fault: str, options: dict[str, Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        log_in_elsewhere(person, tenant)
        tenant.fault(fault, **options)
        assert person.visit("/quiet/").content.decode() == "nobody"
        assert any("silent_login_failed" in record.getMessage() for record in caplog.records)
        assert not LoginSession.objects.exists()

    def test_a_tenant_out_of_reach_lets_the_visitor_through(
        self, person: Visitor, tenant: Tenant, settings: Any
    ) -> None:
        settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
        tenant.stop()
        assert person.visit("/quiet/").content.decode() == "nobody"

    def test_a_login_that_fails_the_tests_of_the_page_is_made_stronger(self, person: Visitor, tenant: Tenant) -> None:
        person.visit("/quiet-strong/")
        assert person.text == "nobody"
        person.visit("/auth0/login/?next=/quiet-strong/")
        assert tenant.user.sub in person.text
        assert "acr_values" in person.asked()[-1]

    def test_it_asks_for_what_the_page_wants_as_well(self, person: Visitor, tenant: Tenant) -> None:
        log_in_elsewhere(person, tenant)
        person.visit("/quiet-strong/")
        assert (person.asked()[0]["prompt"], person.asked()[0]["acr_values"]) == ("none", MULTI_FACTOR)

    def test_it_replaces_no_login_made_meanwhile(self, person: Visitor, tenant: Tenant, grace: User) -> None:
        person.client.cookies["any"] = "1"
        url = person.start("/quiet/")
        person.user = grace
        person.visit("/auth0/login/?next=/show/")
        log_in_elsewhere(person, tenant, tenant.user)
        person.follow(person.bring(person.tenant.authorize(url)))
        assert grace.sub in person.text

    def test_after_a_logout_that_the_tenant_missed_nobody_is_logged_in_again_by_itself(
        self, person: Visitor, tenant: Tenant, settings: Any
    ) -> None:
        person.visit("/auth0/login/?next=/quiet/")
        tenant.fault("drop", endpoint="revoke", times=None)
        person.get(f"{SITE}/auth0/logout/")
        assert person.submit().status_code == 200  # the page says that the tenant's session is left
        tenant.clear_faults()
        assert person.visit("/quiet/").content.decode() == "nobody"


class TestNeverInALoop:
    def test_a_browser_without_cookies_never_reaches_the_tenant(self, tenant: Tenant) -> None:
        person = Visitor(tenant, keeps_cookies=False)
        for _ in range(3):
            assert person.visit("/quiet/?page=2").content.decode() == "nobody"
        assert person.asked() == []
        assert not Session.objects.exists()
        assert tenant.requests == []

    def test_a_browser_that_loses_its_session_on_the_way_is_let_through(self, person: Visitor, tenant: Tenant) -> None:
        log_in_elsewhere(person, tenant)
        person.client.cookies["any"] = "1"
        for outcome in ("known", "unknown"):
            answer = person.tenant.authorize(person.start("/quiet/?page=2"))
            person.client.cookies.pop("sessionid")
            person.follow(person.bring(answer))
            assert person.text == "nobody"
            assert person.trail[-1] == f"{SITE}/quiet/?page=2&{silent.MARKER}={silent.LOST}"
            assert not is_logged_in(person.client), outcome
            log_out_elsewhere(tenant)

    @pytest.mark.parametrize(
        "headers",
        [
            {"Sec-Purpose": "prefetch"},
            {"Sec-Purpose": "prefetch;prerender"},
            {"Purpose": "prefetch"},
            FETCH,
            {"X-Requested-With": "XMLHttpRequest"},
            {"HX-Request": "true"},
            {"Sec-Fetch-Dest": "iframe"},
        ],
        ids=str,
    )
    def test_only_a_persons_view_of_a_page_starts_one(self, tenant: Tenant, headers: dict[str, str]) -> None:
        person = Visitor(tenant, headers=headers)
        person.client.cookies["any"] = "1"
        assert person.visit("/quiet/").content.decode() == "nobody"
        assert person.asked() == []
        assert not Session.objects.exists()

    @pytest.mark.parametrize("method", ["post", "head", "put", "delete"])
    def test_other_methods_start_none(self, person: Visitor, method: str) -> None:
        person.client.handler.enforce_csrf_checks = False
        person.client.cookies["any"] = "1"
        assert getattr(person.client, method)("/quiet/", secure=True).status_code == 200
        assert not Session.objects.exists()


class TestMarker:
    """What is added to an address, and taken out again without a change to the rest."""

    @pytest.mark.parametrize(
        ("url", "marked"),
        [
            ("/a/", "/a/?auth0_silent=cookies"),
            ("/a/?b", "/a/?b&auth0_silent=cookies"),
            ("/a/?b=%20+&c=&b=1", "/a/?b=%20+&c=&b=1&auth0_silent=cookies"),
        ],
    )
    def test_the_rest_stays(self, url: str, marked: str) -> None:
        assert silent.with_marker(url, silent.PROBING) == marked
        assert silent.with_marker(marked, None) == url
        assert silent.with_marker(marked, silent.LOST).count(silent.MARKER) == 1

    def test_the_visitors_own_query_comes_back_as_it_was(self, person: Visitor, tenant: Tenant) -> None:
        log_in_elsewhere(person, tenant)
        person.visit("/quiet/?flag&q=a%2Bb&empty=")
        assert person.trail[-1] == f"{SITE}/quiet/?flag&q=a%2Bb&empty="

    @pytest.mark.parametrize("cookies", [False, True])
    def test_W1_an_address_with_two_slashes_leads_nowhere_else(self, person: Visitor, cookies: bool) -> None:
        """A project's own pattern may match it; a redirect to it would leave this site."""
        if cookies:
            person.client.cookies["any"] = "1"
        answer = person.client.get("/", secure=True, PATH_INFO="//evil.example/")
        if answer.status_code == 302:
            back = person.bring(person.at_tenant(answer["Location"]))
            assert back["Location"] == "/"
        else:
            assert answer.content == b"nobody"


class TestRecheck:
    @pytest.fixture(autouse=True)
    def _every_hour(self, auth0_settings: Configure) -> None:
        auth0_settings(RECHECK_SECONDS=HOUR)

    @pytest.fixture
    def visitor(self, person: Visitor) -> Visitor:
        """A person who has logged in and been away for an hour."""
        person.visit("/watched/")
        assert is_logged_in(person.client)
        person.forget_trail()
        return person

    def test_a_live_session_keeps_the_login_and_all_of_it(self, visitor: Visitor, tenant: Tenant) -> None:
        before, key = LoginSession.objects.get(), visitor.cookie("sessionid")
        visitor.visit("/watched/")
        assert visitor.asked() == []
        for _ in range(3):
            tenant.clock.advance(HOUR)
            assert tenant.user.sub in visitor.visit("/watched/?page=2").content.decode()
            assert visitor.trail[-1] == f"{SITE}/watched/?page=2"
            visitor.visit("/watched/")
        assert prompts(visitor) == ["none"] * 3
        assert {asked["scope"] for asked in visitor.asked()} == {"openid"}
        after = LoginSession.objects.get()
        assert (after.pk, after.grant.tokens) == (before.pk, before.grant.tokens)
        assert visitor.cookie("sessionid") == key
        assert tenant.families_revoked == 0

    def test_only_login_required_ends_it(self, visitor: Visitor, tenant: Tenant) -> None:
        """… also where it says that a second factor is due."""
        tenant.clock.advance(HOUR)
        log_out_elsewhere(tenant)
        visitor.follow(visitor.bring(visitor.at_tenant(visitor.start("/watched/"))))
        assert prompts(visitor) == ["none", None]  # then the page asked for a login as of anybody
        assert LoginSession.objects.count() == 1

    def test_the_ended_login_is_gone_and_its_refresh_token_revoked(self, visitor: Visitor, tenant: Tenant) -> None:
        tenant.clock.advance(HOUR)
        log_out_elsewhere(tenant)
        key = visitor.cookie("sessionid")
        answer = visitor.bring(visitor.at_tenant(visitor.start("/watched/")))
        assert answer["Location"] == "/watched/"
        assert not LoginSession.objects.exists()
        assert not Session.objects.filter(session_key=key).exists()
        assert tenant.count("/oauth/revoke") == 1
        assert visitor.visit("/quiet/").content.decode() == "nobody"  # which needs no second look
        assert prompts(visitor) == ["none"]

    @pytest.mark.parametrize(
        "error",
        ["interaction_required", "consent_required", "access_denied", "server_error", "temporarily_unavailable"],
    )
    def test_any_other_answer_keeps_it(self, visitor: Visitor, tenant: Tenant, error: str) -> None:
        tenant.clock.advance(HOUR)
        tenant.fault("authorize-error", error=error)
        assert tenant.user.sub in visitor.visit("/watched/").content.decode()
        visitor.visit("/watched/")
        assert len(visitor.asked()) == 1

    def test_a_callback_on_this_machine_keeps_it(self, tenant: Tenant) -> None:
        """Auth0 answers ``interaction_required`` to every ``prompt=none`` of a localhost callback."""
        tenant.application.callbacks = ["http://localhost/auth0/callback/"]
        tenant.confirm_non_verifiable_callbacks = True
        visitor = Visitor(tenant, site="http://localhost")
        visitor.visit("/watched/")
        tenant.clock.advance(HOUR)
        assert tenant.user.sub in visitor.visit("/watched/").content.decode()
        assert prompts(visitor) == [None, "none"]

    @pytest.mark.parametrize("fault", ["nonce-invalid", "status", "html", "sig-invalid", "iss-wrong"])
    def test_an_answer_that_is_no_good_keeps_it(self, visitor: Visitor, tenant: Tenant, fault: str) -> None:
        tenant.clock.advance(HOUR)
        tenant.fault(fault)
        assert tenant.user.sub in visitor.visit("/watched/").content.decode()
        assert is_logged_in(visitor.client)

    def test_another_user_at_the_tenant_ends_it_and_gets_a_session_of_their_own(
        self, visitor: Visitor, tenant: Tenant, grace: User
    ) -> None:
        old, key = LoginSession.objects.get(), visitor.cookie("sessionid")
        tenant.clock.advance(HOUR)
        log_in_elsewhere(visitor, tenant, grace)
        assert grace.sub in visitor.visit("/watched/").content.decode()
        assert prompts(visitor) == ["none", None]
        assert visitor.cookie("sessionid") != key
        assert not Session.objects.filter(session_key=key).exists()
        assert LoginSession.objects.get().pk != old.pk

    def test_it_asks_for_the_organization_of_the_login(
        self, person: Visitor, tenant: Tenant, auth0_settings: Configure
    ) -> None:
        acme = tenant.add_organization("acme", id="org_acme000000000000")
        tenant.user.orgs = [acme.id]
        person.visit("/acme/")
        tenant.clock.advance(HOUR)
        assert acme.id in person.visit("/acme/").content.decode()
        assert person.asked()[-1]["organization"] == acme.id

    def test_a_later_logout_at_the_tenant_finds_the_login_by_its_new_session_there(
        self, visitor: Visitor, tenant: Tenant
    ) -> None:
        before = LoginSession.objects.get().sid_key
        tenant.clock.advance(HOUR)
        log_out_elsewhere(tenant)
        log_in_elsewhere(visitor, tenant)
        visitor.visit("/watched/")
        assert LoginSession.objects.get().sid_key not in ("", before)

    def test_one_that_does_not_come_back_is_tried_again_after_a_minute(self, visitor: Visitor, tenant: Tenant) -> None:
        tenant.clock.advance(HOUR)
        visitor.start("/watched/")
        assert visitor.get(f"{SITE}/watched/").status_code == 200
        tenant.clock.advance(61)
        assert visitor.get(f"{SITE}/watched/").status_code == 302

    @pytest.mark.parametrize("error", ["", "server_error"])
    def test_what_came_back_is_good_for_the_whole_time(self, visitor: Visitor, tenant: Tenant, error: str) -> None:
        tenant.clock.advance(HOUR)
        if error:
            tenant.fault("authorize-error", error=error)
        visitor.visit("/watched/")
        for seconds in (61, HOUR - 62):
            tenant.clock.advance(seconds)
            assert visitor.get(f"{SITE}/watched/").status_code == 200
        tenant.clock.advance(1)
        assert visitor.get(f"{SITE}/watched/").status_code == 302

    def test_one_that_failed_is_logged(
        self, visitor: Visitor, tenant: Tenant, caplog: pytest.LogCaptureFixture
    ) -> None:
        tenant.clock.advance(HOUR)
        tenant.fault("authorize-error", error="server_error")
        with caplog.at_level("WARNING", "django_auth0_flow.login.silent"):
            visitor.visit("/watched/")
        assert [record.getMessage() for record in caplog.records] == ["recheck_failed code=server_error"]

    def test_what_comes_back_after_a_logout_or_another_login_changes_nothing(
        self, visitor: Visitor, tenant: Tenant
    ) -> None:
        tenant.clock.advance(HOUR)
        url = visitor.start("/watched/")
        visitor.visit("/auth0/login/?next=/show/")
        login = LoginSession.objects.get().pk
        log_out_elsewhere(tenant)
        visitor.follow(visitor.bring(visitor.at_tenant(url)))
        assert tenant.user.sub in visitor.text
        assert is_logged_in(visitor.client)
        assert LoginSession.objects.get().pk == login

    @pytest.mark.parametrize("headers", [FETCH, {"Sec-Purpose": "prefetch"}, {"Sec-Fetch-Dest": "iframe"}], ids=str)
    def test_only_a_persons_view_of_a_page_is_interrupted(
        self, visitor: Visitor, tenant: Tenant, headers: dict[str, str]
    ) -> None:
        tenant.clock.advance(HOUR)
        assert visitor.client.get("/watched/", headers=headers, secure=True).status_code == 200
        visitor.client.handler.enforce_csrf_checks = False
        assert visitor.client.post("/watched/", secure=True).status_code == 200

    def test_F6_a_forged_answer_ends_nothing(self, visitor: Visitor, tenant: Tenant) -> None:
        tenant.clock.advance(HOUR)
        stranger = Visitor(tenant)
        stranger.visit("/watched/")
        state = stranger.asked()[0]["state"]
        before = session_of(visitor.client)
        visitor.get(f"{SITE}/auth0/callback/?error=login_required&state={state}")
        visitor.get(f"{SITE}/auth0/callback/?error=login_required")
        assert session_of(visitor.client) == before

    def test_a_login_that_nobody_rechecks_stays(
        self, person: Visitor, tenant: Tenant, auth0_settings: Configure
    ) -> None:
        auth0_settings()
        person.visit("/watched/")
        tenant.clock.advance(20 * HOUR)
        log_out_elsewhere(tenant)
        assert person.get(f"{SITE}/watched/").status_code == 200


def test_the_code_of_a_failed_login_is_shown_where_a_person_waited(person: Visitor, tenant: Tenant) -> None:
    tenant.fault("authorize-error", error="login_required")
    assert code_shown(person.visit("/watched/")) == "login_required"
