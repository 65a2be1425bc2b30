"""Round trips to the tenant that show no page (``prompt=none``), and what a response means for its purpose.

A silent login adopts the tenant's session of a visitor who comes without a login; a re-check looks whether the session
behind a long login is still there. Neither ever ends at an error page: nobody asked for them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from . import answers, flow, logout_flow, site_urls
from .conf import get_client, get_settings
from .models import LoginSession, SpentLogoutToken
from .protocol import front_channel
from .protocol.authorization import AuthorizationResponse, kinds_of
from .protocol.errors import Auth0Error, AuthorizationError, CallbackError, LoginRequired
from .session import Auth0Session
from .signals import login_failed, send
from .storage.session_facts import FACTS_KEY, remember_silent_login, silent_logins_tried
from .transactions import ACCESS_TOKEN, RECHECK, SILENT, Transaction

logger = logging.getLogger("django_auth0_flow.silent")

#: In an address: whether the browser keeps cookies is being found out, or it is known that it lost them on the way.
MARKER, PROBING, LOST = "auth0_silent", "cookies", "off"
#: A re-check that did not come back is tried again after so many seconds.
RECHECK_RETRY_SECONDS = 60
_NO_SESSION = ("login_required", "consent_required", "interaction_required", "account_selection_required")


# -- begin ---------------------------------------------------------------------------------------------------------------


def adopt_session(request: HttpRequest, configuration: str, parameters: Mapping[str, str]) -> HttpResponse | None:
    """Answer a visitor without a login by a look for the tenant's session; None lets the visitor through as nobody.

    Once per session, for a person's GET navigation only, and never before the browser has shown that it keeps cookies: a
    visitor without them would be sent round for ever, and a robot for nothing.
    """
    marker = request.GET.get(MARKER)
    if not _is_page_view(request) or marker == LOST:
        return None
    if not request.COOKIES:
        here = site_urls.safe_next(request, with_marker(request.get_full_path(), PROBING))
        return answers.probe_cookies(request, here) if here and marker is None else None
    if configuration in silent_logins_tried(request):
        return None
    try:
        url = flow.begin_login(
            request,
            configuration=configuration,
            next_url=site_urls.safe_next(request, with_marker(request.get_full_path(), None)),
            parameters={**parameters, "prompt": "none"},
            purpose=SILENT,
        )
    except Auth0Error as error:
        logger.warning("silent_login_skipped code=%s", error.code)
        return None
    return answers.finish_answer(HttpResponseRedirect(url))


def recheck_session(request: HttpRequest, login: Auth0Session) -> HttpResponse | None:
    """Answer a visitor whose login was not checked for ``RECHECK_SECONDS`` by a look whether the tenant's session lives.

    None if it is not due, or can't be done now. Raises LoginRequired when the login session's row is gone.
    """
    conf, facts = login.configuration, login.facts
    now = conf.clock()
    if not conf.recheck_seconds or now - facts.get("checked", facts.get("at", now)) < conf.recheck_seconds:
        return None
    if not _is_page_view(request) or 0 <= now - facts.get("check_began", 0) < RECHECK_RETRY_SECONDS:
        return None
    organization = {"organization": login.organization} if login.organization else {}
    request.session[FACTS_KEY] = {**facts, "check_began": now}
    try:
        url = flow.begin_login(
            request,
            configuration=conf.name,
            next_url=site_urls.safe_next(request, request.get_full_path()),
            parameters={"scope": "openid", "prompt": "none", **organization},
            purpose=RECHECK,
        )
    except Auth0Error as error:
        logger.warning("recheck_skipped code=%s", error.code)
        return None
    return answers.finish_answer(HttpResponseRedirect(url))


# -- finish --------------------------------------------------------------------------------------------------------------


def complete(request: HttpRequest, response: AuthorizationResponse, transaction: Transaction) -> str:
    """Do what a response is there for and return where to go. Raises as ``flow.complete_login``, but for silent ones."""
    if transaction.purpose == ACCESS_TOKEN:
        return add_access_token(request, response, transaction)
    if transaction.purpose == RECHECK:
        return _finish_recheck(request, response, transaction)
    if transaction.purpose == SILENT:
        return _finish_silent(request, response, transaction)
    return flow.complete_login(request, response, transaction)


def _finish_silent(request: HttpRequest, response: AuthorizationResponse, transaction: Transaction) -> str:
    """Log in if the tenant knows the visitor, else remember that it does not. A login made meanwhile stays."""
    back = _back(request, transaction)
    if request.user.is_authenticated:
        return back
    try:
        return flow.complete_login(request, response, transaction)
    except Auth0Error as error:
        remember_silent_login(request, transaction.configuration)
        _report(request, error, "silent_login_failed")
        return back


def _finish_recheck(request: HttpRequest, response: AuthorizationResponse, transaction: Transaction) -> str:
    """End the local login if the tenant's session is gone or is somebody else's; anything else keeps it."""
    back = _back(request, transaction)
    login = Auth0Session(request, (transaction.configuration,))
    if not transaction.login_id or login.facts.get("id") != transaction.login_id:
        return back  # logged out, or in again, in another tab
    try:
        _, claims = flow.redeem_response(response, transaction)
    except Auth0Error as error:
        if isinstance(error, AuthorizationError) and error.error == "login_required":
            logout_flow.end_local_login(request, "tenant_session_ended")
            remember_silent_login(request, transaction.configuration)
            return back
        _report(request, error, "recheck_failed")
        _confirm(request, login)
        return back
    try:
        known = login.claims
    except LoginRequired:
        return back  # ended meanwhile: the page says so
    if any(claims[name] != known[name] for name in ("iss", "sub")):
        logout_flow.end_local_login(request, "another_user")
        return back
    _confirm(request, login)
    # A later logout at the tenant names the session that is there now. One that came before this was written found nothing.
    rows = LoginSession.objects.filter(pk=transaction.login_id)
    rows.update(sid_key=LoginSession.sid_key_for(claims["iss"], claims.get("sid")))
    client_id = login.configuration.client_id
    if SpentLogoutToken.objects.has_ended(client_id, claims, began_at=transaction.started_at):
        logout_flow.end_local_login(request, "backchannel_logout")
    return back


def add_access_token(request: HttpRequest, response: AuthorizationResponse, transaction: Transaction) -> str:
    """Add the access token of a ``response_type=token`` answer to the login that asked for it; return where to go.

    It logs nobody in: the login is there, and ``/userinfo`` says that the token is its user's. Raises as
    ``flow.complete_login``.
    """
    login = Auth0Session(request, (transaction.configuration,))
    if not transaction.login_id or login.facts.get("id") != transaction.login_id:
        raise CallbackError("The login that wanted this access token is over.", code="state_unknown")
    flow.judge_origin(response, transaction)
    client, conf = get_client(transaction.configuration), get_settings(transaction.configuration)
    asked = transaction.request(response.state)
    tokens = front_channel.access_token_of(client, asked, response)
    row = login.login_session
    audience = front_channel.audience_of(asked)
    tokens = front_channel.check_access_token(client, tokens, subject=row.grant.claims["sub"], audience=audience)
    kept = row.grant.tokens
    row.save_grant(
        replace(row.grant, tokens=replace(tokens, id_token=kept.id_token, refresh_token=kept.refresh_token)),
        refreshed_at=conf.clock(),
    )
    request.session[FACTS_KEY] = {**login.facts, "asked": transaction.requirement, "token_at": conf.clock()}
    logger.info("access_token_added login_session=%s", row.pk)
    return _back(request, transaction)


def may_fetch_access_token(login: Auth0Session, test: str) -> bool:
    """Tell whether the failed ``test`` is for an access token that ``response_type=token`` can bring; once in a while."""
    conf = login.configuration
    is_due = abs(conf.clock() - login.facts.get("token_at", 0)) >= RECHECK_RETRY_SECONDS
    return test == "no_access_token" and kinds_of(conf.response_type) == {"id_token"} and is_due


# -- parts ---------------------------------------------------------------------------------------------------------------


def with_marker(url: str, marker: str | None) -> str:
    """Return a path of this site with the marker set, or without it."""
    path, _, query = url.partition("?")
    pairs = [pair for pair in query.split("&") if pair and not pair.startswith(f"{MARKER}=")]
    if marker is not None:
        pairs.append(f"{MARKER}={marker}")
    return f"{path}?{'&'.join(pairs)}" if pairs else path


def _is_page_view(request: HttpRequest) -> bool:
    """Tell a person's view of a whole page; a frame's is none: the round trip would end in it."""
    whole = request.headers.get("Sec-Fetch-Dest", "document") == "document"
    return request.method == "GET" and whole and answers.is_navigation(request) and not answers.is_prefetch(request)


def _back(request: HttpRequest, transaction: Transaction) -> str:
    return site_urls.landing_url(site_urls.safe_next(request, transaction.next_url))


def _confirm(request: HttpRequest, login: Auth0Session) -> None:
    facts: dict[str, Any] = {**login.facts, "checked": login.configuration.clock()}
    facts.pop("check_began", None)
    request.session[FACTS_KEY] = facts


def _report(request: HttpRequest, error: Auth0Error, event: str) -> None:
    """Log what a person would have seen; that there is no session to adopt is the ordinary case."""
    code = answers.public_code(error)
    if isinstance(error, AuthorizationError) and error.error in _NO_SESSION:
        logger.info("%s code=%s", event, code)
        return
    logger.warning("%s code=%s", event, code)
    send(login_failed, Auth0Session, request=request, error=error)
