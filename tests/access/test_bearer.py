"""``bearer_token_required``: which access tokens an API takes, and the challenges it answers with."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client, RequestFactory

from django_auth0_flow.decorators import bearer_token_required
from django_auth0_flow.testing.tenant import Tenant

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("auth0_settings")]

THINGS, WRITE, ASYNC = "/api/things/", "/api/things/write/", "/api/things/async/"
NO_TOKEN = 'Bearer realm="api"'


REFUSED = 'Bearer realm="api", error="invalid_token", error_description="The access token was refused."'


def says(caplog: pytest.LogCaptureFixture, claim: str) -> bool:
    """Tell whether the log names the claim that did not pass, which the answer keeps to itself."""
    lines = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    return any(line.startswith("bearer_token_refused ") and f": {claim}: " in line for line in lines)


@pytest.fixture
def token(tenant: Tenant) -> Callable[..., str]:
    """Make an access token that ``THINGS`` takes; arguments are those of ``make_access_token``."""
    tenant.api.scopes += ["read:things", "write:things"]
    tenant.api.rbac = False

    def make(**fields: Any) -> str:
        return tenant.make_access_token(**{"scope": "openid read:things", **fields})

    return make


def get(path: str, header: str | None) -> Any:
    return Client().get(path, headers={} if header is None else {"Authorization": header})


class TestGoodTokens:
    @pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
    def test_the_scheme_is_case_insensitive(self, tenant: Tenant, token: Callable[..., str], scheme: str) -> None:
        answer = get(THINGS, f"{scheme} {token()}")
        assert answer.json() == {"sub": tenant.user.sub, "method": "GET"}

    @pytest.mark.parametrize("profile", ["auth0", "rfc9068"])
    @pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
    def test_profiles_and_algorithms(
        self, tenant: Tenant, token: Callable[..., str], profile: Any, algorithm: Any
    ) -> None:
        tenant.api.profile, tenant.api.signing_alg, tenant.jwks_with_alg = profile, algorithm, False
        assert get(THINGS, f"Bearer {token()}").status_code == 200

    def test_a_post_needs_no_csrf_token(self, token: Callable[..., str]) -> None:
        client = Client(enforce_csrf_checks=True)
        answer = client.post(THINGS, headers={"Authorization": f"Bearer {token()}"})
        assert answer.json()["method"] == "POST"

    def test_async(self, tenant: Tenant, token: Callable[..., str]) -> None:
        fetch = async_to_sync(AsyncClient().get)
        assert fetch(ASYNC, headers={"Authorization": f"Bearer {token()}"}).json() == {"sub": tenant.user.sub}
        assert fetch(ASYNC).status_code == 401

    def test_permissions(self, tenant: Tenant, token: Callable[..., str]) -> None:
        tenant.api.rbac, tenant.api.add_permissions = True, True
        tenant.user.permissions[tenant.api.identifier] = ["write:things"]
        assert get(WRITE, f"Bearer {token(scope='openid')}").json() == {"written": True}

    def test_another_audience_by_argument(self, tenant: Tenant, token: Callable[..., str]) -> None:
        tenant.add_api("https://other.example.com")

        @bearer_token_required(audience="https://other.example.com")
        def view(request: HttpRequest) -> HttpResponse:
            return HttpResponse("other")

        def ask(audience: str) -> int:
            header = f"Bearer {token(audience=audience)}"
            return int(view(RequestFactory().get("/", headers={"Authorization": header})).status_code)

        assert ask("https://other.example.com") == 200
        assert ask(tenant.api.identifier) == 401

    def test_two_requests_ask_for_the_keys_once(self, tenant: Tenant, token: Callable[..., str]) -> None:
        for _ in range(3):
            assert get(THINGS, f"Bearer {token()}").status_code == 200
        assert tenant.count("/.well-known/jwks.json") <= 1


class TestRefusals:
    @pytest.mark.parametrize("header", [None, "", "Basic dXNlcjp3b3Jk", "Digest x=y", "Bearertoken"])
    def test_no_token_learns_no_error_code(self, header: str | None) -> None:
        answer = get(THINGS, header)
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, NO_TOKEN)
        assert answer["Cache-Control"] == "private, no-store"

    @pytest.mark.parametrize(
        "header", ["Bearer", "Bearer ", "Bearer a b", "Bearer a,b", "Bearer é", "Bearer a, Bearer b"]
    )
    def test_malformed_headers(self, header: str) -> None:
        answer = get(THINGS, header.encode().decode("latin-1"))
        assert answer.status_code == 400
        assert answer["WWW-Authenticate"] == (
            'Bearer realm="api", error="invalid_request", '
            'error_description="The Authorization header is not of the form Bearer <token>."'
        )

    @pytest.mark.parametrize("text", ["x", "a.b.c", "a.b.c.d.e", "x" * 300_000, "e30.e30.AAAA"], ids=lambda t: t[:9])
    def test_no_jwt(self, text: str) -> None:
        answer = get(THINGS, f"Bearer {text}")
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer["WWW-Authenticate"]

    @pytest.mark.parametrize("part", [0, 1, 2])
    def test_tampered(self, token: Callable[..., str], part: int) -> None:
        parts = token().split(".")
        middle = len(parts[part]) // 2
        swapped = "A" if parts[part][middle] != "A" else "B"
        parts[part] = parts[part][:middle] + swapped + parts[part][middle + 1 :]
        answer = get(THINGS, "Bearer " + ".".join(parts))
        assert answer.status_code == 401

    def test_expired(self, tenant: Tenant, token: Callable[..., str], caplog: pytest.LogCaptureFixture) -> None:
        text = token()
        tenant.clock.advance(86400 + 61)
        answer = get(THINGS, f"Bearer {text}")
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, REFUSED)
        assert says(caplog, "exp")

    def test_foreign_audience(
        self, tenant: Tenant, token: Callable[..., str], caplog: pytest.LogCaptureFixture
    ) -> None:
        tenant.add_api("https://other.example.com")
        answer = get(THINGS, f"Bearer {token(audience='https://other.example.com')}")
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, REFUSED)
        assert says(caplog, "aud")

    def test_of_another_tenant(self, token: Callable[..., str]) -> None:
        with Tenant() as other:
            assert get(THINGS, f"Bearer {other.make_access_token()}").status_code == 401

    def test_an_id_token_instead(self, tenant: Tenant) -> None:
        id_token = tenant.make_id_token(nonce="n")
        answer = get(THINGS, f"Bearer {id_token}")
        assert answer.status_code == 401
        tenant.add_api(tenant.application.client_id)
        assert get(THINGS, f"Bearer {tenant.make_id_token(nonce='n')}").status_code == 401

    @pytest.mark.parametrize("fields", [{}, {"scope": "openid read:things"}, {"azp": "x", "gty": "password"}], ids=str)
    def test_X12_an_id_token_without_nonce_where_the_audience_is_the_client(
        self,
        tenant: Tenant,
        auth0_settings: Callable[..., Any],
        fields: dict[str, Any],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        @bearer_token_required(audience=tenant.application.client_id)
        def view(request: HttpRequest) -> HttpResponse:
            return HttpResponse("inside")

        claims = {
            "iss": tenant.issuer,
            "sub": tenant.user.sub,
            "aud": tenant.application.client_id,
            "iat": tenant.clock.now(),
            "exp": tenant.clock.now() + 36000,
            **fields,
        }
        header = f"Bearer {tenant.sign(claims)}"
        answer = view(RequestFactory().get("/", headers={"Authorization": header}))
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, REFUSED)
        assert says(caplog, "aud")

    def test_an_opaque_token(self, tenant: Tenant, token: Callable[..., str], caplog: pytest.LogCaptureFixture) -> None:
        answer = get(THINGS, f"Bearer {token(audience=None)}")
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, REFUSED)
        assert says(caplog, "token")

    def test_a_token_bound_to_a_key(self, token: Callable[..., str]) -> None:
        answer = get(THINGS, f"Bearer {token(jkt='0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I')}")
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer["WWW-Authenticate"]

    def test_hs256_with_the_api_s_secret(
        self, tenant: Tenant, token: Callable[..., str], caplog: pytest.LogCaptureFixture
    ) -> None:
        tenant.api.signing_alg = "HS256"
        assert get(THINGS, f"Bearer {token()}")["WWW-Authenticate"] == REFUSED
        assert says(caplog, "alg")

    def test_missing_scope(self, token: Callable[..., str]) -> None:
        answer = get(THINGS, f"Bearer {token(scope='openid write:things')}")
        assert answer.status_code == 403
        assert answer["WWW-Authenticate"] == (
            'Bearer realm="api", error="insufficient_scope", '
            'error_description="The access token lacks a scope.", scope="read:things"'
        )

    def test_missing_permission(self, token: Callable[..., str]) -> None:
        answer = get(WRITE, f"Bearer {token()}")
        assert answer.status_code == 403
        assert 'error="insufficient_scope"' in answer["WWW-Authenticate"]

    @pytest.mark.parametrize(
        ("path", "names"), [("/api/two-scopes/", "scope"), ("/api/two-permissions/", "permissions")]
    )
    @pytest.mark.parametrize("given", [(), ("a:x",), ("b:y",), ("a:x", "c:z"), ("a:x", "b:y"), ("a:x", "b:y", "c:z")])
    def test_one_of_two_is_not_enough(
        self, tenant: Tenant, token: Callable[..., str], path: str, names: str, given: tuple[str, ...], settings: Any
    ) -> None:
        settings.ROOT_URLCONF = "tests.urlconfs.bearer"
        tenant.api.scopes += ["a:x", "b:y", "c:z"]
        if names == "permissions":
            tenant.api.rbac, tenant.api.add_permissions = True, True
            tenant.user.permissions[tenant.api.identifier] = [*given]
        answer = get(path, f"Bearer {token(scope=' '.join(given) if names == 'scope' else 'openid')}")
        assert answer.status_code == (200 if {"a:x", "b:y"} <= {*given} else 403)
        if answer.status_code == 403:
            assert 'error="insufficient_scope"' in answer["WWW-Authenticate"]
            assert answer["WWW-Authenticate"].endswith('scope="a:x b:y"')
            assert answer["Cache-Control"] == "private, no-store"

    def test_scopes_are_no_permissions_and_the_other_way_round(
        self, tenant: Tenant, token: Callable[..., str], settings: Any
    ) -> None:
        settings.ROOT_URLCONF = "tests.urlconfs.bearer"
        other = {"scope": "permissions", "permissions": "scope"}
        values: dict[str, Any] = {"scope": "a:x b:y", "permissions": ["a:x", "b:y"]}
        for wanted, path in (("scope", "/api/two-scopes/"), ("permissions", "/api/two-permissions/")):
            for given in (wanted, other[wanted]):

                def change(kind: str, claims: dict[str, Any], header: dict[str, Any], given: str = given) -> None:
                    claims.pop("scope", None)
                    claims[given] = values[given]

                tenant.token_hook = change
                assert get(path, f"Bearer {token()}").status_code == (200 if given == wanted else 403), (path, given)

    @pytest.mark.parametrize("claim", ["read:things", ["read:things"], {"read:things": 1}, None, 7, "xread:things"])
    def test_scopes_and_permissions_of_another_type_are_none(
        self, tenant: Tenant, token: Callable[..., str], claim: Any
    ) -> None:
        def change(kind: str, claims: dict[str, Any], header: dict[str, Any]) -> None:
            claims["scope"] = claims["permissions"] = claim

        tenant.token_hook = change
        text = token()
        assert get(THINGS, f"Bearer {text}").status_code == (200 if claim == "read:things" else 403)
        assert get(WRITE, f"Bearer {text}").status_code == 403

    @pytest.mark.parametrize("fault", ["html", "jwks-empty", "huge"])
    def test_502_while_the_keys_can_t_be_used(
        self, tenant: Tenant, token: Callable[..., str], fault: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        options: dict[str, Any] = {} if fault == "jwks-empty" else {"endpoint": "jwks"}
        tenant.fault(fault, **options)
        with caplog.at_level(logging.WARNING, "django_auth0_flow.access.bearer"):
            answer = get(THINGS, f"Bearer {token()}")
        code = {"html": "malformed_answer", "jwks-empty": "no_signing_keys", "huge": "answer_too_large"}[fault]
        assert (answer.status_code, answer.json()) == (502, {"error": "unusable_answer", "code": code})
        assert "Retry-After" not in answer
        assert answer["Cache-Control"] == "private, no-store"
        [record] = [record for record in caplog.records if record.name == "django_auth0_flow.access.bearer"]
        assert (record.levelname, record.getMessage()) == ("ERROR", f"bearer_token_unchecked code={code}")
        assert get(THINGS, f"Bearer {token()}").status_code == 200

    @pytest.mark.parametrize("endpoint", ["metadata", "jwks"])
    def test_503_while_the_keys_are_out_of_reach(
        self, tenant: Tenant, token: Callable[..., str], endpoint: str
    ) -> None:
        tenant.fault("drop", endpoint=endpoint)
        answer = get(THINGS, f"Bearer {token()}")
        assert (answer.status_code, answer.json()["code"]) == (503, "tenant_unreachable")
        assert answer["Retry-After"] == "5"
        assert get(THINGS, f"Bearer {token()}").status_code == 200

    def test_503_says_how_long_the_tenant_wants_us_to_wait(self, tenant: Tenant, token: Callable[..., str]) -> None:
        tenant.fault("rate-limit", endpoint="jwks", retry_after=42)
        answer = get(THINGS, f"Bearer {token()}")
        assert (answer.status_code, answer["Retry-After"]) == (503, "42")
        assert answer.json() == {"error": "temporarily_unavailable", "code": "rate_limited"}

    def test_no_answer_repeats_the_token(self, token: Callable[..., str]) -> None:
        text = token(scope="openid")
        answer = get(THINGS, f"Bearer {text}")
        assert text not in json.dumps(answer.json()) + answer["WWW-Authenticate"]

    def test_without_any_audience_it_is_a_mistake_of_the_project(self, auth0_settings: Callable[..., Any]) -> None:
        auth0_settings(AUDIENCE="")
        with pytest.raises(ImproperlyConfigured, match="audience"):
            get(THINGS, "Bearer x")
