"""The use cases that end a login of this browser: asked for by its user, found to be over, or dead."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass

from django.contrib.auth import logout
from django.http import HttpRequest

from django_auth0_flow.conf import configuration_for, configuration_names, get_client, get_settings
from django_auth0_flow.models import LoginSession
from django_auth0_flow.pages.urls import absolute_url, url_of
from django_auth0_flow.protocol.adapters import http_deadline
from django_auth0_flow.protocol.errors import Auth0Error, TransportError
from django_auth0_flow.protocol.tokens import TokenSet
from django_auth0_flow.storage.sealing import UnsealError, seal, secrets_of, unseal
from django_auth0_flow.storage.session_facts import noted_login, remember_silent_login
from django_auth0_flow.tokens.connection_pool import give_back_connection
from django_auth0_flow.tokens.fetch import revoke_quietly
from django_auth0_flow.tokens.lease import end_row

logger = logging.getLogger(__name__)

#: How long a logout waits for the tenant to revoke the refresh token.
REVOCATION_SECONDS = 3
#: How long a person may take at the tenant's logout page.
_STATE_SECONDS = 3600


@dataclass(frozen=True)
class Logout:
    """What became of a logout. ``url``: where to go on; "" when the tenant can't be reached and only this site is left."""

    url: str
    revoked: bool = True


def end_login(request: HttpRequest, *, next_url: str = "") -> Logout:
    """Log out: here first, then the refresh token, then the address that ends the tenant's session.

    The tenant being down never keeps anybody logged in here. RP-Initiated Logout 1.0 §2.
    """
    facts = noted_login(request)
    row = LoginSession.objects.filter(pk=facts["id"]).first() if facts else None
    known = facts.get("configuration") in configuration_names()
    name = str(facts["configuration"]) if known else configuration_for(request)
    conf = get_settings(name)
    back = url_of("logged_out", name)
    state = seal_logout_state(name, next_url)
    logout(request)
    if not facts:
        return Logout(f"{back}?state={state}")
    tokens = TokenSet()
    if row is not None:
        try:
            tokens = row.grant.tokens
        except UnsealError:
            logger.warning("login_session_unreadable login_session=%s", row.pk)
        end_row(row, "logout", any_version=True)
    revoked = True
    try:
        revoked = _revoke(name, tokens.refresh_token)
        url = get_client(name).logout_url(
            id_token_hint=tokens.id_token,
            post_logout_redirect_uri=absolute_url(request, back, conf),
            state=state,
            federated=conf.federated_logout,
        )
    except TransportError as error:
        logger.warning("tenant_logout_skipped code=%s", error.code)
        remember_silent_login(request, name)  # or the session left there would log this visitor in again
        return Logout("", revoked=False)
    return Logout(url, revoked)


def end_local_login(request: HttpRequest, reason: str) -> None:
    """Log this browser out here only, because the tenant says that the login is over; nobody is sent anywhere."""
    facts = noted_login(request)
    row = LoginSession.objects.filter(pk=facts["id"]).first() if facts else None
    logout(request)
    if row is None:
        return
    try:
        refresh_token = row.grant.tokens.refresh_token
    except UnsealError:
        refresh_token = None
    end_row(row, reason, any_version=True)
    revoke_quietly(row.configuration, refresh_token, seconds=REVOCATION_SECONDS)


def _revoke(configuration: str, refresh_token: str | None) -> bool:
    """Revoke a refresh token, best effort; tell whether the tenant confirmed.

    Raises TransportError when nobody answers: the browser would meet a dead address there too.
    """
    if not refresh_token:
        return True
    give_back_connection(configuration)
    try:
        with http_deadline(REVOCATION_SECONDS):
            get_client(configuration).revoke(refresh_token)
    except Auth0Error as error:
        logger.warning("revocation_failed code=%s", error.code)
        if isinstance(error, TransportError) and (error.status is None or error.status >= 500):
            raise
        return False
    return True


def seal_logout_state(configuration: str, next_url: str) -> str:
    """Return the ``state`` of a logout: it brings ``next_url`` back, and only our own comes back as ours."""
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
