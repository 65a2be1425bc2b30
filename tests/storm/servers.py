"""The test project under gunicorn and uvicorn, and storms of HTTP requests on it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import requests

from tests.servers.process import accepts_connections, free_port
from tests.storm.harness import ROOT, Outcome, Site

GUNICORN = [sys.executable, "-m", "gunicorn", "--log-level", "warning", "--backlog", "512", "--graceful-timeout", "5"]
#: 32 requests at once in each: by processes, by threads in processes, by event loops.
MODELS: dict[str, list[str]] = {
    "gunicorn-sync-32": [*GUNICORN, "--preload", "--workers", "32", "tests.wsgi"],
    "gunicorn-gthread-4x8": [*GUNICORN, "--workers", "4", "--worker-class", "gthread", "--threads", "8", "tests.wsgi"],
    "uvicorn-asgi-4": [
        sys.executable,
        "-m",
        "uvicorn",
        "--log-level",
        "warning",
        "--workers",
        "4",
        "tests.asgi:application",
    ],
}
ONE_PROCESS = "gunicorn-gthread-1x16"
_ALL = {
    **MODELS,
    ONE_PROCESS: [*GUNICORN, "--workers", "1", "--worker-class", "gthread", "--threads", "16", "tests.wsgi"],
}


@contextmanager
def serving(site: Site, model: str) -> Iterator[str]:
    """Serve the site and yield its address; the processes are stopped at the end."""
    with serving_by(_ALL[model], site.environment) as address:
        yield address


@contextmanager
def serving_by(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[str]:
    """As ``serving``, by a command of gunicorn or uvicorn."""
    with running_server(command, environment) as (address, _):
        yield address


@contextmanager
def running_server(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """As ``serving_by``; yield the id of the server's first process as well."""
    port = free_port()
    where = ["--host", "127.0.0.1", "--port", str(port)] if "uvicorn" in command else ["--bind", f"127.0.0.1:{port}"]
    process = subprocess.Popen(
        [*command[:3], *where, *command[3:]], env=environment, cwd=ROOT, stderr=subprocess.DEVNULL
    )
    try:
        give_up = time.monotonic() + 180
        while not accepts_connections(port):
            if process.poll() is not None or time.monotonic() > give_up:
                raise AssertionError(f"the server did not start: {' '.join(command)}")
            threading.Event().wait(0.05)
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def http_storm(site: Site, address: str, cookies: Sequence[str], *, requests_at_once: int, path: str) -> Outcome:
    """Send that many requests at once; the cookies are dealt out in turn."""
    before, revoked = site.tenant.count("/oauth/token", grant_type="refresh_token"), site.tenant.families_revoked
    answers: list[dict[str, object]] = []
    gate = threading.Barrier(requests_at_once)

    def ask(cookie: str) -> None:
        with requests.Session() as browser:
            gate.wait()
            started = time.monotonic()
            answer = browser.get(address + path, cookies={"sessionid": cookie}, timeout=300, allow_redirects=False)
            answers.append(
                {
                    "status": answer.status_code,
                    "digest": hashlib.sha256(answer.content).hexdigest()[:12],
                    "seconds": time.monotonic() - started,
                }
            )

    threads = [
        threading.Thread(target=ask, args=(cookies[number % len(cookies)],)) for number in range(requests_at_once)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Outcome(
        site.tenant.count("/oauth/token", grant_type="refresh_token") - before,
        answers,
        site.tenant.families_revoked - revoked,
    )
