"""Signals beside Django's own ``user_logged_in`` and ``user_logged_out``. All are sent with ``send_robust``.

All say the name of the ``configuration``. ``code`` is an error code of this package, ``duration`` seconds: both, like
``reason``, take few values or are numbers, as metrics need. Rows and requests are for receivers that do more.

- ``login_finished``: ``request``, ``login_session``. Sender: LoginSession.
- ``login_failed``: ``request``, ``error`` (an Auth0Error), ``code`` (as the page says it). Sender: the view class.
- ``tokens_refreshed``: ``login_session``, ``duration``. Sender: LoginSession.
- ``refresh_failed``: ``login_session``, ``code``, ``duration``; the old token may still be good. Sender: LoginSession.
- ``login_session_ended``: ``login_session`` (no longer in the database), ``reason`` (``logout``, ``replaced``,
  ``backchannel_logout``, ``ended_by_user``, ``invalid_grant``, ``session_gone``, …). Sender: LoginSession.
- ``machine_token_renewed``: ``duration``. Sender: MachineToken.
- ``machine_token_failed``: ``code``, ``duration``. Sender: MachineToken.
- ``api_session_created``: ``session`` (an ApiSession, the ``requests.Session`` behind ``request.auth0.api``). Set headers,
  retries or a proxy, install hooks, mount an adapter. Sender: ApiSession.
"""

from __future__ import annotations

from typing import Any

from django.dispatch import Signal

login_finished = Signal()
login_failed = Signal()
tokens_refreshed = Signal()
refresh_failed = Signal()
login_session_ended = Signal()
machine_token_renewed = Signal()
machine_token_failed = Signal()
api_session_created = Signal()


def send(signal: Signal, sender: type, **values: Any) -> None:
    """Send to every receiver; Django logs those that raise, and nothing here fails because of them."""
    signal.send_robust(sender=sender, **values)
