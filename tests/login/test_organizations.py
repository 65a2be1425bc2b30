"""Organizations: from a setting, a callable, the request or an invitation; what the token must say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from django.http import HttpRequest

from django_auth0_flow.models import LoginSession
from django_auth0_flow.protocol.grant import Grant
from django_auth0_flow.testing.tenant import Organization, Tenant
from tests.visitor import Visitor
from tests.walk import FETCH, LOGIN, assert_nothing_stored, code_shown

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.front_urls")]
Configure = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def _site(tenant: Tenant, auth0_settings: Configure) -> None:
    tenant.application.callbacks = ["https://testserver/auth0/callback/"]
    tenant.application.initiate_login_uri = "https://testserver/auth0/login/"


@pytest.fixture
def acme(tenant: Tenant) -> Organization:
    organization = tenant.add_organization("acme", id="org_acme000000000000")
    tenant.user.orgs = [organization.id]
    return organization


@pytest.fixture
def other(tenant: Tenant, acme: Organization) -> Organization:
    """Another organization that the same user is a member of."""
    organization = tenant.add_organization("other", id="org_other00000000000")
    tenant.user.orgs = [*tenant.user.orgs, organization.id]
    return organization


@pytest.fixture
def person(tenant: Tenant) -> Visitor:
    return Visitor(tenant)


def organization_of(request: HttpRequest) -> str | None:
    """Choose by the address's subdomain, as a project does."""
    return {"acme": "org_acme000000000000", "other": "org_other00000000000"}.get(request.get_host().split(".")[0])


class TestSetting:
    def test_an_id_is_asked_for_and_kept_on_the_login(
        self, person: Visitor, acme: Organization, auth0_settings: Configure
    ) -> None:
        auth0_settings(ORGANIZATION=acme.id)
        assert person.visit("/watched/").content.decode().endswith(f"{acme.id} default")
        assert person.asked()[0]["organization"] == acme.id
        assert LoginSession.objects.get().grant.claims["org_id"] == acme.id

    def test_a_name_is_compared_in_lower_case(
        self, person: Visitor, tenant: Tenant, acme: Organization, auth0_settings: Configure
    ) -> None:
        tenant.allow_organization_names = True
        auth0_settings(ORGANIZATION="Acme")
        assert person.visit("/watched/").status_code == 200
        assert person.asked()[0]["organization"] == "Acme"

    def test_a_callable_chooses_by_the_request(
        self, tenant: Tenant, acme: Organization, other: Organization, auth0_settings: Configure, settings: Any
    ) -> None:
        settings.ALLOWED_HOSTS = [".example.com"]
        hosts = ["acme.example.com", "other.example.com", "www.example.com"]
        tenant.application.callbacks = [f"https://{host}/auth0/callback/" for host in hosts]
        auth0_settings(ORGANIZATION="tests.login.test_organizations.organization_of")
        shown = [Visitor(tenant, site=f"https://{host}").visit("/watched/").content.decode() for host in hosts]
        assert [text.split()[1] for text in shown] == [acme.id, other.id, "None"]

    @pytest.mark.parametrize("asked", ["org_other00000000000", "other"])
    def test_W6_a_visitor_cannot_replace_it(
        self, person: Visitor, acme: Organization, other: Organization, auth0_settings: Configure, asked: str
    ) -> None:
        for keys in ({"ORGANIZATION": acme.id}, {"AUTHORIZATION_PARAMS": {"organization": acme.id}}):
            auth0_settings(**keys, ALLOWED_ORGANIZATIONS=[other.id])
            person.forget_trail()
            person.visit(f"{LOGIN}?{urlencode({'organization': asked, 'next': '/show/'})}")
            assert person.asked()[0]["organization"] == acme.id
            assert acme.id in person.text

    def test_C10_a_token_of_another_organization_is_refused(
        self, person: Visitor, tenant: Tenant, acme: Organization, auth0_settings: Configure, client: Any
    ) -> None:
        auth0_settings(ORGANIZATION=acme.id)
        for value in ("org_other00000000000", "ORG_ACME000000000000", 7, None):
            options: dict[str, Any] = {"value": value} if value is not None else {}
            tenant.fault("claim", claim="org_id", **options)
            assert code_shown(person.visit("/watched/")) == "token_org_id"
        assert_nothing_stored(person.client)

    def test_a_user_who_is_no_member_gets_the_tenants_words(
        self, person: Visitor, tenant: Tenant, acme: Organization, auth0_settings: Configure
    ) -> None:
        tenant.user.orgs = []
        auth0_settings(ORGANIZATION=acme.id)
        answer = person.visit("/watched/")
        assert (answer.status_code, code_shown(answer)) == (403, "access_denied")
        assert "is not part of" in person.text


