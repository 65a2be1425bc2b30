"""One deadline for a whole exchange with the tenant, or for several in a row. The adapters obey it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_deadline: ContextVar[float | None] = ContextVar("auth0_flow_http_deadline", default=None)


@contextmanager
def http_deadline(seconds: float) -> Iterator[None]:
    """Let every answer read in this context be complete within ``seconds`` from now, else TimeoutError.

    Inside another deadline the earlier one counts.
    """
    outer = _deadline.get()
    deadline = time.monotonic() + seconds
    token = _deadline.set(deadline if outer is None else min(outer, deadline))
    try:
        yield
    finally:
        _deadline.reset(token)


def remaining_time() -> float | None:
    """Return the seconds left of the current exchange, None without a deadline. Raises TimeoutError when none is left."""
    deadline = _deadline.get()
    if deadline is None:
        return None
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise TimeoutError("the exchange took longer than its deadline")
    return remaining
