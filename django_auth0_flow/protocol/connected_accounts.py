"""Accounts at identity providers whose tokens Auth0 keeps for a user: connect one, list them, disconnect one.

They are no logins and add no identity. Each call takes an access token of that user for the My Account API, and a scope.
Auth0: My Account API, Connected Accounts for Token Vault.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard
from urllib.parse import quote, urlencode

from django_auth0_flow.protocol.addresses import is_acceptable_endpoint, with_query
from django_auth0_flow.protocol.client import Client
from django_auth0_flow.protocol.errors import AccountsRefused, TransportError, unusable_answer
from django_auth0_flow.protocol.http import HttpAnswer, rate_limited, retry_after
from django_auth0_flow.protocol.protected_calls import call_protected
from django_auth0_flow.protocol.tokens import TokenSet

CREATE, READ, DELETE = (f"{verb}:me:connected_accounts" for verb in ("create", "read", "delete"))

#: Accounts on a page, and pages that are read.
_PAGE, _MAX_PAGES = 20, 10

#: Returns a token for the My Account API with this scope, and not the one that was rejected.
TokenFor = Callable[[str, str | None], TokenSet]


@dataclass(frozen=True)
class Begun:
    """Where the browser goes, and what belongs to the code that it comes back with."""

    url: str = field(repr=False)
    auth_session: str = field(repr=False)


@dataclass(frozen=True)
class ConnectedAccount:
    """An account at an identity provider; ``created_at`` as the tenant writes it (ISO 8601), or ""."""

    id: str
    connection: str
    scopes: tuple[str, ...] = ()
    created_at: str = ""


def my_account_audience(issuer: str) -> str:
    """Return the identifier of the tenant's My Account API."""
    return f"{issuer.rstrip('/')}/me/"


class AccountsApi:
    """The connected accounts of one user. Methods raise AccountsRefused, TransportError, and what ``token_for`` does."""

    def __init__(self, client: Client, token_for: TokenFor) -> None:
        self._client = client
        self._token_for = token_for
        self._base = f"{my_account_audience(client.issuer.url)}v1/connected-accounts"

    def begin(
        self, connection: str, *, scopes: tuple[str, ...], redirect_uri: str, state: str, code_challenge: str
    ) -> Begun:
        """Begin to connect an account; ``scopes`` take the place of the connection's own."""
        body: dict[str, Any] = {
            "connection": connection,
            "redirect_uri": redirect_uri,
            "state": state,
            "code_challenge": code_challenge,
            "code_challenge_method": "S256",
            **({"scopes": list(scopes)} if scopes else {}),
        }
        answer = self._call(CREATE, "POST", "/connect", body)
        uri, session, parameters = (answer.get(name) for name in ("connect_uri", "auth_session", "connect_params"))
        ticket = parameters.get("ticket") if isinstance(parameters, dict) else None
        if _is_text(uri) and is_acceptable_endpoint(uri) and _is_text(session) and _is_text(ticket):
            return Begun(with_query(uri, {"ticket": ticket}), session)
        raise unusable_answer("The tenant's answer does not say where an account is connected.")

    def complete(
        self, *, auth_session: str, connect_code: str, redirect_uri: str, code_verifier: str
    ) -> ConnectedAccount:
        """Complete what ``begin`` has begun for the same user."""
        body = {
            "auth_session": auth_session,
            "connect_code": connect_code,
            "redirect_uri": redirect_uri,
            "code_verifier": code_verifier,
        }
        return _account(self._call(CREATE, "POST", "/complete", body))

    def accounts(self, connection: str = "") -> list[ConnectedAccount]:
        """Return the accounts, at all identity providers or at one."""
        # No generator: an error report could not see that its callers hide their variables.
        accounts: list[ConnectedAccount] = []
        query, after = {"connection": connection} if connection else {}, ""
        for _ in range(_MAX_PAGES):
            asked = {**query, "take": str(_PAGE), **({"from": after} if after else {})}
            answer = self._call(READ, "GET", f"/accounts?{urlencode(asked)}")
            found, following = answer.get("accounts"), answer.get("next")
            if not isinstance(found, list):
                raise unusable_answer("The tenant's answer has no list of accounts.")
            accounts += map(_account, found)
            if not _is_text(following):
                break
            after = following
        return accounts

    def delete(self, account_id: str) -> None:
        """Disconnect an account; one that is gone already, or another user's, is no error."""
        if account_id in ("", ".", ".."):  # as a part of a path these would name what is above the account
            raise AccountsRefused("invalid_id", "That is no id of an account.")
        self._call(DELETE, "DELETE", f"/accounts/{quote(account_id, safe='')}", gone=True)

    def _call(
        self, scope: str, method: str, path: str, body: Mapping[str, Any] | None = None, *, gone: bool = False
    ) -> dict[str, Any]:
        """Return the answer's object. A token that the API rejects is renewed once."""
        tokens = self._token_for(scope, None)
        answer = self._send(tokens, method, path, body)
        if answer.status == 401:
            renewed = self._token_for(scope, tokens.access_token)
            if renewed.access_token != tokens.access_token:
                answer = self._send(renewed, method, path, body)
        if gone and answer.status == 404:
            return {}
        return _judged(answer, self._client.clock())

    def _send(self, tokens: TokenSet, method: str, path: str, body: Mapping[str, Any] | None) -> HttpAnswer:
        return call_protected(
            self._client.http,
            self._client.prover,
            method,
            self._base + path,
            access_token=tokens.access_token or "",
            dpop_key=tokens.dpop_key if tokens.token_type == "DPoP" else None,
            body=body,
        )


def _judged(answer: HttpAnswer, now: float) -> dict[str, Any]:
    """Return the object of a good answer. Refusals are problem objects, whose type ends in an id (``A0E-404-0001``)."""
    if 200 <= answer.status < 300:
        return answer.json_object() if answer.body else {}
    if answer.status == 429:
        raise rate_limited(answer, now)
    if answer.status >= 500:
        wait = retry_after(answer.headers, now)
        raise TransportError("The tenant failed to answer.", retry_after=wait, status=answer.status)
    problem = answer.json_object() if answer.body else {}
    kind, detail = (str(problem.get(name) or "")[:500] for name in ("type", "detail"))
    word = kind.rpartition("/")[2] or str(problem.get("error") or answer.status)[:100]
    code = "connect_expired" if word == "A0E-404-0001" or "expired session" in detail.lower() else ""
    raise AccountsRefused(word, detail, status=answer.status, code=code)


def _account(found: object) -> ConnectedAccount:
    """Read one account. Raises TransportError."""
    values: Mapping[str, Any] = found if isinstance(found, dict) else {}
    account_id, connection, created = (values.get(name) for name in ("id", "connection", "created_at"))
    if not _is_text(account_id) or not _is_text(connection):
        raise unusable_answer("The tenant's answer has an account without id or connection.")
    scopes = values.get("scopes")
    names = tuple(filter(_is_text, scopes)) if isinstance(scopes, list) else ()
    return ConnectedAccount(account_id, connection, names, created if _is_text(created) else "")


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= 4096 and value.isprintable()
