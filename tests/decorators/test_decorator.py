"""Protected views: our decorator and mixin, sync and async, Django's own ways, and the admin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Permission
from django.contrib.auth.models import User as DjangoUser
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.views import View

from django_auth0_flow.conf import clear_caches
from django_auth0_flow.decorators import auth0_login_required, bearer_token_required
from django_auth0_flow.models import LoginSession
from django_auth0_flow.testing.tenant import Tenant
from tests.costs import counted
from tests.sample_views import MFA
from tests.walk import FETCH, LOGIN, NAVIGATE, code_shown, come_back, is_logged_in, query_of, start, walk

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("auth0_settings")]
ORGANIZATION = "org_9ybsU1dN2dKfDkBi"
PAGES = ["/bare/", "/async/", "/mixin/", "/django-login-required/"]


class TestBare:
    @pytest.mark.parametrize("path", PAGES)
    def test_a_stranger_logs_in_and_comes_back(self, client: Client, tenant: Tenant, path: str) -> None:
        answer = client.get(f"{path}?a=1&b=2")
        assert answer["Location"].startswith(LOGIN) or answer["Location"].startswith(tenant.issuer)
        url = answer["Location"]
        url = client.get(url)["Location"] if url.startswith(LOGIN) else url
        assert come_back(client, tenant.login(url))["Location"] == f"{path}?a=1&b=2"
        assert client.get(path).status_code == 200

    @pytest.mark.parametrize("path", ["/bare/", "/async/"])
    def test_a_login_without_auth0_does_not_do(self, client: Client, path: str) -> None:
        client.force_login(DjangoUser.objects.create_user("local"), "django.contrib.auth.backends.ModelBackend")
        assert client.get(path)["Location"].startswith(LOGIN)

    @pytest.mark.parametrize("path", ["/bare/", "/async/"])
    def test_a_login_session_that_is_gone_means_log_in_again(
        self, logged_in_client: Client, tenant: Tenant, path: str
    ) -> None:
        LoginSession.objects.all().delete()
        answer = logged_in_client.get(path)
        assert (answer.status_code, answer["Location"]) == (302, f"{LOGIN}?next=%2F{path.strip('/')}%2F")
        assert not is_logged_in(logged_in_client)
        walk(logged_in_client, tenant)
        assert logged_in_client.get(path).status_code == 200

    def test_a_row_that_cannot_be_unsealed_means_log_in_again(
        self, logged_in_client: Client, tenant: Tenant, settings: Any
    ) -> None:
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another" * 8, [settings.SECRET_KEY]
        assert logged_in_client.get("/bare/").status_code == 200
        LoginSession.objects.update(sealed="AAAA")
        answer = logged_in_client.get("/bare/")
        assert (answer.status_code, answer["Location"]) == (302, f"{LOGIN}?next=%2Fbare%2F")


class TestTests:
    """Scopes, permissions, organization, max_age, acr_values: asked for, checked, and never asked for twice."""

    def ask(self, client: Client, tenant: Tenant, path: str) -> tuple[dict[str, str], Any]:
        """Open a page; return what was sent to the tenant and the answer after coming back."""
        answer = client.get(path, headers=NAVIGATE)
        assert answer.status_code == 302
        url = answer["Location"]
        assert url.startswith(f"{tenant.issuer}authorize?")
        assert come_back(client, tenant.login(url))["Location"] == path
        return query_of(url), client.get(path, headers=NAVIGATE)

    def refuse(self, client: Client, tenant: Tenant, path: str, test: str) -> None:
        """The test still fails after the round trip: a page, not a second round."""
        _, answer = self.ask(client, tenant, path)
        assert (answer.status_code, code_shown(answer)) == (403, test)
        text = answer.content.decode()
        assert f'You are logged in as <strong dir="auto">{tenant.user.email}</strong>' in text
        assert ("Log in again" in text) is (test in ("organization", "acr_values", "max_age"))
        assert client.get(path, headers=NAVIGATE).status_code == 403
        script = client.get(path, headers=FETCH)
        assert (script.status_code, script.json()["code"]) == (403, test)
        # "Log in again" gives it one more try.
        retry = client.get(answer.context["retry_url"])
        come_back(client, tenant.login(retry["Location"]))
        assert client.get(path, headers=NAVIGATE).status_code == 302

    @pytest.mark.parametrize("logged_in", [False, True])
    def test_scopes(self, client: Client, tenant: Tenant, logged_in: bool) -> None:
        tenant.api.scopes.append("read:things")
        if logged_in:
            walk(client, tenant)
        sent, answer = self.ask(client, tenant, "/scoped/")
        assert sent["scope"] == "openid profile email offline_access read:things"
        assert answer.content == b"scoped"
        assert client.get("/bare/").status_code == 200

    def test_a_scope_that_every_login_has_is_not_asked_for_twice(self, client: Client) -> None:
        assert query_of(client.get("/mixin/")["Location"])["scope"] == "openid profile email offline_access"

    def test_scopes_that_are_not_granted(self, client: Client, tenant: Tenant) -> None:
        self.refuse(client, tenant, "/scoped/", "scopes")

    def test_permissions(self, client: Client, tenant: Tenant) -> None:
        tenant.api.rbac = True
        tenant.user.permissions[tenant.api.identifier] = ["write:things"]
        walk(client, tenant)
        assert client.get("/permitted/").content == b"permitted"

    def test_permissions_that_are_missing(
        self, client: Client, tenant: Tenant, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level("INFO", "django_auth0_flow"):
            self.refuse(client, tenant, "/permitted/", "permissions")
        assert "page_refused test=permissions" in caplog.text

    def test_organization(self, client: Client, tenant: Tenant) -> None:
        tenant.add_organization("Acme", id=ORGANIZATION)
        tenant.user.orgs = [ORGANIZATION]
        sent, answer = self.ask(client, tenant, "/organized/")
        assert sent["organization"] == ORGANIZATION
        assert answer.content.decode() == f"organized {ORGANIZATION}"

    def test_organization_of_others(self, client: Client, tenant: Tenant) -> None:
        tenant.add_organization("Acme", id=ORGANIZATION)
        answer = client.get("/organized/")
        answer = come_back(client, tenant.login(answer["Location"]))
        assert (answer.status_code, code_shown(answer)) == (403, "access_denied")
        assert not is_logged_in(client)

    def test_C9_max_age_is_asked_for_and_again_when_it_has_passed(self, client: Client, tenant: Tenant) -> None:
        walk(client, tenant)
        sent, answer = self.ask(client, tenant, "/recent/")
        assert sent["max_age"] == "300"
        assert answer.content == b"recent"
        tenant.clock.advance(300 + 61)
        _, answer = self.ask(client, tenant, "/recent/")
        assert answer.content == b"recent"

    @pytest.mark.parametrize("fault", ["auth-time-missing", "auth-time-old"])
    def test_C9_an_answer_without_a_recent_auth_time_is_refused(
        self, client: Client, tenant: Tenant, fault: str
    ) -> None:
        url = client.get("/recent/")["Location"]
        tenant.fault(fault)
        answer = come_back(client, tenant.login(url))
        assert (answer.status_code, code_shown(answer)) == (400, "token_auth_time")
        assert not is_logged_in(client)

    def test_acr_values(self, client: Client, tenant: Tenant) -> None:
        tenant.token_hook = lambda kind, claims, header: claims.update({"acr": MFA})
        sent, answer = self.ask(client, tenant, "/strong/")
        assert sent["acr_values"] == MFA
        assert answer.content == b"strong"

    def test_acr_values_that_the_login_does_not_reach(self, client: Client, tenant: Tenant) -> None:
        tenant.fault("acr-missing", times=None)
        self.refuse(client, tenant, "/strong/", "acr_values")

    def test_the_tenant_being_down_is_a_503(self, client: Client, tenant: Tenant) -> None:
        tenant.fault("drop", endpoint="metadata", times=None)
        answer = client.get("/scoped/")
        assert (answer.status_code, code_shown(answer)) == (503, "tenant_unreachable")
        assert client.get("/scoped/", headers=FETCH).status_code == 401

    def test_permissions_that_can_not_be_judged_for_want_of_keys_are_a_503(
        self, client: Client, tenant: Tenant, settings: Any
    ) -> None:
        tenant.api.rbac = True
        tenant.user.permissions[tenant.api.identifier] = ["write:things"]
        walk(client, tenant)
        clear_caches()
        cache.clear()
        tenant.fault("drop", endpoint="jwks", times=None)
        answer = client.get("/permitted/")
        assert (answer.status_code, code_shown(answer)) == (503, "tenant_unreachable")
        assert answer["Retry-After"]
        tenant.clear_faults()
        clear_caches()
        assert client.get("/permitted/").content == b"permitted"

    def test_a_better_login_that_can_not_begin_is_a_503(self, client: Client, tenant: Tenant) -> None:
        walk(client, tenant)
        clear_caches()
        cache.clear()
        tenant.fault("drop", endpoint="metadata", times=None)
        answer = client.get("/strong/")
        assert (answer.status_code, code_shown(answer)) == (503, "tenant_unreachable")
        assert is_logged_in(client)

    def test_a_test_costs_nothing_more_once_it_is_satisfied(self, client: Client, tenant: Tenant) -> None:
        tenant.api.scopes.append("read:things")
        self.ask(client, tenant, "/scoped/")
        with counted("/scoped/", tenant) as cost:
            client.get("/scoped/")
        assert len(cost.sql) == 3  # session, user, login session
        assert cost.http == []


class TestAsync:
    @pytest.fixture
    def get(self, tenant: Tenant) -> Callable[..., Any]:
        """GET through the asynchronous handler, in a browser that is logged in."""
        walk(client := Client(), tenant)
        (browser := AsyncClient()).cookies.update(client.cookies)
        return async_to_sync(browser.get)

    def test_claims_and_a_refresh(self, get: Callable[..., Any], tenant: Tenant) -> None:
        assert get("/async/").content.decode() == f"async {tenant.user.sub}"
        first = get("/async-token/").content
        tenant.clock.advance(86400)
        assert get("/async-token/").content != first
        assert tenant.count("/oauth/token", grant_type="refresh_token") == 1

    def test_strangers(self) -> None:
        get = async_to_sync(AsyncClient().get)
        answer = get("/async/")
        assert (answer.status_code, answer["Location"]) == (302, f"{LOGIN}?next=%2Fasync%2F")
        assert get("/async/", headers=FETCH).status_code == 401

    def test_a_login_begun_under_the_asynchronous_handler_has_its_cookie(
        self, auth0_settings: Callable[..., Any]
    ) -> None:
        auth0_settings(RESPONSE_MODE="form_post")
        ways = (Client().get, async_to_sync(AsyncClient().get))
        begun = [get(LOGIN, {"next": "/"}, secure=True) for get in ways]
        names = [
            [name[: name.index("login_")] for name in answer.cookies if "auth0_login_" in name] for answer in begun
        ]
        assert names[0] == names[1]
        assert len(names[1]) == 1

    def test_the_tenant_being_down(self, get: Callable[..., Any], tenant: Tenant) -> None:
        tenant.clock.advance(90000)
        tenant.fault("status", status=503, times=None)
        answer = get("/async-token/")
        assert (answer.status_code, "Retry-After" in answer) == (503, True)

    def test_a_dead_grant(self, get: Callable[..., Any], tenant: Tenant) -> None:
        tenant.clock.advance(90000)
        tenant.revoke_refresh_tokens(tenant.user.sub)
        assert get("/async-token/")["Location"] == f"{LOGIN}?next=%2Fasync-token%2F"

    def test_sync_views_under_the_asynchronous_handler(self, get: Callable[..., Any], tenant: Tenant) -> None:
        assert get("/bare/").status_code == 200
        assert get("/plain/").status_code == 200


class TestDjangosOwnWays:
    def test_login_required_and_login_url(self, client: Client) -> None:
        answer = client.get("/django-login-required/?a=1")
        assert query_of(answer["Location"])["next"] == "/django-login-required/?a=1"

    def test_permission_required(self, logged_in_client: Client) -> None:
        assert logged_in_client.get("/django-permission/").status_code == 403
        DjangoUser.objects.get().user_permissions.add(Permission.objects.get(codename="add_user"))
        assert logged_in_client.get("/django-permission/").status_code == 200

    def test_the_admin_lets_staff_in_who_logged_in_through_auth0(
        self, client: Client, tenant: Tenant, auth0_settings: Callable[..., Any]
    ) -> None:
        auth0_settings(GROUPS_CLAIM="roles", SUPERUSER_GROUPS=["boss"], STAFF_GROUPS=["boss"])
        walk(client, tenant)
        assert client.get("/admin/")["Location"].startswith("/admin/login/")
        tenant.user.claims["roles"] = ["boss"]
        walk(client, tenant, next="/admin/")
        assert client.get("/admin/").status_code == 200
        assert client.get("/admin/auth/user/").status_code == 200

    def test_login_required_middleware(self, client: Client, tenant: Tenant, settings: Any) -> None:
        required = "django.contrib.auth.middleware.LoginRequiredMiddleware"
        settings.MIDDLEWARE = [*[name for name in settings.MIDDLEWARE if name != required], required]
        client = Client()  # with the new chain
        answer = client.get("/plain/")
        assert answer["Location"] == f"{LOGIN}?next=/plain/"
        for path in ("/auth0/callback/", "/auth0/logged-out/", "/auth0/logout/"):
            assert client.get(path).status_code in (200, 400)
        assert client.get("/api/things/").status_code == 401
        assert client.get("/bare/", headers=FETCH).status_code == 401
        url = client.get("/scoped/")["Location"]
        assert "read%3Athings" in url  # our decorator asks for all it needs at once
        assert come_back(client, tenant.login(start(client, next="/plain/")))["Location"] == "/plain/"
        assert client.get("/plain/").status_code == 200


def test_the_decorator_keeps_what_a_view_says_about_itself() -> None:
    def view(request: Any) -> None:
        """What it is for."""

    view.csrf_exempt = True  # type: ignore[attr-defined]  # how Django marks it
    protected = auth0_login_required(view)
    assert (protected.__name__, protected.__doc__) == ("view", "What it is for.")
    assert protected.csrf_exempt  # type: ignore[attr-defined]  # how Django marks it


@pytest.mark.parametrize("decorator", [auth0_login_required, bearer_token_required])
def test_a_decorator_at_a_method_says_where_it_belongs(decorator: Any, rf: RequestFactory) -> None:
    def get(self: View, request: HttpRequest) -> HttpResponse:
        return HttpResponse("shown")

    page: Any = type("Page", (View,), {"get": decorator(get)})
    with pytest.raises(ImproperlyConfigured, match=f'@method_decorator\\({decorator.__name__}, name="dispatch"\\)'):
        page.as_view()(rf.get("/"))
