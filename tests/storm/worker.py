"""One worker process of a storm: N threads, each with one request, let go at the same moment.

``python -m tests.storm.worker`` reads a line of JSON on standard input (cookies, threads, path), answers ``ready``, waits
for ``go`` and prints the answers as JSON: a list of objects with status, digest of the body and seconds.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
import time
from typing import Any


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()

    from django.db import connections
    from django.test import Client

    order = json.loads(sys.stdin.readline())
    answers: list[dict[str, Any]] = []
    gate = threading.Barrier(order["threads"] + 1)

    def request(cookie: str) -> None:
        client = Client(raise_request_exception=False)
        client.cookies["sessionid"] = cookie
        client.get("/plain/")
        gate.wait()
        started = time.monotonic()
        response = client.get(order["path"])
        answers.append(
            {
                "status": response.status_code,
                "digest": hashlib.sha256(response.content).hexdigest()[:12],
                "seconds": time.monotonic() - started,
            }
        )
        connections.close_all()

    threads = [
        threading.Thread(target=request, args=(order["cookies"][number % len(order["cookies"])],))
        for number in range(order["threads"])
    ]
    for thread in threads:
        thread.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    gate.wait()
    for thread in threads:
        thread.join()
    sys.stdout.write(json.dumps(answers) + "\n")


if __name__ == "__main__":
    main()
