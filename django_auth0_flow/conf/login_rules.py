"""What can be wrong with the settings that decide how people log in, and what a login gives them."""

from __future__ import annotations

from collections.abc import Iterator

from django_auth0_flow.conf.problems import Problem, path_problem
from django_auth0_flow.conf.settings import Auth0Settings
from django_auth0_flow.protocol.authorization import (
    RESERVED_PARAMETERS,
    RESPONSE_TYPES,
    kinds_of,
    parse_max_age,
    response_modes,
)
from django_auth0_flow.protocol.passwordless_channels import CHANNELS

#: What ``SIGN_UP_FIELDS`` may list: what people can log in with, the best first, and what they are called.
SIGN_UP_IDENTIFIERS = ("email", "phone_number", "username")
SIGN_UP_NAMES = ("given_name", "family_name", "name", "nickname")

#: Parameters that decide what a token may do: a visitor could choose them, or the author of a link.
_NOT_TO_FORWARD = RESERVED_PARAMETERS | frozenset(
    "scope audience resource authorization_details claims connection_scope".split()
)

#: What a view or the site demands of a login; a visitor who may choose it can ask for less.
_DEMANDS = frozenset(("acr_values", "max_age"))

#: Parameters that a site may set in AUTHORIZATION_PARAMS as a demand of its own; a visitor could then undo it.
_SITE_CHOICES = frozenset(("prompt", "connection"))

#: Fields of Django's user models that are kept by Django itself, or identify the row; and those that give rights.
_NOT_FROM_CLAIMS = frozenset("password groups user_permissions last_login id pk".split())

_FLAGS = frozenset("is_superuser is_staff is_active".split())

#: Claims that are one text with spaces between. RFC 6749 §3.3; the latter is Microsoft's and Okta's.
_TEXT_CLAIMS = ("scope", "scp")

_RIGHTS = (
    "Rights come by STAFF_GROUPS, SUPERUSER_GROUPS and GROUPS, which take them away as well; who may log in is decided by "
    "Auth0Backend.is_allowed."
)


def _response_problems(conf: Auth0Settings) -> Iterator[Problem]:
    kinds = conf.response_kinds
    if kinds == {"token"}:
        text = "'token' can't log anyone in: it brings no ID token."
        hint = "Choose 'id_token', and mark views that need the access token: @auth0_login_required(access_token=True)."
        yield Problem("E030", "RESPONSE_TYPE", text, hint)
        return
    if kinds not in map(kinds_of, RESPONSE_TYPES):
        yield Problem("E030", "RESPONSE_TYPE", f"must be one of {', '.join(map(repr, RESPONSE_TYPES))}.")
        return
    modes = response_modes(kinds)
    if conf.response_mode not in modes:
        text = f"must be one of {', '.join(map(repr, modes))} for this RESPONSE_TYPE."
        hint = "Tokens never travel in a query, and a code needs no script to carry it."
        yield Problem("E031", "RESPONSE_MODE", text, hint)
    if "token" in kinds:
        text = "lets an access token travel through the browser's address bar."
        hint = "RFC 9700 §2.1.2 advises against it: access tokens from /authorize leak and can be replayed. Use 'code'."
        yield Problem("W011", "RESPONSE_TYPE", text, hint)
    elif kinds == {"id_token"} and (conf.audience or (conf.api_origins and "API_ORIGINS" in conf.given)):
        yield Problem(
            "W012",
            "RESPONSE_TYPE",
            "'id_token' brings no access token: request.auth0.api can't call anything.",
            "Use 'code', or leave AUDIENCE and API_ORIGINS out. Views marked @auth0_login_required(access_token=True) "
            "fetch a short-lived one through the browser.",
        )
    if "code" not in kinds and "offline_access" in conf.scope.split():
        text = "asks for offline_access, but Auth0 gives no refresh token without a code."
        hint = "Use RESPONSE_TYPE 'code', or leave offline_access out."
        yield Problem("W013", "SCOPE", text, hint)


def _choice_problems(conf: Auth0Settings) -> Iterator[Problem]:
    for key in ("ORGANIZATION", "CLOCK"):
        if (found := path_problem(key, getattr(conf, key.lower()))) is not None:
            yield found
    if conf.recheck_seconds and not 60 <= conf.recheck_seconds <= 30 * 86400:
        hint = "Each check is a round trip of the visitor's browser to the tenant."
        yield Problem("E028", "RECHECK_SECONDS", "must be 0 (off) or between 60 seconds and 30 days.", hint)


def _embedded_problems(conf: Auth0Settings) -> Iterator[Problem]:
    if unknown := [kind for kind in conf.passwordless if kind not in CHANNELS]:
        hint = f"Choose from {', '.join(CHANNELS)}."
        yield Problem("E026", "PASSWORDLESS", f"has unknown entries: {', '.join(map(repr, unknown))}.", hint)
    yield from _sign_up_problems(conf)
    if conf.trusted_proxy_count is not None and not 0 <= conf.trusted_proxy_count <= 20:
        hint = "Each of them must add to X-Forwarded-For the address that it was called from."
        text = "must be the number of your own proxies in front of Django, 0 to 20."
        yield Problem("E027", "TRUSTED_PROXY_COUNT", text, hint)
    if conf.has_embedded_logins and conf.organization:
        text = "is set, and logins on this site's own pages can't belong to an organization."
        hint = "Auth0 knows organizations at its own login page only: PASSWORDLESS and PASSWORD_REALM logins have none."
        yield Problem("W010", "ORGANIZATION", text, hint)
    if conf.has_embedded_logins and conf.authorization_params.get("acr_values", "").split():
        yield Problem(
            "W026",
            "AUTHORIZATION_PARAMS",
            "demands acr_values, and logins on this site can't satisfy them.",
            "Auth0 names acr and amr after a login on its own page only: PASSWORDLESS and PASSWORD_REALM logins are "
            "refused. Drop them, or ask per view: @auth0_login_required(acr_values=...).",
        )


