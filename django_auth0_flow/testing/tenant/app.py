"""The Flask application: every endpoint of the tenant, and how refusals become answers."""

from __future__ import annotations

import json
import secrets
from urllib.parse import urlencode

from flask import Flask, Response, render_template, request

from .account import account_blueprint
from .authorize import authorize_blueprint
from .connected_accounts import connected_accounts_blueprint
from .console import console_blueprint
from .control import control_blueprint
from .database_connections import database_connections_blueprint
from .discovery import discovery_blueprint
from .errors import ApiRefusal, PageRefusal
from .grants import GRANTS
from .language import translate_pages
from .logout import logout_blueprint
from .mfa import mfa_blueprint, mfa_grants
from .par import par_blueprint
from .parameters import redirect_to
from .passwordless import PASSWORDLESS_GRANTS, passwordless_blueprint
from .state import TenantState
from .token_endpoint import token_blueprint
from .token_exchange import TOKEN_EXCHANGE_GRANTS


def _error_page_query(refusal: PageRefusal) -> dict[str, str]:
    """Return what a custom error page is told; which error word goes with which text is not documented."""
    is_word = "_" in refusal.title
    return {
        "client_id": request.args.get("client_id", ""),
        "connection": "",
        "lang": "en",
        "error": refusal.title if is_word else "invalid_request",
        "error_description": refusal.text if is_word else f"{refusal.title} {refusal.text}",
        "tracking": secrets.token_hex(10),
    }


def build_app(state: TenantState) -> Flask:
    app = Flask(__name__, static_folder=None)
    app.config["TRAP_HTTP_EXCEPTIONS"] = False
    translate_pages(app)
    for blueprint in (
        discovery_blueprint(state),
        authorize_blueprint(state),
        token_blueprint(state, {**GRANTS, **PASSWORDLESS_GRANTS, **TOKEN_EXCHANGE_GRANTS, **mfa_grants()}),
        account_blueprint(state),
        connected_accounts_blueprint(state),
        passwordless_blueprint(state),
        database_connections_blueprint(state),
        mfa_blueprint(state),
        par_blueprint(state),
        logout_blueprint(state),
        control_blueprint(state),
        console_blueprint(state),
    ):
        app.register_blueprint(blueprint)

    def note(status: int, error: str, description: str) -> None:
        body = request.get_json(silent=True)
        sent = {**(body if isinstance(body, dict) else {}), **request.values}
        by_header = request.authorization.username if request.authorization else None
        client_id = str(sent.get("client_id") or by_header or "")
        callback = str(sent.get("redirect_uri", ""))
        state.refusals.add(state.clock.now(), request.path, client_id, status, error, description, callback)

    @app.errorhandler(ApiRefusal)
    def refuse(refusal: ApiRefusal) -> Response:
        note(refusal.status, *refusal.texts)
        return Response(
            json.dumps(refusal.body),
            status=refusal.status,
            content_type="application/json",
            headers=refusal.headers,
        )

    @app.errorhandler(PageRefusal)
    def refuse_with_page(refusal: PageRefusal) -> Response:
        note(refusal.status, refusal.title, refusal.text)
        if state.error_page is not None:
            return redirect_to(f"{state.error_page}?{urlencode(_error_page_query(refusal))}")
        page = render_template("error.html", title=refusal.title, text=refusal.text, state=state)
        return Response(page, status=refusal.status)

    @app.get("/")
    def front() -> Response:
        return Response(render_template("front.html", state=state))

    return app
