"""Checks of what the project's views need of ``AUTH0``: their decorators say it, and so does their code.

Only views that a URL leads to are looked at. Code is read for ``request.auth0.api`` and the like, word for word: a helper
that a view calls is not read. What its calls need shows when they are made: OriginNotAllowed says that AUDIENCE is missing.
"""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import CodeType, FunctionType
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.urls import get_resolver

from django_auth0_flow.access.requirements import DEMANDS, Demanded, as_configurations
from django_auth0_flow.conf import CHOOSER, DEFAULT, Auth0Settings, configuration_names, readable_settings

#: What brings a token for AUDIENCE.
_CALLS = frozenset({"api", "arequest"})

#: What brings a token at all, and renews it.
_TOKENS = _CALLS | {"access_token", "aaccess_token", "api_for", "connection_token", "aconnection_token"}

#: Scopes that every login can have, without an API. OpenID Connect Core §5.4, §11.
_LOGIN_SCOPES = frozenset({"openid", "profile", "email", "phone", "address", "offline_access", "online_access"})

_OURS = "django_auth0_flow."

#: Packages whose code need not be read.
_NOT_THE_PROJECTS = ("django.", _OURS, "rest_framework.", "builtins")

_NAMED = 3


@dataclass(frozen=True)
class RoutedView:
    """A view that a URL leads to. ``uses``: what its code takes from ``request.auth0``."""

    name: str
    demands: tuple[Demanded, ...]
    uses: frozenset[str]

    def configurations(self, demanded: Demanded | None = None) -> tuple[str, ...]:
        """Return the configurations that a demand is about, by default those of all demands."""
        about = self.demands if demanded is None else (demanded,)
        return tuple(name for one in about for name in one.configurations) or _default_names()

    def needs_audience(self, configuration: str) -> str:
        """Return what in this view needs an access token for an API, "" if nothing does."""
        for one in self.demands:
            if one.is_bearer or configuration not in self.configurations(one):
                continue
            if one.requirement.permissions:
                return "permissions="
            if one.requirement.scopes - _LOGIN_SCOPES:
                return "scopes="
        calls = sorted(self.uses & _CALLS) if configuration in self.configurations() else []
        return f"request.auth0.{calls[0]}" if calls else ""

    def needs_refresh(self, configuration: str) -> bool:
        """Tell whether this view would go on calling APIs after the first access token."""
        if configuration not in self.configurations():
            return False
        return bool(self.uses & _TOKENS) or any(one.requirement.access_token for one in self.demands)


