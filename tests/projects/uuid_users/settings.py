"""tests.settings with a user model that shares hardly anything with Django's."""

from __future__ import annotations

from tests.settings import *  # noqa: F403 - settings build on settings
from tests.settings import INSTALLED_APPS as _APPS

INSTALLED_APPS = [
    *[app for app in _APPS if app != "django.contrib.admin"],
    "tests.projects.uuid_users",
]
AUTH_USER_MODEL = "uuid_users.Member"
ROOT_URLCONF = "tests.projects.urls"
