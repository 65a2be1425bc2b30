"""A site in a process of its own that logs one browser after another in and tells what that cost.

``python -m tests.benchmarks.login_site NAME ACCOUNT`` reads one line of JSON per request on standard input, ``["GET",
"/path?query", "cookie header", "time"]``, hands it to Django's WSGI handler and prints status, location, cookie, seconds of
CPU and by the clock, number of SQL statements and whose session it now is. Only the handler counts: no server, no socket to
the browser.
Instead of ``time``, ``count`` counts SQL statements and ``trace`` bytecode instructions, which costs time, and ``profile``
notes where the time goes;
``["", "", "", "shares"]`` prints what was noted, by package.
"""

from __future__ import annotations

import cProfile
import gc
import io
import json
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from http.cookies import SimpleCookie
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

import django
from django.conf import settings

from tests.benchmarks.peers import PEERS, Account, Peer, add_urls, project_settings
from tests.benchmarks.profiles import by_package

#: A CSRF secret that a browser has had since an earlier page.
_CSRF = "b" * 32


def configure(peer: Peer, account: Account, database: str = ":memory:") -> None:
    """Set Django up as this site; ``database``: the file of its SQLite."""
    settings.configure(**project_settings(peer, account, database))
    django.setup()
    add_urls(peer, account)

    from django.core.management import call_command

    call_command("migrate", run_syncdb=True, verbosity=0)


class Site:
    """Answers requests as a server's worker does, one after the other."""

    def __init__(self) -> None:
        from django.core.wsgi import get_wsgi_application

        self._handler: Any = get_wsgi_application()
        self.profile = cProfile.Profile(time.process_time)

    def ask(self, method: str, address: str, cookie: str, mode: str) -> dict[str, Any]:
        """Send one request."""
        environ = environ_for(method, address, cookie)
        answer: dict[str, Any] = {}

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:
            answer["status"] = int(status[:3])
            answer["headers"] = headers

        watching: Any = self.profile if mode == "profile" else nullcontext()
        counting: AbstractContextManager[list[str]] = counted() if mode == "count" else nullcontext([])
        tracing: AbstractContextManager[list[int]] = traced() if mode == "trace" else nullcontext([0])
        with counting as statements, watching, tracing as instructions:
            started, began = time.process_time(), time.perf_counter()
            response = self._handler(environ, start_response)
            for _ in response:
                pass
            response.close()  # as a server does; this ends the request
            spent, took = time.process_time() - started, time.perf_counter() - began
        cookies: SimpleCookie = SimpleCookie(cookie)
        for name, value in answer["headers"]:
            if name == "Set-Cookie":
                cookies.load(value)
        return {
            "status": answer["status"],
            "location": next((value for name, value in answer["headers"] if name == "Location"), ""),
            "cookie": "; ".join(f"{name}={morsel.value}" for name, morsel in cookies.items()),
            "cpu": spent,
            "wall": took,
            "sql": len(statements),
            "statements": statements,
            "instructions": instructions[0],
            "user": _user_of(cookies),
        }


@contextmanager
def counted() -> Iterator[list[str]]:
    from django.db import connection

    statements: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not sql.startswith(("BEGIN", "SAVEPOINT", "RELEASE")):
            statements.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield statements


@contextmanager
def traced() -> Iterator[list[int]]:
    """Count the bytecode instructions: a measure that does not depend on what else the machine does."""
    instructions = [0]

    def count(frame: FrameType, event: str, arg: object) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        instructions[0] += event == "opcode"
        return count

    sys.settrace(count)
    try:
        yield instructions
    finally:
        sys.settrace(None)


def environ_for(method: str, address: str, cookie: str) -> dict[str, Any]:
    parts = urlsplit(address)
    body = b""
    if method == "POST":
        cookie = f"csrftoken={_CSRF}; {cookie}".rstrip("; ")
        body = f"csrfmiddlewaretoken={_CSRF}".encode()
    return {
        "REQUEST_METHOD": method,
        "CONTENT_TYPE": "application/x-www-form-urlencoded" if body else "",
        "CONTENT_LENGTH": str(len(body)),
        "SCRIPT_NAME": "",
        "PATH_INFO": parts.path,
        "QUERY_STRING": parts.query,
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "testserver",
        "HTTP_COOKIE": cookie,
        "HTTP_ACCEPT": "text/html,application/xhtml+xml,*/*;q=0.8",
        "HTTP_ACCEPT_LANGUAGE": "en",
        "HTTP_SEC_FETCH_MODE": "navigate",
        "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64)",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }


def _user_of(cookies: SimpleCookie) -> str:
    from django.contrib.auth import SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    morsel = cookies.get("sessionid")
    return str(SessionStore(morsel.value).get(SESSION_KEY, "")) if morsel else ""


def main() -> None:
    configure(PEERS[sys.argv[1]], Account(**json.loads(sys.argv[2])))
    site = Site()
    gc.freeze()
    for line in sys.stdin:
        method, address, cookie, mode = json.loads(line)
        answer = by_package(site.profile) if mode == "shares" else site.ask(method, address, cookie, mode)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
