"""Logins by password: the page, Django's own views, the admin and ``authenticate()``, over real HTTP."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import authenticate, get_user_model
from django.core.checks import run_checks
from django.test import Client, RequestFactory
from django.test.utils import override_settings

from django_auth0_flow.backends import Auth0Backend, refusal_of
from django_auth0_flow.embedded.visitor_address import visitor_address
from django_auth0_flow.models import LoginSession
from django_auth0_flow.protocol.embedded_grants import PASSWORD, PASSWORD_REALM
from django_auth0_flow.protocol.errors import MfaRequired, TransportError
from django_auth0_flow.signals import login_failed
from django_auth0_flow.storage.django_session_facts import FACTS_KEY
from django_auth0_flow.testing.tenant import Tenant
from django_auth0_flow.testing.tenant.model import Authenticator
from tests.visitor import Visitor
from tests.walk import FETCH, assert_nothing_stored, is_logged_in, session_of

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.embedded_urls")]

PAGE = "/auth0/password/"
REALM = "Username-Password-Authentication"
ADA: dict[str, Any] = {"username": "ada@example.com", "password": "correct horse"}
BACKENDS = [
    "django_auth0_flow.backends.Auth0PasswordBackend",
    "django_auth0_flow.backends.Auth0Backend",
    "django.contrib.auth.backends.ModelBackend",
]
DJANGO_LOGINS = ["/accounts/login/", "/admin/login/"]


class OnlyGrace(Auth0Backend):
    def is_allowed(self, request: Any, claims: Any) -> bool:
        return bool(claims["nickname"] == "grace")


@pytest.fixture(autouse=True)
def realm(tenant: Tenant, auth0_settings: Callable[..., Any], settings: Any) -> Callable[..., Any]:
    """Switch password logins on, at the tenant and here."""
    tenant.application.grant_types |= {"password", "mfa"}
    settings.AUTHENTICATION_BACKENDS = BACKENDS

    def configure(**keys: Any) -> Any:
        return auth0_settings(**{"PASSWORD_REALM": REALM, **keys})

    configure()
    return configure


def token_requests(tenant: Tenant) -> list[Any]:
    return [request for request in tenant.requests if request.path == "/oauth/token"]


def log_in(visitor: Visitor, page: str = PAGE, *, next_url: str = "/plain/", **values: str) -> Any:
    visitor.open(page, next=next_url)
    return visitor.submit("username", "password", **{**ADA, **values})


# -- the page --------------------------------------------------------------------------------------------------------------


def test_a_right_password_logs_in_and_leads_to_next(tenant: Tenant) -> None:
    visitor = Visitor()
    log_in(visitor, next_url="/token/")
    assert visitor.path == "/token/"
    row = LoginSession.objects.get()
    assert visitor.text == row.grant.tokens.access_token
    assert row.grant.tokens.refresh_token
    assert row.sid_key == ""
    assert row.session_key == visitor.client.session.session_key
    assert row.identity.user.email == "ada@example.com"


def test_the_realm_the_audience_the_scope_and_the_visitors_address_are_sent(tenant: Tenant) -> None:
    log_in(Visitor())
    sent = token_requests(tenant)[-1]
    assert sent.grant_type == PASSWORD_REALM
    assert {name: values[0] for name, values in sent.form.items()} == {
        "grant_type": PASSWORD_REALM,
        "realm": REALM,
        "audience": "https://api.example.com",
        "scope": "openid profile email offline_access",
        "client_id": tenant.application.client_id,
        **{name: sent.form[name][0] for name in ("username", "password", "client_secret")},
    }
    assert sent.headers["auth0-forwarded-for"] == "127.0.0.1"


def test_true_means_the_default_directory_through_the_password_grant(realm: Any, tenant: Tenant) -> None:
    realm(PASSWORD_REALM=True)
    visitor = Visitor()
    log_in(visitor)
    assert visitor.path == "/plain/"
    sent = token_requests(tenant)[-1]
    assert sent.grant_type == PASSWORD
    assert "realm" not in sent.form


@pytest.mark.parametrize("value", ["", None, False])
def test_without_a_realm_the_page_is_not_there(realm: Any, value: Any) -> None:
    realm(PASSWORD_REALM=value)
    assert Client().get(PAGE).status_code == 404
    assert Client().post(PAGE, ADA).status_code == 404
    assert authenticate(None, **ADA) is None


def test_the_session_key_changes_and_an_old_session_is_worthless(tenant: Tenant) -> None:
    visitor = Visitor()
    visitor.client.session["seed"] = 1
    session = visitor.client.session
    session["seed"] = 1
    session.save()
    before = session.session_key
    log_in(visitor)
    assert visitor.client.session.session_key != before
    thief = Client()
    thief.cookies["sessionid"] = str(before)
    assert not is_logged_in(thief)


@pytest.mark.parametrize("page", [PAGE, *DJANGO_LOGINS])
def test_C11_an_organization_that_nobody_asked_for_is_refused(tenant: Tenant, page: str) -> None:
    tenant.user.claims["org_id"] = "org_9ybsU1dN2dKfDkBi"
    visitor = Visitor()
    log_in(visitor, page)
    assert visitor.path.startswith(page)
    assert_nothing_stored(visitor.client)


def test_a_login_replaces_the_one_that_this_browser_had(tenant: Tenant) -> None:
    visitor = Visitor()
    log_in(visitor)
    first = LoginSession.objects.get().pk
    log_in(visitor, username="grace@example.com", password="battery staple")
    assert LoginSession.objects.get().pk != first
    assert LoginSession.objects.get().identity.user.first_name == "Grace"


REFUSALS = [
    ("wrong_password", {"error": "invalid_grant", "description": "Wrong email or password.", "status": 403}),
    ("wrong_password", {"error": "invalid_grant", "description": "Wrong email or password.", "status": 400}),
    ("wrong_password", {"error": "invalid_user_password", "description": "Wrong email or password.", "status": 401}),
    ("user_blocked", {"error": "unauthorized", "description": "user is blocked", "status": 403}),
    ("user_blocked", {"error": "unauthorized", "description": "user is blocked", "status": 401}),
    ("unauthorized", {"error": "unauthorized", "description": "Not in office hours", "status": 403}),
    ("access_denied", {"error": "access_denied", "description": "Not in office hours", "status": 403}),
    ("password_leaked", {"error": "password_leaked", "description": "disclosed", "status": 401}),
    ("too_many_attempts", {"error": "too_many_attempts", "description": "has been blocked", "status": 429}),
    ("requires_verification", {"error": "requires_verification", "status": 401}),
    ("password_change_required", {"error": "password_change_required", "status": 401}),
    ("oauth_error", {"error": "<script>", "description": "<script>alert(1)</script>", "status": 400}),
]


@pytest.mark.parametrize(("code", "options"), REFUSALS, ids=[f"{c}-{o['status']}" for c, o in REFUSALS])
def test_each_refusal_has_a_code_plain_words_and_the_form_again(
    tenant: Tenant, code: str, options: dict[str, Any]
) -> None:
    heard: list[str] = []
    login_failed.connect(lambda error, **kwargs: heard.append(error.code), weak=False, dispatch_uid="heard")
    tenant.fault("refuse", **options)
    visitor = Visitor()
    answer = log_in(visitor)
    login_failed.disconnect(dispatch_uid="heard")
    assert answer.status_code == 400
    assert answer.context["code"] == code
    assert "<script>" not in visitor.text
    assert_nothing_stored(visitor.client)
    assert len(heard) == 1
    assert "correct horse" not in visitor.text
    visitor.submit("username", "password", **ADA)
    assert visitor.path == "/plain/"


def test_bot_detection_points_to_the_login_services_own_page(tenant: Tenant) -> None:
    tenant.fault("refuse", error="requires_verification", status=401)
    visitor = Visitor()
    log_in(visitor)
    assert "/auth0/login/?next=%2Fplain%2F" in visitor.text


SETUP = [
    ("Applications", "Grant Types: tick Password", {"grants": {"authorization_code"}}),
    ("Default Directory", "API Authorization Settings", {"directory": None}),
    ("AUDIENCE", "Identifier", {"audience": "https://typo.example.com"}),
    ("PASSWORD_REALM", "Connections", {"realm": "no-such-connection"}),
    ("Client ID and Client Secret", "Authentication Method", {"secret": "wrong"}),
]


@pytest.mark.parametrize("debug", [True, False], ids=["DEBUG", "production"])
@pytest.mark.parametrize(("first", "second", "how"), SETUP, ids=["grant", "directory", "audience", "realm", "secret"])
def test_set_up_errors_are_explained_to_the_operators_only(
    tenant: Tenant,
    realm: Any,
    settings: Any,
    caplog: pytest.LogCaptureFixture,
    debug: bool,
    first: str,
    second: str,
    how: dict[str, Any],
) -> None:
    settings.DEBUG = debug
    realm(
        PASSWORD_REALM=how.get("realm", True if "directory" in how else REALM),
        AUDIENCE=how.get("audience", "https://api.example.com"),
        CLIENT_SECRET=how.get("secret", tenant.application.client_secret),
    )
    tenant.application.grant_types = how.get("grants", tenant.application.grant_types)
    tenant.default_directory = how.get("directory", REALM)
    visitor = Visitor()
    with caplog.at_level(logging.ERROR, "django_auth0_flow"):
        answer = log_in(visitor)
    assert answer.context["code"] == "client_rejected"
    assert first in caplog.text
    assert second in caplog.text
    assert (second in visitor.text) is debug


def test_brute_force_protection_blocks_that_name_and_address_only(realm: Any, tenant: Tenant) -> None:
    realm(TRUSTED_PROXY_COUNT=1)
    tenant.application.trust_forwarded_for = True
    attacker = Visitor(headers={"X-Forwarded-For": "203.0.113.7"})
    for _ in range(10):
        log_in(attacker, password="guess")
    assert log_in(attacker).context["code"] == "too_many_attempts"
    ada = Visitor(headers={"X-Forwarded-For": "198.51.100.2"})
    log_in(ada)
    assert ada.path == "/plain/"


def test_the_page_is_the_same_for_strangers_and_for_users_with_a_wrong_password(tenant: Tenant) -> None:
    def page_of(name: str) -> str:
        visitor = Visitor()
        log_in(visitor, username=name, password="wrong")
        token = visitor.form_with("username").hidden["csrfmiddlewaretoken"]
        return visitor.text.replace(name, "NAME").replace(token, "TOKEN")

    assert page_of("ada@example.com") == page_of("nobody@example.com")


@pytest.mark.parametrize("fault", ["drop", "status", "rate-limit", "html", "global-limit"])
def test_a_tenant_in_trouble_is_no_refusal_and_the_next_try_works(tenant: Tenant, fault: str) -> None:
    visitor = Visitor()
    visitor.open(PAGE, next="/plain/")
    path, data = visitor.filled("username", **ADA)
    tenant.fault(fault, endpoint="token", **({"status": 500} if fault == "status" else {}))
    answer = visitor.client.post(path, data)
    status = 502 if fault == "html" else 503
    assert (answer.status_code, "Retry-After" in answer) == (status, status == 503)
    assert "/auth0/password/?next=%2Fplain%2F" in answer.content.decode()
    log_in(visitor)
    assert visitor.path == "/plain/"


@pytest.mark.parametrize("fault", ["invalid-iss", "invalid-aud", "expired", "sig-invalid", "alg-none", "no-id-token"])
def test_a_bad_id_token_logs_nobody_in(tenant: Tenant, fault: str) -> None:
    tenant.fault(fault)
    visitor = Visitor()
    assert log_in(visitor).status_code == 400
    assert_nothing_stored(visitor.client)


def test_a_user_whom_the_backend_refuses_gets_403(settings: Any, tenant: Tenant) -> None:
    settings.AUTHENTICATION_BACKENDS = ["tests.embedded.test_password.OnlyGrace", BACKENDS[0]]
    visitor = Visitor()
    answer = log_in(visitor)
    assert answer.status_code == 403
    assert answer.context["code"] == "user_not_allowed"


@pytest.mark.parametrize(
    "next_url", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "/%09/evil"]
)
def test_next_stays_on_this_site(tenant: Tenant, next_url: str) -> None:
    visitor = Visitor()
    visitor.open(PAGE, next=next_url)
    path, data = visitor.filled("username", **ADA)
    answer = visitor.client.post(path, {**data, "next": next_url})
    assert answer["Location"] in ("/", "/%09/evil")


def test_an_incomplete_form_asks_nobody(tenant: Tenant) -> None:
    visitor = Visitor()
    log_in(visitor, password="")
    assert visitor.page.status_code == 400
    assert tenant.count("/oauth/token") == 0


def test_a_script_gets_json(tenant: Tenant) -> None:
    client = Client(headers=FETCH)
    answer = client.post(PAGE, {**ADA, "password": "wrong"})
    assert (answer.status_code, answer.json()["error"]) == (400, "wrong_password")


def test_pages_are_stored_nowhere_and_tell_no_address(tenant: Tenant) -> None:
    for answer in (Client().get(PAGE), Client().post(PAGE, ADA)):
        assert answer["Cache-Control"] == "private, no-store"
        # Without a referrer browsers send forms with "Origin: null".
        has_form = b"csrfmiddlewaretoken" in answer.content
        assert answer["Referrer-Policy"] == ("same-origin" if has_form else "no-referrer")


# -- a second submit, a stale form -----------------------------------------------------------------------------------------


def test_a_form_without_its_csrf_token_logs_nobody_in(tenant: Tenant) -> None:
    visitor = Visitor()
    visitor.open(PAGE)
    answer = visitor.client.post(PAGE, ADA)
    assert answer.status_code == 403
    assert tenant.count("/oauth/token") == 0
    assert b'name="password"' in answer.content


def test_the_form_shown_after_a_csrf_refusal_works(tenant: Tenant) -> None:
    visitor = Visitor()
    visitor.page = visitor.client.post(PAGE, {**ADA, "next": "/plain/"})
    visitor.path = PAGE
    visitor.submit("username", **ADA)
    assert visitor.path == "/plain/"


def test_the_same_form_sent_again_after_the_login_leads_on(tenant: Tenant) -> None:
    visitor = Visitor()
    visitor.open(PAGE, next="/plain/")
    path, data = visitor.filled("username", **ADA)
    visitor.client.post(path, data)
    again = visitor.client.post(path, data)
    assert (again.status_code, again["Location"]) == (302, "/plain/")
    assert LoginSession.objects.count() == 1


@pytest.mark.parametrize("page", [PAGE, *DJANGO_LOGINS])
def test_the_same_user_who_logs_in_twice_has_one_login(tenant: Tenant, page: str, settings: Any) -> None:
    """Django keeps the session and its key then; here the key changes and the new login takes the old one's place."""
    visitor = Visitor()
    log_in(visitor, next_url="/plain/")
    before, key = LoginSession.objects.get(), visitor.client.session.session_key
    user = before.identity.user
    user.is_staff = True  # else the admin's own page lets nobody in
    user.save()
    token = visitor.client.cookies["csrftoken"].value
    answer = visitor.client.post(page, {**ADA, "next": "/plain/", "csrfmiddlewaretoken": token})
    assert answer["Location"] == "/plain/"
    after = LoginSession.objects.get()
    assert after.pk != before.pk
    assert visitor.client.session.session_key not in (key, None)
    assert after.session_key == visitor.client.session.session_key
    assert session_of(visitor.client)[FACTS_KEY]["id"] == after.pk.hex
    assert visitor.open("/token/").content.decode() == after.grant.tokens.access_token


