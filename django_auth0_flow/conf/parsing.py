"""From one configuration in ``AUTH0`` to its problems, or to ``Auth0Settings``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches

from django.core.exceptions import ImproperlyConfigured

from django_auth0_flow.conf.address_rules import ADDRESS_RULES
from django_auth0_flow.conf.client_rules import CLIENT_RULES
from django_auth0_flow.conf.login_rules import LOGIN_RULES
from django_auth0_flow.conf.problems import Problem
from django_auth0_flow.conf.settings import DEFAULT, SETTINGS, Auth0Settings, build_settings

#: Check ids of what every configuration needs: an empty text counts as missing.
_NEEDED = {"E004": ("DOMAIN", "ISSUER"), "E008": ("CLIENT_ID",), "E010": ("CLIENT_SECRET",)}


def find_problems(setting: object, *, name: str = DEFAULT) -> Iterator[Problem]:
    """Yield every mistake in one configuration that can be seen without network."""
    for problem in _problems(setting, name):
        yield replace(problem, where=Auth0Settings(name).where)


def _problems(setting: object, name: str) -> Iterator[Problem]:
    if not isinstance(setting, Mapping):
        hint = 'AUTH0 = {"DOMAIN": …, "CLIENT_ID": …, "CLIENT_SECRET": …}; all keys: django_auth0_flow/docs/settings.md'
        yield Problem("E001", "", "must be a dict.", hint)
        return
    for key, value in setting.items():
        if key not in SETTINGS:
            nearest = get_close_matches(str(key).upper(), SETTINGS, n=1)
            hint = f"Did you mean {nearest[0]}?" if nearest else f"Known keys: {', '.join(sorted(SETTINGS))}."
            yield Problem("E002", "", f"has the unknown key {key!r}.", hint)
        elif not SETTINGS[key].accepts(value):
            hint = 'One text, with blanks: "openid profile email".' if key == "SCOPE" else ""
            yield Problem("E003", key, f"must be {SETTINGS[key].expected}.", hint)
    conf = build_settings(setting, name)
    for rule in (*ADDRESS_RULES, *CLIENT_RULES, *LOGIN_RULES):
        for problem in rule(conf):
            empty = [
                f" {key} is there, but empty: is its variable, or the env file, loaded?"
                for key in _NEEDED.get(problem.id, ())
                if setting.get(key) == ""
            ]
            yield replace(problem, hint=problem.hint + "".join(empty))


def parse_settings(setting: object, name: str = DEFAULT) -> Auth0Settings:
    """Return one configuration as frozen values. Raises ImproperlyConfigured with its first problem."""
    for problem in find_problems(setting, name=name):
        if problem.is_error:
            raise ImproperlyConfigured(f"{problem.message} {problem.hint}".strip())
    return build_settings(setting, name) if isinstance(setting, Mapping) else Auth0Settings(name)
