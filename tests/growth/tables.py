"""Tables as they are after years: filled by the database itself, so that a million rows take seconds, and analysed."""

from __future__ import annotations

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
    """Fill every growing table: one identity and one login session per user, a Django session for each."""
    digest = "concat(md5(concat(n)), md5(concat(-n)))"
    hexa = "md5(concat(n))"
    uuid = f"CAST(concat(left({hexa}, 12), '4', substr({hexa}, 14, 3), '8', substr({hexa}, 18)) AS uuid)"
    one_of_1000 = f"CASE WHEN n %% 1000 = 0 THEN '{RARE}' ELSE %s END"
    failure = "CASE WHEN n %% 997 = 0 THEN 'mfa_required' WHEN n %% 50 = 0 THEN 'invalid_grant' ELSE '' END"
    first = f"(SELECT COALESCE(MIN(id), 0) - 1 FROM {USERS} WHERE username LIKE 'user-%%')"
    with connection.cursor() as cursor:
        source = _numbers(rows)
        if connection.vendor == "mysql":  # the tests' own server is a small one
            cursor.execute("SET GLOBAL innodb_buffer_pool_size = 512 * 1024 * 1024")
        cursor.execute(
            f"INSERT INTO {USERS} (password, is_superuser, username, first_name, last_name, email, is_staff, is_active, "
            "date_joined) SELECT '!', %s, concat('user-', n), 'Ada', 'Lovelace', concat('user-', n, '@example.com'), "
            f"%s, %s, {_ago('n')} FROM {source} ORDER BY n",
            [False, False, True],
        )
        cursor.execute(f"SELECT {first}")
        offset = cursor.fetchone()[0]
        for table, columns, values, parameters in (
            (
                IDENTITIES,
                "id, key, issuer, subject, managed_groups, managed_group_keys, created_at, user_id",
                f"n, {digest}, {one_of_1000}, concat('auth0|', md5(concat(n))), '[]', '[]', {_ago('n')}, n + {offset}",
                [issuer],
            ),
            (
                LOGINS,
                "id, configuration, identity_id, sealed, access_token_expires_at, version, lease, refresh_failure, "
                "created_at, logged_in_at, sid_key, session_digest, sealed_session_key, browser, system",
                f"{uuid}, {one_of_1000}, n, repeat('x', {SEALED}), 1, 1, '', {failure}, {_ago('n')}, n, {digest}, "
                "'', '', '', ''",
                ["default"],
            ),
            (SESSIONS, "session_key, session_data, expire_date", f"md5(concat(n)), repeat('x', 200), {_ago('-n')}", []),
            (
                LOGOUT_TOKENS,
                "key, expires_at, ended_key, issued_at, received_at",
                f"{digest}, n, concat(md5(concat(-n)), md5(concat(n))), n, n",
                [],
            ),
            (
                MACHINE_TOKENS,
                "key, configuration, sealed, access_token_expires_at, version, lease, refresh_failure, audience, scope, "
                "organization",
                f"{digest}, 'default', '', n, 1, '', '', 'https://api.example.com', '', concat('org_', n)",
                [],
            ),
        ):
            quoted = ", ".join(connection.ops.quote_name(name) for name in columns.split(", "))
            order = uuid if table == LOGINS else "1"
            cursor.execute(f"INSERT INTO {table} ({quoted}) SELECT {values} FROM {source} ORDER BY {order}", parameters)
        if connection.vendor == "postgresql":
            cursor.execute(f"SELECT setval(pg_get_serial_sequence('{IDENTITIES}', 'id'), {rows})")
        # As deployment.md has it: Django's own user model has no index for addresses.
        how = " varchar_pattern_ops" if connection.vendor == "postgresql" else ""
        cursor.execute(f"CREATE INDEX auth_user_email ON {USERS} (email{how})")
    analyse()


def analyse() -> None:
    """Let the planner know how many rows there are."""
    with connection.cursor() as cursor:
        for table in GROWING:
            cursor.execute(f"{'VACUUM ANALYZE' if connection.vendor == 'postgresql' else 'ANALYZE TABLE'} {table}")


def _numbers(rows: int) -> str:
    if connection.vendor == "postgresql":
        return f"generate_series(1, {rows}) AS numbers(n)"
    return f"(SELECT seq AS n FROM seq_1_to_{rows}) AS numbers"


def _ago(minutes: str) -> str:
    if connection.vendor == "postgresql":
        return f"now() - {minutes} * interval '1 minute'"
    return f"utc_timestamp() - INTERVAL {minutes} MINUTE"
