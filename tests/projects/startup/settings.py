"""A site as most are: pages, some of them behind a login, that call an API; and an API of its own."""

from __future__ import annotations

from tests.settings import *  # noqa: F403

ROOT_URLCONF = "tests.projects.startup.urls"
