"""tests.settings with e-mail addresses as usernames."""

from __future__ import annotations

from tests.settings import *  # noqa: F403 - settings build on settings
from tests.settings import INSTALLED_APPS as _APPS

INSTALLED_APPS = [
    *[app for app in _APPS if app != "django.contrib.admin"],
    "tests.projects.email_users",
]
AUTH_USER_MODEL = "email_users.Person"
ROOT_URLCONF = "tests.projects.urls"
