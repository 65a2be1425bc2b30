"""Refresh tokens: families, rotation, reuse detection, the overlap, and lifetimes."""

from __future__ import annotations

import secrets
import threading
from collections import Counter
from dataclasses import dataclass, field

from .model import Application
from .records import Authorization

#: Auth0 keeps this many per user and application and revokes the oldest without a word.
MAX_PER_USER = 200


@dataclass(eq=False)
class Family:
    """Everything that descends from one login."""

    authorization: Authorization
    created_at: float
    jkt: str | None = None
    revoked: bool = False


@dataclass(eq=False)
class RefreshToken:
    """One token of a family. ``exchanged_at`` is set once it has been rotated away."""

    value: str = field(repr=False)
    family: Family
    parent: RefreshToken | None
    last_used: float
    exchanged_at: float | None = None
    has_grandchildren: bool = False


class RefreshTokens:
    """All refresh tokens of a tenant. Every method is atomic: rotation is what proves a client's single flight."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tokens: dict[str, RefreshToken] = {}
        self.families_revoked = 0

    def issue(self, authorization: Authorization, now: float, *, jkt: str | None = None) -> str:
        """Start a family and return its first token."""
        with self._lock:
            self._prune(authorization)
            return self._add(Family(authorization, now, jkt), None, now)

    def find(self, value: str) -> Family | None:
        """Return the family of a token without using the token."""
        with self._lock:
            token = self._tokens.get(value)
            return token.family if token else None

    def exchange(self, value: str, application: Application, now: float) -> tuple[Family, str | None] | None:
        """Use a token: return its family and, with rotation, the new token; ``None`` when it is not good any more.

        A token that was rotated away is accepted again only within the overlap and only as long as nothing that came
        from it has itself been exchanged; otherwise the whole family is revoked.
        """
        with self._lock:
            token = self._tokens.get(value)
            if token is None or token.family.authorization.client_id != application.client_id:
                return None
            family = token.family
            if family.revoked or _has_expired(token, application, now):
                return None
            if token.exchanged_at is not None:
                in_overlap = now - token.exchanged_at < application.overlap
                if token.has_grandchildren or not in_overlap:
                    family.revoked = True
                    self.families_revoked += 1
                    return None
            token.last_used = now
            if not application.rotation:
                return family, None
            if token.exchanged_at is None:
                token.exchanged_at = now
            if token.parent is not None:
                token.parent.has_grandchildren = True
            return family, self._add(family, token, now)

    def revoke(self, value: str, client_id: str) -> None:
        """Revoke the family of a token; unknown and foreign tokens change nothing."""
        with self._lock:
            token = self._tokens.get(value)
            if token is not None and token.family.authorization.client_id == client_id:
                token.family.revoked = True

    def revoke_all(self, sub: str) -> int:
        """Revoke every live family of a user and return how many there were."""
        with self._lock:
            families = {token.family for token in self._tokens.values() if token.family.authorization.sub == sub}
            live = [family for family in families if not family.revoked]
            for family in live:
                family.revoked = True
            return len(live)

    def live(self) -> int:
        """Return the number of families that are not revoked."""
        with self._lock:
            return len({token.family for token in self._tokens.values() if not token.family.revoked})

    def live_by_user(self) -> Counter[str]:
        """Return the number of families that are not revoked, by subject."""
        with self._lock:
            families = {token.family for token in self._tokens.values() if not token.family.revoked}
        return Counter(family.authorization.sub for family in families)

    def _add(self, family: Family, parent: RefreshToken | None, now: float) -> str:
        value = secrets.token_urlsafe(34)[:45]
        self._tokens[value] = RefreshToken(value, family, parent, now)
        return value

    def _prune(self, authorization: Authorization) -> None:
        families: list[Family] = []
        for token in self._tokens.values():
            known = token.family.authorization
            same = (known.sub, known.client_id) == (authorization.sub, authorization.client_id)
            if same and not token.family.revoked and token.parent is None:
                families.append(token.family)
        for family in families[: max(0, len(families) - MAX_PER_USER + 1)]:
            family.revoked = True


def _has_expired(token: RefreshToken, application: Application, now: float) -> bool:
    age, idle = now - token.family.created_at, now - token.last_used
    longest, longest_idle = application.refresh_token_lifetime, application.refresh_token_idle_lifetime
    return (longest is not None and age >= longest) or (longest_idle is not None and idle >= longest_idle)
