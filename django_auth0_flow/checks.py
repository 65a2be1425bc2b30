"""System checks: every mistake in settings that can be seen without network. ``auth0_doctor`` asks the tenant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import FieldDoesNotExist
from django.urls import NoReverseMatch, Resolver404, resolve, reverse
from django.utils.module_loading import import_string

from .conf import configurations, find_chooser_problems
from .settings_problems import find_problems

_MIDDLEWARE = "django_auth0_flow.middleware.Auth0Middleware"
_SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
_AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
_CACHES_OF_ONE_PROCESS = ("DummyCache", "LocMemCache")


def check_settings(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Report every problem in ``AUTH0``."""
    whole = getattr(settings, "AUTH0", None)
    messages: list[CheckMessage] = [
        Error(problem.message, hint=problem.hint or None, id=f"auth0_flow.{problem.id}")
        for problem in find_chooser_problems(whole)
    ]
    for name, setting in configurations(whole).items():
        for problem in find_problems(setting, name=name):
            kind = Error if problem.is_error else CheckWarning
            messages.append(kind(problem.message, hint=problem.hint or None, id=f"auth0_flow.{problem.id}"))
        if isinstance(setting, dict):
            messages += _user_field_messages(setting)
    return messages


def check_project(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Report what the rest of the project's settings would break."""
    return [
        *_middleware_messages(),
        *_backend_messages(),
        *_session_messages(),
        *_url_messages(),
        *_deployment_messages(),
    ]


def _user_field_messages(setting: dict[str, Any]) -> Iterator[CheckMessage]:
    fields = setting.get("USER_FIELDS")
    model = get_user_model()
    for name in fields if isinstance(fields, dict) else ():
        try:
            model._meta.get_field(str(name))
        except FieldDoesNotExist:
            yield Error(
                f"AUTH0['USER_FIELDS'] names {name!r}, which is no field of {model._meta.label}.", id="auth0_flow.E019"
            )


def _middleware_messages() -> Iterator[CheckMessage]:
    names = list(settings.MIDDLEWARE)
    ours = [index for index, name in enumerate(names) if _is_a(name, _MIDDLEWARE)]
    if not ours:
        yield Error(
            f"{_MIDDLEWARE} is not in MIDDLEWARE.", hint="Add it after AuthenticationMiddleware.", id="auth0_flow.E020"
        )
        return
    for needed in (_SESSIONS, _AUTHENTICATION):
        before = [index for index, name in enumerate(names) if _is_a(name, needed)]
        if not before or before[0] > ours[0]:
            yield Error(f"{_MIDDLEWARE} must stand after {needed} in MIDDLEWARE.", id="auth0_flow.E021")
    required = "django.contrib.auth.middleware.LoginRequiredMiddleware"
    if required in names and names.index(required) < ours[0]:
        yield Error(f"{_MIDDLEWARE} must stand before {required} in MIDDLEWARE.", id="auth0_flow.E021")


def _backend_messages() -> Iterator[CheckMessage]:
    if not any(_is_a(name, "django_auth0_flow.backends.Auth0Backend") for name in settings.AUTHENTICATION_BACKENDS):
        yield Error(
            "AUTHENTICATION_BACKENDS has no Auth0Backend.",
            hint='Add "django_auth0_flow.backends.Auth0Backend" or your subclass of it.',
            id="auth0_flow.E022",
        )
    has_passwords = any(
        isinstance(setting, dict) and setting.get("PASSWORD_REALM")
        for setting in configurations(getattr(settings, "AUTH0", None)).values()
    )
    named = any(
        _is_a(name, "django_auth0_flow.backends.Auth0PasswordBackend") for name in settings.AUTHENTICATION_BACKENDS
    )
    if named and not has_passwords:
        yield CheckWarning(
            "AUTHENTICATION_BACKENDS has Auth0PasswordBackend, but PASSWORD_REALM is not set: it logs nobody in.",
            hint="AUTH0['PASSWORD_REALM'] names a database connection; True is the tenant's Default Directory.",
            id="auth0_flow.W009",
        )


def _session_messages() -> Iterator[CheckMessage]:
    if settings.SESSION_ENGINE == "django.contrib.sessions.backends.signed_cookies":
        yield Error(
            "Signed-cookie sessions can't hold logins: they can't be ended, and an old cookie brings an old login back.",
            hint="Use the db, cache or cached_db session engine.",
            id="auth0_flow.E023",
        )
    if settings.SESSION_ENGINE.endswith((".cache", ".cached_db")):
        backend = settings.CACHES.get(settings.SESSION_CACHE_ALIAS, {}).get("BACKEND", "")
        if backend.endswith(_CACHES_OF_ONE_PROCESS) and not settings.DEBUG:
            yield CheckWarning(
                "Sessions are kept in a cache that other worker processes don't see.",
                hint="Use Redis or Memcached for SESSION_CACHE_ALIAS.",
                id="auth0_flow.W003",
            )
    if "django.contrib.sessions.serializers.PickleSerializer" in str(settings.SESSION_SERIALIZER):
        yield CheckWarning("Sessions are pickled: who can write a session can run code.", id="auth0_flow.W004")


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
    try:
        if resolve(callback).namespaces[:1] != ["auth0"]:
            yield CheckWarning(
                f"{callback} is answered by another URL pattern that stands before ours.", id="auth0_flow.W005"
            )
    except Resolver404:
        pass  # a script prefix is in force; nothing can be said
    if str(settings.LOGIN_URL) == "/accounts/login/":
        yield CheckWarning(
            "LOGIN_URL is Django's default, so login_required and LoginRequiredMiddleware do not lead to Auth0.",
            hint='LOGIN_URL = "auth0:login"',
            id="auth0_flow.W006",
        )
    if str(settings.LOGIN_REDIRECT_URL) == "/accounts/profile/" and not _is_there("/accounts/profile/"):
        yield CheckWarning(
            "LOGIN_REDIRECT_URL is Django's default, and this project has no such page: a login that came from no page "
            "ends with 404.",
            hint='LOGIN_REDIRECT_URL = "/"',
            id="auth0_flow.W024",
        )


def _is_there(path: str) -> bool:
    try:
        resolve(path)
    except Resolver404:
        return False
    return True


def _deployment_messages() -> Iterator[CheckMessage]:
    if settings.DEBUG:
        return
    for name, setting in configurations(getattr(settings, "AUTH0", None)).items():
        issuer = str(setting.get("ISSUER", "")) if isinstance(setting, dict) else ""
        if issuer.startswith("http://"):
            yield CheckWarning(
                f"The issuer of AUTH0 configuration {name!r} is plain http, which is for development.",
                id="auth0_flow.W007",
            )
        backend = settings.CACHES.get("default", {}).get("BACKEND", "")
        if isinstance(setting, dict) and setting.get("DPOP") is True and backend.endswith(_CACHES_OF_ONE_PROCESS):
            yield CheckWarning(
                f"AUTH0 configuration {name!r} uses DPOP, and the default cache is not seen by other worker processes.",
                hint="A proof for a view under bearer_token_required could be used again there: use Redis or Memcached.",
                id="auth0_flow.W023",
            )
    if str(settings.SESSION_COOKIE_SAMESITE) == "None" and not settings.SESSION_COOKIE_SECURE:
        yield Error(
            "SESSION_COOKIE_SAMESITE 'None' needs SESSION_COOKIE_SECURE, or browsers drop the cookie.",
            id="auth0_flow.E025",
        )


def _is_a(name: str, wanted: str) -> bool:
    """Tell whether the dotted ``name`` is ``wanted`` or a subclass; what doesn't import is Django's to report."""
    if name == wanted:
        return True
    try:
        found, base = import_string(name), import_string(wanted)
    except ImportError:
        return False
    return isinstance(found, type) and isinstance(base, type) and issubclass(found, base)
