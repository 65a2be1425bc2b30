"""``settings.AUTH0`` parsed once into frozen values; the only reader of our keys.

``AUTH0`` is one configuration, or several by name as ``DATABASES`` is: ``{"default": {...}, "partners": {...}}``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.http import HttpRequest
from django.utils.module_loading import import_string

from .problems import Problem, callable_problem, front_channel_problems
from .protocol.authorization import RESERVED_PARAMETERS, default_response_mode, kinds_of
from .protocol.client import Client
from .protocol.http import Http, build_session
from .protocol.issuer import Issuer, SharedCache, is_acceptable_endpoint
from .protocol.outbound import origin_of
from .protocol.validation import ID_TOKEN_ALGORITHMS
from .shared_cache import ForgivingCache
from .stronger import (
    SECRET_METHODS,
    build_client_auth,
    build_key_ring,
    certificate,
    certificate_files,
    client_auth_method,
    client_problems,
    key_list,
    stronger_problems,
)

DEFAULT = "default"
#: Beside several named configurations: a callable that takes the request and returns the name of the one to use.
CHOOSER = "CONFIGURATION_FOR"
#: What ``PASSWORDLESS`` may list.
PASSWORDLESS_KINDS = ("email-code", "email-link", "sms")
_FORWARDED = ("organization", "invitation", "login_hint", "screen_hint", "ui_locales")


@dataclass(frozen=True)
class Auth0Settings:
    """One configuration. Durations in seconds; each field is a key of ``AUTH0`` in lower case."""

    name: str = DEFAULT
    domain: str = ""
    issuer: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    client_auth: str = "client_secret_post"
    audience: str = ""
    scope: str = "openid profile email"
    api_origins: tuple[str, ...] = ()
    refresh_margin: int = 60
    refresh_wait: int = 15
    leeway: int = 60
    http_timeout: float = 10
    base_url: str = ""
    authorization_params: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    forwarded_params: tuple[str, ...] = _FORWARDED
    user_fields: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType(
            {"email": "email", "first_name": "given_name", "last_name": "family_name"}
        )
    )
    groups_claim: str = ""
    groups: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    staff_groups: tuple[str, ...] = ()
    superuser_groups: tuple[str, ...] = ()
    create_users: bool = True
    link_by_verified_email: bool = False
    allowed_organizations: tuple[str, ...] = ()
    userinfo: bool = False
    encryption_keys: tuple[str, ...] = field(default=(), repr=False)
    id_token_algorithm: str = "RS256"
    federated_logout: bool = False
    passwordless: tuple[str, ...] = ()
    password_realm: str | bool = ""
    trusted_proxy_count: int | None = 0
    organization: str | Callable[[HttpRequest], str | None] = ""
    response_type: str = "code"
    response_mode: str = "query"
    recheck_seconds: int = 0
    pushed_authorization: bool = False
    signed_requests: bool = False
    client_assertion_keys: tuple[Mapping[str, str], ...] = field(default=(), repr=False)
    client_certificate: str | Mapping[str, str] = ""
    dpop: bool = False
    resource: str = ""
    clock: Callable[[], float] = time.time

    @property
    def api_audience(self) -> str:
        """The API that the login's own access token is for: ``audience``, else ``resource``; "" for neither."""
        return self.audience or self.resource


def configurations(setting: object) -> Mapping[str, object]:
    """Return the named configurations in the value of ``settings.AUTH0``; a plain one is called ``default``."""
    if not isinstance(setting, Mapping) or not setting or any(key in _KEYS for key in setting):
        return {DEFAULT: setting}
    named = {name: value for name, value in setting.items() if name != CHOOSER}
    several = bool(named) and all(isinstance(value, Mapping) for value in named.values())
    return named if several else {DEFAULT: setting}


def find_chooser_problems(setting: object) -> Iterator[Problem]:
    """Yield what is wrong with ``CONFIGURATION_FOR``, which stands beside several named configurations."""
    if not isinstance(setting, Mapping) or CHOOSER not in setting:
        return
    if DEFAULT in configurations(setting).keys() - setting:
        return  # a plain configuration: its unknown keys are reported with it
    if (expected := _callable(setting[CHOOSER])) is not None:
        yield Problem("E032", f"AUTH0[{CHOOSER!r}] must be {expected}.", "It takes the request and returns a name.")
    elif (found := callable_problem(f"AUTH0[{CHOOSER!r}]", setting[CHOOSER])) is not None:
        yield found


@cache
def _chooser() -> Callable[[HttpRequest], str | None] | None:
    setting = getattr(django_settings, "AUTH0", None)
    if not isinstance(setting, Mapping) or CHOOSER not in setting:
        return None
    for problem in find_chooser_problems(setting):
        raise ImproperlyConfigured(problem.message)
    found = setting[CHOOSER]
    chooser: Callable[[HttpRequest], str | None] = import_string(found) if isinstance(found, str) else found
    return chooser


