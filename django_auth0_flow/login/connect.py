"""Connect an account at an identity provider to the user who is logged in: there by redirect, and back to the callback.

It is no login. What comes back counts in the session that began, once, and only while the same user is logged in.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import replace

from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from django_auth0_flow.conf import DEFAULT, get_client, get_settings
from django_auth0_flow.login import transactions
from django_auth0_flow.login.transactions import Transaction
from django_auth0_flow.pages import urls as site_urls
from django_auth0_flow.protocol.authorization import AuthorizationResponse, code_challenge, judge_response
from django_auth0_flow.protocol.errors import AccountsRefused, AuthorizationError, CallbackError
from django_auth0_flow.session import Auth0Session
from django_auth0_flow.storage.db_types import exact_key
from django_auth0_flow.storage.django_session_facts import FACTS_KEY
from django_auth0_flow.storage.sealing import UnsealError, seal, secrets_of, unseal

logger = logging.getLogger(__name__)

_PURPOSE = "auth_session"


@sensitive_variables()
def begin_connect(
    request: HttpRequest,
    connection: str,
    *,
    scopes: Collection[str] = (),
    configuration: str = DEFAULT,
    next_url: str = "",
) -> str:
    """Begin to connect an account of the user who is logged in; return the address to send the browser to.

    Only for a request that its user has made on purpose: a POST with a CSRF token. ``scopes`` take the place of the
    connection's own. ``next_url`` must have gone through ``safe_next``.
    Raises LoginRequired, AccountsRefused or TransportError.
    """
    login = Auth0Session(request, (configuration,))
    transaction = transactions.new_transaction(
        configuration,
        redirect_uri=site_urls.absolute_url(
            request, site_urls.url_of("callback", configuration), get_settings(configuration)
        ),
        scope=" ".join(scopes),
        next_url=next_url,
        purpose=transactions.CONNECT,
    )
    state = transactions.seal_state(transaction)
    begun = login.connected_accounts.api.begin(
        connection,
        scopes=tuple(scopes),
        redirect_uri=transaction.redirect_uri,
        state=state,
        code_challenge=code_challenge(transaction.code_verifier),
    )
    keys, session = secrets_of(configuration), begun.auth_session.encode()
    parameters = {
        "connection": connection,
        "owner": _owner_of(login),
        "auth_session": seal(session, purpose=_PURPOSE, keys=keys, context=transaction.nonce),
    }
    transactions.begin(request, replace(transaction, parameters=parameters), state)
    return begun.url


@sensitive_variables()
def finish_connect(request: HttpRequest, response: AuthorizationResponse, transaction: Transaction) -> str:
    """Complete what ``begin_connect`` began and return where to go.

    Raises AccountsRefused (``connect_declined``, ``connect_expired``, …), CallbackError, and as ``begin_connect``.
    """
    login, parameters = Auth0Session(request, (transaction.configuration,)), transaction.parameters
    if not login.is_logged_in or _owner_of(login) != parameters["owner"]:
        raise CallbackError("The user who began to connect an account is logged in no more.", code="connect_other_user")
    try:
        judge_response(response, issuer=get_client(transaction.configuration).issuer.url, iss_required=False)
    except AuthorizationError as error:
        code = "connect_declined" if error.error == "access_denied" else ""
        raise AccountsRefused(error.error, error.error_description, code=code) from error
    if response.connect_code is None:
        raise CallbackError("The response has neither a code for an account nor an error.", code="code_missing")
    try:
        keys = secrets_of(transaction.configuration)
        session = unseal(parameters["auth_session"], purpose=_PURPOSE, keys=keys, context=transaction.nonce)
    except UnsealError as error:
        raise CallbackError("The keys that sealed this are gone.", code="state_expired") from error
    accounts = login.connected_accounts
    accounts.api.complete(
        auth_session=session.decode(),
        connect_code=response.connect_code,
        redirect_uri=transaction.redirect_uri,
        code_verifier=transaction.code_verifier,
    )
    accounts.drop_tokens()  # their scopes may be others now
    note = [parameters["connection"], login.configuration.clock()]
    request.session[FACTS_KEY] = {**login.facts, "connected": note}
    logger.info("account_connected login_session=%s", login.login_session.pk)
    return site_urls.landing_url(site_urls.safe_next(request, transaction.next_url))


def _owner_of(login: Auth0Session) -> str:
    """Return a digest of who is logged in, and to which organization. Raises LoginRequired."""
    claims = login.login_session.grant.claims
    return exact_key(claims["iss"], claims["sub"], str(claims.get("org_id", "")))
