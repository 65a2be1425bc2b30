"""Judge and redeem an authorization response."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from django_auth0_flow.conf import get_client, get_settings
from django_auth0_flow.login import transactions
from django_auth0_flow.login.admission import Login, acr_values_demanded, max_age_demanded
from django_auth0_flow.login.finish import finish_login
from django_auth0_flow.login.transactions import Transaction
from django_auth0_flow.protocol import redeem as redemption
from django_auth0_flow.protocol.authorization import AuthorizationResponse, judge_response, kinds_of
from django_auth0_flow.protocol.tokens import TokenSet
from django_auth0_flow.tokens.connection_pool import give_back_connection


def complete_login(request: HttpRequest, response: AuthorizationResponse, transaction: Transaction) -> str:
    """Judge and redeem an authorization response, finish the login and return where to go.

    Raises CallbackError, AuthorizationError, TokenRequestError, TokenValidationError, TransportError, or Auth0Error when
    the user may not log in.
    """
    tokens, claims = redeem_response(response, transaction)
    login = Login(
        transaction.configuration,
        tokens,
        claims,
        next_url=transaction.next_url,
        began_at=transaction.started_at,
        requirement=transaction.requirement,
        organization_by=transaction.organization_by,
        by_hand=transaction.by_hand,
    )
    return finish_login(request, login)


def redeem_response(response: AuthorizationResponse, transaction: Transaction) -> tuple[TokenSet, dict[str, Any]]:
    """Return the token set and the validated ID token claims that a response brings. Raises as ``complete_login``."""
    client = get_client(transaction.configuration)
    judge_origin(response, transaction)
    give_back_connection(transaction.configuration)
    # Check what the settings demand, not what was asked: a visitor can edit the request, and a magic link asks for less.
    conf, is_login = get_settings(transaction.configuration), transaction.purpose != transactions.RECHECK
    return redemption.complete(
        client,
        transaction.request(response.state),
        response,
        max_age=max_age_demanded(conf, transaction.parameters) if is_login else None,
        organization=transaction.parameters.get("organization"),
        acr_values=acr_values_demanded(conf) if is_login else (),
    )


def judge_origin(response: AuthorizationResponse, transaction: Transaction) -> None:
    """Check that a response comes from the tenant and is no error. Raises CallbackError or AuthorizationError."""
    issuer = get_client(transaction.configuration).issuer
    # An ID token that came along is validated, and names its issuer: providers then leave ``iss`` out.
    names_issuer = "id_token" in kinds_of(transaction.response_type) and response.id_token is not None
    needed = issuer.metadata().authorization_response_iss_parameter_supported and not names_issuer
    judge_response(response, issuer=issuer.url, iss_required=needed)
