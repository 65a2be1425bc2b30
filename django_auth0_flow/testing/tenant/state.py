"""Everything a tenant knows: its configuration and what has happened in it so far."""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from .clock import Clock
from .faults import FaultBox
from .keys import KeyRing
from .limits import RateLimits
from .log import RequestLog
from .model import (
    DAY,
    DEFAULT_CONNECTION,
    Api,
    Application,
    ConnectedAccountsSettings,
    Invitation,
    Organization,
    PasswordPolicy,
    TokenHook,
    User,
)
from .records import AccessToken, Message, Session
from .refresh_tokens import RefreshTokens
from .refusals import RefusalLog


class TenantState:
    """Configuration and memory of one tenant. ``lock`` guards everything that has to be atomic."""

    #: The user that ``auto_login`` and browsers without a person log in as.
    user: User

    def __init__(self, *, clock: Callable[[], float] | None = None) -> None:
        self.lock = threading.RLock()
        self.stopping = threading.Event()
        self.clock = clock if isinstance(clock, Clock) else Clock(clock or time.time)
        self.keys = KeyRing()
        self.faults = FaultBox()
        self.limits = RateLimits()
        self.log = RequestLog()
        self.refusals = RefusalLog()
        self.port = 0

        self.applications: dict[str, Application] = {}
        self.apis: dict[str, Api] = {}
        self.users: dict[str, User] = {}
        self.organizations: dict[str, Organization] = {}
        self.invitations: dict[str, Invitation] = {}
        #: Token exchange profiles: type of the subject token -> the Action, which returns the user that a token stands for.
        self.token_exchange_profiles: dict[str, Callable[[str], User | None]] = {}

        # Settings of the tenant, by their place in the Dashboard where they have one
        self.default_directory: str | None = DEFAULT_CONNECTION
        self.default_audience: str | None = None
        self.include_iss = False
        self.advertise_end_session = True
        self.allow_par = True
        self.resource_parameter = True
        self.allow_organization_names = True
        self.confirm_non_verifiable_callbacks = False
        self.confirm_logout = True
        self.sign_up_enabled = True
        #: «Use a generic response in public signup API error message»: an address that is taken is not told.
        self.generic_sign_up_errors = True
        self.password_policy = PasswordPolicy()
        self.connected_accounts = ConnectedAccountsSettings()
        #: Bot Detection stops password logins that do not come through the tenant's own page.
        self.bot_detection = False
        #: Custom error page: where errors lead that may not travel to the application.
        self.error_page: str | None = None
        self.jwks_with_alg = True
        self.allowed_acr_values: list[str] = []
        self.mfa_requirements = True
        #: Multi-factor Auth: what is switched on, and may be enrolled, as ``mfa_requirements`` calls it.
        self.mfa_factors: list[str] = ["otp", "phone", "push-notification", "email"]
        self.logout_urls: list[str] = []
        self.session_idle_lifetime: float = 3 * DAY
        self.session_lifetime: float = 7 * DAY
        #: "Use ID Token for Session Expiry", and an Action that hands it on: how long sessions upstream last.
        self.upstream_session_lifetime: float | None = None
        # Not settings of Auth0's: conveniences and open points of the documentation
        self.auto_login: bool | User = False
        self.invalid_grant_status = 403
        #: Refusal of a machine token for an organization (reference 3.5: not documented).
        self.machine_organization_refusal = (
            403,
            "access_denied",
            "The organization is not allowed for this client grant",
        )
        self.require_dpop_nonce = False
        #: Address of an edge that ends TLS and asks clients for a certificate, "/" at its end; it sends ``mtls_edge_key``.
        self.mtls_edge: str | None = None
        self.mtls_edge_key = secrets.token_urlsafe(24)
        self.token_hook: TokenHook | None = None

        self.sessions: dict[str, Session] = {}
        self.access_tokens: dict[str, AccessToken] = {}
        self.refresh_tokens = RefreshTokens()
        self.consents: set[tuple[str, str, str]] = set()
        #: Push notifications waiting for the user, oldest first.
        self.pushes: list[Any] = []
        #: Password failures by (identifier, address), for brute-force protection.
        self.failed_logins: dict[tuple[str, str], int] = {}
        #: Passwordless codes by (connection, address).
        self.sent_codes: dict[tuple[str, str], Any] = {}
        #: The newest ticket to reset a user's password, by subject.
        self.reset_tickets: dict[str, str] = {}
        self.outbox: list[Message] = []
        #: Machine tokens issued by (client id, bucket, window); see ``quota``.
        self.quota_spent: Counter[tuple[str, str, int]] = Counter()
        #: What only the tenant's own log tells (Monitoring > Logs): reasons why no session was transferred.
        self.warnings: list[str] = []
        #: Back-channel logout: (URL, status of the answer or 0), in the order of the answers.
        self.logout_deliveries: list[tuple[str, int]] = []
        #: Short-lived one-time things (codes, login pages under way, pushed requests, …) by kind and value.
        self._once: dict[tuple[str, str], tuple[float, Any]] = {}

    @property
    def issuer(self) -> str:
        """The issuer, slash included. Raises RuntimeError while the port is not known yet."""
        if not self.port:
            raise RuntimeError("start the tenant first: its port is not known yet")
        return f"http://127.0.0.1:{self.port}/"

    @property
    def userinfo_audience(self) -> str:
        return self.issuer + "userinfo"

    @property
    def my_account_audience(self) -> str:
        return self.issuer + "me/"

    def keep(self, kind: str, thing: Any, lifetime: float, *, value: str | None = None) -> str:
        """Remember ``thing`` for ``lifetime`` seconds under a random value, which is returned."""
        value = value or secrets.token_urlsafe(32)
        with self.lock:
            self._once[kind, value] = (self.clock.now() + lifetime, thing)
        return value

    def take(self, kind: str, value: str) -> Any:
        """Return what was kept and forget it; ``None`` when it is unknown, used up or too old."""
        with self.lock:
            expires_at, thing = self._once.pop((kind, value), (0, None))
        return thing if expires_at > self.clock.now() else None

    def peek(self, kind: str, value: str) -> Any:
        """Return what was kept and go on keeping it."""
        with self.lock:
            expires_at, thing = self._once.get((kind, value), (0, None))
        return thing if expires_at > self.clock.now() else None

    def user_by_login(self, name: str, connection: str | None = None) -> User | None:
        """Return the user with this e-mail address (any case), nickname or phone number."""
        for user in list(self.users.values()):
            names = {user.sub, user.nickname, user.phone_number, (user.email or "").lower() or None}
            if (name in names or name.lower() in names) and connection in (None, user.connection):
                return user
        return None

    def find_organization(self, value: str) -> Organization | None:
        """Return the organization by id, or by name where names are allowed."""
        if value in self.organizations:
            return self.organizations[value]
        if self.allow_organization_names:
            return next((found for found in self.organizations.values() if found.name == value.lower()), None)
        return None

    def live_session(self, cookie: str | None) -> Session | None:
        """Return the session of this cookie unless it has run out."""
        now = self.clock.now()
        with self.lock:
            session = next((found for found in self.sessions.values() if found.cookie == cookie), None)
            if session is None:
                return None
            idle, age = now - session.last_seen, now - session.auth_time
            is_over = session.expires_at is not None and session.expires_at <= now
            is_old = idle > self.session_idle_lifetime or age > self.session_lifetime
            if is_over or is_old or session.sub not in self.users:
                del self.sessions[session.sid]
                return None
            session.last_seen = now
            return session

    def say_to(self, message: Message) -> None:
        message.at = self.clock.now()
        with self.lock:
            self.outbox.append(message)

    def sign_hook(self, kind: str, claims: dict[str, Any], header: dict[str, Any]) -> None:
        if self.token_hook is not None:
            self.token_hook(kind, claims, header)


def only_values(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members that have a value."""
    return {name: value for name, value in members.items() if value is not None}
