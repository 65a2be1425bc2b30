"""A site in a database of its own, logins in it, and storms of worker processes on them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django_auth0_flow.testing.tenant import Tenant

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Outcome:
    """What a storm came to: the token calls counted by the tenant, and what each request got."""

    refreshes: int
    answers: list[dict[str, Any]]
    families_revoked: int

    @property
    def served(self) -> int:
        return sum(answer["status"] == 200 for answer in self.answers)

    @property
    def tokens(self) -> set[str]:
        return {answer["digest"] for answer in self.answers}

    @property
    def slowest(self) -> float:
        return max(float(answer["seconds"]) for answer in self.answers)


class Site:
    """The test project as other processes run it: environment, migrated database, logins made through its own views."""

    def __init__(self, tenant: Tenant, database: dict[str, Any], **environment: str) -> None:
        self.tenant = tenant
        auth0 = {
            "ISSUER": tenant.issuer,
            "CLIENT_ID": tenant.application.client_id,
            "CLIENT_SECRET": tenant.application.client_secret,
            "AUDIENCE": tenant.api.identifier,
            "SCOPE": "openid profile email offline_access",
        }
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "TEST_DATABASE": json.dumps(database),
            "TEST_AUTH0": json.dumps(auth0),
            "PYTHONPATH": str(ROOT),
            **environment,
        }

    def run(self, code: str, *arguments: str) -> str:
        """Run Python code in the site and return what it prints."""
        setup = "import sys, json, django; django.setup()\n"
        done = subprocess.run(
            [sys.executable, "-c", setup + code, *arguments],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout.strip()

    def migrate(self) -> None:
        self.run("from django.core.management import call_command; call_command('migrate', verbosity=0)")

    def log_in(self, count: int = 1) -> list[str]:
        """Log in ``count`` browsers and return their session cookies."""
        begun = json.loads(self.run(_START, str(count)))
        back = [(cookie, self.tenant.login(location).removeprefix("http://testserver")) for location, cookie in begun]
        cookies: list[str] = json.loads(self.run(_FINISH, json.dumps(back)))
        return cookies

    def expire(self) -> None:
        """Let every stored access token be one second past its expiry."""
        self.run(_EXPIRE)

    def storm(
        self,
        cookies: Sequence[str],
        *,
        threads: int,
        processes: int,
        path: str = "/token/",
        just_before: Callable[[], object] = lambda: None,
    ) -> Outcome:
        """Let ``threads`` requests of each of ``processes`` processes go at once; the cookies are dealt out in turn."""
        before, revoked = self.tenant.count("/oauth/token", grant_type="refresh_token"), self.tenant.families_revoked
        order = json.dumps({"cookies": list(cookies), "threads": threads, "path": path}) + "\n"
        workers = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.storm.worker"],
                env=self.environment,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(processes)
        ]
        answers: list[dict[str, Any]] = []
        try:
            for worker in workers:
                assert worker.stdin is not None
                worker.stdin.write(order)
                worker.stdin.flush()
            for worker in workers:
                assert worker.stdout is not None
                assert worker.stdout.readline() == "ready\n"
            just_before()
            for worker in workers:
                assert worker.stdin is not None
                worker.stdin.write("go\n")
                worker.stdin.flush()
            for worker in workers:
                output, _ = worker.communicate(timeout=600)
                answers += json.loads(output.splitlines()[-1])
        finally:
            for worker in workers:
                if worker.poll() is None:
                    worker.kill()
                    worker.wait()
        return Outcome(
            self.tenant.count("/oauth/token", grant_type="refresh_token") - before,
            answers,
            self.tenant.families_revoked - revoked,
        )


_START = """
from django.test import Client
begun = []
for _ in range(int(sys.argv[1])):
    client = Client()
    response = client.get("/auth0/login/")
    begun.append([response["Location"], client.cookies["sessionid"].value])
print(json.dumps(begun))
"""
_FINISH = """
from django.test import Client
cookies = []
for cookie, callback in json.loads(sys.argv[1]):
    client = Client()
    client.cookies["sessionid"] = cookie
    response = client.get(callback)
    assert response.status_code == 302, response.content
    cookies.append(client.cookies["sessionid"].value)
print(json.dumps(cookies))
"""
_EXPIRE = """
import time
from dataclasses import replace
from django_auth0_flow.protocol.grant import Grant
from django_auth0_flow.models import LoginSession
for row in LoginSession.objects.all():
    row.grant = Grant(replace(row.grant.tokens, expires_at=time.time() - 1), row.grant.claims)
    row.save()
"""
