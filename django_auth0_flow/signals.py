"""Signals beside Django's own ``user_logged_in`` and ``user_logged_out``. All are sent with ``send_robust``.

- ``login_failed``: ``request``, ``error`` (an Auth0Error). Sender: the view class.
- ``tokens_refreshed``: ``login_session``, ``duration`` (seconds). Sender: LoginSession.
- ``login_session_ended``: ``login_session`` (no longer in the database), ``reason`` (``logout``, ``replaced``,
  ``backchannel_logout``, ``invalid_grant``, ``session_gone``, …). Sender: LoginSession.
- ``api_session_created``: ``session`` (an ApiSession, the ``requests.Session`` behind ``request.auth0.api``),
  ``configuration`` (its name). Set headers, retries or a proxy, install hooks, mount an adapter. Sender: ApiSession.
"""

from __future__ import annotations

from typing import Any

from django.dispatch import Signal

login_failed = Signal()
tokens_refreshed = Signal()
login_session_ended = Signal()
api_session_created = Signal()


def send(signal: Signal, sender: type, **values: Any) -> None:
    """Send to every receiver; Django logs those that raise, and nothing here fails because of them."""
    signal.send_robust(sender=sender, **values)
