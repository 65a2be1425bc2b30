"""Store a login right after ``login()``: its row, its tokens, and what the session notes of it."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from django.contrib.auth import logout
from django.db import connections, router
from django.db import transaction as database_transaction
from django.http import HttpRequest

from django_auth0_flow.conf import get_settings
from django_auth0_flow.login import ceiling
from django_auth0_flow.login.admission import Login, detach_login
from django_auth0_flow.login.loops import FAILURES_KEY, rounds_so_far
from django_auth0_flow.login.user_agent import browser_and_system
from django_auth0_flow.logout.sessions import end_rows
from django_auth0_flow.models import LoginSession, hour_of
from django_auth0_flow.protocol.errors import LoginRequired
from django_auth0_flow.protocol.grant import Grant
from django_auth0_flow.signals import login_finished, send
from django_auth0_flow.storage.django_session_facts import FACTS_KEY
from django_auth0_flow.storage.logout_tokens import SpentLogoutToken
from django_auth0_flow.users.mapping import identity_of

logger = logging.getLogger(__name__)

#: How many requirements of logins in a row are remembered, to tell a loop from a person who visits several pages.
MAX_DEMANDS = 8


def store_login(request: HttpRequest, user: Any, login: Login) -> None:
    """Store the tokens of a user who was logged in just now: once per login, whatever called ``login()``.

    Raises LoginRequired if the tenant has ended the login since it began.
    """
    conf = get_settings(login.configuration)
    before, requirement = login.before, login.requirement
    if before.get("id"):
        if (replaced := LoginSession.objects.filter(pk=before["id"]).first()) is not None:
            own_keys = before.get("key"), request.session.session_key
            replaced.end("replaced", session=replaced.has_moved_from(*own_keys))
        if before.get("key") == request.session.session_key:
            # Django keeps the session key of a user who logs in again; here every login changes it.
            request.session.cycle_key()
    row = LoginSession(
        identity=identity_of(user, login.claims),
        configuration=conf.name,
        sid_key=LoginSession.sid_key_for(login.claims["iss"], login.claims.get("sid")),
        logged_in_at=conf.clock(),
        session_ceiling=ceiling.note(request, conf.name, login.claims),
    )
    if conf.keeps_login_details:
        row.browser, row.system = browser_and_system(request.headers.get("User-Agent", ""))
        row.last_used_at = hour_of(conf.clock())
    row.session_key = request.session.session_key
    row.grant = Grant(login.tokens, login.claims)
    row.save(force_insert=True)
    _end_if_over(request, row, login)
    rounds = 0 if login.by_hand else rounds_so_far(before, conf.name, conf.clock())
    demands = [*(before.get("demands", ()) if rounds else ()), *([requirement] if requirement else ())]
    request.session[FACTS_KEY] = {
        "id": row.pk.hex,
        "configuration": conf.name,
        "key": request.session.session_key,
        "at": conf.clock(),
        "asked": requirement,
        "rounds": rounds,
        **({"demands": demands[-MAX_DEMANDS:]} if demands else {}),
        **({ceiling.FACT: row.session_ceiling} if row.session_ceiling is not None else {}),
    }
    request.session.pop(FAILURES_KEY, None)
    if "offline_access" in conf.scope.split() and "code" in conf.response_kinds and login.tokens.refresh_token is None:
        logger.warning(
            "refresh_token_missing configuration=%s: SCOPE asks for offline_access, and the tenant gave no refresh token; "
            "see Allow Offline Access at the API, and auth0_doctor",
            conf.name,
        )
    logger.info("login_finished user=%s configuration=%s login_session=%s", user.pk, conf.name, row.pk)
    send(login_finished, LoginSession, request=request, login_session=row, configuration=conf.name)


def _end_if_over(request: HttpRequest, row: LoginSession, login: Login) -> None:
    """End a login that a logout token named before its row was stored. Raises LoginRequired.

    Inside a transaction other connections don't see the row yet, so this is checked again after the commit.
    """
    client_id = get_settings(row.configuration).client_id
    is_over = partial(SpentLogoutToken.objects.has_ended, client_id, login.claims, began_at=login.began_at)
    if is_over():
        end_rows([row], reason="backchannel_logout")
        logout(request)
        raise LoginRequired("The tenant ended this login before it was finished.", code="session_ended_at_tenant")
    alias = router.db_for_write(LoginSession)
    if connections[alias].in_atomic_block:

        def look_again() -> None:
            if is_over():
                end_rows([row], reason="backchannel_logout")

        database_transaction.on_commit(look_again, using=alias)


def store_carried_login(sender: Any, request: HttpRequest, user: Any, **kwargs: Any) -> None:
    """Receive ``user_logged_in``: store the tokens that ``Auth0PasswordBackend`` obtained for this user."""
    if (login := detach_login(user)) is not None and hasattr(request, "session"):
        store_login(request, user, login)
