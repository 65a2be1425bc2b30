"""The lines that a project still lacks: settings, URLs, and ``AUTH0``. No secret is among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from django.conf import settings
from django.urls import get_urlconf, include, path, set_urlconf

from django_auth0_flow import checks
from django_auth0_flow.conf import CHOOSER, DEFAULT, clear_caches, configurations
from django_auth0_flow.setup.answers import ASKED

_APP = "django_auth0_flow"

#: What cures a system check about the project: the line for its settings.
_CURES = {
    "auth0_flow.E020": f'MIDDLEWARE += ["{_APP}.middleware.Auth0Middleware"]  # after AuthenticationMiddleware',
    "auth0_flow.E022": f'AUTHENTICATION_BACKENDS = ["{_APP}.backends.Auth0Backend"]  # ModelBackend may stay beside it',
    "auth0_flow.W006": 'LOGIN_URL = "auth0:login"',
    "auth0_flow.W024": 'LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "/"',
}

URLS = 'urlpatterns += [path("auth0/", include("django_auth0_flow.urls"))]  # from django.urls import include, path'


@dataclass(frozen=True)
class MissingLines:
    """The lines for the project's settings, ``AUTH0`` apart; ``urls``: whether its URLs lack ours."""

    settings: list[str]
    urls: bool


@contextmanager
def as_it_will_be(name: str, configuration: Mapping[str, Any]) -> Iterator[MissingLines]:
    """Let this process see the project with this configuration and with the lines that it lacks; yield those."""
    before, urlconf = {key: getattr(settings, key, None) for key in ("AUTH0", "SILENCED_SYSTEM_CHECKS")}, get_urlconf()
    whole = before["AUTH0"]
    plain = name == DEFAULT and list(configurations(whole)) == [DEFAULT]
    named = whole if isinstance(whole, Mapping) and CHOOSER in whole else configurations(whole)
    settings.AUTH0 = configuration if plain else {**named, name: configuration}
    clear_caches()
    try:
        found = _check_ids()
        urls = "auth0_flow.E024" in found
        if urls:
            ours = path("auth0/", include("django_auth0_flow.urls"))
            patterns: Any = (ours, path("", include(settings.ROOT_URLCONF)))
            set_urlconf(patterns)
            found = _check_ids()
        lines = [] if _is_app_named() else [f'INSTALLED_APPS += ["{_APP}"]']
        lines += [line for id_, line in _CURES.items() if id_ in found]
        settings.SILENCED_SYSTEM_CHECKS = [*settings.SILENCED_SYSTEM_CHECKS, *_CURES]
        yield MissingLines(lines, urls)
    finally:
        set_urlconf(urlconf)
        for key, value in before.items():
            setattr(settings, key, value)
        clear_caches()


def _check_ids() -> set[str | None]:
    return {message.id for message in checks.check_project()}


def _is_app_named() -> bool:
    """Tell whether the settings name the app; ``python -m django_auth0_flow.setup`` adds it for this process only."""
    module = import_module(settings.SETTINGS_MODULE) if settings.SETTINGS_MODULE else None
    names = getattr(module, "INSTALLED_APPS", settings.INSTALLED_APPS)
    return any(str(name).startswith(_APP) for name in names)


def auth0_lines(configuration: Mapping[str, Any], name: str, prefix: str, *, in_env_file: bool) -> Iterator[str]:
    """Yield ``AUTH0``, or one of its configurations: the secret from the environment, with an env file all that it holds.

    Other keys of the project's own are only named: they stay as they are.
    """
    yield "AUTH0 = {" if name == DEFAULT else f"AUTH0[{_literal(name)}] = {{"
    others = []
    for key, value in configuration.items():
        if key == "CLIENT_SECRET" or (in_env_file and key in ASKED):
            yield f'    "{key}": os.environ.get("{prefix}{key}", ""),'
        elif key in ASKED or key == "SCOPE":
            yield f'    "{key}": {_literal(str(value))},'
        else:
            others.append(key)
    if others:
        yield f"    # … and as before: {', '.join(others)}"
    yield "}"


def _literal(text: str) -> str:
    return '"{}"'.format(text.encode("unicode_escape").decode().replace('"', '\\"'))
