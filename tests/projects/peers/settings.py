"""A project that moves: other login packages are installed beside this one. What they know of a tenant is set per test."""

from __future__ import annotations

from tests.settings import *  # noqa: F403 - settings build on settings
from tests.settings import INSTALLED_APPS as _APPS
from tests.settings import MIDDLEWARE as _MIDDLEWARE

INSTALLED_APPS = [
    *[app for app in _APPS if app != "django.contrib.admin"],
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "mozilla_django_oidc",
    "social_django",
]
MIDDLEWARE = [*_MIDDLEWARE, "allauth.account.middleware.AccountMiddleware"]
ROOT_URLCONF = "tests.projects.peers.urls"
SOCIALACCOUNT_LOGIN_ON_GET = True
