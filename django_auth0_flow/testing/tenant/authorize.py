"""``/authorize`` and the pages behind it: login, second factor, organization, consent."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import Blueprint, Response, render_template, request

from .authorization_request import AuthorizationRequest, asked_audience, check_request, read_request
from .authorization_response import grant, refuse
from .errors import CallbackRefusal, PageRefusal
from .factors import accepts, code_hint
from .model import User
from .parameters import redirect_to
from .records import Session
from .state import TenantState
from .tokens import grantable_scopes

COOKIE = "auth0"
_TRANSACTION_LIFETIME = 3600
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


def authorize_blueprint(state: TenantState) -> Blueprint:
    blueprint = Blueprint("authorize", __name__)
    steps = Steps(state)

    @blueprint.get("/authorize")
    def authorize() -> Response:
        asked = read_request(state, request.args.to_dict())
        login = Login(asked)
        login.key = state.keep("login", login, _TRANSACTION_LIFETIME)
        session = state.live_session(request.cookies.get(COOKIE))
        login.sid = session.sid if session else None
        try:
            check_request(state, asked)
        except CallbackRefusal as refusal:
            return refuse(state, asked, refusal)
        return steps.advance(login)

    @blueprint.get("/authorize/resume")
    def resume() -> Response:
        return steps.advance(steps.login_under_way())

    @blueprint.route("/u/login", methods=["GET", "POST"])
    def login_page() -> Response:
        return steps.login(steps.login_under_way())

    @blueprint.route("/u/mfa", methods=["GET", "POST"])
    def mfa_page() -> Response:
        return steps.second_factor(steps.login_under_way())

    @blueprint.route("/u/organization", methods=["GET", "POST"])
    def organization_page() -> Response:
        return steps.choose_organization(steps.login_under_way())

    @blueprint.route("/u/consent", methods=["GET", "POST"])
    def consent_page() -> Response:
        return steps.consent(steps.login_under_way())

    return blueprint


class Steps:
    """The steps of a login, each of which either shows its page or leads on."""

    def __init__(self, state: TenantState) -> None:
        self.state = state

    def login_under_way(self) -> Login:
        login = self.state.peek("login", request.args.get("state", ""))
        if not isinstance(login, Login):
            text = "This login is unknown or has expired. Start again at the application."
            raise PageRefusal(400, "Invalid state", text)
        return login

    def advance(self, login: Login) -> Response:
        """Go as far as possible without the user."""
        try:
            return self._advance(login)
        except CallbackRefusal as refusal:
            self.state.take("login", login.key)
            return refuse(self.state, login.asked, refusal)

    def _advance(self, login: Login) -> Response:
        if login.denied:
            raise CallbackRefusal("access_denied", "User did not authorize the request")
        page = self._page_due(login)
        if page is not None:
            return redirect_to(f"{page}?state={login.key}")
        session = self._session(login)
        if session is None:  # ended by another request a moment ago
            raise CallbackRefusal("login_required", "Login required")
        self.state.take("login", login.key)
        response = grant(self.state, login.asked, session, organization=login.organization, mfa_done=login.mfa_done)
        response.set_cookie(COOKIE, session.cookie, httponly=True, samesite="Lax")
        return response

    def _page_due(self, login: Login) -> str | None:
        """Return the page the user has to see next. Raises CallbackRefusal for what no page can mend."""
        session = self._session(login)
        if session is None or self._must_log_in_again(login, session):
            if login.silent:
                raise CallbackRefusal("login_required", "Login required")
            if not self.state.auto_login:
                return "/u/login"
            chosen = self.state.auto_login
            user = chosen if isinstance(chosen, User) else self.state.user
            session = self._sign_in(login, user)
            login.mfa_done = login.agreed = True
        user = self._admit(session)
        if self._needs_organization(login, user):
            return "/u/organization"
        if self._needs_mfa(login, session, user):
            if login.silent:
                raise CallbackRefusal("login_required", "Multifactor authentication required")
            return "/u/mfa"
        return self._agreement_page(login, session)

    def _session(self, login: Login) -> Session | None:
        session = self.state.sessions.get(login.sid or "")
        return self.state.live_session(session.cookie) if session else None

    def _must_log_in_again(self, login: Login, session: Session) -> bool:
        if login.authenticated:
            return False
        max_age = login.asked.get("max_age")
        if max_age is not None and max_age.isdigit() and self.state.clock.now() - session.auth_time >= int(max_age):
            return True
        return bool({"login", "select_account"} & login.asked.prompts)

    def _sign_in(self, login: Login, user: User) -> Session:
        """Start a session, or renew the browser's own when the same user comes back."""
        now = self.state.clock.now()
        old = self._session(login)
        with self.state.lock:
            if old is not None and old.sub == user.sub:
                old.auth_time = old.last_seen = now
                session = old
            else:
                session = Session(user.sub, auth_time=now, last_seen=now)
                self.state.sessions[session.sid] = session
        login.sid, login.authenticated = session.sid, True
        return session

    def _admit(self, session: Session) -> User:
        user = self.state.users[session.sub]
        if user.blocked:
            raise CallbackRefusal("unauthorized", "user is blocked")
        if user.deny_reason is not None:
            raise CallbackRefusal("access_denied", user.deny_reason)
        return user

    def _needs_organization(self, login: Login, user: User) -> bool:
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
        given = self._consent_key(login, session) in self.state.consents
        if "consent" in prompts or (needed and not given):
            if login.silent:
                raise CallbackRefusal("consent_required", "Consent required")
            return "/u/consent"
        return None

    def _consent_key(self, login: Login, session: Session) -> tuple[str, str, str]:
        audience = asked_audience(self.state, login.asked) or ""
        scopes = grantable_scopes(self.state, session.sub, audience, (login.asked.get("scope") or "").split())
        return (login.asked.application.client_id, session.sub, f"{audience} {' '.join(sorted(scopes))}")

    # Pages

    def login(self, login: Login) -> Response:
        problem = None
        if request.method == "POST":
            if request.form.get("action") == "deny":
                login.denied = True
                return self._resume(login)
            user, problem = self._chosen_user()
            if user is not None:
                return self._resume(login, self._sign_in(login, user))
        page = render_template(
            "login.html",
            login=login,
            users=self._offered_users(login),
            problem=problem,
            name=request.form.get("username") or login.asked.get("login_hint") or "",
            state=self.state,
        )
        return Response(page, status=400 if problem else 200)

    def _chosen_user(self) -> tuple[User | None, str | None]:
        chosen = request.form.get("user")
        if chosen:
            user = self.state.users.get(chosen)
            return user, None if user else "This user does not exist any more"
        name, password = request.form.get("username", ""), request.form.get("password", "")
        user = self.state.user_by_login(name) if name else None
        if user is None or user.password is None or user.password != password:
            return None, "Wrong email or password"
        return user, None

    def _offered_users(self, login: Login) -> list[User]:
        connection = login.asked.get("connection")
        users = list(self.state.users.values())
        fitting = [user for user in users if user.connection == connection]
        return fitting or users

    def second_factor(self, login: Login) -> Response:
        session = self._session(login)
        if session is None:
            return self._resume(login)
        user, problem = self.state.users[session.sub], None
        if request.method == "POST":
            if accepts(self.state, user, request.form.get("code", "")):
                login.mfa_done = session.mfa_done = True
                return self._resume(login, session)
            problem = "The code you entered is invalid"
        hint = code_hint(self.state, user)
        page = render_template("mfa.html", login=login, problem=problem, hint=hint, state=self.state)
        return Response(page, status=400 if problem else 200)

    def choose_organization(self, login: Login) -> Response:
        session = self._session(login)
        if session is None:
            return self._resume(login)
        offered = [self.state.organizations[key] for key in self.state.users[session.sub].orgs]
        chosen = request.form.get("organization")
        if request.method == "POST" and chosen in {organization.id for organization in offered}:
            login.organization = chosen
            return self._resume(login, session)
        return Response(render_template("organization.html", login=login, organizations=offered, state=self.state))

    def consent(self, login: Login) -> Response:
        session = self._session(login)
        if session is None:
            return self._resume(login)
        if request.method == "POST":
            if request.form.get("action") == "accept":
                login.agreed = True
                self.state.consents.add(self._consent_key(login, session))
            else:
                login.denied = True
            return self._resume(login, session)
        audience = asked_audience(self.state, login.asked)
        scopes = grantable_scopes(self.state, session.sub, audience, (login.asked.get("scope") or "").split())
        user = self.state.users[session.sub]
        return Response(
            render_template("consent.html", login=login, user=user, audience=audience, scopes=scopes, state=self.state)
        )

    def _resume(self, login: Login, session: Session | None = None) -> Response:
        response = redirect_to(f"/authorize/resume?state={login.key}")
        if session is not None:
            response.set_cookie(COOKIE, session.cookie, httponly=True, samesite="Lax")
        return response
