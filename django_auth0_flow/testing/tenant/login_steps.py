"""Where a login stands: which page the user has to see next, and what is settled without one."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from .authorization_request import AuthorizationRequest, asked_audience
from .errors import CallbackRefusal
from .model import User
from .records import Session
from .state import TenantState
from .tokens import grantable_scopes

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass
class Login:
    """A login under way. The page URLs carry its key as ``state``, which is not the application's."""

    asked: AuthorizationRequest
    key: str = ""
    sid: str | None = None
    organization: str | None = None
    authenticated: bool = False
    mfa_done: bool = False
    agreed: bool = False
    denied: bool = False

    @property
    def silent(self) -> bool:
        return "none" in self.asked.prompts


class Steps:
    """The rules of a login. Methods raise CallbackRefusal for what no page can mend."""

    def __init__(self, state: TenantState) -> None:
        self.state = state

    def page_due(self, login: Login) -> str | None:
        """Return the path of the page the user has to see next; ``None`` when nothing is left to ask."""
        session = self.session(login)
        if session is None or self._must_log_in_again(login, session):
            if login.silent:
                raise CallbackRefusal("login_required", "Login required")
            if not self.state.auto_login:
                return "/u/login"
            chosen = self.state.auto_login
            user = chosen if isinstance(chosen, User) else self.state.user
            session = self.sign_in(login, user)
            login.mfa_done = login.agreed = True
        user = self._admit(session)
        if self._settle_organization(login, user):
            return "/u/organization"
        if self._needs_mfa(login, session, user):
            if login.silent:
                raise CallbackRefusal("login_required", "Multifactor authentication required")
            return "/u/mfa"
        return self._agreement_page(login, session)

    def session(self, login: Login) -> Session | None:
        session = self.state.sessions.get(login.sid or "")
        return self.state.live_session(session.cookie) if session else None

    def _must_log_in_again(self, login: Login, session: Session) -> bool:
        if login.authenticated:
            return False
        max_age = login.asked.get("max_age")
        if max_age is not None and max_age.isdigit() and self.state.clock.now() - session.auth_time >= int(max_age):
            return True
        return bool({"login", "select_account"} & login.asked.prompts)

    def sign_in(self, login: Login, user: User) -> Session:
        """Start a session, or renew the browser's own when the same user comes back."""
        now = self.state.clock.now()
        old = self.session(login)
        with self.state.lock:
            if old is not None and old.sub == user.sub:
                old.auth_time = old.last_seen = now
                session = old
            else:
                session = Session(user.sub, auth_time=now, last_seen=now)
                self.state.sessions[session.sid] = session
            lifetime = self.state.upstream_session_lifetime
            session.expires_at = None if lifetime is None else now + lifetime
        login.sid, login.authenticated = session.sid, True
        return session

    def _admit(self, session: Session) -> User:
        user = self.state.users[session.sub]
        if user.blocked:
            raise CallbackRefusal("unauthorized", "user is blocked")
        if user.deny_reason is not None:
            raise CallbackRefusal("access_denied", user.deny_reason)
        return user

    def _settle_organization(self, login: Login, user: User) -> bool:
        """Find the organization of this login, an invitation accepted by the way; True when the user has to choose."""
        asked = login.asked
        wanted = asked.get("organization")
        organization = self.state.find_organization(wanted) if wanted is not None else None
        if organization is not None:
            invitation = self.state.invitations.get(asked.get("invitation") or "")
            if invitation is not None and not invitation.accepted:
                invitation.accepted = True
                user.orgs.append(organization.id)
            if organization.id not in user.orgs:
                description = f"user {user.sub} is not part of the {organization.id} organization"
                raise CallbackRefusal("access_denied", description)
            login.organization = organization.id
        elif asked.application.organization_prompt and login.organization is None:
            if not user.orgs:
                description = "client requires organization membership, but user does not belong to any organization"
                raise CallbackRefusal("invalid_request", description)
            if len(user.orgs) > 1:
                return True
            login.organization = user.orgs[0]
        return False

    def _needs_mfa(self, login: Login, session: Session, user: User) -> bool:
        if login.mfa_done:
            return False
        return login.asked.wants_mfa or (user.mfa_required and not session.mfa_done)

    def _agreement_page(self, login: Login, session: Session) -> str | None:
        if login.agreed:
            return None
        asked, prompts = login.asked, login.asked.prompts
        host = urlsplit(asked.redirect_uri).hostname
        if self.state.confirm_non_verifiable_callbacks and host in _LOOPBACK and not login.authenticated:
            if login.silent:
                raise CallbackRefusal("interaction_required")
            return "/u/consent"
        api = self.state.apis.get(asked_audience(self.state, asked) or "")
        needed = not asked.application.first_party or (api is not None and not api.skip_consent)
        given = self.consent_key(login, session) in self.state.consents
        if "consent" in prompts or (needed and not given):
            if login.silent:
                raise CallbackRefusal("consent_required", "Consent required")
            return "/u/consent"
        return None

    def consent_key(self, login: Login, session: Session) -> tuple[str, str, str]:
        audience = asked_audience(self.state, login.asked) or ""
        scopes = grantable_scopes(self.state, session.sub, audience, (login.asked.get("scope") or "").split())
        return (login.asked.application.client_id, session.sub, f"{audience} {' '.join(sorted(scopes))}")
