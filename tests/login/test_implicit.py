"""Logins without a code: an ID token by POST, tokens in the fragment, and an access token for a login that exists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from django.test import Client

from django_auth0_flow.models import LoginSession
from django_auth0_flow.testing.tenant import Tenant, User
from tests.visitor import Visitor
from tests.walk import CALLBACK, LOGIN, assert_nothing_stored, code_shown, is_logged_in

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.front_urls")]
Configure = Callable[..., dict[str, Any]]
SITE = "https://testserver"


@pytest.fixture(autouse=True)
def _site(tenant: Tenant) -> None:
    tenant.application.callbacks = [f"{SITE}/auth0/callback/"]


@pytest.fixture
def person(tenant: Tenant) -> Visitor:
    return Visitor(tenant)


@pytest.fixture
def grace(tenant: Tenant) -> User:
    return next(user for user in tenant.users.values() if user.nickname == "grace")


#: What is wrong with the ID token, and the code on the page. Each response type must refuse each of them.
WRONG = [
    ("sig-invalid", "token_signature"),
    ("alg-none", "token_token"),
    ("hs256-public-key", "token_alg"),
    ("invalid-iss", "token_iss"),
    ("invalid-aud", "token_aud"),
    ("expired", "token_exp"),
    ("nonce-invalid", "token_nonce"),
    ("nonce-missing", "token_nonce"),
    ("missing-sub", "token_sub"),
    ("no-id-token", "id_token_missing"),
]


class TestIdToken:
    """``RESPONSE_TYPE`` ``id_token``: no secret, no token request, no access token."""

    @pytest.fixture(autouse=True)
    def _id_token(self, auth0_settings: Configure) -> None:
        auth0_settings(RESPONSE_TYPE="id_token", CLIENT_SECRET="", SCOPE="openid profile email")

    def test_a_whole_login_without_a_secret_and_without_a_call(self, person: Visitor, tenant: Tenant) -> None:
        person.visit("/auth0/login/?next=/bare/")
        tenant.clear_log()
        assert person.visit("/auth0/login/?next=/bare/").content.decode() == f"bare {tenant.user.sub}"
        asked = person.asked()[-1]
        assert (asked["response_type"], asked["response_mode"]) == ("id_token", "form_post")
        assert "code_challenge" not in asked
        assert "audience" not in asked
        assert asked["nonce"] != person.asked()[0]["nonce"]
        assert tenant.count("/oauth/token") == 0
        grant = LoginSession.objects.get().grant
        assert (grant.tokens.access_token, grant.tokens.refresh_token) == (None, None)
        assert grant.claims["email"] == "ada@example.com"

    @pytest.mark.parametrize(("fault", "code"), WRONG)
    def test_a_token_that_is_no_good_is_refused(self, person: Visitor, tenant: Tenant, fault: str, code: str) -> None:
        tenant.fault(fault)
        page = person.visit("/bare/")
        assert (page.status_code, code_shown(page)) == (400, code)
        assert_nothing_stored(person.client)

    @pytest.mark.parametrize("response_type", ["id_token", "id_token token"])
    @pytest.mark.parametrize("fault", ["org-id-other", "org-id-missing"])
    def test_C10_a_token_of_another_organization_is_refused(
        self, person: Visitor, tenant: Tenant, auth0_settings: Configure, response_type: str, fault: str
    ) -> None:
        acme = tenant.add_organization("acme")
        tenant.user.orgs = [acme.id]
        auth0_settings(RESPONSE_TYPE=response_type, RESPONSE_MODE="form_post", ORGANIZATION=acme.id)
        tenant.fault(fault)
        assert code_shown(person.visit("/bare/")) == "token_org_id"
        assert_nothing_stored(person.client)
        assert person.visit("/bare/").status_code == 200
        assert LoginSession.objects.get().grant.claims["org_id"] == acme.id

    @pytest.mark.parametrize("response_type", ["id_token", "id_token token"])
    @pytest.mark.parametrize("fault", ["auth-time-missing", "auth-time-old"])
    def test_C9_an_answer_that_is_too_old_is_refused(
        self, person: Visitor, tenant: Tenant, auth0_settings: Configure, response_type: str, fault: str
    ) -> None:
        auth0_settings(RESPONSE_TYPE=response_type, RESPONSE_MODE="form_post", AUTHORIZATION_PARAMS={"max_age": "300"})
        tenant.fault(fault)
        page = person.visit("/bare/")
        assert (page.status_code, code_shown(page)) == (400, "token_auth_time")
        assert_nothing_stored(person.client)
        assert person.visit("/bare/").status_code == 200

    def test_C6_the_token_of_another_login_is_refused(self, person: Visitor, tenant: Tenant, grace: User) -> None:
        """Its state is the victim's own: only the nonce tells."""
        attacker = Visitor(tenant, user=grace)
        stolen = attacker.at_tenant(attacker.start(LOGIN)).fields["id_token"]
        own = person.at_tenant(person.start(LOGIN))
        page = person.follow(person.post_from_elsewhere(own.url, {**own.fields, "id_token": stolen}))
        assert code_shown(page) == "token_nonce"
        assert_nothing_stored(person.client)

    def test_a_large_token_passes(self, person: Visitor, tenant: Tenant) -> None:
        tenant.user.claims = {"https://app.example.com/roles": ["role-of-some-length"] * 1000}
        assert person.visit("/bare/").status_code == 200

    def test_it_has_no_access_token_and_says_so_without_end(self, person: Visitor, tenant: Tenant) -> None:
        person.visit("/bare/")
        person.forget_trail()
        for _ in range(3):
            page = person.visit("/token/")
            assert (page.status_code, code_shown(page)) == (400, "no_access_token")
        assert person.asked() == []

    def test_it_outlives_the_id_token(self, person: Visitor, tenant: Tenant) -> None:
        person.visit("/bare/")
        tenant.clock.advance(11 * 3600)
        assert person.get(f"{SITE}/bare/").status_code == 200

    def test_logout_has_its_hint(self, person: Visitor) -> None:
        person.visit("/bare/")
        person.get(f"{SITE}/auth0/logout/")
        assert "id_token_hint=" in person.submit()["Location"]


