"""The token endpoint: forms in, judged token sets out, bound to a DPoP key where there is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .authenticated import AuthenticatedHttp
from .dpop import DPoPKey
from .errors import Auth0Error
from .http import parse_oauth_answer
from .issuer import Issuer
from .tokens import TokenSet, parse_token_response


class TokenRequests:
    """Sends token requests of one client. ``resource``: the API by RFC 8707 §2.2, "" for none.

    ``dpop``: new logins get a key of their own.
    """

    def __init__(self, tenant: AuthenticatedHttp, issuer: Issuer, *, dpop: bool = False, resource: str = "") -> None:
        self._tenant = tenant
        self._issuer = issuer
        self._dpop = dpop
        self.resource = {"resource": resource} if resource else {}

    def new_dpop_key(self) -> str | None:
        """Return a key for a login, or None without DPoP."""
        return DPoPKey.generate().dump() if self._dpop else None

    def send(
        self,
        form: Mapping[str, str],
        *,
        scope: str,
        dpop_key: str | None,
        is_login: bool,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[TokenSet, dict[str, Any]]:
        """Return the token set and the whole answer to ``form``; ``scope`` is what was asked for.

        With a ``dpop_key`` the access token may be bound to it. At a login it must be, since nobody would notice later:
        else Auth0Error (``token_not_bound``). After a refresh both kinds are taken: the rotated refresh token must not be
        lost, and APIs differ in what they want. Raises as parse_oauth_answer and parse_token_response.
        """
        now = self._tenant.clock()
        endpoint = self._issuer.metadata().token_endpoint
        received = self._tenant.post_form(endpoint, lambda: dict(form), headers=headers, dpop_key=dpop_key)
        answer = parse_oauth_answer(received, now=self._tenant.clock())
        kinds = ("dpop", "bearer") if dpop_key else ("bearer",)
        tokens = parse_token_response(answer, now=now, requested_scope=scope, token_types=kinds)
        if dpop_key and is_login and tokens.token_type != "DPoP":
            raise Auth0Error(
                "The tenant did not bind the access token. "
                "Auth0 Dashboard: APIs > (API) > Settings > Token Sender-Constraining.",
                code="token_not_bound",
            )
        return replace(tokens, dpop_key=dpop_key), answer
