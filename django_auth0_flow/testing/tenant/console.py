"""The tenant's page for a person: who exists, what was sent, what went wrong, and buttons. ``/_tenant/``, loopback only.

A browser that is here also visits other sites. They can't read this page: its host must be a name of this machine, whatever
address a name of theirs leads to. They can't press its buttons: each form carries a secret of this process, and comes from
this very page. They can't show it in a frame.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from hmac import compare_digest

from flask import Blueprint, Response, abort, render_template, request

from .control import CONTROLS, is_for_this_machine
from .faults import ENDPOINTS, FAULTS
from .logout import end_session
from .model import User
from .parameters import redirect_to
from .state import TenantState

#: Requests shown, newest first.
_REQUESTS = 30


def console_blueprint(state: TenantState) -> Blueprint:
    blueprint = Blueprint("console", __name__, url_prefix="/_tenant")
    console = Console(state)
    blueprint.before_request(console.check_visitor)
    blueprint.add_url_rule("/", "page", console.page)
    blueprint.add_url_rule("/", "act", console.act, methods=["POST"])
    return blueprint


class Console:
    """The page and its buttons; each is a method whose name the form sends as ``do``."""

    def __init__(self, state: TenantState) -> None:
        self.state = state
        self._key = secrets.token_urlsafe(32)
        self._actions: dict[str, Callable[[], None]] = {
            "block": self.block,
            "unblock": self.unblock,
            "end_sessions": self.end_sessions,
            "revoke": self.revoke,
            "expire": self.expire,
            "move_clock": self.move_clock,
            "reset_clock": self.reset_clock,
            "shorten": self.shorten,
            "rotate_keys": self.rotate_keys,
            "revoke_keys": self.revoke_keys,
            "add_fault": self.add_fault,
            "clear_faults": self.clear_faults,
            "clear_refusals": self.clear_refusals,
        }

    def check_visitor(self) -> None:
        if not is_for_this_machine():
            abort(403)

    def page(self) -> Response:
        state = self.state
        nonce = secrets.token_urlsafe(16)
        page = render_template(
            "console.html",
            state=state,
            key=self._key,
            nonce=nonce,
            done=request.args.get("done", ""),
            live=state.refresh_tokens.live_by_user(),
            sessions=[session.sub for session in list(state.sessions.values())],
            messages=list(reversed(state.outbox)),
            refusals=state.refusals.snapshot(),
            requests=list(reversed(state.log.snapshot()[-_REQUESTS:])),
            faults=FAULTS,
            endpoints=ENDPOINTS,
            controls=CONTROLS,
            time_of=_time_of,
        )
        response = Response(page)
        response.headers.update(
            {
                "Cache-Control": "no-store",
                "Content-Security-Policy": f"default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self'; "
                "base-uri 'none'; frame-ancestors 'none'",
                # Not "no-referrer": browsers would hide the origin of the page's own forms, too.
                "Referrer-Policy": "same-origin",
                "X-Content-Type-Options": "nosniff",
                "X-Frame-Options": "DENY",
            }
        )
        return response

    def act(self) -> Response:
        """Do what a button says, and show the page again at the same place."""
        origin = request.headers.get("Origin")
        is_ours = compare_digest(request.form.get("key", "").encode(), self._key.encode())
        if not is_ours or (origin is not None and origin != request.host_url.rstrip("/")):
            abort(403)
        action = self._actions.get(request.form.get("do", ""))
        if action is None:
            abort(400)
        try:
            action()
        except ValueError:
            abort(400)
        response = redirect_to(f"/_tenant/?done={request.form['do']}#{_place_of(request.form['do'])}")
        response.status_code = 303
        return response

    # -- buttons ---------------------------------------------------------------------------------------------------------

    def _user(self) -> User:
        user = self.state.users.get(request.form.get("sub", ""))
        if user is None:
            abort(404)
        return user

    def block(self) -> None:
        self._user().blocked = True

    def unblock(self) -> None:
        """Let a user in again, and forget failed passwords: they may be what keeps this one out."""
        self._user().blocked = False
        self.state.failed_logins.clear()

    def end_sessions(self) -> None:
        user = self._user()
        for session in [found for found in list(self.state.sessions.values()) if found.sub == user.sub]:
            end_session(self.state, session)

    def revoke(self) -> None:
        self.state.refresh_tokens.revoke_all(self._user().sub)

    def expire(self) -> None:
        """Put the clock past the end of every access token."""
        self.state.clock.advance(max((api.lifetime for api in self.state.apis.values()), default=86400) + 1)

    def move_clock(self) -> None:
        self.state.clock.advance(_whole("seconds", 366 * 86400))

    def reset_clock(self) -> None:
        self.state.clock.reset()

    def shorten(self) -> None:
        """Give new access tokens a short life: what a site that goes by its own clock notices."""
        seconds = _whole("seconds", 30 * 86400)
        for api in self.state.apis.values():
            api.lifetime = seconds

    def rotate_keys(self) -> None:
        self.state.keys.rotate(revoke_previous=False)

    def revoke_keys(self) -> None:
        self.state.keys.rotate(revoke_previous=True)

    def add_fault(self) -> None:
        name = request.form.get("name", "")
        options = {"endpoint": request.form["endpoint"]} if name in FAULTS and FAULTS[name][0] == "transport" else {}
        self.state.faults.add(name, _whole("times", 1000), **options)

    def clear_faults(self) -> None:
        self.state.faults.clear()

    def clear_refusals(self) -> None:
        self.state.refusals.clear()


def _whole(field: str, most: int) -> int:
    """Return a number of the form. Raises ValueError unless it is whole, and from 1 to ``most``."""
    found = int(request.form.get(field, ""))
    if not 1 <= found <= most:
        raise ValueError(field)
    return found


def _place_of(action: str) -> str:
    """Return the section of the page that an action belongs to."""
    if action in ("block", "unblock", "end_sessions", "revoke"):
        return "people"
    return "refusals" if action == "clear_refusals" else "controls"


def _time_of(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")
