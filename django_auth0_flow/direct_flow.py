"""The use cases of logins without redirect: passwordless and password. Each ends in ``flow.finish_login``."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.http import HttpRequest
from django.utils.translation import get_language

from . import flow, pending, site_urls, transactions
from .admission import direct_logins, parameters_demanded
from .conf import get_settings
from .connection_pool import give_back_connection
from .direct_errors import reveals_nothing
from .pending import Pending
from .protocol.authorization import code_challenge
from .protocol.direct import Granted
from .protocol.errors import Auth0Error, InvalidGrant, MfaRequired

logger = logging.getLogger("django_auth0_flow.direct")

#: Nobody is sent the same message twice within these seconds: a form submitted twice is one wish.
RESEND_SECONDS = 10


class AlreadyWaiting(Auth0Error):
    """An equal submit led on to a second factor: this one follows it."""

    code = "mfa_required"

    def __init__(self, waiting: Pending) -> None:
        super().__init__("The login waits for a second factor.")
        self.waiting = waiting


# -- passwordless ----------------------------------------------------------------------------------------------------------


def begin_passwordless(
    request: HttpRequest, *, configuration: str, kind: str, address: str, next_url: str = "", again: bool = False
) -> Pending:
    """Have a code or link sent and return the login that waits for it. ``kind``: one of ``PASSWORDLESS``.

    Of equal wishes within RESEND_SECONDS the first one's message is enough, unless its code is used up. Nobody learns
    whether the address has an account: a refusal that may be about it looks like success. Raises OAuthError (the address
    is malformed, the message can't be sent, the set-up) or TransportError.
    """
    wanted = {"kind": kind, "address": address}
    stored_kind = "link" if kind == "email-link" else "code"
    if not again:
        last = pending.find_last(request, stored_kind, configuration)
        earliest = get_settings(configuration).clock() - RESEND_SECONDS
        # One that is over has other data, so it is equal to none.
        if last is not None and (last.data, last.next_url) == (wanted, next_url) and last.started_at > earliest:
            return last
    waiting = pending.add(request, stored_kind, configuration, wanted, next_url=next_url)
    try:
        _send(request, waiting)
    except Auth0Error as error:
        if reveals_nothing(error):
            logger.info("passwordless_not_sent code=%s", error.code)
            return waiting
        pending.remove(request, waiting)
        raise
    logger.info("passwordless_started kind=%s", kind)
    return waiting


def _send(request: HttpRequest, waiting: Pending) -> None:
    name, kind, address = waiting.configuration, waiting.data["kind"], waiting.data["address"]
    logins = direct_logins(name, request)
    language = get_language() or ""
    if kind == "sms":
        logins.start_passwordless("sms", address, language=language)
    elif kind == "email-link":
        parameters = _link_parameters(request, waiting)
        logins.start_passwordless("email", address, send="link", auth_params=parameters, language=language)
    else:
        logins.start_passwordless("email", address, send="code", language=language)


def _link_parameters(request: HttpRequest, waiting: Pending) -> dict[str, str]:
    """Return the authorization request that a magic link stands for; its transaction is stored in this browser only."""
    conf = get_settings(waiting.configuration)
    extra = {name: value for name, value in (("audience", conf.audience), ("resource", conf.resource)) if value}
    extra |= parameters_demanded(conf, view={}, visitor={})
    transaction = transactions.new_transaction(
        conf.name,
        redirect_uri=_callback_url(request, conf.name),
        scope=conf.scope,
        next_url=waiting.next_url,
        parameters=extra,
        is_link=True,
    )
    state = transactions.begin(request, transaction)
    asked = transaction.request(state)
    return {
        **extra,
        "response_type": "code",
        "redirect_uri": asked.redirect_uri,
        "scope": asked.scope,
        "state": state,
        "nonce": asked.nonce,
        "code_challenge": code_challenge(asked.code_verifier),
        "code_challenge_method": "S256",
    }


def finish_passwordless(request: HttpRequest, waiting: Pending, code: str) -> str:
    """Log in with the code of a message; return where to go.

    Raises MfaRequired, AlreadyWaiting, OAuthError, TokenValidationError, TransportError, or Auth0Error when the user may
    not log in.
    """
    realm = "sms" if waiting.data["kind"] == "sms" else "email"
    logins = direct_logins(waiting.configuration, request)
    callback = _callback_url(request, waiting.configuration)

    def submit() -> Granted:
        return logins.log_in_with_code(realm, waiting.data["address"], code, redirect_uri=callback)

    return finish_once(request, waiting, code, submit)[0]


def end_passwordless(request: HttpRequest, waiting: Pending) -> Pending:
    """Note that the code sent last to this address logs nobody in any more: the next wish has a new one sent at once."""
    last = pending.find_last(request, waiting.kind, waiting.configuration)
    if last is not None and last.id != waiting.id and last.data == waiting.data:
        pending.update(
            request, last, over=True
        )  # the tenant knows one code per address, whichever page it is typed into
    return pending.update(request, waiting, over=True)


# -- password --------------------------------------------------------------------------------------------------------------


def finish_password(
    request: HttpRequest, *, configuration: str, username: str, password: str, next_url: str = ""
) -> str:
    """Log in with a password; return where to go. Raises as ``finish_passwordless``."""
    realm = get_settings(configuration).password_realm
    began_at = get_settings(configuration).clock()
    give_back_connection(configuration)
    logins = direct_logins(configuration, request)
    granted = logins.log_in_with_password(username, password, realm=realm if isinstance(realm, str) else "")
    return _finish(request, granted, configuration, next_url, began_at)


# -- ends ------------------------------------------------------------------------------------------------------------------


def finish_once(
    request: HttpRequest, waiting: Pending, proof: str, submit: Callable[[], Granted]
) -> tuple[str, Granted | None]:
    """Submit to the tenant and log in, or share the login that an equal submit of this browser makes just now.

    A form that is sent twice is one wish: the tenant is asked once, and both answers lead on. One with another code waits
    for its turn.
    """
    share = (request, waiting.id, proof, waiting.configuration)
    landing = site_urls.landing_url(site_urls.safe_next(request, waiting.next_url))
    if not pending.claim(request, waiting, proof):
        if pending.await_twin(*share):
            return landing, None
        if successor := pending.find_successor(request, waiting.id, proof):
            raise AlreadyWaiting(successor)
        if not (pending.is_untried(request, waiting, proof) and pending.claim(request, waiting, proof)):
            raise InvalidGrant("invalid_grant")
    give_back_connection(waiting.configuration)
    try:
        granted = submit()
    except Auth0Error as error:
        if isinstance(error, InvalidGrant):
            if pending.share_login(*share):
                return landing, None
            if successor := pending.find_successor(request, waiting.id, proof):
                raise AlreadyWaiting(successor) from error
        if isinstance(error, MfaRequired):
            # Stays claimed until ``begin_mfa`` puts what follows in its place: a second submit waits for that.
            error.configuration = waiting.configuration
        else:
            pending.release(request, waiting)
        raise
    login_id = pending.login_id(request, waiting.id)
    pending.remove(request, waiting)
    url = _finish(request, granted, waiting.configuration, waiting.next_url, waiting.started_at, login_id=login_id)
    pending.remember_maker(request, waiting.id, proof)
    return url, granted


def _finish(
    request: HttpRequest, granted: Granted, configuration: str, next_url: str, began_at: float, **options: Any
) -> str:
    transaction = transactions.new_transaction(
        configuration, redirect_uri="", scope=get_settings(configuration).scope, next_url=next_url
    )
    begun = replace(transaction, started_at=began_at)  # before the tenant was asked: it may have ended this login since
    return flow.finish_login(request, granted.tokens, granted.claims, begun, **options)


def _callback_url(request: HttpRequest, configuration: str) -> str:
    conf = get_settings(configuration)
    return site_urls.absolute_url(request, site_urls.url_of("callback", configuration), conf)
