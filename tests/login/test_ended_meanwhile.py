"""Logout tokens that arrive while the login they end is under way: its row is not there yet to be found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.sessions.models import Session
from django.db import connections
from django.db.models.signals import pre_save
from django.test import Client

from django_auth0_flow.conf import get_settings
from django_auth0_flow.models import LoginSession
from django_auth0_flow.storage.logout_tokens import SpentLogoutToken
from django_auth0_flow.testing.tenant import Tenant
from tests.visitor import Visitor
from tests.walk import NAVIGATE, code_shown, come_back, is_logged_in, query_of, start, walk

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("auth0_settings")]
CODE = "session_ended_at_tenant"
GRACE = "auth0|5f7c8ec7c33c6c004bbafe82"


@contextmanager
def logout_arrives(
    make_token: Callable[[dict[str, Any]], str], tenant: Tenant, *, times: int = 1
) -> Iterator[list[int]]:
    """Deliver a logout token after the code was exchanged, at the last moment before the login session has a row.

    ``make_token`` is given the claims of the login's ID token. Yields the statuses of the deliveries.
    """
    issued: dict[str, Any] = {}
    statuses: list[int] = []

    def remember(kind: str, claims: dict[str, Any], header: dict[str, Any]) -> None:
        if kind == "id_token":
            issued.update(claims)

    def deliver(**kwargs: Any) -> None:
        if len(statuses) < times:
            assert not LoginSession.objects.exists()
            statuses.append(send(make_token(dict(issued))))

    tenant.token_hook = remember
    pre_save.connect(deliver, sender=LoginSession)
    try:
        yield statuses
    finally:
        pre_save.disconnect(deliver, sender=LoginSession)
        tenant.token_hook = None


def send(token: str) -> int:
    form = urlencode({"logout_token": token})
    answer = Client().post("/auth0/backchannel-logout/", form, content_type="application/x-www-form-urlencoded")
    return int(answer.status_code)


def assert_ended(answer: Any, client: Client, tenant: Tenant) -> None:
    assert (answer.status_code, code_shown(answer)) == (400, CODE)
    assert "ended this login before this site had finished it" in answer.content.decode()
    assert not is_logged_in(client)
    assert not LoginSession.objects.exists()
    assert not any("_auth_user_id" in session.get_decoded() for session in Session.objects.all())
    assert tenant.refresh_tokens.live() == 0


# -- it ends ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [("sid",), ("sub",), ("sid", "sub")], ids="-".join)
def test_X16_a_login_that_was_ended_before_its_row_was_there(tenant: Tenant, names: tuple[str, ...]) -> None:
    client = Client(headers=NAVIGATE)
    url = tenant.login(start(client))

    def token(claims: dict[str, Any]) -> str:
        return tenant.make_logout_token(**{name: claims[name] for name in names})

    with logout_arrives(token, tenant) as statuses:
        answer = come_back(client, url)
    assert statuses == [200]
    assert_ended(answer, client, tenant)
    assert client.get("/bare/").status_code == 302
    # The next login is another one.
    assert walk(client, tenant)["Location"] == "/"
    assert client.get("/bare/").status_code == 200


def test_X16_a_visitor_who_was_logged_in_before_is_logged_out(tenant: Tenant) -> None:
    client = Client(headers=NAVIGATE)
    walk(client, tenant)
    url = tenant.login(start(client))

    def token(claims: dict[str, Any]) -> str:
        return tenant.make_logout_token(sid=claims["sid"])

    LoginSession.objects.all().delete()
    with logout_arrives(token, tenant):
        answer = come_back(client, url)
    assert (answer.status_code, code_shown(answer)) == (400, CODE)
    assert not is_logged_in(client)


def test_X16_a_script_is_told_in_json(tenant: Tenant) -> None:
    client = Client()
    url = tenant.login(start(client))
    with logout_arrives(lambda claims: tenant.make_logout_token(sid=claims["sid"]), tenant):
        answer = come_back(client, url, headers={"Accept": "application/json", "Sec-Fetch-Mode": "cors"})
    assert (answer.status_code, answer.json()["error"]) == (400, CODE)


@pytest.mark.urls("tests.embedded_urls")
@pytest.mark.parametrize("page", ["/auth0/password/", "/accounts/login/"])
def test_X16_a_login_by_password_is_ended_by_subject(
    tenant: Tenant, auth0_settings: Callable[..., Any], settings: Any, page: str
) -> None:
    tenant.application.grant_types |= {"password"}
    settings.AUTHENTICATION_BACKENDS = [
        "django_auth0_flow.backends.Auth0PasswordBackend",
        "django_auth0_flow.backends.Auth0Backend",
    ]
    auth0_settings(PASSWORD_REALM="Username-Password-Authentication")
    visitor = Visitor()
    visitor.open(page, next="/plain/")
    with logout_arrives(lambda claims: tenant.make_logout_token(sub=claims["sub"]), tenant) as statuses:
        visitor.submit("username", "password", username="ada@example.com", password="correct horse")
    assert statuses == [200]
    assert not is_logged_in(visitor.client)
    assert not LoginSession.objects.exists()
    assert tenant.refresh_tokens.live() == 0


@pytest.mark.urls("tests.embedded_urls")
def test_X16_a_login_by_password_is_ended_while_the_tenant_answers(
    transactional_db: None, tenant: Tenant, auth0_settings: Callable[..., Any]
) -> None:
    tenant.application.grant_types |= {"password"}
    auth0_settings(PASSWORD_REALM="Username-Password-Authentication")
    visitor = Visitor()
    visitor.open("/auth0/password/", next="/plain/")
    shared: Any = connections["default"]
    statuses: list[int] = []
    shared.inc_thread_sharing()

    def log_out_meanwhile(kind: str, claims: dict[str, Any], header: dict[str, Any]) -> None:
        if kind == "id_token":
            connections["default"] = shared  # the test's own connection: it waits for the tenant meanwhile
            statuses.append(send(tenant.make_logout_token(sub=claims["sub"])))

    tenant.token_hook = log_out_meanwhile
    try:
        visitor.submit("username", "password", username="ada@example.com", password="correct horse")
    finally:
        shared.dec_thread_sharing()
    assert statuses == [200]
    assert code_shown(visitor.page) == CODE
    assert not is_logged_in(visitor.client)
    assert not LoginSession.objects.exists()


def test_X16_a_row_that_was_not_committed_yet_ends_after_the_commit(
    tenant: Tenant, log_in: Callable[..., Any], client: Client, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        log_in(client)
        row = LoginSession.objects.get()
        conf = get_settings("default")
        # As the view remembers a token and then finds no row, which is within a transaction still.
        ended_key = SpentLogoutToken.ended_key_for(conf.client_id, conf.issuer, sid=row.grant.claims["sid"])
        SpentLogoutToken.objects.spend(conf.issuer, "1", expires_at=1e12, ended_key=ended_key, now=conf.clock())
        assert client.get("/bare/").status_code == 200
    assert not LoginSession.objects.exists()
    assert client.get("/bare/").status_code == 302


# -- it does not -----------------------------------------------------------------------------------------------------------


OTHERS: dict[str, Callable[[Tenant, dict[str, Any]], str]] = {
    "another-sid": lambda tenant, claims: tenant.make_logout_token(sid="another"),
    "another-sid-of-the-person": lambda tenant, claims: tenant.make_logout_token(sid="another", sub=claims["sub"]),
    "another-person": lambda tenant, claims: tenant.make_logout_token(sub=GRACE),
    "sid-of-the-subject's-name": lambda tenant, claims: tenant.make_logout_token(sid=claims["sub"]),
    "before-the-person-came": lambda tenant, claims: tenant.make_logout_token(sub=claims["sub"], iat=claims["iat"] - 1),
}


@pytest.mark.parametrize("name", OTHERS)
def test_X16_a_token_about_something_else_ends_nothing(tenant: Tenant, name: str) -> None:
    client = Client(headers=NAVIGATE)
    url = tenant.login(start(client))
    with logout_arrives(lambda claims: OTHERS[name](tenant, claims), tenant) as statuses:
        answer = come_back(client, url)
    assert statuses == [200]
    assert answer["Location"] == "/"
    assert client.get("/bare/").status_code == 200


def test_X16_a_token_to_another_client_ends_nothing(
    tenant: Tenant, settings: Any, auth0_settings: Callable[..., Any]
) -> None:
    ours = auth0_settings()
    settings.AUTH0 = {"default": ours, "partners": {**ours, "CLIENT_ID": "another-client"}}
    client = Client(headers=NAVIGATE)
    url = tenant.login(start(client))
    theirs: list[int] = []

    def token(claims: dict[str, Any]) -> str:
        foreign = tenant.make_logout_token(sid=claims["sid"], client_id="another-client")
        form = urlencode({"logout_token": foreign})
        path, kind = "/partners/backchannel-logout/", "application/x-www-form-urlencoded"
        theirs.append(Client().post(path, form, content_type=kind).status_code)
        return tenant.make_logout_token(sid="another")

    with logout_arrives(token, tenant):
        answer = come_back(client, url)
    assert theirs == [200]
    assert answer["Location"] == "/"
    assert client.get("/bare/").status_code == 200


@pytest.mark.parametrize("name", ["sid", "sub"])
def test_X16_a_login_that_begins_after_the_token_works_at_once(tenant: Tenant, name: str) -> None:
    client = Client(headers=NAVIGATE)
    walk(client, tenant)
    claims = LoginSession.objects.get().grant.claims
    assert send(tenant.make_logout_token(**{name: claims[name]})) == 200
    assert not LoginSession.objects.exists()
    again: list[str] = []

    def same_session(kind: str, claims_again: dict[str, Any], header: dict[str, Any]) -> None:
        if kind == "id_token":
            claims_again["sid"] = claims["sid"]  # a provider that goes on with the session
            again.append(claims_again["sid"])

    tenant.token_hook = same_session
    assert walk(client, tenant)["Location"] == "/"
    assert again == [claims["sid"]]
    assert client.get("/bare/").status_code == 200


def test_X16_it_is_remembered_for_as_long_as_a_login_may_be_under_way(tenant: Tenant) -> None:
    """An answer of the tenant's that is held back for an hour: its code or token may be good that long."""
    assert send(tenant.make_logout_token(sid="some")) == 200
    assert SpentLogoutToken.objects.get().expires_at >= tenant.clock.now() + 3600


