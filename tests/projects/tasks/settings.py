"""The test project as a Celery worker runs it, with the settings that the documentation names."""

from __future__ import annotations

import os

from tests.docs.pages import blocks
from tests.settings import *  # noqa: F403 - settings build on settings

(_documented,) = blocks("celery settings")
exec(_documented.code)  # noqa: S102
CELERY_BROKER_URL = CELERY_RESULT_BACKEND = os.environ["TEST_REDIS"]
