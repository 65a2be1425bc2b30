"""W5: no token, code, secret or verifier in logs, addresses, pages, cookies, sessions or open columns."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client

from django_auth0_flow.models import LoginSession
from django_auth0_flow.storage.sealing import UnsealError, seal, unseal
from django_auth0_flow.testing.tenant import Tenant
from tests.walk import LOGIN, LOGOUT, SLOW, come_back, query_of, session_of, start, walk

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("auth0_settings")]


class Trail:
    """Everything that a browser's requests left behind, and the values that must not be in it."""

    def __init__(self, client: Client, tenant: Tenant, caplog: pytest.LogCaptureFixture) -> None:
        self.client, self.tenant, self.caplog = client, tenant, caplog
        self.shown: list[str] = []
        self.secrets: set[str] = {tenant.application.client_secret}

    def see(self, answer: Any) -> Any:
        """Keep what the browser gets to see, and what the login session now seals."""
        self.shown += [answer.content.decode(), str(answer.headers), str(self.client.cookies)]
        for row in LoginSession.objects.all():
            tokens = row.grant.tokens
            self.secrets |= {found for found in (tokens.access_token, tokens.refresh_token, tokens.id_token) if found}
        for request in self.tenant.requests:
            for name in ("code", "code_verifier", "refresh_token", "token"):
                self.secrets.update(request.form.get(name, []))
        return answer

    def assert_clean(self, *texts: str) -> None:
        assert len(self.secrets) > 1
        for text in texts:
            for secret in self.secrets:
                assert secret not in text

    @property
    def logged(self) -> str:
        return (
            "\n".join(f"{record.getMessage()} {record.exc_text}" for record in self.caplog.records) + self.caplog.text
        )


@pytest.fixture
def trail(client: Client, tenant: Tenant, caplog: pytest.LogCaptureFixture) -> Trail:
    caplog.set_level(logging.DEBUG)
    return Trail(client, tenant, caplog)


def stored() -> str:
    """Return every row of every table as text, the sealed column included, and the sessions decoded."""
    rows: list[str] = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - our own tables
            rows += [str(row) for row in cursor.fetchall()]
    return "\n".join([*rows, *(str(session.get_decoded()) for session in Session.objects.all())])


def test_W5_a_whole_login_refresh_and_logout(client: Client, tenant: Tenant, trail: Trail) -> None:
    begun = trail.see(client.get(LOGIN, {"next": "/bare/"}))
    before = stored()
    url = tenant.login(begun["Location"])
    answer = trail.see(come_back(client, url))
    assert answer["Location"] == "/bare/"
    trail.see(client.get("/bare/"))
    trail.assert_clean(stored(), begun["Location"])
    tenant.clock.advance(90000)
    trail.see(client.get("/bare/"))
    assert tenant.count("/oauth/token", grant_type="refresh_token") == 1
    trail.assert_clean(stored(), *trail.shown, trail.logged)
    # The verifier waits in the session while the login is under way; nothing else does.
    verifiers = {value for found in tenant.requests for value in found.form.get("code_verifier", [])}
    trail.secrets -= verifiers
    trail.assert_clean(before)
    assert verifiers
    out = client.post(LOGOUT)
    hint = query_of(out["Location"])["id_token_hint"]
    trail.secrets |= verifiers
    assert hint in trail.secrets
    trail.secrets.discard(hint)  # RP-Initiated Logout sends it to the tenant through the browser
    trail.see(out)
    trail.assert_clean(stored(), *trail.shown, trail.logged)


FAILURES: list[tuple[str, dict[str, Any], int]] = [
    ("nonce-invalid", {}, 400),
    ("sig-invalid", {}, 400),
    ("html", {}, 502),
    ("drop-after", {}, 503),
    ("slow", {"seconds": 300}, 503),
    ("huge", {"megabytes": 2}, 502),
    ("token-type-other", {}, 502),
    ("refuse", {"error": "invalid_grant", "description": "the code"}, 400),
]


@pytest.mark.parametrize(("fault", "options", "status"), FAILURES, ids=[name for name, _, _ in FAILURES])
def test_W5_failed_logins(
    client: Client,
    tenant: Tenant,
    trail: Trail,
    auth0_settings: Callable[..., Any],
    fault: str,
    options: dict[str, Any],
    status: int,
) -> None:
    issued: list[str] = []
    tenant.token_hook = lambda kind, claims, header: issued.append(str(claims.get("nonce")))
    tenant.fault(fault, **options)
    url = tenant.login(start(client))
    trail.secrets.add(query_of(url)["code"])
    auth0_settings(HTTP_TIMEOUT=0.5 if fault in SLOW else 10)
    answer = trail.see(come_back(client, url))
    assert answer.status_code == status
    trail.secrets |= {value for value in issued if value != "None"}
    trail.assert_clean(stored(), *trail.shown, trail.logged)


