"""System checks: each mistake that settings can show is found, has an id and a way out, and nothing good is reported."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage, registry

import django_auth0_flow
from django_auth0_flow.checks import check_project, check_settings

GOOD = {
    "DOMAIN": "example.eu.auth0.com",
    "CLIENT_ID": "id",
    "CLIENT_SECRET": "secret",
    "AUDIENCE": "https://api.example.com",
    "SCOPE": "openid profile email offline_access",
}
NOTHING = object()


def changed(**keys: Any) -> dict[str, Any]:
    return {name: value for name, value in {**GOOD, **keys}.items() if value is not NOTHING}


def reports(setting: object, settings: Any) -> list[CheckMessage]:
    settings.AUTH0 = setting
    return check_settings()


#: id, a wrong AUTH0, what the message or its hint says
SETTINGS: list[tuple[str, object, str]] = [
    ("E001", None, "must be a dict"),
    ("E001", "example.eu.auth0.com", "must be a dict"),
    ("E033", {"partners": GOOD}, "'default'; it has 'partners'"),
    ("E002", changed(CLIENT_SECRT="x"), "CLIENT_SECRET"),
    ("E002", changed(client_id="x"), "CLIENT_ID"),
    ("E002", changed(SCOPES="openid"), "SCOPE"),
    ("E002", changed(ZZZZZZ=1), "Known keys"),
    ("E003", changed(CLIENT_ID=7), "a string"),
    ("E003", changed(CREATE_USERS="yes"), "True or False"),
    ("E003", changed(REFRESH_MARGIN=1.5), "a whole number of seconds"),
    ("E003", changed(REFRESH_MARGIN=True), "a whole number of seconds"),
    ("E003", changed(HTTP_TIMEOUT="10"), "a number of seconds"),
    ("E003", changed(API_ORIGINS="https://api.example.com"), "a list of strings"),
    ("E003", changed(USER_FIELDS=["email"]), "a dict of strings"),
    ("E003", changed(CLOCK=5), "a callable"),
    ("E004", changed(DOMAIN=NOTHING), "Dashboard"),
    ("E005", changed(ISSUER="https://example.com/"), "both DOMAIN and ISSUER"),
    ("E006", changed(DOMAIN="https://example.eu.auth0.com/"), "Without https://"),
    ("E006", changed(DOMAIN="example.eu.auth0.com/"), "bare host name"),
    ("E006", changed(DOMAIN="localhost"), "bare host name"),
    ("E007", changed(DOMAIN=NOTHING, ISSUER="http://example.com/"), "https URL"),
    ("E007", changed(DOMAIN=NOTHING, ISSUER="http://127.0.0.1.example.com/"), "loopback"),
    ("E007", changed(DOMAIN=NOTHING, ISSUER="https://[::1"), "https URL"),
    ("E007", changed(DOMAIN=NOTHING, ISSUER="https://e.com/.well-known/openid-configuration"), "not an address below"),
    ("E008", changed(CLIENT_ID=""), "Client ID"),
    ("E009", changed(CLIENT_AUTH="basic"), "client_secret_basic"),
    ("E010", changed(CLIENT_SECRET=NOTHING), "'none'"),
    ("E011", changed(SCOPE="profile email"), "openid"),
    ("E012", changed(ID_TOKEN_ALGORITHM="none"), "RS256"),
    ("E012", changed(ID_TOKEN_ALGORITHM="ES256"), "RS256"),
    ("E012", changed(ID_TOKEN_ALGORITHM="HS256", CLIENT_SECRET="", CLIENT_AUTH="none"), "CLIENT_SECRET"),
    ("E013", changed(LEEWAY=-1), "between 0 and"),
    ("E013", changed(REFRESH_MARGIN=4000), "between 0 and"),
    ("E013", changed(HTTP_TIMEOUT=0), "at most 15 seconds"),
    ("E013", changed(HTTP_TIMEOUT=float("nan")), "at most 15 seconds"),
    ("W001", changed(LEEWAY=301), "60 seconds"),
    ("E014", changed(API_ORIGINS=["http://api.example.com"]), "https origin"),
    ("E014", changed(API_ORIGINS=["https://api.example.com/v1"]), "host and port only"),
    ("E014", changed(API_ORIGINS=["*"]), "https origin"),
    ("E015", changed(BASE_URL="http://www.example.com"), "https origin"),
    ("E015", changed(BASE_URL="https://www.example.com/app"), "https origin"),
    ("W002", changed(AUDIENCE="my-api"), "API_ORIGINS"),
    ("E016", changed(AUTHORIZATION_PARAMS={"state": "x", "nonce": "y"}), "nonce, state"),
    ("E016", changed(AUTHORIZATION_PARAMS={"max_age": "5m"}), "never be checked"),
    ("E016", changed(FORWARDED_PARAMS=["scope", "redirect_uri"]), "redirect_uri, scope"),
    ("E016", changed(FORWARDED_PARAMS=["organization", "audience"]), "audience"),
    ("E016", changed(FORWARDED_PARAMS=["resource"]), "resource"),
    ("E017", changed(ENCRYPTION_KEYS=["short"]), "secrets.token_urlsafe"),
    ("E018", changed(STAFF_GROUPS=["staff"]), "GROUPS_CLAIM"),
    ("E018", changed(GROUPS={"a": "b"}), "GROUPS_CLAIM"),
    ("E019", changed(USER_FIELDS={"emial": "email"}), "emial"),
    ("E003", changed(ORGANIZATION=7), "a callable"),
    ("E028", changed(RECHECK_SECONDS=59), "round trip"),
    ("E028", changed(RECHECK_SECONDS=-60), "round trip"),
    ("E029", changed(ORGANIZATION="no.such.function"), "can't be imported"),
    ("E029", changed(CLOCK="tests.walk.SITE"), "can't be called"),
    ("E030", changed(RESPONSE_TYPE="token"), "@auth0_login_required(access_token=True)"),
    ("E030", changed(RESPONSE_TYPE="code token"), "'code id_token'"),
    ("E030", changed(RESPONSE_TYPE=""), "'code'"),
    ("E031", changed(RESPONSE_MODE="fragment"), "'form_post'"),
    ("E031", changed(RESPONSE_TYPE="id_token", RESPONSE_MODE="query", AUDIENCE=NOTHING), "Tokens never travel"),
    ("E031", changed(RESPONSE_TYPE="code id_token", RESPONSE_MODE="fragment"), "'form_post'"),
    ("E032", {"default": GOOD, "CONFIGURATION_FOR": 7}, "returns a name"),
    ("E029", {"default": GOOD, "CONFIGURATION_FOR": "no.such.function"}, "can't be imported"),
    ("W010", changed(ORGANIZATION="org_1", PASSWORD_REALM=True), "own login page only"),
    ("W026", changed(AUTHORIZATION_PARAMS={"acr_values": "gold"}, PASSWORD_REALM=True), "are refused"),
    ("W026", changed(AUTHORIZATION_PARAMS={"acr_values": "gold"}, PASSWORDLESS=["sms"]), "auth0_login_required"),
    ("W011", changed(RESPONSE_TYPE="id_token token", SCOPE="openid"), "RFC 9700"),
    ("W012", changed(RESPONSE_TYPE="id_token", SCOPE="openid"), "no access token"),
    ("W013", changed(RESPONSE_TYPE="id_token", AUDIENCE=NOTHING), "no refresh token"),
    ("E002", {"default": GOOD, "partners": changed(CLIENT_SECRT="x")}, "CLIENT_SECRET"),
    ("E008", {"default": GOOD, "partners": changed(CLIENT_ID="")}, "partners"),
]


@pytest.mark.parametrize(("check", "setting", "words"), SETTINGS, ids=[f"{row[0]}-{row[2][:20]}" for row in SETTINGS])
def test_a_mistake_in_auth0_is_reported(check: str, setting: object, words: str, settings: Any) -> None:
    found = [message for message in reports(setting, settings) if message.id == f"auth0_flow.{check}"]
    assert found
    assert any(words in f"{message.msg} {message.hint or ''}" for message in found)
    assert all(message.is_serious() is check.startswith("E") for message in found)


@pytest.mark.parametrize(
    "setting",
    [
        GOOD,
        changed(AUDIENCE=NOTHING),
        changed(DOMAIN=NOTHING, ISSUER="https://login.example.com/realms/a/"),
        changed(DOMAIN=NOTHING, ISSUER="http://127.0.0.1:8000/"),
        changed(CLIENT_SECRET=NOTHING, CLIENT_AUTH="none"),
        changed(
            API_ORIGINS=["https://api.example.com:8443", "http://localhost:8000"], BASE_URL="https://www.example.com/"
        ),
        changed(GROUPS_CLAIM="https://example.com/roles", STAFF_GROUPS=["a"], USER_FIELDS={"email": "email"}),
        changed(CLOCK="time.time", ENCRYPTION_KEYS=["x" * 48]),
        {"default": GOOD, "partners": GOOD},
    ],
    ids=range(9),
)
def test_good_settings_are_not_reported(setting: object, settings: Any) -> None:
    assert reports(setting, settings) == []


OURS, BACKEND = "django_auth0_flow.middleware.Auth0Middleware", "django_auth0_flow.backends.Auth0Backend"
REQUIRED = "django.contrib.auth.middleware.LoginRequiredMiddleware"


def without_ours(settings: Any) -> list[str]:
    return [name for name in settings.MIDDLEWARE if name not in (OURS, REQUIRED)]


def last(settings: Any, name: str) -> list[str]:
    return [*[found for found in settings.MIDDLEWARE if found != name], name]


#: id, what is wrong in the project
PROJECT: list[tuple[str, Callable[[Any], dict[str, Any]]]] = [
    ("E020", lambda settings: {"MIDDLEWARE": without_ours(settings)}),
    ("E021", lambda settings: {"MIDDLEWARE": [OURS, *without_ours(settings)]}),
    ("E021", lambda settings: {"MIDDLEWARE": [OURS]}),
    ("E021", lambda settings: {"MIDDLEWARE": [*without_ours(settings), REQUIRED, OURS]}),
    ("E022", lambda settings: {"AUTHENTICATION_BACKENDS": ["django.contrib.auth.backends.ModelBackend"]}),
    ("E022", lambda settings: {"AUTHENTICATION_BACKENDS": ["no.such.Backend"]}),
    ("E023", lambda settings: {"SESSION_ENGINE": "django.contrib.sessions.backends.signed_cookies"}),
    ("W003", lambda settings: {"SESSION_ENGINE": "django.contrib.sessions.backends.cache", "DEBUG": False}),
    ("W003", lambda settings: {"SESSION_ENGINE": "django.contrib.sessions.backends.cached_db", "DEBUG": False}),
    ("W004", lambda settings: {"SESSION_SERIALIZER": "django.contrib.sessions.serializers.PickleSerializer"}),
    ("E024", lambda settings: {"ROOT_URLCONF": "tests.urlconfs.nothing"}),
    ("W005", lambda settings: {"ROOT_URLCONF": "tests.urlconfs.shadowed"}),
    ("W006", lambda settings: {"LOGIN_URL": "/accounts/login/"}),
    ("W024", lambda settings: {"LOGIN_REDIRECT_URL": "/accounts/profile/"}),
    ("W007", lambda settings: {"AUTH0": changed(DOMAIN=NOTHING, ISSUER="http://127.0.0.1/"), "DEBUG": False}),
    ("E025", lambda settings: {"SESSION_COOKIE_SAMESITE": "None", "SESSION_COOKIE_SECURE": False, "DEBUG": False}),
]


@pytest.mark.parametrize(("check", "change"), PROJECT, ids=[f"{row[0]}-{number}" for number, row in enumerate(PROJECT)])
def test_a_mistake_in_the_project_is_reported(
    check: str, change: Callable[[Any], dict[str, Any]], settings: Any
) -> None:
    settings.AUTH0 = GOOD
    assert f"auth0_flow.{check}" not in [message.id for message in check_project()]
    for name, value in change(settings).items():
        setattr(settings, name, value)
    found = [message for message in check_project() if message.id == f"auth0_flow.{check}"]
    assert found
    assert all(message.msg for message in found)


def test_a_subclass_of_middleware_and_backend_will_do(settings: Any) -> None:
    settings.AUTH0 = GOOD
    settings.AUTHENTICATION_BACKENDS = ["tests.test_users.ChoosyBackend"]
    assert "auth0_flow.E022" not in [message.id for message in check_project()]


def test_the_checks_are_registered() -> None:
    assert {check_settings, check_project} <= set(registry.registry.get_checks())


def test_every_check_has_an_id_of_its_own_and_a_test() -> None:
    package = Path(django_auth0_flow.__file__).parent
    here = Path(__file__).parent
    used = {
        found
        for path in package.glob("*.py")
        for found in re.findall(r'(?:auth0_flow\.|Problem\(\s*")([EW]\d{3})"', path.read_text())
    }
    tests = "\n".join(path.read_text() for path in here.glob("test_*.py"))
    assert len(used) > 20
    assert sorted(check for check in used if check not in tests) == []


def test_checks_do_not_touch_the_network(settings: Any) -> None:
    settings.AUTH0 = changed(DOMAIN=NOTHING, ISSUER="http://127.0.0.1:9/")  # nobody answers there
    assert {message.id for message in [*check_settings(), *check_project()]} <= {"auth0_flow.W007"}
