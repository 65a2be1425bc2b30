"""What a tenant remembers about its users' doings."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass
class Session:
    """A browser's SSO session. ``cookie`` is the secret, ``sid`` the public id in tokens."""

    sub: str
    auth_time: float
    last_seen: float
    sid: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    cookie: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    client_ids: set[str] = field(default_factory=set)
    mfa_done: bool = False
    #: When it ends because the identity provider's session does.
    expires_at: float | None = None


@dataclass(frozen=True)
class Authorization:
    """What a user (or nobody, for client credentials) has granted to an application."""

    client_id: str
    sub: str
    scopes: tuple[str, ...] = ()
    audience: str | None = None
    organization: str | None = None
    sid: str | None = None
    nonce: str | None = field(default=None, repr=False)
    #: Only when ``prompt=login`` or ``max_age`` was used.
    auth_time: int | None = None
    acr: str | None = None
    amr: tuple[str, ...] = ()
    #: The ``gty`` claim of access tokens; the code flow has none.
    gty: str | None = None
    #: Who acts for the user: clients, the last one outermost.
    act: dict[str, Any] | None = None

    def with_scopes(self, scopes: Iterable[str]) -> Authorization:
        return replace(self, scopes=tuple(scopes))


@dataclass
class AccessToken:
    """An issued access token, as ``/userinfo`` remembers it."""

    authorization: Authorization
    expires_at: float
    audiences: tuple[str, ...]
    kid: str | None = None
    jkt: str | None = None
    symmetric: bool = False


@dataclass
class Message:
    """An e-mail or text message that the tenant would have sent."""

    to: str
    kind: str
    code: str | None = field(default=None, repr=False)
    link: str | None = field(default=None, repr=False)
    at: float = 0

    def as_dict(self) -> dict[str, Any]:
        return {"to": self.to, "kind": self.kind, "code": self.code, "link": self.link, "at": self.at}
