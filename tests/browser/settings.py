"""The test project with pages for a person, under a strict policy.

TEST_COOKIE_SAMESITE sets SESSION_COOKIE_SAMESITE; TEST_CERTIFICATE, JSON of the two paths, has the site speak https.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.settings import *  # noqa: F403 - settings build on settings
from tests.settings import MIDDLEWARE as _MIDDLEWARE
from tests.settings import TEMPLATES as _TEMPLATES

DEBUG = False
ROOT_URLCONF = "tests.browser.pages"
MIDDLEWARE = ["tests.browser.pages.RequestsMiddleware", "tests.browser.pages.StrictPolicyMiddleware", *_MIDDLEWARE]
TEMPLATES = [{**_TEMPLATES[0], "DIRS": [Path(__file__).parent / "templates"]}]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = "TEST_CERTIFICATE" in os.environ
SESSION_COOKIE_SAMESITE = os.environ.get("TEST_COOKIE_SAMESITE", "Lax")
