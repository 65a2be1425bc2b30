"""Signed cookies under another name."""

from __future__ import annotations

from django.contrib.sessions.backends.signed_cookies import SessionStore as Base


class SessionStore(Base):
    """Changes nothing."""
