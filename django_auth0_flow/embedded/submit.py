"""Submit a waiting login to the tenant, once, and finish it."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest

from django_auth0_flow.embedded import waiting as waiting_logins
from django_auth0_flow.embedded.waiting import WaitingLogin
from django_auth0_flow.login.admission import Login
from django_auth0_flow.login.finish import finish_login
from django_auth0_flow.protocol.embedded_grants import Granted
from django_auth0_flow.protocol.errors import Auth0Error, MfaRequired
from django_auth0_flow.tokens.connection_pool import give_back_connection


class AlreadySubmitted(Auth0Error):
    """Another request submits this login, or has logged in with it: the tenant was not asked again."""

    code = "already_submitted"


def submit_once(request: HttpRequest, waiting: WaitingLogin, ask_tenant: Callable[[], Granted]) -> tuple[str, Granted]:
    """Submit a waiting login to the tenant and log in; return where to go, and what the tenant granted.

    After a refusal it waits again, for another try. Raises AlreadySubmitted, MfaRequired, and what ``ask_tenant`` and
    ``finish_login`` raise.
    """
    if not waiting_logins.claim(waiting):
        raise AlreadySubmitted("This login is being checked already, or it was used.")
    give_back_connection(waiting.configuration)
    try:
        granted = ask_tenant()
    except MfaRequired as error:  # the code was right, and is used up
        error.configuration = waiting.configuration
        waiting_logins.remove(request, waiting)
        raise
    except Auth0Error:
        waiting_logins.release(waiting)
        raise
    waiting_logins.remove(request, waiting)
    return finish_granted(request, granted, waiting.configuration, waiting.next_url, waiting.started_at), granted


def finish_granted(request: HttpRequest, granted: Granted, configuration: str, next_url: str, began_at: float) -> str:
    """Log in with what the tenant granted; return where to go.

    ``began_at``: before the tenant was asked, since it may have ended this login meanwhile.
    """
    login = Login(configuration, granted.tokens, granted.claims, next_url=next_url, began_at=began_at, by_hand=True)
    return finish_login(request, login)
