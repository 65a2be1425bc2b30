"""Every event that this package logs: the one list, which the documentation's table is made of and the tests go by.

A line is the event's name, then its fields as ``key=value``, then perhaps a colon and a sentence. The logger is that of the
module. Events that tell of an attack, or of someone who is kept out, are warnings or worse: Django's default ``LOGGING``
leaves lower ones out.
"""

from __future__ import annotations

from dataclasses import dataclass

INFO, WARNING, ERROR = "INFO", "WARNING", "ERROR"


@dataclass(frozen=True)
class LogEvent:
    """``levels``: the one it has, or those that it may have. ``fields``: what may stand behind it.

    ``look_at``: where to look when it comes often.
    """

    name: str
    levels: str
    fields: str
    when: str
    look_at: str
    is_security: bool = False


def _security(name: str, levels: str, fields: str, when: str, look_at: str) -> LogEvent:
    return LogEvent(name, levels, fields, when, look_at, is_security=True)


_WARNING_OR_ERROR, _INFO_OR_WARNING = f"{WARNING} {ERROR}", f"{INFO} {WARNING}"

EVENTS = (
    # What has happened.
    LogEvent("login_finished", INFO, "user configuration login_session", "a login", "user"),
    LogEvent("login_restarted", INFO, "restarts", "a login lost its session and was begun again by itself", "user"),
    LogEvent("access_token_added", INFO, "login_session", "a login without an access token got one", "user"),
    LogEvent("account_connected", INFO, "login_session", "an account at another service was connected", "user"),
    LogEvent("account_disconnected", INFO, "login_session", "a connected account was disconnected", "user"),
    LogEvent("mfa_started", INFO, "configuration", "a second factor is asked for on this site", "user"),
    LogEvent("passwordless_started", INFO, "kind", "a code or link was sent", "user"),
    LogEvent("signed_up", INFO, "configuration", "a new account", "user"),
    LogEvent("password_reset_sent", INFO, "configuration", "a message about a new password was asked for", "user"),
    LogEvent("already_submitted", INFO, "configuration", "a code was sent twice; the tenant was asked once", "user"),
    LogEvent(
        "login_session_ended",
        INFO,
        "login_session reason",
        "`logout`, `replaced`, `invalid_grant`, `backchannel_logout`, `ended_by_user`, `session_expired`, …",
        "user",
    ),
    LogEvent("backchannel_logout", INFO, "configuration by ended left duration_ms", "the tenant ended logins", "user"),
    # Refused.
    _security(
        "login_failed",
        WARNING,
        "code configuration",
        "a login failed; for a token that failed its check also why, with both times for `exp` and `iat`",
        "the code",
    ),
    _security(
        "login_refused",
        _WARNING_OR_ERROR,
        "reason user error",
        "`is_allowed`, `inactive`, `unknown_user`, `mfa_required`, `rights_not_written`, `user_not_created`: your backend, "
        "or the user model, keeps the user out",
        "user, `USER_FIELDS`",
    ),
    _security(
        "sign_up_refused",
        WARNING,
        "code configuration",
        "`too_many_sign_ups`: one address makes more accounts than this site passes on",
        "who sends them",
    ),
    _security("password_refused", WARNING, "code", "a password login was refused", "user"),
    _security(
        "page_refused",
        WARNING,
        "test user view missing",
        "the user lacks what the view asks for: `permissions`, `scopes`, …",
        "user",
    ),
    _security(
        "bearer_token_refused",
        WARNING,
        "code view",
        "an access token is not what the view asks for, and why; the caller is not told",
        "who sent it",
    ),
    _security("csrf_refused", WARNING, "reason", "a form without a good CSRF token", "who sent it"),
    _security(
        "backchannel_logout_refused", WARNING, "configuration code", "a logout token that is none", "who sent it"
    ),
    _security(
        "refresh_refused",
        ERROR,
        "login_session claim",
        "a refreshed ID token is about another person, or forged; that login has ended",
        "tenant",
    ),
    _security(
        "front_channel_scopes_not_used",
        WARNING,
        "code",
        "an access token from `/authorize` can't be judged, so the login has no scopes",
        "the API's signing, who sent it",
    ),
    _security(
        "on_behalf_of_refused",
        _WARNING_OR_ERROR,
        "code status claim",
        "the tenant gives an API no token in its caller's name, or one for something else",
        "tenant, the API's client",
    ),
    LogEvent(
        "refresh_denied",
        INFO,
        "login_session code",
        "the tenant wants this user to log in again: MFA, an Action",
        "user",
    ),
    LogEvent("late_refresh_discarded", INFO, "login_session", "the user logged out during a refresh", "user"),
    LogEvent("passwordless_not_sent", INFO, "code", "no code or link was sent", "user"),
    LogEvent(
        "password_reset_not_sent", _INFO_OR_WARNING, "code configuration", "no message about a new password", "user"
    ),
    LogEvent(
        "silent_login_failed", _INFO_OR_WARNING, "code", "a silent login brought none; the visitor stays", "the code"
    ),
    LogEvent("recheck_failed", _INFO_OR_WARNING, "code", "a silent check of a login had no answer", "the code"),
    # The set-up.
    LogEvent(
        "setup_mistake",
        ERROR,
        "name",
        "what is wrong with the set-up, and where in the Dashboard to correct it; with `DEBUG` the page says it too",
        "settings, doctor",
    ),
    LogEvent(
        "refresh_token_missing",
        WARNING,
        "configuration",
        "a login asked for `offline_access` and got no refresh token",
        "Allow Offline Access at the API, doctor",
    ),
    LogEvent(
        "redirect_uri_is_http",
        WARNING,
        "",
        "the callback URL is plain http where https is needed",
        "`SECURE_PROXY_SSL_HEADER`, `BASE_URL`",
    ),
    LogEvent(
        "login_at_other_host",
        WARNING,
        "",
        "a login began at `127.0.0.1` and would end at `localhost`, or the other way round",
        "`BASE_URL`",
    ),
    LogEvent("form_post_needs_https", WARNING, "", "`form_post` on plain http", "proxy, `BASE_URL`"),
    LogEvent(
        "no_access_token", WARNING, "code", "a view wanted a token that this login does not bring, and why", "settings"
    ),
    LogEvent(
        "configurations_exclude_each_other",
        ERROR,
        "outer inner",
        "two decorators around one view name different configurations: no login satisfies both",
        "code",
    ),
    LogEvent("user_not_updated", WARNING, "user fields reason", "the claims don't fit the user model", "`USER_FIELDS`"),
    LogEvent(
        "session_expiry_ignored",
        WARNING,
        "",
        "the ID token's `session_expiry` is no whole number of Unix seconds, so the login has no ceiling",
        "the post-login Action",
    ),
    LogEvent(
        "machine_token_refused",
        ERROR,
        "machine_token audience code",
        "the tenant refuses the application; `setup_mistake` says where to correct it",
        "doctor",
    ),
    LogEvent("shared_cache_forgets", ERROR, "backend", "DPoP proofs are refused: the cache keeps nothing", "`CACHES`"),
    # The tenant.
    LogEvent("tokens_refreshed", INFO, "login_session duration_ms", "a refresh, how long the tenant took", "tenant"),
    LogEvent(
        "machine_token_renewed",
        INFO,
        "machine_token audience duration_ms",
        "a machine token, how long the tenant took",
        "tenant",
    ),
    LogEvent(
        "refresh_failed",
        WARNING,
        "login_session code retry_in cause",
        "`tenant_timeout`, `rate_limited`, …; the next try is `retry_in` seconds away; `cause` as below",
        "tenant",
    ),
    LogEvent(
        "machine_token_failed",
        WARNING,
        "machine_token audience code retry_in cause",
        "there was none; there is no other try for `retry_in` seconds; `cause` as below",
        "tenant, quota",
    ),
    LogEvent(
        "tenant_unavailable",
        WARNING,
        "code retry_after cause",
        "answered 503: the tenant is out of reach; `cause` is `gaierror` for a name that is unknown, "
        "`SSLCertVerificationError`, `ConnectionRefusedError`, …",
        "tenant",
    ),
    LogEvent(
        "tenant_answer_unusable",
        ERROR,
        "code status",
        "answered 502: an answer without a token, of another type, no JSON, …",
        "tenant, `ISSUER`, doctor",
    ),
    LogEvent(
        "keys_refetch_failed", WARNING, "code", "the tenant gave no signing keys; the last ones are used", "tenant"
    ),
    LogEvent("metadata_refetch_failed", WARNING, "code", "no discovery document came; the last one is used", "tenant"),
    LogEvent(
        "preload_failed",
        WARNING,
        "error",
        "a process forked before it could load what logins need: without a `SECRET_KEY`, for one; it goes on",
        "settings",
    ),
    LogEvent("login_not_begun", WARNING, "code configuration", "a login could not begin", "tenant, doctor"),
    LogEvent("silent_login_skipped", WARNING, "code", "a silent login could not begin", "tenant"),
    LogEvent("recheck_skipped", WARNING, "code", "a silent check could not begin", "tenant"),
    LogEvent(
        "bearer_token_unchecked",
        _WARNING_OR_ERROR,
        "code",
        "an access token can't be checked: no keys, or no cache",
        "tenant, `CACHES`",
    ),
    LogEvent(
        "on_behalf_of_postponed",
        WARNING,
        "code",
        "the tenant is away; a token that an API got in its caller's name lives on until it expires",
        "tenant",
    ),
    LogEvent("userinfo_not_used", WARNING, "code", "`/userinfo` failed; the ID token's claims do", "tenant"),
    LogEvent("connect_failed", WARNING, "code configuration", "an account was not connected", "tenant, settings"),
    LogEvent("disconnect_failed", WARNING, "code", "an account was not disconnected", "tenant, settings"),
    LogEvent(
        "accounts_not_listed", WARNING, "code", "the account page has no list of connected accounts", "tenant, settings"
    ),
    LogEvent(
        "connection_tokens_kept",
        WARNING,
        "login_session",
        "a login was being refreshed while an account was disconnected: it keeps that provider's token until it expires",
        "the code that refreshes",
    ),
    LogEvent("revocation_failed", WARNING, "code", "a refresh token could not be revoked", "tenant"),
    LogEvent("tenant_logout_skipped", WARNING, "code", "logged out here only", "tenant"),
    # Database, cache, sessions, keys.
    LogEvent(
        "database_unavailable",
        WARNING,
        "code retry_after cause",
        "answered 503: no lease on the refresh, and the token has expired",
        "database",
    ),
    LogEvent(
        "refresh_not_begun",
        ERROR,
        "login_session machine_token audience error",
        "the database took no lease, so the tenant was not asked",
        "database",
    ),
    LogEvent(
        "rotation_not_saved",
        ERROR,
        "login_session machine_token audience error",
        "the database failed after the tenant had answered",
        "database",
    ),
    LogEvent("rotation_lost", ERROR, "login_session error", "the same, at the second try too", "database"),
    LogEvent(
        "rotation_saved_again", WARNING, "login_session", "a transaction was rolled back; nothing is lost", "database"
    ),
    LogEvent(
        "no_second_connection",
        WARNING,
        "login_session machine_token error",
        "all connections to the database were taken; nothing is lost",
        "database",
    ),
    LogEvent(
        "last_use_not_stored",
        WARNING,
        "login_session error",
        "the database took no note of when a login was used last; nothing else is amiss",
        "database",
    ),
    LogEvent(
        "login_session_unreadable",
        WARNING,
        "login_session",
        "sealed with a key that is gone",
        "`SECRET_KEY`, `ENCRYPTION_KEYS`",
    ),
    LogEvent(
        "session_key_unreadable",
        WARNING,
        "login_session",
        "the keys that sealed a login's session key are not here: the login can't be ended from elsewhere, its row stays "
        "until the clean-up removes it",
        "`ENCRYPTION_KEYS`, `SECRET_KEY_FALLBACKS`",
    ),
    LogEvent(
        "machine_token_unreadable",
        WARNING,
        "machine_token",
        "changed in the database: another one is asked for",
        "database",
    ),
    LogEvent(
        "backchannel_logout_failed",
        ERROR,
        "configuration error",
        "a logout could not be carried out; the tenant may send it again",
        "database, session store",
    ),
    LogEvent(
        "session_not_deleted",
        ERROR,
        "login_session error",
        "the session store failed: the login stays, and can be ended again",
        "session store",
    ),
    LogEvent(
        "shared_cache_unavailable",
        _WARNING_OR_ERROR,
        "error",
        "each process fetches keys and metadata for itself; DPoP proofs are refused",
        "cache",
    ),
)

BY_NAME = {event.name: event for event in EVENTS}
