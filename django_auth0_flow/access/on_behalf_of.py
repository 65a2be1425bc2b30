"""For an API that calls another one: in the name of its own caller, whose access token let the request in."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from django_auth0_flow.access.bearer import caller_of
from django_auth0_flow.conf import get_client, get_settings
from django_auth0_flow.protocol.outbound import ApiSession
from django_auth0_flow.signals import api_session_created, send
from django_auth0_flow.tokens.api_session import DiscreetApiSession
from django_auth0_flow.tokens.exchange import CallersTokens


def on_behalf_of(
    request: Any, audience: str, scope: str = "", *, origins: Collection[str] = (), configuration: str = ""
) -> ApiSession:
    """Return a ``requests.Session`` that calls the API ``audience`` in the name of this request's caller.

    For a view under ``bearer_token_required``, or with DRF's ``Auth0BearerAuthentication``. Its token goes to ``origins``,
    by default the audience's own origin, and nowhere else. ``configuration``: of the custom API client that may do so, by
    default the one whose tokens let the caller in. A call raises NoAccessToken (``on_behalf_of_refused``,
    ``audience_not_granted``) or TransportError; this function NoAccessToken (``no_caller``) if no token let the request in.
    """
    source = _source(request, audience, scope, configuration)
    timeout, prover = get_settings(source.configuration).http_timeout, get_client(source.configuration).prover
    session = DiscreetApiSession(source, origins or (audience,), timeout=timeout, prover=prover)
    send(api_session_created, ApiSession, session=session, configuration=source.configuration)
    return session


def token_on_behalf_of(request: Any, audience: str, scope: str = "", *, configuration: str = "") -> str:
    """Return the access token that ``on_behalf_of`` calls with. Raises NoAccessToken or TransportError."""
    return _source(request, audience, scope, configuration).access_token().access_token or ""


async def atoken_on_behalf_of(request: Any, audience: str, scope: str = "", *, configuration: str = "") -> str:
    """As ``token_on_behalf_of``."""
    return await sync_to_async(token_on_behalf_of)(request, audience, scope, configuration=configuration)


@sensitive_variables()
def _source(request: Any, audience: str, scope: str, configuration: str) -> CallersTokens:
    django_request: HttpRequest = getattr(request, "_request", request)  # REST framework's own request wraps Django's
    token, claims, let_in_by = caller_of(django_request)
    name = configuration or let_in_by
    if get_settings(name).issuer != claims["iss"]:
        raise ImproperlyConfigured(f"The caller's token is of another tenant than that of the configuration {name!r}.")
    return CallersTokens(name, token, claims, audience, " ".join(sorted(set(scope.split()))))