def test_the_same_form_sent_again_with_the_old_cookies_logs_in_too(tenant: Tenant) -> None:
    visitor = Visitor()
    visitor.open(PAGE, next="/plain/")
    path, data = visitor.filled("username", **ADA)
    other = visitor.other_tab()
    assert visitor.client.post(path, data)["Location"] == "/plain/"
    assert other.post(path, data)["Location"] == "/plain/"
    assert is_logged_in(visitor.client)
    assert is_logged_in(other)


# -- Django's own views ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", DJANGO_LOGINS)
def test_djangos_own_login_keeps_the_tokens(tenant: Tenant, page: str) -> None:
    get_user_model().objects.create_superuser("placeholder")
    visitor = Visitor()
    if page.startswith("/admin"):
        _make_staff(tenant)
    log_in(visitor, page, next_url="/token/")
    assert visitor.path == "/token/"
    row = LoginSession.objects.get()
    assert visitor.text == row.grant.tokens.access_token
    assert row.session_key == visitor.client.session.session_key
    assert session_of(visitor.client)[FACTS_KEY]["id"] == row.pk.hex


def _make_staff(tenant: Tenant) -> None:
    user = authenticate(None, **ADA)
    assert user is not None
    user.is_staff = True
    user.save()


def test_the_admin_itself_opens(tenant: Tenant) -> None:
    _make_staff(tenant)
    visitor = Visitor()
    visitor.open("/telling-admin/")
    visitor.submit("username", "password", **ADA)
    assert visitor.path == "/telling-admin/"


