"""What a login must satisfy for a view, how to ask the tenant for it, and how to check that it does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol, TypedDict

from django.http import HttpRequest

from django_auth0_flow.conf import Auth0Settings
from django_auth0_flow.protocol import claim_checks as claim_rules
from django_auth0_flow.protocol.claim_checks import check_organization, is_as_strong_as, utc_text
from django_auth0_flow.protocol.errors import TokenValidationError
from django_auth0_flow.protocol.tokens import TokenSet

#: What a view may ask of the organization: an id or name, True for any, None for none, or a callable that takes the
#: request and returns one of these.
OrganizationChoice = str | bool | Callable[[HttpRequest], str | bool | None] | None

#: What Auth0 calls a login with a second factor, for ``acr_values``.
MULTI_FACTOR = claim_rules.MULTI_FACTOR


#: On views: what the decorators above them demand, for the system checks.
DEMANDS = "auth0_demands"


class TestedLogin(Protocol):
    """What the tests look at; ``request.auth0`` has it."""

    @property
    def configuration(self) -> Auth0Settings: ...
    @property
    def tokens(self) -> TokenSet: ...
    @property
    def claims(self) -> Mapping[str, Any]: ...
    @property
    def scopes(self) -> frozenset[str]: ...
    @property
    def permissions(self) -> frozenset[str]: ...


class LoginDemands(TypedDict, total=False):
    """The arguments of ``auth0_login_required``; the attributes of its mixin, with ``auth0_`` before the name."""

    #: Names with spaces between them, or a collection; the access token must have all of these.
    scopes: str | Collection[str]
    permissions: str | Collection[str]
    organization: OrganizationChoice
    #: Seconds; the user must have authenticated no longer ago than that.
    max_age: int | None
    #: Space-separated; one of them must be the login's ``acr``.
    acr_values: str | None
    #: Only asked for, never checked: no claim names the connection.
    connection: str | None
    #: A connection in ``CONNECTED_ACCOUNTS``: the user must have an account connected; who has none is led there and back.
    connected: str
    #: The login must have one, or a refresh token to get one with; a login by ``RESPONSE_TYPE`` ``id_token`` fetches it.
    access_token: bool
    #: Log a visitor in without showing a page if the tenant has a session for them, else let them through as anonymous.
    #: A visitor who is logged in must still satisfy the tests.
    silent: bool
    #: The name, or names, of the configurations whose logins count; by default the one that the request would log in with
    #: (``CONFIGURATION_FOR``, else ``default``).
    configuration: str | Sequence[str]


@dataclass(frozen=True)
class Shortfall:
    """What a login lacks for a view, and what it has instead. ``held`` comes from claims: for pages with DEBUG only."""

    test: str
    missing: tuple[str, ...] = ()
    held: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Requirement:
    """What a login must satisfy for a view. The fields are as in ``LoginDemands``, parsed."""

    scopes: frozenset[str] = frozenset()
    permissions: frozenset[str] = frozenset()
    organization: OrganizationChoice = None
    max_age: int | None = None
    acr_values: str | None = None
    connection: str | None = None
    access_token: bool = False
    connected: str = ""

    @classmethod
    def of(
        cls, *, scopes: str | Collection[str] = (), permissions: str | Collection[str] = (), **others: Any
    ) -> Requirement:
        """Return the requirement of these ``LoginDemands``. Raises TypeError for an unknown one."""
        return cls(as_names(scopes), as_names(permissions), **others)

    def for_request(self, request: HttpRequest) -> Requirement:
        """Return the requirement with the organization that a callable says for this request."""
        if not callable(self.organization):
            return self
        return replace(self, organization=self.organization(request))

    @cached_property
    def fingerprint(self) -> str:
        """A digest of this requirement, "" if it demands nothing beyond a login. The transaction stores it."""
        if self == Requirement():
            return ""
        values = {
            name: sorted(value) if isinstance(value, frozenset) else value for name, value in asdict(self).items()
        }
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]

    def failed_test(self, login: TestedLogin) -> str | None:
        """Return the name of the first test that the login fails, None if it satisfies all of them."""
        if self.access_token and not self._has_access_token(login):
            return "no_access_token"
        if self.scopes and not self.scopes <= login.scopes:
            return "scopes"
        if self.permissions and not self.permissions <= login.permissions:
            return "permissions"
        if not self._is_of_organization(login):
            return "organization"
        if self.max_age is not None and not self._is_recent(login, self.max_age):
            return "max_age"
        if self.acr_values is not None and not self._is_strong(login, self.acr_values.split()):
            return "acr_values"
        return None

    def shortfall(self, test: str, login: TestedLogin) -> Shortfall:
        """Return what the login lacks for ``test``, which it fails."""
        claims = login.claims
        if test in ("scopes", "permissions"):
            wanted, held = getattr(self, test), getattr(login, test)
            return Shortfall(test, tuple(sorted(wanted - held)), tuple(sorted(held)))
        if test == "organization":
            wanted = self.organization if isinstance(self.organization, str) else "any organization"
            return Shortfall(test, (wanted,), _named(claims, "org_id", "org_name"))
        if test == "acr_values":
            return Shortfall(test, tuple((self.acr_values or "").split()), _named(claims, "acr", "amr"))
        if test == "max_age":
            at = claims.get("auth_time")
            held = (f"auth_time {utc_text(at)}",) if isinstance(at, (int, float)) else ()
            return Shortfall(test, (f"auth_time within {self.max_age} seconds",), held)
        return Shortfall(test, ("access token",))

    def parameters(self, conf: Auth0Settings, *, held: frozenset[str] = frozenset()) -> dict[str, str]:
        """Return the authorization request parameters that ask the tenant for this, and for scopes ``held`` already."""
        found: dict[str, str] = {}
        if wanted := self.scopes | held:
            found["scope"] = " ".join([*conf.scope.split(), *sorted(wanted.difference(conf.scope.split()))])
        if isinstance(self.organization, str) and self.organization:
            found["organization"] = self.organization
        if self.max_age is not None:
            found["max_age"] = str(self.max_age)
        if self.acr_values is not None:
            found["acr_values"] = self.acr_values
        if self.connection is not None:
            found["connection"] = self.connection
        return found

    def _is_of_organization(self, login: TestedLogin) -> bool:
        if isinstance(self.organization, str) and self.organization:
            try:
                check_organization(login.claims, self.organization)
            except TokenValidationError:
                return False
            return True
        return not self.organization or bool(login.claims.get("org_id") or login.claims.get("org_name"))

    def _has_access_token(self, login: TestedLogin) -> bool:
        tokens = login.tokens
        return bool(tokens.refresh_token) or not tokens.is_expired(login.configuration.clock())

    def _is_strong(self, login: TestedLogin, acr_values: list[str]) -> bool:
        return is_as_strong_as(login.claims, acr_values)

    def _is_recent(self, login: TestedLogin, max_age: int) -> bool:
        auth_time = login.claims.get("auth_time")
        conf = login.configuration
        if isinstance(auth_time, bool) or not isinstance(auth_time, (int, float)):
            return False
        return auth_time + max_age + conf.leeway >= conf.clock()


def _named(claims: Mapping[str, Any], *names: str) -> tuple[str, ...]:
    """Return these claims, as far as they are there, for people to read."""
    return tuple(f"{name} {claims[name]}" for name in names if name in claims)


@dataclass(frozen=True)
class Demanded:
    """What one decorator demands of those who come to its view. ``audience``: that of ``bearer_token_required``."""

    requirement: Requirement = Requirement()
    configurations: tuple[str, ...] = ()
    is_bearer: bool = False
    audience: str = ""


def note_demand(view: Any, demanded: Demanded) -> None:
    """Note on a view what a decorator demands, beside what those below it do."""
    setattr(view, DEMANDS, (*getattr(view, DEMANDS, ()), demanded))


def as_names(value: str | Collection[str]) -> frozenset[str]:
    """Return scope or permission names given as one text with spaces, or as a collection."""
    return frozenset(value.split() if isinstance(value, str) else value)


def as_configurations(value: str | Collection[str]) -> tuple[str, ...]:
    """Return the names of configurations given as one name or several, in their order."""
    return (value,) if isinstance(value, str) and value else tuple(value)
