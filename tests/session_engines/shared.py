"""Sessions in the cache under another name."""

from __future__ import annotations

from django.contrib.sessions.backends.cache import SessionStore as Base


class SessionStore(Base):
    """Changes nothing."""
