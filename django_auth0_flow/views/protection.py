"""The check before a protected view: None, or the answer to a visitor whose login is not enough."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from django_auth0_flow import error_responses
from django_auth0_flow.access.current_login import become_anonymous, is_session_gone, login_refusal, organization_for
from django_auth0_flow.access.requirements import Requirement, Shortfall
from django_auth0_flow.login import silent
from django_auth0_flow.login.admission import check_organization_allowed
from django_auth0_flow.login.begin import begin_login
from django_auth0_flow.login.transactions import ACCESS_TOKEN, LOGIN
from django_auth0_flow.pages import rendering
from django_auth0_flow.pages.unavailable import unavailable
from django_auth0_flow.protocol.errors import Auth0Error, LoginRequired, TransportError
from django_auth0_flow.session import Auth0Session, no_middleware
from django_auth0_flow.storage.django_session_facts import FACTS_KEY, noted_login

logger = logging.getLogger(__name__)


def check_login(
    request: HttpRequest,
    requirement: Requirement,
    *,
    configurations: Sequence[str] = (),
    may_be_anonymous: bool = False,
) -> HttpResponse | None:
    """Return None if the visitor's login satisfies ``requirement``, else the answer. Raises LoginRequired or NoAccessToken.

    ``configurations``: whose logins count; ``request.auth0`` is this login from here on. ``may_be_anonymous``: a visitor
    who is not logged in is let through, after a silent login was tried.
    """
    login = getattr(request, "auth0", None)
    if not isinstance(login, Auth0Session):
        raise no_middleware("auth0_login_required")
    if configurations and login.named and set(configurations).isdisjoint(login.named):
        # Two decorators would replace each other's login for ever.
        logger.error(
            "configurations_exclude_each_other outer=%s inner=%s", ",".join(login.named), ",".join(configurations)
        )
        return error_responses.forbidden(
            request, Shortfall("configurations", tuple(configurations)), next_url=rendering.return_url(request)
        )
    requirement = requirement.for_request(request)
    # Only one that is named goes before ORGANIZATION.
    own_organization = isinstance(requirement.organization, str) and bool(requirement.organization)
    # What this view leaves open, an outer decorator or the request decides.
    request.auth0 = login = login.for_view(configurations, any_organization=own_organization)  # type: ignore[attr-defined]
    if login.is_logged_in:
        return _test_login(request, login, requirement)
    is_tested = bool(requirement.fingerprint or organization_for(request, login.configuration))
    if may_be_anonymous:
        return _let_anonymous_through(request, login, requirement, is_tested=is_tested)
    refusal = login_refusal(request)
    may_begin = rendering.is_navigation(request) and not error_responses.is_looping(request, login)
    # Begun here, not at the login view: a callable ORGANIZATION may go by this address.
    if is_tested and may_begin and not is_session_gone(request):
        return _ask_tenant(request, login, requirement)
    return error_responses.login_required(request, refusal)


def _let_anonymous_through(
    request: HttpRequest, login: Auth0Session, requirement: Requirement, *, is_tested: bool
) -> HttpResponse | None:
    """Begin a silent login, or let the visitor through as anonymous.

    A visitor who is logged in to this site by other means keeps that login, which the tenant's would replace. But the view
    sees an anonymous visitor if it has tests, which that login can't satisfy, or if the login does not count here.
    """
    if request.user.is_authenticated:
        if is_tested or noted_login(request):
            become_anonymous(request)
        return None
    if is_session_gone(request):
        return None
    return silent.adopt_session(request, login.configuration.name, requirement.parameters(login.configuration))


def _test_login(request: HttpRequest, login: Auth0Session, requirement: Requirement) -> HttpResponse | None:
    try:
        test = requirement.failed_test(login)
        if test is None and (round_trip := silent.recheck_session(request, login)) is not None:
            return round_trip
    except LoginRequired as error:
        return error_responses.login_required(request, error)
    except TransportError as error:
        return unavailable(request, error)
    asked_before = requirement.fingerprint and login.facts.get("asked") == requirement.fingerprint
    if test is None:
        if asked_before:
            request.session[FACTS_KEY] = {**login.facts, "asked": ""}
        if requirement.connected:
            login.connection_token(requirement.connected)  # the middleware answers what this raises
        return None
    if not rendering.is_navigation(request):
        return _forbid(request, login, requirement, test)
    if silent.may_fetch_access_token(login, test):
        return _ask_tenant(request, login, requirement, purpose=ACCESS_TOKEN)
    if asked_before or _was_asked_in_loop(request, login, requirement):
        return _forbid(request, login, requirement, test)
    return _ask_tenant(request, login, requirement)


def _forbid(request: HttpRequest, login: Auth0Session, requirement: Requirement, test: str) -> HttpResponse:
    shortfall = requirement.shortfall(test, login)
    return error_responses.forbidden(request, shortfall, next_url=rendering.return_url(request))


def _was_asked_in_loop(request: HttpRequest, login: Auth0Session, requirement: Requirement) -> bool:
    """Tell whether one of the last logins in a row was for this: stacked requirements can replace each other's login."""
    return error_responses.is_looping(request, login) and requirement.fingerprint in login.facts.get("demands", ())


def _ask_tenant(
    request: HttpRequest, login: Auth0Session, requirement: Requirement, *, purpose: str = LOGIN
) -> HttpResponse:
    if rendering.is_prefetch(request):
        return rendering.not_now()
    conf, next_url = login.configuration, rendering.return_url(request)
    try:
        url = begin_login(
            request,
            configuration=conf.name,
            next_url=next_url,
            # Ask for the scopes that the login has too, or the next page that needs them would have to log in again.
            parameters=requirement.parameters(conf, held=login.scopes),
            forwarded=_organization_held(login),
            requirement=requirement.fingerprint,
            any_organization=requirement.organization is True,
            purpose=purpose,
        )
    except Auth0Error as error:
        return error_responses.not_begun(request, error, next_url=next_url, configuration=conf.name)
    return rendering.finish_answer(HttpResponseRedirect(url))


def _organization_held(login: Auth0Session) -> dict[str, str]:
    """Return the parameter that keeps the login in its organization, if logins to that one are allowed here."""
    conf, found = login.configuration, login.organization
    try:
        check_organization_allowed(conf, login.claims, was_asked_for=not conf.allowed_organizations)
    except Auth0Error:
        return {}
    return {"organization": found} if found else {}