class TestFragment:
    """``RESPONSE_TYPE`` ``id_token token``: the answer is in the fragment, which our page's script brings to the server."""

    @pytest.fixture(autouse=True)
    def _fragment(self, auth0_settings: Configure) -> None:
        auth0_settings(RESPONSE_TYPE="id_token token", CLIENT_SECRET="", SCOPE="openid profile email")

    def test_a_whole_login(self, person: Visitor, tenant: Tenant) -> None:
        token = person.visit("/token/").content.decode()
        asked = person.asked()[0]
        assert (asked["response_type"], asked["response_mode"]) == ("id_token token", "fragment")
        assert asked["audience"] == tenant.api.identifier
        tokens = LoginSession.objects.get().grant.tokens
        assert (tokens.access_token, tokens.refresh_token) == (token, None)
        assert tokens.expires_at == pytest.approx(tenant.clock.now() + 7200, abs=5)
        assert tenant.count("/oauth/token") == 0

    def test_an_expired_access_token_means_another_login(self, person: Visitor, tenant: Tenant) -> None:
        person.visit("/token/")
        tenant.clock.advance(7300)
        assert person.visit("/token/").status_code == 200
        assert len(person.asked()) == 2

    @pytest.mark.parametrize(
        ("fault", "code"), [*WRONG, ("at-hash-invalid", "token_at_hash"), ("at-hash-missing", "token_at_hash")]
    )
    def test_tokens_that_are_no_good_are_refused(self, person: Visitor, tenant: Tenant, fault: str, code: str) -> None:
        tenant.fault(fault)
        page = person.visit("/bare/")
        assert (page.status_code, code_shown(page)) == (400, code)
        assert_nothing_stored(person.client)

    def test_an_access_token_of_somebody_else_is_refused(self, person: Visitor, tenant: Tenant, grace: User) -> None:
        answer = person.at_tenant(person.start(LOGIN))
        fields = {**answer.fields, "access_token": tenant.make_access_token(grace)}
        person.get(f"{SITE}{CALLBACK}")
        assert code_shown(person.submit(response=urlencode(fields))) == "token_at_hash"
        assert_nothing_stored(person.client)

    @pytest.mark.parametrize("missing", ["access_token", "id_token", "token_type"])
    def test_each_part_is_needed(self, person: Visitor, missing: str) -> None:
        answer = person.at_tenant(person.start(LOGIN))
        fields = {name: value for name, value in answer.fields.items() if name != missing}
        person.get(f"{SITE}{CALLBACK}")
        assert person.submit(response=urlencode(fields)).status_code == 400
        assert_nothing_stored(person.client)

    def test_a_refusal_lands_as_well(self, person: Visitor) -> None:
        answer = person.at_tenant(person.start(LOGIN), deny=True)
        assert urlsplit(answer.url).fragment
        page = person.bring(answer)
        assert (page.status_code, code_shown(page)) == (403, "access_denied")

    def test_the_page_has_no_inline_script_and_is_kept_by_nobody(self, person: Visitor) -> None:
        page = person.get(f"{SITE}{CALLBACK}")
        text = page.content.decode()
        assert page["Cache-Control"] == "private, no-store"
        assert text.count("<script") == 1
        assert '<script src="/static/auth0/fragment.js" defer></script>' in text
        assert "onload" not in text

    def test_F2_it_takes_no_post_from_elsewhere(self, person: Visitor, tenant: Tenant, grace: User) -> None:
        attacker = Visitor(tenant, user=grace)
        attack = attacker.at_tenant(attacker.start(LOGIN))
        fragment = urlsplit(attack.url).fragment
        person.get(f"{SITE}{CALLBACK}")
        assert person.post_from_elsewhere(f"{SITE}{CALLBACK}", {"response": fragment}).status_code == 403
        assert_nothing_stored(person.client)

    def test_F2_a_foreign_answer_in_the_address_does_not_log_in(
        self, person: Visitor, tenant: Tenant, grace: User
    ) -> None:
        """A link to the callback with the attacker's tokens behind the #: the page's script brings them faithfully."""
        attacker = Visitor(tenant, user=grace)
        answer = person.bring(attacker.at_tenant(attacker.start(LOGIN)))
        assert answer["Location"].startswith(f"{tenant.issuer}authorize?")
        assert_nothing_stored(person.client)

    @pytest.mark.parametrize(
        "fragment", ["", "#", "state=", "state=x&id_token=y", "state=a&state=b", "&" * 300, "%00=%00", "state=%ff"]
    )
    def test_F11_garbage_is_a_400(self, person: Visitor, fragment: str) -> None:
        person.get(f"{SITE}{CALLBACK}")
        assert person.submit(response=fragment).status_code == 400

    def test_tokens_in_a_query_are_not_taken(self, person: Visitor) -> None:
        answer = person.at_tenant(person.start(LOGIN))
        person.get(f"{SITE}{CALLBACK}?{urlsplit(answer.url).fragment}")
        assert not is_logged_in(person.client)

    @pytest.mark.parametrize("mode", ["fragment", "form_post"])
    def test_the_same_by_post(self, person: Visitor, tenant: Tenant, auth0_settings: Configure, mode: str) -> None:
        auth0_settings(RESPONSE_TYPE="token id_token", RESPONSE_MODE=mode, SCOPE="openid")
        assert person.visit("/token/").status_code == 200


