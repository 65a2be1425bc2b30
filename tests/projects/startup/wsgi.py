"""The site under a WSGI server; with TEST_PRELOAD=1 it loads all modules when a worker loads it."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

from django_auth0_flow.apps import preload

application = get_wsgi_application()
if os.environ.get("TEST_PRELOAD") == "1":
    preload()
