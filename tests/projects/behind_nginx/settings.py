"""The test project as the documentation sets it up behind nginx; TEST_BELOW_A_PATH=1 is the one below a path."""

from __future__ import annotations

import os

from tests.docs.pages import blocks
from tests.settings import *  # noqa: F403 - settings build on settings

DEBUG = False
_markers = ["proxy settings", *(["sub-path settings"] if os.environ.get("TEST_BELOW_A_PATH") == "1" else [])]
for _documented in blocks(*_markers):
    exec(_documented.code)  # noqa: S102
