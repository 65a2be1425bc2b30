"""Procedures: the same outcome by thread and by event loop, and an event loop that is never held up."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any

import pytest
from django.db import connections
from django.test import Client, RequestFactory

from django_auth0_flow.session import Auth0Session
from django_auth0_flow.testing.tenant import Tenant
from django_auth0_flow.tokens.sync_async import (
    Action,
    Network,
    Procedure,
    Wait,
    acall,
    arun,
    loop_of_call,
    run,
    run_in_loop,
)

DAY = 86400
#: Seconds of really blocking a thread: what is tested is that the event loop runs on meanwhile.
LASTING = 0.4


async def ticks_during(work: Coroutine[Any, Any, Any]) -> tuple[Any, int]:
    """Return what ``work`` returns, and how often the event loop came round to something else meanwhile."""
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    result = await work
    ticking.cancel()
    return result, ticks


def never_done() -> Future[None]:
    return Future()


@pytest.mark.parametrize(
    "make",
    [lambda: Network(lambda: time.sleep(LASTING)), lambda: Wait(LASTING), lambda: Wait(LASTING, never_done())],
    ids=["network", "wait", "wait-for-a-leader"],
)
def test_event_loop_runs_on_during_a_step(make: Callable[[], Action]) -> None:
    def procedure() -> Procedure[str]:
        yield make()
        return "done"

    result, ticks = asyncio.run(ticks_during(arun(procedure())))
    assert result == "done"
    assert ticks > 5


@pytest.mark.django_db(transaction=True)
def test_event_loop_runs_on_during_a_refresh(logged_in_client: Client, tenant: Tenant, rf: RequestFactory) -> None:
    request = rf.get("/")
    request.session = logged_in_client.session
    tenant.clock.advance(DAY)
    tenant.fault("slow", seconds=LASTING)
    token, ticks = asyncio.run(ticks_during(Auth0Session(request).aaccess_token()))
    assert token
    assert ticks > 5
    assert tenant.count("/oauth/token", grant_type="refresh_token") == 1


def test_both_ways_hand_errors_to_the_procedure() -> None:
    def failing() -> None:
        raise OSError("no route")

    def procedure() -> Procedure[list[str]]:
        seen = []
        for step in (Network(failing), Network(threading.get_ident)):
            try:
                yield step
            except OSError as error:
                seen.append(str(error))
        return seen

    assert run(procedure()) == asyncio.run(arun(procedure())) == ["no route"]


def test_a_call_leaves_its_thread_without_database_connection_and_without_loop() -> None:
    def close() -> None:
        closed.append(threading.current_thread().name)
        del connections["default"].close

    def work() -> tuple[str, bool]:
        # As a hook of the project does that reads from the database.
        connections["default"].close = close  # type: ignore[method-assign]
        return threading.current_thread().name, loop_of_call() is not None

    closed: list[str] = []
    name, has_loop = asyncio.run(acall(work))
    assert name.startswith("auth0-api")
    assert has_loop
    assert loop_of_call() is None
    assert closed == [name]


def test_a_call_hands_work_to_the_loop_that_waits_for_it() -> None:
    async def where() -> tuple[int, bool]:
        return threading.get_ident(), loop_of_call() is None

    async def main() -> tuple[int, tuple[int, bool]]:
        def work() -> tuple[int, bool]:
            loop = loop_of_call()
            assert loop is not None
            return run_in_loop(loop, where(), seconds=5)

        return threading.get_ident(), await acall(work)

    here, (there, outside_the_call) = asyncio.run(main())
    assert here == there
    assert outside_the_call


def test_a_call_that_fails_fails_for_who_waits() -> None:
    def work() -> None:
        raise OSError("no route")

    with pytest.raises(OSError, match="no route"):
        asyncio.run(acall(work))
