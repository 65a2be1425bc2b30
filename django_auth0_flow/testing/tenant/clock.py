"""The tenant's own clock, which tests move instead of sleeping."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Clock:
    """Epoch seconds from ``source``, plus an offset that tests change."""

    def __init__(self, source: Callable[[], float] = time.time) -> None:
        self._source = source
        self._offset = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        return self._source() + self._offset

    def advance(self, seconds: float) -> float:
        """Move the clock (backwards when negative) and return the new time."""
        with self._lock:
            self._offset += seconds
        return self.now()

    def reset(self) -> None:
        """Go by the source again."""
        with self._lock:
            self._offset = 0.0

    @property
    def offset(self) -> float:
        """Seconds ahead of the source."""
        return self._offset

    @property
    def is_shared(self) -> bool:
        """Whether it has a source of its own: then a site that is tested, or the demo, goes by it too."""
        return self._source is not time.time

    def set(self, epoch: float) -> float:
        """Make it ``epoch`` now; the clock goes on running from there."""
        with self._lock:
            self._offset = epoch - self._source()
        return self.now()

    def __call__(self) -> float:
        return self.now()
