"""CPU per login: ours and the peers, each in a process of its own, logging in at one and the same tenant by turns.

``python -m tests.benchmarks.login ROUNDS LOGINS [PYTHON]`` prints rows. PYTHON is an interpreter that has the peers;
without it there is only ours, and nothing to compare with.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from django_auth0_flow.testing.tenant.browser import Browser
from tests.benchmarks.measure import TIMES, Row, compared, scaled, write_rows
from tests.benchmarks.names import FLOOR, LOGIN_PATHS, OURS, SITE
from tests.benchmarks.tls import FrontedTenant

ROOT = Path(__file__).resolve().parents[2]
#: Of the CPU of the leanest peer that logs a Django user in, by scheme.
BUDGETS = {"https": 0.2, "plain http": 0.75}
#: Authlib leaves that to the site: the lines that do it stand in ``peers``.
BY_THE_SITE = "Authlib"
#: Rounds at the end of the slow line, where it is the waiting that counts; a login each.
FAR_ROUNDS = 9
#: Logins before anything is measured: they make the user, fill the caches, open the connections.
WARM_UP = 5
#: Logins that a profile is made of.
PROFILED = 30
#: Seconds of a login from which on a package is named in it.
SHOWN = 5e-5


@dataclass
class Cost:
    """CPU seconds of a login's two requests, and seconds of both, one figure per round; what one login asks of the
    database and the tenant.
    """

    start: list[float] = field(default_factory=list)
    callback: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    sql: tuple[int, int] = (0, 0)
    instructions: int = 0
    http: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> list[float]:
        return [start + callback for start, callback in zip(self.start, self.callback, strict=True)]


class Contestant:
    """One site's process, and a browser that is logged in at the tenant."""

    def __init__(
        self,
        name: str,
        python: str,
        tenant: FrontedTenant,
        browser: Browser,
        environment: dict[str, str],
        api: str,
    ) -> None:
        self.name, self.tenant, self.browser, self.cost = name, tenant, browser, Cost()
        self.paths = LOGIN_PATHS[name]
        account = {
            "issuer": tenant.issuer,
            "client_id": tenant.application.client_id,
            "client_secret": tenant.application.client_secret,
            "api": api,
        }
        self.process = subprocess.Popen(
            [python, "-m", "tests.benchmarks.login_site", name, json.dumps(account)],
            env={**os.environ, **environment, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, method: str, address: str, cookie: str, mode: str) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([method, address, cookie, mode]) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def log_in(self, mode: str = "time") -> tuple[dict[str, Any], dict[str, Any]]:
        """Log a fresh browser in; return what its two requests cost."""
        start = self.ask(self.paths.method, self.paths.login, "", mode)
        assert start["status"] == 302, (self.name, start)
        back = self.browser.authorize(start["location"]).url
        done = self.ask("GET", back.removeprefix(SITE), start["cookie"], mode)
        assert done["status"] == 302, (self.name, done)
        assert done["user"], (self.name, "nobody is logged in")
        return start, done

    def count(self) -> None:
        self.tenant.clear_log()
        start, done = self.log_in("count")
        self.cost.sql = (start["sql"], done["sql"])
        asked = [entry.path for entry in self.tenant.requests if not entry.path.startswith(("/authorize", "/u/"))]
        self.cost.http = Counter(asked)
        self.cost.instructions = sum(request["instructions"] for request in self.log_in("trace"))

    def shares(self, logins: int) -> dict[str, float]:
        """Return where the CPU time of a login goes, in seconds by package."""
        for _ in range(logins):
            self.log_in("profile")
        total = statistics.median(self.cost.total)
        return {name: share * total for name, share in self.ask("", "", "", "shares")}

    def measure(self, logins: int) -> None:
        costs = [self.log_in() for _ in range(logins)]
        self.cost.start.append(statistics.median(start["cpu"] for start, _ in costs))
        self.cost.callback.append(statistics.median(done["cpu"] for _, done in costs))
        self.cost.wall.append(statistics.median(start["wall"] + done["wall"] for start, done in costs))


class Quiet(Contestant):
    """A quiet site: the tenant has closed the connection since the login before."""

    def log_in(self, mode: str = "time") -> tuple[dict[str, Any], dict[str, Any]]:
        self.tenant.hang_up()
        return super().log_in(mode)


@contextmanager
def contest(
    tenant: FrontedTenant, names: Sequence[str], python: str, kind: type[Contestant] = Contestant, api: str = ""
) -> Iterator[list[Contestant]]:
    """Start the sites, with a page that calls ``api`` if there is one; end them afterwards."""
    environment = {"REQUESTS_CA_BUNDLE": str(tenant.bundle)}
    tenant.application.callbacks = [SITE + paths.callback for paths in LOGIN_PATHS.values()]
    tenant.auto_login = True
    browser = tenant.browser()
    contestants = [kind(name, python, tenant, browser, environment, api) for name in names]
    try:
        yield contestants
    finally:
        for contestant in contestants:
            assert contestant.process.stdin is not None
            contestant.process.stdin.close()
            contestant.process.wait(60)


def run(contestants: list[Contestant], rounds: int, logins: int) -> None:
    for contestant in contestants:
        for _ in range(WARM_UP):
            contestant.log_in()
        contestant.count()
    turns = list(contestants)
    for _ in range(rounds):
        random.shuffle(turns)
        for contestant in turns:
            contestant.measure(logins)


def rows_of(contestants: list[Contestant], scheme: str) -> list[Row]:
    mine = contestants[0]
    rows = [_cost_row(scheme, contestant) for contestant in contestants]
    peers = [contestant for contestant in contestants if contestant.name not in (OURS, FLOOR)]
    peers.sort(key=lambda peer: statistics.median(peer.cost.total))
    leanest = next((peer for peer in peers if peer.name != BY_THE_SITE), None)
    for peer in peers:
        figures = compared(mine.cost.total, peer.cost.total, 1e3, "ms")
        by_site = ", where the site logs the user in and keeps no token" if peer.name == BY_THE_SITE else ""
        budget = BUDGETS[scheme] if peer is leanest else None
        detail = f"{mine.cost.instructions / peer.cost.instructions:.2f} {TIMES} in bytecode instructions"
        against = Row(_group(scheme), f"ours against {peer.name}{by_site}", budget=budget, detail=detail, **figures)
        rows.append(replace(against, profile=side_by_side(mine, peer)) if against.is_met is False else against)
    return rows


def far_rows(contestants: list[Contestant], scheme: str) -> list[Row]:
    return [
        Row(
            _group(scheme),
            f"{contestant.name}, 20 ms away, from click to page",
            scaled(contestant.cost.wall, 1e3),
            "ms",
        )
        for contestant in contestants
    ]


def _group(scheme: str) -> str:
    return f"Login over {scheme}"


def side_by_side(mine: Contestant, peer: Contestant) -> list[tuple[str, str]]:
    """Say where the one and the other spend the time of a login."""
    ours, theirs = mine.shares(PROFILED), peer.shares(PROFILED)
    names = sorted({**ours, **theirs}, key=lambda name: -max(ours.get(name, 0), theirs.get(name, 0)))
    shown = [name for name in names if max(ours.get(name, 0), theirs.get(name, 0)) >= SHOWN]
    figures = [(name, ours.get(name, 0.0), theirs.get(name, 0.0)) for name in shown]
    own, other = (sum(value for name, value in found.items() if name not in shown) for found in (ours, theirs))
    figures.append(("others", own, other))
    return [(name, f"ours {own * 1e3:.2f} ms, {peer.name} {other * 1e3:.2f} ms") for name, own, other in figures]


def _cost_row(scheme: str, contestant: Contestant) -> Row:
    cost = contestant.cost
    cold = ", each on a new connection" if isinstance(contestant, Quiet) else ""
    calls = ", ".join(f"{path} {count}" if count > 1 else path for path, count in cost.http.items())
    start, callback = scaled(cost.start, 1e3), scaled(cost.callback, 1e3)
    return Row(
        _group(scheme),
        f"{contestant.name}{cold}",
        scaled(cost.total, 1e3),
        unit="ms",
        detail=(
            f"start {start.median:.2f}, callback {callback.median:.2f} ms; {cost.instructions} bytecode instructions; "
            f"SQL {cost.sql[0]} + {cost.sql[1]}; "
            f"HTTP {cost.http.total()}{f' ({calls})' if calls else ''}"
        ),
    )


def main(rounds: int, logins: int, python: str | None) -> None:
    names, interpreter = (list(LOGIN_PATHS), python) if python else ([OURS, FLOOR], sys.executable)
    rows = []
    # Auth0 speaks https only. Without TLS a large part of the cost is left out, and the packages are nearer to each other.
    for scheme in BUDGETS:
        with FrontedTenant(plain=scheme != "https") as tenant:
            with contest(tenant, names, interpreter) as contestants:
                run(contestants, rounds, logins)
                rows += rows_of(contestants, scheme)
            # By itself: hanging up ends everybody's connections.
            with contest(tenant, [OURS], interpreter, Quiet) as contestants:
                run(contestants, rounds, logins)
                rows.append(_cost_row(scheme, contestants[0]))
        with (
            FrontedTenant(plain=scheme != "https", far=True) as tenant,
            contest(tenant, names, interpreter) as contestants,
        ):
            run(contestants, min(rounds, FAR_ROUNDS), 1)
            rows += far_rows(contestants, scheme)
    write_rows(rows)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None)
