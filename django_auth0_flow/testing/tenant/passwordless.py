"""Passwordless logins: ``/passwordless/start``, the OTP grant, and the magic link."""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, request

from .authorization_request import check_request, read_request
from .authorization_response import grant, refuse
from .client_auth import authenticate_client
from .errors import ApiRefusal, CallbackRefusal, PageRefusal
from .grants import asked_audience, new_authorization
from .login_pages import COOKIE
from .mfa import demand_mfa
from .model import PASSWORDLESS_OTP, Application, User, new_subject
from .parameters import Parameters, json_response
from .records import Message, Session
from .state import TenantState
from .token_endpoint import Grant, TokenRequest
from .tokens import check_user

_LIFETIME = 180
_ATTEMPTS = 3
_PHONE = re.compile(r"\+[0-9]{1,15}")
_KNOWN = {"client_id", "client_secret", "client_assertion", "client_assertion_type", "connection", "email"} | {
    "phone_number",
    "send",
    "authParams",
}
_ADDRESS = {"email": "email", "sms": "phone_number"}


@dataclass
class SentCode:
    """The newest code sent to an address; older ones do not count."""

    code: str = field(repr=False)
    expires_at: float
    attempts: int = 0


def passwordless_blueprint(state: TenantState) -> Blueprint:
    blueprint = Blueprint("passwordless", __name__)

    @blueprint.post("/passwordless/start")
    def start() -> Response:
        parameters = Parameters.of_body(request)
        if parameters.get("client_id") is None and parameters.get("client_assertion") is None:
            raise ApiRefusal(400, "bad.client_id", "Missing required property: client_id")
        application = authenticate_client(state, request, parameters)
        return json_response(_start(state, application, parameters))

    @blueprint.get("/passwordless/verify_redirect")
    def verify_redirect() -> Response:
        return _follow_link(state, request.args.to_dict())

    return blueprint


def _start(state: TenantState, application: Application, parameters: Parameters) -> dict[str, Any]:
    connection, address = _checked(application, parameters)
    user = _user_for(state, connection, address)
    code = f"{secrets.randbelow(1_000_000):06d}"
    with state.lock:
        state.sent_codes[connection, address] = SentCode(code, state.clock.now() + _LIFETIME)
    link = None
    if connection == "email" and (parameters.values.get("send") or "link") == "link":
        link = _link(state, application, parameters, address, code)
    kind = "sms" if connection == "sms" else "email-link" if link else "email-code"
    state.say_to(Message(address, kind, code=None if link else code, link=link))
    answer: dict[str, Any] = {"_id": user.sub.partition("|")[2], _ADDRESS[connection]: address}
    if connection == "email":
        answer["email_verified"] = user.email_verified
    else:
        answer |= {"phone_verified": False, "request_language": request.headers.get("x-request-language", "en")}
    return answer


def _checked(application: Application, parameters: Parameters) -> tuple[str, str]:
    """Return connection and address, or refuse with Auth0's older texts."""
    unknown = sorted(set(parameters.values) - _KNOWN)
    if unknown:
        raise ApiRefusal(400, "bad.request", f"the following properties are not allowed: {', '.join(unknown)}")
    connection = parameters.get("connection")
    if connection is None:
        raise ApiRefusal(400, "bad.connection", "Missing required property: connection")
    if connection not in _ADDRESS or connection not in application.connections:
        raise ApiRefusal(400, "bad.connection", "Connection does not exist")
    name = _ADDRESS[connection]
    address = parameters.get(name)
    if address is None:
        raise ApiRefusal(400, f"bad.{name}", f"Missing required property: {name}")
    if connection == "sms" and not _PHONE.fullmatch(address):
        raise ApiRefusal(400, "bad.phone_number", r"String does not match pattern: ^\+[0-9]{1,15}$")
    if connection == "email" and not re.fullmatch(r"[^@\s]+@[^@\s]+", address):
        raise ApiRefusal(400, "bad.email", "error in email - invalid format")
    wanted = parameters.values.get("authParams")
    if wanted is not None and not isinstance(wanted, dict):
        kind = "string" if isinstance(wanted, str) else type(wanted).__name__
        raise ApiRefusal(400, "bad.authParams", f"error in authParams - invalid type: {kind} (expected object)")
    return connection, address.lower() if connection == "email" else address


