"""A session engine that can't delete one session, whose key is ``spared``."""

from __future__ import annotations

from typing import Any

from django.contrib.sessions.backends import db

spared: str | None = None


class SessionStore(db.SessionStore):
    """Django's own but for that."""

    def delete(self, session_key: str | None = None) -> None:
        if spared and (session_key or self.session_key) == spared:
            raise RuntimeError("this engine is down")
        super().delete(session_key)

    @classmethod
    def get_model_class(cls) -> Any:
        return db.SessionStore.get_model_class()
