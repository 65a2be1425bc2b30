"""Accounts in the connection of the password login: make one, and get back into one after a forgotten password."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from ipaddress import ip_address, ip_network

from django.http import HttpRequest

from django_auth0_flow.conf import get_client, get_settings
from django_auth0_flow.conf.shared_cache import ForgivingCache
from django_auth0_flow.embedded.error_codes import reveals_nothing
from django_auth0_flow.embedded.sending import wait_for_message
from django_auth0_flow.embedded.visitor_address import visitor_address
from django_auth0_flow.embedded.waiting import WaitingLogin
from django_auth0_flow.protocol.database_connections import DatabaseConnection
from django_auth0_flow.protocol.errors import Auth0Error, PasswordRefused, TokenRequestError
from django_auth0_flow.storage.db_types import exact_key
from django_auth0_flow.tokens.connection_pool import give_back_connection

logger = logging.getLogger(__name__)

#: An address is sent no other message within these seconds, by one configuration.
RESET_SECONDS = 60

#: So many accounts may be asked for from one address within so many seconds, by one configuration.
MAX_SIGN_UPS, SIGN_UP_SECONDS = 20, 3600


def sign_up(request: HttpRequest, *, configuration: str, password: str, profile: Mapping[str, str]) -> None:
    """Make an account; a login with its password may follow.

    An address may ask for MAX_SIGN_UPS in SIGN_UP_SECONDS: the tenant counts all visitors as this server. A password that
    the connection refuses does not count.
    Raises PasswordRefused, TokenRequestError (``too_many_attempts``; the account is there already, perhaps) or
    TransportError.
    """
    spot = _free_spot(request, configuration)
    give_back_connection(configuration)
    try:
        _connection(configuration, request).sign_up(password, profile)
    except PasswordRefused:
        ForgivingCache().delete(spot)
        raise
    logger.info("signed_up configuration=%s", configuration)


def _free_spot(request: HttpRequest, configuration: str) -> str:
    """Return the key of a sign-up that this visitor's address has left. Raises TokenRequestError.

    Only addresses of the internet count: any other is the proxy's that all visitors come through, and says nothing of them.
    """
    address = visitor_address(request, get_settings(configuration).trusted_proxy_count)
    if not address or not ip_address(address).is_global:
        return ""
    # Who has one IPv6 address has a whole network of them.
    network = str(ip_network((address, 64), strict=False)) if ":" in address else address
    cache, key = ForgivingCache(), f"auth0_flow:sign_up:{exact_key(configuration, network)}"
    for number in range(MAX_SIGN_UPS):
        if cache.add(spot := f"{key}:{number}", SIGN_UP_SECONDS):
            return spot
    logger.warning("sign_up_refused code=too_many_sign_ups configuration=%s", configuration)
    raise TokenRequestError("too_many_attempts")


def begin_reset(request: HttpRequest, *, configuration: str, email: str, next_url: str = "") -> WaitingLogin:
    """Have a message sent that leads to a new password; return what waits for it.

    An address gets one message a minute, whichever browsers ask: the tenant counts them all as this server's. The answer
    does not tell whether the address has an account: a refusal that may be about it looks like success. Raises OAuthError
    (the set-up) or TransportError.
    """
    sent, key = ForgivingCache(), f"auth0_flow:reset:{exact_key(configuration, email.casefold())}"

    def send(waiting: WaitingLogin) -> None:
        if not sent.add(key, RESET_SECONDS):
            logger.info("password_reset_not_sent code=sent_lately configuration=%s", configuration)
            return
        try:
            _connection(configuration, request).send_reset(email)
        except Auth0Error as error:
            if not reveals_nothing(error):
                sent.delete(key)
                raise
            logger.warning("password_reset_not_sent code=%s configuration=%s", error.code, configuration)
        else:
            logger.info("password_reset_sent configuration=%s", configuration)

    return wait_for_message(request, "reset", configuration, {"email": email}, next_url=next_url, send=send)


def _connection(configuration: str, request: HttpRequest) -> DatabaseConnection:
    conf = get_settings(configuration)
    address = visitor_address(request, conf.trusted_proxy_count)
    return DatabaseConnection(get_client(configuration), conf.database_connection, visitor_address=address)
