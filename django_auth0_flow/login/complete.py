"""What an authorization response means for the purpose of its transaction.

Silent logins and re-checks never end at an error page: no one asked for them.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from django.http import HttpRequest

from django_auth0_flow.conf import get_client, get_settings
from django_auth0_flow.login import redeem
from django_auth0_flow.login.transactions import ACCESS_TOKEN, CONNECT, RECHECK, SILENT, Transaction
from django_auth0_flow.logout import browser
from django_auth0_flow.models import LoginSession
from django_auth0_flow.pages import messages
from django_auth0_flow.pages import urls as site_urls
from django_auth0_flow.protocol import redeem as redemption
from django_auth0_flow.protocol.authorization import AuthorizationResponse
from django_auth0_flow.protocol.errors import Auth0Error, AuthorizationError, CallbackError, LoginRequired
from django_auth0_flow.session import Auth0Session
from django_auth0_flow.signals import login_failed, send
from django_auth0_flow.storage.django_session_facts import FACTS_KEY, remember_silent_login
from django_auth0_flow.storage.logout_tokens import SpentLogoutToken

logger = logging.getLogger(__name__)

_NO_SESSION = ("login_required", "consent_required", "interaction_required", "account_selection_required")


def complete(request: HttpRequest, response: AuthorizationResponse, transaction: Transaction) -> str:
    """Do what the transaction was begun for and return where to go.

    Raises as ``redeem.complete_login``, except for silent logins and re-checks.
    """
    if transaction.purpose == ACCESS_TOKEN:
        return add_access_token(request, response, transaction)
    if transaction.purpose == RECHECK:
        return _finish_recheck(request, response, transaction)
    if transaction.purpose == SILENT:
        return _finish_silent(request, response, transaction)
    if transaction.purpose == CONNECT:
        from django_auth0_flow.login import connect  # most sites need none of it

        return connect.finish_connect(request, response, transaction)
    return redeem.complete_login(request, response, transaction)


def _finish_silent(request: HttpRequest, response: AuthorizationResponse, transaction: Transaction) -> str:
    """Log in if the tenant knows the visitor, else remember that it does not. A login made meanwhile stays."""
    back = _back(request, transaction)
    if request.user.is_authenticated:
        return back
    try:
        return redeem.complete_login(request, response, transaction)
    except Auth0Error as error:
        remember_silent_login(request, transaction.configuration)
        _report(request, error, "silent_login_failed", transaction.configuration)
        return back


def _finish_recheck(request: HttpRequest, response: AuthorizationResponse, transaction: Transaction) -> str:
    """End the local login if the tenant's session is gone or is another user's; anything else keeps it."""
    back = _back(request, transaction)
    login = Auth0Session(request, (transaction.configuration,))
    if not transaction.login_id or login.facts.get("id") != transaction.login_id:
        return back  # logged out, or in again, in another tab
    try:
        _, claims = redeem.redeem_response(response, transaction)
    except Auth0Error as error:
        if isinstance(error, AuthorizationError) and error.error == "login_required":
            browser.end_local_login(request, "tenant_session_ended")
            remember_silent_login(request, transaction.configuration)
            return back
        _report(request, error, "recheck_failed", transaction.configuration)
        _confirm(request, login)
        return back
    try:
        known = login.claims
    except LoginRequired:
        return back  # ended meanwhile: the page says so
    if any(claims[name] != known[name] for name in ("iss", "sub")):
        browser.end_local_login(request, "another_user")
        return back
    _confirm(request, login)
    # A later logout token names the session that is there now. One that came before this is written finds no row.
    rows = LoginSession.objects.filter(pk=transaction.login_id)
    rows.update(sid_key=LoginSession.sid_key_for(claims["iss"], claims.get("sid")))
    client_id = login.configuration.client_id
    if SpentLogoutToken.objects.has_ended(client_id, claims, began_at=transaction.started_at):
        browser.end_local_login(request, "backchannel_logout")
    return back


def add_access_token(request: HttpRequest, response: AuthorizationResponse, transaction: Transaction) -> str:
    """Add the access token of a ``response_type=token`` answer to the login that asked for it; return where to go.

    It logs no one in: the login is there, and ``/userinfo`` says that the token is its user's. Raises as
    ``redeem.complete_login``.
    """
    login = Auth0Session(request, (transaction.configuration,))
    if not transaction.login_id or login.facts.get("id") != transaction.login_id:
        raise CallbackError("The login that wanted this access token is over.", code="state_unknown")
    redeem.judge_origin(response, transaction)
    client, conf = get_client(transaction.configuration), get_settings(transaction.configuration)
    asked = transaction.request(response.state)
    tokens = redemption.access_token_of(client, response)
    row = login.login_session
    audience = redemption.audience_of(asked)
    tokens = redemption.check_access_token(client, tokens, subject=row.grant.claims["sub"], audience=audience)
    kept = row.grant.tokens
    row.save_grant(
        replace(row.grant, tokens=replace(tokens, id_token=kept.id_token, refresh_token=kept.refresh_token)),
        refreshed_at=conf.clock(),
    )
    request.session[FACTS_KEY] = {**login.facts, "asked": transaction.requirement, "token_at": conf.clock()}
    logger.info("access_token_added login_session=%s", row.pk)
    return _back(request, transaction)


def _back(request: HttpRequest, transaction: Transaction) -> str:
    return site_urls.landing_url(site_urls.safe_next(request, transaction.next_url))


def _confirm(request: HttpRequest, login: Auth0Session) -> None:
    facts: dict[str, Any] = {**login.facts, "checked": login.configuration.clock()}
    facts.pop("check_began", None)
    request.session[FACTS_KEY] = facts


def _report(request: HttpRequest, error: Auth0Error, event: str, configuration: str) -> None:
    """Log an error that no page shows; it is only info if the tenant has no session to adopt."""
    code = messages.public_code(error)
    if isinstance(error, AuthorizationError) and error.error in _NO_SESSION:
        logger.info("%s code=%s", event, code)
        return
    logger.warning("%s code=%s", event, code)
    send(login_failed, Auth0Session, request=request, error=error, code=code, configuration=configuration)
