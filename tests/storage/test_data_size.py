"""A hundred thousand and a million login sessions in PostgreSQL: look-ups by index, one logout, the clean-up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from django_auth0_flow.testing.tenant import Tenant
from tests.servers.postgres import Postgres
from tests.storm.harness import Site

pytestmark = pytest.mark.slow

PER_PERSON = 20

# Rows from sys.argv[2] up to sys.argv[3]; each twentieth begins a person, each tenth has no Django session. Only those that
# the clean-up's walks come by, an eighth, have a session key.
FILL = """
import hashlib, uuid
from django.db import connection
from django_auth0_flow.storage.session_keys import digest_session_key
from django_auth0_flow.storage.session_keys import seal_session_key

def session_keys(first, last):
    for n in range(first, last):
        login_id = uuid.UUID(hashlib.md5(f"id-{n}".encode()).hexdigest())
        if login_id.hex[0] in "89":
            key = hashlib.md5(str(n).encode()).hexdigest()
            yield n, seal_session_key(key, configuration="default", login_id=login_id), digest_session_key(key)

values = {"issuer": sys.argv[1], "first": int(sys.argv[2]), "last": int(sys.argv[3])}
statements = [
    "CREATE FUNCTION pg_temp.key(issuer text, name text) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT encode("
    " sha256(convert_to(issuer, 'UTF8') || '\\\\x00'::bytea || convert_to(name, 'UTF8')), 'hex') $$",
    "INSERT INTO auth_user (id, username, password, is_superuser, is_staff, is_active, first_name, last_name, email,"
    " date_joined) SELECT 1000 + n, 'u' || n, '', false, false, true, '', '', '', now()"
    " FROM generate_series(%(first)s / 20, %(last)s / 20 - 1) n",
    "INSERT INTO auth0_flow_identity (id, key, issuer, subject, user_id, managed_groups,"
    " managed_group_keys, created_at) SELECT 1000 + n,"
    " pg_temp.key(%(issuer)s, 'auth0|' || n), %(issuer)s, 'auth0|' || n, 1000 + n, '[]', '[]', now()"
    " FROM generate_series(%(first)s / 20, %(last)s / 20 - 1) n",
    "INSERT INTO auth0_flow_loginsession (id, identity_id, configuration, sealed_session_key, session_digest, sid_key,"
    " sealed, access_token_expires_at, version, lease, refresh_failure, created_at, logged_in_at)"
    " SELECT md5('id-' || n)::uuid, 1000 + n / 20, 'default', coalesce(session_keys.sealed, ''),"
    " coalesce(session_keys.digest, ''), pg_temp.key(%(issuer)s, 'sid-' || n), repeat('x', 200), 0, 1, '', '', now(), 0"
    " FROM generate_series(%(first)s, %(last)s - 1) n LEFT JOIN session_keys USING (n)",
    "INSERT INTO django_session (session_key, session_data, expire_date) SELECT md5(n::text), 'e30:x:y',"
    " now() + interval '14 days' FROM generate_series(%(first)s, %(last)s - 1) n WHERE n %% 10 < 9",
    "INSERT INTO auth0_flow_spentlogouttoken (key, expires_at, ended_key, issued_at, received_at)"
    " SELECT encode(sha256(n::text::bytea), 'hex'), extract(epoch from now()) + n,"
    " encode(sha256(('ended-' || n)::bytea), 'hex'), n, n FROM generate_series(%(first)s, %(last)s - 1, 10) n",
    "VACUUM ANALYZE",
]
with connection.cursor() as cursor:
    cursor.execute("CREATE TEMPORARY TABLE session_keys (n integer PRIMARY KEY, sealed text, digest text)")
    with cursor.copy("COPY session_keys FROM STDIN") as copy:
        for row in session_keys(values["first"], values["last"]):
            copy.write_row(row)
    # As in any bulk load: no foreign keys checked, and the indexes built at the end.
    cursor.execute("SET session_replication_role = replica")
    cursor.execute("SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN ('auth0_flow_loginsession',"
                   " 'django_session', 'auth_user', 'auth0_flow_identity') AND indexdef NOT LIKE '%UNIQUE%'")
    indexes = cursor.fetchall()
    statements[-1:-1] = [definition for _, definition in indexes]
    for statement in [*(f"DROP INDEX {name}" for name, _ in indexes), *statements]:
        cursor.execute(statement, values if "%(" in statement else None)
"""

# Send logout tokens, the first one to warm up; then print the answers, the seconds and the plan of each statement.
LOG_OUT = """
import time
from urllib.parse import urlencode
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
answers, seconds = [], []
for token in json.loads(sys.argv[1]):
    form = urlencode({"logout_token": token})
    with CaptureQueriesContext(connection) as captured:
        started = time.monotonic()
        answer = Client().post("/auth0/backchannel-logout/", form, content_type="application/x-www-form-urlencoded")
        seconds.append(time.monotonic() - started)
    answers.append(answer.status_code)
plans = {}
with connection.cursor() as cursor:
    for query in captured:
        if query["sql"].startswith(("SELECT", "DELETE", "UPDATE")):
            cursor.execute("EXPLAIN " + query["sql"])
            plans[query["sql"]] = [line for line, in cursor.fetchall()]
