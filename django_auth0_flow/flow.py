"""The use cases: begin, finish and end a login. Every kind of login ends in ``finish_login``."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.contrib.auth import authenticate, login, logout
from django.http import HttpRequest
from django.shortcuts import resolve_url
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from . import transaction_cookie, transactions
from .admission import FreshLogin, check_organization_allowed, detach_login, with_userinfo
from .conf import (
    DEFAULT,
    Auth0Settings,
    chosen_configuration,
    configuration_for,
    configuration_names,
    get_client,
    get_settings,
)
from .crypto import UnsealError, seal, secrets_of, unseal
from .exchange import revoke_quietly
from .mapping import identity_of
from .models import Grant, LoginSession
from .protocol import front_channel
from .protocol.authorization import AuthorizationResponse, judge_response, kinds_of
from .protocol.deadline import http_deadline
from .protocol.errors import Auth0Error, LoginRequired, TransportError
from .protocol.tokens import TokenSet
from .session import FACTS_KEY, remember_silent_login
from .single_flight import end_row
from .transactions import Transaction

logger = logging.getLogger("django_auth0_flow.flow")

FAILURES_KEY = "_auth0_failures"
#: How long a logout waits for the tenant to revoke the refresh token.
REVOCATION_SECONDS = 3
#: Logins that follow each other within this many seconds count as one loop, ended after LOOP_ROUNDS.
LOOP_SECONDS, LOOP_ROUNDS = 30, 3


# -- addresses -----------------------------------------------------------------------------------------------------------


def url_of(name: str, configuration: str = DEFAULT) -> str:
    """Return the path of one of our URLs; a named configuration has its own namespace of that name, if included."""
    return reverse(f"auth0:{name}", current_app=None if configuration == DEFAULT else configuration)


def absolute_url(request: HttpRequest, path: str, conf: Auth0Settings) -> str:
    """Return ``path`` on this site: below ``BASE_URL`` if set, else on the validated host of the request."""
    if conf.base_url:
        return conf.base_url + path
    url = request.build_absolute_uri(path)
    if url.startswith("http://") and not django_settings.DEBUG:
        logger.info("redirect_uri_is_http: behind a proxy set SECURE_PROXY_SSL_HEADER, or AUTH0['BASE_URL']")
    return url


def safe_next(request: HttpRequest, url: str | None, *, default: str = "") -> str:
    """Return ``url`` if it stays on this site, else ``default``; never raises.

    Stricter than Django's test in one way: control characters and lone surrogates are refused anywhere.
    """
    if not url or len(url) > 2000 or not url.isprintable() or "\\" in url:
        return default
    try:
        host = request.get_host()
        parts = urlsplit(url)
        ok = url_has_allowed_host_and_scheme(url, allowed_hosts={host}, require_https=request.is_secure())
        if not ok or parts.netloc not in ("", host) or parts.username or not (parts.netloc or url.startswith("/")):
            return default
    except ValueError:
        return default
    return url


def configuration_of(request: HttpRequest) -> str:
    """Return the configuration that this visitor's next login is for: the request's choice, else that of the last one."""
    facts = request.session.get(FACTS_KEY)
    last = facts.get("configuration") if isinstance(facts, dict) else None
    return chosen_configuration(request) or (str(last) if last in configuration_names() else DEFAULT)


def organization_for(request: HttpRequest, conf: Auth0Settings) -> str:
    """Return the organization that ``ORGANIZATION`` gives this request, "" for none."""
    wanted = conf.organization
    return wanted if isinstance(wanted, str) else wanted(request) or ""


def landing_url(next_url: str) -> str:
    """Return where a login ends: ``next_url``, else ``LOGIN_REDIRECT_URL``."""
    return next_url or resolve_url(django_settings.LOGIN_REDIRECT_URL)


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
        login_id=_login_id(request) if purpose in (transactions.RECHECK, transactions.ACCESS_TOKEN) else "",
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
    max_age = transaction.parameters.get("max_age", "")
    return front_channel.complete(
        client,
        transaction.request(response.state),
        response,
        max_age=int(max_age) if max_age.isdigit() else None,
        organization=transaction.parameters.get("organization"),
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
    ``organization_not_allowed``).
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
    fresh = FreshLogin(tokens, claims, name, before=request.session.get(FACTS_KEY))
    login(request, user)
    store_login(request, user, fresh, requirement=transaction.requirement, login_id=login_id)
    return landing_url(safe_next(request, transaction.next_url))


def store_login(
    request: HttpRequest, user: Any, fresh: FreshLogin, *, requirement: str = "", login_id: uuid.UUID | None = None
) -> None:
    """Store the tokens of a user who was logged in just now: once per login, whoever called ``login()``."""
    conf = get_settings(fresh.configuration)
    before = fresh.before
    if isinstance(before, dict) and before.get("id"):
        _replace(before)
        if before.get("key") == request.session.session_key:
            # Django keeps the session key of a user who logs in again; here every login changes it.
            request.session.cycle_key()
    row = LoginSession(
        identity=identity_of(user, fresh.claims),
        configuration=conf.name,
        session_key=request.session.session_key or "",
        sid_key=LoginSession.sid_key_for(fresh.claims["iss"], fresh.claims.get("sid")),
        logged_in_at=conf.clock(),
    )
    if login_id is not None and not LoginSession.objects.filter(pk=login_id).exists():
        row.pk = login_id
    row.grant = Grant(fresh.tokens, fresh.claims)
    row.save(force_insert=True)
    request.session[FACTS_KEY] = {
        "id": row.pk.hex,
        "configuration": conf.name,
        "key": request.session.session_key,
        "at": conf.clock(),
        "asked": requirement,
        "rounds": _rounds_so_far(before, conf.clock()),
    }
    request.session.pop(FAILURES_KEY, None)
    logger.info("login_finished user=%s configuration=%s login_session=%s", user.pk, conf.name, row.pk)


def store_fresh_login(sender: Any, request: HttpRequest, user: Any, **kwargs: Any) -> None:
    """Receive ``user_logged_in``: store the tokens that ``Auth0PasswordBackend`` obtained for this user."""
    fresh = detach_login(user)
    if fresh is not None and hasattr(request, "session"):
        store_login(request, user, fresh)


def _rounds_so_far(before: object, now: float) -> int:
    if not isinstance(before, dict) or not isinstance(before.get("at"), (int, float)):
        return 0
    return int(before.get("rounds", 0)) + 1 if abs(now - before["at"]) < LOOP_SECONDS else 0


def is_looping(facts: Mapping[str, Any], now: float) -> bool:
    """Tell whether this browser has logged in again and again within seconds: another login would not help."""
    at = facts.get("at")
    return isinstance(at, (int, float)) and abs(now - at) < LOOP_SECONDS and facts.get("rounds", 0) >= LOOP_ROUNDS - 1


def _login_id(request: HttpRequest) -> str:
    facts = request.session.get(FACTS_KEY)
    return str(facts.get("id", "")) if isinstance(facts, dict) else ""


def _replace(facts: Mapping[str, Any]) -> None:
    row = LoginSession.objects.filter(pk=facts["id"]).first()
    if row is not None:
        end_row(row, "replaced", any_version=True)


# -- end -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Logout:
    """What became of a logout. ``url``: where to go on; "" when the tenant can't be reached and only this site is left."""

    url: str
    revoked: bool = True


