"""ASGI entry point: ``site_config.asgi.application``. It serves the few static files too, as an example may."""

from __future__ import annotations

import os

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_config.settings")
application = ASGIStaticFilesHandler(get_asgi_application())
