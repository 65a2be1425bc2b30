"""Django REST framework: who an access token is, what it may, and the answers to bad ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db import connection
from rest_framework.test import APIClient

from django_auth0_flow.models import Identity
from django_auth0_flow.rest_framework import AccessTokenUser
from django_auth0_flow.testing import auth0_login, make_access_token
from django_auth0_flow.testing.tenant import Tenant

pytestmark = pytest.mark.django_db
ISSUER = "https://nobody.invalid/"
users: Any = get_user_model()


@pytest.fixture(autouse=True)
def configured(settings: Any) -> Any:
    settings.ROOT_URLCONF = "tests.urlconfs.drf"
    settings.AUTH0 = {
        "ISSUER": ISSUER,
        "CLIENT_ID": "client",
        "CLIENT_SECRET": "secret",
        "AUDIENCE": "https://api.example.com",
    }
    return settings


@pytest.fixture
def api() -> APIClient:
    return APIClient()


def get(api: APIClient, path: str, token: str | None = None, **claims: Any) -> Any:
    token = make_access_token(**claims) if token is None else token
    return api.get(path, headers={"Authorization": f"Bearer {token}"} if token else {})


class TestWho:
    def test_a_subject_that_logs_in_here_is_its_user(self, api: APIClient) -> None:
        user = users.objects.create_user("ada")
        Identity.objects.create(key=Identity.key_for(ISSUER, "auth0|1"), issuer=ISSUER, subject="auth0|1", user=user)
        answer = get(api, "/things/", sub="auth0|1")
        assert answer.json() == {"user": "ada", "kind": "User", "sub": "auth0|1"}

    def test_anybody_else_is_an_access_token_user(self, api: APIClient, django_assert_num_queries: Any) -> None:
        around = 2 if connection.settings_dict["ATOMIC_REQUESTS"] else 0  # a savepoint in the test's transaction
        with django_assert_num_queries(1 + around):
            answer = get(api, "/things/", sub="robot@clients")
        assert answer.json() == {"user": "robot@clients", "kind": "AccessTokenUser", "sub": "robot@clients"}
        assert not users.objects.exists()

    def test_an_inactive_user_is_refused(self, api: APIClient) -> None:
        user = users.objects.create_user("ada", is_active=False)
        Identity.objects.create(key=Identity.key_for(ISSUER, "auth0|1"), issuer=ISSUER, subject="auth0|1", user=user)
        assert get(api, "/things/", sub="auth0|1").status_code == 401

    def test_a_browser_that_is_logged_in(self, api: APIClient) -> None:
        auth0_login(api, sub="auth0|ada", scopes="openid read:things", permissions="write:things")
        assert api.get("/things/").json()["user"] == "auth0.ada"
        assert [api.get(path).status_code for path in ("/scoped/", "/permitted/")] == [200, 200]
        auth0_login(api, sub="auth0|ada")
        assert [api.get(path).status_code for path in ("/scoped/", "/permitted/")] == [403, 403]

    def test_a_browser_s_login_does_not_count_for_whoever_else_is_asking(self, api: APIClient) -> None:
        auth0_login(api, permissions="write:things")
        assert api.get("/foreign/").status_code == 403

    def test_access_token_users_are_told_apart(self, api: APIClient) -> None:
        cache.clear()
        statuses = [get(api, "/throttled/", sub=sub).status_code for sub in ("a", "b", "a", "b", "a")]
        assert statuses == [200, 200, 200, 200, 429]
        cache.clear()

    def test_access_token_user(self) -> None:
        robot = AccessTokenUser({"iss": ISSUER, "sub": "robot@clients"})
        assert robot == AccessTokenUser({"iss": ISSUER, "sub": "robot@clients"})
        assert robot != AccessTokenUser({"iss": "https://other.invalid/", "sub": "robot@clients"})
        assert robot.get_username() == robot.pk == "robot@clients"
        assert robot.is_authenticated
        assert [robot.has_perm("auth.add_user"), robot.is_staff, robot.has_module_perms("auth")] == [False] * 3
        assert len({robot, AccessTokenUser(robot.claims)}) == 1


class TestWhatItMay:
    @pytest.mark.parametrize(
        ("path", "claims", "status"),
        [
            ("/scoped/", {"scopes": "openid read:things"}, 200),
            ("/scoped/", {"scopes": "openid"}, 403),
            ("/scoped/", {"permissions": "openid read:things"}, 403),
            ("/permitted/", {"permissions": "write:things"}, 200),
            ("/permitted/", {"scopes": "write:things"}, 403),
            ("/either/", {"scopes": "read:things"}, 200),
            ("/either/", {}, 403),
            ("/either-way-round/", {"scopes": "read:things"}, 200),
            ("/either-way-round/", {}, 403),
            ("/both/", {"scopes": "read:things"}, 200),
            ("/both/", {}, 403),
            ("/without/", {"scopes": "read:things"}, 403),
            ("/without/", {}, 200),
        ],
        ids=str,
    )
    def test_scopes_and_permissions(self, api: APIClient, path: str, claims: dict[str, Any], status: int) -> None:
        assert get(api, path, **claims).status_code == status

    def test_an_alternative_to_scopes_gets_its_turn(self, api: APIClient) -> None:
        user = users.objects.create_user("root", is_staff=True)
        Identity.objects.create(key=Identity.key_for(ISSUER, "auth0|1"), issuer=ISSUER, subject="auth0|1", user=user)
        for path in ("/either/", "/either-way-round/"):
            answer = get(api, path, sub="auth0|1")
            assert answer.status_code == 200
            assert "WWW-Authenticate" not in answer

    def test_the_challenge_of_a_403_names_what_is_missing(self, api: APIClient) -> None:
        answer = get(api, "/scoped/", scopes="openid")
        assert answer.json() == {"detail": "The access token lacks a scope."}
        assert answer["WWW-Authenticate"] == (
            'Bearer realm="api", error="insufficient_scope", '
            'error_description="The access token lacks a scope.", scope="openid read:things"'
        )

    @pytest.mark.parametrize("path", ["/things/", "/scoped/", "/permitted/", "/either/", "/both/"])
    def test_without_any_token_it_is_401(self, api: APIClient, path: str) -> None:
        answer = api.get(path)
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Bearer realm="api"')


class TestBadTokens:
    @pytest.mark.parametrize(
        ("claims", "claim"),
        [
            ({"expires_in": -3600}, "exp"),
            ({"audience": "https://other.example.com"}, "aud"),
            ({"claims": {"iss": "https://evil.example/"}}, "iss"),
        ],
        ids=["exp", "aud", "iss"],
    )
    def test_401_says_why(self, api: APIClient, claims: dict[str, Any], claim: str) -> None:
        answer = get(api, "/things/", **claims)
        assert answer.status_code == 401
        text = f"The access token was refused: {claim}."
        assert answer["WWW-Authenticate"] == (f'Bearer realm="api", error="invalid_token", error_description="{text}"')
        assert answer.json() == {"detail": text}

    def test_malformed_headers_are_400(self, api: APIClient) -> None:
        answer = get(api, "/things/", "a b")
        assert answer.status_code == 400
        assert 'error="invalid_request"' in answer["WWW-Authenticate"]

    def test_503_while_the_keys_are_out_of_reach(
        self, api: APIClient, tenant: Tenant, auth0_settings: Callable[..., Any]
    ) -> None:
        token = tenant.make_access_token()
        tenant.fault("drop", endpoint="metadata")
        answer = get(api, "/things/", token)
        assert answer.status_code == 503
        assert int(answer["Retry-After"]) > 0
        assert get(api, "/things/", token).status_code == 200

    def test_another_audience_by_subclass(self, api: APIClient) -> None:
        assert get(api, "/other/", audience="https://other.example.com").status_code == 200
        assert get(api, "/other/").status_code == 401

    def test_a_post_by_token_needs_no_csrf_token_and_one_by_session_does(self) -> None:
        api = APIClient(enforce_csrf_checks=True)
        token = make_access_token()
        assert api.post("/things/", headers={"Authorization": f"Bearer {token}"}).status_code == 201
        auth0_login(api)
        assert api.post("/things/").status_code == 403
