"""``request.auth0``: what a view may know of the visitor's login, and the way to call APIs with it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any

import requests
from asgiref.sync import sync_to_async
from django.contrib.auth import SESSION_KEY as USER_SESSION_KEY
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest

from .conf import Auth0Settings, configuration_for, get_settings
from .exchange import DEFAULT_TARGET, Target
from .models import LoginSession
from .protocol.errors import Auth0Error, LoginRequired
from .protocol.outbound import ApiSession
from .protocol.tokens import TokenSet
from .refresh import StoredTokenSource

#: Under this key the Django session knows its login session: id, configuration and a few public facts. Never a token.
FACTS_KEY = "_auth0"
#: Under this key it knows for which configurations a silent login need not be tried (again).
_TRIED_KEY = "_auth0_silent"
_NOTHING: Mapping[str, Any] = MappingProxyType({})


def silent_logins_tried(request: HttpRequest) -> frozenset[str]:
    """Return the configurations for which this session has looked for the tenant's session."""
    found = request.session.get(_TRIED_KEY)
    return frozenset(name for name in found if isinstance(name, str)) if isinstance(found, list) else frozenset()


def remember_silent_login(request: HttpRequest, configuration: str) -> None:
    """Note that this session need not look for the tenant's session: there is none, or nobody wants it back."""
    request.session[_TRIED_KEY] = sorted({*silent_logins_tried(request), configuration})


def login_id_of(request: HttpRequest) -> str:
    """Return the id of the login session that this Django session belongs to, "" for none; without looking for the row."""
    facts = request.session.get(FACTS_KEY)
    return str(facts.get("id", "")) if isinstance(facts, dict) else ""


class Auth0Session:
    """The visitor's login, lazy: nothing is read before it is asked for.

    For a visitor who did not log in through Auth0 the facts are empty, and ``access_token`` and ``api`` raise
    LoginRequired, which the middleware answers.
    """

    def __init__(self, request: HttpRequest) -> None:
        self._request = request
        self._api_sessions: list[ApiSession] = []

    def __repr__(self) -> str:
        return "<Auth0Session>"

    @property
    def was_touched(self) -> bool:
        """Whether this request has read its login session."""
        return "_source" in self.__dict__

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the Django session holds of this login; reads the session, not the login session's row."""
        facts = self._request.session.get(FACTS_KEY)
        if not isinstance(facts, dict) or not isinstance(facts.get("id"), str):
            return _NOTHING
        try:
            get_settings(str(facts.get("configuration")))
        except ImproperlyConfigured:
            return _NOTHING  # a login of a configuration that was taken out of the settings is no login any more
        return facts

    @property
    def is_logged_in(self) -> bool:
        """Whether this browser logged in through Auth0 and its user is still there and active."""
        return bool(self.facts) and self._request.user.is_authenticated

    @property
    def configuration(self) -> Auth0Settings:
        """The configuration that this login was made with, or would be for a visitor who is not logged in."""
        return get_settings(self.facts.get("configuration") or configuration_for(self._request))

    @cached_property
    def _source(self) -> StoredTokenSource:
        facts = self.facts
        if not facts:
            raise LoginRequired("Nobody is logged in through Auth0.")
        return StoredTokenSource(facts["id"], user_id=self._request.session.get(USER_SESSION_KEY))

    @property
    def login_session(self) -> LoginSession:
        """The row behind this login; one query per request. Raises LoginRequired when it is gone."""
        return self._source.row

    @property
    def tokens(self) -> TokenSet:
        """The stored token set as it is, without refresh; for showing expiry and scopes. Raises LoginRequired."""
        return self._source.tokens

    @property
    def claims(self) -> Mapping[str, Any]:
        """The validated claims of the login's ID token, read-only; empty for a visitor who is not logged in."""
        if not self.facts:
            return _NOTHING
        return MappingProxyType(dict(self._source.grant.claims))

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes of the access token."""
        return self._source.tokens.scope if self.facts else frozenset()

    @property
    def permissions(self) -> frozenset[str]:
        """The ``permissions`` claim of the access token, validated; empty when the token is opaque.

        Needs "Add Permissions in the Access Token" at the API in the Auth0 Dashboard.
        """
        if not self.facts:
            return frozenset()
        return self._source.permissions(self.configuration.api_audience)

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

    @cached_property
    def api(self) -> ApiSession:
        """A ``requests.Session`` that calls APIs in the user's name, to ``API_ORIGINS`` only."""
        return self._api_session(self.configuration.api_origins, DEFAULT_TARGET)

    def api_for(self, audience: str, scope: str = "", *, origins: Collection[str] = ()) -> ApiSession:
        """As ``api``, for another API: its token goes to ``origins`` only, by default the audience's own origin."""
        return self._api_session(origins or (audience,), self._target(audience, scope))

    def connection_token(self, connection: str, login_hint: str = "") -> str:
        """Return the access token of the user at an identity provider (``google-oauth2``, …), by Auth0's Token Vault.

        Raises NoAccessToken (``connection_token_refused``) when Auth0 gives none; it wants refresh token rotation off.
        """
        target = Target(connection=connection, login_hint=login_hint)
        return self._source.access_token(target).access_token or ""

    def _api_session(self, origins: Collection[str], target: Target) -> ApiSession:
        session = self._source.api_session(origins, target)
        self._api_sessions.append(session)
        return session

    def _target(self, audience: str, scope: str) -> Target:
        """Return the target for these; the login's own audience and full scope are the default one."""
        if audience == self.configuration.api_audience:
            audience = ""
        return Target(audience=audience, scope=" ".join(sorted(set(scope.split()))))

    # -- for async views ---------------------------------------------------------------------------------------------

    async def aclaims(self) -> Mapping[str, Any]:
        """As ``claims``."""
        return await sync_to_async(lambda: self.claims)()

    async def ascopes(self) -> frozenset[str]:
        """As ``scopes``."""
        return await sync_to_async(lambda: self.scopes)()

    async def apermissions(self) -> frozenset[str]:
        """As ``permissions``; an expired token is refreshed first, without blocking the event loop."""

        def has_expired() -> bool:
            return bool(self.facts) and self._source.tokens.is_expired(self.configuration.clock())

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
        return (await source.aaccess_token(target)).access_token or ""

    async def arequest(self, method: str, url: str, **kwargs: Any) -> requests.Response:
        """As ``api.request``; a stale token is refreshed first and the call runs in a thread."""
        await self.aaccess_token()
        return await sync_to_async(lambda: self.api.request(method, url, **kwargs))()

    # -- for the middleware ------------------------------------------------------------------------------------------

    def refresh_early(self) -> None:
        """Refresh a stale token before the view, outside its transaction; never fails the request."""
        if not self.facts:
            return
        try:
            if self._source.row.access_token_expires_at is not None:
                self._source.refresh_early()
        except LoginRequired as error:
            self._source.refusal = error
        except Auth0Error:
            return  # the view meets the same error if it wants the token

    def after_response(self) -> None:
        """Save tokens again that a rolled back transaction took along, and let go of connections to APIs."""
        source = self.__dict__.get("_source")
        if source is not None:
            source.save_lost_rotation()
        for session in self._api_sessions:
            session.close()