class TestAccessTokenForALogin:
    """``response_type=token``: it never logs anybody in, it adds an access token to the login that asked for it."""

    @pytest.fixture(autouse=True)
    def _id_token(self, auth0_settings: Configure) -> None:
        auth0_settings(RESPONSE_TYPE="id_token", CLIENT_SECRET="", SCOPE="openid profile email")

    @pytest.fixture
    def visitor(self, person: Visitor) -> Visitor:
        person.visit("/bare/")
        assert is_logged_in(person.client)
        person.forget_trail()
        return person

    def test_it_is_fetched_for_a_page_that_needs_it(self, visitor: Visitor, tenant: Tenant) -> None:
        before = LoginSession.objects.get()
        token, scopes = visitor.visit("/with-token/").content.decode().split(" ", 1)
        asked = visitor.asked()[0]
        assert (asked["response_type"], asked["response_mode"]) == ("token", "form_post")
        assert asked["audience"] == tenant.api.identifier
        after = LoginSession.objects.get()
        assert (after.pk, after.grant.tokens.access_token) == (before.pk, token)
        assert after.grant.tokens.id_token == before.grant.tokens.id_token
        assert after.grant.claims == before.grant.claims
        assert "openid" in scopes
        assert tenant.count("/userinfo") == 1
        assert visitor.visit("/token/").content.decode() == token
        assert len(visitor.asked()) == 1

    def test_a_visitor_who_is_not_logged_in_logs_in_first(self, person: Visitor) -> None:
        assert person.visit("/with-token/").status_code == 200
        assert [asked["response_type"] for asked in person.asked()] == ["id_token", "token"]

    def test_the_scope_of_the_page_is_asked_for(self, visitor: Visitor) -> None:
        assert "read:appointments" in visitor.visit("/with-scope/").content.decode()
        assert "read:appointments" in visitor.asked()[0]["scope"].split()

    def test_an_expired_one_is_fetched_anew(self, visitor: Visitor, tenant: Tenant) -> None:
        first = visitor.visit("/with-token/").content.decode()
        tenant.clock.advance(7300)
        assert visitor.visit("/with-token/").content.decode() != first
        assert [asked["response_type"] for asked in visitor.asked()] == ["token", "token"]

    def test_one_that_dies_on_the_way_is_not_fetched_without_end(self, visitor: Visitor, tenant: Tenant) -> None:
        answer = visitor.at_tenant(visitor.start("/with-token/"))
        posted = visitor.post_from_elsewhere(answer.url, {**answer.fields, "expires_in": "10"})
        landed = visitor.get(f"{SITE}{posted['Location']}")
        tenant.clock.advance(11)
        page = visitor.follow(landed)
        assert (page.status_code, code_shown(page)) == (403, "no_access_token")
        assert len(visitor.asked()) == 1

    def test_U1_userinfo_of_somebody_else_refuses_it(self, visitor: Visitor, tenant: Tenant) -> None:
        for fault in ("userinfo-sub-other", "userinfo-sub-missing"):
            tenant.fault(fault)
            page = visitor.visit("/with-token/")
            assert (page.status_code, code_shown(page)) == (400, "token_sub")
            assert LoginSession.objects.get().grant.tokens.access_token is None
        assert is_logged_in(visitor.client)

    def test_another_users_token_is_refused(self, visitor: Visitor, tenant: Tenant, grace: User) -> None:
        answer = visitor.at_tenant(visitor.start("/with-token/"))
        fields = {**answer.fields, "access_token": tenant.make_access_token(grace)}
        page = visitor.follow(visitor.post_from_elsewhere(answer.url, fields))
        assert code_shown(page) == "token_sub"

    def test_the_same_users_token_of_another_application_is_refused(self, visitor: Visitor, tenant: Tenant) -> None:
        other = tenant.add_application(name="Another")
        answer = visitor.at_tenant(visitor.start("/with-token/"))
        fields = {**answer.fields, "access_token": tenant.make_access_token(application=other)}
        page = visitor.follow(visitor.post_from_elsewhere(answer.url, fields))
        assert code_shown(page) == "token_azp"
        assert LoginSession.objects.get().grant.tokens.access_token is None

    def test_it_logs_nobody_in(self, visitor: Visitor, tenant: Tenant) -> None:
        """The login that asked is over when the answer comes."""
        answer = visitor.at_tenant(visitor.start("/with-token/"))
        session = visitor.client.session
        for name in [name for name in session.keys() if name != "_auth0_transactions"]:  # noqa: SIM118  # no mapping
            del session[name]
        session.save()
        page = visitor.follow(visitor.bring(answer))
        assert (page.status_code, code_shown(page)) == (400, "state_unknown")
        assert not is_logged_in(visitor.client)

    def test_a_login_by_code_has_its_own(self, person: Visitor, tenant: Tenant, auth0_settings: Configure) -> None:
        auth0_settings()
        assert person.visit("/with-token/").status_code == 200
        tenant.clock.advance(86401)
        assert person.visit("/with-token/").status_code == 200
        assert [asked["response_type"] for asked in person.asked()] == ["code"]

    def test_a_refusal_is_shown_and_the_login_stays(self, visitor: Visitor, tenant: Tenant) -> None:
        tenant.fault("authorize-error", error="access_denied")
        page = visitor.visit("/with-token/")
        assert (page.status_code, code_shown(page)) == (403, "access_denied")
        assert is_logged_in(visitor.client)


def test_the_callback_shows_no_page_where_no_fragment_is_awaited(client: Client, auth0_settings: Configure) -> None:
    assert client.get(CALLBACK).status_code == 400
