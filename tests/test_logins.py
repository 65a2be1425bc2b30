"""Whole logins: what leaves for the tenant, what comes of it here, and every way in which it may go wrong."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User as DjangoUser
from django.test import Client

from django_auth0_flow.models import Identity, LoginSession
from django_auth0_flow.storage.django_session_facts import FACTS_KEY
from django_auth0_flow.testing.tenant import Tenant
from tests.walk import (
    LOGIN,
    NAVIGATE,
    SITE,
    assert_nothing_stored,
    code_shown,
    come_back,
    is_logged_in,
    query_of,
    session_of,
    start,
    walk,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("auth0_settings")]


class TestGoodLogin:
    def test_a_new_user_is_logged_in_and_lands_on_next(self, client: Client, tenant: Tenant) -> None:
        answer = walk(client, tenant, next="/bare/?page=2")
        assert (answer.status_code, answer["Location"]) == (302, "/bare/?page=2")
        identity = Identity.objects.get()
        assert (identity.issuer, identity.subject) == (tenant.issuer, tenant.user.sub)
        user = DjangoUser.objects.get()
        assert identity.user == user
        assert (user.email, user.first_name, user.last_name) == ("ada@example.com", "Ada", "Lovelace")
        assert not user.has_usable_password()
        assert not user.is_staff
        row = LoginSession.objects.get()
        assert row.identity == identity
        assert row.session_key == client.session.session_key
        assert client.get("/bare/").content.decode() == f"bare {tenant.user.sub}"

    def test_without_next_the_login_ends_at_login_redirect_url(self, client: Client, tenant: Tenant) -> None:
        answer = come_back(client, tenant.login(client.get("/auth0/login/")["Location"]))
        assert answer["Location"] == "/"

    def test_the_same_person_is_the_same_user_in_another_browser(self, client: Client, tenant: Tenant) -> None:
        walk(client, tenant)
        walk(Client(), tenant)
        assert DjangoUser.objects.count() == Identity.objects.count() == 1
        assert LoginSession.objects.count() == 2

    def test_a_login_replaces_the_one_this_browser_had(self, client: Client, tenant: Tenant) -> None:
        walk(client, tenant)
        walk(client, tenant)
        assert LoginSession.objects.get().pk.hex == session_of(client)[FACTS_KEY]["id"]

    def test_basic_client_authentication(
        self, client: Client, tenant: Tenant, auth0_settings: Callable[..., Any]
    ) -> None:
        auth0_settings(CLIENT_AUTH="client_secret_basic")
        tenant.application.token_endpoint_auth_method = "client_secret_basic"
        walk(client, tenant)
        assert is_logged_in(client)

    @pytest.mark.parametrize("algorithm", ["PS256", "HS256"])
    def test_other_algorithms_when_configured(
        self, client: Client, tenant: Tenant, auth0_settings: Callable[..., Any], algorithm: str
    ) -> None:
        auth0_settings(ID_TOKEN_ALGORITHM=algorithm)
        tenant.application.id_token_alg = algorithm
        tenant.jwks_with_alg = False  # as Auth0 advises where PS256 is used
        walk(client, tenant)
        assert is_logged_in(client)

    def test_no_kid_and_one_fitting_key_is_accepted(self, client: Client, tenant: Tenant) -> None:
        tenant.fault("kid-absent")
        walk(client, tenant)
        assert is_logged_in(client)

    def test_at_hash_is_checked_and_accepted_where_a_provider_sends_it(self, client: Client, tenant: Tenant) -> None:
        tenant.application.at_hash = True
        walk(client, tenant)
        assert is_logged_in(client)

    @pytest.mark.parametrize(
        ("fault", "options"),
        [
            ("expires-in", {"value": "soon"}),
            ("expires-in", {"value": -5}),
            ("expires-in", {}),
            ("scope", {"value": 7}),
            ("scope", {}),
            ("extra", {"member": "refresh_token", "value": 12}),
            ("no-refresh-token", {}),
        ],
        ids=str,
    )
    def test_T9_odd_but_harmless_token_answers_are_tolerated(
        self, client: Client, tenant: Tenant, fault: str, options: dict[str, Any]
    ) -> None:
        tenant.fault(fault, **options)
        assert walk(client, tenant).status_code == 302
        assert is_logged_in(client)

    @pytest.mark.parametrize(
        "value", [None, 3, {"a": ["b"]}, "x" * 20_000, "\ud800", [[[]]]], ids=lambda v: repr(v)[:12]
    )
    def test_C12_odd_profile_claims_never_crash(self, client: Client, tenant: Tenant, value: object) -> None:
        for name in ("email", "given_name", "family_name", "nickname", "https://example.com/custom", "email_verified"):
            tenant.user.claims[name] = value
        assert walk(client, tenant).status_code == 302
        assert is_logged_in(client)


class TestAuthorizationRequest:
    @pytest.mark.parametrize("value", ["\u00b2", "9" * 400, "-1", "soon"], ids=ascii)
    def test_F11_a_max_age_that_a_visitor_made_up_is_no_crash(
        self, client: Client, tenant: Tenant, auth0_settings: Callable[..., Any], value: str
    ) -> None:
        auth0_settings(FORWARDED_PARAMS=["max_age"])
        assert walk(client, tenant, max_age=value).status_code == 302
        assert is_logged_in(client)

    def test_the_tenants_pages_are_asked_for_in_the_visitors_language(
        self, client: Client, auth0_settings: Callable[..., Any]
    ) -> None:
        japanese = {**NAVIGATE, "Accept-Language": "ja"}
        assert "ui_locales" not in query_of(client.get(LOGIN, headers=japanese)["Location"])
        auth0_settings(UI_LOCALES=True)
        for path in (LOGIN, "/scoped/"):
            assert query_of(client.get(path, headers=japanese)["Location"])["ui_locales"] == "ja"
        asked = client.get(LOGIN, {"ui_locales": "fr"}, headers=japanese)["Location"]
        assert query_of(asked)["ui_locales"] == "fr", "what the address says goes before"
        auth0_settings(UI_LOCALES=True, AUTHORIZATION_PARAMS={"ui_locales": "de"})
        assert query_of(client.get(LOGIN, headers=japanese)["Location"])["ui_locales"] == "de"

    def test_W6_only_allow_listed_parameters_of_the_login_page_go_on(self, client: Client, tenant: Tenant) -> None:
        wanted = {"login_hint": "ada@example.com", "screen_hint": "signup", "ui_locales": "ja", "organization": "org_1"}
        foreign = {
            "redirect_uri": "https://evil.example/",
            "scope": "admin",
            "client_id": "other",
            "audience": "https://evil.example",
            "state": "mine",
            "nonce": "mine",
            "response_type": "token",
            "response_mode": "fragment",
            "prompt": "none",
            "code_challenge": "mine",
        }
        sent = query_of(start(client, invitation="ticket", **wanted, **foreign))
        assert {name: sent[name] for name in wanted} == wanted
        assert sent["invitation"] == "ticket"
        assert sent["redirect_uri"] == f"{SITE}/auth0/callback/"
        assert sent["client_id"] == tenant.application.client_id
        assert sent["scope"] == "openid profile email offline_access"
        assert sent["audience"] == tenant.api.identifier
        assert sent["response_type"] == "code"
        assert not {"response_mode", "prompt"} & set(sent)
        assert "mine" not in sent.values()

    @pytest.mark.parametrize("value", ["a\nb", "x" * 501, "\x00"], ids=["newline", "long", "nul"])
    def test_malformed_parameters_of_the_login_page_are_refused(self, client: Client, value: str) -> None:
        answer = client.get("/auth0/login/", {"login_hint": value})
        assert (answer.status_code, code_shown(answer)) == (400, "malformed_request")

    def test_F8_a_parameter_of_the_login_page_given_twice_is_refused(self, client: Client) -> None:
        answer = client.get("/auth0/login/?organization=a&organization=b")
        assert (answer.status_code, code_shown(answer)) == (400, "parameter_repeated")

    def test_F14_state_nonce_and_challenge_are_fresh_long_and_unrelated(self, client: Client) -> None:
        sent = [query_of(start(client)) for _ in range(20)]
        for name in ("state", "nonce", "code_challenge"):
            assert len({query[name] for query in sent}) == len(sent)
        assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", query["nonce"]) for query in sent)
        assert all(len(query["state"]) >= 43 for query in sent)
        assert not {query["state"] for query in sent} & {query["nonce"] for query in sent}

    def test_F4_pkce_is_s256_of_the_verifier_that_is_sent_later(self, client: Client, tenant: Tenant) -> None:
        sent = query_of(url := start(client))
        assert sent["code_challenge_method"] == "S256"
        come_back(client, tenant.login(url))
        (exchange,) = [found for found in tenant.requests if found.path == "/oauth/token"]
        (verifier,) = exchange.form["code_verifier"]
        assert len(verifier) >= 43
        digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        assert digest == sent["code_challenge"]

    def test_authorization_params_join_the_request(self, client: Client, auth0_settings: Callable[..., Any]) -> None:
        auth0_settings(AUTHORIZATION_PARAMS={"prompt": "login", "connection": "google-oauth2"})
        sent = query_of(start(client))
        assert (sent["prompt"], sent["connection"]) == ("login", "google-oauth2")


class TestOrganizations:
    @pytest.fixture
    def org(self, tenant: Tenant) -> str:
        organization = tenant.add_organization("Acme", id="org_9ybsU1dN2dKfDkBi")
        tenant.user.orgs = [organization.id]
        return organization.id

    @pytest.mark.parametrize("fault", ["org-id-missing", "org-id-other"])
    def test_C10_another_organization_than_asked_for_is_refused(
        self, client: Client, tenant: Tenant, org: str, fault: str
    ) -> None:
        tenant.fault(fault)
        answer = walk(client, tenant, organization=org)
        assert (answer.status_code, code_shown(answer)) == (400, "token_org_id")
        assert_nothing_stored(client)
        walk(client, tenant, organization=org)
        assert is_logged_in(client)

    def test_C10_a_name_compares_in_lower_case(self, client: Client, tenant: Tenant, org: str) -> None:
        walk(client, tenant, organization="ACME")
        assert is_logged_in(client)

    def test_C11_an_organization_nobody_asked_for_is_refused_unless_allowed(
        self, client: Client, tenant: Tenant, auth0_settings: Callable[..., Any]
    ) -> None:
        tenant.user.claims["org_id"] = "org_9ybsU1dN2dKfDkBi"
        answer = walk(client, tenant)
        assert (answer.status_code, code_shown(answer)) == (403, "organization_not_allowed")
        assert_nothing_stored(client)
        auth0_settings(ALLOWED_ORGANIZATIONS=["org_9ybsU1dN2dKfDkBi"])
        walk(client, tenant)
        assert is_logged_in(client)

    def test_C11_a_name_that_looks_like_an_allowed_id_is_none(
        self, client: Client, tenant: Tenant, auth0_settings: Callable[..., Any]
    ) -> None:
        """Whoever may name an organization at the tenant must not choose what this site trusts."""
        auth0_settings(ALLOWED_ORGANIZATIONS=["org_9ybsu1dn2dkfdkbi"])
        tenant.user.claims.update(org_id="org_stranger", org_name="org_9ybsu1dn2dkfdkbi")
        assert code_shown(walk(client, tenant)) == "organization_not_allowed"
        assert_nothing_stored(client)

    def test_C11_the_allow_list_also_judges_what_a_visitor_asks_for(
        self, client: Client, tenant: Tenant, org: str, auth0_settings: Callable[..., Any]
    ) -> None:
        auth0_settings(ALLOWED_ORGANIZATIONS=["org_other"])
        assert code_shown(walk(client, tenant, organization=org)) == "organization_not_allowed"
        assert_nothing_stored(client)


class TestKeys:
    def test_J2_what_the_metadata_offers_decides_nothing(self, client: Client, tenant: Tenant) -> None:
        walk(client, tenant)
        tenant.fault("alg-none")
        assert code_shown(walk(Client(), tenant)) == "token_token"

    def test_J4_junk_keys_around_the_good_one_are_skipped(self, client: Client, tenant: Tenant) -> None:
        tenant.fault("jwks-junk")
        walk(client, tenant)
        assert is_logged_in(client)

    @pytest.mark.parametrize("times", [1, 2])
    def test_J5_rotation_between_logins_and_just_before_signing(
        self, client: Client, tenant: Tenant, times: int
    ) -> None:
        walk(client, tenant)
        url = start(client := Client())
        for _ in range(times):
            tenant.rotate_keys(revoke_previous=True)
        come_back(client, tenant.login(url))
        assert is_logged_in(client)

    def test_J6_a_flood_of_unknown_keys_is_not_a_flood_of_fetches(self, client: Client, tenant: Tenant) -> None:
        walk(client, tenant)
        tenant.clear_log()
        for _ in range(10):
            tenant.fault("kid-unknown")
            assert code_shown(walk(Client(), tenant)) == "signing_key_not_found"
        assert tenant.count("/.well-known/jwks.json") <= 1
        walk(good := Client(), tenant)
        assert is_logged_in(good)

    def test_S7_keys_that_the_token_brings_along_are_neither_used_nor_fetched(
        self, client: Client, tenant: Tenant
    ) -> None:
        with Tenant() as other:
            for member in ("jku", "x5u"):
                tenant.fault("header", member=member, value=f"{other.issuer}.well-known/jwks.json")
            walk(client, tenant)
            assert is_logged_in(client)
            assert other.requests == []

    def test_J7_cached_keys_serve_while_the_tenant_publishes_none(self, client: Client, tenant: Tenant) -> None:
        walk(client, tenant)
        for endpoint in ("jwks", "metadata"):
            tenant.fault("drop", endpoint=endpoint, times=None)
        walk(client, tenant)
        assert is_logged_in(client)
