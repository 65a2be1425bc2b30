"""Requests of the client to its issuer: with its credentials, and a DPoP proof where a key is given.

The tenant may refuse a request for a reason that costs nothing and that the next attempt can mend: it wants a nonce in the
proof, or it does not know the newest assertion key yet. Each is answered once. Assertions and proofs are made anew for
every attempt, since they are good for one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .client_auth import ClientAuth
from .dpop import Prover
from .errors import TokenRequestError
from .http import Http, HttpAnswer, parse_oauth_answer
from .signing_keys import KeyRing

#: Builds the parameters of one attempt.
Build = Callable[[], dict[str, Any]]


class AuthenticatedHttp:
    """Sends the client's requests to the endpoints of ``issuer``.

    ``keys`` sign what ``auth`` or the builders of parameters make. Safe to share between threads.
    """

    def __init__(
        self,
        *,
        issuer: str,
        auth: ClientAuth,
        http: Http,
        clock: Callable[[], float],
        keys: KeyRing | None = None,
    ) -> None:
        self._issuer = issuer
        self._auth = auth
        self._http = http
        self.clock = clock
        self._keys = keys
        self.prover = Prover(clock)

    def post_form(
        self,
        endpoint: str,
        build: Build,
        *,
        headers: Mapping[str, str] | None = None,
        dpop_key: str | None = None,
    ) -> HttpAnswer:
        """Send what ``build`` returns, form-encoded; return the answer, whose status is 200 or 201.

        Raises as parse_oauth_answer.
        """

        def send() -> HttpAnswer:
            form = build()
            sent = {**self._auth(form, self._issuer), **(headers or {}), **self._proof(dpop_key, endpoint)}
            return self._http.post_form(endpoint, form, headers=sent)

        return self._insist(send, endpoint, dpop_key)

    def post_json(
        self, endpoint: str, build: Build, *, auth: ClientAuth | None = None, headers: Mapping[str, str] | None = None
    ) -> HttpAnswer:
        """As ``post_form``, as JSON; ``auth`` in the place of the client's usual method."""

        def send() -> HttpAnswer:
            document = build()
            sent = {**(auth or self._auth)(document, self._issuer), **(headers or {})}
            return self._http.post_json(endpoint, document, headers=sent)

        return self._insist(send, endpoint, None)

    def _proof(self, dpop_key: str | None, endpoint: str) -> dict[str, str]:
        return self.prover.headers(dpop_key, "POST", endpoint) if dpop_key else {}

    def _insist(self, send: Callable[[], HttpAnswer], endpoint: str, dpop_key: str | None) -> HttpAnswer:
        may_add_nonce, may_change_key = dpop_key is not None, self._keys is not None
        while True:
            key = self._keys.current() if self._keys else None
            answer = send()
            has_nonce = self.prover.note_nonce(endpoint, answer.headers)
            if answer.status in (200, 201):
                return answer
            try:
                parse_oauth_answer(answer, now=self.clock())
            except TokenRequestError as error:
                if error.error == "use_dpop_nonce" and may_add_nonce and has_nonce:
                    may_add_nonce = False
                elif key and may_change_key and _is_about_key(error) and self._keys and self._keys.refused(key):
                    may_change_key = False
                else:
                    raise


def _is_about_key(error: TokenRequestError) -> bool:
    """Tell whether another signing key may help. Auth0 has two ways to refuse a client at the token endpoint."""
    if error.error in ("invalid_client", "invalid_request_object"):
        return True
    return error.status == 401 and error.error == "access_denied"
