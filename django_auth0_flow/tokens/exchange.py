"""Token exchange without a login: the token set for another system's token, and tokens in the name of an API's caller.

The latter are kept in Django's cache, sealed: for the same caller, that is the same access token, and for no other. So are
failures for a while, as codes: a caller in a loop would else use up the tenant's rate limit.
"""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from asgiref.sync import sync_to_async
from django.views.decorators.debug import sensitive_variables

from django_auth0_flow.conf import DEFAULT, get_client, get_settings
from django_auth0_flow.conf.shared_cache import ForgivingCache
from django_auth0_flow.protocol.embedded_grants import FORWARDED_FOR
from django_auth0_flow.protocol.errors import (
    Auth0Error,
    MfaRequired,
    NoAccessToken,
    OAuthError,
    TokenRequestError,
    TokenValidationError,
    TransportError,
)
from django_auth0_flow.protocol.grant import Grant
from django_auth0_flow.protocol.token_exchange import Exchange, exchange, exchange_on_behalf_of
from django_auth0_flow.protocol.tokens import TokenSet
from django_auth0_flow.storage.sealing import UnsealError, seal, secrets_of, unseal

logger = logging.getLogger(__name__)

#: A token that an API rejects is not exchanged anew within so many seconds after it was obtained.
REJECTED_COOL_DOWN = 30

#: Seconds for which a refusal is remembered, and the most for which the tenant's rate limit is, whatever it says.
REFUSAL_KEPT, RATE_LIMIT_KEPT = 30, 120

_PURPOSE = "on_behalf_of"

_REFUSALS = {
    "on_behalf_of_refused": "The tenant gives no token in the caller's name.",
    "audience_not_granted": "The tenant's token is not one for that API and this caller.",
}


@sensitive_variables()
def exchange_token(
    subject_token: str,
    subject_token_type: str,
    *,
    configuration: str = DEFAULT,
    visitor_address: str = "",
    **asked: Any,
) -> TokenSet:
    """Return the token set that the tenant gives for another system's token. An ID token in it has been validated.

    ``asked``: ``audience``, ``scope``, ``organization``, ``actor_token``, ``actor_token_type`` and ``extra``, as in
    ``Exchange``. The organization is checked, unless no ID token came and the access token is no JWT.
    ``visitor_address``: whose rejected tokens Auth0 counts, as far as it can't be forged; without it, ten of them block
    this server's. Nothing is stored.

    Raises OAuthError, TokenValidationError, TransportError, or Auth0Error for what can't be exchanged. A tenant that wants
    a second factor refuses (``mfa_required``): no login begins, for the visitor need not be the token's subject.
    """
    wanted = Exchange(subject_token, subject_token_type, **asked)
    headers = {FORWARDED_FOR: visitor_address} if visitor_address else {}
    try:
        return exchange(get_client(configuration), wanted, is_login=False, headers=headers)[0]
    except MfaRequired as error:
        raise TokenRequestError(error.error, error.error_description, status=error.status) from None


@sensitive_variables()
async def aexchange_token(subject_token: str, subject_token_type: str, **asked: Any) -> TokenSet:
    """As ``exchange_token``."""

    @sensitive_variables()
    def in_thread() -> TokenSet:  # without arguments: a report of an error shows those of asgiref's functions
        return exchange_token(subject_token, subject_token_type, **asked)

    return await sync_to_async(in_thread)()


