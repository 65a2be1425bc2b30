"""Calls of one async view to a slow API, side by side: ``python -m tests.benchmarks.async_calls ROUNDS`` prints rows.

The API takes half a second for each answer.
"""

from __future__ import annotations

import asyncio
import io
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from asgiref.sync import async_to_sync
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse
from django.urls import path

from tests.benchmarks.api_calls import serving
from tests.benchmarks.chain import OURS, log_in
from tests.benchmarks.login_site import configure
from tests.benchmarks.measure import Row, compared, write_rows
from tests.benchmarks.peers import MIDDLEWARE, Account, Peer, ours
from tests.benchmarks.reading import store_login

AT_ONCE = 32
#: Of the time of one call.
BUDGET = 1.5


async def calls(request: Any) -> HttpResponse:
    url, count = request.GET["url"], int(request.GET["count"])
    answers = await asyncio.gather(*(request.auth0.arequest("GET", url) for _ in range(count)))
    return HttpResponse(str(sum(answer.ok for answer in answers)))


def main(rounds: int) -> None:
    with serving() as (api, _), tempfile.TemporaryDirectory(prefix="benchmark-async-") as folder:
        account = Account("http://127.0.0.1:9/", "c", "s", api)
        configure(Peer(ours, lambda account: [path("calls/", calls)]), account, str(Path(folder) / "site.sqlite3"))
        cookie = log_in()
        store_login(cookie)
        handler = build_handler()

        def ask(count: int) -> float:
            """Return the seconds of a request that makes so many calls at once."""
            query = urlencode({"url": f"{api}/slow", "count": count}).encode()
            headers = [(b"host", b"testserver"), (b"cookie", cookie.encode())]
            scope = {"type": "http", "method": "GET", "path": "/calls/", "query_string": query, "headers": headers}
            started = time.perf_counter()
            response = async_to_sync(handler.get_response_async)(ASGIRequest(scope, io.BytesIO()))
            assert response.content == b"%d" % count, response.content
            return time.perf_counter() - started

        ask(AT_ONCE)
        found = [(ask(AT_ONCE), ask(1)) for _ in range(rounds)]
    many, one = zip(*found, strict=True)
    measure = f"{AT_ONCE} calls at once against one"
    write_rows([Row("Async calls to a slow API", measure, budget=BUDGET, **compared(many, one, 1e3, "ms"))])


def build_handler() -> Any:
    from django.conf import settings
    from django.core.handlers.asgi import ASGIHandler

    settings.MIDDLEWARE = [*MIDDLEWARE, OURS]
    return ASGIHandler()


if __name__ == "__main__":
    main(int(sys.argv[1]))
