"""tests.settings with several databases; the replica is another database, so whatever reads from it finds nothing."""

from __future__ import annotations

from tests.settings import *  # noqa: F403 - settings build on settings
from tests.settings import MIDDLEWARE as _MIDDLEWARE

MIDDLEWARE = [name for name in _MIDDLEWARE if "LoginRequired" not in name]
DATABASES = {
    name: {"ENGINE": "django.db.backends.sqlite3", "NAME": f"file:{name}?mode=memory&cache=shared"}
    for name in ("default", "people", "replica")
}
DATABASE_ROUTERS = ["tests.projects.two_databases.routing.Router"]
