"""Django REST framework: who an access token is, what it may, and the answers to bad ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models import Q
from django.http import HttpRequest
from django.utils.timezone import now
from rest_framework.test import APIClient

from django_auth0_flow.backends import Auth0Backend
from django_auth0_flow.models import Identity, LoginSession
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


def give_identity(user: Any, subject: str = "auth0|1") -> Identity:
    key = Identity.key_for(ISSUER, subject)
    return Identity.objects.create(key=key, issuer=ISSUER, subject=subject, user=user)


class TestWho:
    def test_a_subject_that_logs_in_here_is_its_user(self, api: APIClient) -> None:
        user = users.objects.create_user("ada")
        give_identity(user)
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
        give_identity(user)
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

    @pytest.mark.parametrize("path", ["/throttled/", "/throttled/scoped/"])
    def test_X11_stock_throttles_tell_access_token_users_apart(self, api: APIClient, path: str) -> None:
        cache.clear()
        statuses = [get(api, path, sub=sub).status_code for sub in ("a", "b", "a", "b", "a", "c d|é")]
        assert statuses == [200, 200, 200, 200, 429, 200]
        cache.clear()

    def test_access_token_user(self) -> None:
        robot = AccessTokenUser({"iss": ISSUER, "sub": "robot@clients"})
        assert robot == AccessTokenUser({"iss": ISSUER, "sub": "robot@clients"})
        assert robot != AccessTokenUser({"iss": "https://other.invalid/", "sub": "robot@clients"})
        assert robot.get_username() == robot.username == str(robot) == "robot@clients"
        assert robot.is_authenticated
        assert robot != "robot@clients"
        assert [robot.has_perm("auth.add_user"), robot.has_module_perms("auth")] == [False] * 2
        assert [robot.is_staff, robot.is_superuser, robot.is_anonymous] == [False] * 3
        assert len({robot, AccessTokenUser(robot.claims)}) == 1
        assert (robot.has_perms([]), robot.has_perms(["auth.add_user"])) == (True, False)


class TestNobodysKey:
    """X11: a subject may look like a user's key."""

    def test_X11_a_numeric_subject_finds_nobodys_rows(self, api: APIClient) -> None:
        user = users.objects.create_user("ada")
        LogEntry.objects.create(user=user, action_flag=1, object_repr="hers")
        assert get(api, "/mine/", sub=str(user.pk)).json() == {"found": 0, "has_id": False}
        give_identity(user)
        assert get(api, "/mine/", sub="auth0|1").json() == {"found": 3, "has_id": True}, "the view does find rows"

    @pytest.mark.parametrize("by", ["user", "pk"])
    @pytest.mark.parametrize(
        ("model", "field"),
        [
            (users, "pk"),
            (users, "id"),
            (Identity, "user"),
            (Identity, "user_id"),
            (Identity, "user__pk"),
            (Session, "pk"),
            (Session, "session_key"),
            (LoginSession, "pk"),
            (LoginSession, "identity__user"),
            (ContentType, "model"),
        ],
        ids=str,
    )
    def test_X11_no_type_of_key_is_found(self, model: Any, field: str, by: str) -> None:
        user = users.objects.create_user("ada", pk=42)
        identity = give_identity(user)
        login = LoginSession.objects.create(identity=identity, configuration="default", logged_in_at=1)
        for subject in ("42", login.pk.hex, str(login.pk)):
            robot: Any = AccessTokenUser({"iss": ISSUER, "sub": subject})
            Session.objects.create(session_key=subject, expire_date=now())
            Session.objects.get_or_create(session_key=str(robot.pk)[:40], defaults={"expire_date": now()})
            ContentType.objects.create(app_label=subject[:9], model=str(robot.pk))
            key = robot if by == "user" else robot.pk
            rows = model._default_manager if hasattr(model, "_default_manager") else model.objects
            assert rows.exists()
            assert not rows.filter(**{field: key}).exists()
            with suppress(TypeError):  # what Django says to a list of keys of related rows
                assert not rows.filter(**{f"{field}__in": [key]}).exists()
            assert list(rows.exclude(**{field: key})) == list(rows.all())
            assert list(rows.filter(Q(**{field: key}) | Q(pk__isnull=False))) == list(rows.all())
            Session.objects.all().delete()

    def test_X11_rows_without_an_owner_are_not_its_own(self) -> None:
        robot: Any = AccessTokenUser({"iss": ISSUER, "sub": "42"})
        login = LoginSession.objects.create(identity=give_identity(users.objects.create_user("ada")), logged_in_at=1)
        assert LoginSession.objects.filter(retry_at=None).get() == login
        assert not LoginSession.objects.filter(retry_at=robot.pk).exists()

    @pytest.mark.parametrize("subject", ["42", "robot@clients"])
    def test_X11_nothing_is_stored_as_its_own(self, subject: str) -> None:
        user = users.objects.create_user("ada", pk=42)
        identity = give_identity(user)
        robot: Any = AccessTokenUser({"iss": ISSUER, "sub": subject})
        with pytest.raises(TypeError, match="no row in the database"):
            Identity.objects.update(user_id=robot.pk)
        with pytest.raises(TypeError, match="no row in the database"):
            Identity.objects.update(subject=robot.pk)
        with pytest.raises(TypeError, match="no row in the database"):
            Session.objects.create(session_key=robot.pk, expire_date=now())
        with pytest.raises((TypeError, ValueError)):
            LogEntry.objects.create(user_id=robot.pk, action_flag=1, object_repr="")
        with pytest.raises(ValueError, match="must be a"):
            identity.user = robot

    def test_X11_pk_is_no_subject_and_no_number(self) -> None:
        robot, other = (AccessTokenUser({"iss": issuer, "sub": "42"}) for issuer in (ISSUER, "https://other.invalid/"))
        assert robot.pk != other.pk, "subjects are an issuer's own"
        assert robot.pk == AccessTokenUser({"iss": ISSUER, "sub": "42"}).pk
        assert robot.pk != "42"
        assert not robot.pk[0].isdigit(), "MySQL takes the digits that a text begins with for a number"
        assert json.loads(json.dumps({"caller": robot.pk})) == {"caller": str(robot.pk)}
        assert not hasattr(robot, "id")