@pytest.mark.parametrize("page", DJANGO_LOGINS)
def test_a_wrong_password_is_djangos_usual_message(tenant: Tenant, page: str) -> None:
    visitor = Visitor()
    log_in(visitor, page, password="wrong")
    assert "Please enter " in visitor.text
    assert_nothing_stored(visitor.client)


@pytest.mark.parametrize("page", ["/accounts/telling-login/", "/telling-admin/login/"])
def test_our_form_says_why_djangos_view_refuses(tenant: Tenant, page: str) -> None:
    tenant.block(tenant.user.sub)
    visitor = Visitor()
    log_in(visitor, page)
    assert "Your account is blocked." in visitor.text
    log_in(visitor, page, password="wrong")
    assert "Please enter " in visitor.text


@pytest.mark.parametrize("page", DJANGO_LOGINS)
def test_a_tenant_that_is_down_is_503_in_djangos_view(tenant: Tenant, page: str) -> None:
    visitor = Visitor()
    visitor.open(page)
    path, data = visitor.filled("username", **ADA)
    tenant.fault("drop", endpoint="token")
    answer = visitor.client.post(path, data)
    assert answer.status_code == 503
    assert answer["Retry-After"]


def test_local_users_still_log_in_through_the_model_backend(tenant: Tenant) -> None:
    get_user_model().objects.create_user("local", password="local password")
    visitor = Visitor()
    log_in(visitor, "/accounts/login/", username="local", password="local password")
    assert visitor.path == "/plain/"
    assert not LoginSession.objects.exists()


