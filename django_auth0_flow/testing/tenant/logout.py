"""``/oidc/logout`` and ``/v2/logout``, and the logout tokens they cause."""

from __future__ import annotations

import threading
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit

import jwt
from flask import Blueprint, Response, render_template, request

from .authorization_request import is_allowed
from .browser import direct_opener
from .errors import PageRefusal
from .login_pages import COOKIE
from .parameters import redirect_to
from .records import Session
from .state import TenantState
from .tokens import logout_token

#: Auth0 gives an application five seconds to answer.
_BACKCHANNEL_TIMEOUT = 5


def logout_blueprint(state: TenantState) -> Blueprint:
    blueprint = Blueprint("logout", __name__)

    @blueprint.route("/oidc/logout", methods=["GET", "POST"])
    def oidc_logout() -> Response:
        sent = {**request.args.to_dict(), **request.form.to_dict()}
        hint = _read_hint(state, sent.get("id_token_hint"))
        client_id = _consistent("client_id", sent.get("client_id"), hint.get("aud"))
        sid = _consistent("logout_hint", sent.get("logout_hint"), hint.get("sid"))
        target = _target(state, client_id, sent.get("post_logout_redirect_uri"), by_query=True)
        session = state.live_session(request.cookies.get(COOKIE))
        is_meant = session is None or sid == session.sid
        if not is_meant and state.confirm_logout and sent.get("action") != "confirm":
            page = render_template("logout.html", sent=sent, state=state)
            return Response(page)
        if target and sent.get("state"):
            target += ("&" if urlsplit(target).query else "?") + urlencode({"state": sent["state"]})
        end_session(state, session or state.sessions.get(sid or ""))
        return _leave(target)

    @blueprint.get("/v2/logout")
    def v2_logout() -> Response:
        target = _target(state, request.args.get("client_id"), request.args.get("returnTo"), by_query=False)
        end_session(state, state.live_session(request.cookies.get(COOKIE)))
        return _leave(target)

    return blueprint


def _read_hint(state: TenantState, hint: str | None) -> dict[str, Any]:
    """Return the claims of an ID token this tenant has signed, expired or not."""
    if not hint:
        return {}
    options: Any = {"verify_exp": False, "verify_aud": False, "verify_iat": False, "verify_nbf": False}
    try:
        header = jwt.get_unverified_header(hint)
        if header.get("alg") == "HS256":
            audience = jwt.decode(hint, options={"verify_signature": False}).get("aud")
            key: Any = state.applications[str(audience)].client_secret
        else:
            published = {key.kid: key.private.public_key() for key in state.keys.published()}
            key = published[str(header.get("kid"))]
        return jwt.decode(hint, key, algorithms=["RS256", "PS256", "HS256"], issuer=state.issuer, options=options)
    except (jwt.PyJWTError, KeyError) as error:
        raise PageRefusal(400, "invalid_request", "The id_token_hint is not an ID token of this tenant.") from error


def _consistent(name: str, sent: str | None, hinted: Any) -> str | None:
    if sent and hinted is not None and sent != hinted:
        raise PageRefusal(400, "invalid_request", f"{name} does not match the id_token_hint.")
    return sent or (str(hinted) if hinted is not None else None)


def _target(state: TenantState, client_id: str | None, url: str | None, *, by_query: bool) -> str | None:
    if client_id is not None and client_id not in state.applications:
        raise PageRefusal(400, "Unknown client", f"Unknown client: {client_id}")
    allowed = state.applications[client_id].logout_urls if client_id else state.logout_urls
    if not url:
        return allowed[0] if allowed and (client_id or not by_query) else None
    if not is_allowed(url, allowed, ignore_query=not by_query):
        name = "post_logout_redirect_uri" if by_query else "returnTo"
        text = f'The "{name}" querystring parameter "{url}" is not defined as a valid URL in "Allowed Logout URLs".'
        raise PageRefusal(400, "invalid_request", text)
    return url


def _leave(target: str | None) -> Response:
    response = redirect_to(target) if target else Response("OK", content_type="text/plain")
    response.delete_cookie(COOKIE)
    return response


def end_session(state: TenantState, session: Session | None) -> None:
    """End an SSO session and tell the applications that took part in it, in the background."""
    if session is None:
        return
    with state.lock:
        state.sessions.pop(session.sid, None)
        clients = sorted(session.client_ids)
    for client_id in clients:
        application = state.applications.get(client_id)
        if application is not None and application.backchannel_logout_uri:
            token = logout_token(state, client_id, sub=session.sub, sid=session.sid)
            threading.Thread(
                target=send_logout_token,
                args=(state, application.backchannel_logout_uri, token),
                daemon=True,
                name="logout-token",
            ).start()


def send_logout_token(state: TenantState, url: str, token: str) -> int:
    """POST a logout token, note the outcome, and return the status; 0 when no answer came. Never retried."""
    body = urlencode({"logout_token": token}).encode()
    try:
        with direct_opener().open(url, data=body, timeout=_BACKCHANNEL_TIMEOUT) as answer:
            status = int(answer.status)
    except HTTPError as error:
        error.close()
        status = error.code
    except (OSError, HTTPException):
        status = 0
    with state.lock:
        state.logout_deliveries.append((url, status))
    return status