class Choosy(Auth0Backend):
    """Lets people of one organization in, and nobody who is on leave."""

    asked: ClassVar[list[Any]] = []

    def is_allowed(self, request: Any, claims: Any) -> bool:
        type(self).asked.append(request)
        return bool(claims.get("org_id") == "org_acme")

    def user_can_authenticate(self, user: Any) -> bool:
        return bool(super().user_can_authenticate(user)) and user.last_name != "on leave"


class Refusing(Auth0Backend):
    def is_allowed(self, request: Any, claims: Any) -> bool:
        raise PermissionDenied


class TestTheBackendDecides:
    """X19: a token stands for a Django user only where a login would be let in."""

    @pytest.fixture(autouse=True)
    def ada(self) -> Any:
        user = users.objects.create_user("ada")
        give_identity(user)
        return user

    @pytest.fixture
    def choosy(self, configured: Any) -> None:
        configured.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", f"{__name__}.Choosy"]

    @pytest.mark.usefixtures("choosy")
    def test_X19_is_allowed(self, api: APIClient) -> None:
        for claims in ({}, {"org_id": "org_evil"}):
            answer = get(api, "/things/", sub="auth0|1", claims=claims)
            assert answer.status_code == 401
            assert answer["WWW-Authenticate"] == 'Bearer realm="api"'
            assert answer.json() == {"detail": "This user may not log in here."}
        answer = get(api, "/things/", sub="auth0|1", claims={"org_id": "org_acme"})
        assert answer.json()["user"] == "ada"
        assert isinstance(Choosy.asked[-1], HttpRequest)
        assert Choosy.asked[-1].path == "/things/"

    @pytest.mark.usefixtures("choosy")
    def test_X19_user_can_authenticate(self, api: APIClient, ada: Any) -> None:
        users.objects.update(last_name="on leave")
        assert get(api, "/things/", sub="auth0|1", claims={"org_id": "org_acme"}).status_code == 401

    @pytest.mark.usefixtures("choosy")
    def test_X19_a_user_of_the_site_s_own_choosing_is_asked_about_too(self, api: APIClient) -> None:
        assert get(api, "/chosen/", sub="robot@clients").status_code == 401
        assert get(api, "/chosen/", sub="robot@clients", claims={"org_id": "org_acme"}).json()["user"] == "ada"

    @pytest.mark.usefixtures("choosy")
    def test_machines_are_nobody_the_backend_knows(self, api: APIClient) -> None:
        assert get(api, "/things/", sub="robot@clients").json()["kind"] == "AccessTokenUser"

    @pytest.mark.parametrize(
        ("backends", "status"),
        [
            (["django_auth0_flow.backends.Auth0Backend"], 200),
            ([f"{__name__}.Choosy", "django_auth0_flow.backends.Auth0Backend"], 200),
            (["django_auth0_flow.backends.Auth0Backend", f"{__name__}.Refusing"], 200),
            ([f"{__name__}.Refusing", "django_auth0_flow.backends.Auth0Backend"], 401),
            ([f"{__name__}.Choosy", f"{__name__}.Refusing"], 401),
            (["django.contrib.auth.backends.ModelBackend"], 200),
        ],
        ids=str,
    )
    def test_X19_several_backends_decide_as_at_a_login(
        self, api: APIClient, configured: Any, backends: list[str], status: int
    ) -> None:
        configured.AUTHENTICATION_BACKENDS = backends
        assert get(api, "/things/", sub="auth0|1").status_code == status

    def test_X19_an_inactive_user_is_refused_whatever_backends_there_are(self, api: APIClient, configured: Any) -> None:
        users.objects.update(is_active=False)
        for backend in (
            "django_auth0_flow.backends.Auth0Backend",
            "django.contrib.auth.backends.AllowAllUsersModelBackend",
        ):
            configured.AUTHENTICATION_BACKENDS = [backend]
            assert get(api, "/things/", sub="auth0|1").status_code == 401


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
        give_identity(user)
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
    def test_the_log_says_why_and_the_answer_does_not(
        self, api: APIClient, claims: dict[str, Any], claim: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        answer = get(api, "/things/", **claims)
        assert answer.status_code == 401
        text = "The access token was refused."
        assert answer["WWW-Authenticate"] == (f'Bearer realm="api", error="invalid_token", error_description="{text}"')
        assert answer.json() == {"detail": text}
        (line,) = [found.getMessage() for found in caplog.records if found.name == "django_auth0_flow.access.bearer"]
        assert line.startswith(f"bearer_token_refused code=token_{claim} view=")
        assert f": {claim}: " in line

    def test_the_other_scheme_is_an_access_token_too(self, api: APIClient) -> None:
        answer = api.get("/things/", headers={"Authorization": f"DPoP {make_access_token()}"})
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"].startswith('DPoP realm="api", error="invalid_token"')

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


@pytest.mark.parametrize("others_first", [True, False])
def test_the_challenge_comes_also_where_it_stands_beside_others(
    api: APIClient, configured: Any, others_first: bool
) -> None:
    from django.urls import path
    from rest_framework.permissions import IsAuthenticated
    from rest_framework.response import Response
    from rest_framework.views import APIView

    from django_auth0_flow.rest_framework import Auth0BearerAuthentication, HasScopes

    class Beside(APIView):
        authentication_classes = [Auth0BearerAuthentication]
        permission_classes: Any = [IsAuthenticated, HasScopes("read:things", "write:things")][
            :: 1 if others_first else -1
        ]

        def get(self, request: Any) -> Response:
            return Response({})

    configured.ROOT_URLCONF = type("urls", (), {"urlpatterns": [path("beside/", Beside.as_view())]})
    answer = get(api, "/beside/", scopes="read:things")
    assert answer.status_code == 403
    assert 'scope="read:things write:things"' in answer["WWW-Authenticate"]
    assert get(api, "/beside/", scopes="read:things write:things").status_code == 200
