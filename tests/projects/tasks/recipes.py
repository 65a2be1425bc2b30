"""The tasks: the recipes of the documentation, word for word. TEST_API is where their API really is."""

from __future__ import annotations

import os

from tests.docs.pages import blocks

for _recipe in blocks("run: celery", "run: machine"):
    _code = _recipe.code.replace("https://api.example.com", os.environ["TEST_API"])
    exec(compile(_code, str(_recipe), "exec"), {"__name__": "recipes"})  # noqa: S102
