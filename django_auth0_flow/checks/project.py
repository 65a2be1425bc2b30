"""Checks of the settings: ``AUTH0`` itself, and what around it breaks logins."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from itertools import combinations
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import FieldDoesNotExist
from django.urls import NoReverseMatch, Resolver404, resolve, reverse
from django.utils.module_loading import import_string

from django_auth0_flow.conf import (
    CHOOSER,
    DEFAULT,
    Auth0Settings,
    configurations,
    draft_settings,
    find_chooser_problems,
    find_problems,
    readable_settings,
)
from django_auth0_flow.conf.address_rules import client_as_audience
from django_auth0_flow.conf.login_rules import not_from_claims
from django_auth0_flow.conf.problems import Problem

_MIDDLEWARE = "django_auth0_flow.middleware.Auth0Middleware"
_SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
_AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
_LOGIN_REQUIRED = "django.contrib.auth.middleware.LoginRequiredMiddleware"
_BACKEND = "django_auth0_flow.backends.Auth0Backend"
_PASSWORD_BACKEND = "django_auth0_flow.backends.Auth0PasswordBackend"
_DUMMY_CACHE = "django.core.cache.backends.dummy.DummyCache"
_LOCAL_MEMORY_CACHE = "django.core.cache.backends.locmem.LocMemCache"

#: Seconds that a clock may be off.
_CLOCK_ERROR = 60


def check_settings(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Report every problem in ``AUTH0``."""
    whole = getattr(settings, "AUTH0", None)
    problems = list(find_chooser_problems(whole))
    for name, setting in configurations(whole).items():
        problems += find_problems(setting, name=name)
    problems += [problem for conf in draft_settings() for problem in _user_field_problems(conf)]
    problems += _foreign_client_problems(list(readable_settings()))
    return [_report(problem) for problem in problems]


def _report(problem: Problem) -> CheckMessage:
    kind = Error if problem.is_error else CheckWarning
    return kind(problem.message, hint=problem.hint or None, id=f"auth0_flow.{problem.id}")


