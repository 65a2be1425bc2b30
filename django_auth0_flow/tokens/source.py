"""A login session's access tokens, and what is known of whether the login lives."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.views.decorators.debug import sensitive_variables

from django_auth0_flow.conf import get_client, get_settings
from django_auth0_flow.models import LoginSession
from django_auth0_flow.protocol.claim_checks import permissions_of
from django_auth0_flow.protocol.errors import LoginRequired, TokenExpired, TokenValidationError
from django_auth0_flow.protocol.grant import DEFAULT_TARGET, Grant, Target
from django_auth0_flow.protocol.tokens import TokenSet
from django_auth0_flow.tokens.lease import DATABASE_TROUBLE
from django_auth0_flow.tokens.login_lease import LoginLease, load
from django_auth0_flow.tokens.reading import read_login_session
from django_auth0_flow.tokens.row_tokens import RowTokens
from django_auth0_flow.tokens.stored import SESSION_EXPIRED, Wanted, check_ceiling, settings_of, tokens_of

if TYPE_CHECKING:
    from django_auth0_flow.protocol.outbound import ApiSession

logger = logging.getLogger(__name__)

#: Codes of LoginRequired: the tenant has ended the login; then all by which a login is over. An expired access token, or a
#: tenant that wants a second factor, ends no login.
REFUSED_BY_TENANT = frozenset(["invalid_grant", "identity_changed", "user_blocked"])

OVER = REFUSED_BY_TENANT | {"login_session_ended", "login_session_unreadable", "user_inactive", SESSION_EXPIRED}


@dataclass(frozen=True)
class TargetSource:
    """One target's tokens of a login session; implements ``protocol.tokens.TokenSource``."""

    source: StoredTokenSource
    target: Target

    def access_token(self, *, rejected: str | None = None) -> TokenSet:
        """As ``StoredTokenSource.access_token``."""
        return self.source.access_token(self.target, rejected=rejected)


def api_session_for(row: LoginSession) -> ApiSession:
    """Return the outbound session of a login session, for use outside requests."""
    return StoredTokenSource(row.pk).api_session(get_settings(row.configuration).api_origins)


