"""The keys of a configuration, the type of each, and what a problem is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.module_loading import import_string

from django_auth0_flow.protocol.authorization import kinds_of

_KEY_MEMBERS = frozenset(("key", "kid", "alg"))


def key_list(value: object) -> str | None:
    """Return what CLIENT_ASSERTION_KEYS must be, None if it is."""
    ok = isinstance(value, (list, tuple)) and all(_is_key_entry(entry) for entry in value)
    return None if ok else 'a list of {"key": PEM text or path, "kid": ..., "alg": ...}, newest first'


def certificate(value: object) -> str | None:
    """Return what CLIENT_CERTIFICATE must be, None if it is."""
    if isinstance(value, str):
        return None
    ok = isinstance(value, Mapping) and _are_texts(value) and "cert" in value and set(value) <= {"cert", "key"}
    return None if ok else 'the path of a PEM file, or {"cert": path, "key": path}'


def _is_key_entry(entry: object) -> bool:
    return isinstance(entry, Mapping) and _are_texts(entry) and "key" in entry and _KEY_MEMBERS.issuperset(entry)


def _are_texts(value: Mapping[Any, Any]) -> bool:
    return all(isinstance(text, str) for pair in value.items() for text in pair)


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


def callable_problem(where: str, value: object) -> Problem | None:
    """Return what is wrong with a setting that may be a dotted path: it must lead to something that can be called."""
    if not isinstance(value, str) or "." not in value:
        return None
    try:
        found = import_string(value)
    except ImportError:
        return Problem("E029", f"{where} names {value!r}, which can't be imported.")
    return None if callable(found) else Problem("E029", f"{where} names {value!r}, which can't be called.")


#: What ``PASSWORDLESS`` may list.
PASSWORDLESS_KINDS = ("email-code", "email-link", "sms")


def _text(value: object) -> str | None:
    return None if isinstance(value, str) else "a string"


def _flag(value: object) -> str | None:
    return None if isinstance(value, bool) else "True or False"


def _whole_seconds(value: object) -> str | None:
    return None if isinstance(value, int) and not isinstance(value, bool) else "a whole number of seconds"


def _seconds(value: object) -> str | None:
    return None if isinstance(value, (int, float)) and not isinstance(value, bool) else "a number of seconds"


def _texts(value: object) -> str | None:
    ok = isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)
    return None if ok else "a list of strings"


def _text_map(value: object) -> str | None:
    ok = isinstance(value, Mapping) and all(isinstance(text, str) for pair in value.items() for text in pair)
    return None if ok else "a dict of strings"


def _realm(value: object) -> str | None:
    ok = value is None or isinstance(value, (str, bool))
    return None if ok else "the name of a database connection, or True for the tenant's Default Directory"


def _proxy_count(value: object) -> str | None:
    ok = value is None or (isinstance(value, int) and not isinstance(value, bool))
    return None if ok else "a whole number, or None to tell the tenant no visitor's address"


def _organization(value: object) -> str | None:
    return None if callable(value) or isinstance(value, str) else "the id or name of an organization, or a callable"


def a_callable(value: object) -> str | None:
    return None if callable(value) or (isinstance(value, str) and "." in value) else "a callable or its dotted path"


#: Each key of a configuration, and what says of a value of the wrong type what is expected instead.
KEYS: dict[str, Callable[[object], str | None]] = {
    "DOMAIN": _text,
    "ISSUER": _text,
    "CLIENT_ID": _text,
    "CLIENT_SECRET": _text,
    "CLIENT_AUTH": _text,
    "AUDIENCE": _text,
    "SCOPE": _text,
    "API_ORIGINS": _texts,
    "REFRESH_MARGIN": _whole_seconds,
    "REFRESH_WAIT": _whole_seconds,
    "LEEWAY": _whole_seconds,
    "HTTP_TIMEOUT": _seconds,
    "BASE_URL": _text,
    "AUTHORIZATION_PARAMS": _text_map,
    "FORWARDED_PARAMS": _texts,
    "USER_FIELDS": _text_map,
    "GROUPS_CLAIM": _text,
    "GROUPS_SEPARATOR": _text,
    "GROUPS": _text_map,
    "STAFF_GROUPS": _texts,
    "SUPERUSER_GROUPS": _texts,
    "CREATE_USERS": _flag,
    "LINK_BY_VERIFIED_EMAIL": _flag,
    "ALLOWED_ORGANIZATIONS": _texts,
    "USERINFO": _flag,
    "ENCRYPTION_KEYS": _texts,
    "ID_TOKEN_ALGORITHM": _text,
    "FEDERATED_LOGOUT": _flag,
    "PASSWORDLESS": _texts,
    "PASSWORD_REALM": _realm,
    "TRUSTED_PROXY_COUNT": _proxy_count,
    "ORGANIZATION": _organization,
    "RESPONSE_TYPE": _text,
    "RESPONSE_MODE": _text,
    "RECHECK_SECONDS": _whole_seconds,
    "PUSHED_AUTHORIZATION": _flag,
    "SIGNED_REQUESTS": _flag,
    "CLIENT_ASSERTION_KEYS": key_list,
    "CLIENT_CERTIFICATE": certificate,
    "DPOP": _flag,
    "RESOURCE": _text,
    "RELEASE_CONNECTIONS": _flag,
    "CLOCK": a_callable,
}
