"""Mixed traffic on a served site for some minutes: nobody is logged out by it, and nothing piles up.

``python -m tests.benchmarks.soak SECONDS RATE [SERVER …]`` prints rows; RATE is in pages a second over all people, a
SERVER is gunicorn or uvicorn. People log in, read, call an API and log out, here or by the tenant's message; tokens live
six seconds. Every few seconds the token endpoint fails for one second in another way. Everything is on loopback, the
database a file.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import requests

from tests.benchmarks.api_calls import serving as serving_api
from tests.benchmarks.measure import Row, Spread, write_rows
from tests.benchmarks.people import HICCUPS, Person, Traffic
from tests.benchmarks.tls import FrontedTenant
from tests.storm.harness import Site
from tests.storm.servers import GUNICORN, running_server

PEOPLE, WORKERS = 8, 2
SERVERS = {
    "gunicorn": [*GUNICORN, "--workers", str(WORKERS), "--worker-class", "gthread", "--threads", "8", "tests.wsgi"],
    "uvicorn": [
        sys.executable,
        "-m",
        "uvicorn",
        "--log-level",
        "warning",
        "--workers",
        str(WORKERS),
        "tests.asgi:application",
    ],
}
#: Seconds: an access token's life, how long before its end it is refreshed, how long the tenant may take.
LIFETIME, MARGIN, HTTP_TIMEOUT = 6, 2, 2
#: Seconds: from one hiccup to the next, and how long each lasts.
PERIOD, LENGTH = 8, 1
#: What may pile up: MiB and open files of one worker, in the second half.
MEMORY, FILES = 8, 16


@dataclass(frozen=True)
class Reading:
    """What the workers hold at some moment, by process id: resident MiB and open files; connections of all of them."""

    resident: dict[int, float]
    files: dict[int, int]
    to_tenant: int
    to_api: int


@dataclass
class Soak:
    """What came of the traffic. ``stored``: login sessions in the database at the end, ``known``: people logged in then."""

    server: str
    traffic: Traffic
    readings: list[Reading] = field(default_factory=list)
    refreshes: int = 0
    families_revoked: int = 0
    stored: int = 0
    known: int = 0
    leases: int = 0
    left_open: tuple[int, int] = (0, 0)

    @property
    def steady(self) -> list[Reading]:
        return self.readings[len(self.readings) // 2 :]

    @property
    def ended_workers(self) -> int:
        return len(set(self.readings[0].resident) - set(self.readings[-1].resident))

    @property
    def memory_growth(self) -> float:
        """How much the worker that grew most has grown, in MiB."""
        first, last = self.steady[0].resident, self.steady[-1].resident
        return max(last[process] - size for process, size in first.items() if process in last)

    @property
    def files_growth(self) -> int:
        first, last = self.steady[0].files, self.steady[-1].files
        return max(last[process] - count for process, count in first.items() if process in last)


def soak(server: str, seconds: float, rate: float) -> Soak:
    """Let the traffic run and return what came of it."""
    with tempfile.TemporaryDirectory(prefix="benchmark-soak-") as folder, FrontedTenant(plain=True) as tenant:
        tenant.application.overlap, tenant.api.lifetime = 30, LIFETIME
        database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(Path(folder) / "site.sqlite3")}
        site = Site(tenant, {**database, "OPTIONS": {"timeout": 60}})
        with serving_api() as (api, _):
            auth0 = json.loads(site.environment["TEST_AUTH0"])
            auth0 |= {"API_ORIGINS": [api], "REFRESH_MARGIN": MARGIN, "HTTP_TIMEOUT": HTTP_TIMEOUT}
            site.environment["TEST_AUTH0"] = json.dumps(auth0)
            site.migrate()
            with running_server(SERVERS[server], site.environment) as (address, process):
                tenant.application.callbacks = [f"{address}/auth0/callback/"]
                traffic = Traffic(tenant, address, api, rate)
                found = Soak(server, traffic)
                _let_run(found, [Person(traffic, number) for number in range(PEOPLE)], seconds, process)
            found.left_open = tenant.connections(), open_at(api)
        found.stored, found.leases = json.loads(site.run(_STORED))
        found.refreshes = tenant.count("/oauth/token", grant_type="refresh_token")
        found.families_revoked = tenant.families_revoked
    return found


_STORED = """
from django_auth0_flow.models import LoginSession
rows = LoginSession.objects.all()
print(json.dumps([rows.count(), rows.exclude(lease="").count()]))
"""


def _let_run(found: Soak, people: list[Person], seconds: float, process: int) -> None:
    """Let everybody act, with hiccups in between; then see in peace who is logged in."""
    traffic = found.traffic
    traffic.until = time.monotonic() + seconds
    threads = [threading.Thread(target=person.live, name="person") for person in people]
    with hiccups(traffic):
        for thread in threads:
            thread.start()
        for _ in range(10):
            traffic.over.wait(seconds / 10)
            found.readings.append(read(process, traffic))
        for thread in threads:
            thread.join()
    for person in people:
        person.look_again()
    found.known = sum(person.is_logged_in for person in people)
    found.readings.append(read(process, traffic))
    for person in people:
        person.browser.close()


@contextmanager
def hiccups(traffic: Traffic) -> Iterator[None]:
    """Let the tenant's token endpoint fail now and then, each time in another way."""
    ending = threading.Event()

    def fail() -> None:
        wait = PERIOD / 2
        for name, options in cycle(HICCUPS):
            if ending.wait(wait):
                return
            traffic.begin_hiccup(name, options)
            ending.wait(LENGTH)
            traffic.end_hiccup()
            wait = PERIOD - LENGTH

    thread = threading.Thread(target=fail)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