class StoredTokenSource:
    """The access tokens of one login session.

    Needs no request. One instance belongs to one request or task: it remembers the row it has read. Raises
    LoginRequired (nothing left to refresh with; the row is gone or ended), NoAccessToken (this login never has one) and
    TransportError (the tenant can't be reached and the token has expired).
    """

    def __init__(self, pk: uuid.UUID | str) -> None:
        self.pk = pk if isinstance(pk, uuid.UUID) else uuid.UUID(pk)
        self._lease = LoginLease(self.pk)
        self._tokens = RowTokens(LoginSession, self._lease)
        self._flight = self._tokens.flight
        #: Why the tenant wants the user to log in again, if it has said so: it is not asked twice in one request.
        self.refusal: LoginRequired | None = None
        #: The code of the error by which this login was found to be over; "" while it is alive as far as we know.
        self.ended = ""
        #: Whether a visitor was found to be logged in by this login session.
        self.in_use = False
        self._api_sessions: list[ApiSession] = []
        self._default_api: ApiSession | None = None

    @property
    def row(self) -> LoginSession:
        """The login session as last read; one query the first time. Raises LoginRequired when it is gone."""
        if self._flight.row is None:
            with self._watching():
                self._flight.row = load(self.pk)
        return self._flight.row

    def find_row(self) -> LoginSession | None:
        """Return the row as last read, None once this login was found to be over.

        The caller must check that the user is active.
        """
        if self.ended:
            return None
        if self._flight.row is None:
            self._flight.row = read_login_session(self.pk)
            if self._flight.row is None:
                self.ended = "login_session_ended"
        return self._flight.row

    @property
    def refused(self) -> bool:
        """Whether it was the tenant that ended this login."""
        return self.ended in REFUSED_BY_TENANT

    def check_ceiling(self) -> None:
        """Raise LoginRequired, and remember it, once the identity provider wants this login to be over."""
        with self._watching():
            check_ceiling(self.row)

    @contextmanager
    def _watching(self) -> Iterator[None]:
        """Remember that the login is over if LoginRequired says so."""
        try:
            yield
        except LoginRequired as error:
            if error.code in OVER:
                self.ended = error.code
            raise

    @property
    def grant(self) -> Grant:
        """Tokens and claims as stored, without refresh. Raises LoginRequired when they can't be read."""
        with self._watching():
            tokens_of(self.row)
        return self.row.grant

    @property
    def tokens(self) -> TokenSet:
        """The token set as stored, without refresh."""
        return self.grant.tokens

    @sensitive_variables()
    def permissions(self, audience: str) -> frozenset[str]:
        """Return the ``permissions`` of the stored access token, or none if it is no valid JWT for ``audience``."""
        token = self.tokens.access_token
        if not token or not audience:
            return frozenset()
        client = get_client(self.row.configuration)
        try:
            try:
                claims = client.validate_access_token(token, audience)
            except TokenExpired:
                claims = client.validate_access_token(self.access_token().access_token or "", audience)
        except TokenValidationError:
            return frozenset()
        return permissions_of(claims)

    def default_api(self, origins: Collection[str]) -> ApiSession:
        """As ``api_session`` for the default target, one for all who ask."""
        if self._default_api is None:
            self._default_api = self.api_session(origins)
        return self._default_api

    def api_session(self, origins: Collection[str], target: Target = DEFAULT_TARGET) -> ApiSession:
        """Return a ``requests.Session`` that sends the target's access token to ``origins``."""
        # Here, since requests comes along: reading a login needs none of it.
        from django_auth0_flow.tokens.api_session import api_session

        session = api_session(TargetSource(self, target), origins, self.row.configuration)
        self._api_sessions.append(session)
        return session

    def access_token(self, target: Target = DEFAULT_TARGET, *, rejected: str | None = None) -> TokenSet:
        """Return a live token set of ``target``; network only when the stored one is stale."""
        with self._watching():
            self._check_alive()
            return self._tokens.obtain(Wanted(target, rejected))

    async def aaccess_token(self, target: Target = DEFAULT_TARGET, *, rejected: str | None = None) -> TokenSet:
        """As ``access_token``, without blocking the event loop."""
        with self._watching():
            self._check_alive()
            return await self._tokens.aobtain(Wanted(target, rejected))

    def forget(self) -> None:
        """Read the row anew when it is asked for again."""
        self._flight.row = None

    def refresh_early(self) -> None:
        """As ``access_token`` before a view runs, when nothing reads from the database connection yet."""
        self._lease.may_disconnect = True
        try:
            self.access_token()
        except LoginRequired as error:
            self.refusal = error
            raise
        finally:
            self._lease.may_disconnect = False

    def after_response(self) -> None:
        """Store tokens again whose save was rolled back, note the hour of this use, and close connections to APIs."""
        self.save_lost_rotation()
        if self.in_use and not self.ended and self._flight.row is not None:
            self._note_use(self._flight.row)
        for session in self._api_sessions:
            session.close()

    def save_lost_rotation(self) -> None:
        """Store rotated tokens again if the transaction they were saved in was rolled back. For after the response."""
        if self._lease.rotation is None:
            return
        (rows, grant, refreshed_at), self._lease.rotation = self._lease.rotation, None
        try:
            if any(row.save_grant(grant, refreshed_at=refreshed_at) for row in reversed(rows)):
                logger.warning("rotation_saved_again login_session=%s", self.pk)
        except DATABASE_TROUBLE as error:
            logger.error("rotation_lost login_session=%s error=%s", self.pk, type(error).__name__)
            # The old refresh token may be good for some seconds more: no one is to wait for this lease.
            with suppress(*DATABASE_TROUBLE):
                for row in rows:
                    row.release(row.lease)

    def _note_use(self, row: LoginSession) -> None:
        conf = settings_of(row)
        if not conf.keeps_login_details:
            return
        try:
            row.note_use(conf.clock())
        except DATABASE_TROUBLE as error:
            logger.warning("last_use_not_stored login_session=%s error=%s", self.pk, type(error).__name__)

    def _check_alive(self) -> None:
        """Raise LoginRequired when the login is over, or the tenant has said that the user must log in again."""
        if self.ended:
            raise LoginRequired("The login has ended.", code=self.ended)
        if self.refusal is not None:
            raise self.refusal
