"""A login's accounts at identity providers, and the tokens of theirs that this site keeps. See ``protocol``'s module."""

from __future__ import annotations

import logging
import secrets
import time

from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.views.decorators.debug import sensitive_variables

from django_auth0_flow.conf import get_client, get_settings
from django_auth0_flow.models import LoginSession
from django_auth0_flow.protocol.connected_accounts import AccountsApi, ConnectedAccount, my_account_audience
from django_auth0_flow.protocol.errors import AccountsRefused, NoAccessToken, OAuthError
from django_auth0_flow.protocol.grant import Target
from django_auth0_flow.protocol.tokens import TokenSet
from django_auth0_flow.storage.sealing import UnsealError
from django_auth0_flow.tokens.connection_pool import give_back_connection
from django_auth0_flow.tokens.lease import POLL_SECONDS
from django_auth0_flow.tokens.source import StoredTokenSource

logger = logging.getLogger(__name__)

#: Seconds in all to wait for refreshes under way before tokens are dropped.
_WAIT = 2


class ConnectedAccounts:
    """The accounts that the user of a login session has connected; the tenant is asked each time.

    Raises AccountsRefused, LoginRequired and TransportError.
    """

    def __init__(self, source: StoredTokenSource) -> None:
        self._source = source

    @sensitive_variables()
    def list(self, connection: str = "") -> tuple[ConnectedAccount, ...]:
        """Return the accounts, at all identity providers or at one."""
        return tuple(self.api.accounts(connection))

    @sensitive_variables()
    def disconnect(self, account_id: str) -> None:
        """Have the tenant forget an account and its tokens, and forget those that this site keeps."""
        self.api.delete(account_id)
        logger.info("account_disconnected login_session=%s", self._source.pk)
        self.drop_tokens()

    async def alist(self, connection: str = "") -> tuple[ConnectedAccount, ...]:
        """As ``list``."""
        return await sync_to_async(self.list)(connection)

    async def adisconnect(self, account_id: str) -> None:
        """As ``disconnect``."""
        await sync_to_async(self.disconnect)(account_id)

    @property
    def api(self) -> AccountsApi:
        """The calls at the tenant, each with a token for its own scope only."""
        row = self._source.row
        audience = my_account_audience(get_settings(row.configuration).issuer)

        @sensitive_variables()
        def token_for(scope: str, rejected: str | None) -> TokenSet:
            try:
                tokens = self._source.access_token(Target(audience=audience, scope=scope), rejected=rejected)
            except NoAccessToken as error:
                raise _refused(error) from error
            give_back_connection(row.configuration)
            return tokens

        return AccountsApi(get_client(row.configuration), token_for)

    def drop_tokens(self) -> None:
        """Forget the identity providers' tokens in all login sessions of this identity: the next use asks for new ones.

        Each row's lease is taken for that: a refresh under way must not lose what it saves.
        """
        give_up = time.monotonic() + _WAIT
        for row in LoginSession.objects.filter(identity=self._source.row.identity_id):
            while not (dropped := _drop(row)) and time.monotonic() < give_up:
                time.sleep(POLL_SECONDS)
            if not dropped:
                logger.warning("connection_tokens_kept login_session=%s", row.pk)
        self._source.forget()


def _refused(error: NoAccessToken) -> AccountsRefused:
    """Return what it means that this login gets no token for the My Account API."""
    said = error.__cause__
    if isinstance(said, OAuthError):
        return AccountsRefused(said.error, said.error_description, status=said.status)
    return AccountsRefused(error.code)


def _drop(row: LoginSession) -> bool:
    """Drop the tokens in one row; False while another worker refreshes it."""
    try:
        # While it is leased, a token may be on its way that was asked for before the account was disconnected.
        if row.grant.without_connection_tokens() == row.grant and not row.lease:
            return True
    except (UnsealError, ImproperlyConfigured):  # the keys or the configuration are gone: no token comes from this row
        return True
    lease = secrets.token_hex(16)
    if not row.claim(lease, get_settings(row.configuration).refresh_lease):
        return False
    now = LoginSession.objects.filter(pk=row.pk).first()
    if now is not None:
        grant, failure = now.grant.without_connection_tokens(), now.refresh_failure
        now.save_grant(grant, refreshed_at=now.refreshed_at, retry_at=now.retry_at, failure=failure)
    return True
