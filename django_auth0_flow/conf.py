"""``settings.AUTH0`` parsed once into frozen values; the only reader of our keys.

``AUTH0`` is one configuration, or several by name as ``DATABASES`` is: ``{"default": {...}, "partners": {...}}``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.http import HttpRequest
from django.utils.module_loading import import_string

from .problems import Problem, callable_problem
from .protocol.authorization import default_response_mode, kinds_of
from .protocol.client import Client
from .protocol.http import Http, build_session
from .protocol.issuer import Issuer, SharedCache
from .protocol.outbound import origin_of
from .settings_problems import KEYS, a_callable, find_problems
from .shared_cache import ForgivingCache
from .stronger import build_client_auth, build_key_ring, certificate_files, client_auth_method

DEFAULT = "default"
#: Beside several named configurations: a callable that takes the request and returns the name of the one to use.
CHOOSER = "CONFIGURATION_FOR"
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
    groups_separator: str = ""
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
    release_connections: bool = False
    clock: Callable[[], float] = time.time

    @property
    def api_audience(self) -> str:
        """The API that the login's own access token is for: ``audience``, else ``resource``; "" for neither."""
        return self.audience or self.resource


def configurations(setting: object) -> Mapping[str, object]:
    """Return the named configurations in the value of ``settings.AUTH0``; a plain one is called ``default``."""
    if not isinstance(setting, Mapping) or not setting or any(key in KEYS for key in setting):
        return {DEFAULT: setting}
    named = {name: value for name, value in setting.items() if name != CHOOSER}
    several = bool(named) and all(isinstance(value, Mapping) for value in named.values())
    return named if several else {DEFAULT: setting}


def find_chooser_problems(setting: object) -> Iterator[Problem]:
    """Yield what is wrong with ``CONFIGURATION_FOR``, which stands beside several named configurations."""
    if not isinstance(setting, Mapping):
        return
    if CHOOSER not in setting:
        if DEFAULT not in (named := configurations(setting)):
            names = ", ".join(map(repr, named))
            hint = f"Rename one of them, or choose by request with AUTH0[{CHOOSER!r}]."
            yield Problem("E033", f"AUTH0 has no configuration called {DEFAULT!r}; it has {names}.", hint)
        return
    if DEFAULT in configurations(setting).keys() - setting:
        return  # a plain configuration: its unknown keys are reported with it
    if (expected := a_callable(setting[CHOOSER])) is not None:
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


def readable_settings() -> Iterator[Auth0Settings]:
    """Yield every configuration that can be read."""
    for name in configuration_names():
        with suppress(ImproperlyConfigured):
            yield get_settings(name)


def names_of_client(name: str) -> list[str]:
    """Return the names of the configurations that are the same client of the same issuer as ``name``, itself included.

    What the tenant says to a client holds for all of them. A configuration that can't be read is left out.
    """
    conf = get_settings(name)
    same = (conf.issuer, conf.client_id)
    return [found.name for found in readable_settings() if (found.issuer, found.client_id) == same]


def unlinked_issuers() -> set[str] | None:
    """Return the issuers that nobody's verified e-mail address is taken from; None if no configuration links by one."""
    found = list(readable_settings())
    linked = {conf.issuer for conf in found if conf.link_by_verified_email}
    return {conf.issuer for conf in found} - linked if linked else None


def clear_caches(*, setting: str = "AUTH0", **kwargs: object) -> None:
    """Forget parsed settings and clients, so that ``override_settings(AUTH0=…)`` works."""
    if setting in ("AUTH0", "CACHES"):
        with _lock:
            _parsed.clear()
            _clients.clear()
        _chooser.cache_clear()


setting_changed.connect(clear_caches, dispatch_uid="auth0_flow_clear_caches")
