"""X6 and ``configuration=``: a login counts where its configuration does, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.test import Client

from django_auth0_flow.models import LoginSession
from django_auth0_flow.testing.tenant import Tenant
from tests.visitor import Visitor
from tests.walk import FETCH, code_shown

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.urlconfs.access")]
SITE = "https://testserver"
NAMES = ["default", "partners"]


@pytest.fixture
def other(tenant: Tenant) -> Iterator[Tenant]:
    with Tenant(clock=tenant.clock.now) as running:
        yield running


def keys(tenant: Tenant) -> dict[str, Any]:
    return {
        "ISSUER": tenant.issuer,
        "CLIENT_ID": tenant.application.client_id,
        "CLIENT_SECRET": tenant.application.client_secret,
        "AUDIENCE": tenant.api.identifier,
        "SCOPE": "openid profile email offline_access",
        "CLOCK": tenant.clock.now,
    }


@pytest.fixture(autouse=True)
def both(tenant: Tenant, other: Tenant, settings: Any) -> dict[str, Any]:
    for one, prefix in ((tenant, "auth0"), (other, "partners")):
        one.application.callbacks = [f"{SITE}/{prefix}/callback/"]
        one.api.rbac = True
        one.user.permissions[one.api.identifier] = ["read:things"]
    settings.AUTH0 = {"default": keys(tenant), "partners": keys(other)}
    return dict(settings.AUTH0)


@pytest.fixture
def person(tenant: Tenant, other: Tenant) -> Visitor:
    visitor = Visitor(tenant)
    visitor.knows(other)
    return visitor


def log_in(person: Visitor, name: str) -> None:
    person.visit(f"/{'auth0' if name == 'default' else name}/login/?next=/plain-page/")
    assert LoginSession.objects.get().configuration == name
    person.forget_trail()


def status(person: Visitor, path: str) -> int:
    return int(person.client.get(path, headers=FETCH, secure=True).status_code)


#: path -> the configurations whose logins it takes
PAGES = {
    "/of-default/": ["default"],
    "/bare/": ["default"],
    "/bare-async/": ["default"],
    "/bare-mixin/": ["default"],
    "/bare-dispatch/": ["default"],
    "/permitted/": ["default"],
    "/of-partners/": ["partners"],
    "/of-partners-scoped/": ["partners"],
    "/of-partners-async/": ["partners"],
    "/of-partners-mixin/": ["partners"],
    "/of-partners-twice/": ["partners"],
    "/of-both/": NAMES,
    "/of-both-list/": NAMES,
    "/of-both-mixin/": NAMES,
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("path", PAGES)
def test_X6_a_view_takes_logins_of_its_own_configurations_only(person: Visitor, path: str, name: str) -> None:
    log_in(person, name)
    assert status(person, path) == (200 if name in PAGES[path] else 401)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("path", [path for path, names in PAGES.items() if len(names) == 1])
def test_X6_who_comes_with_another_login_logs_in_with_the_views_own(
    person: Visitor, tenant: Tenant, other: Tenant, path: str, name: str
) -> None:
    log_in(person, name)
    tenants = {"default": tenant, "partners": other}
    assert person.visit(path).status_code == 200
    wanted = PAGES[path][0]
    assert LoginSession.objects.get().configuration == wanted
    assert len(person.asked()) == (wanted != name)
    for url in person.trail:
        if "/authorize" in url:
            assert url.startswith(tenants[wanted].issuer)


@pytest.mark.parametrize("path", ["/of-both/", "/of-both-mixin/"])
@pytest.mark.parametrize("name", NAMES)
def test_the_views_own_login_is_what_request_auth0_shows(person: Visitor, path: str, name: str) -> None:
    log_in(person, name)
    assert person.visit(path).content.decode().endswith(f" {name}")


@pytest.mark.parametrize("name", NAMES)
def test_decorators_that_exclude_each_other_end_in_a_403_and_in_no_circle(
    person: Visitor, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    log_in(person, name)
    answer = person.visit("/of-each/")
    assert (answer.status_code, code_shown(answer)) == (403, "configurations")
    assert "two different logins at once" in person.text
    assert len(person.asked()) == (name != "default")
    assert "configurations_exclude_each_other outer=default inner=partners" in caplog.text


@pytest.mark.parametrize(("path", "first"), [("/of-both/", "default"), ("/of-both-list/", "partners")])
def test_a_stranger_logs_in_with_the_first_named(
    person: Visitor, tenant: Tenant, other: Tenant, path: str, first: str
) -> None:
    assert person.start(path).startswith({"default": tenant, "partners": other}[first].issuer)


def test_a_login_that_has_ended_starts_again_at_its_own_tenant_where_several_count(
    person: Visitor, other: Tenant
) -> None:
    log_in(person, "partners")
    LoginSession.objects.all().delete()
    assert person.start("/of-both/").startswith(other.issuer)


def choose(request: HttpRequest) -> str | None:
    return request.headers.get("X-Tenant")


@pytest.mark.parametrize("chosen", NAMES)
def test_the_requests_own_choice_goes_before_that_of_the_last_login(
    person: Visitor, tenant: Tenant, other: Tenant, both: dict[str, Any], settings: Any, chosen: str
) -> None:
    settings.AUTH0 = {**both, "CONFIGURATION_FOR": choose}
    log_in(person, "partners" if chosen == "default" else "default")
    LoginSession.objects.all().delete()
    person.client.get("/of-both/", headers=FETCH, secure=True)  # the login has ended: the session notes what it was
    visitor = Visitor(tenant, headers={"X-Tenant": chosen})
    visitor.client.cookies.update(person.client.cookies)
    assert visitor.start("/of-both/").startswith({"default": tenant, "partners": other}[chosen].issuer)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("chosen", [None, *NAMES])
def test_X6_by_default_the_login_counts_that_the_request_would_make(
    person: Visitor, both: dict[str, Any], settings: Any, name: str, chosen: str | None
) -> None:
    settings.AUTH0 = {**both, "CONFIGURATION_FOR": choose}
    log_in(person, name)
    headers = {**FETCH, **({"X-Tenant": chosen} if chosen else {})}
    for path in ("/bare/", "/bare-async/", "/bare-mixin/", "/permitted/"):
        answer = person.client.get(path, headers=headers, secure=True)
        assert answer.status_code == (200 if (chosen or "default") == name else 401), path
    # What a view says goes before what the request says.
    assert person.client.get("/of-partners/", headers=headers, secure=True).status_code == (
        200 if name == "partners" else 401
    )


@pytest.mark.parametrize("chosen", NAMES)
@pytest.mark.parametrize("name", NAMES)
def test_a_login_that_counts_keeps_its_own_configuration_whatever_the_request_chooses(
    person: Visitor, both: dict[str, Any], settings: Any, name: str, chosen: str
) -> None:
    settings.AUTH0 = {**both, "CONFIGURATION_FOR": choose}
    log_in(person, name)
    answer = person.client.get("/of-both/", headers={**FETCH, "X-Tenant": chosen}, secure=True)
    assert answer.content.decode().endswith(f" {name}")


@pytest.mark.parametrize("name", NAMES)
def test_X6_views_without_decorator_see_the_default_login_only(person: Visitor, name: str) -> None:
    log_in(person, name)
    ours = name == "default"
    assert person.visit("/who/").content.decode().endswith(" default" if ours else " -")
    assert person.visit("/who-async/").content.decode().endswith(" in" if ours else " -")
    assert (person.visit("/greet/").content == b"nobody") is not ours
    for path in ("/everything/", "/everything-async/"):
        assert ("auth0|" in person.visit(path).content.decode()) is ours
        assert ("login_required" in person.text) is not ours


def test_a_view_without_decorator_can_ask_for_others(person: Visitor, settings: Any) -> None:
    from django.http import HttpResponse
    from django.urls import path

    from tests.urlconfs import access

    def view(request: Any) -> HttpResponse:
        login = request.auth0.for_configuration("default", "partners")
        return HttpResponse(login.claims["iss"])

    settings.ROOT_URLCONF = type("urls", (), {"urlpatterns": [path("asks/", view), *access.urlpatterns]})
    log_in(person, "partners")
    assert person.visit("/asks/").status_code == 200


@pytest.mark.parametrize("name", NAMES)
def test_X6_drf_takes_logins_of_its_own_configurations_only(person: Visitor, name: str) -> None:
    log_in(person, name)
    statuses = {
        path: status(person, path)
        for path in ("/drf/", "/drf-permitted/", "/bare-drf/", "/drf-partners/", "/drf-both/")
    }
    own, others = (200, 403) if name == "default" else (403, 200)
    assert statuses == {
        "/drf/": own,
        "/drf-permitted/": own,
        "/bare-drf/": own,
        "/drf-partners/": others,
        "/drf-both/": 200,
    }


@pytest.mark.parametrize("names", ["partners", NAMES], ids=str)
def test_in_a_drf_view_request_auth0_is_the_login_that_was_judged(
    person: Visitor, settings: Any, names: str | list[str]
) -> None:
    from django.urls import path
    from rest_framework.authentication import SessionAuthentication
    from rest_framework.response import Response
    from rest_framework.views import APIView

    from django_auth0_flow.rest_framework import HasScopes
    from tests.urlconfs import access

    class Shown(APIView):
        authentication_classes = [SessionAuthentication]
        permission_classes: Any = [HasScopes("openid", configuration=names)]

        def get(self, request: Any) -> Response:
            login = request.auth0
            return Response({"login": login.configuration.name if login.is_logged_in else None})

    settings.ROOT_URLCONF = type("urls", (), {"urlpatterns": [path("shown/", Shown.as_view()), *access.urlpatterns]})
    log_in(person, "partners")
    assert person.client.get("/shown/", headers=FETCH, secure=True).json() == {"login": "partners"}


def test_a_name_that_is_not_configured_is_said_at_once(person: Visitor) -> None:
    with pytest.raises(ImproperlyConfigured, match="no-such"):
        person.get(f"{SITE}/of-nobody/")


def test_a_name_that_is_not_configured_is_said_to_those_who_are_logged_in_as_well(
    person: Visitor, settings: Any
) -> None:
    from django.urls import path

    from django_auth0_flow.decorators import auth0_login_required
    from tests.urlconfs import access

    view = auth0_login_required(configuration=("default", "no-such"))(access.nothing)
    settings.ROOT_URLCONF = type("urls", (), {"urlpatterns": [path("misspelt/", view), *access.urlpatterns]})
    log_in(person, "default")
    with pytest.raises(ImproperlyConfigured, match="no-such"):
        person.get(f"{SITE}/misspelt/")


def test_a_login_of_a_configuration_that_is_set_up_wrongly_now_is_no_login(
    person: Visitor, both: dict[str, Any], settings: Any
) -> None:
    log_in(person, "partners")
    assert status(person, "/drf-both/") == 200
    settings.AUTH0 = {**both, "partners": {**both["partners"], "CLIENT_ID": ""}}
    assert status(person, "/drf-both/") == 403


def test_X6_the_early_refresh_is_for_the_views_own_login(person: Visitor, tenant: Tenant, other: Tenant) -> None:
    log_in(person, "partners")
    tenant.clock.advance(90000)
    status(person, "/bare/")
    assert other.count("/oauth/token", grant_type="refresh_token") == 0
    status(person, "/of-partners/")
    assert other.count("/oauth/token", grant_type="refresh_token") == 1
    assert tenant.count("/oauth/token", grant_type="refresh_token") == 0


class TestSilent:
    """X7: who is logged in otherwise is tested or anonymous, and is not sent round."""

    TESTED = ["/quiet-organized/", "/quiet-recent/", "/quiet-strong/", "/quiet-scoped/", "/quiet-scoped-async/"]

    @pytest.mark.parametrize("path", [*TESTED, "/quiet/", "/quiet-async/"])
    @pytest.mark.parametrize("marker", ["", "?auth0_silent=off", "?auth0_silent=cookies"])
    def test_X7_a_login_of_another_configuration_is_nobodys(self, person: Visitor, path: str, marker: str) -> None:
        log_in(person, "partners")
        assert person.visit(f"{path}{marker}").content == b"nobody -"
        assert person.asked() == []
        assert status(person, "/of-partners/") == 200  # and it is still there

    def test_X7_it_counts_where_the_view_says_so(self, person: Visitor) -> None:
        log_in(person, "partners")
        assert person.visit("/quiet-partners/").content.decode().endswith(" partners")
        assert person.visit("/quiet-both/").content.decode().endswith(" partners")

    def test_a_silent_login_is_looked_for_at_the_views_own_tenant(self, person: Visitor, other: Tenant) -> None:
        person.client.cookies["any"] = "1"
        assert person.start("/quiet-partners/").startswith(other.issuer)

    def test_it_is_looked_for_once_for_each_configuration(self, person: Visitor, tenant: Tenant, other: Tenant) -> None:
        person.client.cookies["any"] = "1"
        for _ in range(2):
            assert person.visit("/quiet/").content == b"nobody -"
            assert person.visit("/quiet-partners/").content == b"nobody -"
        asked = [url for url in person.trail if "/authorize" in url]
        assert [url.startswith(one.issuer) for url, one in zip(asked, (tenant, other), strict=True)] == [True, True]

    @pytest.fixture
    def staff(self, person: Visitor, django_user_model: Any) -> Visitor:
        user = django_user_model.objects.create_user("staff", password="pw")
        person.client.force_login(user, "django.contrib.auth.backends.ModelBackend")
        return person

    @pytest.mark.parametrize("marker", ["", "?auth0_silent=off", "?auth0_silent=cookies"])
    @pytest.mark.parametrize("path", TESTED)
    def test_X7_a_password_user_is_nobody_where_a_test_is_asked_for(
        self, staff: Visitor, path: str, marker: str
    ) -> None:
        assert staff.visit(f"{path}{marker}").content == b"nobody -"
        assert staff.asked() == []

    @pytest.mark.parametrize("path", ["/quiet/", "/quiet-async/"])
    @pytest.mark.parametrize("known", [False, True])
    def test_X7_a_password_user_is_not_sent_round(self, staff: Visitor, tenant: Tenant, path: str, known: bool) -> None:
        if known:
            another = tenant.add_application(name="Another", callbacks=["https://another.example/callback"])
            staff.tenant.authorize(
                f"{tenant.issuer}authorize?client_id={another.client_id}&response_type=code&scope=openid"
                "&redirect_uri=https://another.example/callback"
            )
        for _ in range(2):
            assert staff.visit(path).content == b"staff -"
        assert staff.asked() == []
        assert not LoginSession.objects.exists()

    def test_X7_an_organization_of_the_settings_is_a_test_too(
        self, staff: Visitor, both: dict[str, Any], settings: Any
    ) -> None:
        settings.AUTH0 = {**both, "default": {**both["default"], "ORGANIZATION": "org_acme000000000000"}}
        assert staff.visit("/quiet/").content == b"nobody -"


class TestOrganization:
    """``ORGANIZATION`` decides beside the configuration whose login counts, in every kind of view."""

    @pytest.fixture(autouse=True)
    def organization(self, person: Visitor, tenant: Tenant, both: dict[str, Any], settings: Any) -> str:
        acme = tenant.add_organization("acme", id="org_acme000000000000")
        tenant.user.orgs = [acme.id]
        log_in(person, "default")  # to no organization: the setting comes later
        settings.AUTH0 = {**both, "default": {**both["default"], "ORGANIZATION": acme.id}}
        return str(acme.id)

    @pytest.mark.parametrize("path", [path for path, names in PAGES.items() if "default" in names])
    def test_X26_another_login_is_none(self, person: Visitor, path: str, organization: str) -> None:
        assert status(person, path) == 401
        assert person.visit(path).status_code == 200
        assert [asked["organization"] for asked in person.asked()] == [organization]
        assert status(person, path) == 200

    def test_X26_views_without_decorator_see_nobody(self, person: Visitor) -> None:
        assert person.visit("/who/").content.decode().endswith(" -")
        assert person.visit("/who-async/").content.decode().endswith(" -")
        assert person.visit("/greet/").content == b"nobody"
        for path in ("/everything/", "/everything-async/"):
            assert "login_required" in person.visit(path).content.decode()

    @pytest.mark.parametrize("path", ["/quiet/", "/quiet-async/", "/quiet-scoped/", "/quiet-both/"])
    def test_X26_on_silent_views_it_is_nobody_s(self, person: Visitor, path: str) -> None:
        assert person.visit(path).content == b"nobody -"
        assert person.asked() == []

    @pytest.mark.parametrize("path", ["/drf/", "/drf-permitted/", "/bare-drf/", "/drf-both/"])
    def test_X26_drf_takes_none(self, person: Visitor, path: str) -> None:
        assert status(person, path) == 403

    def test_it_is_not_refreshed_early(self, person: Visitor, tenant: Tenant) -> None:
        tenant.clock.advance(90000)
        status(person, "/bare/")
        assert tenant.count("/oauth/token", grant_type="refresh_token") == 0

    def test_a_view_s_own_organization_goes_before(self, person: Visitor, both: dict[str, Any], settings: Any) -> None:
        assert person.visit("/organized/").status_code == 200
        settings.AUTH0 = {**both, "default": {**both["default"], "ORGANIZATION": "org_other00000000000"}}
        assert status(person, "/organized/") == 200
        assert status(person, "/bare/") == 401

    def test_X26_a_view_that_takes_any_organization_takes_only_the_one_of_the_settings(
        self, person: Visitor, both: dict[str, Any], settings: Any
    ) -> None:
        assert person.visit("/organized-anyhow/").status_code == 200
        settings.AUTH0 = {**both, "default": {**both["default"], "ORGANIZATION": "org_other00000000000"}}
        assert status(person, "/organized-anyhow/") == 401

    def test_a_callable_may_look_at_the_login(self, person: Visitor, both: dict[str, Any], settings: Any) -> None:
        def same(request: Any) -> str:
            assert request.auth0.is_logged_in
            return request.auth0.organization or "org_other00000000000"

        settings.AUTH0 = {**both, "default": {**both["default"], "ORGANIZATION": same}}
        assert status(person, "/bare/") == 401

    def test_a_login_that_can_t_be_read_is_over(self, person: Visitor) -> None:
        LoginSession.objects.update(sealed="not sealed by us")
        assert person.client.get("/bare/", headers=FETCH, secure=True).json()["code"] == "login_session_unreadable"
        assert "_auth_user_id" not in person.client.session


class TestAccessTokens:
    """Access tokens count where their configuration does, as logins do."""

    def call(self, tenant: Tenant, path: str, **headers: str) -> int:
        token = tenant.make_access_token(scope="read:things")
        return int(Client().get(path, headers={"Authorization": f"Bearer {token}", **headers}).status_code)

    @pytest.mark.parametrize(
        ("path", "names"),
        [
            ("/api/", ["default"]),
            ("/api-partners/", ["partners"]),
            ("/api-both/", NAMES),
            ("/api-drf/", ["default"]),
            ("/api-drf-partners/", ["partners"]),
            ("/api-drf-both/", NAMES),
            ("/api-drf-both-one-permitted/", ["partners"]),
        ],
    )
    def test_X6_a_view_takes_tokens_of_its_own_configurations_only(
        self, tenant: Tenant, other: Tenant, path: str, names: list[str]
    ) -> None:
        found = [name for name, one in (("default", tenant), ("partners", other)) if self.call(one, path) == 200]
        assert found == names

    def test_by_default_the_request_says_whose_tokens_count(
        self, tenant: Tenant, other: Tenant, both: dict[str, Any], settings: Any
    ) -> None:
        settings.AUTH0 = {**both, "CONFIGURATION_FOR": choose}
        for path in ("/api/", "/api-drf/"):
            assert [self.call(other, path), self.call(other, path, **{"X-Tenant": "partners"})] == [401, 200]

    def test_a_token_is_not_refused_while_one_of_the_tenants_can_not_be_asked(
        self, tenant: Tenant, other: Tenant
    ) -> None:
        token = other.make_access_token(scope="read:things")
        other.stop()
        answer = Client().get("/api-both/", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 503
