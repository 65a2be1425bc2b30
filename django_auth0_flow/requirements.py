"""What a login must satisfy for a view, how to ask the tenant for it, and how to check that it does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from functools import cached_property

from .conf import Auth0Settings
from .protocol.errors import TokenValidationError
from .protocol.validation import check_organization
from .session import Auth0Session


@dataclass(frozen=True)
class Requirement:
    """``max_age`` in seconds; ``acr_values`` space-separated, one of them must be the login's ``acr``.

    ``connection`` is only asked for: no claim names the connection, so it can't be checked.
    """

    scopes: frozenset[str] = frozenset()
    permissions: frozenset[str] = frozenset()
    organization: str | None = None
    max_age: int | None = None
    acr_values: str | None = None
    connection: str | None = None

    @cached_property
    def fingerprint(self) -> str:
        """A short name for this requirement, "" for the bare one; it travels with the transaction."""
        if self == Requirement():
            return ""
        values = {
            name: sorted(value) if isinstance(value, frozenset) else value for name, value in asdict(self).items()
        }
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]

    def failed_test(self, login: Auth0Session) -> str | None:
        """Return the name of the first test that the login fails, None if it satisfies all of them."""
        if self.scopes and not self.scopes <= login.scopes:
            return "scopes"
        if self.permissions and not self.permissions <= login.permissions:
            return "permissions"
        if self.organization is not None:
            try:
                check_organization(login.claims, self.organization)
            except TokenValidationError:
                return "organization"
        if self.max_age is not None and not self._is_recent(login, self.max_age):
            return "max_age"
        if self.acr_values is not None and login.claims.get("acr") not in self.acr_values.split():
            return "acr_values"
        return None

    def parameters(self, conf: Auth0Settings) -> dict[str, str]:
        """Return the authorization request parameters that ask the tenant for this."""
        found: dict[str, str] = {}
        if self.scopes:
            found["scope"] = " ".join([*conf.scope.split(), *sorted(self.scopes.difference(conf.scope.split()))])
        if self.organization is not None:
            found["organization"] = self.organization
        if self.max_age is not None:
            found["max_age"] = str(self.max_age)
        if self.acr_values is not None:
            found["acr_values"] = self.acr_values
        if self.connection is not None:
            found["connection"] = self.connection
        return found

    def _is_recent(self, login: Auth0Session, max_age: int) -> bool:
        auth_time = login.claims.get("auth_time")
        conf = login.configuration
        if isinstance(auth_time, bool) or not isinstance(auth_time, (int, float)):
            return False
        return auth_time + max_age + conf.leeway >= conf.clock()


def as_names(value: str | Collection[str]) -> frozenset[str]:
    """Return scope or permission names given as one text with spaces, or as a collection."""
    return frozenset(value.split() if isinstance(value, str) else value)
