"""What can be wrong with the settings that decide how people log in, and what a login gives them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django_auth0_flow.conf.keys import Problem, callable_problem
from django_auth0_flow.protocol.authorization import RESPONSE_TYPES, default_response_mode, kinds_of, response_modes

#: Settings that name a callable by its dotted path, or are one.
_CALLABLES = ("ORGANIZATION", "CLOCK")

#: What a view or the site demands of a login. Who chooses the request can weaken it.
_DEMANDS = frozenset(("acr_values", "max_age"))

#: Further parameters that a site sets to be sure of something.
_PINS = frozenset(("prompt", "connection"))

#: Fields of Django's user models that are kept by Django itself, or identify the row; and those that give rights.
_NOT_FROM_CLAIMS = frozenset("password groups user_permissions last_login id pk".split())

_FLAGS = frozenset("is_superuser is_staff is_active".split())

#: Claims that are one text with spaces between. RFC 6749 §3.3; the latter is Microsoft's and Okta's.
_TEXT_CLAIMS = ("scope", "scp")


def front_channel_problems(where: str, values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with ORGANIZATION, RESPONSE_TYPE, RESPONSE_MODE and RECHECK_SECONDS."""
    yield from _response_problems(where, values)
    for key in _CALLABLES:
        if (found := callable_problem(f"{where}[{key!r}]", values.get(key))) is not None:
            yield found
    if values.get("ORGANIZATION") and (values.get("PASSWORDLESS") or values.get("PASSWORD_REALM")):
        yield Problem(
            "W010",
            f"{where} has an ORGANIZATION, and logins on this site that can't belong to one.",
            "Auth0 knows organizations at its own login page only: PASSWORDLESS and PASSWORD_REALM logins have none.",
            is_error=False,
        )
    if values.get("AUTHORIZATION_PARAMS", {}).get("acr_values", "").split() and (
        values.get("PASSWORDLESS") or values.get("PASSWORD_REALM")
    ):
        yield Problem(
            "W026",
            f"{where}['AUTHORIZATION_PARAMS'] demands acr_values, and logins on this site that can't satisfy them.",
            "Auth0 names acr and amr after a login on its own page only: PASSWORDLESS and PASSWORD_REALM logins are "
            "refused. Drop them, or ask per view: @auth0_login_required(acr_values=...).",
            is_error=False,
        )
    seconds = values.get("RECHECK_SECONDS", 0)
    if seconds and not 60 <= seconds <= 30 * 86400:
        yield Problem(
            "E028",
            f"{where}['RECHECK_SECONDS'] must be 0 (off) or between 60 seconds and 30 days.",
            "Each check is a round trip of the visitor's browser to the tenant.",
        )


def _response_problems(where: str, values: Mapping[str, Any]) -> Iterator[Problem]:
    kinds = kinds_of(values.get("RESPONSE_TYPE", "code"))
    if kinds == {"token"}:
        yield Problem(
            "E030",
            f"{where}['RESPONSE_TYPE'] 'token' can't log anybody in: it brings no ID token.",
            "Choose 'id_token', and mark views that need the access token: @auth0_login_required(access_token=True).",
        )
        return
    if kinds not in map(kinds_of, RESPONSE_TYPES):
        yield Problem("E030", f"{where}['RESPONSE_TYPE'] must be one of {', '.join(map(repr, RESPONSE_TYPES))}.")
        return
    modes = response_modes(kinds)
    if values.get("RESPONSE_MODE", default_response_mode(kinds)) not in modes:
        yield Problem(
            "E031",
            f"{where}['RESPONSE_MODE'] must be one of {', '.join(map(repr, modes))} for this RESPONSE_TYPE.",
            "Tokens never travel in a query, and a code needs no script to carry it.",
        )
    yield from _implicit_warnings(where, values, kinds)


def _implicit_warnings(where: str, values: Mapping[str, Any], kinds: frozenset[str]) -> Iterator[Problem]:
    if "token" in kinds:
        yield Problem(
            "W011",
            f"{where}['RESPONSE_TYPE'] lets an access token travel through the browser's address bar.",
            "RFC 9700 §2.1.2 advises against it: access tokens from /authorize leak and can be replayed. Use 'code'.",
            is_error=False,
        )
    elif kinds == {"id_token"} and (values.get("AUDIENCE") or values.get("API_ORIGINS")):
        yield Problem(
            "W012",
            f"{where}['RESPONSE_TYPE'] 'id_token' brings no access token: request.auth0.api can't call anything.",
            "Use 'code', or leave AUDIENCE and API_ORIGINS out. Views marked @auth0_login_required(access_token=True) "
            "fetch a short-lived one through the browser.",
            is_error=False,
        )
    if "code" not in kinds and "offline_access" in values.get("SCOPE", "").split():
        yield Problem(
            "W013",
            f"{where}['SCOPE'] asks for offline_access, but Auth0 gives no refresh token without a code.",
            "Use RESPONSE_TYPE 'code', or leave offline_access out.",
            is_error=False,
        )


