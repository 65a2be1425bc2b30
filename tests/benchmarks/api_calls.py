"""What a call to an API with a live token costs.

``python -m tests.benchmarks.api_calls ROUNDS [PYTHON]`` prints rows. A site's page calls the API in its user's name: the
request loads session, user and token, calls, and answers. Beside ours stands Authlib's client with its tokens in a model,
as documented, and a page that calls nothing. PYTHON is an interpreter that has Authlib.

Two more rows tell what of that is the client: our session for APIs, made for each request, against one plain
``requests.Session`` that everything shares, which is as cheap as requests can be.
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import requests

from django_auth0_flow.protocol.outbound import ApiSession
from django_auth0_flow.protocol.tokens import TokenSet
from tests.benchmarks.login import Contestant, contest
from tests.benchmarks.measure import Row, Spread, compared, scaled, take_turns, write_rows
from tests.benchmarks.names import CALL, FLOOR, OURS
from tests.benchmarks.slow_line import slow_line
from tests.benchmarks.tls import FrontedTenant

#: Of the CPU of a request that calls by Authlib, by scheme; of a call by one shared session; per call; milliseconds.
AUTHLIB, SHARED, HANDSHAKES, MILLISECONDS = {"http": 1.1, "https": 0.2}, 1.1, 0.05, 30
PEER = "Authlib"
CALLS, FAR_CALLS = 5, 20
TOKEN = "t" * 900


@contextmanager
def serving(*certificate: Path) -> Iterator[tuple[str, str]]:
    """Yield the API's origin, and the one by the slow line."""
    command = [sys.executable, "-m", "tests.benchmarks.api_server", *map(str, certificate)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        scheme = "https" if certificate else "http"
        try:
            with slow_line(port) as far:
                yield f"{scheme}://127.0.0.1:{port}", f"{scheme}://127.0.0.1:{far}"
        finally:
            server.kill()


@dataclass
class Page:
    """The page of one site that calls the API at ``origin``; ``log_in`` first. CPU seconds, one figure per round."""

    site: Contestant
    origin: str
    cpu: list[float] = field(default_factory=list)
    cookie: str = ""

    def log_in(self) -> None:
        self.cookie = self.site.log_in()[1]["cookie"]

    def call(self, mode: str = "time") -> dict[str, float]:
        address = f"{CALL}?{urlencode({'url': f'{self.origin}/appointments'})}"
        answer: dict[str, float] = self.site.ask("GET", address, self.cookie, mode)
        assert answer["status"] == 200, (self.site.name, answer)
        return answer

    def measure(self) -> None:
        self.cpu.append(statistics.median(self.call()["cpu"] for _ in range(CALLS)))

    def opened(self) -> Spread:
        """Return how many connections are opened per call."""
        found = []
        for _ in range(4):
            before = opened(self.origin)
            for _ in range(CALLS):
                self.call()
            found.append((opened(self.origin) - before - 1) / CALLS)
        return Spread.of(found)

    def waits(self) -> tuple[Spread, Spread]:
        """Return the milliseconds of each request after the first, and of bare round trips in between."""
        found, bare = [], []
        with requests.Session() as session:
            for _ in range(FAR_CALLS + 1):
                found.append(self.call()["wall"] * 1000)
                started = time.perf_counter()
                session.get(f"{self.origin}/appointments", timeout=10)
                bare.append((time.perf_counter() - started) * 1000)
        return Spread.of(found[1:]), Spread.of(bare[1:])


def opened(origin: str) -> int:
    with requests.Session() as session:
        return int(session.get(f"{origin}/opened", timeout=10).text)


def page_rows(kind: str, tenant: FrontedTenant, origins: tuple[str, str], rounds: int, python: str | None) -> list[Row]:
    names = [OURS, FLOOR, PEER] if python else [OURS, FLOOR]
    near, far = origins
    with contest(tenant, names, python or sys.executable, api=" ".join(origins)) as sites:
        pages = [Page(site, near) for site in sites]
        for page in pages:
            page.log_in()
            page.call()
        turns = list(pages)
        for _ in range(rounds):
            random.shuffle(turns)
            for page in turns:
                page.measure()
        rows = [_page_row(kind, page) for page in pages]
        for page in pages:
            if page.site.name == PEER:
                against = compared(pages[0].cpu, page.cpu, 1e3, "ms")
                rows.append(Row(_group(kind), f"ours against {PEER}'s client", budget=AUTHLIB[kind], **against))
        for page in pages:
            if page.site.name != FLOOR:
                rows += _network_rows(kind, page, far)
    return rows


def _network_rows(kind: str, page: Page, far: str) -> list[Row]:
    name, is_ours = page.site.name, page.site.name == OURS
    opening = page.opened()
    page.origin = far
    waiting, bare = page.waits()
    return [
        Row(_group(kind), f"{name}, connections opened", opening, "per call", HANDSHAKES if is_ours else None),
        Row(
            _group(kind),
            f"{name}, the whole request, API 20 ms away",
            waiting,
            "ms",
            MILLISECONDS if is_ours else None,
            f"a bare round trip in between: {bare.median:.1f} ms",
            [
                ("a bare round trip by the same line", f"{bare.median:.1f} ms"),
                ("CPU of the request", f"{scaled(page.cpu, 1e3).median:.1f} ms"),
            ],
        ),
    ]


def _page_row(kind: str, page: Page) -> Row:
    detail = f"SQL {page.call('count')['sql']}; {page.call('trace')['instructions']} bytecode instructions"
    return Row(_group(kind), page.site.name, scaled(page.cpu, 1e3), "ms", detail=detail)


def _group(kind: str) -> str:
    return f"API call with a live token over {kind}"


class Source:
    """A login with a live token."""

    def access_token(self, *, rejected: str | None = None) -> TokenSet:
        return TokenSet(access_token=TOKEN)


def client_row(kind: str, origin: str, rounds: int) -> Row:
    url, headers = f"{origin}/appointments", {"Authorization": f"Bearer {TOKEN}"}
    shared = requests.Session()

    def ours() -> None:
        with ApiSession(Source(), [origin], timeout=10) as session:
            session.get(url).json()

    ways: dict[str, Callable[[], object]] = {
        "ours": ours,
        "shared": lambda: shared.get(url, headers=headers, timeout=10).json(),
    }
    found = take_turns(ways, rounds=rounds, repeat=10)
    label = "the client alone against one shared `requests.Session`"
    return Row(_group(kind), label, budget=SHARED, **compared(found["ours"], found["shared"], 1e3, "ms"))


def main(rounds: int, python: str | None) -> None:
    rows = []
    for kind in AUTHLIB:
        with FrontedTenant(plain=kind == "http") as tenant:
            os.environ["REQUESTS_CA_BUNDLE"] = str(tenant.bundle)
            made = tenant.certificates
            with serving(*((made.edge, made.edge_key) if kind == "https" else ())) as origins:
                rows += [*page_rows(kind, tenant, origins, rounds, python), client_row(kind, origins[0], rounds)]
    write_rows(rows)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