def end_login(request: HttpRequest, *, next_url: str = "") -> Logout:
    """Log out: here first, then the refresh token, then the address that ends the tenant's session.

    The tenant being down never keeps anybody logged in here. RP-Initiated Logout 1.0 §2.
    """
    facts = request.session.get(FACTS_KEY)
    facts = facts if isinstance(facts, dict) and "id" in facts else None
    row = LoginSession.objects.filter(pk=facts["id"]).first() if facts else None
    known = facts is not None and facts.get("configuration") in configuration_names()
    name = facts["configuration"] if facts and known else configuration_for(request)
    conf = get_settings(name)
    back = url_of("logged_out", name)
    state = seal_logout_state(name, next_url)
    logout(request)
    if facts is None:
        return Logout(f"{back}?state={state}")
    tokens = TokenSet()
    if row is not None:
        try:
            tokens = row.grant.tokens
        except UnsealError:
            logger.warning("login_session_unreadable login_session=%s", row.pk)
        end_row(row, "logout", any_version=True)
    revoked = True
    try:
        revoked = _revoke(name, tokens.refresh_token)
        url = get_client(name).logout_url(
            id_token_hint=tokens.id_token,
            post_logout_redirect_uri=absolute_url(request, back, conf),
            state=state,
            federated=conf.federated_logout,
        )
    except TransportError as error:
        logger.warning("tenant_logout_skipped code=%s", error.code)
        remember_silent_login(request, name)  # or the session left there would log this visitor in again
        return Logout("", revoked=False)
    return Logout(url, revoked)