# -- authenticate() --------------------------------------------------------------------------------------------------------


def test_authenticate_without_a_request_gives_the_user_and_asks_for_no_refresh_token(tenant: Tenant) -> None:
    user = authenticate(None, **ADA)
    assert user is not None
    assert user.backend == BACKENDS[0]
    assert "offline_access" not in token_requests(tenant)[-1].form["scope"][0]
    assert "auth0-forwarded-for" not in token_requests(tenant)[-1].headers
    assert not LoginSession.objects.exists()


def test_authenticate_gives_none_for_a_wrong_password(tenant: Tenant) -> None:
    assert authenticate(None, username="ada@example.com", password="wrong") is None


@pytest.mark.parametrize("values", [{"username": ""}, {"password": ""}, {"password": "x" * 2000}, {"username": None}])
def test_authenticate_asks_nobody_about_values_that_no_login_has(tenant: Tenant, values: Any) -> None:
    assert authenticate(None, **{**ADA, **values}) is None
    assert tenant.count("/oauth/token") == 0


def test_authenticate_without_a_request_gives_none_when_a_second_factor_is_due(tenant: Tenant) -> None:
    tenant.user.mfa_required = True
    assert authenticate(None, **ADA) is None
    assert authenticate(RequestFactory().post("/"), **ADA) is None