from django_auth0_flow.models import LoginSession
print(json.dumps([answers, seconds, plans, LoginSession.objects.count()]))
"""

LOOK_UP = """
from django.contrib.auth import get_user_model
from django.db.models import Q
from django_auth0_flow.models import LoginSession
from django_auth0_flow.storage.logout_tokens import SpentLogoutToken
rows = LoginSession.objects.order_by("sid_key")
row = rows.select_related("identity__user").first()
user = row.identity.user
page = LoginSession.objects.filter(pk__gt=row.pk).order_by("pk").only("sealed_session_key")[:1000]
ended = SpentLogoutToken.objects.filter(Q(ended_key="a", issued_at__gte=1) | Q(ended_key="b"), received_at__gte=1)
plans = {
    "the row of a request": LoginSession.objects.select_related("identity__user").filter(pk=row.pk),
    "for_user": LoginSession.objects.for_user(user),
    "a page of the clean-up": page,
    "was this login ended": ended,
    "expired logout tokens": SpentLogoutToken.objects.filter(expires_at__lt=1).order_by("expires_at")[:1000],
}
print(json.dumps({name: query.explain().splitlines() for name, query in plans.items()}))
"""

# Two walks over 100,000 of the rows while another thread claims leases as requests do; prints the counts, the seconds and
# the MiB that the walks needed, the statements and their plans, and how long a claim took at most.
CLEAN_UP = """
import resource, threading, time, uuid
from datetime import timedelta
from django.db import connection, connections
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django_auth0_flow.logout import cleanup
from django_auth0_flow.models import LoginSession

start = uuid.UUID(int=2**127)
alive = list(LoginSession.objects.filter(pk__gt=start).order_by("pk")[:200])
ending, slowest, claims = threading.Event(), 0.0, 0

def live_traffic():
    global slowest, claims
    while not ending.is_set():
        row = alive[claims % len(alive)]
        started = time.monotonic()
        row.claim("lease", 10)
        row.release("lease")
        slowest = max(slowest, time.monotonic() - started)
        claims += 1
        ending.wait(0.01)
    connections.close_all()

def walk(limit):
    return vars(cleanup.clear_login_sessions(batch_size=5000, limit=limit, start=start))

walks, before = [], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
thread = threading.Thread(target=live_traffic)
thread.start()
try:
    for _ in range(2):
        started = time.monotonic()
        walks.append([walk(100_000), time.monotonic() - started])
        earlier = F("session_missing_since") - timedelta(seconds=301)
        LoginSession.objects.filter(session_missing_since__isnull=False).update(session_missing_since=earlier)
finally:
    ending.set()
    thread.join()
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
with CaptureQueriesContext(connection) as captured:
    walk(5000)
print(json.dumps([walks, grown, [query["sql"][:100] for query in captured], slowest, claims]))
"""


class BigSite:
    """A site with as many login sessions as asked for, growing from test to test."""

    def __init__(self, tenant: Tenant, database: dict[str, Any]) -> None:
        self.tenant = tenant
        self.site = Site(tenant, database)
        self.site.migrate()
        self.filled = 0

    def grow(self, number: int) -> None:
        if self.filled < number:
            self.site.run(FILL, self.tenant.issuer, str(self.filled), str(number))
            self.filled = number

    def log_out(self, *names: dict[str, str]) -> tuple[list[int], list[float], dict[str, list[str]], int]:
        tokens = [self.tenant.make_logout_token(**name) for name in names]
        answers, seconds, plans, left = json.loads(self.site.run(LOG_OUT, json.dumps(tokens)))
        return answers, seconds, plans, left


@pytest.fixture(scope="module")
def big_site(postgres: Postgres) -> Iterator[BigSite]:
    with Tenant() as tenant:
        yield BigSite(tenant, postgres.django_database("data_size"))


def assert_by_index(plans: dict[str, list[str]]) -> None:
    for name, plan in plans.items():
        text = "\n".join(plan)
        print(f"{name[:200]}\n{text}\n")  # noqa: T201  # shown with -s and when a plan is wrong
        assert "Seq Scan" not in text
        assert "Index" in text or "ModifyTable" in text


def test_one_logout_among_a_hundred_thousand(big_site: BigSite) -> None:
    big_site.grow(100_000)
    answers, seconds, plans, left = big_site.log_out({"sid": "sid-1"}, {"sid": "sid-77777", "sub": "auth0|3888"})
    assert answers == [200, 200]
    assert left == 100_000 - 2
    assert_by_index(plans)
    assert seconds[1] < 10, seconds
    answers, seconds, plans, left = big_site.log_out({"sid": "sid-2"}, {"sub": "auth0|2500"})
    assert answers == [200, 200]
    assert left == 100_000 - 3 - PER_PERSON
    assert_by_index(plans)
    assert seconds[1] < 10, seconds


def test_look_ups_among_a_million(big_site: BigSite) -> None:
    big_site.grow(1_000_000)
    assert_by_index(json.loads(big_site.site.run(LOOK_UP)))
    answers, seconds, plans, _ = big_site.log_out({"sid": "unknown"}, {"sid": "sid-900000"})
    assert answers == [200, 200]
    assert_by_index(plans)
    assert seconds[1] < 10, seconds


def test_clean_up_among_a_million_beside_live_traffic(big_site: BigSite) -> None:
    big_site.grow(1_000_000)
    walks, grown, statements, slowest, claims = json.loads(big_site.site.run(CLEAN_UP))
    print(walks, grown, statements, slowest, claims)  # noqa: T201  # shown with -s
    (first, _), (second, _) = walks
    assert first["looked_at"] == second["looked_at"] == 100_000
    assert first["deleted"] == 0
    assert 9_500 < first["missing"] < 10_500  # a tenth, at random places
    assert second["deleted"] == first["missing"]
    assert grown < 50  # MiB
    assert len(statements) <= 5  # a batch: the rows, their sessions, marks, deletion, the next batch
    assert claims > 20
    assert slowest < 10
