"""How long requests wait after a worker was killed that was refreshing their token.

``python -m tests.benchmarks.kills HTTP_TIMEOUT ENGINE …`` prints rows. Eight requests come at the moment after the dead
worker took its lease: the longest wait there is. The tenant's refresh tokens have an overlap.
"""

from __future__ import annotations

import json
import sys

from django_auth0_flow.testing.tenant import Tenant
from tests.benchmarks.measure import Row, Spread, write_rows
from tests.storm.engines import installed, running
from tests.storm.harness import Outcome, Site
from tests.storm.kills import DEATHS, begin_lease

GROUP = "A worker is killed while it refreshes"
#: Seconds that a request may wait.
BUDGET = 15


def measure(site: Site) -> list[tuple[str, Outcome]]:
    """Return what the requests after each kind of death got."""
    found = []
    cookies = site.log_in()
    for die in DEATHS:
        site.expire()
        die(site)
        outcome = site.storm(cookies, threads=4, processes=2, just_before=lambda: begin_lease(site))
        found.append((die.__name__.removeprefix("die_").replace("_", " "), outcome))
    return found


def main(http_timeout: float, *engines: str) -> None:
    rows = []
    for engine in installed(engines):
        with running(engine) as database, Tenant() as tenant:
            tenant.application.callbacks = ["http://testserver/auth0/callback/"]
            tenant.application.overlap = 60
            site = Site(tenant, database("killed"))
            auth0 = {**json.loads(site.environment["TEST_AUTH0"]), "HTTP_TIMEOUT": http_timeout}
            site.environment["TEST_AUTH0"] = json.dumps(auth0)
            site.migrate()
            for when, outcome in measure(site):
                longest = Spread.exactly(outcome.slowest)
                served = (
                    f"served {outcome.served} of {len(outcome.answers)}, families revoked {outcome.families_revoked}"
                )
                rows.append(Row(GROUP, f"{when}, the longest wait, {engine}", longest, "s", BUDGET, served))
    write_rows(rows)


if __name__ == "__main__":
    main(float(sys.argv[1]), *sys.argv[2:])
