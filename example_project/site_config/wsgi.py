"""WSGI entry point: ``site_config.wsgi.application``. It serves the few static files too, as an example may."""

from __future__ import annotations

import os

from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_config.settings")
application = StaticFilesHandler(get_wsgi_application())
