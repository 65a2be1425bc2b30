"""What has happened of a login, for a picture of it that lights up: who asked whom, and when. Never a code or a token.

Add ``django_auth0_flow.testing.demo.flow.FlowMiddleware`` to the end of a demo's ``MIDDLEWARE``; ``state_of(request)``
tells a page what this browser has been through, ``state`` is a view that tells a script. It is kept in this process's
memory. A cookie, which outlives logins, tells browsers apart; calls of APIs belong to the browser in which their user
logged in last.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.cache import never_cache

from django_auth0_flow.conf import DEFAULT, get_settings
from django_auth0_flow.models import LoginSession
from django_auth0_flow.signals import tokens_refreshed
from django_auth0_flow.storage.django_session_facts import noted_login

from . import clock

#: In the order in which they happen.
STEPS = ("ask", "authorize", "callback", "exchange", "api", "refresh", "logout")
_COOKIE = "demo_flow"
_MOST = 200
_LOGGED_IN = "_demo_flow_logged_in"


@dataclass
class Flow:
    """One browser's steps: how often each was taken, and when last, by the demo's clock."""

    times: dict[str, int] = field(default_factory=dict)
    at: dict[str, float] = field(default_factory=dict)
    latest: str = ""


class Recorder:
    """The flows of the newest browsers, and whose access tokens are which browser's; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flows: OrderedDict[str, Flow] = OrderedDict()
        self._owners: OrderedDict[str, str] = OrderedDict()

    def note(self, browser: str, *steps: str) -> None:
        """Note steps that a browser's login has taken just now. One that begins forgets those of the last one."""
        with self._lock:
            flow = self._flows.pop(browser, None) if steps[0] != "ask" else None
            self._flows[browser] = flow = flow or Flow()
            for step in steps:
                flow.times[step] = flow.times.get(step, 0) + 1
                flow.at[step] = clock.now()
                flow.latest = step
            _shorten(self._flows)

    def note_of(self, subject: str, step: str) -> None:
        """Note a step that was taken with the tokens of a user: it belongs to the browser that logged in as them last."""
        with self._lock:
            browser = self._owners.get(subject)
        if browser is not None:
            self.note(browser, step)

    def own(self, subject: str, browser: str) -> None:
        with self._lock:
            self._owners[subject] = browser
            _shorten(self._owners)

    def state(self, browser: str) -> dict[str, Any]:
        """Return each step that was taken with its time of day (UTC) and count, and which was the latest."""
        with self._lock:
            flow = self._flows.get(browser) or Flow()
            taken = {
                step: {"at": _time_of(flow.at[step]), "times": flow.times[step]} for step in STEPS if step in flow.at
            }
            return {"taken": taken, "latest": flow.latest}


def _shorten(entries: OrderedDict[str, Any]) -> None:
    while len(entries) > _MOST:
        entries.popitem(last=False)


def _time_of(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")


recorder = Recorder()


GetResponse = Callable[[HttpRequest], HttpResponseBase]


def FlowMiddleware(get_response: GetResponse) -> GetResponse:  # noqa: N802  # named as Django names them
    """Note what each answer says of the login, and give browsers the cookie that tells them apart."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        browser = request.COOKIES.get(_COOKIE) or secrets.token_urlsafe(16)
        response = get_response(request)
        claims: Mapping[str, Any] | None = getattr(request, "access_token_claims", None)
        if claims is not None:  # a program's request with an access token: the site's own
            if response.status_code < 400:
                recorder.note_of(str(claims.get("sub")), "api")
            return response
        if steps := _steps_in(request, response):
            recorder.note(browser, *steps)
        if _has_logged_in(request):
            row = LoginSession.objects.select_related("identity").filter(pk=noted_login(request)["id"]).first()
            if row is not None:
                recorder.own(row.identity.subject, browser)
        if _COOKIE not in request.COOKIES:
            response.set_cookie(_COOKIE, browser, httponly=True, samesite="Lax")
        return response

    return middleware


def _steps_in(request: HttpRequest, response: HttpResponseBase) -> list[str]:
    """Return the steps that a request and its answer are evidence of."""
    target = urlsplit(response.headers.get("Location", ""))
    if target.path == "/authorize":
        return ["ask", "authorize"]
    if target.path in ("/oidc/logout", "/v2/logout"):
        return ["logout"]
    if not _has_logged_in(request):
        return []
    match = request.resolver_match
    by_redirect = ["callback"] if match is not None and match.url_name == "callback" else []
    return [*by_redirect, *(["exchange"] if _has_asked_tenant(request) else [])]


def _has_logged_in(request: HttpRequest) -> bool:
    """Tell whether this very request has made a login of ours, not one by another backend."""
    return getattr(request, _LOGGED_IN, False) and bool(noted_login(request))


def _has_asked_tenant(request: HttpRequest) -> bool:
    """Tell whether the login's tokens were asked for at the token endpoint, not brought by the browser."""
    conf = get_settings(noted_login(request).get("configuration") or DEFAULT)
    match = request.resolver_match
    return "code" in conf.response_type.split() or match is None or match.url_name != "callback"


@receiver(user_logged_in)
def _note_login(*, request: HttpRequest | None = None, **kwargs: Any) -> None:
    if request is not None:
        setattr(request, _LOGGED_IN, True)


@receiver(tokens_refreshed)
def _note_refresh(*, login_session: LoginSession, **kwargs: Any) -> None:
    recorder.note_of(login_session.identity.subject, "refresh")


def state_of(request: HttpRequest) -> dict[str, Any]:
    """Return what this browser's login has been through, as ``Recorder.state``."""
    return recorder.state(request.COOKIES.get(_COOKIE, ""))


@never_cache
def state(request: HttpRequest) -> JsonResponse:
    """Tell a script the same."""
    return JsonResponse(state_of(request))
