"""Log Django's test client in with working tokens and no network, and make those tokens go stale."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.contrib.sessions.backends.base import SessionBase
from django.db.models import F
from django.http import HttpRequest
from django.test import AsyncClient, Client, RequestFactory

from django_auth0_flow.access.requirements import as_names
from django_auth0_flow.conf import Auth0Settings, get_client, get_settings
from django_auth0_flow.login import finish
from django_auth0_flow.login.admission import Login
from django_auth0_flow.login.transactions import BY_SITE
from django_auth0_flow.middleware import after_response
from django_auth0_flow.models import Identity, LoginSession
from django_auth0_flow.protocol.dpop import DPoPKey
from django_auth0_flow.protocol.tokens import TokenSet
from django_auth0_flow.session import Auth0Session
from django_auth0_flow.storage.django_session_facts import FACTS_KEY
from django_auth0_flow.storage.django_sessions import session_store

from .offline import OfflineGrant, go_offline, offline_now

DEFAULT_SUBJECT = "auth0|5f7c8ec7c33c6c004bbafe82"


def auth0_login(
    client: Client | AsyncClient,
    *,
    sub: str = "",
    user: Any = None,
    permissions: str | Collection[str] = (),
    scopes: str | Collection[str] | None = None,
    organization: str = "",
    claims: Mapping[str, Any] | None = None,
    expires_in: int = 86400,
    configuration: str = "default",
) -> LoginSession:
    """Log a test client in as the callback would: through ``Auth0Backend``, with tokens that work, without network.

    ``user``: an existing user, who gets an identity if need be; else the backend finds or makes the one of ``sub``.
    ``permissions`` and ``scopes`` are those of the access token (default: none, and those of ``AUTH0["SCOPE"]``);
    ``organization`` an id (``org_…``) or a name; ``claims`` join those of the ID token. There is a refresh token if
    ``offline_access`` is in ``AUTH0["SCOPE"]`` or ``scopes``. The tenant of this configuration stays offline afterwards:
    until the end of the test under pytest, until ``go_online()`` elsewhere.

    Raises Auth0Error (``user_not_allowed``, ``organization_not_allowed``) where a real login would end at an error page.
    """
    conf, tenant = get_settings(configuration), go_offline(configuration)
    if permissions and not conf.api_audience:
        raise ValueError("Permissions live in the access token for an API: set AUTH0['AUDIENCE'].")
    subject = sub or (_subject_of(user, conf) if user is not None else DEFAULT_SUBJECT)
    if user is not None:
        _give_identity(user, subject, conf)
    profile = _profile(subject, user, conf) | _organization_claims(organization) | dict(claims or {})
    tenant.note_profile(subject, profile)
    wanted = conf.scope if scopes is None else scopes
    dpop_key = DPoPKey.generate() if conf.dpop else None
    grant = OfflineGrant(
        subject,
        conf.client_id,
        conf.api_audience,
        as_names(wanted),
        tuple(sorted(as_names(permissions))),
        _organization_claims(organization),
        lifetime=expires_in,
        jkt=dpop_key.thumbprint if dpop_key else "",
    )
    tokens = tenant.issue(grant, with_refresh_token="offline_access" in {*conf.scope.split(), *as_names(wanted)})
    now = int(conf.clock())
    id_token_claims = {
        "iss": conf.issuer,
        "aud": conf.client_id,
        "iat": now,
        "exp": now + 36000,
        "auth_time": now,
        "sid": secrets.token_urlsafe(24),
        **profile,
        "sub": subject,
    }
    id_token = tenant.sign(id_token_claims, conf)
    tokens = replace(tokens, id_token=id_token, dpop_key=dpop_key.dump() if dpop_key else None)
    return _finish(client, tokens, id_token_claims, conf, organization)


async def aauth0_login(client: Client | AsyncClient, **arguments: Any) -> LoginSession:
    """As ``auth0_login``, for ``AsyncClient`` in an async test."""
    return await sync_to_async(auth0_login)(client, **arguments)


def make_access_token(
    *,
    sub: str = DEFAULT_SUBJECT,
    permissions: str | Collection[str] | None = None,
    scopes: str | Collection[str] = (),
    organization: str = "",
    audience: str = "",
    claims: Mapping[str, Any] | None = None,
    expires_in: int = 86400,
    configuration: str = "default",
) -> str:
    """Return an access token that ``bearer_token_required`` judges as a real one, for tests of an API; no network.

    ``audience``: default ``AUTH0["AUDIENCE"]``. Without ``permissions`` the token has no such claim, as at an API without
    "Add Permissions in the Access Token". A negative ``expires_in`` makes an expired token.
    """
    conf, tenant = get_settings(configuration), go_offline(configuration)
    grant = OfflineGrant(
        sub,
        conf.client_id,
        audience or conf.api_audience,
        as_names(scopes),
        None if permissions is None else tuple(sorted(as_names(permissions))),
        _organization_claims(organization),
        dict(claims or {}),
        expires_in,
    )
    if not grant.audience:
        raise ValueError("An access token for an API needs an audience: the argument, or AUTH0['AUDIENCE'].")
    return tenant.access_token(grant)


def login_session_of(client: Client | AsyncClient) -> LoginSession:
    """Return the row behind a test client's login. Raises LookupError when there is none."""
    facts = client.session.get(FACTS_KEY)
    row = LoginSession.objects.filter(pk=facts["id"]).first() if isinstance(facts, dict) and "id" in facts else None
    if row is None:
        raise LookupError("This client is not logged in through Auth0.")
    return row