class TestDecorator:
    def test_a_login_without_it_is_made_again_with_it(self, person: Visitor, acme: Organization) -> None:
        assert "None" in person.visit("/watched/").content.decode()
        assert acme.id in person.visit("/acme/").content.decode()
        assert acme.id in person.visit("/watched/").content.decode()
        assert [asked.get("organization") for asked in person.asked()] == [None, acme.id]

    def test_it_goes_before_the_setting(
        self, person: Visitor, acme: Organization, other: Organization, auth0_settings: Configure
    ) -> None:
        auth0_settings(ORGANIZATION=other.id)
        assert acme.id in person.visit("/acme/").content.decode()

    def test_a_callable_answers_for_each_request(
        self, person: Visitor, acme: Organization, other: Organization
    ) -> None:
        assert acme.id in person.visit(f"/of/{acme.id}/").content.decode()
        assert other.id in person.visit(f"/of/{other.id}/").content.decode()
        assert [asked["organization"] for asked in person.asked()] == [acme.id, other.id]

    def test_a_callable_that_says_none_asks_for_none(self, person: Visitor, acme: Organization) -> None:
        assert "None" in person.visit("/perhaps/").content.decode()
        assert "organization" not in person.asked()[0]

    @pytest.mark.parametrize("path", ["/watched/", "/perhaps/", "/empty/"])
    def test_one_that_says_nothing_leaves_the_setting_in_force(
        self, person: Visitor, acme: Organization, auth0_settings: Configure, path: str
    ) -> None:
        person.visit("/watched/")
        auth0_settings(ORGANIZATION=acme.id)
        assert acme.id in person.visit(path).content.decode()

    def test_any_organization_will_do(self, person: Visitor, tenant: Tenant, acme: Organization) -> None:
        """The tenant asks for one by itself where the application says so; nobody here names it."""
        tenant.application.organization_prompt = True
        assert acme.id in person.visit("/any-organization/").content.decode()
        assert "organization" not in person.asked()[0]

    def test_any_organization_is_still_one_of_those_allowed(
        self, person: Visitor, tenant: Tenant, acme: Organization, auth0_settings: Configure
    ) -> None:
        tenant.application.organization_prompt = True
        auth0_settings(ALLOWED_ORGANIZATIONS=["org_other00000000000"])
        answer = person.visit("/any-organization/")
        assert (answer.status_code, code_shown(answer)) == (403, "organization_not_allowed")
        assert_nothing_stored(person.client)

    @pytest.mark.parametrize("path", ["/perhaps/", "/empty/"])
    def test_a_callable_that_names_none_sends_no_empty_parameter(self, person: Visitor, path: str) -> None:
        person.visit(path)
        assert len(person.asked()) == 1
        assert not [url for url in person.trail if "organization=" in url]

    @pytest.mark.parametrize("left", [{"org_id"}, {"org_name"}, set()], ids=str)
    def test_any_organization_is_one_that_the_token_names_by_id_or_by_name(
        self, person: Visitor, tenant: Tenant, acme: Organization, left: set[str]
    ) -> None:
        tenant.application.organization_prompt = True
        person.visit("/any-organization/")
        row = LoginSession.objects.get()
        claims = {name: value for name, value in row.grant.claims.items() if name not in {"org_id", "org_name"}}
        row.grant = Grant(row.grant.tokens, {**claims, **dict.fromkeys(left, "acme")})
        row.save()
        answer = person.client.get("/any-organization/", headers=FETCH, secure=True)
        assert answer.status_code == (200 if left else 403)

    def test_no_organization_after_the_round_trip_is_a_403_and_no_second_round(
        self, person: Visitor, acme: Organization
    ) -> None:
        answer = person.visit("/any-organization/")
        assert (answer.status_code, code_shown(answer)) == (403, "organization")
        assert len(person.asked()) == 1


