"""The keys of Django sessions in the table of login sessions: sealed, compared by digest, never an obstacle."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.sessions.models import Session
from django.core.exceptions import FieldError
from django.core.management import call_command
from django.db import connection
from django.db.models import F, Field
from django.db.models.functions import Length
from django.test import Client
from django.test.utils import register_lookup

from django_auth0_flow.logout import cleanup
from django_auth0_flow.logout.sessions import end_rows
from django_auth0_flow.models import LoginSession
from django_auth0_flow.testing.tenant import Tenant
from tests.storm.harness import Site

LogIn = Callable[..., Any]
SECRET_KEY_BEFORE = "another-secret-only-for-tests-" + "y" * 32


def whole_table() -> str:
    """Return everything that the rows of login sessions and logout tokens hold, as whoever copies the tables sees it."""
    found = []
    with connection.cursor() as cursor:
        for table in ("auth0_flow_loginsession", "auth0_flow_spentlogouttoken", "auth0_flow_identity"):
            cursor.execute(f"SELECT * FROM {table}")  # noqa: S608  # one of the three above
            found += cursor.fetchall()
    return repr(found)


@pytest.fixture
def row(client: Client, log_in: LogIn) -> LoginSession:
    log_in(client)
    return LoginSession.objects.get()


# -- in the table ----------------------------------------------------------------------------------------------------------


def test_X4_the_table_does_not_show_session_keys(client: Client, row: LoginSession) -> None:
    key = client.session.session_key
    assert key
    assert row.session_key == key
    table = whole_table()
    assert row.session_digest in table  # it was looked at
    assert key not in table
    assert LoginSession.objects.get(session_digest=LoginSession.digest_of(key)) == row


def test_X4_a_session_key_that_changes_is_sealed_too(client: Client, row: LoginSession, log_in: LogIn) -> None:
    before = row.session_key, row.session_digest
    log_in(client)
    again = LoginSession.objects.get()
    assert again.session_key == client.session.session_key
    assert again.session_key != before[0]
    assert again.session_digest != before[1]
    assert again.session_key not in whole_table()


def test_X4_a_sealed_key_opens_in_its_own_row_and_for_its_purpose_only(row: LoginSession, log_in: LogIn) -> None:
    log_in(Client())
    other = LoginSession.objects.exclude(pk=row.pk).get()
    other.sealed_session_key = row.sealed_session_key
    assert other.session_key == ""
    row.sealed_session_key = row.sealed
    assert row.session_key == ""


def test_X4_a_logout_needs_no_seal_to_be_opened_to_know_its_row(row: LoginSession) -> None:
    copy = LoginSession(pk=row.pk, configuration=row.configuration)
    copy.session_key = row.session_key
    assert copy.session_digest == row.session_digest
    assert copy.sealed_session_key != row.sealed_session_key  # sealed anew each time, equal to nothing
    copy.session_key = None
    assert (copy.session_digest, copy.sealed_session_key, copy.session_key) == ("", "", "")


@pytest.mark.parametrize("name", ["sealed_session_key", "session_digest", "sealed", "sid_key", "lease"])
def test_X4_no_transform_shows_a_part_of_a_secret(row: LoginSession, name: str) -> None:
    with register_lookup(Field, Length):
        assert LoginSession.objects.filter(configuration__length=7).exists()
        with pytest.raises(FieldError):
            LoginSession.objects.filter(**{f"{name}__length": 64}).exists()
    assert LoginSession.objects.filter(**{name: getattr(row, name), f"{name}__in": [getattr(row, name)]}).get() == row


# -- keys that rotate, keys that are gone ----------------------------------------------------------------------------------


def test_session_is_ended_after_the_keys_have_rotated(
    client: Client, row: LoginSession, settings: Any, auth0_settings: Any
) -> None:
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = SECRET_KEY_BEFORE
    assert end_rows([LoginSession.objects.get()], reason="test").left == 0
    assert not Session.objects.exists()


def test_own_keys_seal_and_django_s_do_not_open_them(client: Client, log_in: LogIn, auth0_settings: Any) -> None:
    auth0_settings(ENCRYPTION_KEYS=["k" * 40])
    log_in(client)
    assert LoginSession.objects.get().session_key == client.session.session_key
    auth0_settings(ENCRYPTION_KEYS=["n" * 40, "k" * 40])
    assert LoginSession.objects.get().session_key == client.session.session_key
    auth0_settings(ENCRYPTION_KEYS=["n" * 40])
    assert LoginSession.objects.get().session_key == ""
    auth0_settings()
    assert LoginSession.objects.get().session_key == ""


def test_a_session_of_a_configuration_that_was_removed_is_ended(client: Client, row: LoginSession) -> None:
    LoginSession.objects.update(configuration="gone")
    ended = end_rows([LoginSession.objects.get()], reason="test")
    assert (ended.login_sessions, ended.left) == (1, 0)
    assert not Session.objects.exists()
    assert not LoginSession.objects.exists()


def test_a_login_whose_key_can_t_be_read_is_left_and_not_called_ended(
    client: Client, row: LoginSession, caplog: pytest.LogCaptureFixture
) -> None:
    LoginSession.objects.update(sealed_session_key="not sealed by us", sealed="nor this")
    ended = end_rows([LoginSession.objects.get()], reason="test")
    assert (ended.login_sessions, ended.left) == (0, 1)
    assert LoginSession.objects.exists()
    assert f"session_key_unreadable login_session={row.pk}" in caplog.text
    assert client.get("/bare/").status_code == 302
    assert client.get("/").status_code in (200, 302)


def test_no_log_line_holds_a_session_key(client: Client, log_in: LogIn, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    log_in(client)
    key = client.session.session_key
    end_rows([LoginSession.objects.get()], reason="test")
    assert "login_session_ended" in caplog.text
    assert str(key) not in caplog.text


# -- the clean-up ----------------------------------------------------------------------------------------------------------


def clear() -> str:
    output = StringIO()
    call_command("auth0_clearsessions", stdout=output)
    return output.getvalue()


def pass_time(seconds: float) -> None:
    LoginSession.objects.update(session_missing_since=F("session_missing_since") - timedelta(seconds=seconds))


def test_the_clean_up_of_a_machine_without_the_keys_logs_nobody_out(
    client: Client, row: LoginSession, auth0_settings: Any
) -> None:
    auth0_settings(ENCRYPTION_KEYS=["n" * 40])
    assert "0 deleted, 1 without" in clear()
    pass_time(cleanup.MISSING_SECONDS + 1)
    assert "0 deleted, 1 without" in clear()
    auth0_settings()
    assert "0 deleted, 0 without" in clear()
    assert LoginSession.objects.get().session_missing_since is None
    assert client.get("/bare/").status_code == 200


def test_rows_whose_key_nobody_can_read_go_in_the_end(row: LoginSession) -> None:
    LoginSession.objects.update(sealed_session_key="not sealed by us")
    assert "0 deleted, 1 without" in clear()
    pass_time(django_settings.SESSION_COOKIE_AGE + 1)
    assert "1 deleted, 0 without" in clear()


# -- rows from before ------------------------------------------------------------------------------------------------------

# Prints the rows' keys as the table had them before, sealed now, and after the way back.
MIGRATE = """
import uuid
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
call_command("migrate", verbosity=0)
call_command("migrate", "auth0_flow", "0002", verbosity=0)
number = int(sys.argv[1])
apps = MigrationExecutor(connection).loader.project_state([("auth0_flow", "0002_spent_logout_token")]).apps
User, Identity, Row = (apps.get_model(*name) for name in
                       [("auth", "User"), ("auth0_flow", "Identity"), ("auth0_flow", "LoginSession")])