@pytest.mark.parametrize("fault", ["invalid-iss", "html", "drop-after", "status", "mfa-required"])
def test_W5_failed_refreshes(client: Client, tenant: Tenant, trail: Trail, fault: str) -> None:
    trail.see(walk(client, tenant))
    tenant.clock.advance(90000)
    tenant.fault(fault, grant_type="refresh_token")
    trail.see(client.get("/unmarked-token/") if fault != "drop-after" else client.get("/bare/"))
    trail.assert_clean(stored(), *trail.shown, trail.logged)


def test_a_login_session_holds_nothing_in_clear_but_its_expiry(client: Client, tenant: Tenant) -> None:
    walk(client, tenant)
    row = LoginSession.objects.get()
    grant = row.grant
    clear = f"{row.sealed} {LoginSession.objects.values().get()}"
    for value in (grant.tokens.access_token, grant.tokens.refresh_token, grant.tokens.id_token, "ada@example.com"):
        assert value
        assert value not in clear
    assert str(grant.tokens.id_token).partition(".")[0] not in row.sealed
    assert row.access_token_expires_at == grant.tokens.expires_at


def test_the_session_holds_a_few_public_facts(client: Client, tenant: Tenant) -> None:
    walk(client, tenant)
    facts = session_of(client)["_auth0"]
    assert set(facts) == {"id", "configuration", "key", "at", "asked", "rounds"}


def test_no_secret_in_reprs(client: Client, tenant: Tenant, settings: Any) -> None:
    from django_auth0_flow.conf import get_client, get_settings

    walk(client, tenant)
    row = LoginSession.objects.get()
    texts = [repr(thing) for thing in (row, row.grant, row.grant.tokens, row.api, get_settings(), get_client())]
    for secret in (row.grant.tokens.access_token, row.grant.tokens.refresh_token, tenant.application.client_secret):
        assert secret
        assert all(secret not in text for text in texts)


@pytest.mark.parametrize(
    ("changed", "value"),
    [
        ("purpose", "logout_state"),
        ("context", "partners"),
        ("keys", ["another key"]),
    ],
)
def test_W7_a_sealed_value_opens_only_for_what_it_was_sealed_for(changed: str, value: Any) -> None:
    """The state of a logout is no state of a login, one configuration's is not another's."""
    sealed_for: dict[str, Any] = {"purpose": "state", "context": "default", "keys": ["a key"]}
    sealed = seal(b"{}", **sealed_for)
    assert unseal(sealed, **{**sealed_for, "keys": ["a newer key", "a key"]}) == b"{}"
    with pytest.raises(UnsealError):
        unseal(sealed, **{**sealed_for, changed: value})


def test_W7_secret_key_opens_nothing_where_there_are_encryption_keys(
    client: Client, tenant: Tenant, auth0_settings: Callable[..., Any]
) -> None:
    """Whoever has SECRET_KEY, which many more know, can neither read nor forge what is sealed here, and vice versa."""
    walk(client, tenant)
    begun = query_of(start(client))["state"]
    assert client.get("/token/").status_code == 200
    auth0_settings(ENCRYPTION_KEYS=["k" * 40])
    with pytest.raises(UnsealError):
        _ = LoginSession.objects.get().grant
    assert client.get("/token/")["Location"] == "/auth0/login/?next=%2Ftoken%2F"
    answer = Client().get("/auth0/callback/", {"state": begun, "code": "x"})
    assert (answer.status_code, answer.context["code"]) == (400, "state_unknown")
    walk(client, tenant)
    assert client.get("/token/").status_code == 200
    auth0_settings()
    assert client.get("/token/")["Location"] == "/auth0/login/?next=%2Ftoken%2F"


def test_W7_encryption_keys_change_one_after_the_other(
    client: Client, tenant: Tenant, auth0_settings: Callable[..., Any]
) -> None:
    """The first one seals, any opens; what was sealed anew no longer needs the old one."""
    old, new = "o" * 40, "n" * 40
    auth0_settings(ENCRYPTION_KEYS=[old])
    walk(client, tenant)
    auth0_settings(ENCRYPTION_KEYS=[new, old])
    assert client.get("/token/").status_code == 200
    tenant.clock.advance(90000)
    assert client.get("/token/").status_code == 200
    auth0_settings(ENCRYPTION_KEYS=[new])
    assert client.get("/token/").status_code == 200
    auth0_settings(ENCRYPTION_KEYS=[old])
    assert client.get("/token/").status_code == 302


@pytest.mark.parametrize("text", ["", "AAAA", "A" * 16, "A" * 38, "é", "not base64!", "A" * 17])
def test_W7_what_is_no_sealed_value_is_told_as_such(text: str) -> None:
    with pytest.raises(UnsealError):
        unseal(text, purpose="state", keys=["a key"])


def test_W7_a_logouts_state_starts_no_login_again(client: Client, tenant: Tenant) -> None:
    client.post(LOGOUT)
    state = query_of(client.post(LOGOUT)["Location"])["state"]
    answer = client.get("/auth0/callback/", {"state": state, "code": "x"})
    assert (answer.status_code, answer.context["code"]) == (400, "state_unknown")
