"""Back-channel logout: rows B1 to B9 of the threat list, every session engine, real deliveries."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.contrib.sessions.backends import db as db_sessions
from django.core.cache import cache
from django.db import OperationalError, connection, connections
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path, resolve
from pytest_django.live_server_helper import LiveServer

from django_auth0_flow.conf import clear_caches
from django_auth0_flow.logout.sessions import end_sessions
from django_auth0_flow.models import LoginSession
from django_auth0_flow.protocol.claim_checks import LOGOUT_EVENT
from django_auth0_flow.signals import login_session_ended
from django_auth0_flow.storage.logout_tokens import SpentLogoutToken
from django_auth0_flow.testing.tenant import Tenant
from tests import oidc_site
from tests.servers.fixtures import OidcProviderFactory
from tests.servers.redis import Redis
from tests.storm.harness import Site
from tests.storm.servers import ONE_PROCESS, serving
from tests.urls import urlpatterns as site_urls

PATH = "/auth0/backchannel-logout/"
FORM = "application/x-www-form-urlencoded"
LOCAL_MEMORY = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "backchannel"}}

LogIn = Callable[..., Any]


# -- a site with views of its own ----------------------------------------------------------------------------------------


def cycle(request: HttpRequest) -> HttpResponse:
    """Change the session key, as Django does after a change of password."""
    request.session.cycle_key()
    return HttpResponse("cycled")


def cycle_and_be_logged_out(request: HttpRequest) -> HttpResponse:
    """Change the session key and be logged out by the tenant before the new key is written down."""
    request.session.cycle_key()
    return HttpResponse(status=send(request.GET["token"]).status_code)


urlpatterns = [
    *site_urls,
    path("cycle/", cycle),
    path("cycle-and-be-logged-out/", cycle_and_be_logged_out),
    path("elsewhere/", resolve(PATH, "tests.urls").func, {"configuration": "partners"}),
]


class SessionStore(db_sessions.SessionStore):
    """A session engine (this module's) whose ``delete`` does something else first, once: ``interruption``."""

    interruption: Callable[[], None] | None = None

    def delete(self, session_key: str | None = None) -> None:
        interruption, SessionStore.interruption = SessionStore.interruption, None
        if interruption is not None:
            interruption()
        super().delete(session_key)

    @classmethod
    def get_model_class(cls) -> Any:
        return db_sessions.SessionStore.get_model_class()


@pytest.fixture
def interrupt(settings: Any) -> Iterator[Callable[[Callable[[], None]], None]]:
    """Use the session engine above; call with what its next ``delete`` does first."""
    settings.SESSION_ENGINE = __name__

    def at_next_delete(work: Callable[[], None]) -> None:
        SessionStore.interruption = staticmethod(work)

    yield at_next_delete
    SessionStore.interruption = None


def send(token: str, *, to: str = PATH, **extra: Any) -> Any:
    """POST a logout token as a tenant does: no cookie, and a site that insists on CSRF tokens."""
    client = Client(enforce_csrf_checks=True)
    return client.post(to, urlencode({"logout_token": token}), content_type=FORM, **extra)


def sid_of(row: LoginSession) -> str:
    return str(row.grant.claims["sid"])


def name_at_home(client: Client) -> str:
    """Return whom the home page greets; under LoginRequiredMiddleware nobody gets there without a login."""
    response = client.get("/")
    return "nobody" if response.status_code == 302 else response.content.decode().removeprefix("home of ")


def assert_refused(response: Any, claim: str = "") -> None:
    assert response.status_code == 400, response.content
    assert response["Cache-Control"] == "private, no-store"
    body = response.json()
    assert body["error"] == "invalid_request"
    assert body["error_description"].startswith(claim)


def assert_done(response: Any) -> None:
    assert (response.status_code, response.content, response["Cache-Control"]) == (200, b"", "private, no-store")
    assert not response.cookies


@pytest.fixture
def browsers(log_in: LogIn, tenant: Tenant) -> list[Client]:
    """Three browsers: two of Ada's, one of Grace's."""
    clients = [Client(), Client(), Client()]
    grace = tenant.users["auth0|5f7c8ec7c33c6c004bbafe82"]
    for client, user in zip(clients, [tenant.user, tenant.user, grace], strict=True):
        assert log_in(client, user=user).status_code == 302
    return clients


def row_of(client: Client) -> LoginSession:
    return LoginSession.objects.get(pk=client.session["_auth0"]["id"])


# -- B1: what ends -------------------------------------------------------------------------------------------------------


def test_B1_sid_ends_that_login_only(browsers: list[Client], tenant: Tenant) -> None:
    row = row_of(browsers[0])
    assert_done(send(tenant.make_logout_token(sub=tenant.user.sub, sid=sid_of(row))))
    assert [name_at_home(client) != "nobody" for client in browsers] == [False, True, True]
    assert not LoginSession.objects.filter(pk=row.pk).exists()
    assert browsers[0].get("/bare/").status_code == 302
    assert browsers[1].get("/bare/").content == b"bare auth0|602e93db83fa6f00749a23e6"


def test_B1_sid_alone_is_enough(browsers: list[Client], tenant: Tenant) -> None:
    assert_done(send(tenant.make_logout_token(sid=sid_of(row_of(browsers[0])))))
    assert [name_at_home(client) != "nobody" for client in browsers] == [False, True, True]


def test_B1_subject_ends_all_of_that_person(browsers: list[Client], tenant: Tenant) -> None:
    assert_done(send(tenant.make_logout_token(sub=tenant.user.sub)))
    assert [name_at_home(client) != "nobody" for client in browsers] == [False, False, True]
    assert LoginSession.objects.count() == 1


def test_B1_login_without_sid_is_ended_by_subject_and_by_no_sid(log_in: LogIn, tenant: Tenant) -> None:
    tenant.fault("sid-missing")
    client = Client()
    log_in(client)
    assert row_of(client).sid_key == ""
    assert_done(send(tenant.make_logout_token(sub=tenant.user.sub, sid="another")))
    assert name_at_home(client) != "nobody"
    assert_done(send(tenant.make_logout_token(sub=tenant.user.sub)))
    assert name_at_home(client) == "nobody"


@pytest.mark.parametrize("typ", ["JWT", "jwt", "logout+jwt", "application/logout+jwt", None])
def test_B1_types_of_token_that_are_accepted(browsers: list[Client], tenant: Tenant, typ: str | None) -> None:
    def set_type(kind: str, claims: dict[str, Any], header: dict[str, Any]) -> None:
        header.update(typ=typ)
        if typ is None:
            del header["typ"]

    tenant.token_hook = set_type
    assert_done(send(tenant.make_logout_token(sid=sid_of(row_of(browsers[0])))))
    assert name_at_home(browsers[0]) == "nobody"


def test_B1_works_under_login_required_middleware(settings: Any, browsers: list[Client], tenant: Tenant) -> None:
    required = "django.contrib.auth.middleware.LoginRequiredMiddleware"
    settings.MIDDLEWARE = [*(name for name in settings.MIDDLEWARE if name != required), required]
    assert_done(send(tenant.make_logout_token(sid=sid_of(row_of(browsers[0])))))


def test_B1_stands_outside_atomic_requests() -> None:
    assert resolve(PATH).func._non_atomic_requests == set(connections)  # type: ignore[attr-defined]  # Django's mark


@pytest.mark.parametrize(
    ("engine", "caches"),
    [
        ("db", None),
        ("cached_db", LOCAL_MEMORY),
        ("cache", LOCAL_MEMORY),
        ("file", None),
        pytest.param("cache", "redis", marks=pytest.mark.slow),
        pytest.param("cached_db", "redis", marks=pytest.mark.slow),
    ],
)
def test_B1_every_session_engine(
    settings: Any, request: pytest.FixtureRequest, log_in: LogIn, tenant: Tenant, engine: str, caches: Any
) -> None:
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    if caches == "redis":
        redis: Redis = request.getfixturevalue("redis_server")
        caches = {"default": redis.django_cache()}
    if caches is not None:
        settings.CACHES = caches
    settings.SESSION_FILE_PATH = str(request.getfixturevalue("tmp_path"))
    first, second = Client(), Client()
    log_in(first)
    log_in(second)
    assert_done(send(tenant.make_logout_token(sid=sid_of(row_of(first)))))
    assert [name_at_home(first), name_at_home(second) == "nobody"] == ["nobody", False]
    assert_done(send(tenant.make_logout_token(sub=tenant.user.sub)))
    assert name_at_home(second) == "nobody"


@pytest.mark.parametrize("engine", ["db", "cached_db", "cache"])
@pytest.mark.urls(__name__)
def test_B1_session_that_changed_its_key_is_ended(
    settings: Any, log_in: LogIn, client: Client, tenant: Tenant, engine: str
) -> None:
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    settings.CACHES = LOCAL_MEMORY
    log_in(client)
    before = client.session.session_key
    client.get("/cycle/")
    row = row_of(client)
    assert row.session_key == client.session.session_key != before
    assert_done(send(tenant.make_logout_token(sid=sid_of(row))))
    assert name_at_home(client) == "nobody"


def test_B1_session_that_another_users_login_flushed_is_ended(client: Client, log_in: LogIn, tenant: Tenant) -> None:
    log_in(client)
    log_in(client, user=tenant.users["auth0|5f7c8ec7c33c6c004bbafe82"])
    row = LoginSession.objects.get()
    assert row.session_key == client.session.session_key
    assert_done(send(tenant.make_logout_token(sid=sid_of(row))))
    assert name_at_home(client) == "nobody"


@pytest.mark.urls(__name__)
def test_B1_logout_while_the_session_key_changes(client: Client, log_in: LogIn, tenant: Tenant) -> None:
    log_in(client)
    token = tenant.make_logout_token(sid=sid_of(row_of(client)))
    assert client.get("/cycle-and-be-logged-out/", {"token": token}).status_code == 200
    assert name_at_home(client) == "nobody"
    assert not db_sessions.SessionStore.get_model_class().objects.exists()


def test_B1_session_key_that_changes_during_the_logout_is_followed(
    interrupt: Any, client: Client, log_in: LogIn, tenant: Tenant
) -> None:
    log_in(client)
    row = row_of(client)
    moved = db_sessions.SessionStore()
    moved.update(client.session.items())
    moved.save()
    interrupt(lambda: row_of(client).follow_session(moved.session_key))
    assert_done(send(tenant.make_logout_token(sid=sid_of(row))))
    assert not LoginSession.objects.exists()
    assert not db_sessions.SessionStore.get_model_class().objects.exists()


def fail_to_delete() -> None:
    raise RuntimeError("this engine is down")


@pytest.mark.parametrize("repeat", ["the same token", "a new token"])
def test_X10_session_that_cannot_be_deleted_is_ended_by_the_repeat(
    interrupt: Any, client: Client, log_in: LogIn, tenant: Tenant, caplog: pytest.LogCaptureFixture, repeat: str
) -> None:
    log_in(client)
    sid = sid_of(row_of(client))
    token = tenant.make_logout_token(sid=sid)
    for _ in range(2):
        interrupt(fail_to_delete)
        response = send(token)
        assert (response.status_code, json.loads(response.content)["error"]) == (400, "server_error")
        assert response["Cache-Control"] == "private, no-store"
        assert LoginSession.objects.count() == 1
    assert "session_not_deleted" in caplog.text
    assert client.get("/bare/").status_code == 200
    assert tenant.refresh_tokens.live() == 1
    again = token if repeat == "the same token" else tenant.make_logout_token(sid=sid)
    assert_done(send(again))
    assert not LoginSession.objects.exists()
    assert name_at_home(client) == "nobody"
    assert tenant.refresh_tokens.live() == 0
    assert_refused(send(again), "This logout token was used before")


def test_X10_one_session_that_cannot_be_deleted_spares_no_other(
    interrupt: Any, browsers: list[Client], tenant: Tenant
) -> None:
    interrupt(fail_to_delete)
    token = tenant.make_logout_token(sub=tenant.user.sub)
    assert send(token).status_code == 400
    assert LoginSession.objects.count() == 2
    assert sorted(name_at_home(client) == "nobody" for client in browsers) == [False, False, True]
    assert_done(send(token))
    assert [name_at_home(client) != "nobody" for client in browsers] == [False, False, True]


def test_X10_a_logout_that_breaks_off_gives_its_token_back(
    transactional_db: None, client: Client, log_in: LogIn, tenant: Tenant
) -> None:
    """As when the server ends a worker that takes too long: SystemExit out of whatever it does."""

    def break_off(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith("DELETE") and LoginSession._meta.db_table in sql:
            raise SystemExit(1)
        return execute(sql, *rest)

    log_in(client)
    token = tenant.make_logout_token(sid=sid_of(row_of(client)))
    with connection.execute_wrapper(break_off), pytest.raises(SystemExit):
        send(token)
    assert_done(send(token))
    assert not LoginSession.objects.exists()


def test_B1_receivers_hear_of_each_login_session(browsers: list[Client], tenant: Tenant) -> None:
    heard: list[tuple[str, Any]] = []

    def receiver(reason: str, login_session: LoginSession, **kwargs: Any) -> None:
        heard.append((reason, login_session.pk))
        raise RuntimeError("a receiver's fault is its own")

    expected = {row_of(browsers[0]).pk, row_of(browsers[1]).pk}
    login_session_ended.connect(receiver)
    try:
        assert_done(send(tenant.make_logout_token(sub=tenant.user.sub)))
    finally:
        login_session_ended.disconnect(receiver)
    assert {reason for reason, _ in heard} == {"backchannel_logout"}
    assert {pk for _, pk in heard} == expected


def test_B1_the_refresh_tokens_are_revoked(browsers: list[Client], tenant: Tenant) -> None:
    assert tenant.refresh_tokens.live() == 3
    assert_done(send(tenant.make_logout_token(sub=tenant.user.sub)))
    assert tenant.refresh_tokens.live() == 1
    assert tenant.count("/oauth/revoke") == 2


def test_B1_a_tenant_that_fails_to_revoke_is_asked_once(browsers: list[Client], tenant: Tenant) -> None:
    tenant.fault("status", times=None, status=500, endpoint="revoke")
    assert_done(send(tenant.make_logout_token(sub=tenant.user.sub)))
    assert tenant.count("/oauth/revoke") == 1
    assert [name_at_home(client) != "nobody" for client in browsers] == [False, False, True]


def test_B1_unreadable_tokens_are_no_obstacle(browsers: list[Client], tenant: Tenant) -> None:
    row = row_of(browsers[0])
    token = tenant.make_logout_token(sid=sid_of(row))
    LoginSession.objects.filter(pk=row.pk).update(sealed="not sealed by us")
    assert_done(send(token))
    assert name_at_home(browsers[0]) == "nobody"


def test_B1_several_logins_cost_the_same_queries_to_find(
    browsers: list[Client], tenant: Tenant, django_assert_max_num_queries: Any
) -> None:
    token = tenant.make_logout_token(sid=sid_of(row_of(browsers[0])))
    with django_assert_max_num_queries(7):  # record the jti within a savepoint (3), find, end the session (2), delete
        assert_done(send(token))


@pytest.mark.urls(__name__)
def test_B1_only_logins_of_the_client_that_was_told(
    settings: Any, browsers: list[Client], tenant: Tenant, auth0_settings: Any
) -> None:
    ours = auth0_settings()
    settings.AUTH0 = {
        "default": ours,
        "twin": {**ours, "AUDIENCE": "https://other.example.com"},
        "partners": {**ours, "CLIENT_ID": "another-client"},
        "broken": {},
    }
    rows = [row_of(client) for client in browsers]
    LoginSession.objects.filter(pk=rows[0].pk).update(configuration="twin")
    LoginSession.objects.filter(pk=rows[1].pk).update(configuration="partners")
    assert_done(send(tenant.make_logout_token(sub=tenant.user.sub)))
    assert [name_at_home(client) != "nobody" for client in browsers] == [False, True, True]
    theirs = tenant.make_logout_token(sub=tenant.user.sub, client_id="another-client")
    assert_refused(send(theirs), "aud")
    assert_done(send(theirs, to="/elsewhere/"))
    assert name_at_home(browsers[1]) == "nobody"


def test_end_sessions_needs_to_know_whose(auth0_settings: Any, db: None) -> None:
    with pytest.raises(ValueError, match="sid or a subject"):
        end_sessions("default", sid="", subject=None)


# -- B2 to B5, B7: tokens that are refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "claim"),
    [
        pytest.param({"events": None}, "events", id="B2-missing"),
        pytest.param({"events": {}}, "events", id="B2-empty"),
        pytest.param({"events": {"http://schemas.openid.net/event/other": {}}}, "events", id="B2-other"),
        pytest.param({"events": [LOGOUT_EVENT]}, "events", id="B2-list"),
        pytest.param({"events": LOGOUT_EVENT}, "events", id="B2-text"),
        pytest.param({"events": {LOGOUT_EVENT: "{}"}}, "events", id="B2-member-text"),
        pytest.param({"events": {LOGOUT_EVENT: []}}, "events", id="B2-member-list"),
        pytest.param({"events": {LOGOUT_EVENT: True}}, "events", id="B2-member-true"),
        pytest.param({"nonce": "n-0S6_WzA2Mj"}, "nonce", id="B3-nonce"),
        pytest.param({"nonce": ""}, "nonce", id="B3-empty-nonce"),
        pytest.param({"sub": None, "sid": None}, "sid", id="B4-neither"),
        pytest.param({"sub": 7}, "sub", id="B4-sub-number"),
        pytest.param({"sub": ""}, "sub", id="B4-sub-empty"),
        pytest.param({"sub": ["auth0|602e93db83fa6f00749a23e6"]}, "sub", id="B4-sub-list"),
        pytest.param({"sid": 7}, "sid", id="B4-sid-number"),
        pytest.param({"sid": ""}, "sid", id="B4-sid-empty"),
        pytest.param({"sid": {}}, "sid", id="B4-sid-object"),
        pytest.param({"iss": "https://other.example.com/"}, "iss", id="B5-iss"),
        pytest.param({"iss": None}, "iss", id="B5-no-iss"),
        pytest.param({"aud": "another-client"}, "aud", id="B5-aud"),
        pytest.param({"aud": None}, "aud", id="B5-no-aud"),
        pytest.param({"aud": ["another-client"]}, "aud", id="B5-aud-list"),
        pytest.param({"exp": None}, "exp", id="B5-no-exp"),
        pytest.param({"exp": 1_000_000_000}, "exp", id="B5-expired"),
        pytest.param({"exp": "soon"}, "exp", id="B5-exp-text"),
        pytest.param({"exp": 10**30}, "exp", id="B5-exp-huge"),
        pytest.param({"exp": True}, "exp", id="B5-exp-true"),
        pytest.param({"iat": None}, "iat", id="B5-no-iat"),
        pytest.param({"iat": 9_000_000_000}, "iat", id="B5-iat-future"),
        pytest.param({"nbf": 9_000_000_000}, "nbf", id="B5-nbf-future"),
        pytest.param({"jti": None}, "jti", id="B5-no-jti"),
        pytest.param({"jti": 1}, "jti", id="B5-jti-number"),
        pytest.param({"jti": ""}, "jti", id="B5-jti-empty"),
    ],
)
def test_claims_that_are_refused(browsers: list[Client], tenant: Tenant, changes: dict[str, Any], claim: str) -> None:
    named = {"sub": tenant.user.sub, "sid": sid_of(row_of(browsers[0])), **changes}
    assert_refused(send(tenant.make_logout_token(**named)), claim)
    assert all(name_at_home(client) != "nobody" for client in browsers)
    assert not SpentLogoutToken.objects.exists()


@pytest.mark.parametrize("claim", ["sub", "sid"])
def test_B4_null_is_no_value(browsers: list[Client], tenant: Tenant, claim: str) -> None:
    claims = jwt.decode(
        tenant.make_logout_token(sub=tenant.user.sub, sid=sid_of(row_of(browsers[0]))),
        options={"verify_signature": False},
    )
    assert_refused(send(tenant.sign({**claims, claim: None})), claim)
    assert name_at_home(browsers[0]) != "nobody"


def logout_claims(tenant: Tenant) -> dict[str, Any]:
    token = tenant.make_logout_token(sub=tenant.user.sub)
    return dict(jwt.decode(token, options={"verify_signature": False}))


FORGERIES: dict[str, Callable[[Tenant], str]] = {
    "B5-alg-none": lambda tenant: jwt.encode(logout_claims(tenant), "", algorithm="none"),
    "B5-hs256-client-secret": lambda tenant: jwt.encode(
        logout_claims(tenant), tenant.application.client_secret, algorithm="HS256"
    ),
    "B5-ps256-not-configured": lambda tenant: jwt.encode(
        logout_claims(tenant),
        tenant.keys.current.private,
        algorithm="PS256",
        headers={"kid": tenant.keys.current.kid},
    ),
    "B5-stranger": lambda tenant: jwt.encode(
        logout_claims(tenant),
        rsa.generate_private_key(public_exponent=65537, key_size=2048),
        algorithm="RS256",
        headers={"kid": tenant.keys.current.kid},
    ),
    "B5-unknown-kid": lambda tenant: tenant.sign(logout_claims(tenant), kid="unknown"),
    "B5-signature-cut": lambda tenant: tenant.make_logout_token(sub=tenant.user.sub)[:-8],
    "B5-crit": lambda tenant: tenant.sign(logout_claims(tenant), crit=["exp"]),
    "B7-id-token": lambda tenant: str(tenant.make_id_token(nonce="n")),
    "B7-id-token-without-nonce": lambda tenant: str(tenant.make_id_token()),
    "B7-access-token": lambda tenant: tenant.make_access_token(),
    "B7-opaque-access-token": lambda tenant: tenant.make_access_token(audience=None),
    "B7-access-token-type": lambda tenant: tenant.sign(logout_claims(tenant), typ="at+jwt"),
    "B7-token-of-another-kind": lambda tenant: tenant.sign(logout_claims(tenant), typ="secevent+jwt"),
    "B7-type-no-text": lambda tenant: tenant.sign(logout_claims(tenant), typ=["JWT"]),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_and_foreign_tokens_are_refused(browsers: list[Client], tenant: Tenant, name: str) -> None:
    assert_refused(send(FORGERIES[name](tenant)))
    assert all(name_at_home(client) != "nobody" for client in browsers)


def test_B5_hs256_where_it_is_configured(browsers: list[Client], tenant: Tenant, auth0_settings: Any) -> None:
    auth0_settings(ID_TOKEN_ALGORITHM="HS256")
    secret = tenant.application.client_secret
    claims = {**logout_claims(tenant), "sid": sid_of(row_of(browsers[0]))}
    assert_refused(send(jwt.encode(claims, "x" * 64, algorithm="HS256")), "signature")
    assert_done(send(jwt.encode(claims, secret, algorithm="HS256")))
    assert_done(send(tenant.make_logout_token(sid=sid_of(row_of(browsers[1])))))  # RS256, the one Auth0 documents
    assert [name_at_home(client) != "nobody" for client in browsers] == [False, False, True]


def test_B5_keys_out_of_reach_are_400_and_the_token_stays_good(
    browsers: list[Client], tenant: Tenant, auth0_settings: Any
) -> None:
    token = tenant.make_logout_token(sid=sid_of(row_of(browsers[0])))
    clear_caches()
    for name in (f"metadata:{tenant.issuer}", f"jwks:{tenant.issuer}.well-known/jwks.json"):
        cache.delete(f"auth0_flow:{name}")  # not all of it: sessions may live there
    tenant.fault("status", status=503, endpoint="jwks")
    assert_refused(send(token))
    assert name_at_home(browsers[0]) != "nobody"
    assert_done(send(token))
    assert name_at_home(browsers[0]) == "nobody"


def test_B5_logs_and_answers_hold_no_token(
    browsers: list[Client], tenant: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    row = row_of(browsers[0])
    tokens = [tenant.make_logout_token(sid=sid_of(row)), tenant.make_logout_token(sid=sid_of(row), aud="x")]
    answers = [send(token) for token in [*tokens, tokens[0]]]
    assert [answer.status_code for answer in answers] == [200, 400, 400]
    seen = caplog.text + "".join(answer.content.decode() for answer in answers)
    assert "backchannel_logout configuration=default by=sid ended=1 left=0" in seen
    for secret in [*tokens, sid_of(row), str(row.grant.tokens.refresh_token)]:
        assert secret not in seen


# -- B6: replay ----------------------------------------------------------------------------------------------------------


def test_B6_replayed_token_spares_a_later_login(client: Client, log_in: LogIn, tenant: Tenant) -> None:
    log_in(client)
    token = tenant.make_logout_token(sub=tenant.user.sub)
    assert_done(send(token))
    log_in(client)
    assert_refused(send(token), "This logout token was used before")
    tenant.clock.advance(119 + 59)  # still within exp and leeway: the record must be there
    assert_refused(send(token), "This logout token was used before")
    assert name_at_home(client) != "nobody"
    assert SpentLogoutToken.objects.get().expires_at >= tenant.clock.now()
    tenant.clock.advance(10)
    assert_refused(send(token), "exp")


def test_B6_the_same_jti_of_another_issuer_is_another(db: None) -> None:
    assert SpentLogoutToken.objects.spend("https://a.example.com/", "1", expires_at=1e12)
    assert SpentLogoutToken.objects.spend("https://b.example.com/", "1", expires_at=1e12)
    assert not SpentLogoutToken.objects.spend("https://a.example.com/", "1", expires_at=1e12)


def test_B6_token_stays_good_when_the_database_fails(
    transactional_db: None, browsers: list[Client], tenant: Tenant
) -> None:
    def block(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith("DELETE") and LoginSession._meta.db_table in sql:
            raise OperationalError("the database is tired")
        return execute(sql, *rest)

    token = tenant.make_logout_token(sid=sid_of(row_of(browsers[0])))
    with connection.execute_wrapper(block):
        response = send(token)
    assert (response.status_code, json.loads(response.content)["error"]) == (400, "server_error")
    assert response["Cache-Control"] == "private, no-store"
    assert_done(send(token))
    assert LoginSession.objects.count() == 2


SPEND = """
import threading
from urllib.parse import urlencode
from django.db import connections
from django.test import Client
from django_auth0_flow.conf import get_client
token, statuses, gate = sys.argv[1], [], threading.Barrier(4)
get_client().issuer.signing_keys(None)

def send():
    gate.wait()
    form = urlencode({"logout_token": token})
    answer = Client().post("/auth0/backchannel-logout/", form, content_type="application/x-www-form-urlencoded")
    statuses.append(answer.status_code)
    connections.close_all()

threads = [threading.Thread(target=send) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(json.dumps(statuses))
"""


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def real_site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """The test project as other processes run it, on each database."""
    if request.param == "sqlite":
        name = str(tmp_path / "backchannel.sqlite3")
        database = {"ENGINE": "django.db.backends.sqlite3", "NAME": name, "OPTIONS": {"timeout": 20}}
    else:
        database = request.getfixturevalue(request.param).django_database("backchannel")
    with Tenant() as tenant:
        tenant.application.callbacks = ["http://testserver/auth0/callback/"]
        site = Site(tenant, database)
        site.migrate()
        yield site


@pytest.mark.slow
def test_B6_one_of_many_processes_wins(real_site: Site) -> None:
    real_site.log_in()
    token = real_site.tenant.make_logout_token(sub=real_site.tenant.user.sub)
    with ThreadPoolExecutor(3) as pool:
        printed = list(pool.map(lambda _: real_site.run(SPEND, token), range(3)))
    statuses = sorted(status for line in printed for status in json.loads(line))
    assert statuses == [200] + [400] * 11
    left = real_site.run("from django_auth0_flow.models import LoginSession; print(LoginSession.objects.count())")
    assert left == "0"


# With cookies alone: the sid of the first login. With a logout token too: its answer, then those of a protected page.
LOG_OUT = """
from urllib.parse import urlencode
from django.test import Client
from django_auth0_flow.models import LoginSession
browsers = []
for cookie in json.loads(sys.argv[1]):
    browsers.append(Client())
    browsers[-1].cookies["sessionid"] = cookie
if len(sys.argv) == 2:
    print(LoginSession.objects.get(pk=browsers[0].session["_auth0"]["id"]).grant.claims["sid"])
else:
    form = urlencode({"logout_token": sys.argv[2]})
    answer = Client().post("/auth0/backchannel-logout/", form, content_type="application/x-www-form-urlencoded")
    print(json.dumps([answer.status_code, [browser.get("/bare/").status_code for browser in browsers]]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("sessions", ["db", "cache", "cached_db"])
def test_B1_every_database_with_every_kind_of_session(real_site: Site, redis_server: Redis, sessions: str) -> None:
    real_site.environment["TEST_SESSION_ENGINE"] = f"django.contrib.sessions.backends.{sessions}"
    real_site.environment["TEST_CACHE"] = json.dumps(redis_server.django_cache())
    tenant, cookies = real_site.tenant, real_site.log_in(2)
    sid = real_site.run(LOG_OUT, json.dumps(cookies))
    by_sid = real_site.run(LOG_OUT, json.dumps(cookies), tenant.make_logout_token(sid=sid))
    assert json.loads(by_sid) == [200, [302, 200]]
    by_subject = real_site.run(LOG_OUT, json.dumps(cookies[1:]), tenant.make_logout_token(sub=tenant.user.sub))
    assert json.loads(by_subject) == [200, [302]]


# -- B8: requests that are none ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get", "head", "put", "patch", "delete", "options", "trace"])
def test_B8_other_methods_are_405(client: Client, auth0_settings: Any, method: str) -> None:
    response = getattr(client, method)(PATH)
    assert (response.status_code, response["Allow"], response["Cache-Control"]) == (405, "POST", "private, no-store")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param("", FORM, id="empty"),
        pytest.param("logout_token=", FORM, id="empty-token"),
        pytest.param("other=1", FORM, id="no-token"),
        pytest.param("logout_token=garbage", FORM, id="garbage"),
        pytest.param("logout_token=a.b.c", FORM, id="garbage-jwt"),
        pytest.param("logout_token=%00%ff%f0%9f", FORM, id="no-utf8"),
        pytest.param("logout_token=" + "a" * 70_000, FORM, id="huge"),
        pytest.param("logout_token=" + "a" * 3_000_000, FORM, id="very-huge"),
        pytest.param("&".join(f"p{number}=1" for number in range(2000)), FORM, id="many-parameters"),
        pytest.param("logout_token=a", f"{FORM}; charset=utf-16", id="other-charset"),
        pytest.param("logout_token=a", f"{FORM}; charset=no-such-charset", id="unknown-charset"),
        pytest.param('{"logout_token": "a.b.c"}', "application/json", id="json"),
        pytest.param("logout_token=a", "text/plain", id="text"),
        pytest.param("logout_token=a", "", id="no-type"),
        pytest.param("--x\r\nbroken", "multipart/form-data; boundary=x", id="multipart"),
        pytest.param("--x\r\nbroken", "multipart/form-data", id="multipart-without-boundary"),
    ],
)
def test_B8_bodies_that_are_no_logout_request(
    client: Client, auth0_settings: Any, db: None, body: str, content_type: str
) -> None:
    response = client.generic("POST", PATH, body, content_type=content_type)
    assert_refused(response)
    assert not SpentLogoutToken.objects.exists()


def test_B8_token_twice_or_in_the_query_is_refused(browsers: list[Client], tenant: Tenant) -> None:
    token = tenant.make_logout_token(sub=tenant.user.sub)
    pair = urlencode({"logout_token": token})
    assert_refused(Client().post(PATH, f"{pair}&{pair}", content_type=FORM))
    assert_refused(Client().post(f"{PATH}?{pair}", "", content_type=FORM))
    assert_refused(Client().post(PATH, json.dumps({"logout_token": token}), content_type="application/json"))
    assert_refused(Client().post(PATH, {"logout_token": token}))  # multipart
    assert all(name_at_home(client) != "nobody" for client in browsers)
    assert_done(send(token))


@pytest.mark.parametrize("length", ["-1", "many", "1" * 40])
def test_B8_odd_lengths_are_refused(client: Client, auth0_settings: Any, length: str) -> None:
    response = client.generic("POST", PATH, "logout_token=a", content_type=FORM, CONTENT_LENGTH=length)
    assert_refused(response)


REFUSED = {
    "other-type": ("POST", "text/plain", 5000),
    "json": ("POST", "application/json", 64 * 1024),
    "other-method": ("PUT", FORM, 5000),
    "more-than-django-reads": ("POST", FORM, 5000),
    "two-tokens": ("POST", FORM, 64 * 1024),
    "too-long": ("POST", FORM, 70_000),
    "far-too-long": ("POST", "text/plain", 1024 * 1024),
}


@pytest.mark.parametrize("name", REFUSED)
def test_X23_a_body_that_is_refused_is_read_to_its_end(
    client: Client, auth0_settings: Any, db: None, settings: Any, name: str
) -> None:
    method, content_type, length = REFUSED[name]
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000 if name == "more-than-django-reads" else 2_500_000
    body = (b"logout_token=a&" * length)[:length]
    stream = BytesIO(body + b"GET / HTTP/1.1")
    extra: dict[str, Any] = {"CONTENT_LENGTH": str(length), "wsgi.input": stream}
    response = client.generic(method, PATH, b"x", content_type=content_type, **extra)
    assert response.status_code == (405 if method == "PUT" else 400)
    assert stream.read() == b"GET / HTTP/1.1"  # the next request, and all of it
    assert response.has_header("Connection") == (length > 64 * 1024)


@pytest.mark.parametrize("length", ["70000", "999999999", "1" * 40, "-1", "many"])
def test_X23_after_a_large_body_the_connection_is_closed(client: Client, auth0_settings: Any, length: str) -> None:
    stream = BytesIO(b"logout_token=a")
    extra: dict[str, Any] = {"CONTENT_LENGTH": length, "wsgi.input": stream}
    response = client.generic("POST", PATH, b"x", content_type=FORM, **extra)
    assert_refused(response, "The request is too long.")
    assert response["Connection"] == "close"
    assert (stream.tell() == 0) == (length != "70000")  # what may have no end is not waited for


def exchange(reader: Any, connection_to: socket.socket, request: bytes) -> tuple[int, bytes]:
    """Send one request over a connection and read its answer."""
    connection_to.sendall(request)
    status = int(reader.readline().split()[1])
    length = 0
    while line := reader.readline().strip():
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return status, reader.read(length)


def refused_then_good(address: str, content_type: str, length: int) -> list[tuple[int, bytes]]:
    """POST a body that is refused and open a page, over one connection."""
    parts = urlsplit(address)
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
    )
    with socket.create_connection((str(parts.hostname), parts.port or 80), timeout=20) as connection_to:
        reader = connection_to.makefile("rb")
        first = exchange(reader, connection_to, head.encode() + (b"logout_token=a&" * length)[:length])
        return [first, exchange(reader, connection_to, b"GET /plain/ HTTP/1.1\r\nHost: localhost\r\n\r\n")]


BODIES = [("text/plain", 5000), (FORM, 5000), (FORM, 70_000), ("text/plain", 300_000)]


def test_X23_a_connection_survives_what_is_refused_under_gunicorn(tenant: Tenant, tmp_path: Path) -> None:
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "keep_alive.sqlite3")}
    with serving(Site(tenant, database), ONE_PROCESS) as address:
        for content_type, length in BODIES:
            first, second = refused_then_good(address, content_type, length)
            assert (first[0], json.loads(first[1])["error"]) == (400, "invalid_request")
            assert second[0] in (200, 302)  # 302 under LoginRequiredMiddleware


@pytest.mark.parametrize(("content_type", "length"), BODIES)
def test_X23_a_connection_survives_what_is_refused_under_the_development_server(
    live_server: LiveServer, transactional_db: None, auth0_settings: Any, content_type: str, length: int
) -> None:
    first, second = refused_then_good(live_server.url, content_type, length)
    assert (first[0], json.loads(first[1])["error"]) == (400, "invalid_request")
    assert second[0] in (200, 302)


# -- B9: nobody meant ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [{"sid": "unknown"}, {"sub": "auth0|unknown"}, {"sub": "auth0|u", "sid": "s" * 5000}])
def test_B9_unknown_sid_or_subject_is_calm(browsers: list[Client], tenant: Tenant, names: dict[str, str]) -> None:
    assert_done(send(tenant.make_logout_token(**names)))
    assert all(name_at_home(client) != "nobody" for client in browsers)


def test_B9_again_is_calm(browsers: list[Client], tenant: Tenant) -> None:
    for _ in range(2):
        assert_done(send(tenant.make_logout_token(sub=tenant.user.sub)))
    assert name_at_home(browsers[2]) != "nobody"


# -- a refresh under way -------------------------------------------------------------------------------------------------


def test_late_refresh_is_discarded_and_revoked(
    transactional_db: None, client: Client, log_in: LogIn, tenant: Tenant
) -> None:
    """The logout comes while the tenant is answering the refresh: what it answers ends too."""
    log_in(client)
    tenant.clock.advance(90_000)
    token = tenant.make_logout_token(sid=sid_of(row_of(client)))
    shared: Any = connections["default"]
    statuses: list[int] = []
    shared.inc_thread_sharing()

    def log_out_meanwhile(kind: str, claims: dict[str, Any], header: dict[str, Any]) -> None:
        if kind == "access_token" and not statuses:
            connections["default"] = shared  # the test's own connection: it waits for the tenant meanwhile
            statuses.append(send(token).status_code)

    tenant.token_hook = log_out_meanwhile
    try:
        response = client.get("/token/")
    finally:
        shared.dec_thread_sharing()
    assert statuses == [200]
    assert (response.status_code, response["Location"].split("?")[0]) == (302, "/auth0/login/")
    assert tenant.count("/oauth/token", grant_type="refresh_token") == 1
    assert tenant.refresh_tokens.live() == 0
    assert tenant.count("/oauth/revoke") == 2  # the one that was stored, then the late one
    assert not LoginSession.objects.exists()
    assert name_at_home(client) == "nobody"


# -- real deliveries -----------------------------------------------------------------------------------------------------


def end_server_threads() -> None:
    """Wait for a live server's threads: they share the test's database connection."""
    for thread in threading.enumerate():
        if "process_request_thread" in thread.name:
            thread.join(10)


def test_B1_the_tenant_delivers(
    live_server: LiveServer, client: Client, log_in: LogIn, tenant: Tenant, transactional_db: None
) -> None:
    tenant.application.backchannel_logout_uri = live_server.url + PATH
    log_in(client)
    tenant.end_sessions(tenant.user.sub)
    for thread in threading.enumerate():
        if thread.name == "logout-token":
            thread.join(10)
    end_server_threads()
    assert tenant.logout_deliveries == [(live_server.url + PATH, 200)]
    assert name_at_home(client) == "nobody"


@pytest.mark.slow
def test_B1_a_certified_provider_delivers(
    oidc_provider: OidcProviderFactory, settings: Any, live_server: LiveServer, transactional_db: None
) -> None:
    cache.clear()
    site = oidc_site.Site(oidc_provider(apiScopes=["read:things"]), settings, live_server.url)
    site.register(backchannel_logout_uri=live_server.url + PATH)
    other = site.another_person()
    for person, name in ((site, "auth0|ada"), (other, "auth0|grace")):
        assert person.log_in(name).status_code == 302
    site.browser.logout(f"{site.provider.issuer}oidc/logout")
    end_server_threads()
    assert site.provider.counts()["backchannel_logouts"] == {"ok": 1, "failed": 0}
    assert name_at_home(site.client) == "nobody"
    assert other.get("/bare/").content == b"bare auth0|grace"
    assert LoginSession.objects.get().identity.subject == "auth0|grace"
    cache.clear()