def chosen_configuration(request: HttpRequest) -> str | None:
    """Return the name that ``CONFIGURATION_FOR`` gives this request; None without that setting.

    Its None means the default configuration.
    """
    chooser = _chooser()
    return None if chooser is None else chooser(request) or DEFAULT


def configuration_for(request: HttpRequest) -> str:
    """Return the name of the configuration that a login of this request starts with."""
    return chosen_configuration(request) or DEFAULT


def find_problems(setting: object, *, name: str = DEFAULT) -> Iterator[Problem]:
    """Yield every mistake in one configuration that can be seen without network."""
    where = "AUTH0" if name == DEFAULT else f"AUTH0[{name!r}]"
    if not isinstance(setting, Mapping):
        yield Problem("E001", f"{where} must be a dict.", "See the settings table of django-auth0-flow's README.")
        return
    wrong_type = set()
    for key, value in setting.items():
        if key not in _KEYS:
            nearest = get_close_matches(str(key).upper(), _KEYS, n=1)
            hint = f"Did you mean {nearest[0]}?" if nearest else f"Known keys: {', '.join(sorted(_KEYS))}."
            yield Problem("E002", f"{where} has the unknown key {key!r}.", hint)
        elif (expected := _KEYS[key](value)) is not None:
            wrong_type.add(key)
            yield Problem("E003", f"{where}[{key!r}] must be {expected}.")
    values = {key: value for key, value in setting.items() if key in _KEYS and key not in wrong_type}
    yield from _issuer_problems(where, values)
    yield from _client_problems(where, values)
    yield from _duration_problems(where, values)
    yield from _address_problems(where, values)
    yield from _value_problems(where, values)
    yield from _direct_login_problems(where, values)
    yield from front_channel_problems(where, values)
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
    if "openid" not in values.get("SCOPE", "openid").split():
        yield Problem(
            "E011",
            f"{where}['SCOPE'] must contain openid.",
            "Without it Auth0 issues no ID token, so nobody can log in.",
        )
    algorithm = values.get("ID_TOKEN_ALGORITHM", "RS256")
    if algorithm not in ID_TOKEN_ALGORITHMS:
        yield Problem("E012", f"{where}['ID_TOKEN_ALGORITHM'] must be one of {', '.join(ID_TOKEN_ALGORITHMS)}.")
    elif algorithm == "HS256" and not values.get("CLIENT_SECRET"):
        yield Problem("E012", f"{where}['ID_TOKEN_ALGORITHM'] HS256 needs CLIENT_SECRET, the key of the signature.")


def _duration_problems(where: str, values: Mapping[str, Any]) -> Iterator[Problem]:
    for key in ("REFRESH_MARGIN", "REFRESH_WAIT", "LEEWAY"):
        if key in values and not 0 <= values[key] <= 3600:
            yield Problem("E013", f"{where}[{key!r}] must be between 0 and 3600 seconds.")
    if values.get("LEEWAY", 0) > 300:
        yield Problem("W001", f"{where}['LEEWAY'] is over 5 minutes.", "60 seconds is what Auth0 uses.", is_error=False)
    if "HTTP_TIMEOUT" in values and not 0 < values["HTTP_TIMEOUT"] <= 15:
        yield Problem("E013", f"{where}['HTTP_TIMEOUT'] must be over 0 and at most 15 seconds.")


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
    if values.get("AUDIENCE") and "API_ORIGINS" not in values and not origin_of(values["AUDIENCE"]):
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
    forbidden = sorted((RESERVED_PARAMETERS | {"scope", "audience"}).intersection(values.get("FORWARDED_PARAMS", ())))
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


def _callable(value: object) -> str | None:
    return None if callable(value) or (isinstance(value, str) and "." in value) else "a callable or its dotted path"


_KEYS: dict[str, Callable[[object], str | None]] = {
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
    "CLOCK": _callable,
}


def _frozen(value: object) -> object:
    if isinstance(value, list):
        return tuple(value)
    return MappingProxyType(dict(value)) if isinstance(value, Mapping) else value