def test_authenticate_with_a_session_raises_mfa_required_and_tells_no_token(tenant: Tenant) -> None:
    tenant.user.mfa_required = True
    request = RequestFactory().post("/")
    request.session = Client().session
    with pytest.raises(MfaRequired) as raised:
        authenticate(request, **ADA)
    assert raised.value.mfa_token not in repr(raised.value) + str(raised.value)


def test_authenticate_raises_when_the_tenant_is_down(tenant: Tenant) -> None:
    tenant.fault("drop", endpoint="token")
    with pytest.raises(TransportError):
        authenticate(None, **ADA)


def test_authenticate_knows_no_claims_so_that_no_rule_is_passed_by(settings: Any, tenant: Tenant) -> None:
    settings.AUTHENTICATION_BACKENDS = ["tests.embedded.test_password.OnlyGrace", BACKENDS[0]]
    request = RequestFactory().post("/")
    assert authenticate(request, **ADA) is None
    assert refusal_of(request) == "user_not_allowed"
    assert authenticate(None, username="grace@example.com", password="battery staple") is not None


@pytest.mark.parametrize(
    "keys",
    [
        {"ORGANIZATION": "org_9ybsU1dN2dKfDkBi"},
        {"ORGANIZATION": lambda request: "org_9ybsU1dN2dKfDkBi"},
        {"AUTHORIZATION_PARAMS": {"organization": "org_9ybsU1dN2dKfDkBi"}},
    ],
    ids=["ORGANIZATION", "callable", "AUTHORIZATION_PARAMS"],
)
def test_where_every_login_belongs_to_an_organization_no_password_passes_it_by(
    tenant: Tenant, realm: Any, keys: dict[str, Any]
) -> None:
    realm(**keys)
    assert Client().get(PAGE, {"next": "/plain/"})["Location"] == "/auth0/login/?next=%2Fplain%2F"
    request = RequestFactory().post("/")
    assert authenticate(request, **ADA) is None
    assert refusal_of(request) == "organization_login_needed"
    visitor = Visitor()
    log_in(visitor, "/accounts/telling-login/")
    assert "This site needs a login to an organization" in visitor.text
    assert tenant.count("/oauth/token") == 0


