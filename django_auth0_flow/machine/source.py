"""``machine_api`` and ``machine_token``: what tasks, commands and views call."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any

import requests
from django.views.decorators.debug import sensitive_variables

from django_auth0_flow.conf import DEFAULT, get_client
from django_auth0_flow.machine.access import Access
from django_auth0_flow.machine.lease import MachineLease
from django_auth0_flow.models import MachineToken
from django_auth0_flow.protocol.outbound import ApiSession
from django_auth0_flow.protocol.tokens import TokenSet
from django_auth0_flow.signals import api_session_created, send
from django_auth0_flow.tokens.api_session import DiscreetApiSession
from django_auth0_flow.tokens.row_tokens import RowTokens
from django_auth0_flow.tokens.stored import Wanted
from django_auth0_flow.tokens.sync_async import acall


class MachineTokenSource:
    """The token of one access; implements ``protocol.tokens.TokenSource``. Remembers the row it has read."""

    def __init__(self, access: Access) -> None:
        self._tokens = RowTokens(MachineToken, MachineLease(access))

    def access_token(self, *, rejected: str | None = None) -> TokenSet:
        """Return a live token set; network only when the stored one is stale.

        Raises MachineTokenRefused and TransportError.
        """
        return self._tokens.obtain(Wanted(rejected=rejected))

    async def aaccess_token(self) -> TokenSet:
        """As ``access_token``, without blocking the event loop."""
        return await self._tokens.aobtain(Wanted())


class MachineApi(DiscreetApiSession):
    """A ``requests.Session`` that calls an API with the site's own access token."""

    def __init__(self, access: Access, origins: Collection[str]) -> None:
        self._source = MachineTokenSource(access)
        prover = get_client(access.configuration).prover
        super().__init__(self._source, origins, timeout=access.settings.http_timeout, prover=prover)

    async def arequest(self, method: str, url: str, **kwargs: Any) -> requests.Response:
        """As ``request``; a stale token is renewed first, and the call runs in a thread of a pool for such calls."""
        await self._source.aaccess_token()
        return await acall(partial(self.request, method, url, **kwargs))


def machine_api(
    audience: str = "",
    *,
    scope: str = "",
    organization: str = "",
    origins: Collection[str] = (),
    configuration: str = DEFAULT,
) -> MachineApi:
    """Return a ``requests.Session`` that calls an API in the site's own name. Does nothing before its first request.

    ``audience``: the API's identifier, default ``AUTH0["AUDIENCE"]``. ``scope``: some of the scopes that the application
    has there, default all. ``organization``: an id (``org_…``) or a name. The token goes to ``origins`` only; by default
    to ``API_ORIGINS`` for the configuration's own audience, and to the audience's own origin for any other.

    Requests raise TransportError, with ``retry_after``, when there is no token for now (tenant out of reach, rate or quota
    used up), and MachineTokenRefused when the tenant refuses the application. Neither is ever LoginRequired.
    """
    access = Access.to(audience, scope=scope, organization=organization, configuration=configuration)
    if not origins:
        is_own = access.audience == access.settings.api_audience
        origins = access.settings.api_origins if is_own else (access.audience,)
    session = MachineApi(access, origins)
    send(api_session_created, ApiSession, session=session, configuration=configuration)
    return session


@sensitive_variables()
def machine_token(audience: str = "", *, scope: str = "", organization: str = "", configuration: str = DEFAULT) -> str:
    """Return a live access token of the site itself; arguments and errors as for ``machine_api``."""
    access = Access.to(audience, scope=scope, organization=organization, configuration=configuration)
    return MachineTokenSource(access).access_token().access_token or ""


@sensitive_variables()
async def amachine_token(
    audience: str = "", *, scope: str = "", organization: str = "", configuration: str = DEFAULT
) -> str:
    """As ``machine_token``; the event loop is not blocked while the tenant answers."""
    access = Access.to(audience, scope=scope, organization=organization, configuration=configuration)
    return (await MachineTokenSource(access).aaccess_token()).access_token or ""