def client_as_audience(what: str) -> Problem:
    """Return the problem of an audience that is a client id: ID tokens are issued for it."""
    return Problem(
        "E050",
        f"{what}: every ID token would have the audience of an access token.",
        "It is the API's Identifier, Auth0 Dashboard: Applications > APIs > (API) > Settings. Leave it out without an API.",
    )


def not_from_claims(what: str) -> Problem:
    """Return the problem of a user field that gives rights, or identifies the user, and would be filled from a claim."""
    return Problem(
        "E052",
        f"{what}: it is no part of a profile.",
        "Rights come by STAFF_GROUPS, SUPERUSER_GROUPS and GROUPS, which take them away as well; who may log in is "
        "Auth0Backend.is_allowed's to say.",
    )


def audience_problems(where: str, values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with the API that access tokens are asked for, and taken for."""
    client_id, parameters = values.get("CLIENT_ID"), values.get("AUTHORIZATION_PARAMS", {})
    for key, found in (
        ("['AUDIENCE']", values.get("AUDIENCE")),
        ("['RESOURCE']", values.get("RESOURCE")),
        *((f"['AUTHORIZATION_PARAMS'][{name!r}]", parameters.get(name)) for name in ("audience", "resource")),
    ):
        if client_id and found == client_id:
            yield client_as_audience(f"{where}{key} is the CLIENT_ID")
    for name in ("audience", "resource"):
        if name in parameters and parameters[name] != values.get(name.upper()):
            yield Problem(
                "W031",
                f"{where}['AUTHORIZATION_PARAMS'] sets {name}: tokens are then for an API that this site does not know of.",
                f"Set {where}[{name.upper()!r}] instead: it goes with every request too.",
                is_error=False,
            )


def forwarding_problems(where: str, values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield which demands of the site FORWARDED_PARAMS lets a visitor, or whoever made the link, weaken."""
    forwarded, fixed = frozenset(values.get("FORWARDED_PARAMS", ())), values.get("AUTHORIZATION_PARAMS", {})
    # What AUTHORIZATION_PARAMS demands itself, a visitor may only sharpen.
    weakened = sorted(forwarded & ((_DEMANDS - fixed.keys()) | (_PINS & fixed.keys())))
    if weakened:
        yield Problem(
            "W032",
            f"{where}['FORWARDED_PARAMS'] lets a visitor choose {', '.join(weakened)}.",
            "Whoever chooses it can leave it out, or ask for less: a view that needs it says so itself, "
            "auth0_login_required(max_age=…, acr_values=…).",
            is_error=False,
        )


def rights_problems(where: str, values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with how claims become rights: USER_FIELDS, and the text of GROUPS_CLAIM."""
    for name in values.get("USER_FIELDS", {}):
        if name in _NOT_FROM_CLAIMS:
            yield not_from_claims(f"{where}['USER_FIELDS'] must not fill {name!r}")
        elif name in _FLAGS:
            yield Problem(
                "W037",
                f"{where}['USER_FIELDS'] fills {name!r}: whoever can change that claim gives rights here.",
                "Rights come by STAFF_GROUPS and SUPERUSER_GROUPS, which take them away as well; who may log in is "
                "Auth0Backend.is_allowed's to say.",
                is_error=False,
            )
    separator, claim = values.get("GROUPS_SEPARATOR", ""), values.get("GROUPS_CLAIM", "")
    if claim in _TEXT_CLAIMS and not separator:
        yield Problem(
            "W036",
            f"{where}['GROUPS_CLAIM'] is {claim!r}, one text with spaces between, and text is one group.",
            f"Set {where}['GROUPS_SEPARATOR'] to ' ' to have it split.",
            is_error=False,
        )
    named = (*values.get("GROUPS", {}), *values.get("STAFF_GROUPS", ()), *values.get("SUPERUSER_GROUPS", ()))
    cut = sorted({name for name in named if separator and separator in name})
    if cut:
        yield Problem(
            "W036",
            f"{where}['GROUPS_SEPARATOR'] stands in {', '.join(map(repr, cut))}, which no text then gives.",
            "Choose a separator that is in no group's name, or let the tenant send a list.",
            is_error=False,
        )