def check_views(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Report settings that are missing although a view needs them."""
    if not getattr(settings, "ROOT_URLCONF", None):
        return []
    views = list(routed_views())
    found: list[CheckMessage] = []
    for conf in readable_settings():
        found += [*_audience_messages(conf, views), *_bearer_messages(conf, views), *_refresh_messages(conf, views)]
    return found


def _audience_messages(conf: Auth0Settings, views: Iterable[RoutedView]) -> Iterator[CheckMessage]:
    if conf.api_audience or {"audience", "resource"} & set(conf.authorization_params):
        return
    if not {"code", "token"} & set(conf.response_kinds):
        return  # such logins bring no access token at all
    if needs := [f"{view.name} ({what})" for view in views if (what := view.needs_audience(conf.name))]:
        yield CheckWarning(
            f"{conf.where} has no AUDIENCE, and these views need an access token for an API: {_some(needs)}.",
            hint="Applications > APIs > (API): copy Identifier into AUTH0['AUDIENCE']. Without it access tokens are "
            "opaque: they grant no permissions, and no API but /userinfo takes them.",
            id="auth0_flow.W046",
        )


def _bearer_messages(conf: Auth0Settings, views: Iterable[RoutedView]) -> Iterator[CheckMessage]:
    if conf.api_audience:
        return
    needs = [
        view.name
        for view in views
        for one in view.demands
        if one.is_bearer and not one.audience and conf.name in (one.configurations or _default_api_names())
    ]
    if needs:
        yield Error(
            f"{conf.where} has no AUDIENCE, and these views under bearer_token_required name none: {_some(needs)}.",
            hint="Applications > APIs > (API): copy Identifier into AUTH0['AUDIENCE'].",
            id="auth0_flow.E055",
        )


def _refresh_messages(conf: Auth0Settings, views: Iterable[RoutedView]) -> Iterator[CheckMessage]:
    scope = conf.authorization_params.get("scope", conf.scope)
    if "offline_access" in scope.split() or "code" not in conf.response_kinds:
        return
    views = list(views)
    if reasons := [view.name for view in views if view.needs_refresh(conf.name)]:
        why = f"these views want access tokens: {_some(reasons)}"
    elif given := sorted(conf.given & {"API_ORIGINS", "REFRESH_MARGIN", "REFRESH_WAIT"}):
        why = f"{given[0]} is set"
    elif conf.api_audience and not any(one.is_bearer for view in views for one in view.demands):
        why = "AUDIENCE names an API"
    else:
        return
    yield CheckWarning(
        f"SCOPE of {conf.where} has no offline_access, and {why}: a login is over when its first access token expires.",
        hint='"SCOPE": "openid profile email offline_access", and at Auth0 Applications > APIs > (API) > Settings > '
        "Access Settings > Allow Offline Access: on (SM37).",
        id="auth0_flow.W040",
    )


def _some(names: Iterable[str]) -> str:
    found = list(dict.fromkeys(names))
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return ", ".join(found[:_NAMED]) + more


def _default_names() -> tuple[str, ...]:
    """Return the configurations that a view without ``configuration=`` may be about."""
    whole = getattr(settings, "AUTH0", None)
    return tuple(configuration_names()) if isinstance(whole, Mapping) and CHOOSER in whole else (DEFAULT,)


def _default_api_names() -> tuple[str, ...]:
    """As above, for an API. Where the request chooses, one that has an audience may be the one for the view."""
    names = _default_names()
    return () if len(names) > 1 and any(conf.api_audience for conf in readable_settings()) else names


def routed_views() -> Iterator[RoutedView]:
    """Yield the project's views, each once."""
    seen: set[Callable[..., Any]] = set()
    for callback in _callbacks(get_resolver().url_patterns):
        if callback in seen:
            continue
        seen.add(callback)
        view_class = getattr(callback, "view_class", None) or getattr(callback, "cls", None)
        named: Any = view_class or inspect.unwrap(callback)
        name = f"{named.__module__}.{getattr(named, '__qualname__', type(named).__name__)}"
        functions = _methods_of(view_class) if view_class else [inspect.unwrap(callback)]
        uses = {use for found in functions if _is_projects(found) for use in _uses_of(found)}
        demands = (*getattr(callback, DEMANDS, ()), *_token_demands(view_class))
        yield RoutedView(name, demands, frozenset(uses))


def _callbacks(patterns: Iterable[Any]) -> Iterator[Callable[..., Any]]:
    for pattern in patterns:
        if hasattr(pattern, "url_patterns"):
            yield from _callbacks(pattern.url_patterns)
        elif callable(pattern.callback) and not pattern.lookup_str.startswith(_OURS):  # looking at ours loads them
            yield pattern.callback


def _token_demands(view_class: Any) -> Iterator[Demanded]:
    """Yield the demands of our authentication class for Django REST framework, which this module must not import."""
    for found in getattr(view_class, "authentication_classes", ()):
        if any(base.__module__ == "django_auth0_flow.rest_framework" for base in getattr(found, "__mro__", ())):
            names = as_configurations(getattr(found, "configuration", ()))
            yield Demanded(configurations=names, is_bearer=True, audience=getattr(found, "audience", None) or "")


def _methods_of(view_class: type) -> list[Any]:
    return [inspect.unwrap(found) for cls in view_class.__mro__ for found in vars(cls).values() if callable(found)]


def _is_projects(function: Any) -> bool:
    return isinstance(function, FunctionType) and not function.__module__.startswith(_NOT_THE_PROJECTS)


def _uses_of(function: FunctionType) -> Iterator[str]:
    """Yield what the function's code takes from ``….auth0``, functions inside it included."""
    codes = [function.__code__]
    while codes:
        code = codes.pop()
        codes += [inner for inner in code.co_consts if isinstance(inner, CodeType)]
        if "auth0" not in code.co_names:
            continue
        steps = [
            step.argval if step.opname in ("LOAD_ATTR", "LOAD_METHOD") else "" for step in dis.get_instructions(code)
        ]
        yield from (taken for owner, taken in pairwise(steps) if owner == "auth0" and taken)
