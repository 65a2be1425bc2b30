"""Logins under way: bounded, expiring, taken once, each with its own state, nonce and PKCE verifier.

They live in the visitor's Django session, written through at once on a freshly loaded copy, so that parallel tabs and
requests lose nothing. ``state`` is sealed: the callback can tell our own, fresh ``state`` from anything else even when
the session that knew it is gone.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest

from django_auth0_flow.conf import get_settings
from django_auth0_flow.conf.login_time_limits import TRANSACTION_AGE
from django_auth0_flow.protocol.authorization import AuthorizationRequest, AuthorizationResponse, new_secret
from django_auth0_flow.protocol.errors import CallbackError
from django_auth0_flow.storage.django_session_writes import change_session, change_stored
from django_auth0_flow.storage.sealing import UnsealError, seal, secrets_of, unseal
from django_auth0_flow.storage.short_sessions import renew

SESSION_KEY = "_auth0_transactions"

#: So many may be under way in one session.
MAX_UNDER_WAY = 16

#: Characters. A longer ``next`` stays in the session only: the state must not make the URL too long for a server.
_MAX_NEXT_IN_STATE = 400

#: What a transaction is for: to log a person in; to adopt the tenant's session without a page; to see whether that
#: session is still there; to fetch an access token for the login there is; to connect an account to that login's user.
LOGIN, SILENT, RECHECK, ACCESS_TOKEN, CONNECT = "", "silent", "recheck", "access_token", "connect"

BY_SITE, BY_VISITOR, ANY_ORGANIZATION = "site", "visitor", "any"


@dataclass(frozen=True)
class Transaction:
    """One login under way. ``started_at`` in epoch seconds; ``requirement``: fingerprint of the test that started it.

    ``is_link``: it was started by a magic link, which counts in the browser that asked for it only. ``purpose``: one of
    LOGIN, SILENT, RECHECK, ACCESS_TOKEN, or CONNECT, whose ``parameters`` are ``login.connect``'s own.
    ``organization_by``: who chose the organization, BY_SITE or BY_VISITOR, or ANY_ORGANIZATION if the site wants some.
    ``login_id``: the login that RECHECK and ACCESS_TOKEN are about. ``by_hand``: a person clicked for it. ``posted``: a
    form_post response that waits for this browser, sealed.
    """

    nonce: str = field(repr=False)
    code_verifier: str = field(repr=False)
    redirect_uri: str
    scope: str
    next_url: str
    started_at: float
    configuration: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    requirement: str = ""
    restarts: int = 0
    is_link: bool = False
    response_type: str = "code"
    response_mode: str = "query"
    purpose: str = LOGIN
    organization_by: str = ""
    login_id: str = ""
    by_hand: bool = False
    posted: str = field(default="", repr=False)
    dpop_key: str = field(default="", repr=False)

    @property
    def is_silent(self) -> bool:
        """Whether no person waits for this, so that an error is shown to no one."""
        return self.purpose in (SILENT, RECHECK)

    def request(self, state: str, *, once: Mapping[str, str] | None = None) -> AuthorizationRequest:
        """Return the authorization request that this transaction belongs to, with parameters that are sent ``once``."""
        return AuthorizationRequest(
            self.redirect_uri,
            self.scope,
            state,
            self.nonce,
            self.code_verifier,
            {**(once or {}), **self.parameters},
            response_type=self.response_type,
            response_mode=self.response_mode,
            dpop_key=self._open_dpop_key() if self.dpop_key else None,
        )

    def _open_dpop_key(self) -> str:
        keys = secrets_of(self.configuration)
        try:
            return unseal(self.dpop_key, purpose="dpop_key", keys=keys, context=self.nonce).decode()
        except UnsealError as error:
            raise CallbackError("The keys that sealed this login are gone.", code="state_expired") from error


@dataclass(frozen=True)
class SealedState:
    """What a ``state`` of ours says about itself.

    ``restarts``: how often the login started again by itself. ``is_fresh``: not older than TRANSACTION_AGE.
    """

    next_url: str
    started_at: float
    restarts: int
    is_fresh: bool
    is_link: bool
    is_silent: bool = False
    is_connect: bool = False


def new_transaction(configuration: str, **values: Any) -> Transaction:
    """Return a transaction with a fresh nonce, verifier and, with ``DPOP``, key."""
    conf, nonce = get_settings(configuration), new_secret()
    if conf.dpop:
        from django_auth0_flow.protocol.dpop import DPoPKey

        key = DPoPKey.generate().dump().encode()
        values["dpop_key"] = seal(key, purpose="dpop_key", keys=secrets_of(configuration), context=nonce)
    return Transaction(
        nonce=nonce, code_verifier=new_secret(), started_at=conf.clock(), configuration=configuration, **values
    )


def begin(request: HttpRequest, transaction: Transaction, state: str = "") -> str:
    """Store the transaction and return its ``state``, by default a new one."""
    state = state or seal_state(transaction)

    def add(stored: dict[str, Any]) -> None:
        oldest_first = sorted(stored, key=lambda key: stored[key].get("started_at", 0))
        for key in oldest_first:
            too_old = stored[key].get("started_at", 0) + TRANSACTION_AGE < transaction.started_at
            if too_old or len(stored) >= MAX_UNDER_WAY:
                del stored[key]
        stored[_key(state)] = dict(vars(transaction))

    change_stored(request, SESSION_KEY, add)
    renew(request)
    return state


def take(request: HttpRequest, state: str) -> Transaction | None:
    """Remove and return the transaction of ``state``: it can't be used a second time, whatever happens next.

    None if this browser's session has none, or it is older than TRANSACTION_AGE.
    """
    key = _key(state)
    found = change_stored(request, SESSION_KEY, lambda stored: stored.pop(key, None), only_if=key, or_flush=True)
    if found is None:
        return None
    try:
        transaction = Transaction(**found)
    except TypeError:  # written by another version of this package
        return None
    age = get_settings(transaction.configuration).clock() - transaction.started_at
    return transaction if -60 <= age <= TRANSACTION_AGE else None


def keep_posted(session: SessionBase, response: AuthorizationResponse, configuration: str) -> bool:
    """Store a posted response with its transaction, sealed; a GET picks it up. False if there is no transaction."""
    key = _key(response.state)
    sealed = seal(json.dumps(vars(response)).encode(), purpose="posted", keys=secrets_of(configuration), context=key)

    def change(stored: dict[str, Any]) -> bool:
        stored[key]["posted"] = sealed
        return True

    return bool(change_session(session, SESSION_KEY, change, only_if=key))


def open_posted(transaction: Transaction, state: str) -> AuthorizationResponse | None:
    """Return the response that was posted for this transaction, None if there was none."""
    keys = secrets_of(transaction.configuration)
    try:
        return AuthorizationResponse(
            **json.loads(unseal(transaction.posted, purpose="posted", keys=keys, context=_key(state)))
        )
    except (UnsealError, ValueError, TypeError):
        return None


def open_state(state: str, configuration: str) -> SealedState | None:
    """Return what ``state`` says if this site sealed it, however long ago, else None."""
    try:
        data = json.loads(unseal(state, purpose="state", keys=secrets_of(configuration), context=configuration))
    except (UnsealError, ValueError):
        return None
    now = get_settings(configuration).clock()
    is_fresh = data["t"] - 60 <= now <= data["t"] + TRANSACTION_AGE
    return SealedState(
        data["n"],
        data["t"],
        restarts=data["r"],
        is_fresh=is_fresh,
        is_link="l" in data,
        is_silent="q" in data,
        is_connect="c" in data,
    )


def seal_state(transaction: Transaction) -> str:
    """Return a ``state`` for this transaction, another one each time."""
    data = {
        "s": secrets.token_urlsafe(16),
        "t": int(transaction.started_at),
        "n": transaction.next_url if len(transaction.next_url) <= _MAX_NEXT_IN_STATE else "",
        "r": transaction.restarts,
        **({"l": 1} if transaction.is_link else {}),
        **({"q": 1} if transaction.is_silent else {}),
        **({"c": 1} if transaction.purpose == CONNECT else {}),
    }
    name = transaction.configuration
    return seal(json.dumps(data, separators=(",", ":")).encode(), purpose="state", keys=secrets_of(name), context=name)


def _key(state: str) -> str:
    """Return the key of a state: its digest, so that the time of a look-up reveals nothing."""
    return hashlib.sha256(state.encode("utf-8", "surrogatepass")).hexdigest()[:32]
