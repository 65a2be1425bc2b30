"""What a client keeps of DPoP whether its tokens are bound or not: the nonces that servers ask for. RFC 9449 §8, §9."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping

from django_auth0_flow.protocol.addresses import origin_of

_MAX_ORIGINS = 64

_NONCE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,1024}\Z")


class Prover:
    """Makes proofs by one clock, with the nonce that each server asked for last. Safe to share between threads."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._nonces: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def headers(self, key: str, method: str, url: str, *, access_token: str | None = None) -> dict[str, str]:
        """Return the header that proves ``key`` (as ``DPoPKey.dump`` wrote it) for one request."""
        from django_auth0_flow.protocol.dpop import DPoPKey

        nonce = self._nonces.get(origin_of(url))
        proof = DPoPKey.load(key).proof(method, url, now=self._clock(), access_token=access_token, nonce=nonce)
        return {"DPoP": proof}

    def note_nonce(self, url: str, headers: Mapping[str, str]) -> bool:
        """Remember the nonce in an answer's headers for the next proof; tell whether there is one. RFC 9449 §8."""
        nonce = headers.get("DPoP-Nonce", "")
        if not _NONCE.match(nonce):
            return False
        origin = origin_of(url)
        with self._lock:
            self._nonces[origin] = nonce
            self._nonces.move_to_end(origin)
            while len(self._nonces) > _MAX_ORIGINS:
                self._nonces.popitem(last=False)
        return True


def asks_for_nonce(headers: Mapping[str, str]) -> bool:
    """Tell whether an API's 401 asks for a proof with a nonce. RFC 9449 §9."""
    return "use_dpop_nonce" in headers.get("WWW-Authenticate", "")
