"""Step-up: a page asks for a second factor or a recent login; the tenant is asked, and its answer is checked."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from django_auth0_flow.access.requirements import MULTI_FACTOR, Requirement
from django_auth0_flow.models import LoginSession
from django_auth0_flow.protocol.grant import Grant
from django_auth0_flow.testing.tenant import Authenticator, Tenant
from tests.visitor import Visitor
from tests.walk import FETCH, code_shown, is_logged_in, with_query

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.front_urls")]
Configure = Callable[..., dict[str, Any]]
SITE = "https://testserver"


@pytest.fixture(autouse=True)
def _site(tenant: Tenant, auth0_settings: Configure) -> None:
    tenant.application.callbacks = [f"{SITE}/auth0/callback/"]
    tenant.user.authenticators = [Authenticator("otp", secret="JBSWY3DPEHPK3PXP")]


@pytest.fixture
def person(tenant: Tenant) -> Visitor:
    visitor = Visitor(tenant)
    visitor.visit("/watched/")
    visitor.forget_trail()
    return visitor


def claims() -> dict[str, Any]:
    return dict(LoginSession.objects.get().grant.claims)


def change_claims(**changes: Any) -> None:
    """Change what the login's ID token said; None takes a claim out."""
    row = LoginSession.objects.get()
    changed = {name: value for name, value in {**row.grant.claims, **changes}.items() if value is not None}
    row.grant = Grant(row.grant.tokens, changed)
    row.save()


class TestSecondFactor:
    def test_a_login_without_one_is_made_again_with_one_and_resumes_the_address(
        self, person: Visitor, tenant: Tenant
    ) -> None:
        assert "acr" not in claims()
        assert tenant.user.sub in person.visit("/strong/?step=2").content.decode()
        assert person.asked()[0]["acr_values"] == MULTI_FACTOR
        assert person.trail[-1] == f"{SITE}/strong/?step=2"
        assert (claims()["acr"], claims()["amr"]) == (MULTI_FACTOR, ["mfa"])
        person.visit("/strong/")
        assert len(person.asked()) == 1

    def test_a_visitor_who_is_not_logged_in_is_asked_for_it_at_once(self, tenant: Tenant) -> None:
        person = Visitor(tenant)
        assert person.visit("/strong/").status_code == 200
        assert [asked["acr_values"] for asked in person.asked()] == [MULTI_FACTOR]

    def test_a_tenant_that_always_asks_for_one_has_said_so_in_amr(self, tenant: Tenant) -> None:
        """Nobody asked for an ``acr``, so there is none; the login had its second factor all the same."""
        tenant.user.mfa_required = True
        person = Visitor(tenant)
        person.visit("/watched/")
        assert ("acr" not in claims(), claims()["amr"]) == (True, ["mfa"])
        assert person.visit("/strong/").status_code == 200
        assert len(person.asked()) == 1

    @pytest.mark.parametrize("amr", [None, [], ["pwd"], "mfa", ["MFA"], {"mfa": 1}], ids=repr)
    def test_other_amr_do_not_do(self, person: Visitor, amr: object) -> None:
        change_claims(acr=None, amr=amr)
        assert "/authorize" in person.start("/strong/")

    def test_a_second_factor_is_no_other_acr(self) -> None:
        """``amr`` stands in for Auth0's own ``acr`` only."""
        wanted = Requirement(acr_values="urn:example:gold urn:example:silver")
        for found, failed in (({"amr": ["mfa"]}, "acr_values"), ({"acr": "urn:example:silver"}, None)):
            assert wanted.failed_test(SimpleNamespace(claims=found)) == failed

    @pytest.mark.parametrize("acr", ["", "urn:other", MULTI_FACTOR.upper(), [MULTI_FACTOR], 1], ids=repr)
    def test_other_acr_do_not_do(self, person: Visitor, acr: object) -> None:
        change_claims(acr=acr)
        assert "/authorize" in person.start("/strong/")

    def test_an_answer_without_it_is_a_403_and_no_second_round(self, person: Visitor, tenant: Tenant) -> None:
        tenant.fault("acr-missing")
        page = person.visit("/strong/")
        assert (page.status_code, code_shown(page)) == (403, "acr_values")
        assert len(person.asked()) == 1
        assert person.visit("/watched/").status_code == 200

    def test_it_is_checked_that_the_visitor_did_not_take_it_out_of_the_address(
        self, person: Visitor, tenant: Tenant
    ) -> None:
        url = person.start("/strong/")
        asked = url.replace("acr_values=", "ignored=")
        page = person.follow(person.bring(person.tenant.authorize(asked)))
        assert (page.status_code, code_shown(page)) == (403, "acr_values")

    def test_a_refresh_does_not_lose_it(self, person: Visitor, tenant: Tenant) -> None:
        person.visit("/strong/")
        tenant.clock.advance(86400)
        person.visit("/token/")
        assert tenant.count("/oauth/token", grant_type="refresh_token") == 1
        assert person.get(f"{SITE}/strong/").status_code == 200


