"""The pages of a login, for people: login, second factor, organization, consent."""

from __future__ import annotations

from flask import Response, render_template, request

from .authorization_request import asked_audience
from .factors import accepts, code_hint
from .login_steps import Login, Steps
from .model import User
from .parameters import redirect_to
from .records import Session
from .state import TenantState
from .tokens import grantable_scopes

COOKIE = "auth0"


class Pages:
    """One method per page, for GET and POST; each leads back to ``/authorize/resume``."""

    def __init__(self, state: TenantState, steps: Steps) -> None:
        self.state = state
        self.steps = steps

    def login(self, login: Login) -> Response:
        problem = None
        if request.method == "POST":
            if request.form.get("action") == "deny":
                login.denied = True
                return self._resume(login)
            user, problem = self._chosen_user(login)
            if user is not None:
                return self._resume(login, self.steps.sign_in(login, user))
        page = render_template(
            "login.html",
            login=login,
            users=self._offered_users(login),
            problem=problem,
            name=request.form.get("username") or login.asked.get("login_hint") or "",
            state=self.state,
        )
        return Response(page, status=400 if problem else 200)

    def _chosen_user(self, login: Login) -> tuple[User | None, str | None]:
        chosen = request.form.get("user")
        if chosen:
            user = self.state.users.get(chosen)
            return user, None if user else "This user does not exist any more"
        name, password = request.form.get("username", ""), request.form.get("password", "")
        user = self.state.user_by_login(name) if name else None
        if user is None and login.asked.get("screen_hint") == "signup" and "@" in name and password:
            user = User(email=name, email_verified=False, name=name, password=password)
            self.state.users[user.sub] = user
        if user is None or user.password is None or user.password != password:
            return None, "Wrong email or password"
        return user, None

    def _offered_users(self, login: Login) -> list[User]:
        connection = login.asked.get("connection")
        users = list(self.state.users.values())
        fitting = [user for user in users if user.connection == connection]
        return fitting or users

    def second_factor(self, login: Login) -> Response:
        session = self.steps.session(login)
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
        session = self.steps.session(login)
        if session is None:
            return self._resume(login)
        offered = [self.state.organizations[key] for key in self.state.users[session.sub].orgs]
        chosen = request.form.get("organization")
        if request.method == "POST" and chosen in {organization.id for organization in offered}:
            login.organization = chosen
            return self._resume(login, session)
        return Response(render_template("organization.html", login=login, organizations=offered, state=self.state))

    def consent(self, login: Login) -> Response:
        session = self.steps.session(login)
        if session is None:
            return self._resume(login)
        if request.method == "POST":
            if request.form.get("action") == "accept":
                login.agreed = True
                self.state.consents.add(self.steps.consent_key(login, session))
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
