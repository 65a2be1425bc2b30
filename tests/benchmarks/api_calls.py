"""What a call to an API with a live token costs; ``python -m tests.benchmarks.api_calls ROUNDS`` prints rows.

Each call is made as a request of a site makes it: with a session of its own, closed afterwards. Beside it stand one plain
``requests.Session`` that everything shares, which is as cheap as requests can be, and a plain one per request.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import certifi
import requests

from django_auth0_flow.protocol.outbound import ApiSession
from django_auth0_flow.protocol.tokens import TokenSet
from tests.benchmarks.measure import Row, Spread, ratios, scaled, take_turns, write_rows
from tests.client_keys import make_certificates

GROUP = "API call with a live token"
#: Against the shared session: our own part is the token, and what keeps users apart.
CPU, HANDSHAKES, MILLISECONDS = 1.1, 0.05, 30
TOKEN = "t" * 900


class Source:
    """A login with a live token."""

    def access_token(self, *, rejected: str | None = None) -> TokenSet:
        return TokenSet(access_token=TOKEN)


@contextmanager
def serving(*certificate: str) -> Iterator[tuple[str, str]]:
    """Yield the API's origin, and the one by the slow line."""
    command = [sys.executable, "-m", "tests.benchmarks.api_server", *certificate]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        near, far = server.stdout.readline().split()
        scheme = "https" if certificate else "http"
        try:
            yield f"{scheme}://127.0.0.1:{near}", f"{scheme}://127.0.0.1:{far}"
        finally:
            server.kill()


def ways_to(origin: str) -> dict[str, Callable[[], object]]:
    url, headers = f"{origin}/appointments", {"Authorization": f"Bearer {TOKEN}"}
    shared = requests.Session()

    def ours() -> None:
        with ApiSession(Source(), [origin], timeout=10) as session:
            session.get(url).json()

    def alone() -> None:
        with requests.Session() as session:
            session.get(url, headers=headers, timeout=10).json()

    return {"ours": ours, "shared": lambda: shared.get(url, headers=headers, timeout=10).json(), "alone": alone}


def opened(origin: str) -> int:
    with requests.Session() as session:
        return int(session.get(f"{origin}/opened", timeout=10).text)


def handshakes(origin: str, call: Callable[[], object], calls: int) -> Spread:
    """Return how many connections were opened per call."""
    found = []
    for _ in range(4):
        before = opened(origin)
        for _ in range(calls):
            call()
        found.append((opened(origin) - before - 1) / calls)
    return Spread.of(found)


def waits(call: Callable[[], object], calls: int) -> Spread:
    """Return the milliseconds of each call after the first."""
    found = []
    for _ in range(calls + 1):
        started = time.perf_counter()
        call()
        found.append((time.perf_counter() - started) * 1000)
    return Spread.of(found[1:])


def rows_for(kind: str, near: str, far: str, rounds: int) -> list[Row]:
    ways = ways_to(near)
    found = take_turns(ways, rounds=rounds, repeat=10)
    cost, alone = scaled(found["ours"], 1000), ratios(found["alone"], found["shared"])
    detail = f"{cost.median:.2f} ms; a plain session per call: {alone.median:.2f}"
    distant = ways_to(far)
    slow = waits(distant["alone"], 20)
    return [
        Row(
            GROUP,
            f"{kind}, CPU against one shared `requests.Session`",
            ratios(found["ours"], found["shared"]),
            budget=CPU,
            detail=detail,
        ),
        Row(GROUP, f"{kind}, connections opened", handshakes(near, ways["ours"], 50), "per call", HANDSHAKES),
        Row(
            GROUP,
            f"{kind}, 20 ms away",
            waits(distant["ours"], 20),
            "ms",
            MILLISECONDS,
            f"a plain session per call: {slow.median:.0f} ms",
        ),
    ]


def main(rounds: int) -> None:
    with serving() as (near, far):
        rows = rows_for("http", near, far, rounds)
    with tempfile.TemporaryDirectory(prefix="benchmark-api-") as folder:
        made = make_certificates(Path(folder))
        bundle = Path(folder) / "bundle.pem"  # reading all the usual authorities is part of the cost
        bundle.write_bytes(Path(certifi.where()).read_bytes() + b"\n" + made.ca.read_bytes())
        os.environ["REQUESTS_CA_BUNDLE"] = str(bundle)
        with serving(str(made.edge), str(made.edge_key)) as (near, far):
            rows += rows_for("https", near, far, rounds)
    write_rows(rows)


if __name__ == "__main__":
    main(int(sys.argv[1]))
