"""Memory of one worker while one person after another logs in: ``python -m tests.benchmarks.memory LOGINS [EVERY]``.

Each login is a new person's, in a new browser, and is followed by a page that reads its claims. The database is a file.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks.measure import Row, Spread, write_rows
from tests.benchmarks.names import LOGIN_PATHS, OURS, SITE
from tests.benchmarks.tls import FrontedTenant

ROOT = Path(__file__).resolve().parents[2]
#: MiB that resident memory may grow from the first reading to the last.
BUDGET = 8


class Worker:
    """The site's process, with the tenant in this one."""

    def __init__(self, tenant: FrontedTenant, folder: Path, **environment: str) -> None:
        self.tenant, self.people, self.paths = tenant, 0, LOGIN_PATHS[OURS]
        tenant.application.callbacks = [SITE + self.paths.callback]
        account = {
            "issuer": tenant.issuer,
            "client_id": tenant.application.client_id,
            "client_secret": tenant.application.client_secret,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.memory_site", json.dumps(account), str(folder / "site.sqlite3")],
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, method: str, address: str, cookie: str = "", mode: str = "time") -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([method, address, cookie, mode]) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def log_in(self, count: int) -> None:
        """Log ``count`` new people in."""
        for _ in range(count):
            self.people += 1
            user = self.tenant.add_user(sub=f"auth0|person-{self.people}", email=f"person-{self.people}@example.com")
            start = self.ask(self.paths.method, self.paths.login)
            back = self.tenant.browser().authorize(start["location"], user).url
            done = self.ask("GET", back.removeprefix(SITE), start["cookie"])
            assert done["user"], done
            assert self.ask("GET", "/claims/", done["cookie"])["status"] == 200

    def memory(self) -> dict[str, Any]:
        """Return what the worker says of itself; see ``memory_site``."""
        found: dict[str, Any] = self.ask("", "", mode="memory")
        return found


@contextmanager
def running_worker(**environment: str) -> Iterator[Worker]:
    with FrontedTenant(plain=True) as tenant, tempfile.TemporaryDirectory(prefix="benchmark-memory-") as folder:
        worker = Worker(tenant, Path(folder), **environment)
        try:
            yield worker
        finally:
            with worker.process:  # closes its pipes, so that it ends
                pass


def main(logins: int, every: int) -> None:
    readings: list[dict[str, Any]] = []
    with running_worker() as worker:
        for _ in range(0, logins, every):
            worker.log_in(every)
            worker.tenant.clear_log()
            readings.append(worker.memory())
            sys.stderr.write(f"{worker.people} logins: {readings[-1]['resident'] / 2**20:.1f} MiB\n")
    first, last = readings[0], readings[-1]
    grown = (last["resident"] - first["resident"]) / 2**20
    more = [name for name, size in last["held"].items() if size > first["held"].get(name, 0)]
    resident = " to ".join(f"{reading['resident'] / 2**20:.1f}" for reading in (first, last))
    detail = f"{resident} MiB; holds more of: {', '.join(more) or 'nothing'}"
    spread = Spread(grown, grown, grown)
    write_rows([Row("Memory", f"growth from {every} to {logins} logins", spread, "MiB", BUDGET, detail)])


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else max(1, int(sys.argv[1]) // 10))
