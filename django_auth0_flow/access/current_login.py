"""Who is logged in: the one place that decides it. ``request.auth0``, decorators, DRF, templates and middleware ask here.

A visitor is logged in when all of this holds. Django's session authenticates this very user now, and the user is active.
The session names a login session whose row exists and belongs to this user. That was made with a configuration that is
accepted here, and to the organization that ``ORGANIZATION`` demands. Its ceiling (``session_expiry``) is not reached, and
the tenant has not ended its grant, as far as we know.

A login that is found to be over is ended at once, and Django's session with it. A tenant that is down, slow or answers
junk ends nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import SESSION_KEY as USER_SESSION_KEY
from django.contrib.auth import get_user, logout
from django.contrib.auth.middleware import get_user as get_cached_user
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest

from django_auth0_flow.conf import (
    Auth0Settings,
    chosen_configuration,
    configuration_for,
    configuration_names,
    get_settings,
)
from django_auth0_flow.models import LoginSession
from django_auth0_flow.protocol.claim_checks import check_organization
from django_auth0_flow.protocol.errors import LoginRequired, TokenValidationError
from django_auth0_flow.storage.django_session_facts import keep_loop_guard, noted, noted_login
from django_auth0_flow.storage.sealing import UnsealError
from django_auth0_flow.tokens.fetch import revoke
from django_auth0_flow.tokens.source import StoredTokenSource
from django_auth0_flow.tokens.stored import SESSION_EXPIRED

_SOURCES = "_auth0_sources"

_ENDED = "_auth0_ended"

_SESSION_GONE = "_auth0_session_gone"

_choosing_organization: ContextVar[bool] = ContextVar("choosing_organization", default=False)


@dataclass(frozen=True)
class CurrentLogin:
    """The login of a request. ``facts``: what Django's session notes of it; ``source``: its row and its tokens."""

    facts: Mapping[str, Any]
    source: StoredTokenSource
    configuration: Auth0Settings


def current_login(
    request: HttpRequest, configurations: Collection[str], *, any_organization: bool = False
) -> CurrentLogin | None:
    """Return the login of this request if it was made with one of these configurations, else None.

    ``any_organization``: for a view with a demand of its own, which goes before ``ORGANIZATION``. The row costs one query
    per request; asking again costs none.
    """
    facts = noted_login(request)
    if not facts or (user := _authenticated_user(request)) is None:
        return None
    source = _source_for(request, facts["id"])
    if source is None or source.find_row() is None:
        _end(request, facts, source)
        return None
    row = source.row
    if row.identity.user_id != user.pk or facts.get("configuration") != row.configuration:
        return None
    if row.configuration not in configurations:
        return None
    try:
        conf = get_settings(row.configuration)
    except ImproperlyConfigured:
        return None  # a login of a configuration that was taken out of the settings is no login any more
    try:
        source.check_ceiling()
        if not any_organization and (organization := organization_for(request, conf)):
            check_organization(source.grant.claims, organization)  # made at another host perhaps, or before it was set
    except TokenValidationError:
        return None
    except LoginRequired:
        _end(request, facts, source)
        return None
    source.in_use = True
    return CurrentLogin(facts, source, conf)


def organization_for(request: HttpRequest, conf: Auth0Settings) -> str:
    """Return the organization that ``ORGANIZATION`` demands for this request, "" for none.

    A callable may look at ``request.auth0``: what it sees there is the login, whatever its organization.
    """
    if isinstance(conf.organization, str):
        return conf.organization
    if _choosing_organization.get():
        return ""
    token = _choosing_organization.set(True)
    try:
        return conf.organization(request) or ""
    finally:
        _choosing_organization.reset(token)


def accepted_configurations(request: HttpRequest, names: Collection[str] = ()) -> tuple[str, ...]:
    """Return the configurations whose logins count: ``names``, by default the one that this request would log in with.

    Raises ImproperlyConfigured for a name that is not configured. One that is set up wrongly has no logins, and leaves
    those of the others alone.
    """
    for name in names:
        try:
            get_settings(name)
        except ImproperlyConfigured:
            if name not in configuration_names():
                raise
    return tuple(names) or (configuration_for(request),)