def _sign_up_problems(conf: Auth0Settings) -> Iterator[Problem]:
    fields = conf.sign_up_fields
    if unknown := [name for name in fields if name not in (*SIGN_UP_IDENTIFIERS, *SIGN_UP_NAMES)]:
        hint = f"Choose from {', '.join((*SIGN_UP_IDENTIFIERS, *SIGN_UP_NAMES))}."
        yield Problem("E034", "SIGN_UP_FIELDS", f"has unknown entries: {', '.join(map(repr, unknown))}.", hint)
    if fields and not set(fields) & set(SIGN_UP_IDENTIFIERS):
        hint = f"Name one of {', '.join(SIGN_UP_IDENTIFIERS)}, as the connection wants it."
        yield Problem("E034", "SIGN_UP_FIELDS", "asks for nothing that people could log in with.", hint)
    if fields and not conf.database_connection:
        hint = "Auth0 makes accounts in a connection that is named: True, the Default Directory, is none."
        yield Problem("E034", "SIGN_UP_FIELDS", "needs the name of a database connection in PASSWORD_REALM.", hint)
    if fields and not conf.create_users:
        hint = "CREATE_USERS is False: only people who are known already get in. Drop SIGN_UP_FIELDS."
        yield Problem("W014", "SIGN_UP_FIELDS", "lets people make accounts that can't log in here.", hint)


def _connected_problems(conf: Auth0Settings) -> Iterator[Problem]:
    scope = conf.authorization_params.get("scope", conf.scope).split()
    if conf.connected_accounts and ("offline_access" not in scope or "code" not in conf.response_kinds):
        hint = (
            "Ask for offline_access, with RESPONSE_TYPE 'code': the tenant exchanges it for the other services' tokens."
        )
        yield Problem("W039", "CONNECTED_ACCOUNTS", "needs logins with a refresh token.", hint)


def _parameter_problems(conf: Auth0Settings) -> Iterator[Problem]:
    fixed, forwarded = conf.authorization_params, frozenset(conf.forwarded_params)
    if reserved := sorted(RESERVED_PARAMETERS & fixed.keys()):
        hint = "The login flow sets these itself."
        yield Problem("E016", "AUTHORIZATION_PARAMS", f"can't set {', '.join(reserved)}.", hint)
    if parse_max_age(fixed.get("max_age", "0")) is None:
        hint = "Anything else would never be checked."
        yield Problem("E016", "AUTHORIZATION_PARAMS", "must have a whole number of seconds as max_age.", hint)
    if forbidden := sorted(_NOT_TO_FORWARD & forwarded):
        yield Problem(
            "E016", "FORWARDED_PARAMS", f"can't contain {', '.join(forbidden)}.", "A visitor could choose them."
        )
    for key, scope in (("SCOPE", conf.scope), ("AUTHORIZATION_PARAMS", fixed.get("scope"))):
        if scope is not None and "openid" not in scope.split():
            hint = "Without it Auth0 issues no ID token, so no one can log in."
            yield Problem("E011", key, "must ask for the scope openid.", hint)
    # Where AUTHORIZATION_PARAMS makes a demand itself, a visitor can only make it stricter.
    if weakened := sorted(forwarded & ((_DEMANDS - fixed.keys()) | (_SITE_CHOICES & fixed.keys()))):
        yield Problem(
            "W032",
            "FORWARDED_PARAMS",
            f"lets a visitor choose {', '.join(weakened)}.",
            "A visitor, or the author of a link, can leave it out or ask for less: a view that needs it says so itself, "
            "auth0_login_required(max_age=…, acr_values=…).",
        )


def not_from_claims(text: str) -> Problem:
    """Return the problem of a user field that gives rights, or identifies the user, and would be filled from a claim."""
    return Problem("E052", "USER_FIELDS", f"must not fill {text}: it is no part of a profile.", _RIGHTS)


def _user_problems(conf: Auth0Settings) -> Iterator[Problem]:
    for name in conf.user_fields:
        if name in _NOT_FROM_CLAIMS:
            yield not_from_claims(repr(name))
        elif name in _FLAGS:
            text = f"fills {name!r}: anyone who can change that claim gives rights here."
            yield Problem("W037", "USER_FIELDS", text, _RIGHTS)


def _group_problems(conf: Auth0Settings) -> Iterator[Problem]:
    named, separator = {*conf.groups, *conf.staff_groups, *conf.superuser_groups}, conf.groups_separator
    if named and not conf.groups_claim:
        yield Problem("E018", "", "maps groups but has no GROUPS_CLAIM.", "For example https://app.example.com/roles")
    if conf.groups_claim in _TEXT_CLAIMS and not separator:
        text = f"is {conf.groups_claim!r}, a text of values with spaces between, which counts as one group."
        yield Problem("W036", "GROUPS_CLAIM", text, "Set GROUPS_SEPARATOR to ' ' to have it split.")
    if cut := sorted(name for name in named if separator and separator in name):
        text = f"is part of {', '.join(map(repr, cut))}, which no claim can then give."
        hint = "Choose a separator that is in no group's name, or let the tenant send a list."
        yield Problem("W036", "GROUPS_SEPARATOR", text, hint)


LOGIN_RULES = (
    _response_problems,
    _choice_problems,
    _embedded_problems,
    _connected_problems,
    _parameter_problems,
    _user_problems,
    _group_problems,
)
