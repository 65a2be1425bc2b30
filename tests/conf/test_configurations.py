"""Several configurations at once, with two tenants: by URL prefix, by a callable on the request, and kept apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.template import Context, Template
from django.test import Client, RequestFactory

from django_auth0_flow.checks import check_settings
from django_auth0_flow.conf import registry
from django_auth0_flow.models import Identity, LoginSession
from django_auth0_flow.testing.tenant import Tenant
from tests.visitor import Visitor
from tests.walk import FETCH, assert_nothing_stored, code_shown, is_logged_in, query_of, with_query

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.front_urls")]
SITE, PARTNERS_SITE = "https://www.example.com", "https://partners.example.com"


@pytest.fixture
def other(tenant: Tenant) -> Iterator[Tenant]:
    """The tenant of the partners, with a user whose subject and e-mail the first one has as well."""
    with Tenant(clock=tenant.clock.now) as running:
        running.user.name = "Another Ada"
        yield running


@pytest.fixture(autouse=True)
def both(tenant: Tenant, other: Tenant, settings: Any) -> dict[str, Any]:
    settings.ALLOWED_HOSTS = [".example.com"]
    tenant.application.callbacks = [f"{site}/auth0/callback/" for site in (SITE, PARTNERS_SITE)]
    other.application.callbacks = [f"{site}/partners/callback/" for site in (SITE, PARTNERS_SITE)]
    other.application.client_secret = "the-partners-tenant-has-another-secret"
    settings.AUTH0 = {"default": keys(tenant), "partners": keys(other)}
    return dict(settings.AUTH0)


def keys(tenant: Tenant, **more: Any) -> dict[str, Any]:
    return {
        "ISSUER": tenant.issuer,
        "CLIENT_ID": tenant.application.client_id,
        "CLIENT_SECRET": tenant.application.client_secret,
        "AUDIENCE": tenant.api.identifier,
        "SCOPE": "openid profile email offline_access",
        "CLOCK": tenant.clock.now,
        **more,
    }


@pytest.fixture
def person(tenant: Tenant, other: Tenant) -> Visitor:
    visitor = Visitor(tenant, site=SITE)
    visitor.knows(other)
    return visitor


@pytest.fixture
def partner(tenant: Tenant, other: Tenant) -> Visitor:
    visitor = Visitor(tenant, site=PARTNERS_SITE)
    visitor.knows(other)
    return visitor


@pytest.fixture
def by_host(both: dict[str, Any], settings: Any) -> None:
    settings.AUTH0 = {**both, "CONFIGURATION_FOR": "tests.conf.test_configurations.choose_by_host"}


def send_logout_token(path: str, token: str, host: str) -> int:
    body = urlencode({"logout_token": token})
    answer = Client().post(path, body, content_type="application/x-www-form-urlencoded", headers={"Host": host})
    return answer.status_code


def choose_by_host(request: HttpRequest) -> str | None:
    """Return the configuration for a host, as a project with custom domains does."""
    return {"partners.example.com": "partners", "nowhere.example.com": "no-such"}.get(request.get_host())


class TestByPrefix:
    def test_each_prefix_has_its_tenant(self, person: Visitor, tenant: Tenant, other: Tenant) -> None:
        assert person.visit("/auth0/login/?next=/any/").content.decode().endswith("default")
        assert person.visit("/partners/login/?next=/any/").content.decode().endswith("partners")
        assert (tenant.count("/oauth/token"), other.count("/oauth/token")) == (1, 1)
        callbacks = [urlsplit(asked["redirect_uri"]).path for asked in person.asked()]
        assert callbacks == ["/auth0/callback/", "/partners/callback/"]
        assert LoginSession.objects.get().configuration == "partners"

    def test_L5_equal_subjects_of_two_issuers_are_two_people(self, tenant: Tenant, other: Tenant) -> None:
        for path in ("/auth0/login/", "/partners/login/"):
            visitor = Visitor(tenant, site=SITE)
            visitor.knows(other)
            visitor.visit(f"{path}?next=/any/")
        assert {found.subject for found in Identity.objects.all()} == {tenant.user.sub}
        assert {found.issuer for found in Identity.objects.all()} == {tenant.issuer, other.issuer}
        assert get_user_model().objects.count() == 2

    def test_tokens_come_from_the_tenant_of_the_login(self, person: Visitor, tenant: Tenant, other: Tenant) -> None:
        person.visit("/partners/login/?next=/any-token/")
        other.clock.advance(86401 + tenant.clock.now() - other.clock.now())
        tenant.clock.advance(86401)
        assert person.visit("/any-token/").status_code == 200
        assert other.count("/oauth/token", grant_type="refresh_token") == 1
        assert tenant.count("/oauth/token") == 0

    def test_logout_goes_to_the_tenant_of_the_login(self, person: Visitor, other: Tenant) -> None:
        person.visit("/partners/login/?next=/any/")
        person.get(f"{SITE}/partners/logout/")
        left = person.submit(follow=False)["Location"]
        assert left.startswith(other.issuer)
        assert query_of(left)["post_logout_redirect_uri"] == f"{SITE}/partners/logged-out/"
        assert other.count("/oauth/revoke") == 1

    def test_going_from_one_to_the_other_in_haste_is_no_loop(self, person: Visitor) -> None:
        for _ in range(3):
            assert person.visit("/auth0/login/?next=/any/").content.decode().endswith("default")
            assert person.visit("/partners/login/?next=/any/").content.decode().endswith("partners")
        for _ in range(2):
            assert person.visit("/partners/login/?next=/any/").status_code == 200
        assert code_shown(person.visit("/partners/login/?next=/any/")) == "login_loop"
        assert person.visit("/auth0/login/?next=/any/").status_code == 200

    def test_a_login_that_died_starts_again_at_its_own_tenant(self, person: Visitor) -> None:
        person.visit("/partners/login/?next=/any-bare/")
        LoginSession.objects.all().delete()
        assert person.get(f"{SITE}/any-bare/")["Location"] == "/partners/login/?next=%2Fany-bare%2F"

    def test_a_stronger_login_is_made_at_the_tenant_of_the_login(self, person: Visitor, other: Tenant) -> None:
        person.visit("/partners/login/?next=/any/")
        assert person.start("/any-recent/").startswith(other.issuer)

    def test_each_has_its_own_organization_and_response_mode(
        self, person: Visitor, both: dict[str, Any], settings: Any, other: Tenant
    ) -> None:
        acme = other.add_organization("acme", id="org_acme000000000000")
        other.user.orgs = [acme.id]
        partners = {**both["partners"], "ORGANIZATION": acme.id, "RESPONSE_MODE": "form_post"}
        settings.AUTH0 = {**both, "partners": partners}
        assert acme.id in person.visit("/partners/login/?next=/any/").content.decode()
        assert person.visit("/auth0/login/?next=/any/").status_code == 200
        assert [asked.get("response_mode") for asked in person.asked()] == ["form_post", None]
        assert Client().post("/auth0/callback/", headers={"Host": "www.example.com"}).status_code == 405


class TestMixUp:
    """F15: the callback of one configuration never takes what belongs to another."""

    @pytest.mark.parametrize("mode", ["query", "form_post"])
    def test_F15_a_state_is_good_at_its_own_callback_only(
        self, person: Visitor, tenant: Tenant, other: Tenant, both: dict[str, Any], settings: Any, mode: str
    ) -> None:
        settings.AUTH0 = {name: {**values, "RESPONSE_MODE": mode} for name, values in both.items()}
        answer = person.at_tenant(person.start("/auth0/login/?next=/any/"))
        if answer.method == "POST":
            page = person.post_from_elsewhere(f"{SITE}/partners/callback/", answer.fields)
        else:
            page = person.get(answer.url.replace("/auth0/", "/partners/"))
        assert (page.status_code, code_shown(page)) == (400, "state_unknown")
        assert (tenant.count("/oauth/token"), other.count("/oauth/token")) == (0, 0)
        assert_nothing_stored(person.client)
        person.follow(person.bring(answer))  # and it is not spent there
        assert is_logged_in(person.client)

    def test_F15_a_code_of_the_other_tenant_is_refused(self, person: Visitor, tenant: Tenant, other: Tenant) -> None:
        theirs = person.at_tenant(person.start("/partners/login/?next=/any/"))
        ours = person.at_tenant(person.start("/auth0/login/?next=/any/"))
        page = person.get(with_query(ours.url, code=query_of(theirs.url)["code"]))
        assert code_shown(page) == "invalid_grant"
        assert_nothing_stored(person.client)

    def test_F15_an_answer_that_names_the_other_issuer_is_refused(
        self, person: Visitor, tenant: Tenant, other: Tenant
    ) -> None:
        tenant.fault("iss-wrong", value=other.issuer)
        page = person.visit("/auth0/login/?next=/any/")
        assert code_shown(page) == "iss_mismatch"
        assert tenant.count("/oauth/token") == 0

    def test_an_id_token_of_the_other_tenant_is_refused(self, person: Visitor, tenant: Tenant, other: Tenant) -> None:
        tenant.fault("id-token", value=other.make_id_token())
        assert code_shown(person.visit("/auth0/login/?next=/any/")) in ("token_iss", "signing_key_not_found")

    def test_a_logout_token_of_one_tenant_ends_no_login_of_the_other(
        self, person: Visitor, tenant: Tenant, other: Tenant
    ) -> None:
        person.visit("/partners/login/?next=/any/")
        token = tenant.make_logout_token(sub=tenant.user.sub)
        for path in ("/auth0/backchannel-logout/", "/partners/backchannel-logout/"):
            send_logout_token(path, token, "www.example.com")
        assert is_logged_in(person.client)
        assert person.get(f"{SITE}/any-bare/").status_code == 200
        assert LoginSession.objects.count() == 1


class TestLinking:
    """The partners' tenant is not asked whom an address belongs to: only the default configuration links by it."""

    @pytest.fixture(autouse=True)
    def linking(self, both: dict[str, Any], settings: Any) -> None:
        settings.AUTH0 = {**both, "default": {**both["default"], "LINK_BY_VERIFIED_EMAIL": True}}

    @pytest.mark.parametrize("verified", [False, True])
    @pytest.mark.parametrize("later", [False, True], ids=["at first", "changed later"])
    def test_L3_an_address_planted_through_another_configuration_leads_nobody_to_its_planter(
        self, tenant: Tenant, other: Tenant, verified: bool, later: bool
    ) -> None:
        planter = other.add_user(sub="auth0|planter", email="planter@example.com", email_verified=True)
        if later:
            self.log_in("/partners/login/", tenant, other, planter)
        planter.email, planter.email_verified = tenant.user.email, verified
        self.log_in("/partners/login/", tenant, other, planter)
        self.log_in("/auth0/login/", tenant, other, tenant.user)
        assert Identity.objects.values("user").distinct().count() == 2

    def test_a_user_of_a_tenant_that_is_not_configured_any_more_is_found(self, tenant: Tenant, other: Tenant) -> None:
        user = get_user_model().objects.create_user("ada", email=str(tenant.user.email))
        gone = "https://former.example/"
        Identity.objects.create(key=Identity.key_for(gone, "auth0|1"), issuer=gone, subject="auth0|1", user=user)
        self.log_in("/auth0/login/", tenant, other, tenant.user)
        assert Identity.objects.get(issuer=tenant.issuer).user == user

    def log_in(self, path: str, tenant: Tenant, other: Tenant, user: Any) -> None:
        visitor = Visitor(tenant, site=SITE, user=user)
        visitor.knows(other)
        visitor.visit(f"{path}?next=/any/")


