"""Sessions in the database under another name."""

from __future__ import annotations

from django.contrib.sessions.backends.db import SessionStore as Base


class SessionStore(Base):
    """Changes nothing."""