def test_a_callable_may_let_some_visitors_log_in_without_an_organization(tenant: Tenant, realm: Any) -> None:
    realm(ORGANIZATION=lambda request: None)
    visitor = Visitor()
    log_in(visitor)
    assert visitor.path == "/plain/"
    assert authenticate(None, **ADA) is None


def test_authenticate_takes_a_named_configuration(tenant: Tenant, settings: Any) -> None:
    other = tenant.add_application(grant_types={"password"}, name="partners")
    common = {**settings.AUTH0, "PASSWORD_REALM": REALM}
    settings.AUTH0 = {
        "default": {**common, "PASSWORD_REALM": ""},
        "partners": {**common, "CLIENT_ID": other.client_id, "CLIENT_SECRET": other.client_secret},
    }
    assert authenticate(None, **ADA) is None
    assert authenticate(None, **ADA, configuration="partners") is not None
    visitor = Visitor()
    log_in(visitor, "/partners/password/", next_url="/plain/")
    assert LoginSession.objects.get().configuration == "partners"
    assert visitor.path == "/plain/"


def test_a_user_with_a_fresh_login_shows_no_token(tenant: Tenant) -> None:
    user: Any = authenticate(None, **ADA)
    carried = user._auth0_login
    assert carried.tokens.access_token not in repr(carried) + repr(user) + str(user)


