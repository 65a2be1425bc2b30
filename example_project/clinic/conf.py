"""Django's settings. ``Any``, because type checkers know Django's own names only, not ``API_URL``."""

from __future__ import annotations

from typing import Any

from django.conf import settings as django_settings

settings: Any = django_settings
