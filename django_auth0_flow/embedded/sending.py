"""Have the tenant send a message, once, and wait for what the visitor does with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.http import HttpRequest

from django_auth0_flow.conf import get_settings
from django_auth0_flow.embedded import waiting as waiting_logins
from django_auth0_flow.embedded.waiting import WaitingLogin
from django_auth0_flow.protocol.errors import Auth0Error

#: The same message is not sent again within these seconds: a form that was submitted twice sends one.
RESEND_SECONDS = 10


def wait_for_message(
    request: HttpRequest,
    kind: str,
    configuration: str,
    wanted: Mapping[str, Any],
    *,
    next_url: str,
    send: Callable[[WaitingLogin], None],
    again: bool = False,
) -> WaitingLogin:
    """Return the waiting login of a message, which ``send`` has sent by now; ``wanted``: which message, and to whom.

    Asked for the same within RESEND_SECONDS, unless ``again``, nothing is sent. Raises what ``send`` raises: then nothing
    waits.
    """
    if not again:
        last = waiting_logins.find_last(request, kind, configuration)
        # One that is over has other data, so it is equal to none.
        if last is not None and (last.data, last.next_url) == (wanted, next_url) and is_recent(last):
            return last
    waiting = waiting_logins.add(request, kind, configuration, wanted, next_url=next_url)
    try:
        send(waiting)
    except Auth0Error:
        waiting_logins.remove(request, waiting)
        raise
    return waiting


def is_recent(waiting: WaitingLogin) -> bool:
    """Tell whether the message was sent a moment ago."""
    return get_settings(waiting.configuration).clock() - waiting.started_at < RESEND_SECONDS
