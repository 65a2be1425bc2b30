"""Who is let in: organizations that nobody asked for, what a site demands, and tokens on their way to ``login()``."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import RequestFactory

from django_auth0_flow.conf import Auth0Settings, get_settings
from django_auth0_flow.embedded.visitor_logins import embedded_logins
from django_auth0_flow.login.admission import (
    Login,
    acr_values_demanded,
    attach_login,
    check_organization_allowed,
    detach_login,
    max_age_demanded,
    parameters_demanded,
    tenants_page_needed,
    with_userinfo,
)
from django_auth0_flow.protocol.dpop import DPoPKey
from django_auth0_flow.protocol.errors import Auth0Error
from django_auth0_flow.protocol.tokens import TokenSet
from django_auth0_flow.testing.tenant import Tenant

ID, OTHER = "org_9ybsU1dN2dKfDkBi", "org_other00000000000"


def conf(**values: Any) -> Auth0Settings:
    return Auth0Settings(**values)


#: The claims, ALLOWED_ORGANIZATIONS, and whether the login passes when nobody asked for an organization.
ORGANIZATIONS: list[tuple[dict[str, Any], tuple[str, ...], bool]] = [
    ({}, (), True),
    ({}, (ID,), True),
    ({"org_id": ID}, (), False),
    ({"org_name": "acme"}, (), False),
    ({"org_id": ID, "org_name": "acme"}, (), False),
    ({"org_id": ID}, (ID,), True),
    ({"org_id": ID}, (OTHER,), False),
    ({"org_id": ID}, (OTHER, ID), True),
    ({"org_id": ID.lower()}, (ID,), False),
    ({"org_name": "acme"}, ("acme",), True),
    ({"org_name": "ACME"}, ("acme",), True),
    ({"org_name": "acme"}, ("ACME",), True),
    ({"org_name": "acme"}, (ID,), False),
    ({"org_name": "acme2"}, ("acme",), False),
    ({"org_id": OTHER, "org_name": "acme"}, ("acme",), True),
    ({"org_id": OTHER, "org_name": ID}, (ID,), False),
    ({"org_name": ID}, (ID,), False),
    ({"org_id": "acme"}, ("beta",), False),
    ({"org_id": ID}, ("*",), True),
    ({"org_name": "acme"}, ("*",), True),
    ({"org_id": [ID]}, (ID,), False),
    ({"org_id": ""}, (ID,), False),
    ({"org_name": ""}, ("acme",), False),
    ({"org_name": ["acme"]}, ("acme",), False),
    ({"org_id": 0}, (), False),
    ({"org_name": False}, (), False),
]


@pytest.mark.parametrize(("claims", "allowed", "passes"), ORGANIZATIONS, ids=str)
def test_C11_organizations_that_nobody_asked_for(
    claims: dict[str, Any], allowed: tuple[str, ...], passes: bool
) -> None:
    settings = conf(allowed_organizations=allowed)
    check_organization_allowed(settings, claims, was_asked_for=True)
    if passes:
        check_organization_allowed(settings, claims, was_asked_for=False)
        return
    with pytest.raises(Auth0Error) as caught:
        check_organization_allowed(settings, claims, was_asked_for=False)
    assert caught.value.code == "organization_not_allowed"


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({}, ""),
        ({"organization": ID}, "organization_login_needed"),
        ({"organization": lambda request: ID}, "organization_login_needed"),
        ({"organization": lambda request: ""}, ""),
        ({"organization": lambda request: None}, ""),
        ({"authorization_params": {"organization": ID}}, "organization_login_needed"),
        ({"authorization_params": {"acr_values": "gold"}}, "stronger_login_needed"),
        ({"authorization_params": {"acr_values": " "}}, ""),
        ({"authorization_params": {"max_age": "300"}}, ""),
    ],
    ids=lambda value: value if isinstance(value, str) else ascii(sorted(value)),
)
def test_what_logins_without_redirect_cant_bring(values: dict[str, Any], code: str) -> None:
    assert tenants_page_needed(RequestFactory().get("/"), conf(**values)) == code


def test_without_a_request_a_callable_denies_no_organization() -> None:
    assert tenants_page_needed(None, conf(organization=lambda request: None)) == "organization_login_needed"
    assert tenants_page_needed(None, conf()) == ""


@pytest.mark.parametrize(
    ("site", "asked", "seconds"),
    [
        ({}, [], None),
        ({}, [{"max_age": "60"}], 60),
        ({}, [{"max_age": "x"}], None),
        ({"max_age": "300"}, [], 300),
        ({"max_age": "300"}, [{}], 300),
        ({"max_age": "300"}, [{"max_age": "60"}], 60),
        ({"max_age": "300"}, [{"max_age": "900"}], 300),
        ({"max_age": "300"}, [{"max_age": "x"}, {"max_age": "0"}], 0),
        ({"max_age": "0"}, [{"max_age": "60"}], 0),
    ],
    ids=str,
)
def test_X17_the_smallest_max_age_counts(
    site: dict[str, str], asked: list[dict[str, str]], seconds: int | None
) -> None:
    assert max_age_demanded(conf(authorization_params=site), *asked) == seconds


@pytest.mark.parametrize(
    ("site", "view", "visitor", "found"),
    [
        ({}, {"acr_values": "gold", "max_age": "60"}, {"acr_values": "weak"}, {}),
        ({"acr_values": "gold"}, {}, {"acr_values": "weak"}, {"acr_values": "gold"}),
        ({"acr_values": "gold"}, {"acr_values": "phr gold"}, {}, {"acr_values": "phr gold"}),
        ({"acr_values": "gold silver"}, {"acr_values": "phr"}, {}, {"acr_values": "phr gold silver"}),
        ({"max_age": "300"}, {"max_age": "60"}, {"max_age": "30"}, {"max_age": "30"}),
        ({"max_age": "300"}, {}, {"max_age": "x"}, {"max_age": "300"}),
    ],
    ids=str,
)
def test_X17_nobody_asks_for_less_than_the_site(
    site: dict[str, str], view: dict[str, str], visitor: dict[str, str], found: dict[str, str]
) -> None:
    assert parameters_demanded(conf(authorization_params=site), view=view, visitor=visitor) == found


def test_X17_acr_values_are_words() -> None:
    assert acr_values_demanded(conf(authorization_params={"acr_values": " gold  silver "})) == ["gold", "silver"]


def test_a_login_travels_with_its_user_once() -> None:
    user = get_user_model()(username="ada")
    login = Login("default", TokenSet(access_token="the-token"), {"sub": "the-subject"})
    attach_login(user, login)
    assert detach_login(user) is login
    assert detach_login(user) is None
    assert detach_login(SimpleNamespace(_auth0_login="forged")) is None
    assert detach_login(None) is None
    assert "the-" not in repr(login)


@pytest.mark.django_db
class TestWithTenant:
    def test_without_a_request_no_refresh_token_is_asked_for(self, tenant: Tenant, auth0_settings: Any) -> None:
        tenant.application.grant_types |= {"password"}
        auth0_settings(PASSWORD_REALM=True)
        for request, offline in ((None, False), (RequestFactory().post("/"), True)):
            embedded_logins("default", request).log_in_with_password("ada@example.com", "correct horse")
            sent = [found for found in tenant.requests if found.path == "/oauth/token"][-1]
            assert ("offline_access" in sent.form["scope"][0].split()) is offline
            assert sent.form["audience"] == ["https://api.example.com"]

    def test_without_an_audience_none_is_sent(self, tenant: Tenant, auth0_settings: Any) -> None:
        tenant.application.grant_types |= {"password"}
        auth0_settings(PASSWORD_REALM=True, AUDIENCE="")
        embedded_logins("default", None).log_in_with_password("ada@example.com", "correct horse")
        sent = [found for found in tenant.requests if found.path == "/oauth/token"][-1]
        assert "audience" not in sent.form

    def test_userinfo_lies_below_the_id_token_and_is_asked_for_where_configured(
        self, tenant: Tenant, auth0_settings: Any
    ) -> None:
        claims = {"sub": tenant.user.sub, "email": "from-the-id-token@example.com"}
        tokens = TokenSet(access_token=tenant.make_access_token())
        auth0_settings()
        assert with_userinfo(get_settings(), tokens, claims) == claims
        assert tenant.count("/userinfo") == 0
        auth0_settings(USERINFO=True)
        found = with_userinfo(get_settings(), tokens, claims)
        assert (found["email"], found["nickname"]) == ("from-the-id-token@example.com", "ada")
        assert with_userinfo(get_settings(), TokenSet(), claims) == claims
        tenant.fault("status", endpoint="userinfo", status=500)
        assert with_userinfo(get_settings(), tokens, claims) == claims

    def test_userinfo_is_asked_with_the_kind_of_token_there_is(self, tenant: Tenant, auth0_settings: Any) -> None:
        """A login may have a key, and a bearer token from before the tenant bound tokens to it."""
        auth0_settings(USERINFO=True)
        tokens = TokenSet(access_token=tenant.make_access_token(), dpop_key=DPoPKey.generate().dump())
        assert with_userinfo(get_settings(), tokens, {"sub": tenant.user.sub})["nickname"] == "ada"
        sent = next(found for found in tenant.requests if found.path == "/userinfo")
        assert sent.headers["Authorization"].startswith("Bearer ")
