"""What leaves ``/authorize`` for the application, in each response mode."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

from flask import Response, render_template

from .authorization_request import MFA_POLICY, AuthorizationRequest, asked_audience
from .errors import CallbackRefusal, PageRefusal
from .parameters import redirect_to
from .records import Authorization, Session
from .state import TenantState
from .token_endpoint import CodeGrant
from .tokens import grantable_scopes, issue_access_token, issue_id_token

CODE_LIFETIME = 60


def grant(
    state: TenantState,
    asked: AuthorizationRequest,
    session: Session,
    *,
    organization: str | None,
    mfa_done: bool,
) -> Response:
    """Answer a request that the user has agreed to: code, tokens, or both."""
    audience = asked_audience(state, asked)
    if audience == state.userinfo_audience:
        audience = None
    shows_auth_time = "login" in asked.prompts or asked.get("max_age") is not None
    authorization = Authorization(
        client_id=asked.application.client_id,
        sub=session.sub,
        scopes=grantable_scopes(state, session.sub, audience, (asked.get("scope") or "").split()),
        audience=audience,
        organization=organization,
        sid=session.sid,
        nonce=asked.get("nonce"),
        auth_time=int(session.auth_time) if shows_auth_time else None,
        acr=MFA_POLICY if mfa_done and asked.wants_mfa else None,
        amr=("mfa",) if mfa_done else (),
    )
    session.client_ids.add(asked.application.client_id)
    return respond(state, asked, _fields(state, asked, authorization))


def _fields(state: TenantState, asked: AuthorizationRequest, authorization: Authorization) -> dict[str, str]:
    fields: dict[str, str] = {}
    code = access_token = None
    if "code" in asked.response_types:
        code = state.keep("code", _code_grant(asked, authorization), CODE_LIFETIME)
        fields["code"] = code
    if "token" in asked.response_types:
        access_token, lifetime = issue_access_token(state, authorization, front_channel=True)
        fields |= {"access_token": access_token, "expires_in": str(lifetime), "token_type": "Bearer"}
        if authorization.audience is not None or set(authorization.scopes) != set((asked.get("scope") or "").split()):
            fields["scope"] = " ".join(authorization.scopes)
    if "id_token" in asked.response_types:
        id_token = issue_id_token(state, authorization, access_token=access_token, code=code, front_channel=True)
        if id_token is not None:
            fields["id_token"] = id_token
    return fields


def _code_grant(asked: AuthorizationRequest, authorization: Authorization) -> CodeGrant:
    return CodeGrant(
        authorization=authorization,
        redirect_uri=asked.get("redirect_uri") or asked.redirect_uri,
        redirect_uri_sent=asked.get("redirect_uri") is not None,
        code_challenge=asked.get("code_challenge"),
        dpop_jkt=asked.get("dpop_jkt"),
    )


def refuse(state: TenantState, asked: AuthorizationRequest, refusal: CallbackRefusal) -> Response:
    """Answer with an error at the application's callback."""
    if not asked.application.open_redirect_protection:
        client_id, description = asked.application.client_id, refusal.description or ""
        state.refusals.add(state.clock.now(), "/authorize", client_id, 302, refusal.error, description)
    else:
        raise PageRefusal(400, refusal.error, refusal.description or "")
    fields = {"error": refusal.error}
    if refusal.description is not None:
        fields["error_description"] = refusal.description
    return respond(state, asked, fields)


def respond(state: TenantState, asked: AuthorizationRequest, fields: dict[str, str]) -> Response:
    """Send fields to the callback, with ``state``, ``iss`` where the tenant adds it, and the waiting faults."""
    sent_state = asked.get("state")
    if sent_state is not None:
        fields["state"] = sent_state
    if state.include_iss:
        fields["iss"] = state.issuer
    for fault in state.faults.take_all("authorize"):
        match fault.name:
            case "state-wrong":
                fields["state"] = fault.get("value", (sent_state or "")[::-1] + "x")
            case "state-missing":
                fields.pop("state", None)
            case "iss-wrong":
                fields["iss"] = fault.get("value", "https://another-tenant.example.com/")
            case "iss-missing":
                fields.pop("iss", None)
            case _:
                kept = {name: value for name, value in fields.items() if name in {"state", "iss"}}
                fields = {"error": fault.get("error", "server_error"), **kept}
                if fault.get("description") is not None:
                    fields["error_description"] = fault.get("description")
    return _send(asked, fields)


def _send(asked: AuthorizationRequest, fields: dict[str, str]) -> Response:
    match asked.mode:
        case "form_post":
            return Response(render_template("form_post.html", action=asked.redirect_uri, fields=fields))
        case "web_message":
            parts = urlsplit(asked.redirect_uri)
            origin = f"{parts.scheme}://{parts.netloc}"
            if origin not in asked.application.web_origins:
                raise PageRefusal(403, "Origin not allowed", f"{origin} is not in the list of allowed web origins.")
            message = {"type": "authorization_response", "response": fields}
            return Response(render_template("web_message.html", message=message, origin=origin))
        case "fragment":
            return redirect_to(f"{asked.redirect_uri}#{urlencode(fields)}")
        case _:
            joint = "&" if urlsplit(asked.redirect_uri).query else "?"
            return redirect_to(f"{asked.redirect_uri}{joint}{urlencode(fields)}")
