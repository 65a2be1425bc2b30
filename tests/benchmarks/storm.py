"""How many token requests an expired login costs; ``python -m tests.benchmarks.storm EXPIRIES`` prints rows.

The harness of the tests on SQLite: a storm is a number of requests let go at the same moment, with rotation and reuse
detection.
``tests/tokens/test_refresh_storm.py`` proves the same on PostgreSQL, MariaDB and Redis, under gunicorn and uvicorn.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from django_auth0_flow.testing.tenant import Tenant
from tests.benchmarks.measure import Row, Spread, write_rows
from tests.storm.harness import Site

GROUP = "Refresh storm"
SIZES = ((1, 1), (8, 1), (32, 1), (8, 4), (32, 4))


def main(expiries: int) -> None:
    rows = []
    with tempfile.TemporaryDirectory(prefix="benchmark-storm-") as folder, Tenant() as tenant:
        tenant.application.callbacks = ["http://testserver/auth0/callback/"]
        database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(Path(folder) / "storm.sqlite3")}
        site = Site(tenant, {**database, "OPTIONS": {"timeout": 120}})
        site.migrate()
        cookies = site.log_in()
        for parallel, processes in SIZES:
            outcomes = []
            for _ in range(expiries):
                site.expire()
                outcomes.append(site.storm(cookies, threads=parallel // processes, processes=processes))
            served, revoked = sum(o.served for o in outcomes), sum(o.families_revoked for o in outcomes)
            slowest = max(outcome.slowest for outcome in outcomes)
            rows.append(
                Row(
                    GROUP,
                    f"{parallel} at once in {processes} process{'es' if processes > 1 else ''}",
                    Spread.of([float(outcome.refreshes) for outcome in outcomes]),
                    "refreshes",
                    1,
                    f"served {served}/{parallel * expiries}, families revoked {revoked}, slowest {slowest * 1000:.0f} ms",
                )
            )
    write_rows(rows)


if __name__ == "__main__":
    main(int(sys.argv[1]))
