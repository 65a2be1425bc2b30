"""Requests with client authentication: to the token endpoint, and to others that want the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from django_auth0_flow.protocol.client_auth import ClientAuth
from django_auth0_flow.protocol.errors import Auth0Error, TokenRequestError
from django_auth0_flow.protocol.http import Http, HttpAnswer, parse_oauth_answer
from django_auth0_flow.protocol.issuer import Issuer
from django_auth0_flow.protocol.prover import Prover
from django_auth0_flow.protocol.signing_keys import KeyRing
from django_auth0_flow.protocol.tokens import TokenSet, parse_token_response

#: Builds the parameters of one attempt.
Build = Callable[[], dict[str, Any]]


class AuthenticatedHttp:
    """Sends one client's requests to the endpoints of ``issuer``. Safe to share between threads.

    ``keys`` sign what ``auth`` or the builders of parameters make. ``dpop``: new logins get a key of their own.
    ``resource``: the API that token requests name by RFC 8707 §2.2, "" for none.
    """

    def __init__(
        self,
        *,
        issuer: Issuer,
        auth: ClientAuth,
        http: Http,
        clock: Callable[[], float],
        keys: KeyRing | None = None,
        dpop: bool = False,
        resource: str = "",
    ) -> None:
        self._issuer = issuer
        self._auth = auth
        self._http = http
        self._clock = clock
        self._keys = keys
        self._dpop = dpop
        self.resource = {"resource": resource} if resource else {}
        self.prover = Prover(clock)

    def new_dpop_key(self) -> str | None:
        """Return a key for a login, or None without DPoP."""
        if not self._dpop:
            return None
        from django_auth0_flow.protocol.dpop import DPoPKey

        return DPoPKey.generate().dump()

    def request_tokens(
        self,
        form: Mapping[str, str],
        *,
        scope: str,
        dpop_key: str | None,
        is_login: bool,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[TokenSet, dict[str, Any]]:
        """Return the token set and the whole answer to ``form``; ``scope`` is what was asked for.

        With a ``dpop_key`` the access token may be bound to it. At a login it must be, else Auth0Error
        (``token_not_bound``): the difference would go unnoticed. After a refresh both kinds are taken: the rotated
        refresh token must not be lost, and APIs differ in what they want.
        Raises as parse_oauth_answer and parse_token_response.
        """
        now = self._clock()
        endpoint = self._issuer.metadata().token_endpoint
        received = self.post_form(endpoint, lambda: dict(form), headers=headers, dpop_key=dpop_key)
        answer = parse_oauth_answer(received, now=self._clock())
        kinds = ("dpop", "bearer") if dpop_key else ("bearer",)
        tokens = parse_token_response(answer, now=now, requested_scope=scope, token_types=kinds)
        if dpop_key and is_login and tokens.token_type != "DPoP":
            raise Auth0Error(
                "The tenant did not bind the access token. "
                "Auth0 Dashboard: APIs > (API) > Settings > Token Sender-Constraining.",
                code="token_not_bound",
            )
        return replace(tokens, dpop_key=dpop_key), answer

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
            proof = self.prover.headers(dpop_key, "POST", endpoint) if dpop_key else {}
            sent = {**self._auth(form, self._issuer.url), **(headers or {}), **proof}
            return self._http.post_form(endpoint, form, headers=sent)

        return self._with_retries(send, endpoint, may_add_nonce=dpop_key is not None)

    def post_json(
        self, endpoint: str, build: Build, *, auth: ClientAuth, headers: Mapping[str, str] | None = None
    ) -> HttpAnswer:
        """As ``post_form``, as JSON; ``auth`` in the place of the client's usual method."""

        def send() -> HttpAnswer:
            document = build()
            sent = {**auth(document, self._issuer.url), **(headers or {})}
            return self._http.post_json(endpoint, document, headers=sent)

        return self._with_retries(send, endpoint)

    def _with_retries(
        self, send: Callable[[], HttpAnswer], endpoint: str, *, may_add_nonce: bool = False
    ) -> HttpAnswer:
        """Send; then once more with a nonce if the server asks for one, and once more with another signing key."""
        may_change_key = True
        while True:
            key = self._keys.current() if self._keys else None
            answer = send()
            has_nonce = self.prover.note_nonce(endpoint, answer.headers)
            if answer.status in (200, 201):
                return answer
            try:
                parse_oauth_answer(answer, now=self._clock())
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
