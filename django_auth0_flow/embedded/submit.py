"""Submit a waiting login to the tenant, once, and finish it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest

from django_auth0_flow.conf import get_settings
from django_auth0_flow.embedded import waiting as waiting_logins
from django_auth0_flow.embedded.waiting import Pending
from django_auth0_flow.login import finish
from django_auth0_flow.login.admission import Login
from django_auth0_flow.pages import urls as site_urls
from django_auth0_flow.protocol.embedded import Granted
from django_auth0_flow.protocol.errors import Auth0Error, InvalidGrant, MfaRequired
from django_auth0_flow.tokens.connection_pool import give_back_connection


class AlreadyWaiting(Auth0Error):
    """An equal submit led on to a second factor: this one follows it."""

    code = "mfa_required"

    def __init__(self, waiting: Pending) -> None:
        super().__init__("The login waits for a second factor.")
        self.waiting = waiting


def end_passwordless(request: HttpRequest, waiting: Pending) -> Pending:
    """Note that the code sent last to this address logs nobody in any more: the next wish has a new one sent at once."""
    last = waiting_logins.find_last(request, waiting.kind, waiting.configuration)
    if last is not None and last.id != waiting.id and last.data == waiting.data:
        waiting_logins.update(
            request, last, over=True
        )  # the tenant knows one code per address, whichever page it is typed into
    return waiting_logins.update(request, waiting, over=True)


def finish_once(
    request: HttpRequest, waiting: Pending, proof: str, submit: Callable[[], Granted]
) -> tuple[str, Granted | None]:
    """Submit to the tenant and log in, or share the login that an equal submit of this browser makes just now.

    A form that is sent twice is one wish: the tenant is asked once, and both answers lead on. One with another code waits
    for its turn.
    """
    share = (request, waiting.id, proof, waiting.configuration)
    landing = site_urls.landing_url(site_urls.safe_next(request, waiting.next_url))
    if not waiting_logins.claim(request, waiting, proof):
        if waiting_logins.await_twin(*share):
            return landing, None
        if successor := waiting_logins.find_successor(request, waiting.id, proof):
            raise AlreadyWaiting(successor)
        if not (waiting_logins.is_untried(request, waiting, proof) and waiting_logins.claim(request, waiting, proof)):
            raise InvalidGrant("invalid_grant")
    give_back_connection(waiting.configuration)
    try:
        granted = submit()
    except Auth0Error as error:
        if isinstance(error, InvalidGrant):
            if waiting_logins.share_login(*share):
                return landing, None
            if successor := waiting_logins.find_successor(request, waiting.id, proof):
                raise AlreadyWaiting(successor) from error
        if isinstance(error, MfaRequired):
            # Stays claimed until ``begin_mfa`` puts what follows in its place: a second submit waits for that.
            error.configuration = waiting.configuration
        else:
            waiting_logins.release(request, waiting)
        raise
    login_id = waiting_logins.login_id(request, waiting.id)
    waiting_logins.remove(request, waiting)
    url = _finish(request, granted, waiting.configuration, waiting.next_url, waiting.started_at, login_id=login_id)
    waiting_logins.remember_maker(request, waiting.id, proof)
    return url, granted


def _finish(
    request: HttpRequest, granted: Granted, configuration: str, next_url: str, began_at: float, **options: Any
) -> str:
    # ``began_at``: before the tenant was asked, which may have ended this login since.
    login = Login(configuration, granted.tokens, granted.claims, next_url=next_url, began_at=began_at)
    return finish.finish_login(request, login, **options)


def _callback_url(request: HttpRequest, configuration: str) -> str:
    conf = get_settings(configuration)
    return site_urls.absolute_url(request, site_urls.url_of("callback", configuration), conf)
