"""``request.auth0``: what a view may know of the visitor's login, and the way to call APIs with it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest

from django_auth0_flow.access.current_login import (
    CurrentLogin,
    accepted_configurations,
    configuration_to_log_in_with,
    current_login,
    login_refusal,
    sources_of,
)
from django_auth0_flow.conf import Auth0Settings, get_settings
from django_auth0_flow.models import LoginSession
from django_auth0_flow.pages.rendering import page_path, return_url
from django_auth0_flow.protocol.errors import AccountNotConnected, Auth0Error
from django_auth0_flow.protocol.grant import DEFAULT_TARGET, Target
from django_auth0_flow.protocol.tokens import TokenSet
from django_auth0_flow.tokens.source import StoredTokenSource
from django_auth0_flow.tokens.sync_async import acall

if TYPE_CHECKING:
    import requests

    from django_auth0_flow.protocol.outbound import ApiSession
    from django_auth0_flow.tokens.connected_accounts import ConnectedAccounts

_NOTHING: Mapping[str, Any] = MappingProxyType({})


def no_middleware(what: str) -> ImproperlyConfigured:
    """Return the error for ``what``, which needs our middleware, with what to add."""
    return ImproperlyConfigured(
        f'{what} needs a middleware: add "django_auth0_flow.middleware.Auth0Middleware" to MIDDLEWARE, after '
        "AuthenticationMiddleware."
    )


class Auth0Session:
    """The visitor's login, lazy: nothing is read before it is asked for.

    Only a login counts that was made with the configuration of this view: the decorator's ``configuration=``, by default
    the one that the request would log in with (``CONFIGURATION_FOR``, else ``default``), and to the organization that
    ``ORGANIZATION`` demands, unless the view demands one itself. For any other visitor the facts are empty, and
    ``access_token`` and ``api`` raise LoginRequired, which the middleware answers.
    """

    def __init__(
        self, request: HttpRequest, configurations: Collection[str] = (), *, any_organization: bool = False
    ) -> None:
        self._request = request
        self._names = tuple(configurations)
        self._any_organization = any_organization

    def __repr__(self) -> str:
        return "<Auth0Session>"

    def for_configuration(self, *names: str) -> Auth0Session:
        """Return this visitor's login as a view sees it that takes logins of these configurations; none: the default."""
        return Auth0Session(self._request, names, any_organization=self._any_organization)

    def for_view(self, configurations: Collection[str], *, any_organization: bool) -> Auth0Session:
        """Return this visitor's login as a view under our decorator sees it; what the view leaves open stays as it is."""
        any_organization = any_organization or self._any_organization
        return Auth0Session(self._request, configurations or self._names, any_organization=any_organization)

    @property
    def named(self) -> tuple[str, ...]:
        """The configurations that a view or its decorator has named, if any has."""
        return self._names

    @property
    def accepted(self) -> tuple[str, ...]:
        """The names of the configurations whose logins count here."""
        return accepted_configurations(self._request, self._names)

    @property
    def was_touched(self) -> bool:
        """Whether this request has read its login session."""
        return bool(sources_of(self._request))

    @property
    def current(self) -> CurrentLogin | None:
        """The login, None for a visitor who is not logged in; one query per request."""
        return current_login(self._request, self.accepted, any_organization=self._any_organization)

    @property
    def is_logged_in(self) -> bool:
        """Whether this browser is logged in through Auth0, with a configuration that counts here."""
        return self.current is not None

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the Django session notes of this login; empty for a visitor who is not logged in."""
        login = self.current
        return login.facts if login is not None else _NOTHING

    @property
    def configuration(self) -> Auth0Settings:
        """The configuration that this login was made with, or would be for a visitor who is not logged in."""
        login = self.current
        if login is not None:
            return login.configuration
        return get_settings(configuration_to_log_in_with(self._request, self.accepted))

    @property
    def _source(self) -> StoredTokenSource:
        login = self.current
        if login is None:
            raise login_refusal(self._request)
        return login.source

    @property
    def login_session(self) -> LoginSession:
        """The row behind this login; one query per request. Raises LoginRequired without a login."""
        return self._source.row

    @property
    def tokens(self) -> TokenSet:
        """The stored token set as it is, without refresh; for showing expiry and scopes. Raises LoginRequired."""
        return self._source.tokens

    @property
    def claims(self) -> Mapping[str, Any]:
        """The validated claims of the login's ID token, read-only; empty for a visitor who is not logged in."""
        login = self.current
        return MappingProxyType(dict(login.source.grant.claims)) if login is not None else _NOTHING

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes of the access token."""
        login = self.current
        return login.source.tokens.scope if login is not None else frozenset()

    @property
    def permissions(self) -> frozenset[str]:
        """The ``permissions`` claim of the access token, validated; empty when the token is opaque.

        Needs "Add Permissions in the Access Token" at the API in the Auth0 Dashboard.
        """
        login = self.current
        return login.source.permissions(login.configuration.api_audience) if login is not None else frozenset()

    @property
    def organization(self) -> str | None:
        """The id (``org_…``) of the organization the user logged in to, else None."""
        found = self.claims.get("org_id")
        return found if isinstance(found, str) else None

    def access_token(self, audience: str = "", scope: str = "") -> str:
        """Return a live access token, refreshed if need be. Raises LoginRequired, NoAccessToken or TransportError.

        ``audience``: another API's token, which needs a multi-resource refresh token policy at Auth0. ``scope``: fewer
        scopes than the login has.
        """
        return self._source.access_token(self._target(audience, scope)).access_token or ""

    @property
    def api(self) -> ApiSession:
        """A ``requests.Session`` that calls APIs in the user's name, to ``API_ORIGINS`` only."""
        source = self._source
        return source.default_api(self.configuration.api_origins)

    def api_for(self, audience: str, scope: str = "", *, origins: Collection[str] = ()) -> ApiSession:
        """As ``api``, for another API: its token goes to ``origins`` only, by default the audience's own origin."""
        return self._source.api_session(origins or (audience,), self._target(audience, scope))

    def connection_token(self, connection: str, login_hint: str = "") -> str:
        """Return the access token of the user at an identity provider (``google-oauth2``, …), by Auth0's Token Vault.

        Raises NoAccessToken (``connection_token_refused``) when Auth0 gives none; it wants refresh token rotation off. With
        the connection in ``CONNECTED_ACCOUNTS``, AccountNotConnected says where the user connects an account, and the
        middleware leads there and back.
        """
        target = Target(connection=connection, login_hint=login_hint)
        try:
            return self._source.access_token(target).access_token or ""
        except AccountNotConnected as error:
            error.connect_url = self.connect_url(connection)
            raise

    def connect_url(self, connection: str, scopes: str = "", *, next_url: str = "") -> str:
        """Return the address of ``auth0:connect`` for this connection, which leads back here, or to ``next_url``.

        ``scopes``: fewer than those in ``CONNECTED_ACCOUNTS``.
        """
        query = {"connection": connection, **({"scopes": scopes} if scopes else {})}
        return page_path("connect", self.configuration.name, next_url or return_url(self._request), **query)

    @property
    def connected_accounts(self) -> ConnectedAccounts:
        """The accounts that the user has connected: ``list()``, ``disconnect(id)``, a-twins. Raises LoginRequired."""
        from django_auth0_flow.tokens.connected_accounts import ConnectedAccounts  # most sites need none of it

        return ConnectedAccounts(self._source)

    def _target(self, audience: str, scope: str) -> Target:
        """Return the target for these; the login's own audience and full scope are the default one."""
        if not audience and not scope:
            return DEFAULT_TARGET
        if audience == self.configuration.api_audience:
            audience = ""
        return Target(audience=audience, scope=" ".join(sorted(set(scope.split()))))

    # -- for async views ---------------------------------------------------------------------------------------------

    async def ais_logged_in(self) -> bool:
        """As ``is_logged_in``."""
        return await sync_to_async(lambda: self.is_logged_in)()

    async def aclaims(self) -> Mapping[str, Any]:
        """As ``claims``."""
        return await sync_to_async(lambda: self.claims)()

    async def ascopes(self) -> frozenset[str]:
        """As ``scopes``."""
        return await sync_to_async(lambda: self.scopes)()

    async def apermissions(self) -> frozenset[str]:
        """As ``permissions``; an expired token is refreshed first, without blocking the event loop."""

        def has_expired() -> bool:
            login = self.current
            return login is not None and login.source.tokens.is_expired(login.configuration.clock())

        if await sync_to_async(has_expired)():
            await self.aaccess_token()
        return await sync_to_async(lambda: self.permissions)()

    async def aorganization(self) -> str | None:
        """As ``organization``."""
        return await sync_to_async(lambda: self.organization)()

    async def aaccess_token(self, audience: str = "", scope: str = "") -> str:
        """As ``access_token``; the event loop is not blocked while the tenant answers."""
        source, target = await sync_to_async(lambda: (self._source, self._target(audience, scope)))()
        return (await source.aaccess_token(target)).access_token or ""

    async def aconnection_token(self, connection: str, login_hint: str = "") -> str:
        """As ``connection_token``."""
        source = await sync_to_async(lambda: self._source)()
        target = Target(connection=connection, login_hint=login_hint)
        try:
            return (await source.aaccess_token(target)).access_token or ""
        except AccountNotConnected as error:
            error.connect_url = self.connect_url(connection)
            raise

    async def arequest(self, method: str, url: str, **kwargs: Any) -> requests.Response:
        """As ``api.request``; a stale token is refreshed first, and the call runs in a thread of a pool for such calls."""
        source, api = await sync_to_async(lambda: (self._source, self.api))()
        await source.aaccess_token()
        return await acall(partial(api.request, method, url, **kwargs))

    # -- for the middleware ------------------------------------------------------------------------------------------

    def refresh_early(self) -> None:
        """Refresh a stale token before the view, outside its transaction; never fails the request."""
        login = self.current
        if login is None or login.source.row.access_token_expires_at is None:
            return
        try:
            login.source.refresh_early()
        except Auth0Error:
            return  # the view meets the same error if it wants the token

    def after_response(self) -> None:
        """Save tokens again whose save was rolled back, and close connections to APIs."""
        for source in sources_of(self._request).values():
            source.after_response()
