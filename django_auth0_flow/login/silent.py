"""Round trips to the tenant that show no page (``prompt=none``): whether one is due, and how it begins.

A silent login adopts the tenant's session of a visitor who comes without a login; a re-check looks whether the session
behind a long login is still there.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from django_auth0_flow.login import begin
from django_auth0_flow.login.transactions import RECHECK, SILENT
from django_auth0_flow.pages import rendering
from django_auth0_flow.pages import urls as site_urls
from django_auth0_flow.protocol.authorization import kinds_of
from django_auth0_flow.protocol.errors import Auth0Error
from django_auth0_flow.session import Auth0Session
from django_auth0_flow.storage.django_session_facts import FACTS_KEY, silent_logins_tried

logger = logging.getLogger(__name__)

#: A query parameter, and its values: a test of the browser's cookies is under way, or has found that it keeps none.
MARKER, PROBING, LOST = "auth0_silent", "cookies", "off"

#: A re-check that did not come back is tried again after so many seconds.
RECHECK_RETRY_SECONDS = 60


def adopt_session(request: HttpRequest, configuration: str, parameters: Mapping[str, str]) -> HttpResponse | None:
    """Send a visitor without a login to the tenant, to adopt a session there; None lets the visitor through as anonymous.

    Once per Django session, for a person's page views only, and only after the browser has shown that it keeps cookies:
    without them the visitor would be redirected for ever, and robots for nothing.
    """
    marker = request.GET.get(MARKER)
    if not _is_page_view(request) or marker == LOST:
        return None
    if not request.COOKIES:
        here = site_urls.safe_next(request, with_marker(request.get_full_path(), PROBING))
        return rendering.probe_cookies(request, here) if here and marker is None else None
    if configuration in silent_logins_tried(request):
        return None
    try:
        url = begin.begin_login(
            request,
            configuration=configuration,
            next_url=site_urls.safe_next(request, with_marker(request.get_full_path(), None)),
            parameters={**parameters, "prompt": "none"},
            purpose=SILENT,
        )
    except Auth0Error as error:
        logger.warning("silent_login_skipped code=%s", error.code)
        return None
    return rendering.finish_answer(HttpResponseRedirect(url))


def recheck_session(request: HttpRequest, login: Auth0Session) -> HttpResponse | None:
    """Send a visitor to the tenant to see whether its session lives, if the last check is ``RECHECK_SECONDS`` old.

    None if no check is due, or none can be made now. Raises LoginRequired when the login session's row is gone.
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
        url = begin.begin_login(
            request,
            configuration=conf.name,
            next_url=site_urls.safe_next(request, request.get_full_path()),
            parameters={"scope": "openid", "prompt": "none", **organization},
            purpose=RECHECK,
        )
    except Auth0Error as error:
        logger.warning("recheck_skipped code=%s", error.code)
        return None
    return rendering.finish_answer(HttpResponseRedirect(url))


def may_fetch_access_token(login: Auth0Session, test: str) -> bool:
    """Tell whether the failed ``test`` wants an access token that ``response_type=token`` can bring.

    At most once in RECHECK_RETRY_SECONDS: False when one came just now.
    """
    conf = login.configuration
    is_due = abs(conf.clock() - login.facts.get("token_at", 0)) >= RECHECK_RETRY_SECONDS
    return test == "no_access_token" and kinds_of(conf.response_type) == {"id_token"} and is_due


def with_marker(url: str, marker: str | None) -> str:
    """Return a path of this site with the marker set, or without it."""
    path, _, query = url.partition("?")
    pairs = [pair for pair in query.split("&") if pair and not pair.startswith(f"{MARKER}=")]
    if marker is not None:
        pairs.append(f"{MARKER}={marker}")
    return f"{path}?{'&'.join(pairs)}" if pairs else path


def _is_page_view(request: HttpRequest) -> bool:
    """Tell whether a person opens a whole page. A frame does not count: the round trip would end inside it."""
    whole = request.headers.get("Sec-Fetch-Dest", "document") == "document"
    return request.method == "GET" and whole and rendering.is_navigation(request) and not rendering.is_prefetch(request)
