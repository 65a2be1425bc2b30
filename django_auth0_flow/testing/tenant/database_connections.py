"""``/dbconnections/signup`` and ``/dbconnections/change_password``, and the page that a reset link leads to."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, Response, render_template, request

from .errors import ApiRefusal, PageRefusal, missing, unauthorized
from .logout import end_session
from .model import DAY, Application, User, new_subject
from .parameters import Parameters, json_response
from .records import Message
from .state import TenantState, only_values

_PROFILE = ("given_name", "family_name", "name", "nickname", "picture")
_KINDS = {
    "lowerCase": ("lower case letters (a-z)", r"[a-z]"),
    "upperCase": ("upper case letters (A-Z)", r"[A-Z]"),
    "numbers": ("numbers (i.e. 0-9)", r"[0-9]"),
    "specialCharacters": ("special characters (e.g. !@#$%^&*)", r"[^a-zA-Z0-9]"),
}
_LENGTH = "At least %d characters in length"
_CONTAINS = "Contain at least %d of the following %d types of characters:"
_SENT = "We've just sent you an email to reset your password."


def database_connections_blueprint(state: TenantState) -> Blueprint:
    blueprint = Blueprint("database_connections", __name__)

    @blueprint.post("/dbconnections/signup")
    def signup() -> Response:
        parameters = Parameters.of_body(request)
        return json_response(_sign_up(state, _connection(state, parameters), parameters))

    @blueprint.post("/dbconnections/change_password")
    def change_password() -> Response:
        parameters = Parameters.of_body(request)
        connection, email = _connection(state, parameters), parameters.require("email").lower()
        for user in list(state.users.values()):
            if user.connection == connection and (user.email or "").lower() == email:
                ticket = state.keep("reset", user.sub, 5 * DAY)
                state.reset_tickets[user.sub] = ticket
                link = f"{state.issuer}u/reset-password?ticket={ticket}"
                state.say_to(Message(user.email or "", "password-reset", link=link))
        return Response(_SENT, content_type="text/html; charset=utf-8")

    @blueprint.route("/u/reset-password", methods=["GET", "POST"])
    def reset_password() -> Response:
        return _reset_password(state, request.args.get("ticket", ""))

    return blueprint


def _connection(state: TenantState, parameters: Parameters) -> str:
    """Return the connection of the request, which needs a client id and no secret."""
    application = state.applications.get(parameters.require("client_id"))
    if application is None:
        raise unauthorized()
    connection = parameters.require("connection")
    if not _is_database(application, connection):
        # Reference 6.8: status and text are not documented
        raise ApiRefusal(400, "invalid_request", "The connection is unknown or not enabled for the client")
    return connection


def _is_database(application: Application, connection: str) -> bool:
    return connection in application.connections and connection not in ("email", "sms")


def _sign_up(state: TenantState, connection: str, parameters: Parameters) -> dict[str, Any]:
    password = parameters.require("password")
    names = only_values({name: parameters.get(name) for name in ("email", "username", "phone_number")})
    if not names:
        raise missing("email")
    if not state.sign_up_enabled:
        raise ApiRefusal(400, "public signup is disabled")
    check_password(state, password, [*names.values(), *only_values({n: parameters.get(n) for n in _PROFILE}).values()])
    with state.lock:
        for name in names.values():
            if state.user_by_login(name, connection) is not None:
                raise _user_exists(state, names)
        profile = only_values({name: parameters.get(name) for name in _PROFILE})
        email, username = names.get("email", "").lower() or None, names.get("username")
        user = User(
            sub=new_subject(),
            email=email,
            email_verified=False,
            phone_number=names.get("phone_number"),
            password=password,
            connection=connection,
            **{"name": email or username, "nickname": username or (email or "").partition("@")[0] or None, **profile},
        )
        state.users[user.sub] = user
    answer: dict[str, Any] = {"_id": user.sub.partition("|")[2], **names, "email_verified": False}
    return {**answer, "phone_verified": False} if user.phone_number else answer


def _legacy(code: str, name: str, **members: Any) -> ApiRefusal:
    """Return a refusal in the shape of the older endpoints."""
    refusal = ApiRefusal(400, code)
    refusal.body = {"name": name, "code": code, **members, "statusCode": 400}
    return refusal


def _user_exists(state: TenantState, names: dict[str, str]) -> ApiRefusal:
    if state.generic_sign_up_errors:
        return _legacy("invalid_signup", "BadRequestError", description="Invalid sign up")
    username = names.get("username")
    text = f"The user already exists (username: {username})." if username else "The user already exists."
    return _legacy("user_exists", "BadRequestError", description=text)


def check_password(state: TenantState, password: str, personal: list[str]) -> None:
    """Refuse a password that breaks the policy of the connection; ``personal``: what it may not contain."""
    policy = state.password_policy
    items: list[dict[str, Any]] = [
        {"message": text, "code": code, "verified": bool(re.search(pattern, password))}
        for code, (text, pattern) in _KINDS.items()
    ]
    is_long, has_kinds = len(password) >= policy.min_length, sum(item["verified"] for item in items) >= policy.kinds
    if not (is_long and has_kinds):
        rules = [
            {"message": _LENGTH, "format": [policy.min_length], "code": "lengthAtLeast", "verified": is_long},
            {
                "message": _CONTAINS,
                "format": [policy.kinds, len(items)],
                "code": "containsAtLeast",
                "items": items,
                "verified": has_kinds,
            },
        ]
        lines = [f"* {_LENGTH % policy.min_length}", f"* {_CONTAINS % (policy.kinds, len(items))}"]
        raise _legacy(
            "invalid_password",
            "PasswordStrengthError",
            message="Password is too weak",
            description={"rules": rules, "verified": False},
            policy="\n".join([*lines, *(f" * {item['message']}" for item in items)]),
        )
    if password.lower() in policy.dictionary:
        common = "Password is not allowed, it might be too common."
        raise _legacy(
            "invalid_password", "PasswordDictionaryError", message="Password is too common", description=common
        )
    parts = {part for text in personal for part in re.split(r"\W+", text.lower()) if len(part) > 3}
    if policy.no_user_info and any(part in password.lower() for part in parts):
        # Reference 6.8: the exact body is not documented
        raise _legacy("invalid_password", "PasswordNoUserInfoError", message="Password contains user information")


def _reset_password(state: TenantState, ticket: str) -> Response:
    """Show the page behind a reset link, and take the new password. A link works once, and only the newest."""
    sub = state.peek("reset", ticket)
    user = state.users.get(sub or "")
    if user is None or state.reset_tickets.get(user.sub) != ticket:
        raise PageRefusal(400, "access_denied", "This link can only be used once, or it has expired.")
    if request.method == "GET":
        return Response(render_template("reset_password.html", user=user, state=state))
    try:
        password = request.form.get("password", "")
        check_password(state, password, list(filter(None, [user.email, user.nickname, user.name])))
    except ApiRefusal as refusal:
        page = render_template("reset_password.html", user=user, state=state, problem=refusal.body["message"])
        return Response(page, status=400)
    state.take("reset", ticket)
    user.password = password
    for session in [found for found in state.sessions.values() if found.sub == user.sub]:
        end_session(state, session)
    return Response(render_template("reset_password.html", user=user, state=state, is_done=True))
