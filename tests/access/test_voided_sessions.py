"""X9: ``request.auth0`` gives nothing in a session that Django does not take for this user's own."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.test import Client

from django_auth0_flow.models import Identity, LoginSession
from django_auth0_flow.protocol.grant import Grant
from django_auth0_flow.rest_framework import AccessTokenUser
from django_auth0_flow.testing.tenant import Tenant
from tests.walk import FETCH, walk

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.urlconfs.access")]
users: Any = get_user_model()
#: What ``everything`` and ``aeverything`` show of nobody.
NOTHING = "[False, {}, [], [], None, 'login_required', 'login_required', 'login_required', 'login_required']"
NOTHING_ASYNC = "[False, {}, [], [], None, 'login_required']"


@pytest.fixture
def visitor(client: Client, tenant: Tenant, auth0_settings: Any) -> Client:
    tenant.api.rbac = True
    tenant.user.permissions[tenant.api.identifier] = ["read:things"]
    walk(client, tenant)
    shown = client.get("/everything/").content.decode()
    assert shown.startswith("[True, {")
    assert shown.endswith("['read:things'], None, True, True, True, True]")
    return client


def assert_gives_nothing(client: Client) -> None:
    assert client.get("/everything/").content.decode() == NOTHING
    assert client.get("/everything-async/").content.decode() == NOTHING_ASYNC
    assert client.get("/who/").content.decode().endswith(" -")
    assert client.get("/greet/").content == b"nobody"
    for path in ("/bare/", "/bare-async/", "/bare-mixin/", "/bare-dispatch/"):
        assert client.get(path, headers=FETCH).status_code == 401


def test_X9_another_password_voids_the_session(visitor: Client) -> None:
    user = users.objects.get()
    user.set_password("another")
    user.save()
    assert_gives_nothing(visitor)


def test_X9_a_backend_that_was_removed(visitor: Client, settings: Any) -> None:
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
    assert_gives_nothing(visitor)


def test_X9_a_user_that_is_gone(visitor: Client) -> None:
    users.objects.all().delete()
    assert_gives_nothing(visitor)


def test_X9_L9_a_user_that_is_not_active(visitor: Client) -> None:
    users.objects.update(is_active=False)
    assert_gives_nothing(visitor)


def test_X9_L9_not_even_with_a_backend_that_lets_them_in(visitor: Client, settings: Any) -> None:
    settings.AUTHENTICATION_BACKENDS = ["tests.access.test_voided_sessions.EverybodyBackend"]
    session = visitor.session
    session["_auth_user_backend"] = settings.AUTHENTICATION_BACKENDS[0]
    session.save()
    assert visitor.get("/who/").content.decode().endswith(" default")
    users.objects.update(is_active=False)
    assert_gives_nothing(visitor)


def test_X9_an_identity_that_became_somebody_elses(visitor: Client) -> None:
    Identity.objects.update(user=users.objects.create_user("stranger"))
    assert_gives_nothing(visitor)


def test_X9_a_session_without_a_user(visitor: Client) -> None:
    session = visitor.session
    for name in ("_auth_user_id", "_auth_user_backend", "_auth_user_hash"):
        del session[name]
    session.save()
    assert_gives_nothing(visitor)


def test_X9_a_session_that_names_the_login_of_another_configuration_than_its_row(visitor: Client) -> None:
    LoginSession.objects.update(configuration="another")
    assert_gives_nothing(visitor)


@pytest.mark.parametrize("named", ["", "no uuid", 7, None, "0" * 32])
def test_X9_a_session_that_names_no_login(visitor: Client, named: object) -> None:
    session = visitor.session
    session["_auth0"] = {**session["_auth0"], "id": named}
    session.save()
    shown = visitor.get("/everything/").content.decode()
    assert shown.startswith("[False, {}, [], [], None, 'login_")
    assert visitor.get("/bare/", headers=FETCH).status_code == 401


class EverybodyBackend:
    """A backend that loads inactive users as well, as AllowAllUsersModelBackend does."""

    def authenticate(self, request: Any, **credentials: Any) -> None:
        return None

    def get_user(self, user_id: Any) -> Any:
        return users.objects.filter(pk=user_id).first()


class Impersonate:
    """A middleware that puts somebody else in the place of the visitor, as impersonation packages do."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        others = {
            "nobody": AnonymousUser(),
            "robot": AccessTokenUser({"iss": "https://nobody.invalid/", "sub": "robot"}),
        }
        if name := request.headers.get("X-As"):
            request.user = others[name] if name in others else users.objects.get(username=name)
        return self.get_response(request)


@pytest.mark.parametrize("name", ["stranger", "nobody", "robot"])
def test_X9_whoever_else_stands_in_request_user_gets_none_of_the_login(
    visitor: Client, settings: Any, name: str
) -> None:
    users.objects.create_user("stranger")
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.access.test_voided_sessions.Impersonate"]
    other = Client(headers={"X-As": name})
    other.cookies.update(visitor.cookies)
    assert other.get("/everything/").content.decode() == NOTHING
    assert other.get("/bare/", headers=FETCH).status_code == 401


def test_X9_a_user_who_was_put_there_does_not_vouch_for_a_voided_session(visitor: Client, settings: Any) -> None:
    user = users.objects.get()
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.access.test_voided_sessions.Impersonate"]
    other = Client(headers={"X-As": user.username})
    other.cookies.update(visitor.cookies)
    assert other.get("/everything/").content.decode().startswith("[True")
    user.set_password("another")
    user.save()
    assert other.get("/everything/").content.decode() == NOTHING


@pytest.mark.parametrize("what", ["logout", "flush"])
def test_X9_nothing_is_left_in_the_request_that_logs_out(visitor: Client, settings: Any, what: str) -> None:
    from django.contrib.auth import logout
    from django.urls import path

    from tests.urlconfs import access

    def view(request: Any) -> Any:
        assert request.auth0.claims
        assert request.auth0.api is request.auth0.api
        if what == "logout":
            logout(request)
        else:
            request.session.flush()
        return access.everything(request)

    settings.ROOT_URLCONF = type("urls", (), {"urlpatterns": [path("leaves/", view), *access.urlpatterns]})
    assert visitor.get("/leaves/").content.decode() == NOTHING


def test_X9_in_the_request_that_logs_somebody_in_the_login_is_there(
    visitor: Client, tenant: Tenant, settings: Any
) -> None:
    """What a receiver or a middleware sees after the callback view: the new login, with the user that login() set."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.access.test_voided_sessions.LookAfterwards"]
    LookAfterwards.seen.clear()
    grace = next(user for user in tenant.users.values() if user.nickname == "grace")
    other = Client()
    walk(other, tenant, user=grace)
    assert LookAfterwards.seen[-1] == grace.sub
    walk(other, tenant, user=tenant.user)
    assert LookAfterwards.seen[-1] == tenant.user.sub


class LookAfterwards:
    seen: list[str] = []

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        request.user.is_authenticated  # noqa: B018  # another middleware has looked before
        response = self.get_response(request)
        self.seen.append(request.auth0.claims.get("sub", ""))
        return response


@pytest.mark.parametrize("odd", [7, ["org_acme000000000000"], {"id": "org_acme000000000000"}, True], ids=repr)
def test_an_organization_that_is_no_text_is_none(visitor: Client, odd: object) -> None:
    row = LoginSession.objects.get()
    row.grant = Grant(row.grant.tokens, {**row.grant.claims, "org_id": odd})
    row.save()
    assert ", None, True, True, True, True]" in visitor.get("/everything/").content.decode()
    assert visitor.get("/everything-async/").content.decode().endswith(", None, True]")
