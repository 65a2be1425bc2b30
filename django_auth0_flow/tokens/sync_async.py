"""One algorithm, run by a thread or by an event loop.

A procedure that mixes database, network and waiting is written once, as a generator of such actions. ``run`` carries it
out in the calling thread. ``arun`` does so under asyncio: the database in the thread that owns Django's connections, the
network in a thread of its own, waiting without any.

``acall`` runs a call to an API in a pool of threads. What such a call asks of a login session, a refresh after a 401 say,
goes back to the event loop (``run_in_loop``), so that no thread of the pool needs a database connection.

``sensitive_variables`` does not reach a finished generator's frame, nor another thread's: an error report shows the
variables there. No repr may show a token, and no local variable may be one; a ``partial``'s repr shows its arguments.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for_futures
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.db import connections

T = TypeVar("T")

#: So many calls by ``acall`` run at once in a worker process; further ones wait for a thread. Threads start when needed.
CALLS_AT_ONCE = 128


@dataclass(frozen=True)
class Database:
    """A short piece of work on Django's database connection."""

    work: Callable[[], Any] = field(repr=False)


@dataclass(frozen=True)
class Network:
    """A call that may take as long as the HTTP timeout."""

    work: Callable[[], Any] = field(repr=False)


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
        return await sync_to_async(_perform, thread_sensitive=True)(action)
    if isinstance(action, Network):
        return await asyncio.to_thread(_perform, action)
    if action.future is None:
        await asyncio.sleep(action.seconds)
    else:
        await asyncio.wait([asyncio.wrap_future(action.future)], timeout=action.seconds)
    return None


@cache
def _call_threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="auth0-api")


os.register_at_fork(after_in_child=_call_threads.cache_clear)

_this_thread = threading.local()


async def acall(work: Callable[[], T]) -> T:
    """Return what ``work`` returns, a call that may last, without blocking the event loop."""
    loop = asyncio.get_running_loop()

    def in_thread() -> T:
        _this_thread.loop = loop
        try:
            return work()
        finally:
            _this_thread.loop = None
            connections.close_all()  # what hooks of the call may have opened

    return await sync_to_async(in_thread, thread_sensitive=False, executor=_call_threads())()


def loop_of_call() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that this thread makes a call for, None outside ``acall``."""
    loop: asyncio.AbstractEventLoop | None = getattr(_this_thread, "loop", None)
    return loop


def run_in_loop(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T], *, seconds: float) -> T:
    """Let ``loop`` do ``work`` while this thread waits. Raises TimeoutError: a loop that was stopped does nothing more."""
    return asyncio.run_coroutine_threadsafe(work, loop).result(seconds)
