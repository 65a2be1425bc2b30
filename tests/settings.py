"""Settings of the test project. ``AUTH0`` is set per test by the ``auth0_settings`` fixture.

Environment, for other processes and for running the suite another way: TEST_DATABASE, TEST_CACHE and TEST_AUTH0 are JSON
(a ``DATABASES`` entry, a ``CACHES`` entry, ``AUTH0``), TEST_SESSION_ENGINE names one. TEST_LOGIN_REQUIRED_MIDDLEWARE=1 and
TEST_ATOMIC_REQUESTS=1 run the suite under Django's LoginRequiredMiddleware and under ATOMIC_REQUESTS.
"""

from __future__ import annotations

import json
import os
from typing import Any

_database: dict[str, Any] = json.loads(os.environ.get("TEST_DATABASE", "{}"))
if _database.get("ENGINE", "").endswith("mysql"):
    from tests.servers.mariadb import install_driver

    install_driver()

SECRET_KEY = "not-a-secret-only-for-tests-" + "x" * 32
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
ROOT_URLCONF = "tests.urls"
USE_TZ = True
LANGUAGES = [("en", "English"), ("ja", "日本語")]
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_auth0_flow",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_auth0_flow.middleware.Auth0Middleware",
]
if os.environ.get("TEST_LOGIN_REQUIRED_MIDDLEWARE") == "1":
    MIDDLEWARE.append("django.contrib.auth.middleware.LoginRequiredMiddleware")
AUTHENTICATION_BACKENDS = [
    "django_auth0_flow.backends.Auth0Backend",
    "django.contrib.auth.backends.ModelBackend",
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
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
        "NAME": ":memory:",
        "ATOMIC_REQUESTS": os.environ.get("TEST_ATOMIC_REQUESTS") == "1",
        **_database,
    }
}
if "TEST_CACHE" in os.environ:
    CACHES = {"default": json.loads(os.environ["TEST_CACHE"])}
SESSION_ENGINE = os.environ.get("TEST_SESSION_ENGINE", "django.contrib.sessions.backends.db")
STATIC_URL = "/static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGIN_URL = "auth0:login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"
AUTH0 = json.loads(os.environ.get("TEST_AUTH0", "null")) or {
    "ISSUER": "http://127.0.0.1:9/",
    "CLIENT_ID": "unset",
    "CLIENT_SECRET": "unset",
    "AUDIENCE": "https://api.example.com",
}