def configuration_to_log_in_with(request: HttpRequest, accepted: Collection[str]) -> str:
    """Return which of the accepted configurations the next login is for.

    The request's own choice, else the one of the last login, else the first.
    """
    names = tuple(accepted)
    for name in (chosen_configuration(request), noted(request).get("configuration")):
        if name in names:
            return str(name)
    return names[0]


def login_refusal(request: HttpRequest) -> LoginRequired:
    """Return why no one is logged in here: the login has ended, if this request has found one that did."""
    if code := getattr(request, _ENDED, ""):
        return LoginRequired("The login has ended.", code=code)
    return LoginRequired("No one is logged in.")


def is_session_gone(request: HttpRequest) -> bool:
    """Tell whether this request's login ended in another request, its session with it.

    Nothing is begun then: a new session would take the place of the one that the browser may have by now.
    """
    return bool(getattr(request, _SESSION_GONE, False))


def end_if_over(request: HttpRequest) -> None:
    """End the login of this request if the tenant has ended its grant while the request ran, or its row is gone."""
    facts = noted_login(request)
    source = sources_of(request).get(facts["id"]) if facts else None
    if source is not None and source.ended:
        _end(request, facts, source)


def sources_of(request: HttpRequest) -> dict[str, StoredTokenSource]:
    """Return the tokens that this request has looked at, by the id of their login session."""
    found: dict[str, StoredTokenSource] = request.__dict__.setdefault(_SOURCES, {})
    return found


def become_anonymous(request: HttpRequest) -> None:
    """Let the rest of this request run as for an anonymous visitor; the session stays as it is."""
    anonymous = AnonymousUser()

    async def auser() -> AnonymousUser:
        return anonymous

    request.user = anonymous
    request.auser = auser  # as AuthenticationMiddleware sets it


def _authenticated_user(request: HttpRequest) -> Any:
    """Return ``request.user`` if it is active and Django's session authenticates it now, else None.

    ``request.user`` alone would not do: other code may have put another user there, and what was put there says nothing
    about a session that Django has voided (another password, a backend that was removed).
    """
    user: Any = getattr(request, "user", None) or get_cached_user(request)
    if not user.is_authenticated or not getattr(user, "is_active", True):
        return None
    vouched_for: Any = get_cached_user(request)
    is_same = vouched_for.pk == user.pk
    if is_same:
        user = vouched_for  # as a rule request.user is a lazy stand-in for it, which takes long to ask
    meta = getattr(user, "_meta", None)
    if meta is None or str(request.session.get(USER_SESSION_KEY)) != meta.pk.value_to_string(user):
        return None
    # After login() in this very request the cached one is somebody else.
    return user if is_same or get_user(request).pk == user.pk else None


def _source_for(request: HttpRequest, login_id: str) -> StoredTokenSource | None:
    sources = sources_of(request)
    if login_id not in sources:
        try:
            sources[login_id] = StoredTokenSource(uuid.UUID(login_id))
        except ValueError:
            return None
    return sources[login_id]


def _end(request: HttpRequest, facts: Mapping[str, Any], source: StoredTokenSource | None) -> None:
    """Log this browser out of a login that is over.

    A session that is no longer stored belongs to a browser that has logged out, or in again, in another tab: its cookie
    is left alone, or the new login would go with the old one.
    """
    code = (source.ended if source is not None else "") or "login_session_ended"
    setattr(request, _ENDED, code)
    if source is not None and source.refused:
        # Has ended already, unless the view's transaction was rolled back, or its session could not be deleted.
        source.row.end(code, session=True)
    elif source is not None and code == SESSION_EXPIRED:
        _end_at_ceiling(source.row)
    elif request.session.session_key and not request.session.exists(request.session.session_key):
        setattr(request, _SESSION_GONE, True)
        become_anonymous(request)
        return
    logout(request)
    keep_loop_guard(request, facts)


def _end_at_ceiling(row: LoginSession) -> None:
    """End a login that has reached its ceiling; its refresh token would outlive it, so it is revoked, best effort."""
    if row.end(SESSION_EXPIRED, session=True):
        with suppress(UnsealError):
            revoke(row.configuration, row.grant.tokens.refresh_token)