def expire_tokens(client: Client | AsyncClient) -> None:
    """Let all access tokens of a client's login be past their expiry: the next use refreshes.

    For logins by ``auth0_login`` and for those at the local tenant; no clock is moved.
    """
    row = login_session_of(client)
    conf = get_settings(row.configuration)
    offline = offline_now(row.configuration)

    def stale(tokens: TokenSet) -> TokenSet:
        token = tokens.access_token
        if token is None:
            return tokens
        aged = offline.age(token) if offline is not None else token
        return replace(tokens, access_token=aged, expires_at=conf.clock() - 1)

    grant = row.grant
    others = {key: stale(tokens) for key, tokens in grant.others.items()}
    row.grant = replace(grant, tokens=stale(grant.tokens), others=others)
    row.version = F("version") + 1
    row.retry_at = None
    row.save(update_fields=["sealed", "access_token_expires_at", "version", "retry_at"])


def revoke_tokens(client: Client | AsyncClient) -> None:
    """Let the tenant revoke a client's refresh token, and its access tokens expire: the next use is LoginRequired."""
    row = login_session_of(client)
    if refresh_token := row.grant.tokens.refresh_token:
        get_client(row.configuration).revoke(refresh_token)
    expire_tokens(client)


# -- who logs in -------------------------------------------------------------------------------------------------------


def _subject_of(user: Any, conf: Auth0Settings) -> str:
    identity = Identity.objects.filter(user=user, issuer=conf.issuer).order_by("pk").first()
    return identity.subject if identity is not None else f"auth0|test-{user.pk}"


def _give_identity(user: Any, subject: str, conf: Auth0Settings) -> None:
    identity, _ = Identity.objects.get_or_create(
        key=Identity.key_for(conf.issuer, subject),
        defaults={"issuer": conf.issuer, "subject": subject, "user": user},
    )
    if identity.user_id != user.pk:
        raise ValueError(f"The subject {subject!r} belongs to another user.")


def _profile(subject: str, user: Any, conf: Auth0Settings) -> dict[str, Any]:
    """Return claims about a person: made up, or such that logging ``user`` in leaves its fields and groups alone."""
    name = re.sub(r"[^A-Za-z0-9.-]+", ".", subject.rpartition("|")[2]).strip(".") or "user"
    profile: dict[str, Any] = {
        "email": f"{name[:64]}@example.com",
        "email_verified": True,
        "given_name": "Test",
        "family_name": "User",
        "name": "Test User",
        "nickname": name,
    }
    if user is None:
        return profile
    for field, claim in conf.user_fields.items():
        value = getattr(user, field, None)
        profile[claim] = value if isinstance(value, (str, bool, int, float)) else None
    if conf.groups_claim:
        profile[conf.groups_claim] = _group_values(user, conf)
    return {claim: value for claim, value in profile.items() if value is not None}


def _group_values(user: Any, conf: Auth0Settings) -> list[str]:
    """Return what the groups claim must hold for ``user`` to keep its groups and flags."""
    names = set(user.groups.values_list("name", flat=True)) if hasattr(user, "groups") else set()
    values = {value for value, name in conf.groups.items() if name in names} if conf.groups else names
    for flag, granting in (("is_staff", conf.staff_groups), ("is_superuser", conf.superuser_groups)):
        if granting and getattr(user, flag, False):
            values.add(granting[0])
    return sorted(values)


def _organization_claims(organization: str) -> dict[str, str]:
    if not organization or organization.startswith("org_"):
        return {"org_id": organization} if organization else {}
    name = organization.lower()
    return {"org_id": f"org_{hashlib.sha256(name.encode()).hexdigest()[:16]}", "org_name": name}


# -- the login ---------------------------------------------------------------------------------------------------------


def _finish(
    client: Client | AsyncClient, tokens: TokenSet, claims: Mapping[str, Any], conf: Auth0Settings, organization: str
) -> LoginSession:
    """Do what the callback view and the middleware do with a judged response, on the client's own session."""
    environ: Any = client.defaults
    request: HttpRequest = RequestFactory().get("/", **environ)
    request.session = client.session if django_settings.SESSION_COOKIE_NAME in client.cookies else session_store()()
    by = BY_SITE if organization else ""
    finish.finish_login(request, Login(conf.name, tokens, claims, began_at=conf.clock(), organization_by=by))
    # A test that logs in again and again is no visitor who goes round in circles.
    request.session[FACTS_KEY] = {**request.session[FACTS_KEY], "rounds": 0}
    after_response(request, Auth0Session(request))
    request.session.save()
    _set_cookie(client, request.session)
    return login_session_of(client)


def _set_cookie(client: Client | AsyncClient, session: SessionBase) -> None:
    name = django_settings.SESSION_COOKIE_NAME
    client.cookies[name] = session.session_key or ""
    client.cookies[name].update(
        {
            "path": django_settings.SESSION_COOKIE_PATH,
            "domain": django_settings.SESSION_COOKIE_DOMAIN or "",
            "secure": "1" if django_settings.SESSION_COOKIE_SECURE else "",
        }
    )