class TestInvitation:
    def test_the_link_lands_on_the_login_view_and_goes_on_with_its_organization(
        self, person: Visitor, tenant: Tenant, acme: Organization
    ) -> None:
        tenant.user.orgs = []
        invitation = tenant.invite(acme, email="ada@example.com")
        person.visit(tenant.invitation_link(invitation).removeprefix("https://testserver"))
        asked = person.asked()[0]
        assert (asked["invitation"], asked["organization"]) == (invitation.ticket, acme.id)
        assert "organization_name" not in asked
        assert invitation.accepted
        assert acme.id in person.visit("/acme/").content.decode()

    def test_it_never_goes_without_an_organization(self, person: Visitor, acme: Organization) -> None:
        person.visit(f"{LOGIN}?invitation=ticket&organization_name=acme&next=/show/")
        assert "invitation" not in person.asked()[0]
        assert person.page.status_code == 200

    def test_it_goes_with_the_organization_of_the_setting(
        self, person: Visitor, tenant: Tenant, acme: Organization, other: Organization, auth0_settings: Configure
    ) -> None:
        """A ticket for another organization than this site's is the tenant's to refuse."""
        auth0_settings(ORGANIZATION=acme.id)
        link = tenant.invitation_link(tenant.invite(other))
        answer = person.visit(link.removeprefix("https://testserver"))
        assert person.asked()[0]["organization"] == acme.id
        assert (answer.status_code, code_shown(answer)) == (400, "invalid_request")

    def test_a_used_one_says_so(self, person: Visitor, tenant: Tenant, acme: Organization) -> None:
        link = tenant.invitation_link(tenant.invite(acme)).removeprefix("https://testserver")
        person.visit(link)
        answer = Visitor(tenant).visit(link)
        assert (answer.status_code, code_shown(answer)) == (400, "invalid_request")


class TestInitiatedByTheTenant:
    def login(self, tenant: Tenant, **parameters: str) -> str:
        return f"{LOGIN}?{urlencode({'iss': tenant.issuer, **parameters})}"

    def test_it_starts_a_login_and_comes_back_to_the_target(self, person: Visitor, tenant: Tenant) -> None:
        target = "https://testserver/show/?tab=2"
        person.visit(self.login(tenant, target_link_uri=target, login_hint="ada@example.com"))
        assert person.asked()[0]["login_hint"] == "ada@example.com"
        assert person.trail[-1] == target
        assert person.page.status_code == 200

    @pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
    def test_W1_a_target_elsewhere_is_not_followed(self, person: Visitor, tenant: Tenant, target: str) -> None:
        person.visit(self.login(tenant, target_link_uri=target))
        assert person.trail[-1] == "https://testserver/"

    @pytest.mark.parametrize(
        "query", ["iss=https://evil.example/", "iss=", "iss={issuer}x", "iss={issuer}&iss=https://evil.example/"]
    )
    def test_another_issuer_is_refused(self, person: Visitor, tenant: Tenant, query: str) -> None:
        answer = person.visit(f"{LOGIN}?{query.format(issuer=tenant.issuer)}")
        assert (answer.status_code, code_shown(answer)) == (400, "initiator_unknown")
        assert person.asked() == []

    def test_a_browser_without_cookies_gets_a_page_and_not_another_round(self, tenant: Tenant) -> None:
        """The tenant lost its own cookies too, and would send the browser here again and again."""
        person = Visitor(tenant, keeps_cookies=False)
        answer = person.visit(self.login(tenant, target_link_uri="/show/"))
        assert (answer.status_code, code_shown(answer)) == (400, "cookies_off")
        assert person.asked() == []
        assert len(person.trail) == 2

    def test_a_browser_that_the_tenant_sends_back_again_and_again_is_stopped(
        self, person: Visitor, tenant: Tenant
    ) -> None:
        answers = [person.get(f"https://testserver{self.login(tenant)}") for _ in range(6)]
        statuses = [answer.status_code for answer in answers]
        assert statuses == [302, 302, 302, 302, 403, 403]  # the first one looks for cookies
        assert code_shown(answers[-1]) == "login_loop"
        tenant.clock.advance(31)
        assert person.get(f"https://testserver{self.login(tenant)}").status_code == 302