def check_project(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Report settings outside ``AUTH0`` that break logins: middleware, backends, sessions, URLs, deployment."""
    return [
        *_middleware_messages(),
        *_backend_messages(),
        *_session_messages(),
        *_url_messages(),
        *_callback_messages(),
        *_deployment_messages(),
    ]


def _user_field_problems(conf: Auth0Settings) -> Iterator[Problem]:
    meta = get_user_model()._meta
    for name in conf.user_fields:
        try:
            is_key = meta.get_field(name) == meta.pk
        except FieldDoesNotExist:
            yield Problem(
                "E019", "USER_FIELDS", f"names {name!r}, which is not a field of {meta.label}.", where=conf.where
            )
        else:
            if is_key and name != "id":
                yield replace(not_from_claims(f"{name!r}, the primary key"), where=conf.where)


def _foreign_client_problems(found: list[Auth0Settings]) -> Iterator[Problem]:
    """Find an audience that is another configuration's client id; ``find_problems`` finds the configuration's own."""
    for conf in found:
        clients = {other.client_id for other in found if other.issuer == conf.issuer} - {conf.client_id}
        for key, audience in (("AUDIENCE", conf.audience), ("RESOURCE", conf.resource)):
            if audience in clients:
                problem = client_as_audience(key, "is the CLIENT_ID of another configuration")
                yield replace(problem, where=conf.where)


def _middleware_messages() -> Iterator[CheckMessage]:
    names = list(settings.MIDDLEWARE)
    ours = [index for index, name in enumerate(names) if _is_a(name, _MIDDLEWARE)]
    if not ours:
        yield Error(
            f"{_MIDDLEWARE} is not in MIDDLEWARE.",
            hint=f'Add "{_MIDDLEWARE}" to MIDDLEWARE, after AuthenticationMiddleware.',
            id="auth0_flow.E020",
        )
        return
    for needed in (_SESSIONS, _AUTHENTICATION):
        before = [index for index, name in enumerate(names) if _is_a(name, needed)]
        if not before or before[0] > ours[0]:
            yield Error(f"{_MIDDLEWARE} must stand after {needed} in MIDDLEWARE.", id="auth0_flow.E021")
    if _LOGIN_REQUIRED in names and names.index(_LOGIN_REQUIRED) < ours[0]:
        yield Error(f"{_MIDDLEWARE} must stand before {_LOGIN_REQUIRED} in MIDDLEWARE.", id="auth0_flow.E021")


def _backend_messages() -> Iterator[CheckMessage]:
    names = settings.AUTHENTICATION_BACKENDS
    if not any(_is_a(name, _BACKEND) for name in names):
        yield Error(
            "AUTHENTICATION_BACKENDS has no Auth0Backend.",
            hint=f'Add "{_BACKEND}" or your subclass of it.',
            id="auth0_flow.E022",
        )
    if any(_is_a(name, _PASSWORD_BACKEND) for name in names) and not any(
        conf.password_realm for conf in draft_settings()
    ):
        yield CheckWarning(
            "AUTHENTICATION_BACKENDS has Auth0PasswordBackend, but PASSWORD_REALM is not set: it logs no one in.",
            hint="AUTH0['PASSWORD_REALM'] names a database connection; True is the tenant's Default Directory.",
            id="auth0_flow.W009",
        )


def _session_messages() -> Iterator[CheckMessage]:
    if _is_session_engine("signed_cookies"):
        yield Error(
            "Signed-cookie sessions can't hold logins: they can't be ended, and an old cookie brings an old login back.",
            hint="Use the db, cache or cached_db session engine.",
            id="auth0_flow.E023",
        )
    if (_is_session_engine("cache") or _is_session_engine("cached_db")) and not settings.DEBUG:
        alias = settings.SESSION_CACHE_ALIAS
        if _is_cache(alias, _LOCAL_MEMORY_CACHE) or _is_cache(alias, _DUMMY_CACHE):
            yield CheckWarning(
                "Sessions are kept in a cache that other worker processes don't see.",
                hint="Use Redis or Memcached for SESSION_CACHE_ALIAS.",
                id="auth0_flow.W003",
            )
    if "django.contrib.sessions.serializers.PickleSerializer" in str(settings.SESSION_SERIALIZER):
        yield CheckWarning("Sessions are pickled: anyone who can write a session can run code.", id="auth0_flow.W004")


def _url_messages() -> Iterator[CheckMessage]:
    try:
        callback = reverse("auth0:callback")
    except NoReverseMatch:
        yield Error(
            "The URLs of django_auth0_flow are not included.",
            hint='urls.py: path("auth0/", include("django_auth0_flow.urls"))',
            id="auth0_flow.E024",
        )
        return
    if not callback.endswith("/callback/"):
        yield CheckWarning(
            f"The callback is at {callback}: the prefix of the include lacks its slash.",
            hint='urls.py: path("auth0/", include("django_auth0_flow.urls"))',
            id="auth0_flow.W047",
        )
    try:
        if resolve(callback).namespaces[:1] != ["auth0"]:
            yield CheckWarning(
                f"{callback} is answered by another URL pattern that comes before ours.",
                hint="Or the include has a namespace: only those for further configurations need one.",
                id="auth0_flow.W005",
            )
    except Resolver404:
        pass  # a script prefix is in force: this can't be checked
    if str(settings.LOGIN_URL) == "/accounts/login/":
        yield CheckWarning(
            "LOGIN_URL is Django's default, so login_required and LoginRequiredMiddleware do not lead to Auth0.",
            hint='LOGIN_URL = "auth0:login"',
            id="auth0_flow.W006",
        )
    if str(settings.LOGIN_REDIRECT_URL) == "/accounts/profile/" and not _resolves("/accounts/profile/"):
        yield CheckWarning(
            "LOGIN_REDIRECT_URL is Django's default, and this project has no such page: a login without next ends "
            "with 404.",
            hint='LOGIN_REDIRECT_URL = "/"',
            id="auth0_flow.W024",
        )


def _resolves(path: str) -> bool:
    try:
        resolve(path)
    except Resolver404:
        return False
    return True


def _callback_messages() -> Iterator[CheckMessage]:
    """Demand a callback address for each client: Auth0's answers don't say which tenant they come from."""
    whole = getattr(settings, "AUTH0", None)
    chooses = isinstance(whole, Mapping) and CHOOSER in whole
    try:
        found = [(conf, _callback_of(conf)) for conf in readable_settings()]
    except NoReverseMatch:
        return  # E024
    for (one, path), (other, same) in combinations(found, 2):
        if path != same or (one.issuer, one.client_id) == (other.issuer, other.client_id):
            continue
        name = one.name if other.name == DEFAULT else other.name
        words = f"The AUTH0 configurations {one.name!r} and {other.name!r} have one callback path, {path}"
        if not chooses or (one.base_url and one.base_url == other.base_url and one.issuer != other.issuer):
            yield Error(
                f"{words}: an answer from one tenant can't be told from an answer from the other.",
                hint=f'urls.py: path("{name}/", include("django_auth0_flow.urls", namespace="{name}"), '
                f'{{"configuration": "{name}"}})',
                id="auth0_flow.E053",
            )
        elif one.issuer != other.issuer and not (one.base_url and other.base_url):
            yield CheckWarning(
                f"{words}: only the host can tell which tenant an answer comes from, if {CHOOSER} chooses by it.",
                hint="Let their hosts differ and name each in BASE_URL, or give each its own path and namespace.",
                id="auth0_flow.W033",
            )


def _callback_of(conf: Auth0Settings) -> str:
    return reverse("auth0:callback", current_app=None if conf.name == DEFAULT else conf.name)


def _deployment_messages() -> Iterator[CheckMessage]:
    if settings.DEBUG:
        return
    for conf in draft_settings():
        if conf.issuer.startswith("http://"):
            yield CheckWarning(
                f"The issuer of AUTH0 configuration {conf.name!r} is plain http, which is for development.",
                hint="At a local tenant anybody logs in as anybody. In production set DOMAIN to your tenant's.",
                id="auth0_flow.W007",
            )
    for conf in readable_settings():
        yield from _replay_messages(conf)
        yield from _clock_messages(conf)
    if str(settings.SESSION_COOKIE_SAMESITE) == "None" and not settings.SESSION_COOKIE_SECURE:
        yield Error(
            "SESSION_COOKIE_SAMESITE 'None' needs SESSION_COOKIE_SECURE, or browsers drop the cookie.",
            id="auth0_flow.E025",
        )


def _replay_messages(conf: Auth0Settings) -> Iterator[CheckMessage]:
    """Report a default cache that can't remember the DPoP proofs that were used. Each proof is valid once."""
    forgets = _is_cache("default", _DUMMY_CACHE)
    if conf.dpop and forgets:
        yield Error(
            f"AUTH0 configuration {conf.name!r} uses DPOP, and the default cache remembers nothing: it can't detect a "
            "proof that is used again.",
            hint="Use Redis, Memcached or Django's database cache as the default cache.",
            id="auth0_flow.E054",
        )
    elif conf.dpop and _is_cache("default", _LOCAL_MEMORY_CACHE):
        yield CheckWarning(
            f"AUTH0 configuration {conf.name!r} uses DPOP, and the default cache is not seen by other worker processes.",
            hint="A proof for a view under bearer_token_required could be used again there: use Redis or Memcached.",
            id="auth0_flow.W023",
        )
    elif forgets and conf.api_audience:
        yield CheckWarning(
            f"The default cache remembers nothing: views under bearer_token_required can't detect a DPoP proof for "
            f"configuration {conf.name!r} that is used again.",
            hint="Use Redis, Memcached or Django's database cache as the default cache, if clients of your API use DPoP.",
            id="auth0_flow.W035",
        )


def _clock_messages(conf: Auth0Settings) -> Iterator[CheckMessage]:
    """Warn of any clock but the real one. It is no error: test runs need CLOCK, and DEBUG is off in them too."""
    if conf.clock is not time.time:
        yield CheckWarning(
            f"AUTH0 configuration {conf.name!r} has a CLOCK of its own, which {_state_of(conf.clock)}, and DEBUG is off.",
            hint="Every expiry goes by it. CLOCK is for tests and demos: leave it out in production.",
            id="auth0_flow.W034",
        )


def _state_of(clock: Callable[[], Any]) -> str:
    """Describe how far a clock is from the real time at this moment."""
    try:
        error = float(clock()) - time.time()
    except Exception as failure:  # noqa: BLE001  # the project's own callable, which must not end the other checks
        return f"fails with {type(failure).__name__}"
    return "is right at the moment" if abs(error) <= _CLOCK_ERROR else f"is off by {error:.0f} seconds"


def _is_a(name: str, wanted: str) -> bool:
    """Tell whether the dotted ``name`` is ``wanted`` or a subclass; Django reports one that can't be imported."""
    if name == wanted:
        return True
    try:
        found, base = import_string(name), import_string(wanted)
    except ImportError:
        return False
    return isinstance(found, type) and isinstance(base, type) and issubclass(found, base)


def _is_cache(alias: str, wanted: str) -> bool:
    return _is_a(str(settings.CACHES.get(alias, {}).get("BACKEND", "")), wanted)


def _is_session_engine(wanted: str) -> bool:
    """Tell whether SESSION_ENGINE is Django's engine of that name or derives from it; Django reports a missing one."""
    try:
        store = import_module(settings.SESSION_ENGINE).SessionStore
    except (ImportError, AttributeError):
        return False
    base = import_module(f"django.contrib.sessions.backends.{wanted}").SessionStore
    return isinstance(store, type) and issubclass(store, base)