def _user_for(state: TenantState, connection: str, address: str) -> User:
    """Return the passwordless user of this address, created at its first use."""
    field_name = _ADDRESS[connection]
    with state.lock:
        for user in state.users.values():
            if user.connection == connection and getattr(user, field_name) == address:
                return user
        user = User(sub=new_subject(connection), connection=connection, email_verified=False)
        setattr(user, field_name, address)
        user.name = user.nickname = address
        state.users[user.sub] = user
        return user


def _link(state: TenantState, application: Application, parameters: Parameters, address: str, code: str) -> str:
    wanted = {name: str(value) for name, value in (parameters.values.get("authParams") or {}).items()}
    query = {
        "response_type": "code",
        **wanted,
        "client_id": application.client_id,
        "connection": "email",
        "email": address,
        "verification_code": code,
    }
    return f"{state.issuer}passwordless/verify_redirect?{urlencode(query)}"


def _follow_link(state: TenantState, query: dict[str, str]) -> Response:
    """Log in whoever holds the link. That it is the browser which asked for it is the application's to check."""
    asked = read_request(state, query)
    try:
        check_request(state, asked)
        user = _verify(state, "email", query.get("email", "").lower(), query.get("verification_code", ""))
        if user.blocked:
            raise CallbackRefusal("unauthorized", "user is blocked")
    except ApiRefusal as refusal:
        raise PageRefusal(403, "access_denied", str(refusal.body.get("error_description"))) from refusal
    except CallbackRefusal as refusal:
        return refuse(state, asked, refusal)
    now = state.clock.now()
    session = Session(user.sub, auth_time=now, last_seen=now)
    with state.lock:
        state.sessions[session.sid] = session
    response = grant(state, asked, session, organization=None, mfa_done=False)
    response.set_cookie(COOKIE, session.cookie, httponly=True, samesite="Lax")
    return response


def _verify(state: TenantState, connection: str, address: str, code: str) -> User:
    """Use up a code and return its user."""

    def refusal(description: str) -> ApiRefusal:
        return ApiRefusal(state.invalid_grant_status, "invalid_grant", description)

    wrong = refusal(f"Wrong {'email' if connection == 'email' else 'phone number'} or verification code.")
    with state.lock:
        sent = state.sent_codes.get((connection, address))
        if sent is None:
            raise wrong
        if sent.attempts >= _ATTEMPTS:
            raise refusal("You've reached the maximum number of attempts. Please try to login again.")
        if sent.expires_at <= state.clock.now():
            raise refusal("The verification code has expired. Please try to login again.")
        if not hmac.compare_digest(sent.code.encode(), code.encode()):
            sent.attempts += 1
            raise wrong
        del state.sent_codes[connection, address]
    user = _user_for(state, connection, address)
    user.email_verified = user.email_verified or connection == "email"
    return user


def passwordless_otp(asked: TokenRequest) -> dict[str, Any]:
    """Log in with the code of ``/passwordless/start``."""
    state, parameters = asked.state, asked.parameters
    username, otp, realm = (parameters.require(name) for name in ("username", "otp", "realm"))
    if realm not in _ADDRESS or realm not in asked.application.connections:
        raise ApiRefusal(400, "invalid_request", "The realm is unknown or not enabled for the client")
    audience = asked_audience(asked)
    if audience is not None and audience not in state.apis:
        raise ApiRefusal(400, "invalid_request", "invalid audience specified for passwordless grant exchange")
    user = _verify(state, realm, username.lower() if realm == "email" else username, otp)
    check_user(state, user.sub)
    authorization = new_authorization(asked, user, audience)
    if user.mfa_required:
        raise demand_mfa(asked, authorization)
    return asked.answer(authorization)


PASSWORDLESS_GRANTS: dict[str, Grant] = {PASSWORDLESS_OTP: passwordless_otp}
