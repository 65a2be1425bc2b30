"""What a login session keeps of the tenant's answers, and which of its access tokens is wanted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django_auth0_flow.protocol.tokens import TokenSet


@dataclass(frozen=True)
class Target:
    """Which of a login's access tokens is wanted; the default is the one it came with.

    ``audience``: another API, by a multi-resource refresh token. ``scope``: fewer scopes, sorted, space-separated.
    ``connection`` and ``login_hint``: the token of an identity provider, by Auth0's Token Vault.
    """

    audience: str = ""
    scope: str = ""
    connection: str = ""
    login_hint: str = ""

    @property
    def key(self) -> str:
        """The name under which the grant keeps this token set; "" for the default one."""
        values = [self.audience, self.scope, self.connection, self.login_hint]
        return json.dumps(values) if any(values) else ""

    @classmethod
    def load(cls, key: str) -> Target:
        """Return the target with this ``key``."""
        return cls(*json.loads(key)) if key else cls()


DEFAULT_TARGET = Target()

#: So many access tokens beside the first one are kept per login.
MAX_OTHERS = 16


@dataclass(frozen=True)
class Grant:
    """What a login session keeps sealed. No token in the repr.

    ``tokens``: the token set the login came with; its refresh token and its DPoP key serve all. ``claims``: those of the
    first ID token. ``others``: access tokens for other audiences, scopes and connections, by the key of their target.
    ``rejected_at``: when (epoch) a refresh was last begun because an API rejected the stored token.
    """

    tokens: TokenSet = field(default_factory=TokenSet)
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)
    others: Mapping[str, TokenSet] = field(default_factory=dict, repr=False)
    rejected_at: float | None = None

    def token_set(self, key: str) -> TokenSet:
        """Return the token set of a target, with the login's refresh token; one without access token if there is none."""
        if not key:
            return self.tokens
        first = self.tokens
        return replace(self.others.get(key, TokenSet()), refresh_token=first.refresh_token, dpop_key=first.dpop_key)

    def with_refresh_token(self, refresh_token: str | None) -> Grant:
        """Return the grant after a rotation that brought no usable access token."""
        return replace(self, tokens=replace(self.tokens, refresh_token=refresh_token or self.tokens.refresh_token))

    def with_token_set(self, key: str, tokens: TokenSet) -> Grant:
        """Return the grant with a target's new token set; the ones that expire first make room when there are many."""
        if not key:
            return replace(self, tokens=tokens)
        kept = sorted(self.others.items(), key=lambda item: item[1].expires_at or 0)[-(MAX_OTHERS - 1) :]
        others = {**dict(kept), key: replace(tokens, refresh_token=None, id_token=None, dpop_key=None)}
        first = replace(self.tokens, dpop_key=tokens.dpop_key or self.tokens.dpop_key)
        return replace(self, tokens=first, others=others).with_refresh_token(tokens.refresh_token)

    def without_connection_tokens(self) -> Grant:
        """Return the grant without the tokens of identity providers."""
        others = {key: tokens for key, tokens in self.others.items() if not Target.load(key).connection}
        return replace(self, others=others)

    def dump(self) -> bytes:
        """Return the grant as JSON."""
        document: dict[str, Any] = {"tokens": _dump(self.tokens), "claims": dict(self.claims)}
        if self.others:
            document["others"] = {key: _dump(tokens) for key, tokens in self.others.items()}
        if self.rejected_at is not None:
            document["rejected_at"] = self.rejected_at
        return json.dumps(document, separators=(",", ":")).encode()

    @classmethod
    def load(cls, data: bytes) -> Grant:
        """Return the grant in ``data``, written by ``dump``."""
        document = json.loads(data)
        others = {key: _load(tokens) for key, tokens in document.get("others", {}).items()}
        return cls(_load(document["tokens"]), document["claims"], others, document.get("rejected_at"))


def _dump(tokens: TokenSet) -> dict[str, Any]:
    values = {name: value for name, value in vars(tokens).items() if value is not None}
    return {**values, "scope": sorted(tokens.scope)}


def _load(values: dict[str, Any]) -> TokenSet:
    return TokenSet(**{**values, "scope": frozenset(values["scope"])})
