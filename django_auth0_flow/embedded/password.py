"""Logins with a password on the site's own page."""

from __future__ import annotations

from django.http import HttpRequest

from django_auth0_flow.conf import get_settings
from django_auth0_flow.embedded.submit import finish_granted
from django_auth0_flow.embedded.visitor_logins import embedded_logins
from django_auth0_flow.tokens.connection_pool import give_back_connection


def finish_password(
    request: HttpRequest, *, configuration: str, username: str, password: str, next_url: str = ""
) -> str:
    """Log in with a password; return where to go. Raises as ``finish_passwordless``."""
    conf = get_settings(configuration)
    began_at = conf.clock()
    give_back_connection(configuration)
    logins = embedded_logins(configuration, request)
    granted = logins.log_in_with_password(username, password, realm=conf.database_connection)
    return finish_granted(request, granted, configuration, next_url, began_at)
