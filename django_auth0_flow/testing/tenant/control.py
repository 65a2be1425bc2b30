"""The tenant's remote control for other processes: ``/_tenant/…``, JSON, loopback only, never logged."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

from flask import Blueprint, Response, abort, request

from .parameters import json_response
from .state import TenantState

_LOOPBACK_NAMES = {"127.0.0.1", "localhost", "[::1]"}


#: Every control: method, path below ``/_tenant``, the method of ``Control``, what it does, and a body or query to send.
CONTROLS = (
    ("GET", "/state", "read_state", "issuer, clock, sessions, refresh tokens, requests counted, faults that wait", ""),
    ("GET", "/log", "read_log", "every request so far, without secrets", ""),
    ("DELETE", "/log", "clear_log", "forgets them", ""),
    ("GET", "/refusals", "read_refusals", "what was refused, why, and the mistake behind it", ""),
    ("GET", "/outbox", "read_outbox", "e-mails and text messages, with the codes in them", ""),
    ("POST", "/clock", "move_clock", "moves the clock by seconds, or sets it to epoch seconds", '{"advance": 86400}'),
    (
        "POST",
        "/faults",
        "add_fault",
        "lets something go wrong",
        '{"name": "rate-limit", "times": 3, "retry_after": 10}',
    ),
    ("DELETE", "/faults", "clear_faults", "forgets the faults that wait", ""),
    ("POST", "/keys/rotate", "rotate_keys", "takes the next signing key into use", '{"revoke_previous": false}'),
    ("POST", "/applications", "change_application", "changes fields of the one in ?client_id=", '{"overlap": 10}'),
    ("POST", "/apis", "change_api", "changes fields of the one in ?identifier=", '{"lifetime": 60}'),
    (
        "POST",
        "/users",
        "change_user",
        "changes fields of the one in ?sub=: blocked, permissions, and roles as claims",
        '{"claims": {"https://app.example.com/roles": ["admin"]}}',
    ),
    ("DELETE", "/refresh-tokens", "revoke_refresh_tokens", "revokes those of the user in ?sub=", ""),
)


def control_blueprint(state: TenantState) -> Blueprint:
    blueprint = Blueprint("control", __name__, url_prefix="/_tenant")
    control = Control(state)
    blueprint.before_request(_only_local_programs)
    for method, path, name, _, _ in CONTROLS:
        blueprint.add_url_rule(path, name, getattr(control, name), methods=[method])
    return blueprint


def is_for_this_machine() -> bool:
    """Tell whether the request names this machine: with any other name, its address may be an attacker's doing."""
    return request.host.rpartition(":")[0] in _LOOPBACK_NAMES


def _only_local_programs() -> None:
    """Keep web pages out: no foreign host name, no cross-site post."""
    if not is_for_this_machine() or request.headers.get("Origin"):
        abort(403)


def _body() -> dict[str, Any]:
    body = request.get_json(silent=True) if request.get_data() else {}
    if not isinstance(body, dict):
        abort(400)
    return body


class Control:
    """One method per route."""

    def __init__(self, state: TenantState) -> None:
        self.state = state

    def read_state(self) -> Response:
        state = self.state
        counts = Counter(
            f"{entry.path} {entry.grant_type}" if entry.grant_type else entry.path for entry in state.log.snapshot()
        )
        return json_response(
            {
                "issuer": state.issuer,
                "now": state.clock.now(),
                "families_revoked": state.refresh_tokens.families_revoked,
                "families_live": state.refresh_tokens.live(),
                "sessions": len(state.sessions),
                "counts": counts,
                "faults": state.faults.pending(),
            }
        )

    def read_log(self) -> Response:
        return json_response([entry.as_dict() for entry in self.state.log.snapshot()])

    def clear_log(self) -> Response:
        self.state.log.clear()
        return json_response({})

    def read_refusals(self) -> Response:
        return json_response([dataclasses.asdict(found) for found in self.state.refusals.snapshot()])

    def read_outbox(self) -> Response:
        """Answer with the messages to users, codes included: this is where a person reads them."""
        return json_response([message.as_dict() for message in self.state.outbox])

    def move_clock(self) -> Response:
        asked = _body()
        if "set" in asked:
            self.state.clock.set(float(asked["set"]))
        return json_response({"now": self.state.clock.advance(float(asked.get("advance", 0)))})

    def add_fault(self) -> Response:
        asked = _body()
        try:
            self.state.faults.add(asked.pop("name", ""), asked.pop("times", 1), **asked)
        except ValueError as error:
            return json_response({"error": str(error)}, 400)
        return json_response({"faults": self.state.faults.pending()})

    def clear_faults(self) -> Response:
        self.state.faults.clear()
        return json_response({"faults": []})

    def rotate_keys(self) -> Response:
        self.state.keys.rotate(revoke_previous=bool(_body().get("revoke_previous", False)))
        return json_response({"kid": self.state.keys.current.kid})

    def change_application(self) -> Response:
        return _change(self.state.applications.get(request.args.get("client_id", "")))

    def change_api(self) -> Response:
        return _change(self.state.apis.get(request.args.get("identifier", "")))

    def change_user(self) -> Response:
        return _change(self.state.users.get(request.args.get("sub", "")))

    def revoke_refresh_tokens(self) -> Response:
        return json_response({"revoked": self.state.refresh_tokens.revoke_all(request.args.get("sub", ""))})


def _change(thing: Any) -> Response:
    """Set fields of a configuration object from a JSON object."""
    if thing is None:
        return json_response({"error": "not found"}, 404)
    asked = _body()
    unknown = sorted(set(asked) - {field.name for field in dataclasses.fields(thing)})
    if unknown:
        return json_response({"error": f"no such field: {', '.join(unknown)}"}, 400)
    for name, value in asked.items():
        setattr(thing, name, set(value) if isinstance(getattr(thing, name), set) else value)
    return json_response({})
