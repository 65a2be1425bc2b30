"""The refresh of a login session under its lease: what each answer of the tenant means for the login."""

from __future__ import annotations

import logging
import time
import uuid
from functools import partial
from typing import Any

from django.db import router
from django.db.models import Q

from django_auth0_flow.models import LoginSession
from django_auth0_flow.protocol.errors import (
    InvalidGrant,
    LoginRequired,
    MfaRequired,
    NoAccessToken,
    OAuthError,
    TokenValidationError,
    TransportError,
)
from django_auth0_flow.protocol.grant import Grant
from django_auth0_flow.protocol.tokens import TokenSet
from django_auth0_flow.signals import refresh_failed, send, tokens_refreshed
from django_auth0_flow.tokens.fetch import fetch_grant, revoke
from django_auth0_flow.tokens.lease import Lease
from django_auth0_flow.tokens.stored import Wanted, is_usable, now_for, settings_of, tokens_of
from django_auth0_flow.tokens.sync_async import Database, Network, Procedure

logger = logging.getLogger(__name__)


def load(pk: uuid.UUID) -> LoginSession:
    """Return the row as it is now. Raises LoginRequired when it is gone, or its user is not active."""
    rows = LoginSession.objects.using(router.db_for_write(LoginSession)).select_related("identity__user")
    row = rows.filter(pk=pk).first()
    if row is None:
        raise LoginRequired("The login session has ended.", code="login_session_ended")
    if not getattr(row.identity.user, "is_active", True):
        raise LoginRequired("The user is not active.", code="user_inactive")
    return row


