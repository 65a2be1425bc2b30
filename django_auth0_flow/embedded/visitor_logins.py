"""Auth0's embedded logins, for a visitor and a configuration."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import HttpRequest

from django_auth0_flow.conf import get_client, get_settings
from django_auth0_flow.embedded.visitor_address import visitor_address
from django_auth0_flow.login.admission import tenants_page_needed
from django_auth0_flow.protocol.embedded_grants import EmbeddedLogins
from django_auth0_flow.protocol.errors import Auth0Error


def embedded_logins(
    configuration: str, request: HttpRequest | None, *, parameters: Mapping[str, str] | None = None
) -> EmbeddedLogins:
    """Return Auth0's embedded logins, for this visitor.

    Without a request there is no session to keep a refresh token in, so none is asked for. Raises Auth0Error
    (``organization_login_needed``, ``stronger_login_needed``) where the site demands what these logins can't bring.
    """
    conf = get_settings(configuration)
    if code := tenants_page_needed(request, conf):
        raise Auth0Error("Embedded logins can't bring what every login here must have.", code=code)
    scopes = [scope for scope in conf.scope.split() if request is not None or scope != "offline_access"]
    audience = {"audience": conf.audience} if conf.audience else {}
    return EmbeddedLogins(
        get_client(configuration),
        scope=" ".join(scopes),
        parameters={**audience, **(parameters or {})},
        visitor_address=visitor_address(request, conf.trusted_proxy_count),
    )
