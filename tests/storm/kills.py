"""Workers that die while they refresh: what they do is told to them as code, so that nothing is patched elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.storm.harness import ROOT, Site

FETCH = """
import os
from django_auth0_flow.tokens import fetch
from django_auth0_flow.conf import get_client
from django_auth0_flow.models import LoginSession
from django_auth0_flow.tokens.source import StoredTokenSource
client, row = get_client(), LoginSession.objects.get()
refresh = client.refresh
"""
DIES_BEFORE_THE_CALL = FETCH + "client.refresh = lambda *a, **k: os._exit(9)\nStoredTokenSource(row.pk).access_token()"
DIES_AFTER_THE_ANSWER = (
    FETCH
    + """
def answered(*arguments, **keywords):
    refresh(*arguments, **keywords)
    os._exit(9)
client.refresh = answered
StoredTokenSource(row.pk).access_token()
"""
)
LEASE_BEGINS = """
from datetime import timedelta
from django_auth0_flow.conf import get_settings
from django_auth0_flow.models import LoginSession
from django_auth0_flow.storage.db_types import UtcNow
held = LoginSession.objects.exclude(lease="")
print(held.update(lease_expires_at=UtcNow() + timedelta(seconds=get_settings().refresh_lease)))
"""


def run_to_death(site: Site, code: str) -> None:
    """Run ``code`` in the site and see the process die of it."""
    setup = "import sys, json, django; django.setup()\n"
    done = subprocess.run(
        [sys.executable, "-c", setup + code], env=site.environment, cwd=ROOT, timeout=300, check=False
    )
    assert done.returncode == 9


def die_before_the_call(site: Site) -> None:
    run_to_death(site, DIES_BEFORE_THE_CALL)


def die_after_the_answer(site: Site) -> None:
    run_to_death(site, DIES_AFTER_THE_ANSWER)


def die_during_the_call(site: Site) -> None:
    site.tenant.fault("slow", seconds=5)
    setup = "import sys, json, django; django.setup()\n"
    code = FETCH + "StoredTokenSource(row.pk).access_token()"
    worker = subprocess.Popen([sys.executable, "-c", setup + code], env=site.environment, cwd=ROOT)
    while "slow" in site.tenant.faults.pending() and worker.poll() is None:
        os.sched_yield()
    worker.kill()
    worker.wait()


def begin_lease(site: Site) -> None:
    """Let it be this very moment that the worker took its lease, however long processes take to start here."""
    assert site.run(LEASE_BEGINS) == "1"


DEATHS = [die_before_the_call, die_during_the_call, die_after_the_answer]
