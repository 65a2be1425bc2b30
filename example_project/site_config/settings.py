"""Settings of the example project; every choice comes from the environment.

AUTH0_DOMAIN         the tenant's domain, as in the Auth0 Dashboard; or
AUTH0_ISSUER         a full issuer URL, for any other OpenID provider
AUTH0_CLIENT_ID      of a "Regular Web Application"
AUTH0_CLIENT_SECRET  of the same
AUTH0_AUDIENCE       identifier of an API with the permissions read:appointments and write:appointments
AUTH0_SCOPE          what to ask for (the default contains offline_access, for refreshing)
AUTH0_ROLES_CLAIM    custom claim with the user's roles; "staff" opens the admin, "admin" everything in it
SECRET_KEY           Django's; needed as soon as a tenant is set
DEBUG                1 or 0
ALLOWED_HOSTS        host names with commas between
BASE_URL             the address under which people reach this site, e.g. https://clinic.example.com
API_URL              where the appointments API is (default: in this very site)
DATABASE             path of the SQLite database
LOG_LEVEL            INFO shows each step of a login
LOGIN_WAYS           1 adds the page "Ways to log in", with a configuration for each kind of login; see ways.py
AUTH0_ORGANIZATION   id of an organization, for that page
AUTH0_BILLING        identifier of a second API with the permission read:invoices, for that page

Without any of them the site expects ``python -m django_auth0_flow.testing.tenant`` on its usual port. At a real tenant
allow the callback URL ``<BASE_URL>/auth0/callback/`` and the logout URL ``<BASE_URL>/auth0/logged-out/``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from . import ways

PROJECT = Path(__file__).resolve().parent.parent


def env(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


# Nothing is set: this is somebody's own computer, with the local tenant beside it.
LOCAL = not env("AUTH0_DOMAIN") and not env("AUTH0_ISSUER")
# Set by ``manage.py demo`` only: the clock of the site can be put forward.
DEMO = env("DEMO") == "1"
WAYS = env("LOGIN_WAYS", "1" if DEMO else "0") == "1"

DEBUG = env("DEBUG", "1" if LOCAL else "0") == "1"
SECRET_KEY = env("SECRET_KEY", "only-for-the-local-tenant-" + "x" * 32 if LOCAL else "")
if not SECRET_KEY:
    raise ImproperlyConfigured(
        "Set SECRET_KEY: python -c 'from secrets import token_urlsafe; print(token_urlsafe(48))'"
    )
BASE_URL = env("BASE_URL").rstrip("/")
ALLOWED_HOSTS = [
    host.strip() for host in env("ALLOWED_HOSTS", urlsplit(BASE_URL).hostname or "").split(",") if host.strip()
] or ["127.0.0.1", "localhost"]

INSTALLED_APPS = [
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
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_auth0_flow.middleware.Auth0Middleware",
]
AUTHENTICATION_BACKENDS = ["django_auth0_flow.backends.Auth0Backend"]
LOGIN_URL = "auth0:login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "home"

# The API with the appointments. It is a part of this site, yet called over HTTP with the visitor's access token, as
# any other API would be.
API_URL = env("API_URL", f"{BASE_URL or 'http://127.0.0.1:8000'}/api/appointments/")

AUTH0: dict[str, Any] = {
    "CLIENT_ID": env("AUTH0_CLIENT_ID", "c2xpZW50SWRfMzJfY2hhcnNfbG9uZ18w" if LOCAL else ""),
    "CLIENT_SECRET": env(
        "AUTH0_CLIENT_SECRET",
        "local-tenant-secret-that-is-64-characters-long-and-not-a-secret-" if LOCAL else "",
    ),
    "AUDIENCE": env("AUTH0_AUDIENCE", "https://api.example.com"),
    "SCOPE": env("AUTH0_SCOPE", "openid profile email offline_access read:appointments write:appointments"),
    "API_ORIGINS": ["{0.scheme}://{0.netloc}".format(urlsplit(API_URL))],
    "GROUPS_CLAIM": env("AUTH0_ROLES_CLAIM", "https://clinic.example.com/roles"),
    "STAFF_GROUPS": ["staff", "admin"],
    "SUPERUSER_GROUPS": ["admin"],
}
if env("AUTH0_DOMAIN"):
    AUTH0["DOMAIN"] = env("AUTH0_DOMAIN")
else:
    AUTH0["ISSUER"] = env("AUTH0_ISSUER", "http://127.0.0.1:9400/")
if BASE_URL:
    AUTH0["BASE_URL"] = BASE_URL
if DEMO:
    AUTH0["CLOCK"] = "site_config.clock.now"
if WAYS:
    AUTH0 = {"default": AUTH0, **ways.configurations(AUTH0, env), "CONFIGURATION_FOR": "clinic.conf.way_of"}
    # RFC 9700 advises against access tokens in the address bar, and the check is right: a site of yours should heed it.
    # Here the configuration "implicit" shows that very kind of login, beside the better ones.
    SILENCED_SYSTEM_CHECKS = ["auth0_flow.W011"]
ORGANIZATION = env("AUTH0_ORGANIZATION")
# A second API, called with the same login. It is a part of this site too.
BILLING_AUDIENCE = env("AUTH0_BILLING", "https://billing.example.com")
# Where the demo's tenant shows what it would have sent by e-mail or text message.
OUTBOX_URL = env("OUTBOX_URL")

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
                "clinic.context.demo",
            ]
        },
    }
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": env("DATABASE", str(PROJECT / "db.sqlite3")),
        # Readers and one writer at a time get along, and whoever has to wait does.
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "static/"
LANGUAGE_CODE = "en-gb"
TIME_ZONE = env("TIME_ZONE", "UTC")
USE_TZ = True

# Cookies do not tell ports apart: names of our own keep other sites on localhost from overwriting ours.
SESSION_COOKIE_NAME = "clinic_session"
CSRF_COOKIE_NAME = "clinic_csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BASE_URL.startswith("https://")
if BASE_URL.startswith("https://"):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"short": {"format": "{asctime} {message}", "datefmt": "%H:%M:%S", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "short"}},
    "loggers": {
        name: {"handlers": ["console"], "level": env("LOG_LEVEL", "INFO"), "propagate": False}
        for name in ("django", "django_auth0_flow")
    },
}
