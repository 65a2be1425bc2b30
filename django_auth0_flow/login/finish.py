"""Finish a login: every kind of login ends in ``finish_login``."""

from __future__ import annotations

from dataclasses import replace
from inspect import signature

from django.contrib.auth import authenticate, get_backends
from django.contrib.auth import login as log_in
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest

from django_auth0_flow.conf import get_settings
from django_auth0_flow.login import ceiling, transactions
from django_auth0_flow.login.admission import Login, check_ceiling, check_organization_allowed, with_userinfo
from django_auth0_flow.login.store import store_login
from django_auth0_flow.pages.urls import landing_url, safe_next
from django_auth0_flow.protocol.errors import Auth0Error, LoginRequired
from django_auth0_flow.storage.django_session_facts import noted


def finish_login(request: HttpRequest, login: Login) -> str:
    """Log the user of these claims in and return where to go.

    The session key changes, the tokens go into a LoginSession, a login session that this browser had before is replaced.
    Raises Auth0Error (``user_not_allowed``, ``organization_not_allowed``), or LoginRequired (``session_ended_at_tenant``,
    ``session_expired``), and ImproperlyConfigured where no backend is ours.
    """
    conf = get_settings(login.configuration)
    try:
        check_ceiling(conf, login.claims)
    except LoginRequired:
        ceiling.note(request, conf.name, login.claims)
        raise
    # What a visitor asks for, or any organization at all, is still subject to ALLOWED_ORGANIZATIONS.
    by = login.organization_by
    was_asked_for = by == transactions.BY_SITE or bool(by and not conf.allowed_organizations)
    check_organization_allowed(conf, login.claims, was_asked_for=was_asked_for)
    claims = with_userinfo(conf, login.tokens, login.claims)
    user = authenticate(request, id_token_claims=claims, configuration=conf.name)
    if user is None:
        _check_backends()
        raise Auth0Error("This user may not log in here.", code="user_not_allowed")
    login = replace(login, claims=claims, before=noted(request))
    log_in(request, user)
    store_login(request, user, login)
    return landing_url(safe_next(request, login.next_url))


def _check_backends() -> None:
    """Raise ImproperlyConfigured if no backend takes logins of ours: then nobody was refused, nobody was asked."""
    methods = [vars(base).get("authenticate") for backend in get_backends() for base in type(backend).__mro__]
    if any(callable(method) and "id_token_claims" in signature(method).parameters for method in methods):
        return
    raise ImproperlyConfigured(
        "No backend takes logins through Auth0: add "
        '"django_auth0_flow.backends.Auth0Backend", or your subclass of it, to AUTHENTICATION_BACKENDS.'
    )