def read(process: int, traffic: Traffic) -> Reading:
    resident, files = {}, {}
    for pid in descendants(process):
        status = Path(f"/proc/{pid}/status").read_text()
        resident[pid] = int(status.partition("VmRSS:")[2].split()[0]) / 1024
        files[pid] = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    return Reading(resident, files, traffic.tenant.connections(), open_at(traffic.api))


def descendants(process: int) -> Iterator[int]:
    """Yield the processes that a server has started."""
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):  # ended meanwhile
            if f"\nPPid:\t{process}\n" in status.read_text():
                yield int(status.parent.name)
                yield from descendants(int(status.parent.name))


def open_at(api: str) -> int:
    """Return how many connections the API has open, without the one that asks."""
    with requests.Session() as session:
        return int(session.get(f"{api}/open", timeout=10).text) - 1


def rows_of(found: Soak, seconds: float, rate: float) -> list[Row]:
    group = f"Soak on {found.server}, {seconds:g} s, {rate:g} pages a second"
    traffic, last = found.traffic, found.readings[-1]
    did = ", ".join(f"{count} {what}" for what, count in traffic.done.items())
    did += f", {found.refreshes} refreshes, {traffic.hiccups} hiccups of the tenant, met by {traffic.spoilt} requests"
    held = f"at the end {last.to_tenant} to the tenant, {last.to_api} to the API"
    most = max(reading.to_tenant + reading.to_api for reading in found.readings)
    sizes = ", ".join(f"{max(reading.resident.values()):.1f}" for reading in found.readings)
    opened = ", ".join(f"{max(reading.files.values())}" for reading in found.readings)
    leftover = abs(found.stored - found.known) + found.leases

    def row(measure: str, value: float, unit: str, budget: float | None, detail: str) -> Row:
        return Row(group, measure, Spread.exactly(value), unit, budget, detail)

    return [
        row("logins lost, or somebody else's shown", traffic.lost.total(), "", 0, did),
        row("errors while the tenant was well", traffic.unexplained.total(), "", 0, told(traffic.unexplained)),
        row("errors during hiccups", traffic.excused.total(), "", None, told(traffic.excused)),
        row("logins in the database that nobody has, and leases", leftover, "", 0, f"{found.known} people logged in"),
        row("connections to tenant and API, most at once", most, "", 2 * PEOPLE * WORKERS, held),
        row("open files, growth of a worker", found.files_growth, "", FILES, opened),
        row("resident memory, growth of a worker", found.memory_growth, "MiB", MEMORY, f"{sizes} MiB"),
    ]


def told(errors: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in errors.most_common()) or "none"


def main(seconds: float, rate: float, *servers: str) -> None:
    rows = []
    for server in servers or SERVERS:
        rows += rows_of(soak(server, seconds, rate), seconds, rate)
    write_rows(rows)


if __name__ == "__main__":
    main(float(sys.argv[1]), float(sys.argv[2]), *sys.argv[3:])
