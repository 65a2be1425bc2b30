"""Which configurations there are, which one a request is for, and their settings and clients, made once per process.

``AUTH0`` is one configuration, or several by name as ``DATABASES`` is: ``{"default": {...}, "partners": {...}}``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.http import HttpRequest

from django_auth0_flow.conf.parsing import parse_settings
from django_auth0_flow.conf.problems import Problem, path_problem
from django_auth0_flow.conf.setting_types import is_callable_or_path
from django_auth0_flow.conf.settings import (
    DEFAULT,
    SETTINGS,
    Auth0Settings,
    build_settings,
    imported,
)

if TYPE_CHECKING:
    from django_auth0_flow.protocol.client import Client

#: Beside several named configurations: a callable that takes the request and returns the name of the one to use.
CHOOSER = "CONFIGURATION_FOR"


def configurations(setting: object) -> Mapping[str, object]:
    """Return the named configurations in the value of ``settings.AUTH0``; a plain one is called ``default``."""
    if not isinstance(setting, Mapping) or not setting or any(key in SETTINGS for key in setting):
        return {DEFAULT: setting}
    named = {name: value for name, value in setting.items() if name != CHOOSER}
    several = bool(named) and all(isinstance(value, Mapping) for value in named.values())
    return named if several else {DEFAULT: setting}


def _configured() -> Mapping[str, object]:
    return configurations(getattr(django_settings, "AUTH0", None))


def find_chooser_problems(setting: object) -> Iterator[Problem]:
    """Yield what is wrong with ``CONFIGURATION_FOR``, which belongs beside several named configurations."""
    if not isinstance(setting, Mapping):
        return
    named = configurations(setting)
    if CHOOSER not in setting:
        if DEFAULT not in named:
            text = f"has no configuration called {DEFAULT!r}; it has {', '.join(map(repr, named))}."
            yield Problem("E033", "", text, f"Rename one of them, or choose by request with AUTH0[{CHOOSER!r}].")
    elif DEFAULT in named.keys() - setting:
        pass  # a plain configuration: its unknown keys are reported with it
    elif not is_callable_or_path(setting[CHOOSER]):
        text = "must be a callable or its dotted path."
        yield Problem("E032", CHOOSER, text, "It takes the request and returns a name.")
    elif (found := path_problem(CHOOSER, setting[CHOOSER])) is not None:
        yield found


@cache
def _chooser() -> Callable[[HttpRequest], str | None] | None:
    setting = getattr(django_settings, "AUTH0", None)
    if not isinstance(setting, Mapping) or CHOOSER not in setting:
        return None
    for problem in find_chooser_problems(setting):
        raise ImproperlyConfigured(problem.message)
    chooser: Callable[[HttpRequest], str | None] = imported(setting[CHOOSER])
    return chooser


def chosen_configuration(request: HttpRequest) -> str | None:
    """Return the name that ``CONFIGURATION_FOR`` gives this request; None without that setting.

    If the callable returns None, the default configuration is meant.
    """
    chooser = _chooser()
    return None if chooser is None else chooser(request) or DEFAULT


def configuration_for(request: HttpRequest) -> str:
    """Return the name of the configuration that a login of this request starts with."""
    return chosen_configuration(request) or DEFAULT


_lock = threading.RLock()

_parsed: dict[str, Auth0Settings] = {}

_clients: dict[str, Client] = {}

_client_builders: list[Callable[[Auth0Settings], Client]] = []


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
            client = _clients[name] = _clients.get(name) or _builder()(get_settings(name))
    return client


def _builder() -> Callable[[Auth0Settings], Client]:
    if _client_builders:
        return _client_builders[-1]
    # Here, since requests, PyJWT and cryptography come along: a worker that only shows pages does without.
    from django_auth0_flow.conf.clients import build_shared_client

    return build_shared_client


def _load_settings(name: str) -> Auth0Settings:
    found = _configured()
    if name not in found:
        raise ImproperlyConfigured(f"AUTH0 has no configuration called {name!r}; it has {', '.join(map(repr, found))}.")
    return parse_settings(found[name], name)


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


def is_simulated() -> bool:
    """Tell whether clients are made by a builder of a test: what they get is for this process only."""
    return bool(_client_builders)


def configuration_names() -> list[str]:
    """Return the names of all configurations."""
    return list(_configured())


def readable_settings() -> Iterator[Auth0Settings]:
    """Yield every configuration that has no errors."""
    for name in _configured():
        with suppress(ImproperlyConfigured):
            yield get_settings(name)


def draft_settings() -> Iterator[Auth0Settings]:
    """Yield every configuration, those with errors as far as they can be read."""
    for name, setting in _configured().items():
        if isinstance(setting, Mapping):
            yield build_settings(setting, name)


def names_of_client(name: str) -> list[str]:
    """Return the names of the configurations that are the same client of the same issuer as ``name``, itself included.

    What the tenant says to a client holds for all of them. A configuration that can't be read is left out.
    """
    conf = get_settings(name)
    same = (conf.issuer, conf.client_id)
    return [found.name for found in readable_settings() if (found.issuer, found.client_id) == same]


def unlinked_issuers() -> set[str] | None:
    """Return the issuers whose users are not linked by a verified e-mail address; None if no configuration links by one."""
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
