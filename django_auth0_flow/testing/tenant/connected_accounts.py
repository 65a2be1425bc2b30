"""Connected accounts: ``/me/v1/connected-accounts/…`` of the My Account API, and the identity provider's consent page.

Documented (reference 13): paths, members, scopes, lifetimes, two errors. Not documented, so to be changed in
``TenantState.connected_accounts``: the status of success, where ``connect_code`` comes back, what deleting a foreign
account answers.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, render_template, request

from .account import access_token_for
from .errors import ApiRefusal, PageRefusal
from .model import ConnectedAccount, User
from .parameters import json_response, redirect_to
from .records import AccessToken
from .state import TenantState

_BASE = "/me/v1/connected-accounts"
_LIFETIME = 300
_MAX_TAKE = 20


@dataclass(frozen=True)
class Connecting:
    """An account that is being connected: for whom, by which application, and what the code is bound to."""

    sub: str
    client_id: str
    connection: str
    redirect_uri: str
    scopes: tuple[str, ...]
    state: str | None
    code_challenge: str | None
    auth_session: str = field(repr=False, default="")


def connected_accounts_blueprint(state: TenantState) -> Blueprint:
    blueprint = Blueprint("connected_accounts", __name__)
    status = state.connected_accounts

    @blueprint.post(f"{_BASE}/connect")
    def connect() -> Response:
        token = _token(state, "create")
        return json_response(_connect(state, token, _body("connection", "redirect_uri")), status.success)

    @blueprint.post(f"{_BASE}/complete")
    def complete() -> Response:
        token = _token(state, "create")
        account = _complete(state, token, _body("auth_session", "connect_code", "redirect_uri"))
        return json_response(_described(account), status.success)

    @blueprint.get(f"{_BASE}/connections")
    def connections() -> Response:
        _token(state, "read")
        found = [{"name": name, "strategy": name, "scopes": scopes} for name, scopes in status.connections.items()]
        return json_response({"connections": found})

    @blueprint.get(f"{_BASE}/accounts")
    def accounts() -> Response:
        return json_response(_page(state, _user(state, _token(state, "read"))))

    @blueprint.delete(f"{_BASE}/accounts/<account_id>")
    def delete(account_id: str) -> Response:
        user = _user(state, _token(state, "delete"))
        account = user.connected_accounts.pop(account_id, None)
        if account is None:
            if status.delete_unknown == 204:
                return Response("", status=204)
            raise _problem(404, "A0E-404-0001", "Not Found", "The account does not exist")
        user.linked_connections.pop(account.connection, None)
        return Response("", status=204)

    @blueprint.get("/connected-accounts/connect")
    def ticket() -> Response:
        return redirect_to(f"/u/connect?{urlencode({'ticket': request.args.get('ticket', '')})}")

    @blueprint.route("/u/connect", methods=["GET", "POST"])
    def consent() -> Response:
        return _consent(state, request.args.get("ticket", ""))

    return blueprint


def _page(state: TenantState, user: User) -> dict[str, Any]:
    """Return a page of the user's accounts."""
    wanted = request.args.get("connection")
    found = [one for one in user.connected_accounts.values() if wanted in (None, one.connection)]
    take, start = request.args.get("take", "10"), request.args.get("from", "0")
    if not take.isdigit() or not 1 <= int(take) <= _MAX_TAKE or not start.isdigit():
        raise _invalid("take and from must be numbers", "take")
    end = int(start) + int(take)
    more = {"next": str(end)} if end < len(found) else {}
    return {"accounts": [_described(one) for one in found[int(start) : end]], **more}


def _connect(state: TenantState, token: AccessToken, body: dict[str, Any]) -> dict[str, Any]:
    connection, redirect_uri = body["connection"], body["redirect_uri"]
    application = state.applications[token.authorization.client_id]
    if connection not in state.connected_accounts.connections:
        raise _problem(404, "A0E-404-0001", "Not Found", "The connection is not set up for connected accounts")
    if redirect_uri not in application.callbacks:
        raise _invalid("redirect_uri is not allowed", "redirect_uri")
    scopes = body.get("scopes")
    if scopes is not None and (not isinstance(scopes, list) or not 1 <= len(scopes) <= 100):
        raise _invalid("scopes must be an array of 1 to 100", "scopes")
    if body.get("code_challenge") is not None and body.get("code_challenge_method") != "S256":
        raise _invalid("code_challenge_method must be S256", "code_challenge_method")
    session = secrets.token_urlsafe(32)
    connecting = Connecting(
        token.authorization.sub,
        application.client_id,
        connection,
        redirect_uri,
        tuple(scopes or state.connected_accounts.connections[connection]),
        body.get("state"),
        body.get("code_challenge"),
        session,
    )
    state.keep("connect-session", connecting, _LIFETIME, value=session)
    return {
        "auth_session": session,
        "connect_uri": f"{state.issuer}connected-accounts/connect",
        "connect_params": {"ticket": state.keep("connect-ticket", connecting, _LIFETIME)},
        "expires_in": _LIFETIME,
    }


