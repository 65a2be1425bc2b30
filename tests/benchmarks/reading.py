"""What reading the login adds to a view that reads ``request.user``.

``python -m tests.benchmarks.reading ROUNDS`` prints rows.
"""

from __future__ import annotations

import sys
import time
import uuid
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import path

from tests.benchmarks.chain import OURS, SHORT, log_in, wsgi
from tests.benchmarks.login_site import configure
from tests.benchmarks.measure import Row, compared, scaled, take_turns, write_rows
from tests.benchmarks.peers import MIDDLEWARE, Account, Peer, ours

GROUP = "Reading the login"
BUDGET = 1.6


def user(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(request.user.is_authenticated))


def login(request: Any) -> HttpResponse:
    auth0 = request.auth0
    return HttpResponse(f"{auth0.is_logged_in} {auth0.claims['sub']} {len(auth0.scopes)} {auth0.organization}")


def token(request: Any) -> HttpResponse:
    return HttpResponse(str(len(request.auth0.access_token())))


VIEWS = {"user/": user, "login/": login, "token/": token}


def store_login(cookie: str) -> None:
    """Store the login session that the visitor's session names, with tokens as long as Auth0's."""
    from django.contrib.auth import get_user_model

    from django_auth0_flow.models import Identity, LoginSession
    from django_auth0_flow.protocol.grant import Grant
    from django_auth0_flow.protocol.tokens import TokenSet

    now, issuer, subject = time.time(), "https://example.eu.auth0.com/", "auth0|602e93db83fa6f00749a23e6"
    claims = {
        "iss": issuer,
        "sub": subject,
        "aud": "client",
        "exp": now + 36000,
        "name": "Ada Lovelace",
        "email": "ada@example.com",
        "picture": "https://s.gravatar.com/avatar/" + "0" * 32,
    }
    tokens = TokenSet(
        access_token="t" * 900,
        expires_at=now + 86400,
        obtained_at=now,
        scope=frozenset(["openid", "profile", "email", "offline_access"]),
        refresh_token="r" * 60,
        id_token="i" * 900,
    )
    user, key = get_user_model().objects.get(), Identity.key_for(issuer, subject)
    identity = Identity.objects.create(key=key, issuer=issuer, subject=subject, user=user)
    row = LoginSession(id=uuid.UUID(int=0), identity=identity, logged_in_at=now)  # the one that the session names
    row.grant = Grant(tokens, claims)
    row.session_key = cookie.partition("=")[2]
    row.save()


def main(rounds: int) -> None:
    urls = [path(address, view) for address, view in VIEWS.items()]
    configure(Peer(ours, lambda account: urls), Account("http://127.0.0.1:9/", "c", "s"))
    cookie = log_in()
    store_login(cookie)
    rows = []
    for name, chain, budget in (("startproject's chain", MIDDLEWARE, BUDGET), ("sessions and users only", SHORT, None)):
        found = take_turns(
            {address: wsgi([*chain, OURS], f"/{address}", cookie) for address in VIEWS}, rounds=rounds, repeat=25
        )
        for address, what in (("login/", "claims, scopes and organization"), ("token/", "a live token")):
            added = scaled([a - b for a, b in zip(found[address], found["user/"], strict=True)], 1e6)
            rows.append(
                Row(
                    GROUP,
                    f"{what} against `request.user`, {name}",
                    budget=budget,
                    detail=f"{added.median:+.0f} µs",
                    **compared(found[address], found["user/"], 1e6, "µs"),
                )
            )
    write_rows(rows)


if __name__ == "__main__":
    main(int(sys.argv[1]))