def end_local_login(request: HttpRequest, reason: str) -> None:
    """Log this browser out here only, because the tenant says that the login is over; nobody is sent anywhere."""
    login_id = _login_id(request)
    row = LoginSession.objects.filter(pk=login_id).first() if login_id else None
    logout(request)
    if row is None:
        return
    try:
        refresh_token = row.grant.tokens.refresh_token
    except UnsealError:
        refresh_token = None
    end_row(row, reason, any_version=True)
    revoke_quietly(row.configuration, refresh_token, seconds=REVOCATION_SECONDS)


def _revoke(configuration: str, refresh_token: str | None) -> bool:
    """Revoke a refresh token, best effort; tell whether the tenant confirmed.

    Raises TransportError when nobody answers: the browser would meet a dead address there too.
    """
    if not refresh_token:
        return True
    try:
        with http_deadline(REVOCATION_SECONDS):
            get_client(configuration).revoke(refresh_token)
    except Auth0Error as error:
        logger.warning("revocation_failed code=%s", error.code)
        if isinstance(error, TransportError) and (error.status is None or error.status >= 500):
            raise
        return False
    return True


def seal_logout_state(configuration: str, next_url: str) -> str:
    """Return the ``state`` of a logout: it brings ``next_url`` back, and only our own comes back as ours."""
    data = json.dumps(
        {"t": get_settings(configuration).clock(), "n": next_url if len(next_url) <= 400 else ""}
    ).encode()
    return seal(data, purpose="logout_state", keys=secrets_of(configuration), context=configuration)


def open_logout_state(state: str, configuration: str) -> str | None:
    """Return the ``next_url`` in a logout state of ours not older than an hour, else None."""
    try:
        data = json.loads(unseal(state, purpose="logout_state", keys=secrets_of(configuration), context=configuration))
    except (UnsealError, ValueError):
        return None
    fresh = abs(get_settings(configuration).clock() - data["t"]) <= transactions.MAX_AGE
    return str(data["n"]) if fresh else None


def forget_dead_login(request: HttpRequest, error: LoginRequired) -> None:
    """Log this browser out if its login session is gone for good; other reasons leave it logged in."""
    facts = request.session.get(FACTS_KEY)
    if not isinstance(facts, dict) or error.code not in _DEAD:
        return
    if error.code in ("invalid_grant", "identity_changed", "user_blocked") and facts.get("id"):
        # Deleted already, unless the view's transaction was rolled back by this very error.
        LoginSession.objects.filter(pk=facts["id"]).delete()
    logout(request)
    # What guards against loops survives: how often this browser logged in within the last seconds.
    request.session[FACTS_KEY] = {name: facts[name] for name in ("at", "rounds") if name in facts}


_DEAD = frozenset(
    [
        "login_session_ended",
        "login_session_unreadable",
        "invalid_grant",
        "identity_changed",
        "user_blocked",
        "user_inactive",
    ]
)