# -- what it costs: a session made for the login ends with it --------------------------------------------------------------


def test_a_session_made_for_one_login_is_gone_when_its_answer_comes(client: Client, tenant: Tenant) -> None:
    url = tenant.login(start(client))
    key = client.session.session_key
    with logout_arrives(lambda claims: tenant.make_logout_token(sid=claims["sid"]), tenant):
        come_back(client, url)
    assert not Session.objects.filter(session_key=key).exists()


def test_a_session_that_holds_more_stays(client: Client, tenant: Tenant) -> None:
    session = client.session
    session["basket"] = [1]
    session.save()
    first, second = tenant.login(start(client)), tenant.login(start(client))
    denied = first.partition("?")[0] + "?" + urlencode({"error": "access_denied", "state": state_of(first)})
    assert come_back(client, denied).status_code == 403
    assert client.session["basket"] == [1]
    assert come_back(client, second)["Location"] == "/"
    assert client.session["basket"] == [1]


def test_other_logins_of_a_session_stay_under_way(client: Client, tenant: Tenant) -> None:
    first, second = tenant.login(start(client)), tenant.login(start(client))
    denied = first.partition("?")[0] + "?" + urlencode({"error": "access_denied", "state": state_of(first)})
    key = client.session.session_key
    assert come_back(client, denied).status_code == 403
    assert client.session.session_key == key
    assert come_back(client, second)["Location"] == "/"
    assert is_logged_in(client)


def state_of(url: str) -> str:
    return query_of(url)["state"]
