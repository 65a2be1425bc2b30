"""The use cases: begin and finish a login. Every kind of login ends in ``finish_login``."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from functools import partial
from typing import Any

from django.contrib.auth import authenticate, login, logout
from django.db import connections, router
from django.db import transaction as database_transaction
from django.http import HttpRequest

from . import transaction_cookie, transactions
from .admission import (
    FreshLogin,
    acr_values_demanded,
    check_organization_allowed,
    detach_login,
    max_age_demanded,
    parameters_demanded,
    with_userinfo,
)
from .conf import (
    DEFAULT,
    Auth0Settings,
    get_client,
    get_settings,
)
from .connection_pool import give_back_connection
from .mapping import identity_of
from .models import Grant, LoginSession, SpentLogoutToken
from .protocol import front_channel
from .protocol.authorization import AuthorizationResponse, judge_response, kinds_of
from .protocol.errors import Auth0Error, LoginRequired
from .protocol.tokens import TokenSet
from .single_flight import end_row
from .single_logout import end_rows
from .site_urls import absolute_url, landing_url, safe_next, url_of
from .storage.session_facts import FACTS_KEY, noted, noted_login
from .transactions import Transaction

logger = logging.getLogger("django_auth0_flow.flow")

FAILURES_KEY = "_auth0_failures"
#: Logins that follow each other within this many seconds count as one loop, ended after LOOP_ROUNDS.
LOOP_SECONDS, LOOP_ROUNDS = 30, 3
#: So many requirements of logins in a row are remembered, to tell a person who goes from page to page from a circle.
MAX_DEMANDS = 8


# -- whose login ----------------------------------------------------------------------------------------------------------


def organization_for(request: HttpRequest, conf: Auth0Settings) -> str:
    """Return the organization that ``ORGANIZATION`` gives this request, "" for none."""
    wanted = conf.organization
    return wanted if isinstance(wanted, str) else wanted(request) or ""


# -- begin ---------------------------------------------------------------------------------------------------------------


def begin_login(
    request: HttpRequest,
    *,
    configuration: str = DEFAULT,
    next_url: str = "",
    parameters: Mapping[str, str] | None = None,
    forwarded: Mapping[str, str] | None = None,
    requirement: str = "",
    restarts: int = 0,
    any_organization: bool = False,
    purpose: str = transactions.LOGIN,
) -> str:
    """Start a login and return the address at the tenant to send the browser to.

    ``parameters`` join the authorization request (``scope`` replaces the configured one); ``forwarded`` are those that the
    visitor chose, which never replace an organization of this site's. ``next_url`` must have gone through ``safe_next``.
    ``any_organization``: the login is to belong to one, whichever. ``purpose`` as in ``Transaction``. Raises TransportError
    when the tenant's metadata can't be had, and with ``PUSHED_AUTHORIZATION`` as ``Client.authorization_url``.
    """
    conf = get_settings(configuration)
    extra = {**conf.authorization_params, **(forwarded or {}), **(parameters or {})}
    if purpose == transactions.RECHECK:  # looks whether a session lives; how its login was made has been checked then
        extra = {name: value for name, value in extra.items() if name not in ("max_age", "acr_values")}
    else:
        extra |= parameters_demanded(conf, view=parameters or {}, visitor=forwarded or {})
    by_site = (
        (parameters or {}).get("organization")
        or organization_for(request, conf)
        or conf.authorization_params.get("organization")
    )
    if by_site:
        extra["organization"] = by_site
    elif "organization" not in extra:
        extra.pop("invitation", None)
    by = transactions.BY_SITE if by_site else transactions.BY_VISITOR if "organization" in extra else ""
    scope = extra.pop("scope", conf.scope)
    response_type = "token" if purpose == transactions.ACCESS_TOKEN else conf.response_type
    if conf.audience and kinds_of(response_type) != {"id_token"}:
        extra.setdefault("audience", conf.audience)
    if conf.resource and kinds_of(response_type) != {"id_token"}:
        extra.setdefault("resource", conf.resource)
    client = get_client(configuration)
    client.issuer.metadata()
    transaction = transactions.new_transaction(
        configuration,
        redirect_uri=absolute_url(request, url_of("callback", configuration), conf),
        scope=scope,
        next_url=next_url,
        parameters=extra,
        requirement=requirement,
        restarts=restarts,
        response_type=response_type,
        response_mode=conf.response_mode,
        purpose=purpose,
        organization_by=by or (transactions.ANY_ORGANIZATION if any_organization else ""),
        login_id=noted_login(request).get("id", "")
        if purpose in (transactions.RECHECK, transactions.ACCESS_TOKEN)
        else "",
    )
    state = transactions.begin(request, transaction)
    if transaction.response_mode == "form_post":
        transaction_cookie.issue(request, state, configuration)
    try:
        return client.authorization_url(transaction.request(state))
    except Auth0Error:
        transactions.take(request, state)  # the tenant took no pushed request: nothing is under way
        raise


# -- finish --------------------------------------------------------------------------------------------------------------


def complete_login(request: HttpRequest, response: AuthorizationResponse, transaction: Transaction) -> str:
    """Judge and redeem an authorization response, finish the login and return where to go.

    Raises CallbackError, AuthorizationError, TokenRequestError, TokenValidationError, TransportError, or Auth0Error when
    the user may not log in.
    """
    tokens, claims = redeem_response(response, transaction)
    return finish_login(request, tokens, claims, transaction)


def redeem_response(response: AuthorizationResponse, transaction: Transaction) -> tuple[TokenSet, dict[str, Any]]:
    """Return the token set and the validated ID token claims that a response brings. Raises as ``complete_login``."""
    client = get_client(transaction.configuration)
    judge_origin(response, transaction)
    give_back_connection(transaction.configuration)
    # Not only what was asked for: a visitor can take that out of the address, and a magic link asks for less.
    conf, is_login = get_settings(transaction.configuration), transaction.purpose != transactions.RECHECK
    return front_channel.complete(
        client,
        transaction.request(response.state),
        response,
        max_age=max_age_demanded(conf, transaction.parameters) if is_login else None,
        organization=transaction.parameters.get("organization"),
        acr_values=acr_values_demanded(conf) if is_login else (),
    )


def judge_origin(response: AuthorizationResponse, transaction: Transaction) -> None:
    """Check that a response comes from the tenant and is no error. Raises CallbackError or AuthorizationError."""
    issuer = get_client(transaction.configuration).issuer
    # An ID token that came along is validated, and names its issuer: providers then leave ``iss`` out.
    names_issuer = "id_token" in kinds_of(transaction.response_type) and response.id_token is not None
    needed = issuer.metadata().authorization_response_iss_parameter_supported and not names_issuer
    judge_response(response, state=response.state, issuer=issuer.url, iss_required=needed)


def finish_login(
    request: HttpRequest,
    tokens: TokenSet,
    id_token_claims: Mapping[str, Any],
    transaction: Transaction,
    *,
    login_id: uuid.UUID | None = None,
) -> str:
    """Log the user of these validated claims in and return where to go.

    The session key changes, the tokens go into a LoginSession (with the primary key ``login_id``, if it is still free), a
    login session that this browser had before is replaced. Raises Auth0Error (``user_not_allowed``,
    ``organization_not_allowed``, ``session_ended_at_tenant``).
    """
    name = transaction.configuration
    conf = get_settings(name)
    # What a visitor asks for, or any organization at all, is still subject to ALLOWED_ORGANIZATIONS.
    by = transaction.organization_by
    was_asked_for = by == transactions.BY_SITE or bool(by and not conf.allowed_organizations)
    check_organization_allowed(conf, id_token_claims, was_asked_for=was_asked_for)
    claims = with_userinfo(conf, tokens, id_token_claims)
    user = authenticate(request, id_token_claims=claims, configuration=name)
    if user is None:
        raise Auth0Error("This user may not log in here.", code="user_not_allowed")
    fresh = FreshLogin(tokens, claims, name, before=noted(request))
    login(request, user)
    requirement, began_at = transaction.requirement, transaction.started_at
    store_login(request, user, fresh, requirement=requirement, login_id=login_id, began_at=began_at)
    return landing_url(safe_next(request, transaction.next_url))


def store_login(
    request: HttpRequest,
    user: Any,
    fresh: FreshLogin,
    *,
    requirement: str = "",
    login_id: uuid.UUID | None = None,
    began_at: float | None = None,
) -> None:
    """Store the tokens of a user who was logged in just now: once per login, whoever called ``login()``.

    ``began_at``: when this login began, if that is known. Raises LoginRequired if the tenant has ended it since.
    """
    conf = get_settings(fresh.configuration)
    before = fresh.before or {}
    if before.get("id"):
        _replace(before)
        if before.get("key") == request.session.session_key:
            # Django keeps the session key of a user who logs in again; here every login changes it.
            request.session.cycle_key()
    row = LoginSession(
        identity=identity_of(user, fresh.claims),
        configuration=conf.name,
        sid_key=LoginSession.sid_key_for(fresh.claims["iss"], fresh.claims.get("sid")),
        logged_in_at=conf.clock(),
    )
    if login_id is not None and not LoginSession.objects.filter(pk=login_id).exists():
        row.pk = login_id
    row.session_key = request.session.session_key
    row.grant = Grant(fresh.tokens, fresh.claims)
    row.save(force_insert=True)
    _end_if_over(request, row, fresh.claims, began_at)
    rounds = _rounds_so_far(before, conf.name, conf.clock())
    demands = [*(before.get("demands", ()) if rounds else ()), *([requirement] if requirement else ())]
    request.session[FACTS_KEY] = {
        "id": row.pk.hex,
        "configuration": conf.name,
        "key": request.session.session_key,
        "at": conf.clock(),
        "asked": requirement,
        "rounds": rounds,
        **({"demands": demands[-MAX_DEMANDS:]} if demands else {}),
    }
    request.session.pop(FAILURES_KEY, None)
    logger.info("login_finished user=%s configuration=%s login_session=%s", user.pk, conf.name, row.pk)


def _end_if_over(request: HttpRequest, row: LoginSession, claims: Mapping[str, Any], began_at: float | None) -> None:
    """End a login at once that a logout token named before its row was there to be found. Raises LoginRequired.

    Within a transaction nobody else sees the row yet: there it is looked at once more, after the commit.
    """
    client_id = get_settings(row.configuration).client_id
    is_over = partial(SpentLogoutToken.objects.has_ended, client_id, claims, began_at=began_at)
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


def store_fresh_login(sender: Any, request: HttpRequest, user: Any, **kwargs: Any) -> None:
    """Receive ``user_logged_in``: store the tokens that ``Auth0PasswordBackend`` obtained for this user."""
    fresh = detach_login(user)
    if fresh is not None and hasattr(request, "session"):
        store_login(request, user, fresh)


def _rounds_so_far(before: Mapping[str, Any], configuration: str, now: float) -> int:
    if not isinstance(before.get("at"), (int, float)):
        return 0
    if before.get("configuration") != configuration:
        return 0
    return int(before.get("rounds", 0)) + 1 if abs(now - before["at"]) < LOOP_SECONDS else 0


def is_looping(facts: Mapping[str, Any], configuration: str, now: float) -> bool:
    """Tell whether this browser has logged in again and again within seconds: another login would not help.

    A login with another configuration than the last is none of a loop: a person chose it.
    """
    at = facts.get("at")
    if facts.get("configuration") != configuration:
        return False
    return isinstance(at, (int, float)) and abs(now - at) < LOOP_SECONDS and facts.get("rounds", 0) >= LOOP_ROUNDS - 1


def _replace(facts: Mapping[str, Any]) -> None:
    row = LoginSession.objects.filter(pk=facts["id"]).first()
    if row is not None:
        end_row(row, "replaced", any_version=True)
