"""What can be wrong with one configuration in ``AUTH0``, seen without network. ``checks`` and ``conf`` report it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

from django_auth0_flow.conf.credentials import SECRET_METHODS, client_auth_method, client_problems, stronger_problems
from django_auth0_flow.conf.keys import KEYS, PASSWORDLESS_KINDS, Problem
from django_auth0_flow.conf.login_problems import (
    audience_problems,
    forwarding_problems,
    front_channel_problems,
    rights_problems,
)
from django_auth0_flow.protocol.authorization import RESERVED_PARAMETERS, parse_max_age
from django_auth0_flow.protocol.issuer import is_acceptable_endpoint
from django_auth0_flow.protocol.outbound import origin_of
from django_auth0_flow.protocol.validation import ID_TOKEN_ALGORITHMS

#: What a visitor, or whoever made the link, could otherwise take rights from, or give them with.
_NOT_TO_FORWARD = RESERVED_PARAMETERS | frozenset(
    "scope audience resource authorization_details claims connection_scope".split()
)


def find_problems(setting: object, *, name: str = "default") -> Iterator[Problem]:
    """Yield every mistake in one configuration that can be seen without network."""
    where = "AUTH0" if name == "default" else f"AUTH0[{name!r}]"
    if not isinstance(setting, Mapping):
        hint = (
            'AUTH0 = {"DOMAIN": …, "CLIENT_ID": …, "CLIENT_SECRET": …}; all keys: django-auth0-flow, README, Settings.'
        )
        yield Problem("E001", f"{where} must be a dict.", hint)
        return
    wrong_type = set()
    for key, value in setting.items():
        if key not in KEYS:
            nearest = get_close_matches(str(key).upper(), KEYS, n=1)
            hint = f"Did you mean {nearest[0]}?" if nearest else f"Known keys: {', '.join(sorted(KEYS))}."
            yield Problem("E002", f"{where} has the unknown key {key!r}.", hint)
        elif (expected := KEYS[key](value)) is not None:
            wrong_type.add(key)
            yield Problem("E003", f"{where}[{key!r}] must be {expected}.")
    values = {key: value for key, value in setting.items() if key in KEYS and key not in wrong_type}
    yield from _issuer_problems(where, values)
    yield from _client_problems(where, values)
    yield from _duration_problems(where, values)
    yield from _address_problems(where, values)
    yield from _value_problems(where, values)
    yield from _direct_login_problems(where, values)
    yield from front_channel_problems(where, values)
    yield from audience_problems(where, values)
    yield from forwarding_problems(where, values)
    yield from rights_problems(where, values)
    yield from stronger_problems(where, values)


def _issuer_problems(where: str, values: Mapping[str, Any]) -> Iterator[Problem]:
    domain, issuer = values.get("DOMAIN"), values.get("ISSUER")
    if not domain and not issuer:
        yield Problem("E004", f"{where} needs DOMAIN.", "Auth0 Dashboard: Applications > (app) > Settings > Domain.")
    if domain and issuer:
        yield Problem(
            "E005", f"{where} has both DOMAIN and ISSUER.", "DOMAIN is for Auth0; ISSUER for any other provider."
        )
    if domain and (any(char in domain for char in "/:@?# ") or not domain.isascii() or "." not in domain):
        yield Problem(
            "E006",
            f"{where}['DOMAIN'] must be a bare host name.",
            "Without https:// and without a slash: example.eu.auth0.com",
        )
    if issuer and not is_acceptable_endpoint(issuer):
        yield Problem(
            "E007", f"{where}['ISSUER'] must be an https URL.", "Plain http is accepted for loopback addresses only."
        )
    elif issuer and (urlsplit(issuer).query or "/.well-known/" in issuer):
        yield Problem("E007", f"{where}['ISSUER'] must be the issuer itself, not an address below it.")


def _client_problems(where: str, values: Mapping[str, Any]) -> Iterator[Problem]:
    if not values.get("CLIENT_ID"):
        yield Problem(
            "E008", f"{where} needs CLIENT_ID.", "Auth0 Dashboard: Applications > (app) > Settings > Client ID."
        )
    yield from client_problems(where, values)
    scopes = {"['SCOPE']": values.get("SCOPE"), "['AUTHORIZATION_PARAMS']['scope']": _parameter(values, "scope")}
    for key, scope in scopes.items():
        if scope is not None and "openid" not in scope.split():
            yield Problem(
                "E011",
                f"{where}{key} must contain openid.",
                "Without it Auth0 issues no ID token, so nobody can log in.",
            )
    algorithm = values.get("ID_TOKEN_ALGORITHM", "RS256")
    if algorithm not in ID_TOKEN_ALGORITHMS:
        yield Problem("E012", f"{where}['ID_TOKEN_ALGORITHM'] must be one of {', '.join(ID_TOKEN_ALGORITHMS)}.")
    elif algorithm == "HS256" and not values.get("CLIENT_SECRET"):
        yield Problem("E012", f"{where}['ID_TOKEN_ALGORITHM'] HS256 needs CLIENT_SECRET, the key of the signature.")


#: Seconds: the default of that key, and what a refresh may take beyond it, for the database.
HTTP_TIMEOUT, LEASE_MARGIN = 10, 2


def _duration_problems(where: str, values: Mapping[str, Any]) -> Iterator[Problem]:
    for key in ("REFRESH_MARGIN", "REFRESH_WAIT", "LEEWAY"):
        if key in values and not 0 <= values[key] <= 3600:
            yield Problem("E013", f"{where}[{key!r}] must be between 0 and 3600 seconds.")
    if values.get("LEEWAY", 0) > 300:
        yield Problem("W001", f"{where}['LEEWAY'] is over 5 minutes.", "60 seconds is what Auth0 uses.", is_error=False)
    if "HTTP_TIMEOUT" in values and not 0 < values["HTTP_TIMEOUT"] <= 15:
        yield Problem("E013", f"{where}['HTTP_TIMEOUT'] must be over 0 and at most 15 seconds.")
    lease = values.get("HTTP_TIMEOUT", HTTP_TIMEOUT) + LEASE_MARGIN
    if values.get("REFRESH_WAIT", lease + 1) <= lease:
        yield Problem(
            "W038",
            f"{where}['REFRESH_WAIT'] is {values['REFRESH_WAIT']} seconds: after a worker was killed during a refresh, "
            f"requests answer 503 until {lease:g} seconds are over (HTTP_TIMEOUT and {LEASE_MARGIN}).",
            "Leave it out: by default it is long enough, and no request waits longer than the refresh lasts.",
            is_error=False,
        )


def _address_problems(where: str, values: Mapping[str, Any]) -> Iterator[Problem]:
    for origin in values.get("API_ORIGINS", ()):
        if not is_acceptable_endpoint(origin) or urlsplit(origin).path not in ("", "/") or urlsplit(origin).query:
            yield Problem(
                "E014",
                f"{where}['API_ORIGINS'] has {origin!r}, which is no https origin.",
                "Scheme, host and port only: https://api.example.com",
            )
    base_url = values.get("BASE_URL")
    if base_url and (not is_acceptable_endpoint(base_url) or urlsplit(base_url).path not in ("", "/")):
        yield Problem(
            "E015", f"{where}['BASE_URL'] must be an https origin.", "https://www.example.com (http only on loopback)"
        )
    yield from _api_origin_problems(where, values)


def _api_origin_problems(where: str, values: Mapping[str, Any]) -> Iterator[Problem]:
    key = "AUDIENCE" if values.get("AUDIENCE") else "RESOURCE"
    if not values.get(key) or "API_ORIGINS" in values:
        return
    origin = origin_of(values[key])
    if origin and not is_acceptable_endpoint(origin):
        yield Problem(
            "W030",
            f"{where}[{key!r}] is plain http, where no token goes, and API_ORIGINS is missing: request.auth0.api can't "
            "call anything.",
            "An Identifier may say http; the API itself is called at API_ORIGINS: ['https://api.example.com'].",
            is_error=False,
        )
    elif not origin and key == "AUDIENCE":
        yield Problem(
            "W002",
            f"{where}['AUDIENCE'] is no URL and API_ORIGINS is missing: request.auth0.api can't send its token anywhere.",
            "Add API_ORIGINS: ['https://api.example.com'].",
            is_error=False,
        )


def _value_problems(where: str, values: Mapping[str, Any]) -> Iterator[Problem]:
    reserved = sorted(RESERVED_PARAMETERS.intersection(values.get("AUTHORIZATION_PARAMS", {})))
    if reserved:
        yield Problem(
            "E016",
            f"{where}['AUTHORIZATION_PARAMS'] can't set {', '.join(reserved)}.",
            "The login flow sets these itself.",
        )
    if parse_max_age(values.get("AUTHORIZATION_PARAMS", {}).get("max_age", "0")) is None:
        yield Problem(
            "E016",
            f"{where}['AUTHORIZATION_PARAMS']['max_age'] must be a whole number of seconds.",
            "Anything else would never be checked.",
        )
    forbidden = sorted(_NOT_TO_FORWARD.intersection(values.get("FORWARDED_PARAMS", ())))
    if forbidden:
        yield Problem(
            "E016", f"{where}['FORWARDED_PARAMS'] can't contain {', '.join(forbidden)}.", "A visitor could choose them."
        )
    for key in values.get("ENCRYPTION_KEYS", ()):
        if len(key) < 32:
            yield Problem(
                "E017",
                f"{where}['ENCRYPTION_KEYS'] has a key under 32 characters.",
                "python -c 'import secrets; print(secrets.token_urlsafe(48))'",
            )
    if (values.get("GROUPS") or values.get("STAFF_GROUPS") or values.get("SUPERUSER_GROUPS")) and not values.get(
        "GROUPS_CLAIM"
    ):
        yield Problem(
            "E018", f"{where} maps groups but has no GROUPS_CLAIM.", "For example https://app.example.com/roles"
        )


def _direct_login_problems(where: str, values: Mapping[str, Any]) -> Iterator[Problem]:
    unknown = [kind for kind in values.get("PASSWORDLESS", ()) if kind not in PASSWORDLESS_KINDS]
    if unknown:
        yield Problem(
            "E026",
            f"{where}['PASSWORDLESS'] has the unknown {', '.join(map(repr, unknown))}.",
            f"Choose from {', '.join(PASSWORDLESS_KINDS)}.",
        )
    count = values.get("TRUSTED_PROXY_COUNT")
    if count is not None and not 0 <= count <= 20:
        yield Problem(
            "E027",
            f"{where}['TRUSTED_PROXY_COUNT'] must be the number of your own proxies in front of Django, 0 to 20.",
            "Each of them must add to X-Forwarded-For the address that it was called from.",
        )
    is_direct = values.get("PASSWORDLESS") or values.get("PASSWORD_REALM")
    if is_direct and client_auth_method(values) not in SECRET_METHODS:
        yield Problem(
            "W008",
            f"{where} lets visitors log in on this site, but its CLIENT_AUTH sends no client secret.",
            "Auth0 believes auth0-forwarded-for only from a client with a secret. Without it, all visitors share this "
            "server's address, and attack protection locks them out together.",
            is_error=False,
        )


def _parameter(values: Mapping[str, Any], name: str) -> str | None:
    found: str | None = values.get("AUTHORIZATION_PARAMS", {}).get(name)
    return found