identity = Identity.objects.create(key="k", issuer="i", subject="s", user=User.objects.create(username="ada"))
names = ["default", "partners", "gone"]
before = {}
for n in range(number):
    row = Row.objects.create(
        id=uuid.uuid4(), identity=identity, configuration=names[n % 3], session_key=f"key-{n}" * (n > 2), sid_key="",
        sealed=f"sealed-{n}", logged_in_at=0)
    before[row.pk.hex] = row.session_key
call_command("migrate", "auth0_flow", verbosity=0)
from django_auth0_flow.models import LoginSession
rows = list(LoginSession.objects.all())
with connection.cursor() as cursor:
    cursor.execute("SELECT * FROM auth0_flow_loginsession")
    shown = repr(cursor.fetchall())
now = {row.pk.hex: row.session_key for row in rows}
digests = all(row.session_digest == LoginSession.digest_of(row.session_key) for row in rows)
tokens = sorted(row.sealed for row in rows) == sorted(f"sealed-{n}" for n in range(number))
call_command("migrate", "auth0_flow", "0002", verbosity=0)
after = {row.pk.hex: row.session_key for row in Row.objects.all()}
print(json.dumps([now == before, after == before, "'key-" in shown, digests, tokens, len(before)]))
"""


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgres", marks=pytest.mark.slow),
        pytest.param("mariadb", marks=pytest.mark.slow),
    ]
)
def old_site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """A site with two configurations, one of which has keys of its own, on each database."""
    if request.param == "sqlite":
        database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "old.sqlite3")}
    else:
        database = request.getfixturevalue(request.param).django_database("session_keys")
    with Tenant() as tenant:
        site = Site(tenant, database)
        auth0 = json.loads(site.environment["TEST_AUTH0"])
        both = {"default": auth0, "partners": {**auth0, "CLIENT_ID": "other", "ENCRYPTION_KEYS": ["k" * 40]}}
        site.environment["TEST_AUTH0"] = json.dumps(both)
        yield site


def test_rows_from_before_are_sealed_and_come_back(old_site: Site) -> None:
    number = 1100  # more than two batches
    assert json.loads(old_site.run(MIGRATE, str(number))) == [True, True, False, True, True, number]