@dataclass
class _Turn:
    """Token requests of one key in this process, one at a time; those who wait for one find its answer, or failure."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    takers: int = 0
    answer: TokenSet | None = field(default=None, repr=False)
    failures: int = 0
    error: Auth0Error | None = None


_turns: dict[str, _Turn] = {}

_turns_lock = threading.Lock()


@dataclass(frozen=True)
class CallersTokens:
    """The access tokens for ``audience`` in the name of one caller of this API; a ``protocol.tokens.TokenSource``.

    ``caller_token`` has been validated: ``claims`` are its.
    """

    configuration: str
    caller_token: str = field(repr=False)
    claims: Mapping[str, Any] = field(repr=False)
    audience: str = ""
    scope: str = ""

    @property
    def _key(self) -> str:
        """Where the tokens are kept: the caller's own token, digested, is part of it."""
        values = [self.caller_token, self.configuration, self.audience, self.scope]
        return f"auth0_flow:{_PURPOSE}:{_digest(values)}"

    @property
    def _refusal_key(self) -> str:
        return self._key.replace(_PURPOSE, "exchange_refused")

    @property
    def _limit_key(self) -> str:
        conf = get_settings(self.configuration)
        return f"auth0_flow:exchange_limited:{_digest([conf.issuer, conf.client_id])}"

    @sensitive_variables()
    def access_token(self, *, rejected: str | None = None) -> TokenSet:
        """Return a live token set; the tenant is asked when none is kept, it is stale, or an API ``rejected`` it.

        Raises NoAccessToken (``on_behalf_of_refused``, ``audience_not_granted``) or TransportError.
        """
        if (kept := self._kept()) is not None and self._is_good(kept, rejected):
            return kept
        with _turn(self._key) as turn:
            kept = turn.answer or self._kept()
            if kept is not None and self._is_good(kept, rejected):
                return kept
            try:
                self._fail_as_before()
                turn.answer = found = self._exchange()
            except TransportError as error:
                if kept is None or not self._is_usable(kept, rejected):
                    raise
                logger.warning("on_behalf_of_postponed code=%s", error.code)
                return kept
            self._keep(found)
            return found

    def _is_good(self, tokens: TokenSet, rejected: str | None) -> bool:
        conf = get_settings(self.configuration)
        if tokens.access_token == rejected:
            return abs(conf.clock() - (tokens.obtained_at or 0)) < REJECTED_COOL_DOWN
        return tokens.is_fresh(conf.clock(), conf.refresh_margin)

    def _is_usable(self, tokens: TokenSet, rejected: str | None) -> bool:
        return tokens.access_token != rejected and not tokens.is_expired(get_settings(self.configuration).clock())

    def _exchange(self) -> TokenSet:
        client = get_client(self.configuration)
        try:
            return exchange_on_behalf_of(
                client, self.caller_token, audience=self.audience, scope=self.scope, caller=self.claims
            )
        except OAuthError as error:
            logger.warning("on_behalf_of_refused code=%s status=%s", error.code, error.status)
            raise self._refusal("on_behalf_of_refused") from error
        except TokenValidationError as error:
            logger.error("on_behalf_of_refused claim=%s", error.claim)
            raise self._refusal("audience_not_granted") from error
        except TransportError as error:
            if error.code == "rate_limited":
                self._remember(self._limit_key, error.code, min(error.retry_after or 1, RATE_LIMIT_KEPT))
            raise

    def _refusal(self, code: str) -> NoAccessToken:
        self._remember(self._refusal_key, code, REFUSAL_KEPT)
        return NoAccessToken(_REFUSALS[code], code=code)

    def _remember(self, key: str, code: str, seconds: float) -> None:
        ForgivingCache().set(key, f"{code} {get_settings(self.configuration).clock() + seconds}", seconds)

    def _remembered(self, key: str, longest: float) -> tuple[str, float]:
        """Return the code of a failure and for how many more seconds it counts; "" for none."""
        code, _, until = str(ForgivingCache().get(key)).partition(" ")
        try:
            seconds = float(until) - get_settings(self.configuration).clock()
        except ValueError:
            return "", 0
        return (code, seconds) if 0 < seconds < longest + 1 else ("", 0)

    def _fail_as_before(self) -> None:
        """Raise a failure that is remembered, instead of asking the tenant."""
        code, _ = self._remembered(self._refusal_key, REFUSAL_KEPT)
        if code in _REFUSALS:
            raise NoAccessToken(_REFUSALS[code], code=code)
        code, seconds = self._remembered(self._limit_key, RATE_LIMIT_KEPT)
        if code == "rate_limited":
            text = "The tenant limits the rate of requests."
            raise TransportError(text, code=code, retry_after=math.ceil(seconds), status=429)

    def _kept(self) -> TokenSet | None:
        sealed = ForgivingCache().get(self._key)
        if not isinstance(sealed, str):
            return None
        try:
            data = unseal(sealed, purpose=_PURPOSE, keys=secrets_of(self.configuration), context=self._key)
            return Grant.load(data).tokens
        except (UnsealError, ValueError, KeyError, TypeError):
            return None

    def _keep(self, tokens: TokenSet) -> None:
        """Keep a token until it expires, or the caller's does, which alone leads to it."""
        caller_expires_at = float(self.claims.get("exp", 0))
        seconds = min(tokens.expires_at or 0.0, caller_expires_at) - get_settings(self.configuration).clock()
        if seconds > 0:
            keys = secrets_of(self.configuration)
            sealed = seal(Grant(tokens).dump(), purpose=_PURPOSE, keys=keys, context=self._key)
            ForgivingCache().set(self._key, sealed, seconds)


def _digest(values: list[str]) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


@contextmanager
def _turn(key: str) -> Iterator[_Turn]:
    """Let one thread of this process at a time ask for the token of this key. Those who wait fail as it does."""
    with _turns_lock:
        turn = _turns.setdefault(key, _Turn())
        turn.takers += 1
        failures = turn.failures
    try:
        with turn.lock:
            if turn.error is not None and turn.failures != failures:
                raise copy.copy(turn.error)
            try:
                yield turn
            except Auth0Error as error:
                turn.error, turn.failures = error, turn.failures + 1
                raise
    finally:
        with _turns_lock:
            turn.takers -= 1
            if not turn.takers:
                _turns.pop(key, None)
