"""System checks: each mistake that settings can show is found, has an id and a way out, and nothing good is reported."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage, registry
from django.core.exceptions import ImproperlyConfigured

import django_auth0_flow
from django_auth0_flow import checks
from django_auth0_flow.checks import check_project, check_settings
from django_auth0_flow.conf import get_settings

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
    ("E003", changed(SCOPE=["openid", "email"]), "with blanks"),
    ("E003", changed(CREATE_USERS="yes"), "True or False"),
    (
        "E035",
        changed(MACHINE_AUDIENCES=["https://api.example.com"], CLIENT_AUTH="none"),
        "confidential applications only",
    ),
    ("E035", changed(CONNECTED_ACCOUNTS={"github": ""}, CLIENT_AUTH="none"), "confidential applications only"),
    ("W039", changed(CONNECTED_ACCOUNTS={"github": ""}, SCOPE="openid"), "a refresh token"),
    ("W027", changed(CLIENT_SECRET="s" * 31, ID_TOKEN_ALGORITHM="HS256"), "shorter than 32 bytes"),
    ("E003", changed(CONNECTED_ACCOUNTS=["github"]), "a dict of strings"),
    ("E003", changed(REFRESH_MARGIN=1.5), "a whole number of seconds"),
    ("E003", changed(REFRESH_MARGIN=True), "a whole number of seconds"),
    ("E003", changed(HTTP_TIMEOUT="10"), "a number of seconds"),
    ("E003", changed(API_ORIGINS="https://api.example.com"), "a list of strings"),
    ("E003", changed(USER_FIELDS=["email"]), "a dict of strings"),
    ("E003", changed(CLOCK=5), "a callable"),
    ("E004", changed(DOMAIN=NOTHING), "Dashboard"),
    ("E004", changed(DOMAIN=NOTHING, ISSUER=""), "ISSUER is there, but empty"),
    ("E005", changed(ISSUER="https://example.com/"), "both DOMAIN and ISSUER"),
    ("E006", changed(DOMAIN="https://example.eu.auth0.com/"), "Without https://"),
    ("E006", changed(DOMAIN="http://127.0.0.1:9400/"), "into ISSUER"),
    ("E006", changed(DOMAIN="example.eu.auth0.com/"), "bare host name"),
    ("E006", changed(DOMAIN="localhost"), "bare host name"),
    ("E007", changed(DOMAIN=NOTHING, ISSUER="http://example.com/"), "https URL"),
    ("E007", changed(DOMAIN=NOTHING, ISSUER="http://127.0.0.1.example.com/"), "loopback"),
    ("E007", changed(DOMAIN=NOTHING, ISSUER="https://[::1"), "https URL"),
    ("E007", changed(DOMAIN=NOTHING, ISSUER="https://e.com/.well-known/openid-configuration"), "not an address below"),
    ("E008", changed(CLIENT_ID=""), "Client ID"),
    ("E008", changed(CLIENT_ID=""), "env file, loaded?"),
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
    ("W038", changed(REFRESH_WAIT=12), "Leave it out"),
    ("W038", changed(REFRESH_WAIT=10, HTTP_TIMEOUT=8.5), "until 10.5 seconds"),
    ("E014", changed(API_ORIGINS=["http://api.example.com"]), "https origin"),
    ("E014", changed(API_ORIGINS=["https://api.example.com/v1"]), "host and port only"),
    ("E014", changed(API_ORIGINS=["*"]), "https origin"),
    ("E015", changed(BASE_URL="http://www.example.com"), "https origin"),
    ("E015", changed(BASE_URL="https://www.example.com/app"), "https origin"),
    ("E015", changed(BASE_URL="https://www.example.com?app"), "https origin"),
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
    (
        "E019",
        {"default": GOOD, "partners": changed(USER_FIELDS={"emial": "email"})},
        "AUTH0['partners']['USER_FIELDS']",
    ),
    ("E019", changed(USER_FIELDS={"emial": "email"}, LEEWAY=-1), "emial"),
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
    ("E011", changed(AUTHORIZATION_PARAMS={"scope": "profile"}), "openid"),
    ("E016", changed(FORWARDED_PARAMS=["resource"]), "could choose"),
    ("E016", changed(FORWARDED_PARAMS=["claims", "authorization_details"]), "authorization_details, claims"),
    ("E016", changed(FORWARDED_PARAMS=["connection_scope"]), "could choose"),
    ("E003", changed(GROUPS_SEPARATOR=7), "a string"),
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
        {"default": GOOD, "partners": changed(CLIENT_ID="theirs", AUDIENCE="https://theirs.example.com")},
        # The other's client id means nothing at this issuer.
        {"default": changed(AUDIENCE="https://x/"), "partners": changed(DOMAIN="b.auth0.com", CLIENT_ID="https://x/")},
        changed(AUDIENCE="http://api.example.com", API_ORIGINS=["https://api.example.com"]),
        changed(AUDIENCE="http://127.0.0.1:8000"),
        changed(AUDIENCE=NOTHING, RESOURCE="https://api.example.com/v1"),
        changed(AUTHORIZATION_PARAMS={"audience": "https://api.example.com", "scope": "openid", "max_age": "300"}),
        changed(AUTHORIZATION_PARAMS={"prompt": "login", "connection": "github", "ui_locales": "ja"}),
        changed(FORWARDED_PARAMS=["prompt", "connection", "login_hint", "ui_locales", "ext-campaign"]),
        changed(FORWARDED_PARAMS=["ui_locales"], AUTHORIZATION_PARAMS={"ui_locales": "ja"}),
        changed(USER_FIELDS={"username": "nickname", "first_name": "given_name", "date_joined": "since"}),
        changed(GROUPS_CLAIM="scope", GROUPS_SEPARATOR=" ", STAFF_GROUPS=["staff"]),
        changed(GROUPS_CLAIM="permissions", GROUPS={"Content Admin": "Editors"}),
    ],
    ids=range(21),
)
def test_good_settings_are_not_reported(setting: object, settings: Any) -> None:
    assert reports(setting, settings) == []


def ids_of(messages: list[CheckMessage]) -> list[str]:
    return [str(message.id).removeprefix("auth0_flow.") for message in messages]


def refused(setting: dict[str, Any], settings: Any) -> bool:
    """Tell whether the site itself does without these settings, not only its checks."""
    settings.AUTH0 = setting
    try:
        get_settings()
    except ImproperlyConfigured:
        return True
    return False


@pytest.mark.parametrize(
    "keys",
    [
        {"AUDIENCE": "id"},
        {"AUDIENCE": NOTHING, "RESOURCE": "id", "API_ORIGINS": []},
        {"AUTHORIZATION_PARAMS": {"audience": "id"}},
        {"AUTHORIZATION_PARAMS": {"resource": "id"}},
    ],
    ids=["AUDIENCE", "RESOURCE", "audience", "resource"],
)
def test_X12_an_audience_that_is_the_client_id_is_refused(keys: dict[str, Any], settings: Any) -> None:
    setting = changed(**keys)
    (found,) = [message for message in reports(setting, settings) if message.id == "auth0_flow.E050"]
    assert found.is_serious()
    assert "Identifier" in str(found.hint)
    assert refused(setting, settings)
    assert not refused(GOOD, settings)


@pytest.mark.parametrize("key", ["AUDIENCE", "RESOURCE"])
def test_X12_nor_may_it_be_the_client_id_of_another_configuration(key: str, settings: Any) -> None:
    theirs = changed(CLIENT_ID="https://theirs.example.com")
    setting = {"default": changed(**{key: "https://theirs.example.com"}), "partners": theirs}
    (found,) = reports(setting, settings)
    assert (found.id, found.is_serious()) == ("auth0_flow.E050", True)
    assert "of another configuration" in found.msg
    assert found.hint


@pytest.mark.parametrize("key", ["AUDIENCE", "RESOURCE"])
def test_X13_an_api_identifier_of_plain_http_is_named(key: str, settings: Any) -> None:
    setting = changed(**{"AUDIENCE": NOTHING, key: "http://api.example.com/v1"})
    (found,) = reports(setting, settings)
    assert (found.id, found.is_serious()) == ("auth0_flow.W030", False)
    assert "https://api.example.com" in str(found.hint)
    assert reports({**setting, "API_ORIGINS": ["https://api.example.com"]}, settings) == []


def test_X13_a_plain_http_origin_is_refused(settings: Any) -> None:
    setting = changed(API_ORIGINS=["http://api.example.com"])
    assert ids_of(reports(setting, settings)) == ["E014"]
    assert refused(setting, settings)


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("audience", {"AUDIENCE": "https://api.example.com"}),
        ("audience", {"AUDIENCE": NOTHING}),
        ("resource", {}),
    ],
    ids=["another", "instead", "resource"],
)
def test_W031_an_api_that_only_the_request_names(name: str, keys: dict[str, Any], settings: Any) -> None:
    (found,) = reports(changed(**keys, AUTHORIZATION_PARAMS={name: "https://other.example.com"}), settings)
    assert (found.id, found.is_serious()) == ("auth0_flow.W031", False)
    assert name.upper() in str(found.hint)


@pytest.mark.parametrize(("name", "value"), [("acr_values", "urn:mfa"), ("max_age", "300")])
def test_a_demand_of_the_site_that_a_visitor_may_only_sharpen_is_fine(name: str, value: str, settings: Any) -> None:
    assert reports(changed(AUTHORIZATION_PARAMS={name: value}, FORWARDED_PARAMS=[name]), settings) == []


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"FORWARDED_PARAMS": ["max_age", "acr_values", "login_hint"]}, "choose acr_values, max_age."),
        ({"FORWARDED_PARAMS": ["prompt"], "AUTHORIZATION_PARAMS": {"prompt": "login"}}, "choose prompt."),
        ({"FORWARDED_PARAMS": ["connection"], "AUTHORIZATION_PARAMS": {"connection": "github"}}, "choose connection."),
    ],
    ids=["demands", "prompt", "connection"],
)
def test_W032_what_a_visitor_may_weaken(keys: dict[str, Any], named: str, settings: Any) -> None:
    (found,) = reports(changed(**keys), settings)
    assert (found.id, found.is_serious()) == ("auth0_flow.W032", False)
    assert named in found.msg
    assert "auth0_login_required" in str(found.hint)


@pytest.mark.parametrize(
    "name",
    ["password", "groups", "user_permissions", "last_login", "id", "pk"],
)
def test_X18_a_claim_that_would_fill_rights_or_the_password_is_refused(name: str, settings: Any) -> None:
    setting = changed(USER_FIELDS={"email": "email", name: "https://example.com/claim"})
    (found,) = [message for message in reports(setting, settings) if message.id == "auth0_flow.E052"]
    assert found.is_serious()
    assert repr(name) in found.msg
    assert "SUPERUSER_GROUPS" in str(found.hint)
    assert refused(setting, settings)


@pytest.mark.parametrize("name", ["is_superuser", "is_staff", "is_active"])
def test_X18_a_claim_that_fills_a_flag_is_named(name: str, settings: Any) -> None:
    (found,) = reports(changed(USER_FIELDS={"email": "email", name: "https://example.com/claim"}), settings)
    assert (found.id, found.is_serious()) == ("auth0_flow.W037", False)
    assert repr(name) in found.msg
    assert "SUPERUSER_GROUPS" in str(found.hint)


def test_X18_a_primary_key_of_another_name_is_refused_as_well(settings: Any) -> None:
    settings.AUTH_USER_MODEL = "sessions.Session"  # a model whose key has a name of its own
    found = reports(changed(USER_FIELDS={"session_key": "sub"}), settings)
    assert ids_of(found) == ["E052"]
    assert "the primary key" in found[0].msg
    assert reports(changed(USER_FIELDS={"session_data": "sub"}), settings) == []


def test_X20_a_claim_of_text_that_used_to_be_split_is_named(settings: Any) -> None:
    for claim in ("scope", "scp"):
        (found,) = reports(changed(GROUPS_CLAIM=claim), settings)
        assert (found.id, found.is_serious()) == ("auth0_flow.W036", False)
        assert "GROUPS_SEPARATOR" in str(found.hint)


@pytest.mark.parametrize(
    "keys",
    [{"GROUPS": {"Content Admin": "x"}}, {"STAFF_GROUPS": ["Content Admin"]}, {"SUPERUSER_GROUPS": ["Content Admin"]}],
)
def test_X20_a_group_that_the_separator_would_cut_is_named(keys: dict[str, Any], settings: Any) -> None:
    claim = {"GROUPS_CLAIM": "https://example.com/roles"}
    (found,) = reports(changed(**claim, **keys, GROUPS_SEPARATOR=" "), settings)
    assert (found.id, found.is_serious()) == ("auth0_flow.W036", False)
    assert "'Content Admin'" in found.msg
    assert found.hint
    assert reports(changed(**claim, **keys, GROUPS_SEPARATOR=","), settings) == []
    assert reports(changed(**claim, **keys), settings) == []


OURS, BACKEND = "django_auth0_flow.middleware.Auth0Middleware", "django_auth0_flow.backends.Auth0Backend"
REQUIRED = "django.contrib.auth.middleware.LoginRequiredMiddleware"


def without_ours(settings: Any) -> list[str]:
    return [name for name in settings.MIDDLEWARE if name not in (OURS, REQUIRED)]


def last(settings: Any, name: str) -> list[str]:
    return [*[found for found in settings.MIDDLEWARE if found != name], name]


def cache(backend: str) -> dict[str, Any]:
    return {"default": {"BACKEND": backend}}


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
    ("W003", lambda settings: {"SESSION_ENGINE": "tests.session_engines.shared", "DEBUG": False}),
    (
        "W003",
        lambda settings: {
            "SESSION_ENGINE": "django.contrib.sessions.backends.cache",
            "CACHES": cache("tests.caches_of_ours.OfOneProcess"),
        },
    ),
    ("W004", lambda settings: {"SESSION_SERIALIZER": "django.contrib.sessions.serializers.PickleSerializer"}),
    ("E024", lambda settings: {"ROOT_URLCONF": "tests.urlconfs.nothing"}),
    ("W005", lambda settings: {"ROOT_URLCONF": "tests.urlconfs.shadowed"}),
    ("W047", lambda settings: {"ROOT_URLCONF": "tests.urlconfs.slashless"}),
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
    settings.AUTHENTICATION_BACKENDS = ["tests.users.test_users.ChoosyBackend"]
    assert "auth0_flow.E022" not in [message.id for message in check_project()]


def in_project(settings: Any, **values: Any) -> list[CheckMessage]:
    for name, value in values.items():
        setattr(settings, name, value)
    return check_project()


def test_X18_sessions_that_derive_from_signed_cookies_are_an_error(settings: Any) -> None:
    settings.AUTH0 = GOOD
    (found,) = in_project(settings, SESSION_ENGINE="tests.session_engines.cookies")
    assert (found.id, found.is_serious()) == ("auth0_flow.E023", True)
    assert found.hint
    for engine in ("tests.session_engines.stored", "no.such.engine", "tests.urlconfs.nothing"):
        assert in_project(settings, SESSION_ENGINE=engine) == []


def test_sessions_in_a_cache_that_all_see_are_fine(settings: Any) -> None:
    redis = cache("django.core.cache.backends.redis.RedisCache")
    assert in_project(settings, AUTH0=GOOD, SESSION_ENGINE="tests.session_engines.shared", CACHES=redis) == []


class NoClock(Exception):
    """What a broken clock raises."""


def broken_clock() -> float:
    raise NoClock


@pytest.mark.parametrize(
    ("clock", "words"),
    [
        (lambda: 1_700_000_000.0, "off by -"),
        (lambda: time.time() + 61, "off by 61 seconds"),
        (lambda: float("nan"), "off by nan"),
        ("time.monotonic", "off by -"),
        (lambda: None, "fails with TypeError"),
        (broken_clock, "fails with NoClock"),
        (lambda: int(time.time()), "right at the moment"),
    ],
    ids=["frozen", "ahead", "nan", "dotted", "nothing", "raises", "right"],
)
def test_X18_a_clock_that_is_not_the_real_one_is_named(clock: Any, words: str, settings: Any) -> None:
    settings.DEBUG = False
    (found,) = in_project(settings, AUTH0=changed(CLOCK=clock))
    assert (found.id, found.is_serious()) == ("auth0_flow.W034", False)
    assert words in found.msg
    assert "leave it out" in str(found.hint)


@pytest.mark.parametrize(("debug", "clock"), [(False, "time.time"), (False, time.time), (True, lambda: 0.0)])
def test_X18_the_real_clock_is_fine_and_any_is_while_developing(debug: bool, clock: Any, settings: Any) -> None:
    assert in_project(settings, AUTH0=changed(CLOCK=clock), DEBUG=debug) == []


DUMMY, LOCAL = "django.core.cache.backends.dummy.DummyCache", "django.core.cache.backends.locmem.LocMemCache"
DATABASE = "django.core.cache.backends.db.DatabaseCache"


@pytest.mark.parametrize(
    ("backend", "dpop", "expected"),
    [
        (DUMMY, True, ["E054"]),
        ("tests.caches_of_ours.Forgetting", True, ["E054"]),
        (LOCAL, True, ["W023"]),
        ("tests.caches_of_ours.OfOneProcess", True, ["W023"]),
        (DATABASE, True, []),
        # Views under bearer_token_required take DPoP whatever this site's own logins do.
        (DUMMY, False, ["W035"]),
        ("tests.caches_of_ours.Forgetting", False, ["W035"]),
        (LOCAL, False, []),
        (DATABASE, False, []),
    ],
)
def test_X15_a_cache_that_remembers_no_proofs(backend: str, dpop: bool, expected: list[str], settings: Any) -> None:
    found = in_project(settings, AUTH0=changed(DPOP=dpop), CACHES=cache(backend), DEBUG=False)
    assert ids_of(found) == expected
    assert all(message.is_serious() is (message.id == "auth0_flow.E054") and message.hint for message in found)


def test_X15_a_site_without_an_api_may_do_without_a_cache(settings: Any) -> None:
    settings.AUTH0 = changed(AUDIENCE=NOTHING)
    assert in_project(settings, CACHES=cache(DUMMY), DEBUG=False) == []


THEIRS = changed(DOMAIN="partners.eu.auth0.com", CLIENT_ID="theirs")
#: Has one include, for all configurations.
ONE_PATH = "tests.urlconfs.elsewhere"


@pytest.mark.parametrize("theirs", [THEIRS, changed(CLIENT_ID="theirs")], ids=["tenant", "client"])
def test_X22_clients_with_one_callback_path_are_an_error(theirs: dict[str, Any], settings: Any) -> None:
    settings.AUTH0 = {"default": GOOD, "partners": theirs}
    (found,) = in_project(settings, ROOT_URLCONF=ONE_PATH)
    assert (found.id, found.is_serious()) == ("auth0_flow.E053", True)
    assert "'default' and 'partners'" in found.msg
    assert 'include("django_auth0_flow.urls", namespace="partners")' in str(found.hint)
    (again,) = in_project(settings, AUTH0={"partners": theirs, "default": GOOD})
    assert again.hint == found.hint  # in whichever order they stand
    assert in_project(settings, ROOT_URLCONF="tests.urls") == []


def test_X22_each_pair_is_looked_at(settings: Any) -> None:
    others = {name: changed(CLIENT_ID=name) for name in ("partners", "second", "third")}
    found = in_project(settings, AUTH0={"default": GOOD, **others})
    assert ids_of(found) == ["E053", "E053", "E053"]  # the include of "partners" is one of its own
    assert not any("partners" in message.msg for message in found)


def test_X22_one_client_under_two_names_may_share_a_path(settings: Any) -> None:
    twin = changed(AUDIENCE="https://other.example.com")
    assert in_project(settings, AUTH0={"default": GOOD, "twin": twin}, ROOT_URLCONF=ONE_PATH) == []


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ("", "", ["W033"]),
        ("https://www.example.com", "", ["W033"]),
        ("https://www.example.com", "https://partners.example.com", []),
        ("https://www.example.com", "https://www.example.com/", ["E053"]),
    ],
    ids=["unknown", "half known", "two hosts", "one host"],
)
def test_X22_hosts_tell_tenants_apart_where_the_request_chooses(
    ours: str, theirs: str, expected: list[str], settings: Any
) -> None:
    settings.ROOT_URLCONF = ONE_PATH
    both = {"default": changed(BASE_URL=ours), "partners": {**THEIRS, "BASE_URL": theirs}}
    settings.AUTH0 = {**both, "CONFIGURATION_FOR": lambda request: "partners"}
    found = check_project()
    assert ids_of(found) == expected
    assert all(message.hint for message in found)
    settings.ROOT_URLCONF = "tests.urls"  # paths of their own
    assert check_project() == []


def test_X22_two_clients_of_one_tenant_are_fine_where_the_request_chooses(settings: Any) -> None:
    both = {"default": GOOD, "partners": changed(CLIENT_ID="theirs"), "CONFIGURATION_FOR": lambda request: "partners"}
    assert in_project(settings, AUTH0=both, ROOT_URLCONF=ONE_PATH) == []


def registered(*, deploy: bool) -> dict[str, Any]:
    """Return our checks by name. What is registered loads the package when it runs."""
    found: list[Any] = registry.registry.get_checks(include_deployment_checks=deploy)
    return {check.__name__: check for check in found if check.__module__ == "django_auth0_flow.apps"}


def test_the_checks_are_registered() -> None:
    named = {name for name in checks.__all__ if name.startswith("check_")}
    assert set(registered(deploy=True)) == named
    assert named - set(registered(deploy=False)) == {"check_deployment"}
    assert "database" in registered(deploy=False)["check_database"].tags


@pytest.mark.django_db
@pytest.mark.parametrize("name", [name for name in checks.__all__ if name.startswith("check_")])
def test_what_is_registered_is_the_check_of_that_name(name: str, settings: Any) -> None:
    """The settings have something for each to find; the database lacks nothing: see tests/checks."""
    local = changed(BASE_URL="http://localhost:8000")
    settings.AUTH0 = {"default": changed(AUDIENCE=NOTHING), "local": local, "unreadable": changed(DPOP="yes")}
    settings.ALLOWED_HOSTS, settings.MIDDLEWARE = ["www.example.com"], []
    settings.ROOT_URLCONF = "tests.urlconfs.beginner"
    expected = getattr(checks, name)(databases=["default"])
    assert registered(deploy=True)[name](app_configs=None, databases=["default"]) == expected
    assert bool(expected) is (name not in ("check_database", "check_local_database"))


def test_every_check_has_an_id_of_its_own_and_a_test() -> None:
    package = Path(django_auth0_flow.__file__).parent
    here = Path(__file__).parent
    used = {
        found
        for path in package.rglob("*.py")
        for found in re.findall(r'(?:auth0_flow\.|Problem\(\s*")([EW]\d{3})"', path.read_text())
    }
    tests = "\n".join(path.read_text() for path in here.rglob("test_*.py"))
    assert len(used) > 20
    assert sorted(check for check in used if check not in tests) == []


@pytest.mark.django_db
@pytest.mark.parametrize("urlconf", ["tests.urls", "tests.urlconfs.beginner"])
def test_checks_do_not_touch_the_network(urlconf: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*args: Any) -> None:
        raise AssertionError(f"a check asks {args}")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    settings.AUTH0, settings.ROOT_URLCONF = changed(DOMAIN=NOTHING, ISSUER="http://127.0.0.1:9/"), urlconf
    found = [message.id for check in registered(deploy=True).values() for message in check(databases=["default"])]
    assert "auth0_flow.W007" in found
