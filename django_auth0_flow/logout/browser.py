"""The use cases that end this browser's login: its user asks for it, or the tenant says that it is over."""

from __future__ import annotations

import json
import logging

from django.contrib.auth import logout
from django.http import HttpRequest

from django_auth0_flow.conf import configuration_for, configuration_names, get_client, get_settings
from django_auth0_flow.logout.sessions import end_rows
from django_auth0_flow.models import LoginSession
from django_auth0_flow.pages.urls import absolute_url, url_of
from django_auth0_flow.protocol.errors import TransportError
from django_auth0_flow.protocol.tokens import TokenSet
from django_auth0_flow.storage.django_session_facts import noted_login, remember_silent_login
from django_auth0_flow.storage.sealing import UnsealError, seal, secrets_of, unseal
from django_auth0_flow.tokens.connection_pool import give_back_connection
from django_auth0_flow.tokens.fetch import revoke

logger = logging.getLogger(__name__)

#: Seconds that a person may take at the tenant's logout page.
_STATE_SECONDS = 3600


def end_login(request: HttpRequest, *, next_url: str = "") -> str:
    """Log out here first, then revoke the refresh token; return the address that ends the tenant's session.

    Return "" when the tenant can't be reached: the login on this site ends all the same. RP-Initiated Logout 1.0 §2.
    """
    facts, own_key = noted_login(request), request.session.session_key
    row = LoginSession.objects.filter(pk=facts["id"]).first() if facts else None
    known = facts.get("configuration") in configuration_names()
    name = str(facts["configuration"]) if known else configuration_for(request)
    conf = get_settings(name)
    back = url_of("logged_out", name)
    state = seal_logout_state(name, next_url)
    logout(request)
    if not facts:
        return f"{back}?state={state}"
    tokens = TokenSet()
    if row is not None:
        try:
            tokens = row.grant.tokens
        except UnsealError:
            logger.warning("login_session_unreadable login_session=%s", row.pk)
        row.end("logout", session=row.has_moved_from(own_key, facts.get("key")))
    give_back_connection(name)
    refusal = revoke(name, tokens.refresh_token)
    try:
        if isinstance(refusal, TransportError) and (refusal.status is None or refusal.status >= 500):
            raise refusal  # the browser would not get an answer either
        return get_client(name).logout_url(
            id_token_hint=tokens.id_token,
            post_logout_redirect_uri=absolute_url(request, back, conf),
            state=state,
            federated=conf.federated_logout,
        )
    except TransportError as error:
        logger.warning("tenant_logout_skipped code=%s", error.code)
        remember_silent_login(request, name)  # or the session left there would log this visitor in again
        return ""


def end_local_login(request: HttpRequest, reason: str) -> None:
    """Log this browser out here only, because the tenant says that the login is over; the browser is sent nowhere."""
    facts = noted_login(request)
    rows = list(LoginSession.objects.select_related("identity").filter(pk=facts["id"])) if facts else []
    logout(request)
    end_rows(rows, reason=reason)


def seal_logout_state(configuration: str, next_url: str) -> str:
    """Return the sealed ``state`` of a logout: it carries ``next_url``, and shows that the logout began here."""
    data = json.dumps(
        {"t": get_settings(configuration).clock(), "n": next_url if len(next_url) <= 400 else ""}
    ).encode()
    return seal(data, purpose="logout_state", keys=secrets_of(configuration), context=configuration)


def open_logout_state(state: str, configuration: str) -> str | None:
    """Return the ``next_url`` in a logout state of ours not older than an hour, else None."""
    try:
        data = json.loads(unseal(state, purpose="logout_state", keys=secrets_of(configuration), context=configuration))
    except (UnsealError, ValueError):
        return None
    fresh = abs(get_settings(configuration).clock() - data["t"]) <= _STATE_SECONDS
    return str(data["n"]) if fresh else None
