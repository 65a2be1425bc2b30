"""Tenant: what tests and the command line use."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

from . import jws, session_transfer
from .app import build_app
from .browser import AuthorizationAnswer, Browser
from .log import LoggedRequest
from .logout import end_session, send_logout_token
from .model import TOKEN_VAULT, Api, Application, Invitation, Organization, User
from .production import refuse_production
from .records import Authorization, Message
from .state import TenantState
from .tokens import issue_access_token, issue_id_token, logout_token
from .wire import Server, Wire

DEFAULT_CLIENT_ID = "c2xpZW50SWRfMzJfY2hhcnNfbG9uZ18w"
DEFAULT_CLIENT_SECRET = "local-tenant-secret-that-is-64-characters-long-and-not-a-secret-"
DEFAULT_AUDIENCE = "https://api.example.com"


class Tenant(TenantState):
    """An Auth0 tenant on loopback, with one application, one API and three users.

    ``port`` 0 takes a free one at the first start and keeps it from then on. ``clock`` returns epoch seconds; the
    tenant adds its own offset, see ``tenant.clock``. Everything may be changed while it runs. It does not start beside
    Django settings with ``DEBUG`` off, except in a test run.
    """

    def __init__(self, port: int = 0, *, clock: Callable[[], float] | None = None) -> None:
        super().__init__(clock=clock)
        self.port = port
        self._server: Server | None = None
        self.application = self.add_application(
            client_id=DEFAULT_CLIENT_ID, client_secret=DEFAULT_CLIENT_SECRET, name="Demo application"
        )
        self.api = self.add_api(
            DEFAULT_AUDIENCE, name="Appointments API", scopes=["read:appointments", "write:appointments"]
        )
        self.user = self.add_user(
            sub="auth0|602e93db83fa6f00749a23e6",
            email="ada@example.com",
            name="Ada Lovelace",
            nickname="ada",
            given_name="Ada",
            family_name="Lovelace",
            password="correct horse",
            permissions={DEFAULT_AUDIENCE: ["read:appointments", "write:appointments"]},
        )
        self.add_user(
            sub="auth0|5f7c8ec7c33c6c004bbafe82",
            email="grace@example.com",
            name="Grace Hopper",
            nickname="grace",
            given_name="Grace",
            family_name="Hopper",
            password="battery staple",
            permissions={DEFAULT_AUDIENCE: ["read:appointments"]},
        )
        self.add_user(
            sub="google-oauth2|108204268033311374519",
            email="alan@example.com",
            email_verified=False,
            name="Alan Turing",
            nickname="alan",
            password="imitation game",
        )

    # Life

    def start(self) -> Self:
        """Listen on 127.0.0.1 and return self; starting a running tenant changes nothing. Raises InProduction."""
        refuse_production()
        if self._server is None:
            self.stopping.clear()
            self._server = Server(self.port, Wire(self, build_app(self)))
            self.port = self._server.server_port
            self._server.start()
        return self

    def stop(self) -> None:
        """Stop listening and cut every open connection; a later start uses the same port and remembers everything."""
        self.stopping.set()
        if self._server is not None:
            self._server.stop()
            self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # Configuration

    def add_user(self, **fields: Any) -> User:
        user = User(**fields)
        self.users[user.sub] = user
        return user

    def add_application(self, **fields: Any) -> Application:
        application = Application(**fields)
        self.applications[application.client_id] = application
        return application

    def add_api(self, identifier: str, **fields: Any) -> Api:
        api = Api(identifier, **fields)
        self.apis[identifier] = api
        return api

    def add_organization(self, name: str, **fields: Any) -> Organization:
        """Add an organization; make users members by putting its id into their ``orgs``."""
        organization = Organization(name=name.lower(), **fields)
        organization.display_name = organization.display_name or name
        self.organizations[organization.id] = organization
        return organization

    def invite(self, organization: Organization, *, email: str | None = None, lifetime: float = 604800) -> Invitation:
        """Return a new invitation; its link is the login URI with ``invitation`` and ``organization``."""
        ticket = secrets.token_urlsafe(24)
        invitation = Invitation(ticket, organization.id, email, expires_at=self.clock.now() + lifetime)
        self.invitations[ticket] = invitation
        return invitation

    def invitation_link(self, invitation: Invitation, login_uri: str | None = None) -> str:
        """Return the link in an invitation's e-mail; ``login_uri`` defaults to the application's."""
        organization = self.organizations[invitation.organization]
        query = {
            "invitation": invitation.ticket,
            "organization": organization.id,
            "organization_name": organization.name,
        }
        return f"{login_uri or self.application.initiate_login_uri}?{urlencode(query)}"

    def allow_connected_accounts(self, application: Application | None = None, **connections: list[str]) -> None:
        """Set up connected accounts as at Auth0: the My Account API, its policy, the Token Vault grant, no rotation.

        ``connections``: their scopes by name, "-" written as "_". Start the tenant first.
        """
        application = application or self.application
        scopes = [f"{verb}:me:connected_accounts" for verb in ("create", "read", "delete")]
        self.add_api(self.my_account_audience, name="MyAccount API", scopes=scopes, lifetime=600)
        application.refresh_policies[self.my_account_audience] = scopes
        application.grant_types |= {TOKEN_VAULT}
        application.rotation = False
        names = {name.replace("_", "-"): asked for name, asked in connections.items()}
        self.connected_accounts.connections.update(names)

    def rotate_keys(self, revoke_previous: bool = False) -> None:
        self.keys.rotate(revoke_previous=revoke_previous)

    def block(self, sub: str) -> None:
        """Block a user, as an administrator does."""
        self.users[sub].blocked = True

    def revoke_refresh_tokens(self, sub: str) -> int:
        """Revoke all refresh tokens of a user and return how many families that were."""
        return self.refresh_tokens.revoke_all(sub)

    def end_sessions(self, sub: str) -> None:
        """End the SSO sessions of a user; applications with a back-channel logout URI are told."""
        for session in [found for found in self.sessions.values() if found.sub == sub]:
            end_session(self, session)

    # Faults

    def fault(self, name: str, times: int | None = 1, **options: Any) -> None:
        """Let something go wrong ``times`` times, ``None`` = until cleared. The names are in ``faults.FAULTS``."""
        self.faults.add(name, times, **options)

    def clear_faults(self) -> None:
        self.faults.clear()

    # What happened

    @property
    def requests(self) -> list[LoggedRequest]:
        return self.log.snapshot()

    def count(self, path: str | None = None, *, method: str | None = None, grant_type: str | None = None) -> int:
        """Return the number of logged requests."""
        return self.log.count(path, method=method, grant_type=grant_type)

    def clear_log(self) -> None:
        self.log.clear()

    @property
    def families_revoked(self) -> int:
        """How many refresh token families reuse detection has revoked."""
        return self.refresh_tokens.families_revoked

    def last_message(self) -> Message:
        """Return the newest e-mail or text message. Raises IndexError when there is none."""
        return self.outbox[-1]

    def answer_push(self, *, approve: bool = True) -> None:
        """Answer the newest push notification as its user would. Raises IndexError when there is none."""
        self.pushes[-1].approved = approve

    def unblock(self) -> None:
        """Forget all failed password logins: brute-force protection lets everybody in again."""
        self.failed_logins.clear()

    # Acting as a browser

    def browser(self) -> Browser:
        """Return a browser with its own cookies: two visits with one browser share an SSO session."""
        return Browser(self)

    def login(self, authorize_url: str, user: User | None = None, deny: bool = False) -> str:
        """Log in with a fresh browser and return the callback URL, ``code`` and ``state`` in it."""
        return self.browser().authorize(authorize_url, user, deny=deny).url

    def authorize(self, authorize_url: str, user: User | None = None, deny: bool = False) -> AuthorizationAnswer:
        """As ``login``, for any response mode: also tells the method and the fields of the answer."""
        return self.browser().authorize(authorize_url, user, deny=deny)

    # Tokens without a login

    def make_authorization(
        self,
        user: User | None = None,
        *,
        application: Application | None = None,
        scope: str = "openid profile email",
        audience: str | None = None,
        **fields: Any,
    ) -> Authorization:
        user, application = user or self.user, application or self.application
        return Authorization(application.client_id, user.sub, tuple(scope.split()), audience, **fields)

    def make_id_token(self, user: User | None = None, **fields: Any) -> str | None:
        """Return an ID token, waiting faults included; ``fields`` are those of ``make_authorization``."""
        return issue_id_token(self, self.make_authorization(user, **fields))

    def make_access_token(
        self,
        user: User | None = None,
        *,
        audience: str | None = DEFAULT_AUDIENCE,
        jkt: str | None = None,
        **fields: Any,
    ) -> str:
        """Return an access token: a JWT for ``audience``, or an opaque one without."""
        return issue_access_token(self, self.make_authorization(user, audience=audience, **fields), jkt=jkt)[0]

    def make_session_transfer_token(self, user: User | None = None, organization: Organization | None = None) -> str:
        """Return what a native application would hand over, to be used once within a minute."""
        return session_transfer.issue(self, (user or self.user).sub, organization.id if organization else None)

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        """Return any claims signed with the current key; ``header`` is added to alg, typ and kid."""
        full = {"alg": "RS256", "typ": "JWT", "kid": self.keys.current.kid, **header}
        return jws.encode(full, claims, self.keys.current.private)

    def make_logout_token(self, *, sub: str | None = None, sid: str | None = None, **changes: Any) -> str:
        """Return a logout token for the default application; a change to ``None`` leaves that claim out."""
        client_id = changes.pop("client_id", self.application.client_id)
        return logout_token(self, client_id, sub=sub, sid=sid, changes=changes)

    def send_logout_token(self, url: str, token: str) -> int:
        """POST a logout token to an application and return the status of its answer; 0 when there was none."""
        return send_logout_token(self, url, token)
