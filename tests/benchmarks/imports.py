"""What installing the app costs a process that does nothing yet; ``python -m tests.benchmarks.imports ROUNDS`` prints rows.

Three processes take turns: a plain project, one that imports requests and PyJWT as well, and one with our app, its
middleware, backend and urls loaded. Peak memory is the high-water mark of the process, as Linux tells it.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.benchmarks.measure import Row, Spread, write_rows
from tests.benchmarks.profiles import largest, shares

GROUP = "Import"
BUDGET_MIB = 2
ROOT = Path(__file__).resolve().parents[2]

_PROJECT = """
import json, sys, time
if sys.argv[1] == "profile":
    from collections import Counter
    from tests.benchmarks.profiles import memory_of_modules
    kept = Counter()
    watching = memory_of_modules("django_auth0_flow", kept)
    watching.__enter__()
started = time.process_time()
import django
from django.conf import settings
ours = sys.argv[1] in ("ours", "profile")
settings.configure(
    SECRET_KEY="x" * 50,
    ALLOWED_HOSTS=["testserver"],
    ROOT_URLCONF="django_auth0_flow.urls" if ours else "django.contrib.auth.urls",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[
        "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "django.contrib.messages",
        *(["django_auth0_flow"] if ours else []),
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        *(["django_auth0_flow.middleware.Auth0Middleware"] if ours else []),
    ],
    AUTHENTICATION_BACKENDS=[
        "django_auth0_flow.backends.Auth0Backend" if ours else "django.contrib.auth.backends.ModelBackend"
    ],
    AUTH0={"DOMAIN": "example.eu.auth0.com", "CLIENT_ID": "c", "CLIENT_SECRET": "s"},
)
django.setup()
if sys.argv[1] == "libraries":
    import jwt, requests
from django.contrib.auth import get_backends
from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver
get_wsgi_application(), get_backends(), get_resolver().url_patterns
import django.contrib.auth.views, django.forms, django.template.loader
spent = time.process_time() - started
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps(kept if sys.argv[1] == "profile" else [spent * 1e3, int(status["VmHWM"].split()[0]) / 1024]))
"""


def start(kind: str, bytecode: str) -> Any:
    """Return CPU milliseconds and peak MiB of one process; compiled modules are in the folder ``bytecode``.

    Of the kind ``profile``: the bytes that each of our modules keeps.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": bytecode}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [sys.executable, "-c", _PROJECT, kind], env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def made_of(kept: dict[str, float]) -> list[tuple[str, str]]:
    total = sum(kept.values())
    parts = largest(shares({f"`{name}`": size for name, size in kept.items()}))
    return [(name, f"{share * total / 1024:.0f} KiB ({share:.0%})") for name, share in parts]


def main(rounds: int) -> None:
    kinds = ["plain", "libraries", "ours"]
    found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in kinds}
    with tempfile.TemporaryDirectory(prefix="benchmark-bytecode-") as bytecode:
        for kind in kinds:
            start(kind, bytecode)  # compiles, as an installation does
        for _ in range(rounds):
            random.shuffle(kinds)
            for kind in kinds:
                found[kind].append(start(kind, bytecode))
        kept = start("profile", bytecode)

    def over(kind: str, base: str, index: int) -> Spread:
        return Spread.of([a[index] - b[index] for a, b in zip(found[kind], found[base], strict=True)])

    plain = Spread.of([memory for _, memory in found["plain"]])
    write_rows(
        [
            Row(
                GROUP,
                "peak memory over plain Django with requests and PyJWT",
                over("ours", "libraries", 1),
                "MiB",
                BUDGET_MIB,
                f"plain Django {plain.median:.1f} MiB",
                made_of(kept),
            ),
            Row(GROUP, "peak memory of requests and PyJWT over plain Django", over("libraries", "plain", 1), "MiB"),
            Row(
                GROUP,
                "CPU time to start, over plain Django with requests and PyJWT",
                over("ours", "libraries", 0),
                "ms",
            ),
            Row(GROUP, "CPU time of requests and PyJWT over plain Django", over("libraries", "plain", 0), "ms"),
        ]
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
