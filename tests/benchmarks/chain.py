"""What the middleware adds to a request that does not touch ``request.auth0``; ``python -m tests.benchmarks.chain ROUNDS``.

The chains differ in ``Auth0Middleware`` only: one is as ``startproject`` makes it, one as short as it can be (sessions and
users). An anonymous visitor meets an empty view, so that nothing hides the cost; of a visitor with a session the view asks
who it is.
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import path

from tests.benchmarks.login_site import configure, environ_for
from tests.benchmarks.measure import Row, Spread, compared, take_turns, write_rows
from tests.benchmarks.peers import MIDDLEWARE, Account, Peer, ours

GROUP = "Middleware"
BUDGET = 1.03
OURS = "django_auth0_flow.middleware.Auth0Middleware"
SHORT = [name for name in MIDDLEWARE if name.endswith(("SessionMiddleware", "AuthenticationMiddleware"))]


def empty(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


def asks(request: HttpRequest) -> HttpResponse:
    return HttpResponse("known" if request.user.is_authenticated else "unknown")


async def async_empty(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


async def async_asks(request: HttpRequest) -> HttpResponse:
    user = await request.auser()
    return HttpResponse("known" if user.is_authenticated else "unknown")


VIEWS: dict[str, Callable[..., Any]] = {
    "empty/": empty,
    "asks/": asks,
    "async/empty/": async_empty,
    "async/asks/": async_asks,
}


def log_in() -> str:
    """Return the cookie of a visitor who logged in through us."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
    from django.contrib.sessions.backends.db import SessionStore

    user = get_user_model().objects.create(username="visitor")
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django_auth0_flow.backends.Auth0Backend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session["_auth0"] = {"id": "0" * 32, "configuration": "default"}
    session.save()
    return f"sessionid={session.session_key}"


def wsgi(middleware: list[str], address: str, cookie: str) -> Callable[[], None]:
    from django.conf import settings
    from django.core.handlers.wsgi import WSGIHandler

    settings.MIDDLEWARE = middleware
    handler: Any = WSGIHandler()

    def request() -> None:
        response = handler(environ_for("GET", address, cookie), lambda status, headers, exc_info=None: None)
        for _ in response:
            pass
        response.close()

    return request


def asgi(middleware: list[str], address: str, cookie: str, *, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
    """The chain without the ASGI handler's threads and signals, which would hide everything else."""
    from django.conf import settings
    from django.core.handlers.asgi import ASGIHandler, ASGIRequest

    settings.MIDDLEWARE = middleware
    handler: Any = ASGIHandler()
    headers = [(b"host", b"testserver"), (b"cookie", cookie.encode())]
    scope = {"type": "http", "method": "GET", "path": address, "query_string": b"", "headers": headers}

    def request() -> None:
        loop.run_until_complete(handler.get_response_async(ASGIRequest(scope, io.BytesIO())))

    return request


def compare(title: str, build: Callable[..., Callable[[], None]], address: str, cookie: str, rounds: int) -> list[Row]:
    rows = []
    for name, chain, budget in (("startproject's chain", MIDDLEWARE, BUDGET), ("sessions and users only", SHORT, None)):
        functions = {"with": build([*chain, OURS], address, cookie), "without": build(chain, address, cookie)}
        found = take_turns(functions, rounds=rounds, repeat=25)
        added = Spread.of([(a - b) * 1e6 for a, b in zip(found["with"], found["without"], strict=True)])
        rows.append(
            Row(
                GROUP,
                f"{title}, {name}",
                budget=budget,
                detail=f"{added.median:+.1f} µs",
                **compared(found["with"], found["without"], 1e6, "µs"),
            )
        )
    return rows


def main(rounds: int) -> None:
    urls = [path(address, view) for address, view in VIEWS.items()]
    configure(Peer(ours, lambda account: urls), Account("http://127.0.0.1:9/", "c", "s"))
    cookie = log_in()
    loop = asyncio.new_event_loop()
    rows = []
    for kind, known, view in (("anonymous", "", "empty/"), ("logged in", cookie, "asks/")):
        rows += compare(f"{kind}, WSGI", wsgi, f"/{view}", known, rounds)
        rows += compare(f"{kind}, async", partial(asgi, loop=loop), f"/async/{view}", known, rounds // 2)
    loop.close()
    write_rows(rows)


if __name__ == "__main__":
    main(int(sys.argv[1]))