class TestFailures:
    def test_one_tenant_being_down_leaves_the_other_alone(
        self, person: Visitor, partner: Visitor, tenant: Tenant, other: Tenant
    ) -> None:
        other.stop()
        assert person.visit("/partners/login/").status_code == 503
        assert person.visit("/auth0/login/?next=/any/").content.decode().endswith("default")
        assert person.visit("/any-token/").status_code == 200

    def test_one_that_is_set_up_wrongly_leaves_the_other_alone(
        self, person: Visitor, both: dict[str, Any], settings: Any
    ) -> None:
        settings.AUTH0 = {**both, "partners": {**both["partners"], "CLIENT_SECRT": "x"}}
        assert [message.id for message in check_settings()] == ["auth0_flow.E002"]
        assert person.visit("/auth0/login/?next=/any/").status_code == 200


@pytest.mark.usefixtures("by_host")
class TestByRequest:
    def test_each_host_has_its_tenant(self, person: Visitor, partner: Visitor) -> None:
        assert person.visit("/watched/").content.decode().endswith("default")
        assert partner.visit("/watched/").content.decode().endswith("partners")
        assert {row.configuration for row in LoginSession.objects.all()} == {"default", "partners"}

    @pytest.mark.parametrize("path", ["/bare/", "/recent/", "/django-login-required/", "/with-token/"])
    def test_whoever_asks_for_a_login_asks_the_right_one(self, partner: Visitor, other: Tenant, path: str) -> None:
        assert partner.start(path).startswith(other.issuer)

    def test_a_silent_login_looks_there(self, partner: Visitor, other: Tenant) -> None:
        assert partner.start("/quiet/").startswith(other.issuer)

    def test_a_script_is_told_the_same_address(self, partner: Visitor) -> None:
        answer = partner.client.get("/bare/", headers=FETCH, secure=True)
        assert answer.status_code == 401
        assert answer.json()["login_url"].startswith("/")

    def test_logout_of_a_visitor_who_is_not_logged_in(self, partner: Visitor) -> None:
        partner.get(f"{PARTNERS_SITE}/auth0/logout/")
        assert partner.submit(follow=False)["Location"].startswith("/partners/logged-out/")

    def test_a_login_of_the_other_configuration_is_none_here(
        self, person: Visitor, tenant: Tenant, other: Tenant, settings: Any
    ) -> None:
        """The hosts share a session cookie: who is known to one tenant is not known to the other."""
        person.visit("/watched/")
        partner = Visitor(tenant, site=PARTNERS_SITE)
        partner.knows(other)
        partner.client.cookies["sessionid"] = person.cookie("sessionid")
        assert partner.start("/watched/").startswith(other.issuer)
        assert partner.visit("/watched/").content.decode().endswith("partners")

    def test_a_logout_token_goes_to_the_hosts_tenant(self, partner: Visitor, other: Tenant) -> None:
        partner.visit("/watched/")
        token = other.make_logout_token(sub=other.user.sub)
        path = "/auth0/backchannel-logout/"
        assert send_logout_token(path, token, "www.example.com") == 400
        assert send_logout_token(path, token, "partners.example.com") == 200
        assert not LoginSession.objects.exists()

    def test_the_tags_lead_to_the_right_login(self) -> None:
        request = RequestFactory().get("/", headers={"host": "partners.example.com"})
        request.session = Client().session
        url = Template("{% load auth0 %}{% auth0_login_url %}").render(Context({"request": request}))
        assert url.startswith("/partners/login/")

    def test_a_name_that_is_not_configured_is_said_at_once(self) -> None:
        with pytest.raises(ImproperlyConfigured, match="no-such"):
            Client().get("/auth0/login/", headers={"Host": "nowhere.example.com"})


