"""How long a worker holds the right to refresh, and how long the others wait for it."""

import math

#: Seconds that a lease lasts beyond the exchange with the tenant: for the database.
LEASE_MARGIN = 2

#: Seconds that others wait beyond the lease: who waits takes over from a worker that was killed.
WAIT_MARGIN = 3


def lease_seconds(http_timeout: float) -> float:
    """Return how long a lease lasts, in seconds; ``http_timeout`` bounds the exchange."""
    return http_timeout + LEASE_MARGIN


def default_wait(http_timeout: float) -> int:
    """Return the default of ``REFRESH_WAIT`` in seconds."""
    return math.ceil(lease_seconds(http_timeout)) + WAIT_MARGIN
