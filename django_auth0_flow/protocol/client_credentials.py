"""Access tokens for the client itself: no user takes part. RFC 6749 §4.4."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from django_auth0_flow.protocol.claim_checks import is_of_another
from django_auth0_flow.protocol.errors import MachineTokenRefused, OAuthError, unusable_answer
from django_auth0_flow.protocol.tokens import TokenSet

if TYPE_CHECKING:
    from django_auth0_flow.protocol.client import Client


def request_machine_token(client: Client, parameters: Mapping[str, str], *, dpop_key: str | None = None) -> TokenSet:
    """Return an access token for the API that ``parameters`` name (``audience``, ``scope``, ``organization``).

    ``dpop_key``: of the token before, if there was one; with DPoP the new one is bound to it where the API binds tokens.
    A token that names another organization than the one asked for, or none, is unusable; one that names an organization
    although none was asked for is as it should be: that is the application's default. Raises MachineTokenRefused or
    TransportError. Auth0: Client Credentials Flow, Machine-to-Machine Access for Organizations.
    """
    tenant = client.token_endpoint
    form = {"grant_type": "client_credentials", **parameters}
    key = dpop_key or tenant.new_dpop_key()
    try:
        tokens, _ = tenant.request_tokens(form, scope=parameters.get("scope", ""), dpop_key=key, is_login=False)
    except OAuthError as error:
        # Whatever the word, this is about no user and no login: mfa_required or invalid_grant must not be taken for that.
        raise MachineTokenRefused(error.error, error.error_description, status=error.status) from error
    if is_of_another(parameters.get("organization", ""), tokens.access_token or ""):
        raise unusable_answer("The token is for another organization, or for none.", code="organization_mismatch")
    return replace(tokens, refresh_token=None, id_token=None)
