"""A site in a process of its own that starts, answers one request and tells what that took.

``python -m tests.benchmarks.startup_site NAME [preload]`` prints CPU milliseconds of the whole process, the interpreter's
own start included, and its resident memory in MiB. The page asked for logs no one in. With ``preload`` ours loads what a
login needs too.
"""

from __future__ import annotations

import io
import json
import resource
import sys
from pathlib import Path
from typing import Any

import django
from django.conf import settings

from tests.benchmarks.peers import PEERS, Account, add_urls, project_settings


def main(name: str, *, preloaded: bool) -> None:
    account = Account("https://example.eu.auth0.com/", "client", "secret")
    settings.configure(**project_settings(PEERS[name], account))
    django.setup()
    add_urls(PEERS[name], account)
    from django.core.wsgi import get_wsgi_application

    handler: Any = get_wsgi_application()
    if preloaded:
        from django_auth0_flow.apps import preload

        preload()
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/",
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
    }
    assert b"".join(handler(environ, lambda status, headers: None)) == b"home"
    used = resource.getrusage(resource.RUSAGE_SELF)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    sys.stdout.write(json.dumps([(used.ru_utime + used.ru_stime) * 1e3, int(status["VmRSS"].split()[0]) / 1024]))


if __name__ == "__main__":
    main(sys.argv[1], preloaded="preload" in sys.argv)
