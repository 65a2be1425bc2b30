"""As much of Celery as a recipe needs, for machines without it: a task runs at once, ``retry`` raises."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any


class Retry(Exception):
    """The task asked to be run again."""


class Task:
    def retry(self, *, exc: Exception, countdown: float) -> Retry:
        raise Retry(countdown) from exc


def shared_task(*, bind: bool, max_retries: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    assert bind
    assert max_retries
    return lambda function: partial(function, Task())


def as_module() -> ModuleType:
    """Return a module ``celery`` with these names."""
    module = ModuleType("celery")
    vars(module).update(shared_task=shared_task, Retry=Retry)
    return module