def parse_settings(setting: object, name: str = DEFAULT) -> Auth0Settings:
    """Return one configuration as frozen values. Raises ImproperlyConfigured with its first problem."""
    for problem in find_problems(setting, name=name):
        if problem.is_error:
            raise ImproperlyConfigured(f"{problem.message} {problem.hint}".strip())
    values: dict[str, Any] = {key.lower(): _frozen(value) for key, value in dict(setting).items()}  # type: ignore[call-overload]  # E001 found no fault
    for key in ("clock", "organization"):
        # An organization's id or name has no dot.
        if isinstance(found := values.get(key), str) and "." in found:
            values[key] = import_string(found)
    values.setdefault("response_mode", default_response_mode(kinds_of(values.get("response_type", "code"))))
    if values.get("domain") and not values.get("issuer"):
        values["issuer"] = f"https://{values['domain'].lower()}/"
    values["client_auth"] = client_auth_method(dict(setting))  # type: ignore[call-overload]  # as above
    if "api_origins" not in values and (api := values.get("audience") or values.get("resource")):
        origin = origin_of(api)
        values["api_origins"] = (origin,) if origin else ()
    values["password_realm"] = values.get("password_realm") or ""
    if values.get("base_url"):
        values["base_url"] = values["base_url"].rstrip("/")
    return Auth0Settings(name=name, **values)


_lock = threading.RLock()
_parsed: dict[str, Auth0Settings] = {}
_clients: dict[str, Client] = {}


def get_settings(name: str = DEFAULT) -> Auth0Settings:
    """Return the configuration called ``name``. Raises ImproperlyConfigured when it is missing or wrong."""
    conf = _parsed.get(name)
    if conf is None:
        with _lock:
            conf = _parsed[name] = _load_settings(name)
    return conf


def get_client(name: str = DEFAULT) -> Client:
    """Return the one protocol client of a configuration: it holds the cached metadata, keys and connections."""
    client = _clients.get(name)
    if client is None:
        with _lock:
            client = _clients.get(name) or _build_client(name)
            _clients[name] = client
    return client


def _load_settings(name: str) -> Auth0Settings:
    found = configurations(getattr(django_settings, "AUTH0", None))
    if name not in found:
        raise ImproperlyConfigured(f"AUTH0 has no configuration called {name!r}; it has {', '.join(map(repr, found))}.")
    return parse_settings(found[name], name)


def _build_client(name: str) -> Client:
    conf = get_settings(name)
    return _client_builders[-1](conf)


def build_shared_client(conf: Auth0Settings) -> Client:
    """Return the client that the processes of a site use: real network, metadata and keys shared by Django's cache."""
    return build_client(conf, http=Http(**http_options(conf)), cache=ForgivingCache())


_client_builders: list[Callable[[Auth0Settings], Client]] = [build_shared_client]


def push_client_builder(build: Callable[[Auth0Settings], Client]) -> None:
    """Let ``build`` make the clients of this process from now on, in place of ``build_shared_client``. For tests."""
    with _lock:
        _client_builders.append(build)
        _clients.clear()


def remove_client_builder(build: Callable[[Auth0Settings], Client]) -> None:
    """Undo one ``push_client_builder`` of ``build``."""
    with _lock:
        _client_builders.remove(build)
        _clients.clear()


def http_options(conf: Auth0Settings) -> dict[str, Any]:
    """Return what ``Http`` needs for a configuration."""
    return {"timeout": conf.http_timeout, "session": build_session(certificate_files(conf.client_certificate))}


def build_client(conf: Auth0Settings, *, http: Http, cache: SharedCache | None) -> Client:
    """Return a protocol client of its own; without ``cache`` it asks the tenant itself for metadata and keys."""
    keys = build_key_ring(conf.client_assertion_keys)
    return Client(
        issuer=Issuer(conf.issuer, http=http, cache=cache, mtls=bool(conf.client_certificate)),
        client_id=conf.client_id,
        auth=build_client_auth(conf.client_auth, conf.client_id, conf.client_secret, keys, conf.clock),
        http=http,
        clock=conf.clock,
        leeway=conf.leeway,
        id_token_algorithm=conf.id_token_algorithm,
        client_secret=conf.client_secret or None,
        keys=keys,
        push_requests=conf.pushed_authorization,
        sign_requests=conf.signed_requests,
        dpop=conf.dpop,
        resource=conf.resource,
    )


def configuration_names() -> list[str]:
    """Return the names of all configurations."""
    return list(configurations(getattr(django_settings, "AUTH0", None)))


def names_of_client(name: str) -> list[str]:
    """Return the names of the configurations that are the same client of the same issuer as ``name``, itself included.

    What the tenant says to a client holds for all of them. A configuration that can't be read is left out.
    """
    conf, names = get_settings(name), []
    for other in configuration_names():
        try:
            found = get_settings(other)
        except ImproperlyConfigured:
            continue
        if (found.issuer, found.client_id) == (conf.issuer, conf.client_id):
            names.append(other)
    return names


def clear_caches(*, setting: str = "AUTH0", **kwargs: object) -> None:
    """Forget parsed settings and clients, so that ``override_settings(AUTH0=…)`` works."""
    if setting in ("AUTH0", "CACHES"):
        with _lock:
            _parsed.clear()
            _clients.clear()
        _chooser.cache_clear()


setting_changed.connect(clear_caches, dispatch_uid="auth0_flow_clear_caches")
