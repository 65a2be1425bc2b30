"""One algorithm, run by a thread or by an event loop.

A procedure that mixes database, network and waiting is written once, as a generator of steps. ``run`` drives it in the
calling thread. ``arun`` drives it under asyncio: the database in the thread that owns Django's connections, the network in
a thread of its own, waiting without any.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from concurrent.futures import wait as wait_for_futures
from dataclasses import dataclass
from typing import Any, TypeVar

from asgiref.sync import sync_to_async

T = TypeVar("T")


@dataclass(frozen=True)
class Database:
    """A short piece of work on Django's database connection."""

    work: Callable[[], Any]


@dataclass(frozen=True)
class Network:
    """A call that may take as long as the HTTP timeout."""

    work: Callable[[], Any]


@dataclass(frozen=True)
class Wait:
    """Wait ``seconds``, or until ``future`` is done if that comes first."""

    seconds: float
    future: Future[Any] | None = None


Step = Database | Network | Wait

Steps = Generator[Step, Any, T]


def run(steps: Steps[T]) -> T:
    """Drive the steps in this thread and return what the generator returns."""
    return _drive(steps, _perform)


def _drive(steps: Steps[T], perform: Callable[[Step], Any]) -> T:
    try:
        step = next(steps)
        while True:
            try:
                value = perform(step)
            except BaseException as error:  # noqa: BLE001  # the procedure decides
                step = steps.throw(error)
            else:
                step = steps.send(value)
    except StopIteration as stop:
        result: T = stop.value
        return result


def _perform(step: Step) -> Any:
    if isinstance(step, Wait):
        if step.future is None:
            time.sleep(step.seconds)
        else:
            wait_for_futures([step.future], timeout=step.seconds)
        return None
    return step.work()


async def arun(steps: Steps[T]) -> T:
    """Drive the steps under asyncio without blocking the event loop."""
    try:
        step = next(steps)
        while True:
            try:
                value = await _aperform(step)
            except BaseException as error:  # noqa: BLE001  # the procedure decides
                step = steps.throw(error)
            else:
                step = steps.send(value)
    except StopIteration as stop:
        result: T = stop.value
        return result


async def _aperform(step: Step) -> Any:
    if isinstance(step, Database):
        return await sync_to_async(step.work, thread_sensitive=True)()
    if isinstance(step, Network):
        return await asyncio.to_thread(step.work)
    if step.future is None:
        await asyncio.sleep(step.seconds)
    else:
        await asyncio.wait([asyncio.wrap_future(step.future)], timeout=step.seconds)
    return None
