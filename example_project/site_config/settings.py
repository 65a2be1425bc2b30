"""Settings of the example project: first what logging in with Auth0 takes, then what any Django site has.

Every choice comes from the environment:

AUTH0_DOMAIN         the tenant's domain, as in the Auth0 Dashboard; or
AUTH0_ISSUER         a full issuer URL, for any other OpenID provider
AUTH0_CLIENT_ID      of a "Regular Web Application"
AUTH0_CLIENT_SECRET  of the same
AUTH0_AUDIENCE       identifier of an API with the permissions read:appointments and write:appointments
AUTH0_SCOPE          what to ask for (the default contains offline_access, for refreshing)
AUTH0_ROLES_CLAIM    custom claim with the user's roles; "staff" opens the admin, "admin" everything in it
SECRET_KEY           Django's; needed as soon as a tenant is set
BASE_URL             the address under which people reach this site, e.g. https://clinic.example.com
API_URL              where the appointments API is (default: in this very site)
ALLOWED_HOSTS, DATABASE (path of the SQLite file), DEBUG (1 or 0), LOG_LEVEL, TIME_ZONE

Without any of them the site expects ``python -m django_auth0_flow.testing.tenant`` on its usual port. At a real tenant
allow the callback URL ``<BASE_URL>/auth0/callback/`` and the logout URL ``<BASE_URL>/auth0/logged-out/``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

PROJECT = Path(__file__).resolve().parent.parent


def env(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


# No tenant is set: this is your own computer, with the local tenant beside it. Its client secret is in its documentation,
# so here it may be a default; a real one may not.
LOCAL = not env("AUTH0_DOMAIN") and not env("AUTH0_ISSUER")
BASE_URL = env("BASE_URL").rstrip("/")

# -- logging in with Auth0 ---------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    # Before django_auth0_flow, so that clinic/templates/auth0/base.html frames the pages of the login.
    "clinic",
    "django_auth0_flow",
    # In the place of "django.contrib.admin": staff comes and goes through Auth0.
    "django_auth0_flow.admin_config.Auth0AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "site_config.security.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    # Anywhere after AuthenticationMiddleware: it puts request.auth0 on each request.
    "django_auth0_flow.middleware.Auth0Middleware",
]
AUTHENTICATION_BACKENDS = ["django_auth0_flow.backends.Auth0Backend"]
LOGIN_URL = "auth0:login"
LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "home"

# The API with the appointments. It is a part of this site, yet called over HTTP with the visitor's access token, as
# any other API would be.
API_URL = env("API_URL", f"{BASE_URL or 'http://127.0.0.1:8000'}/api/appointments/")

AUTH0: dict[str, Any] = {
    # One of these two; an empty one is as good as none.
    "DOMAIN": env("AUTH0_DOMAIN"),
    "ISSUER": env("AUTH0_ISSUER", "http://127.0.0.1:9400/" if LOCAL else ""),
    "CLIENT_ID": env("AUTH0_CLIENT_ID", "c2xpZW50SWRfMzJfY2hhcnNfbG9uZ18w" if LOCAL else ""),
    "CLIENT_SECRET": env(
        "AUTH0_CLIENT_SECRET", "local-tenant-secret-that-is-64-characters-long-and-not-a-secret-" if LOCAL else ""
    ),
    "AUDIENCE": env("AUTH0_AUDIENCE", "https://api.example.com"),
    "SCOPE": env("AUTH0_SCOPE", "openid profile email offline_access read:appointments write:appointments"),
    # request.auth0.api sends the access token to these origins and to no other.
    "API_ORIGINS": ["{0.scheme}://{0.netloc}".format(urlsplit(API_URL))],
    # Roles at the tenant become groups here at each login; these two open the admin.
    "GROUPS_CLAIM": env("AUTH0_ROLES_CLAIM", "https://clinic.example.com/roles"),
    "STAFF_GROUPS": ["staff", "admin"],
    "SUPERUSER_GROUPS": ["admin"],
    # People see their logins at /auth0/account/, and end those on other devices.
    "ACCOUNT_PAGE": True,
    # The tenant's pages come in the language that was chosen here.
    "UI_LOCALES": True,
    "BASE_URL": BASE_URL,
}

# -- what any Django site has ------------------------------------------------------------------------------------------

DEBUG = env("DEBUG", "1" if LOCAL else "0") == "1"
SECRET_KEY = env("SECRET_KEY", "only-for-the-local-tenant-" + "x" * 32 if LOCAL else "")
if not SECRET_KEY:
    raise ImproperlyConfigured(
        "Set SECRET_KEY: python -c 'from secrets import token_urlsafe; print(token_urlsafe(48))'"
    )
ALLOWED_HOSTS = env("ALLOWED_HOSTS", urlsplit(BASE_URL).hostname or "127.0.0.1,localhost").replace(" ", "").split(",")
ROOT_URLCONF = "site_config.urls"
WSGI_APPLICATION = "site_config.wsgi.application"
ASGI_APPLICATION = "site_config.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": env("DATABASE", str(PROJECT / "db.sqlite3")),
        # Requests that write at the same time wait for each other, here up to 20 seconds, instead of failing.
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "static/"
# The pages of the login come in these languages too.
LANGUAGES = [("en", "English"), ("ja", "Japanese")]
LANGUAGE_CODE = "en"
LOCALE_PATHS = [PROJECT / "locale"]
TIME_ZONE = env("TIME_ZONE", "UTC")
USE_TZ = True

# Cookies do not tell ports apart: names of our own keep other sites on localhost from overwriting ours.
SESSION_COOKIE_NAME = "clinic_session"
CSRF_COOKIE_NAME = "clinic_csrf"
if BASE_URL.startswith("https://"):
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"short": {"format": "{asctime} {message}", "datefmt": "%H:%M:%S", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "short"}},
    # INFO shows each step of a login.
    "loggers": {
        name: {"handlers": ["console"], "level": env("LOG_LEVEL", "INFO"), "propagate": False}
        for name in ("django", "django_auth0_flow")
    },
}
