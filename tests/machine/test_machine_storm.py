"""Any number of threads, processes and event loops on a machine token that is missing, stale or expired: one request.

``pytest tests/machine/test_machine_storm.py`` ends with the table: token requests / requests served.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.storm.harness import Outcome, Site
from tests.storm.servers import http_storm, serving
from tests.storm.sites import ENGINES, SiteFactory

pytestmark = pytest.mark.slow

_CLEAR = "from django_auth0_flow.models import MachineToken; MachineToken.objects.all().delete()"
_SHIFT = """
import time
from dataclasses import replace
from django_auth0_flow.protocol.grant import Grant
from django_auth0_flow.models import MachineToken
row = MachineToken.objects.get()
now = time.time()
row.grant = Grant(replace(row.grant.tokens, obtained_at=now - 86400, expires_at=now + float(sys.argv[1])))
row.save()
"""
#: What the row is like before a storm -> how to make it so; stale is within the margin of 60 seconds.
STATES: dict[str, Callable[[Site], object]] = {
    "missing": lambda site: site.run(_CLEAR),
    "expired": lambda site: site.run(_SHIFT, "-1"),
    "stale": lambda site: site.run(_SHIFT, "50"),
}
figures: dict[str, dict[str, str]] = {}


@pytest.fixture
def site(make_site: SiteFactory, engine: str) -> Site:
    found = make_site(engine)
    found.tenant.application.client_grants = {found.tenant.api.identifier: ["read:appointments"]}
    found.run("from django_auth0_flow.machine import machine_token; machine_token()")
    return found


@pytest.fixture(scope="module", autouse=True)
def table(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    plugins: Any = request.config.pluginmanager
    reporter, capture = (plugins.get_plugin(name) for name in ("terminalreporter", "capturemanager"))
    if figures and reporter and capture:
        lines = [["", *ENGINES], ["---"] * (1 + len(ENGINES))]
        lines += [[name, *(row.get(engine, "") for engine in ENGINES)] for name, row in figures.items()]
        with capture.global_and_fixture_disabled():
            reporter.write_line("")
            for line in lines:
                reporter.write_line(f"| {' | '.join(line)} |")


def asked(site: Site) -> int:
    return site.tenant.count("/oauth/token", grant_type="client_credentials")


def judge(outcome: Outcome, requests: int, asked_for: int, *, tokens: tuple[int, ...] = (1,)) -> None:
    assert [answer["status"] for answer in outcome.answers] == [200] * requests
    assert asked_for == 1
    assert len(outcome.tokens) in tokens


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("threads", "processes"), [(1, 1), (8, 1), (8, 4)], ids=["1x1", "8x1", "8x4"])
def test_one_request_for_all(site: Site, engine: str, threads: int, processes: int) -> None:
    for state, bring_about in STATES.items():
        bring_about(site)
        before = asked(site)
        outcome = site.storm([""], threads=threads, processes=processes, path="/machine-token/")
        row = figures.setdefault(f"{state}, {threads} threads, {processes} processes", {})
        row[engine] = f"{asked(site) - before} / {outcome.served} of {threads * processes}"
        # While the old token lives, those who come during the renewal get it.
        judge(outcome, threads * processes, asked(site) - before, tokens=(1, 2) if state == "stale" else (1,))


@pytest.mark.parametrize("engine", ["postgresql", "mariadb"])
def test_within_transactions(site: Site, engine: str) -> None:
    """The row is neither locked until the commit nor lost by a rollback."""
    for bring_about in STATES.values():
        bring_about(site)
        before = asked(site)
        failed = site.storm([""], threads=1, processes=1, path="/machine-token-then-error/")
        assert failed.answers[0]["status"] == 500
        outcome = site.storm([""], threads=8, processes=2, path="/machine-token-in-transaction/")
        judge(outcome, 16, asked(site) - before)


@pytest.mark.parametrize("engine", ["postgresql"])
@pytest.mark.parametrize(
    ("model", "path"), [("gunicorn-sync-32", "/machine-token/"), ("uvicorn-asgi-4", "/async-machine-token/")]
)
def test_under_real_servers(site: Site, engine: str, model: str, path: str) -> None:
    """Thirty-two processes, and four event loops."""
    with serving(site, model) as address:
        for state, bring_about in STATES.items():
            bring_about(site)
            before = asked(site)
            outcome = http_storm(site, address, [""], requests_at_once=32, path=path)
            judge(outcome, 32, asked(site) - before, tokens=(1, 2) if state == "stale" else (1,))


@pytest.mark.parametrize("engine", ["postgresql"])
def test_nobody_waits_for_a_slow_tenant_while_the_old_token_lives(site: Site, engine: str) -> None:
    """One request renews, the thirty-one others are answered at once."""
    STATES["stale"](site)
    site.tenant.fault("slow", seconds=3, endpoint="token")
    before = asked(site)
    outcome = site.storm([""], threads=8, processes=4, path="/machine-token/")
    judge(outcome, 32, asked(site) - before, tokens=(2,))
    assert sum(float(answer["seconds"]) >= 2.5 for answer in outcome.answers) == 1
