"""``Auth0Middleware``: attaches ``request.auth0``, refreshes early, answers errors that leave a view."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import NoReverseMatch

from django_auth0_flow import error_responses
from django_auth0_flow.access.current_login import end_if_over
from django_auth0_flow.login import ceiling, form_post_cookie
from django_auth0_flow.models import LoginSession
from django_auth0_flow.pages.urls import is_about_our_include, not_included
from django_auth0_flow.protocol.errors import (
    AccountsRefused,
    LoginRequired,
    MachineTokenRefused,
    MfaRequired,
    NoAccessToken,
    TransportError,
)
from django_auth0_flow.session import Auth0Session
from django_auth0_flow.storage.django_session_facts import FACTS_KEY
from django_auth0_flow.storage.short_sessions import send_cookie, settle

logger = logging.getLogger(__name__)

#: Set by the decorators on the views they protect: the names of the configurations whose logins they take.
MARK = "auth0_login_required"

_ANSWERED = (LoginRequired, TransportError, NoAccessToken, MfaRequired, MachineTokenRefused, AccountsRefused)


class Auth0Middleware:
    """Stands after ``AuthenticationMiddleware``. Costs no query and no network until ``request.auth0`` is touched."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)
            # Django runs a synchronous hook of an async chain in a thread, for every request; this one need not.
            self.process_view = self._aprocess_view  # type: ignore[method-assign,assignment]  # Django awaits it

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        request.auth0 = login = Auth0Session(request)  # type: ignore[attr-defined]  # this is what adds it
        if self.is_async:
            return self._acall(request, login)
        response: HttpResponseBase = self.get_response(request)
        if request.session.accessed:
            _settle_session(request, response)
        if _has_work(request, login):
            after_response(request, login)
        _send_cookies(request, response)
        return response

    async def _acall(self, request: HttpRequest, login: Auth0Session) -> HttpResponseBase:
        response: HttpResponseBase = await self.get_response(request)
        if request.session.accessed:  # so it is in memory: nothing blocks
            _settle_session(request, response)
        if _has_work(request, login):
            await sync_to_async(after_response)(request, login)
        _send_cookies(request, response)
        return response

    def process_view(self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any) -> None:
        """Refresh before a protected view runs: outside any transaction, at most once, never failing the request."""
        names = getattr(view, MARK, None)
        if names is not None:
            _login_of(request, names).refresh_early()

    async def _aprocess_view(self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any) -> None:
        names = getattr(view, MARK, None)
        if names is not None:
            await sync_to_async(_login_of(request, names).refresh_early)()

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer an error that left a view: log in first, or try again later.

        Django's own words for a LOGIN_URL that leads nowhere are replaced by what to add to urls.py.
        """
        if isinstance(exception, _ANSWERED):
            return error_responses.answer(request, exception)
        if isinstance(exception, NoReverseMatch) and is_about_our_include(exception):
            raise not_included() from exception
        return None


def _login_of(request: HttpRequest, names: Collection[str]) -> Auth0Session:
    login: Auth0Session = request.auth0  # type: ignore[attr-defined]  # set in __call__
    return login.for_configuration(*names)


def _has_work(request: HttpRequest, login: Auth0Session) -> bool:
    """Tell whether ``after_response`` has something to do; asks no database."""
    session = request.session
    return login.was_touched or session.modified or (session.accessed and ceiling.has_ceiling(request))


def _send_cookies(request: HttpRequest, response: HttpResponseBase) -> None:
    if form_post_cookie.has_changes(request):
        form_post_cookie.apply(request, response)
    ceiling.send_cookie(request, response)


def _settle_session(request: HttpRequest, response: HttpResponseBase) -> None:
    settle(request.session)
    send_cookie(request, response)


def after_response(request: HttpRequest, login: Auth0Session) -> None:
    """Save rotated tokens again if a rollback undid that, store a session key that has changed, keep to the ceiling.

    If the login session was ended while the key changed, log out here: only the session with the old key was deleted.
    """
    login.after_response()
    end_if_over(request)
    session = request.session
    if (session.accessed or session.modified) and ceiling.has_ceiling(request):
        ceiling.cap_session(request)
    facts = session.get(FACTS_KEY) if session.modified and not session.is_empty() else None
    if not isinstance(facts, dict) or not facts.get("id"):
        return
    if session.session_key is None:  # Django's login() has flushed another user's session: it has no key yet
        session.save()
    if facts.get("key") == session.session_key:
        return
    row = LoginSession(pk=uuid.UUID(facts["id"]), configuration=str(facts.get("configuration")))
    if row.follow_session(session.session_key):
        session[FACTS_KEY] = {**facts, "key": session.session_key}
    else:
        logger.info("login_session_ended login_session=%s reason=ended_meanwhile", facts["id"])
        session.flush()
