"""Ending logins from the admin, and telling what happened on this site and at the tenant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth import logout
from django.db import router, transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext, ngettext

from django_auth0_flow.logout.sessions import Ended, end_here, revoke_all
from django_auth0_flow.models import LoginSession

#: Seconds for revoking all refresh tokens of one admin action.
REVOCATION_SECONDS = 5


def end_and_tell(
    model_admin: admin.ModelAdmin[Any],
    request: HttpRequest,
    login_sessions: QuerySet[LoginSession],
    *,
    delete: QuerySet[Any] | None = None,
) -> None:
    """End the login sessions, delete what is to be deleted if none is left, revoke the refresh tokens and tell it all.

    ``delete`` is locked before the login sessions are read: a login that is stored meanwhile would go with its identity,
    while its Django session lived on. The tenant, which may take its time, is asked after that.
    """
    own_digest = LoginSession.digest_of(request.session.session_key)
    with nullcontext() if delete is None else transaction.atomic(using=router.db_for_write(LoginSession)):
        if delete is not None:
            list(delete.select_for_update().values_list("pk"))
        rows = list(login_sessions.select_related("identity"))
        own = any(row.session_digest == own_digest for row in rows) and bool(own_digest)
        ended, left = end_here(rows, reason="admin")
        if delete is not None and not left:
            delete.delete()
    if own:
        logout(request)  # or Django would save a session that is gone
    revoked, unrevoked = revoke_all(ended, REVOCATION_SECONDS)
    for level, text in outcome(Ended(len(ended), left, revoked, unrevoked)):
        model_admin.message_user(request, text, level)


def outcome(ended: Ended) -> Iterator[tuple[int, str]]:
    """Yield messages (level, text) about ended logins: what happened on this site, and at the tenant."""
    count = ended.login_sessions
    text = ngettext("%(count)d login was ended on this site.", "%(count)d logins were ended on this site.", count)
    yield messages.SUCCESS if count else messages.INFO, text % {"count": count}
    if ended.left:
        text = ngettext(
            "%(count)d session could not be deleted: its visitor stays logged in here. Please try again.",
            "%(count)d sessions could not be deleted: their visitors stay logged in here. Please try again.",
            ended.left,
        )
        yield messages.ERROR, text % {"count": ended.left}
    if ended.revoked:
        text = ngettext(
            "The tenant has revoked %(count)d refresh token.",
            "The tenant has revoked %(count)d refresh tokens.",
            ended.revoked,
        )
        yield messages.SUCCESS, text % {"count": ended.revoked}
    if ended.unrevoked:
        text = ngettext(
            "The tenant did not confirm that it has revoked %(count)d refresh token. It is deleted here.",
            "The tenant did not confirm that it has revoked %(count)d refresh tokens. They are deleted here.",
            ended.unrevoked,
        )
        yield messages.WARNING, text % {"count": ended.unrevoked}
    if count:
        yield (
            messages.INFO,
            gettext(
                "At the tenant these users may still be logged in, and can come back without a password. To keep a user "
                "out: Auth0 Dashboard: User Management > Users > (user) > Actions > Block."
            ),
        )