class LoginLease(Lease[LoginSession]):
    """The refresh of one login session.

    ``rotation`` holds tokens whose save may not have lasted, for the owner to save again: the row before each refresh, the
    last grant and its time.
    """

    KIND = "login_session"

    def __init__(self, pk: uuid.UUID) -> None:
        super().__init__(pk)
        self._pk = pk
        self.rotation: tuple[tuple[LoginSession, ...], Grant, float | None] | None = None

    def load(self) -> LoginSession:
        return load(self._pk)

    def without_refresh(self, row: LoginSession, wanted: Wanted) -> TokenSet | None:
        """Return the token set if it is to be used as it is, None if it is to be refreshed.

        Raises NoAccessToken, or LoginRequired when there is nothing to refresh with.
        """
        tokens, now = tokens_of(row, wanted.target), now_for(row)
        if tokens.access_token is None and tokens.refresh_token is None:
            raise NoAccessToken("This login came without an access token.")
        if tokens.is_fresh(now, settings_of(row).refresh_margin) and not self.is_to_replace(row, wanted):
            return tokens
        if tokens.refresh_token is None:
            if not tokens.is_expired(now):
                return tokens
            raise LoginRequired("The access token has expired and there is no refresh token.", code="no_refresh_token")
        return None

    def renew(self, wanted: Wanted, row: LoginSession, lease: str) -> Procedure[LoginSession]:
        started = time.monotonic()
        try:
            return (yield from self._renew(wanted, row, lease, started))
        except (LoginRequired, NoAccessToken) as error:
            yield _tell_failure(row, error.code, started)
            raise

    def _renew(self, wanted: Wanted, row: LoginSession, lease: str, started: float) -> Procedure[LoginSession]:
        noted = self.with_rejection(wanted, row)
        try:
            fetch = Network(partial(fetch_grant, row.configuration, noted, wanted.target))
            grant, trouble = yield from self.without_connection(row, fetch)
        except InvalidGrant:
            return (yield from self._rotated_or_ended(row, lease, "invalid_grant"))
        except TokenValidationError as error:
            logger.error("refresh_refused login_session=%s claim=%s", row.pk, error.claim)
            return (yield from self._rotated_or_ended(row, lease, "identity_changed"))
        except TransportError as error:
            return (yield from self._later(wanted, row, lease, error, started))
        except NoAccessToken:
            if noted != row.grant:
                yield Database(partial(row.save_grant, noted, refreshed_at=row.refreshed_at))
            yield Database(partial(row.release, lease))
            raise
        except OAuthError as error:
            if error.error in ("unauthorized", "access_denied") and "blocked" in error.error_description.lower():
                return (yield from self._rotated_or_ended(row, lease, "user_blocked"))
            if isinstance(error, MfaRequired) or (error.error == "access_denied" and error.status != 401):
                yield Database(partial(row.release, lease, failure=error.code))
                logger.info("refresh_denied login_session=%s code=%s", row.pk, error.code)
                raise LoginRequired("The tenant wants the user to log in again.", code=error.code) from error
            # The client itself was refused (secret, grant type): the operator has to repair that, no user is logged out.
            refused = TransportError(
                "The tenant refuses this application.", code="client_rejected", status=error.status
            )
            return (yield from self._later(wanted, row, lease, refused, started))
        row = yield from self._save(row, grant, refreshed_at=now_for(row), duration=time.monotonic() - started)
        if trouble is not None:
            raise trouble
        return row

    def note_unsaved(self, before: LoginSession, grant: Grant, refreshed_at: float | None) -> None:
        # A rollback may take this save along, or earlier ones as well: which of these rows is left then, is not known yet.
        self.rotation = (*(self.rotation[0] if self.rotation else ()), before), grant, refreshed_at

    def _save(
        self, row: LoginSession, grant: Grant, *, refreshed_at: float | None, duration: float | None, **failed: Any
    ) -> Procedure[LoginSession]:
        """Store what the tenant has rotated to. ``duration``: of a refresh that succeeded, for the log and receivers."""
        saved = yield from self.save(row, grant, refreshed_at=refreshed_at, **failed)
        if saved is None:
            return row
        if not saved:
            return (yield from self._overtaken(row, grant))
        if duration is not None:
            logger.info("tokens_refreshed login_session=%s duration_ms=%d", row.pk, duration * 1000)
            values = {"login_session": row, "configuration": row.configuration, "duration": duration}
            yield Database(partial(send, tokens_refreshed, LoginSession, **values))
        return row

    def _overtaken(self, row: LoginSession, grant: Grant) -> Procedure[LoginSession]:
        """The save changed nothing: logged out meanwhile (discard and revoke), or another refresh was first."""
        try:
            row = yield Database(self.load)
            return row
        except LoginRequired:
            logger.info("late_refresh_discarded login_session=%s", row.pk)
            yield Network(partial(revoke, row.configuration, grant.tokens.refresh_token))
            raise

    def _rotated_or_ended(self, row: LoginSession, lease: str, reason: str) -> Procedure[LoginSession]:
        """The tenant refused the refresh token: use what another worker stored, or end the login session.

        Django's session ends with it, wherever this was learned: login_required and the like know nothing of grants. If it
        can't be ended now the row stays, and the next refresh ends both.
        """
        refusal = LoginRequired("The tenant no longer accepts this login's refresh token.", code=reason)
        found: LoginSession = yield Database(self.load)
        if found.version == row.version:
            # By its version: tokens that come meanwhile stay.
            if (yield Database(partial(found.end, reason, session=True, only_if=Q(version=row.version)))):
                raise refusal
            found = yield Database(self.load)
        is_left = found.version == row.version
        yield Database(partial(found.release, lease, failure=reason if is_left else ""))
        if is_left:
            raise refusal
        return found

    def _later(
        self, wanted: Wanted, row: LoginSession, lease: str, error: TransportError, started: float
    ) -> Procedure[LoginSession]:
        """A transient failure: there is no other try for a moment, the token is used as long as it lives.

        A refresh token that came with an answer of no other use is kept: the stored one may be spent.
        """
        pause, failed = self.pause_after(row, error)
        grant = None
        if error.refresh_token and not wanted.target.connection:
            grant = self.with_rejection(wanted, row).with_refresh_token(error.refresh_token)
        error.refresh_token = None
        if grant is not None:
            row = yield from self._save(row, grant, refreshed_at=row.refreshed_at, duration=None, **failed)
        else:
            yield Database(partial(row.release, lease, **failed))
        told = (row.pk, error.code, pause, error.cause)
        logger.warning("refresh_failed login_session=%s code=%s retry_in=%d cause=%s", *told)
        yield _tell_failure(row, error.code, started)
        if is_usable(row, wanted):
            return row
        error.retry_after = pause
        raise error


def _tell_failure(row: LoginSession, code: str, started: float) -> Database:
    """Return the step that tells the receivers of ``refresh_failed``."""
    values = {"login_session": row, "configuration": row.configuration, "code": code}
    return Database(partial(send, refresh_failed, LoginSession, **values, duration=time.monotonic() - started))
