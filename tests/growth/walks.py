"""The walks: what a site, its people, its tenant and its staff do, by the site's own pages and commands."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client, override_settings
from django.test.utils import setup_test_environment
from django.urls import reverse
from django.utils import timezone

from django_auth0_flow.models import Identity, LoginSession, MachineToken
from django_auth0_flow.storage.logout_tokens import SpentLogoutToken
from django_auth0_flow.testing.site import settings_for
from django_auth0_flow.testing.tenant import Tenant
from tests.growth.plans import Recorder, Statement
from tests.growth.tables import RARE, fill
from tests.logout.support import PATH, row_of, send, sid_of
from tests.walk import LOGOUT, NAVIGATE, walk

LISTS = {name: reverse(f"admin:auth0_flow_{name}_changelist") for name in ("loginsession", "identity")}
#: The control: a look-up that no index serves. Its plan must be called bad.
CONTROL = "control"
DAY = 86400
#: Rows that one run of the clean-up looks at.
LIMIT = 20_000


def measure(rows: int) -> list[Statement]:
    """Migrate, fill, walk; return the statements of all walks."""
    setup_test_environment()
    call_command("migrate", verbosity=0)
    recorder = Recorder()
    with Tenant() as tenant, override_settings(AUTH0=settings_for(tenant, ACCOUNT_PAGE=True)):
        tenant.application.client_grants = {tenant.api.identifier: ["read:appointments"]}
        fill(rows, tenant.issuer)
        visitors(recorder, tenant)
        staff(recorder, tenant, rows)
        with recorder.walk(CONTROL):
            list(LoginSession.objects.filter(browser="no such browser"))
        clean_up(recorder)
    return recorder.statements


def visitors(recorder: Recorder, tenant: Tenant) -> None:
    """Log in and out, refresh, look at one's own logins; the tenant logs people out."""
    here, there, other = (Client(headers=NAVIGATE) for _ in range(3))
    with recorder.walk("first login"):
        _ok(walk(here, tenant))
    with recorder.walk("login"):
        _ok(walk(there, tenant))
    tenant.clock.advance(DAY)
    with recorder.walk("refresh"):
        assert _ok(here.get("/token/")).content
    with recorder.walk("live token"):
        assert _ok(here.get("/token/")).content
    for name in ("machine token", "machine token renewed"):
        with recorder.walk(name):
            assert _ok(here.get("/machine-token/")).content
        tenant.clock.advance(DAY)
    with recorder.walk("own logins"):
        _ok(here.get("/auth0/account/"))
    with recorder.walk("own logins, one ended"):
        _ok(here.post("/auth0/account/", {"end": str(row_of(there).pk)}))
    walk(there, tenant)
    walk(other, tenant)
    with recorder.walk("back-channel logout by sid"):
        _ok(send(tenant.make_logout_token(sid=sid_of(row_of(there))), to=PATH))
    assert not LoginSession.objects.filter(sid_key=row_of(here).sid_key).exclude(pk=row_of(here).pk).exists()
    with recorder.walk("back-channel logout by subject"):
        _ok(send(tenant.make_logout_token(sub=tenant.user.sub), to=PATH))
    assert not LoginSession.objects.filter(identity__subject=tenant.user.sub).exists()
    walk(here, tenant)
    with recorder.walk("logout"):
        _ok(here.post(LOGOUT))


def staff(recorder: Recorder, tenant: Tenant, rows: int) -> None:
    """List, page, filter, search, look at and end logins in the admin."""
    root: Any = get_user_model().objects.create_superuser("root")
    client = Client(headers=NAVIGATE)
    client.force_login(root, "django.contrib.auth.backends.ModelBackend")
    visitor = Client()
    walk(visitor, tenant)
    login = row_of(visitor)
    number = rows // 2 + 1
    identity = Identity.objects.get(pk=number)
    issuers = {f"issuer {kind}": {"issuer": value} for kind, value in {"common": tenant.issuer, "rare": RARE}.items()}
    for name, path in LISTS.items():
        by_name = {"name": f"user-{number}", "address": f"user-{number}@example.com", "subject": identity.subject}
        terms = {**by_name, "every subject": "auth0|", "every name": "user-", "nothing": "nobody@example.org"}
        if name == "loginsession":
            terms |= {"sid": sid_of(login), "id": str(login.pk)}
        for kind, query in {
            "list": {},
            "last page": {"p": "10"},
            "all": {"all": ""},
            **{f"search, {kind}": {"q": term} for kind, term in terms.items()},
            **(_filters() if name == "loginsession" else issuers),
        }.items():
            with recorder.walk(f"{name}: {kind}"):
                answer = _ok(client.get(path, query))
            listed = len(answer.context["cl"].result_list)
            assert (listed > 0) is (kind != "search, nothing"), (name, kind)
            if kind in ("search, name", "search, address", "search, subject", "search, sid", "search, id"):
                assert listed >= 1, (name, kind)
        key = login.pk if name == "loginsession" else login.identity_id
        for page in ("change", "delete", "history"):
            with recorder.walk(f"{name}: {page} page"):
                _ok(client.get(f"{path}{key}/{page}/"))
    for name, action in (
        ("loginsession", "end_logins"),
        ("identity", "end_logins"),
        ("identity", "log_out_everywhere"),
    ):
        walk(visitor, tenant)
        key = row_of(visitor).pk if name == "loginsession" else row_of(visitor).identity_id
        with recorder.walk(f"{name}: {action}"):
            _ok(client.post(LISTS[name], {"action": action, "_selected_action": [str(key)]}))
        assert not LoginSession.objects.filter(identity__subject=tenant.user.sub).exists()
    walk(visitor, tenant)
    with recorder.walk("identity deleted"):
        _ok(client.post(f"{LISTS['identity']}{row_of(visitor).identity_id}/delete/", {"post": "yes"}))
    assert not Identity.objects.filter(subject=tenant.user.sub).exists()


def _filters() -> dict[str, dict[str, str]]:
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    dates = {"today": 0, "this week": 7, "this year": 365}
    return {
        **{
            f"since {name}": {
                "created_at__gte": str(today - timedelta(days=days)),
                "created_at__lt": "2100-01-01 00:00:00+00:00",
            }
            for name, days in dates.items()
        },
        **{f"configuration {name}": {"configuration": name} for name in ("default", RARE)},
        **{f"failure {code}": {"refresh_failure": code} for code in ("invalid_grant", "mfa_required")},
        "filter and search": {"configuration": "default", "q": "user-77"},
    }


def clean_up(recorder: Recorder) -> None:
    """Run the command as deployment.md has it: half of the rows that it looks at are dead."""
    before = LoginSession.objects.count()
    with recorder.walk("clean-up"):
        call_command("auth0_clearsessions", limit=LIMIT, verbosity=0)
    assert 0.4 * LIMIT < before - LoginSession.objects.count() < 0.6 * LIMIT
    assert not MachineToken.objects.filter(organization="org_1").exists()
    assert not SpentLogoutToken.objects.filter(expires_at__lt=100).exists()


def _ok(answer: Any) -> Any:
    assert answer.status_code in (200, 302), (answer.status_code, answer.content[:500])
    return answer
