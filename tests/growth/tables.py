"""Tables as they are after years: filled by the database itself, so that a million rows take seconds, and analysed."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.db import connection

from django_auth0_flow.models import Identity, LoginSession, MachineToken
from django_auth0_flow.storage.logout_tokens import SpentLogoutToken

USERS, SESSIONS = "auth_user", "django_session"
IDENTITIES, LOGINS = Identity._meta.db_table, LoginSession._meta.db_table
MACHINE_TOKENS, LOGOUT_TOKENS = MachineToken._meta.db_table, SpentLogoutToken._meta.db_table
#: The tables that grow with the logins of a site.
GROWING = (USERS, SESSIONS, IDENTITIES, LOGINS, MACHINE_TOKENS, LOGOUT_TOKENS)
#: The issuer and the configuration of every thousandth row.
RARE = "https://old.example/"
#: Characters of a sealed text. Real ones have some thousands; a plan does not depend on that.
SEALED = 200


def fill(rows: int, issuer: str) -> None:
    """Fill every growing table: one identity and one login session per user, half of them dead, and other sessions."""
    digest = "concat(md5(concat(n)), md5(concat(-n)))"
    hexa = "md5(concat(n))"
    uuid = f"CAST(concat(left({hexa}, 12), '4', substr({hexa}, 14, 3), '8', substr({hexa}, 18)) AS uuid)"
    failure = "CASE WHEN n % 997 = 0 THEN 'mfa_required' WHEN n % 50 = 0 THEN 'invalid_grant' ELSE '' END"
    name = {"username": "concat('user-', n)", "email": "concat('user-', n, '@example.com')"}
    name |= {"first_name": "'Ada'", "last_name": "'Lovelace'", "password": "'!'"}
    flags = {"is_superuser": "FALSE", "is_staff": "FALSE", "is_active": "TRUE"}
    if connection.vendor == "mysql":  # the tests' own server is a small one
        _run("SET GLOBAL innodb_buffer_pool_size = 512 * 1024 * 1024")
    _insert(USERS, rows, {**name, **flags, "date_joined": _ago("n")})
    first = get_user_model().objects.get(username="user-1").pk
    groups = {"managed_groups": "'[]'", "managed_group_keys": "'[]'"}
    who = {"issuer": _mostly(issuer), "subject": "concat('auth0|', md5(concat(n)))", "user_id": f"n - 1 + {first}"}
    _insert(IDENTITIES, rows, {"id": "n", "key": digest, **who, **groups, "created_at": _ago("n")})
    token = {"sealed": f"repeat('x', {SEALED})", "access_token_expires_at": "n", "version": "1", "lease": "''"}
    session = {"sid_key": digest, "session_digest": "''", "sealed_session_key": "''", "browser": "''", "system": "''"}
    dates = {"created_at": _ago("n"), "logged_in_at": "n", "refresh_failure": failure}
    dates["session_missing_since"] = f"CASE WHEN n % 2 = 0 THEN {_ago('1440')} END"
    row = {"id": uuid, "configuration": _mostly("default"), "identity_id": "n", **token, **session, **dates}
    _insert(LOGINS, rows, row, order=uuid)
    _insert(SESSIONS, rows, {"session_key": hexa, "session_data": "repeat('x', 200)", "expire_date": _ago("-n")})
    ended = {"ended_key": "concat(md5(concat(-n)), md5(concat(n)))", "issued_at": "n", "received_at": "n"}
    _insert(LOGOUT_TOKENS, rows, {"key": digest, "expires_at": "n", **ended})
    machine = {"audience": "'https://api.example.com'", "scope": "''", "organization": "concat('org_', n)"}
    machine |= {"configuration": "'default'", "refresh_failure": "''"}
    _insert(MACHINE_TOKENS, rows, {"key": digest, **token, **machine})
    if connection.vendor == "postgresql":
        _run(f"SELECT setval(pg_get_serial_sequence('{IDENTITIES}', 'id'), {rows})")
    # As deployment.md has it: Django's own user model has no index for addresses.
    how = " varchar_pattern_ops" if connection.vendor == "postgresql" else ""
    _run(f"CREATE INDEX auth_user_email ON {USERS} (email{how})")
    for table in GROWING:
        if connection.vendor == "postgresql":  # or the planner would hear of what the clean-up deletes now and then
            _run(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
        analyse(table)


def analyse(table: str) -> None:
    """Let the planner know how many rows there are."""
    _run(f"{'VACUUM ANALYZE' if connection.vendor == 'postgresql' else 'ANALYZE TABLE'} {table}")


def _insert(table: str, rows: int, values: dict[str, str], *, order: str = "n") -> None:
    """Insert rows made of ``n`` from 1 to ``rows``; ``values``: an expression of SQL for each column."""
    columns = ", ".join(map(connection.ops.quote_name, values))
    numbers = f"(SELECT seq AS n FROM seq_1_to_{rows}) AS numbers"  # noqa: S608 - our own texts, here and below
    if connection.vendor == "postgresql":
        numbers = f"generate_series(1, {rows}) AS numbers(n)"
    chosen = ", ".join(values.values())
    _run(f"INSERT INTO {table} ({columns}) SELECT {chosen} FROM {numbers} ORDER BY {order}")  # noqa: S608


def _run(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def _mostly(value: str) -> str:
    return f"CASE WHEN n % 1000 = 0 THEN '{RARE}' ELSE '{value}' END"


def _ago(minutes: str) -> str:
    if connection.vendor == "postgresql":
        return f"now() - {minutes} * interval '1 minute'"
    return f"utc_timestamp() - INTERVAL {minutes} MINUTE"
