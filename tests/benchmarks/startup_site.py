"""A site in a process of its own that starts, answers one request and tells what that took.

``python -m tests.benchmarks.startup_site NAME DATABASE`` prints CPU milliseconds of the whole process, the start of the
interpreter included, and its resident memory in MiB. The page asked for shows who is logged in, and logs no one in. A
further argument may be ``visitor``: somebody is logged in there; ``preload``: ours loads what a login needs too;
``prepare``: the database is made, nothing is measured.
"""

from __future__ import annotations

import io
import json
import resource
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import django
from django.conf import settings

from tests.benchmarks.peers import PEERS, Account, add_urls, project_settings

_SESSION = "benchmarks0benchmarks0benchmarks"


def main(name: str, database: str, mode: str = "") -> None:
    account = Account("https://example.eu.auth0.com/", "client", "secret")
    site = project_settings(PEERS[name], account)
    site["DATABASES"]["default"]["NAME"] = database
    settings.configure(**site)
    django.setup()
    add_urls(PEERS[name], account)
    if mode == "prepare":
        prepare()
        return
    from django.core.wsgi import get_wsgi_application

    handler: Any = get_wsgi_application()
    if mode == "preload":
        from django_auth0_flow.apps import preload

        preload()
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/",
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "HTTP_COOKIE": f"sessionid={_SESSION}" if mode == "visitor" else "",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
    }
    answer = b"".join(handler(environ, lambda status, headers: None))
    assert answer == (b"home of visitor" if mode == "visitor" else b"home of AnonymousUser")
    used = resource.getrusage(resource.RUSAGE_SELF)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    sys.stdout.write(json.dumps([(used.ru_utime + used.ru_stime) * 1e3, int(status["VmRSS"].split()[0]) / 1024]))


def prepare() -> None:
    """Make the tables, a user, and a session of theirs as the site's first backend leaves it."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
    from django.contrib.sessions.models import Session
    from django.core.management import call_command
    from django.utils import timezone

    call_command("migrate", verbosity=0)
    user: Any = get_user_model().objects.create_user("visitor")
    facts = {
        SESSION_KEY: str(user.pk),
        HASH_SESSION_KEY: user.get_session_auth_hash(),
        BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0],
    }
    Session.objects.save(_SESSION, facts, timezone.now() + timedelta(days=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
