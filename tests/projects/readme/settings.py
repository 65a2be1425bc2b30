"""The project that the README's examples are about: its settings as the README gives them, beside those of the tests."""

from __future__ import annotations

from tests.settings import *  # noqa: F403 - settings build on settings

ROOT_URLCONF = "tests.projects.readme.urls"
AUTH0 = {
    "DOMAIN": "example.eu.auth0.com",
    "CLIENT_ID": "client",
    "CLIENT_SECRET": "secret",
    "AUDIENCE": "https://api.example.com",
    "SCOPE": "openid profile email offline_access",
}
