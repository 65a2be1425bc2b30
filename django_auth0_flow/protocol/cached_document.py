"""A JSON document of the tenant (its metadata, its keys), fetched sparingly and kept when it can't be fetched again."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, Generic, Protocol, TypeVar

from django_auth0_flow.protocol.errors import TransportError, unusable_answer
from django_auth0_flow.protocol.http import Http, rate_limited

logger = logging.getLogger(__name__)

#: Seconds that a document is used without asking again. Auth0 advises at least 5 to 10 minutes.
CACHE_SECONDS = 600

#: Seconds between two calls of ``refetch`` that do fetch.
REFETCH_COOL_DOWN = 30

#: Seconds that an old document is used after a fetch has failed, before the next try.
RETRY_SECONDS = 15

_T = TypeVar("_T")


class SharedCache(Protocol):
    """The part of Django's cache API by which processes share one fetch."""

    def get(self, key: str) -> Any: ...

    def set(self, key: str, value: Any, timeout: float) -> None: ...


class CachedDocument(Generic[_T]):
    """The document at ``url``, as ``parse`` returns it. Safe to share between threads, which wait for one fetch.

    ``parse`` raises TransportError for a document that can't be used. ``cache_key`` names it in ``cache``,
    ``failure_event`` the failure of a refetch in the log.
    """

    def __init__(
        self,
        url: str,
        *,
        parse: Callable[[Mapping[str, Any]], _T],
        http: Http,
        cache: SharedCache | None,
        cache_key: str,
        failure_event: str,
    ) -> None:
        self.url = url
        self._parse = parse
        self._http = http
        self._cache = cache
        self._cache_key = cache_key
        self._failure_event = failure_event
        self._lock = threading.Lock()
        self._value: _T | None = None
        self._fresh_until = 0.0
        self._next_refetch = 0.0
        self._failure: tuple[float, TransportError] | None = None

    def get(self) -> _T:
        """Return the document; an old one while no new one can be fetched. Raises TransportError when there is none."""
        value, asked = self._value, time.monotonic()
        if value is not None and asked < self._fresh_until:
            return value
        with self._lock:
            if self._value is not None and time.monotonic() < self._fresh_until:
                return self._value
            if self._value is None and self._failure is not None and asked < self._failure[0]:
                raise copy(self._failure[1])  # failed while this caller waited: don't wait as long again
            return self._renewed(may_be_shared=True)

    def refetch(self) -> _T:
        """Return the document fetched anew, unless another call did so within the cool-down. Raises as ``get``."""
        with self._lock:
            if self._value is not None and time.monotonic() < self._next_refetch:
                return self._value
            self._next_refetch = time.monotonic() + REFETCH_COOL_DOWN
            return self._renewed(may_be_shared=False)

    def _renewed(self, *, may_be_shared: bool) -> _T:
        value = self._shared() if may_be_shared else None
        try:
            self._value = self._fetched() if value is None else value
            self._fresh_until = time.monotonic() + CACHE_SECONDS
        except TransportError as error:
            if self._value is None:
                self._failure = time.monotonic(), copy(error)  # without the frames of the traceback
                raise
            logger.warning("%s code=%s: the old copy is used", self._failure_event, error.code)
            self._fresh_until = max(self._fresh_until, time.monotonic() + RETRY_SECONDS)
        return self._value

    def _shared(self) -> _T | None:
        document = self._cache.get(self._cache_key) if self._cache else None
        try:
            return self._parse(document) if isinstance(document, dict) else None
        except TransportError:
            return None

    def _fetched(self) -> _T:
        answer = self._http.get(self.url)
        if answer.status == 429:
            raise rate_limited(answer, time.time())
        if answer.status >= 500:
            raise TransportError("The tenant failed to answer.", status=answer.status)
        if answer.status != 200:
            raise unusable_answer("The tenant's answer is no document.", status=answer.status)
        document = answer.json_object()
        value = self._parse(document)
        if self._cache:
            self._cache.set(self._cache_key, document, CACHE_SECONDS)
        return value