def _consent(state: TenantState, ticket: str) -> Response:
    """Show the identity provider's page, and send the browser back with what was chosen there. A ticket works once."""
    connecting: Connecting | None = state.peek("connect-ticket", ticket)
    if connecting is None:
        raise PageRefusal(400, "invalid_request", "This ticket was used, or it has expired.")
    application = state.applications[connecting.client_id]
    if request.method == "GET":
        page = render_template("connect.html", connecting=connecting, application=application, ticket=ticket)
        return Response(page)
    state.take("connect-ticket", ticket)
    answer = {} if connecting.state is None else {"state": connecting.state}
    if request.form.get("action") == "accept":
        answer = {"connect_code": state.keep("connect-code", connecting, _LIFETIME), **answer}
    else:
        answer = {"error": "access_denied", "error_description": "The user declined", **answer}
    mark = "#" if state.connected_accounts.code_in_fragment else "?"
    return redirect_to(f"{connecting.redirect_uri}{mark}{urlencode(answer)}")


def _complete(state: TenantState, token: AccessToken, body: dict[str, Any]) -> ConnectedAccount:
    begun: Connecting | None = state.take("connect-session", body["auth_session"])
    agreed: Connecting | None = state.take("connect-code", body["connect_code"])
    expired = _problem(404, "A0E-404-0001", "Not Found", "Invalid or expired session")
    if begun is None or agreed is None or begun != agreed:
        raise expired
    mine = (token.authorization.sub, token.authorization.client_id)
    if mine != (begun.sub, begun.client_id) or body["redirect_uri"] != begun.redirect_uri:
        raise expired
    digest = hashlib.sha256(str(body.get("code_verifier") or "").encode()).digest()
    if begun.code_challenge not in (None, base64.urlsafe_b64encode(digest).rstrip(b"=").decode()):
        raise _invalid("code_verifier does not match", "code_verifier")
    account = ConnectedAccount(
        f"cac_{secrets.token_urlsafe(16)}",
        begun.connection,
        list(begun.scopes),
        datetime.fromtimestamp(state.clock.now(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    )
    user = _user(state, token)
    with state.lock:
        user.connected_accounts[account.id] = account
        user.linked_connections[account.connection] = f"token-of-{account.connection}-{secrets.token_urlsafe(16)}"
    return account


def _described(account: ConnectedAccount) -> dict[str, Any]:
    return {
        "id": account.id,
        "connection": account.connection,
        "access_type": "offline",
        "scopes": account.scopes,
        "created_at": account.created_at,
    }


def _token(state: TenantState, verb: str) -> AccessToken:
    """Return the request's access token for the My Account API. It must have the scope of the call."""
    found = access_token_for(state, state.my_account_audience)
    if found is None or found.authorization.sub not in state.users:
        raise _problem(401, "A0E-401-0001", "Unauthorized", "Invalid token")
    if f"{verb}:me:connected_accounts" not in found.authorization.scopes:
        raise _problem(403, "A0E-403-0001", "Forbidden", "Insufficient scope")
    return found


def _user(state: TenantState, token: AccessToken) -> User:
    return state.users[token.authorization.sub]


def _body(*required: str) -> dict[str, Any]:
    try:
        body = json.loads(request.get_data())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise _invalid("the body must be a JSON object", "")
    for name in required:
        if not isinstance(body.get(name), str) or not body[name]:
            raise _invalid(f"data must have required property '{name}'", name)
    return body


def _invalid(detail: str, name: str) -> ApiRefusal:
    errors = [{"detail": detail, "pointer": "", "field": name}]
    return _problem(400, "A0E-400-0003", "Validation Error", "Invalid request payload input", errors)


def _problem(status: int, code: str, title: str, detail: str, errors: list[dict[str, str]] | None = None) -> ApiRefusal:
    """Return a refusal of the My Account API, a problem object."""
    refusal = ApiRefusal(status, code)
    kind = f"https://auth0.com/api-errors/{code}"
    refusal.body = {"type": kind, "status": status, "title": title, "detail": detail, "validation_errors": errors}
    return refusal