def test_no_password_and_no_token_in_log_or_session(tenant: Tenant, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    visitor = Visitor()
    log_in(visitor, password="wrong password of hers")
    tenant.user.authenticators = [Authenticator("otp", secret="JBSWY3DPEHPK3PXP")]
    tenant.user.mfa_required = True
    log_in(visitor)
    log_in(visitor, "/accounts/login/")
    tenant.user.mfa_required = False
    log_in(visitor)
    tokens = LoginSession.objects.get().grant.tokens
    written = caplog.text + repr(session_of(visitor.client)) + visitor.text
    for secret in ("wrong password of hers", "correct horse", tokens.access_token, tokens.refresh_token, "Fe26"):
        assert str(secret) not in written


# -- whose address ---------------------------------------------------------------------------------------------------------

FORWARDED = [
    # (trusted proxies, REMOTE_ADDR, X-Forwarded-For, address)
    (0, "198.51.100.2", None, "198.51.100.2"),
    (0, "198.51.100.2", "203.0.113.9", "198.51.100.2"),
    (0, "", None, ""),
    (0, "unix:", None, ""),
    (1, "10.0.0.1", "198.51.100.2", "198.51.100.2"),
    (1, "10.0.0.1", "203.0.113.9, 198.51.100.2", "198.51.100.2"),
    (1, "10.0.0.1", "203.0.113.9,198.51.100.2 ", "198.51.100.2"),
    (1, "10.0.0.1", None, ""),
    (1, "10.0.0.1", "203.0.113.9, ", ""),
    (2, "10.0.0.1", "203.0.113.9, 198.51.100.2, 10.0.0.2", "198.51.100.2"),
    (2, "10.0.0.1", "198.51.100.2", ""),
    (1, "10.0.0.1", "not an address", ""),
    (1, "10.0.0.1", "198.51.100.2:4711", "198.51.100.2"),
    (1, "10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
    (1, "10.0.0.1", "2001:DB8::1", "2001:db8::1"),
    (1, "10.0.0.1", "::ffff:198.51.100.2", "198.51.100.2"),
    (1, "10.0.0.1", "198.51.100.2\r\nX-Evil: 1", ""),
    (1, "10.0.0.1", "fe80::1%eth0", "fe80::1"),
    (None, "198.51.100.2", "203.0.113.9", ""),
]


@pytest.mark.parametrize(("count", "remote", "forwarded", "expected"), FORWARDED)
def test_the_visitors_address_cannot_be_forged(count: Any, remote: str, forwarded: Any, expected: str) -> None:
    extra = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    request = RequestFactory().get("/", REMOTE_ADDR=remote, **extra)
    assert visitor_address(request, count) == expected


def test_no_header_is_sent_without_an_address(realm: Any, tenant: Tenant) -> None:
    realm(TRUSTED_PROXY_COUNT=None)
    log_in(Visitor())
    assert "auth0-forwarded-for" not in token_requests(tenant)[-1].headers


# -- system checks ---------------------------------------------------------------------------------------------------------


def ids(**keys: Any) -> set[str]:
    settings = {"DOMAIN": "t.eu.auth0.com", "CLIENT_ID": "c", "CLIENT_SECRET": "s", **keys}
    with override_settings(AUTH0=settings):
        return {str(message.id) for message in run_checks(tags=["auth0_flow"])}


def test_check_e003_types_of_the_settings_of_embedded_logins() -> None:
    assert "auth0_flow.E003" in ids(PASSWORD_REALM=7)
    assert "auth0_flow.E003" in ids(TRUSTED_PROXY_COUNT="1")
    assert "auth0_flow.E003" in ids(TRUSTED_PROXY_COUNT=True)
    assert "auth0_flow.E003" in ids(PASSWORDLESS="sms")
    assert not {"auth0_flow.E003", "auth0_flow.W008"} & ids(
        PASSWORD_REALM=True, TRUSTED_PROXY_COUNT=2, PASSWORDLESS=["sms"]
    )


def test_check_e026_unknown_passwordless_kind() -> None:
    assert "auth0_flow.E026" in ids(PASSWORDLESS=["sms", "fax"])


def test_check_e027_impossible_proxy_count() -> None:
    assert "auth0_flow.E027" in ids(TRUSTED_PROXY_COUNT=-1)
    assert "auth0_flow.E027" not in ids(TRUSTED_PROXY_COUNT=None)


def test_check_w008_forwarded_for_counts_only_with_a_client_secret() -> None:
    assert "auth0_flow.W008" in ids(PASSWORD_REALM="db", CLIENT_AUTH="none")
    assert "auth0_flow.W008" in ids(PASSWORDLESS=["sms"], CLIENT_AUTH="none")
    assert "auth0_flow.W008" not in ids(CLIENT_AUTH="none")


def test_check_w009_password_backend_without_a_realm() -> None:
    assert "auth0_flow.W009" in ids()
    assert "auth0_flow.W009" not in ids(PASSWORD_REALM=True)


def test_other_ways_to_log_in_are_linked_and_keep_next(auth0_settings: Callable[..., Any]) -> None:
    visitor = Visitor()
    visitor.open(PAGE, next="/plain/")
    assert 'href="/auth0/login/?next=%2Fplain%2F"' in visitor.text
    assert "/auth0/passwordless/" not in visitor.text
    auth0_settings(PASSWORD_REALM=REALM, PASSWORDLESS=["sms"])
    visitor.open(PAGE, next="/plain/")
    assert 'href="/auth0/passwordless/?next=%2Fplain%2F"' in visitor.text


def test_after_a_wrong_password_the_name_stays_and_the_cursor_is_in_the_password() -> None:
    visitor = Visitor()
    visitor.open(PAGE)
    visitor.submit("username", username="ada@example.com", password="wrong horse")
    fields = re.findall(r"<input [^>]*autofocus[^>]*>", visitor.text)
    assert [re.findall(r'name="(\w+)"', field) for field in fields] == [["password"]]
    assert 'value="ada@example.com"' in visitor.text
    assert "wrong horse" not in visitor.text
