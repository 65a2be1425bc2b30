"""``/authorize`` and the routes of the pages behind it."""

from __future__ import annotations

from flask import Blueprint, Response, request

from . import session_transfer
from .authorization_request import check_request, read_request
from .authorization_response import grant, refuse
from .errors import CallbackRefusal, PageRefusal
from .language import wish
from .login_pages import COOKIE, Pages
from .login_steps import Login, Steps
from .parameters import redirect_to
from .state import TenantState

_TRANSACTION_LIFETIME = 3600


def authorize_blueprint(state: TenantState) -> Blueprint:
    blueprint = Blueprint("authorize", __name__)
    steps = Steps(state)
    pages = Pages(state, steps)

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
        session_transfer.adopt(state, steps, login)
        return advance(login)

    @blueprint.get("/authorize/resume")
    def resume() -> Response:
        return advance(login_under_way(state))

    def advance(login: Login) -> Response:
        """Go as far as possible without the user."""
        try:
            return _advance(state, steps, login)
        except CallbackRefusal as refusal:
            state.take("login", login.key)
            return refuse(state, login.asked, refusal)

    for path, page in (
        ("/u/login", pages.login),
        ("/u/mfa", pages.second_factor),
        ("/u/organization", pages.choose_organization),
        ("/u/consent", pages.consent),
    ):
        blueprint.add_url_rule(path, path[3:], lambda page=page: page(login_under_way(state)), methods=["GET", "POST"])
    return blueprint


def login_under_way(state: TenantState) -> Login:
    """Return the login that a page's URL names."""
    login = state.peek("login", request.args.get("state", ""))
    if not isinstance(login, Login):
        text = "This login is unknown or has expired. Start again at the application."
        raise PageRefusal(400, "Invalid state", text)
    wish(login.asked.get("ui_locales"))
    return login


def _advance(state: TenantState, steps: Steps, login: Login) -> Response:
    if login.denied:
        raise CallbackRefusal("access_denied", "User did not authorize the request")
    page = steps.page_due(login)
    if page is not None:
        return redirect_to(f"{page}?state={login.key}")
    session = steps.session(login)
    if session is None:  # ended by another request a moment ago
        raise CallbackRefusal("login_required", "Login required")
    state.take("login", login.key)
    response = grant(state, login.asked, session, organization=login.organization, mfa_done=login.mfa_done)
    response.set_cookie(COOKIE, session.cookie, httponly=True, samesite="Lax")
    return response
