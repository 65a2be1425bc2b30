"""Django's settings, as a type checker takes them that has never heard of ``API_URL``."""

from __future__ import annotations

from typing import Any

from django.conf import settings as django_settings

settings: Any = django_settings
