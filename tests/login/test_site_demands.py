"""X17: ``acr_values`` and ``max_age`` in AUTHORIZATION_PARAMS are demands, whatever a visitor does to the request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.test import Client, RequestFactory

from django_auth0_flow.backends import refusal_of
from django_auth0_flow.models import LoginSession
from django_auth0_flow.protocol.claim_checks import MULTI_FACTOR, check_strength
from django_auth0_flow.protocol.embedded_grants import PASSWORDLESS_OTP
from django_auth0_flow.protocol.errors import TokenValidationError
from django_auth0_flow.testing.tenant import Tenant, User
from tests.embedded.test_passwordless import ask, open_link
from tests.visitor import Visitor
from tests.walk import CALLBACK, LOGIN, assert_nothing_stored, code_shown, is_logged_in, with_query

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.front_urls")]
Configure = Callable[..., dict[str, Any]]
SITE = "https://testserver"
STRONG = {"acr_values": MULTI_FACTOR}
#: Every way in which an ID token comes back from /authorize.
WAYS: list[dict[str, str]] = [
    {"RESPONSE_TYPE": "code"},
    {"RESPONSE_TYPE": "code", "RESPONSE_MODE": "form_post"},
    {"RESPONSE_TYPE": "code id_token"},
    {"RESPONSE_TYPE": "id_token", "SCOPE": "openid"},
    {"RESPONSE_TYPE": "id_token token", "SCOPE": "openid"},
]


@pytest.fixture(autouse=True)
def _site(tenant: Tenant) -> None:
    tenant.application.callbacks = [f"{SITE}{CALLBACK}"]


@pytest.fixture
def person(tenant: Tenant) -> Visitor:
    return Visitor(tenant)


def log_in_changed(person: Visitor, path: str, **changes: str | None) -> Any:
    """Log in with a request that the visitor has changed on its way to the tenant."""
    return person.follow(person.bring(person.at_tenant(with_query(person.start(path), **changes))))


def forget_factors(kind: str, claims: dict[str, Any], header: dict[str, Any]) -> None:
    """Sign nothing about how the person logged in."""
    claims.pop("acr", None)
    claims.pop("amr", None)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: " ".join(way.values()))
class TestStrength:
    @pytest.fixture(autouse=True)
    def _configure(self, auth0_settings: Configure, way: dict[str, str]) -> None:
        auth0_settings(AUTHORIZATION_PARAMS=STRONG, **way)

    def test_X17_an_honest_login_passes(self, person: Visitor, way: dict[str, str]) -> None:
        assert person.visit("/bare/").status_code == 200
        assert person.asked()[0]["acr_values"] == MULTI_FACTOR
        assert LoginSession.objects.get().grant.claims["acr"] == MULTI_FACTOR

    @pytest.mark.parametrize("value", [None, "urn:example:weak"])
    def test_X17_a_request_stripped_by_the_visitor_logs_nobody_in(
        self, person: Visitor, way: dict[str, str], value: str | None
    ) -> None:
        page = log_in_changed(person, "/bare/", acr_values=value)
        assert (page.status_code, code_shown(page)) == (400, "token_acr")
        assert "stronger login" in person.text
        assert_nothing_stored(person.client)
        assert len(person.asked()) == 1  # it does not go round
        assert person.visit("/bare/").status_code == 200

    def test_X17_a_second_factor_counts_also_where_no_acr_is_named(
        self, person: Visitor, tenant: Tenant, way: dict[str, str]
    ) -> None:
        tenant.user.mfa_required = True
        page = log_in_changed(person, "/bare/", acr_values=None)
        assert page.status_code == 200
        claims = LoginSession.objects.get().grant.claims
        assert ("acr" in claims, claims["amr"]) == (False, ["mfa"])

    def test_X17_a_tenant_that_does_not_do_it_logs_nobody_in(
        self, person: Visitor, tenant: Tenant, way: dict[str, str]
    ) -> None:
        tenant.token_hook = forget_factors
        assert code_shown(person.visit("/bare/")) == "token_acr"
        assert_nothing_stored(person.client)


class TestWhoAsks:
    def test_X17_a_visitor_cant_replace_what_the_site_asks_for(
        self, person: Visitor, auth0_settings: Configure
    ) -> None:
        params = {"acr_values": MULTI_FACTOR, "max_age": "300"}
        auth0_settings(AUTHORIZATION_PARAMS=params, FORWARDED_PARAMS=["acr_values", "max_age"])
        for mine in ("99999", "never", "-1", "300.5", "9" * 400):
            person.forget_trail()
            person.at_tenant(person.start(f"{LOGIN}?acr_values=urn:example:weak&max_age={mine}&next=/bare/"))
            assert [(asked["acr_values"], asked["max_age"]) for asked in person.asked()] == [(MULTI_FACTOR, "300")]

    def test_X17_a_visitor_may_ask_for_more(self, person: Visitor, auth0_settings: Configure) -> None:
        auth0_settings(AUTHORIZATION_PARAMS={"max_age": "300"}, FORWARDED_PARAMS=["max_age"])
        assert person.visit(f"{LOGIN}?max_age=60&next=/bare/").status_code == 200
        assert person.asked()[0]["max_age"] == "60"

    def test_X17_what_a_visitor_chose_demands_nothing(
        self, person: Visitor, auth0_settings: Configure, tenant: Tenant
    ) -> None:
        auth0_settings(FORWARDED_PARAMS=["acr_values"])
        page = person.visit(f"{LOGIN}?acr_values=urn:example:gold&next=/bare/")
        assert person.asked()[0]["acr_values"] == "urn:example:gold"
        assert page.content.decode() == f"bare {tenant.user.sub}"

    def test_X17_a_view_asks_for_its_own_first_and_the_sites_demand_stays(
        self, person: Visitor, auth0_settings: Configure, tenant: Tenant
    ) -> None:
        auth0_settings(AUTHORIZATION_PARAMS={"acr_values": "urn:example:silver urn:example:gold", "max_age": "300"})
        url = person.start("/strong-and-recent/")
        tenant.token_hook = lambda kind, claims, header: claims.update(acr="urn:example:other")
        page = person.follow(person.bring(person.at_tenant(url)))
        wanted = f"{MULTI_FACTOR} urn:example:silver urn:example:gold"
        assert [(asked["acr_values"], asked["max_age"]) for asked in person.asked()] == [(wanted, "300")]
        assert code_shown(page) == "token_acr"
        assert_nothing_stored(person.client)

    def test_X17_one_of_several_is_enough(self, person: Visitor, auth0_settings: Configure, tenant: Tenant) -> None:
        auth0_settings(AUTHORIZATION_PARAMS={"acr_values": "urn:example:silver urn:example:gold"})
        tenant.token_hook = lambda kind, claims, header: claims.update(acr="urn:example:gold")
        assert person.visit("/bare/").status_code == 200

    def test_X17_a_views_acr_values_alone_stay_a_403_of_that_view(
        self, person: Visitor, auth0_settings: Configure
    ) -> None:
        auth0_settings()
        page = log_in_changed(person, "/strong/", acr_values=None)
        assert (page.status_code, code_shown(page)) == (403, "acr_values")
        assert is_logged_in(person.client)

    @pytest.mark.parametrize("value", ["", " "])
    def test_X17_blank_values_demand_nothing(self, person: Visitor, auth0_settings: Configure, value: str) -> None:
        auth0_settings(AUTHORIZATION_PARAMS={"acr_values": value}, PASSWORD_REALM=True)
        assert person.visit("/bare/").status_code == 200
        assert Client().get("/auth0/password/").status_code == 200


class TestMaxAge:
    @pytest.fixture(autouse=True)
    def _configure(self, auth0_settings: Configure) -> None:
        auth0_settings(AUTHORIZATION_PARAMS={"max_age": "300"}, PASSWORDLESS=["email-link"])

    @pytest.mark.parametrize("value", [None, "99999"])
    def test_X17_a_stripped_max_age_is_still_demanded(self, person: Visitor, tenant: Tenant, value: str | None) -> None:
        person.visit("/bare/")
        LoginSession.objects.all().delete()
        person.client.cookies.clear()
        tenant.clock.advance(400)
        page = log_in_changed(person, "/bare/", max_age=value)
        assert code_shown(page) == "token_auth_time"
        assert not is_logged_in(person.client)
        assert person.visit("/bare/").status_code == 200

    def test_X17_a_magic_link_asks_for_it_and_is_checked(self, tenant: Tenant) -> None:
        tenant.application.grant_types |= {PASSWORDLESS_OTP}
        tenant.application.callbacks = [f"https://testserver{CALLBACK}"]
        visitor = Visitor()
        ask(visitor, "email-link")
        assert "max_age=300" in str(tenant.last_message().link)
        visitor.open(open_link(tenant))
        assert visitor.path == "/plain/"
        second = Visitor()
        tenant.clock.advance(11)
        ask(second, "email-link", "other@example.com")
        tenant.fault("auth-time-old")
        assert code_shown(second.open(open_link(tenant))) == "token_auth_time"
        assert not is_logged_in(second.client)


class TestSilent:
    @pytest.fixture(autouse=True)
    def _configure(self, auth0_settings: Configure) -> None:
        auth0_settings(AUTHORIZATION_PARAMS=STRONG, RECHECK_SECONDS=3600)

    def test_X17_a_silent_login_that_is_too_weak_finds_nobody_and_shows_no_error(
        self, person: Visitor, tenant: Tenant
    ) -> None:
        weak = Visitor(tenant)
        log_in_changed(weak, "/bare/", acr_values=None)  # the tenant knows the visitor now, by a password alone
        assert not is_logged_in(weak.client)
        weak.forget_trail()
        page = log_in_changed(weak, "/quiet/", acr_values=None)
        assert (page.status_code, page.content.decode()) == (200, "nobody")
        assert weak.asked()[0]["prompt"] == "none"
        assert weak.visit("/quiet/").content.decode() == "nobody"
        assert len(weak.asked()) == 1
        assert_nothing_stored(weak.client)

    def test_X17_one_that_is_strong_enough_logs_in(self, person: Visitor, tenant: Tenant) -> None:
        tenant.token_hook = lambda kind, claims, header: claims.update(acr=MULTI_FACTOR)
        person.visit("/bare/")
        person.client.cookies.clear()
        page = log_in_changed(person, "/quiet/", acr_values=None)
        assert tenant.user.sub in page.content.decode()

    def test_X17_a_recheck_asks_for_no_factor_again_and_keeps_the_login(self, person: Visitor, tenant: Tenant) -> None:
        person.visit("/watched/")
        tenant.clock.advance(3601)
        person.forget_trail()
        assert person.visit("/watched/").status_code == 200
        (asked,) = person.asked()
        assert asked["prompt"] == "none"
        assert not {"acr_values", "max_age"} & set(asked)
        assert is_logged_in(person.client)
        assert LoginSession.objects.get().grant.claims["acr"] == MULTI_FACTOR

    def test_X17_a_recheck_still_sees_that_somebody_else_is_there(self, person: Visitor, tenant: Tenant) -> None:
        grace: User = next(user for user in tenant.users.values() if user.nickname == "grace")
        person.visit("/watched/")
        before = LoginSession.objects.get().pk
        tenant.clock.advance(3601)
        url = person.start("/watched/")
        person.tenant.authorize(url.replace("prompt=none", "prompt=login"), grace)
        person.bring(person.at_tenant(url))
        assert not is_logged_in(person.client)
        assert not LoginSession.objects.filter(pk=before).exists()


class TestWithoutRedirect:
    """Logins that never pass /authorize tell no ``acr``: none of them is begun, and no message is sent for one."""

    @pytest.fixture(autouse=True)
    def _configure(self, auth0_settings: Configure, tenant: Tenant) -> None:
        tenant.application.grant_types |= {PASSWORDLESS_OTP, "password", "mfa"}
        kinds = ["email-code", "email-link"]
        auth0_settings(AUTHORIZATION_PARAMS=STRONG, PASSWORD_REALM=True, PASSWORDLESS=kinds)

    @pytest.mark.parametrize("page", ["password/", "passwordless/", "passwordless/code/", "mfa/"])
    def test_X17_their_pages_lead_to_the_tenants_own(self, tenant: Tenant, page: str) -> None:
        for method in ("get", "post"):
            answer = getattr(Client(), method)(f"/auth0/{page}?next=/plain/", {"next": "/plain/"})
            assert answer["Location"] == "/auth0/login/?next=%2Fplain%2F"
        assert tenant.count("/passwordless/start") == tenant.count("/oauth/token") == 0

    def test_X17_the_password_backend_refuses(self, tenant: Tenant, settings: Any) -> None:
        backend = "django_auth0_flow.backends.Auth0PasswordBackend"
        settings.AUTHENTICATION_BACKENDS = [backend, *settings.AUTHENTICATION_BACKENDS]
        request = RequestFactory().post("/")
        assert authenticate(request, username="ada@example.com", password="correct horse") is None
        assert refusal_of(request) == "stronger_login_needed"
        assert tenant.count("/oauth/token") == 0


@pytest.mark.parametrize(
    ("claims", "wanted", "passes"),
    [
        ({}, [], True),
        ({}, ["gold"], False),
        ({"acr": "gold"}, ["gold"], True),
        ({"acr": "gold"}, ["silver", "gold"], True),
        ({"acr": "gol"}, ["gold"], False),
        ({"acr": "gold silver"}, ["gold", "silver"], False),
        ({"acr": ["gold"]}, ["gold"], False),
        ({"acr": None}, ["gold"], False),
        ({"amr": ["mfa"]}, ["gold"], False),
        ({"amr": ["pwd", "mfa"]}, [MULTI_FACTOR], True),
        ({"amr": "mfa"}, [MULTI_FACTOR], False),
        ({"amr": ["pwd"]}, [MULTI_FACTOR], False),
        ({"acr": "silver", "amr": ["mfa"]}, [MULTI_FACTOR], True),
    ],
    ids=str,
)
def test_X17_what_is_strong_enough(claims: dict[str, Any], wanted: list[str], passes: bool) -> None:
    if passes:
        check_strength(claims, wanted)
        return
    with pytest.raises(TokenValidationError) as caught:
        check_strength(claims, wanted)
    assert (caught.value.claim, caught.value.code) == ("acr", "token_acr")