def test_a_requirement_has_one_name_in_every_process() -> None:
    """Sets of texts have another order in each: a login asked for by one process is judged in another."""
    scopes, permissions = frozenset("abcdefghij"), frozenset("klmnopqrst")
    assert Requirement(scopes=scopes, permissions=permissions, max_age=300).fingerprint == "5368a43e8fbc3fa5"


class TestRecentLogin:
    def test_an_old_login_is_made_again(self, person: Visitor, tenant: Tenant) -> None:
        assert person.visit("/recent/").status_code == 200
        assert person.asked()[0]["max_age"] == "300"
        first = claims()["auth_time"]
        tenant.clock.advance(361)  # leeway included
        assert person.visit("/recent/?step=2").status_code == 200
        assert person.trail[-1] == f"{SITE}/recent/?step=2"
        assert claims()["auth_time"] > first
        person.visit("/recent/")
        assert len(person.asked()) == 2

    @pytest.mark.parametrize(("age", "status"), [(360, 200), (361, 403)])
    def test_a_login_is_recent_to_the_last_second_leeway_included(
        self, person: Visitor, tenant: Tenant, auth0_settings: Configure, age: int, status: int
    ) -> None:
        now = int(tenant.clock.now())
        auth0_settings(CLOCK=lambda: now)
        change_claims(auth_time=now - age)
        assert person.client.get("/recent/", headers=FETCH, secure=True).status_code == status

    @pytest.mark.parametrize("fault", ["auth-time-missing", "auth-time-old"])
    def test_C9_an_answer_that_is_too_old_is_refused(self, person: Visitor, tenant: Tenant, fault: str) -> None:
        tenant.clock.advance(600)
        tenant.fault(fault)
        page = person.visit("/recent/")
        assert (page.status_code, code_shown(page)) == (400, "token_auth_time")

    @pytest.mark.parametrize("value", ["²", "9" * 400, "-1", "soon"])
    def test_F11_a_visitors_own_max_age_may_be_anything(
        self, tenant: Tenant, auth0_settings: Configure, value: str
    ) -> None:
        """Where ``FORWARDED_PARAMS`` lets visitors name it, which is the project's choice."""
        auth0_settings(FORWARDED_PARAMS=["max_age"])
        person = Visitor(tenant)
        url = person.start(f"/auth0/login/?{urlencode({'max_age': value, 'next': '/watched/'})}")
        person.follow(person.bring(person.at_tenant(with_query(url, max_age="300"))))
        assert is_logged_in(person.client)

    def test_both_at_once(self, person: Visitor, tenant: Tenant) -> None:
        tenant.clock.advance(600)
        assert person.visit("/strong-and-recent/").status_code == 200
        assert (person.asked()[0]["max_age"], person.asked()[0]["acr_values"]) == ("300", MULTI_FACTOR)
        assert len(person.asked()) == 1


class TestLoginsThatSayNothing:
    """A password or a code typed here brings no ``auth_time``, no ``acr`` and no ``amr``: a full login does."""

    @pytest.fixture
    def typed(self, tenant: Tenant, auth0_settings: Configure) -> Visitor:
        tenant.application.grant_types.add("password")
        auth0_settings(PASSWORD_REALM="Username-Password-Authentication")
        person = Visitor(tenant)
        person.get(f"{SITE}/auth0/password/?next=/watched/")
        answer = person.submit(username="ada@example.com", password="correct horse", follow=False)
        assert answer.status_code == 302, answer.content
        assert is_logged_in(person.client)
        assert not {"acr", "amr", "auth_time", "sid"} & set(claims())
        return person

    @pytest.mark.parametrize("path", ["/strong/", "/recent/", "/strong-and-recent/"])
    def test_it_steps_up_by_a_full_login(self, typed: Visitor, tenant: Tenant, path: str) -> None:
        before = LoginSession.objects.get().pk
        assert tenant.user.sub in typed.visit(path).content.decode()
        assert len(typed.asked()) == 1
        assert LoginSession.objects.get().pk != before


class TestWhoIsNotAPerson:
    @pytest.mark.parametrize("path", ["/strong/", "/recent/"])
    def test_a_script_is_told_what_is_missing(self, person: Visitor, path: str) -> None:
        answer = person.client.get(path, headers=FETCH, secure=True)
        assert (answer.status_code, answer.json()["code"]) == (403, code_of(path))
        assert person.asked() == []

    def test_a_post_is_not_repeated_after_the_login(self, person: Visitor, tenant: Tenant) -> None:
        browser: Client = person.client
        browser.handler.enforce_csrf_checks = False
        answer = browser.post("/strong/", {"pay": "100"}, secure=True, headers={"Referer": f"{SITE}/plain/?form=1"})
        assert answer.status_code == 302
        person.follow(answer)
        assert person.trail[-1] == f"{SITE}/plain/?form=1"


def code_of(path: str) -> str:
    return {"/strong/": "acr_values", "/recent/": "max_age"}[path]
