"""The demo's clock: site and tenant look at it, and it can be put forward instead of waiting."""

from __future__ import annotations

import threading
import time

_lock = threading.Lock()
_ahead = 0.0


def now() -> float:
    """Return epoch seconds by this clock."""
    return time.time() + _ahead


def put_forward(seconds: float) -> None:
    """Let ``seconds`` pass at once."""
    global _ahead  # noqa: PLW0603  # one clock per process is what a clock is
    with _lock:
        _ahead += seconds
