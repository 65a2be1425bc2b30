"""A worker process that logs people in and says what it holds: ``python -m tests.benchmarks.memory_site ACCOUNT DATABASE``.

Reads requests as ``login_site`` does. ``["", "", "", "memory"]`` prints resident memory, what Python has allocated since
tracemalloc was started (PYTHONTRACEMALLOC), and how much each container and class of ours holds.
"""

from __future__ import annotations

import gc
import json
import sys
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import path

from tests.benchmarks.login_site import Site, configure
from tests.benchmarks.names import OURS
from tests.benchmarks.peers import PEERS, Account

PACKAGE = "django_auth0_flow"


def memory() -> dict[str, Any]:
    gc.collect()
    resident = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    traced = tracemalloc.get_traced_memory()[0] if tracemalloc.is_tracing() else 0
    return {"resident": int(resident.split()[1]) * 1024, "traced": traced, "held": dict(held())}


def held() -> Counter[str]:
    """Count what our modules, and the objects of our classes, keep: entries of containers and caches, and the objects."""
    found: Counter[str] = Counter()
    for name, module in sorted(sys.modules.items()):
        if name.partition(".")[0] == PACKAGE:
            for place, size in sizes(vars(module)):
                found[f"{name}.{place}"] = size
    for thing in gc.get_objects():
        kind = type(thing)
        if str(kind.__module__).partition(".")[0] == PACKAGE:
            name = f"{kind.__module__}.{kind.__qualname__}"
            found[name] += 1
            for place, size in sizes(getattr(thing, "__dict__", {})):
                found[f"{name}.{place}"] += size
    return found


def sizes(names: dict[str, Any]) -> Iterator[tuple[str, int]]:
    for name, value in list(names.items()):
        if callable(getattr(value, "cache_info", None)):
            if str(value.__module__).partition(".")[0] == PACKAGE:  # not urlsplit's, which Python bounds
                yield name, value.cache_info().currsize
        # Not isinstance(value, Sized): it would remember each class that it has judged.
        elif hasattr(type(value), "__len__") and not isinstance(value, str | bytes) and not name.startswith("__"):
            try:
                yield name, len(value)
            except TypeError:  # a lazy object that has nothing yet
                continue


def _claims(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.auth0.claims["sub"])  # type: ignore[attr-defined]  # the middleware's


def main() -> None:
    configure(PEERS[OURS], Account(**json.loads(sys.argv[1])), sys.argv[2])
    sys.modules["benchmark_urls"].urlpatterns.insert(0, path("claims/", _claims))
    site = Site()
    for line in sys.stdin:
        method, address, cookie, mode = json.loads(line)
        answer = memory() if mode == "memory" else site.ask(method, address, cookie, mode)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
