"""Token sets: what a token response becomes, and how a refresh changes it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

from django_auth0_flow.protocol.errors import TransportError

#: Seconds assumed when a token response says nothing usable about the access token's life. RFC 6749 §5.1.
ASSUMED_LIFE = 300


@dataclass(frozen=True)
class TokenSet:
    """An access token with what came along. Times in epoch seconds. The repr holds no token.

    ``dpop_key``: the private key that the login's tokens are bound to, as ``dpop.DPoPKey.dump`` wrote it.
    """

    access_token: str | None = field(default=None, repr=False)
    expires_at: float | None = None
    obtained_at: float | None = None
    scope: frozenset[str] = frozenset()
    token_type: str = "Bearer"
    refresh_token: str | None = field(default=None, repr=False)
    id_token: str | None = field(default=None, repr=False)
    dpop_key: str | None = field(default=None, repr=False)

    def is_expired(self, now: float) -> bool:
        """Tell whether the access token is missing or past its expiry."""
        return self.access_token is None or self.expires_at is None or self.expires_at <= now

    def is_fresh(self, now: float, margin: float) -> bool:
        """Tell whether the access token lives longer than ``margin`` seconds from ``now``.

        The margin is at most a third of the token's life, or a short-lived one would never be fresh.
        """
        if self.access_token is None or self.expires_at is None:
            return False
        if self.obtained_at is not None:
            margin = min(margin, max(0.0, (self.expires_at - self.obtained_at) / 3))
        return self.expires_at - margin > now


class TokenSource(Protocol):
    """Hands out a usable access token: all that the outbound client knows of refresh."""

    def access_token(self, *, rejected: str | None = None) -> TokenSet:
        """Return a token set with a live access token; ``rejected`` is one that an API answered with 401.

        Raises LoginRequired, NoAccessToken or TransportError.
        """
        ...


def parse_token_response(
    body: Mapping[str, Any], *, now: float, requested_scope: str, token_types: tuple[str, ...] = ("bearer",)
) -> TokenSet:
    """Judge the JSON of a successful token response; nothing in it is trusted yet, the ID token is not validated.

    A missing ``scope`` means "as requested" (RFC 6749 §5.1). Without a usable ``expires_in`` a short life is assumed.
    Raises TransportError when the access token is missing, unprintable or of a type that was not asked for.
    RFC 6749 §5.1, §7.1.
    """
    refresh_token = body.get("refresh_token")
    if not isinstance(refresh_token, str) or not _is_token_text(refresh_token):
        refresh_token = None
    unusable = partial(TransportError, retryable=False, refresh_token=refresh_token)
    access_token = body.get("access_token")
    if not isinstance(access_token, str) or not access_token or not _is_token_text(access_token):
        raise unusable("The token response has no usable access token.", code="access_token_missing")
    token_type = body.get("token_type")
    if not isinstance(token_type, str) or token_type.lower() not in token_types:
        raise unusable("The token response has an unknown token type.", code="token_type_unsupported")
    scope = body.get("scope")
    id_token = body.get("id_token")
    return TokenSet(
        access_token=access_token,
        expires_at=now + _life(body.get("expires_in")),
        obtained_at=now,
        scope=frozenset((scope if isinstance(scope, str) else requested_scope).split()),
        token_type="DPoP" if token_type.lower() == "dpop" else "Bearer",
        refresh_token=refresh_token,
        id_token=id_token if isinstance(id_token, str) and id_token else None,
    )


def merge_refreshed(old: TokenSet, new: TokenSet) -> TokenSet:
    """Return the token set after a refresh: what the answer left out stays. OpenID Connect Core §12.2, RFC 6749 §6."""
    return replace(
        new,
        refresh_token=new.refresh_token or old.refresh_token,
        id_token=new.id_token or old.id_token,
        dpop_key=new.dpop_key or old.dpop_key,
    )


def _is_token_text(value: str) -> bool:
    return bool(value) and len(value) <= 65536 and value.isascii() and value.isprintable() and " " not in value


def _life(value: object) -> float:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        return ASSUMED_LIFE
    return float(min(value, 10 * 365 * 86400))