class TestSettings:
    def test_a_callable_itself_will_do(self, both: dict[str, Any], settings: Any) -> None:
        settings.AUTH0 = {**both, "CONFIGURATION_FOR": choose_by_host}
        request = RequestFactory().get("/", headers={"host": "partners.example.com"})
        assert registry.configuration_for(request) == "partners"
        assert registry.configuration_names() == ["default", "partners"]
        assert check_settings() == []

    @pytest.mark.parametrize(
        ("chooser", "problem"),
        [("partners", "E032"), (7, "E032"), ("no.such.thing", "E029"), ("tests.walk.SITE", "E029")],
    )
    def test_a_wrong_one_is_found(self, both: dict[str, Any], settings: Any, chooser: object, problem: str) -> None:
        settings.AUTH0 = {**both, "CONFIGURATION_FOR": chooser}
        assert [message.id for message in check_settings()] == [f"auth0_flow.{problem}"]
        with pytest.raises(ImproperlyConfigured):
            Client().get("/auth0/login/", headers={"Host": "www.example.com"})

    def test_it_stands_beside_several_configurations_only(self, both: dict[str, Any], settings: Any) -> None:
        settings.AUTH0 = {**both["default"], "CONFIGURATION_FOR": choose_by_host}
        assert [message.id for message in check_settings()] == ["auth0_flow.E002"]


def test_next_survives_the_way_through_a_named_configuration(person: Visitor) -> None:
    person.visit(f"/partners/login/?{urlencode({'next': '/show/?a=1&b=2'})}")
    assert person.trail[-1] == f"{SITE}/show/?a=1&b=2"
