"""Passwordless logins: send a code or link, and log in with the code."""

from __future__ import annotations

import logging

from django.http import HttpRequest
from django.utils.translation import get_language

from django_auth0_flow.conf import get_settings
from django_auth0_flow.embedded import waiting as waiting_logins
from django_auth0_flow.embedded.error_codes import reveals_nothing
from django_auth0_flow.embedded.sending import wait_for_message
from django_auth0_flow.embedded.submit import submit_once
from django_auth0_flow.embedded.visitor_logins import embedded_logins
from django_auth0_flow.embedded.waiting import WaitingLogin
from django_auth0_flow.login import transactions
from django_auth0_flow.login.admission import parameters_demanded
from django_auth0_flow.pages import urls as site_urls
from django_auth0_flow.protocol.authorization import code_challenge
from django_auth0_flow.protocol.embedded_grants import Granted
from django_auth0_flow.protocol.errors import Auth0Error
from django_auth0_flow.protocol.passwordless_channels import CHANNELS

logger = logging.getLogger(__name__)


def begin_passwordless(
    request: HttpRequest, *, configuration: str, kind: str, address: str, next_url: str = "", again: bool = False
) -> WaitingLogin:
    """Have a code or link sent and return the login that waits for it. ``kind``: one of ``PASSWORDLESS``.

    Asked for the same within RESEND_SECONDS, unless ``again``, it sends nothing new while the code can still be used. The
    answer does not tell whether the address has an account: a refusal that may be about it looks like success. Raises
    OAuthError (the address is malformed, the message can't be sent, the set-up) or TransportError.
    """

    def send(waiting: WaitingLogin) -> None:
        try:
            _send(request, waiting)
        except Auth0Error as error:
            if not reveals_nothing(error):
                raise
            logger.info("passwordless_not_sent code=%s", error.code)
        else:
            logger.info("passwordless_started kind=%s", kind)

    wanted = {"kind": kind, "address": address}
    stored_kind = "link" if CHANNELS[kind].is_link else "code"
    return wait_for_message(request, stored_kind, configuration, wanted, next_url=next_url, send=send, again=again)


def _send(request: HttpRequest, waiting: WaitingLogin) -> None:
    channel, logins = CHANNELS[waiting.data["kind"]], embedded_logins(waiting.configuration, request)
    parameters = _link_parameters(request, waiting) if channel.is_link else {}
    language = get_language() or ""
    logins.start_passwordless(channel, waiting.data["address"], auth_params=parameters, language=language)


def _link_parameters(request: HttpRequest, waiting: WaitingLogin) -> dict[str, str]:
    """Return the authorization request that a magic link stands for; its transaction is stored in this browser only."""
    conf = get_settings(waiting.configuration)
    extra = {name: value for name, value in (("audience", conf.audience), ("resource", conf.resource)) if value}
    extra |= parameters_demanded(conf, view={}, visitor={})
    transaction = transactions.new_transaction(
        conf.name,
        redirect_uri=site_urls.callback_url(request, conf),
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


def finish_passwordless(request: HttpRequest, waiting: WaitingLogin, code: str) -> str:
    """Log in with the code of a message; return where to go.

    Raises AlreadySubmitted, MfaRequired, OAuthError, TokenValidationError, TransportError, or Auth0Error when the user may
    not log in.
    """
    channel, logins = CHANNELS[waiting.data["kind"]], embedded_logins(waiting.configuration, request)
    callback = site_urls.callback_url(request, get_settings(waiting.configuration))

    def ask_tenant() -> Granted:
        return logins.log_in_with_code(channel, waiting.data["address"], code, redirect_uri=callback)

    return submit_once(request, waiting, ask_tenant)[0]


def end_passwordless(request: HttpRequest, waiting: WaitingLogin) -> WaitingLogin:
    """Note that the code sent last to this address is of no use any more: who starts again is sent a new one at once."""
    last = waiting_logins.find_last(request, waiting.kind, waiting.configuration)
    if last is not None and last.id != waiting.id and last.data == waiting.data:
        # The tenant knows one code per address, whichever page it is typed into.
        waiting_logins.update(request, last, over=True)
    return waiting_logins.update(request, waiting, over=True)
