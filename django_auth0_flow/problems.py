"""Mistakes in ``AUTH0`` that can be seen without network: what a problem is, and those of the front channel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.module_loading import import_string

from .protocol.authorization import RESPONSE_TYPES, default_response_mode, kinds_of, response_modes

#: Settings that name a callable by its dotted path, or are one.
_CALLABLES = ("ORGANIZATION", "CLOCK")


@dataclass(frozen=True)
class Problem:
    """One mistake in ``AUTH0``: the id of the system check that reports it, words, and a hint."""

    id: str
    message: str
    hint: str = ""
    is_error: bool = True


def needs_token_endpoint(values: Mapping[str, Any]) -> bool:
    """Tell whether any login of this configuration asks the token endpoint, for which a client has credentials."""
    is_direct = values.get("PASSWORDLESS") or values.get("PASSWORD_REALM")
    return bool(is_direct) or "code" in kinds_of(values.get("RESPONSE_TYPE", "code"))


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


def callable_problem(where: str, value: object) -> Problem | None:
    """Return what is wrong with a setting that may be a dotted path: it must lead to something that can be called."""
    if not isinstance(value, str) or "." not in value:
        return None
    try:
        found = import_string(value)
    except ImportError:
        return Problem("E029", f"{where} names {value!r}, which can't be imported.")
    return None if callable(found) else Problem("E029", f"{where} names {value!r}, which can't be called.")


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
