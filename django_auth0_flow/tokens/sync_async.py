"""One algorithm, run by a thread or by an event loop.

A procedure that mixes database, network and waiting is written once, as a generator of such actions. ``run`` carries it
out in the calling thread. ``arun`` does so under asyncio: the database in the thread that owns Django's connections, the
network in a thread of its own, waiting without any.
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


Action = Database | Network | Wait

Procedure = Generator[Action, Any, T]


def run(procedure: Procedure[T]) -> T:
    """Carry the procedure out in this thread and return what it returns."""
    try:
        action = next(procedure)
        while True:
            try:
                value = _perform(action)
            except BaseException as error:  # noqa: BLE001  # the procedure decides
                action = procedure.throw(error)
            else:
                action = procedure.send(value)
    except StopIteration as stop:
        result: T = stop.value
        return result


def _perform(action: Action) -> Any:
    if isinstance(action, Wait):
        if action.future is None:
            time.sleep(action.seconds)
        else:
            wait_for_futures([action.future], timeout=action.seconds)
        return None
    return action.work()


async def arun(procedure: Procedure[T]) -> T:
    """Carry the procedure out under asyncio without blocking the event loop."""
    try:
        action = next(procedure)
        while True:
            try:
                value = await _aperform(action)
            except BaseException as error:  # noqa: BLE001  # the procedure decides
                action = procedure.throw(error)
            else:
                action = procedure.send(value)
    except StopIteration as stop:
        result: T = stop.value
        return result


async def _aperform(action: Action) -> Any:
    if isinstance(action, Database):
        return await sync_to_async(action.work, thread_sensitive=True)()
    if isinstance(action, Network):
        return await asyncio.to_thread(action.work)
    if action.future is None:
        await asyncio.sleep(action.seconds)
    else:
        await asyncio.wait([asyncio.wrap_future(action.future)], timeout=action.seconds)
    return None
