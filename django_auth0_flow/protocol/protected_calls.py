"""Calls of the tenant's own APIs with a user's access token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django_auth0_flow.protocol.http import Http, HttpAnswer
from django_auth0_flow.protocol.prover import Prover, asks_for_nonce


def call_protected(
    http: Http,
    prover: Prover,
    method: str,
    url: str,
    *,
    access_token: str,
    dpop_key: str | None,
    body: Mapping[str, Any] | None = None,
) -> HttpAnswer:
    """Call ``url`` and return the answer, a refusal too; once more with a nonce if that is what the proof lacks.

    ``dpop_key``: the key that the token is bound to, None for a bearer token. Raises TransportError. RFC 6750, RFC 9449 §8.
    """

    def send() -> HttpAnswer:
        if dpop_key is None:
            return http.call(method, url, headers={"Authorization": f"Bearer {access_token}"}, body=body)
        proof = prover.headers(dpop_key, method, url, access_token=access_token)
        return http.call(method, url, headers={"Authorization": f"DPoP {access_token}", **proof}, body=body)

    answer = send()
    if dpop_key and answer.status == 401 and prover.note_nonce(url, answer.headers) and asks_for_nonce(answer.headers):
        answer = send()
    return answer
