"""A throw-away Redis."""

from __future__ import annotations

from typing import Any

from tests import programs
from tests.servers.process import Server, accepts_connections

WHY = "the tests that share a cache need the Debian package redis-server"


class Redis(Server):
    account = "redis"

    def _start(self) -> None:
        self._spawn(
            [
                programs.require("redis-server", WHY),
                *("--bind", "127.0.0.1", "--port", str(self.port), "--dir", self.folder),
                *("--save", "", "--appendonly", "no", "--daemonize", "no"),
            ],
            until=lambda: accepts_connections(self.port),
        )

    @property
    def url(self) -> str:
        """The ``LOCATION`` of a cache."""
        return f"redis://127.0.0.1:{self.port}/0"

    def django_cache(self) -> dict[str, Any]:
        """Return a ``CACHES`` entry."""
        programs.require_module("redis", "Django's Redis cache needs the Python package redis")
        return {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": self.url}
