"""A tenant inside this process, for logins without network: discovery, keys, refresh, machine tokens, revocation, userinfo.

It takes the place of the configured tenant by its issuer; nobody can log in *at* it, see ``Tenant`` for that.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

import jwt
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from django_auth0_flow.conf import (
    Auth0Settings,
    get_settings,
    push_client_builder,
    remove_client_builder,
)
from django_auth0_flow.conf.clients import build_client, build_shared_client
from django_auth0_flow.protocol.client import Client
from django_auth0_flow.protocol.http import Http
from django_auth0_flow.protocol.tokens import TokenSet

from .canned import CannedAdapter, json_response

_KID = "offline"


@cache
def _signing_key() -> rsa.RSAPrivateKey:
    """Return the key that all offline tenants of this process sign with; it is never stored."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass(frozen=True)
class OfflineGrant:
    """What a login was granted; every refresh gives the same again. ``lifetime`` of access tokens in seconds."""

    subject: str
    client_id: str
    audience: str = ""
    scopes: frozenset[str] = frozenset()
    permissions: tuple[str, ...] | None = None
    organization: Mapping[str, str] = field(default_factory=dict)
    claims: Mapping[str, Any] = field(default_factory=dict)
    lifetime: int = 86400
    jkt: str = ""


class OfflineTenant:
    """The tenant of one issuer. ``is_down`` True makes every request to it fail, as if nothing listened there.

    ``machine_scopes``: what machine tokens get that are asked for without a scope; ``machine_error``: a word (
    ``unauthorized_client``, …) by which they are refused. ``unconnected``: connections at which no one has an account.
    """

    def __init__(self, issuer: str, clock: Callable[[], float]) -> None:
        self.issuer = issuer
        self.clock = clock
        self.is_down = False
        self.machine_scopes = ""
        self.machine_error = ""
        self.unconnected: set[str] = set()
        self.adapter = CannedAdapter(self._respond)
        self._grants: dict[str, OfflineGrant] = {}
        self._holders: dict[str, str] = {}
        self._profiles: dict[str, Mapping[str, Any]] = {}

    # -- tokens ----------------------------------------------------------------------------------------------------------

    def issue(self, grant: OfflineGrant, *, with_refresh_token: bool) -> TokenSet:
        """Return the tokens of a login a minute ago, without ID token: an API's 401 is worth a refresh by then."""
        now, refresh_token = self.clock(), None
        if with_refresh_token:
            refresh_token = f"offline-{secrets.token_urlsafe(24)}"
            self._grants[refresh_token] = grant
        return TokenSet(
            access_token=self.access_token(grant),
            expires_at=now + grant.lifetime,
            obtained_at=now - 60,
            scope=grant.scopes,
            token_type="DPoP" if grant.jkt else "Bearer",
            refresh_token=refresh_token,
        )

    def access_token(self, grant: OfflineGrant) -> str:
        """Return an access token: a JWT for the grant's audience, an opaque text without one."""
        now = self.clock()
        claims: dict[str, Any] = {
            "sub": grant.subject,
            "aud": grant.audience,
            "iat": int(now),
            "exp": int(now + grant.lifetime),
            "scope": " ".join(sorted(grant.scopes)),
            "azp": grant.client_id,
            "jti": secrets.token_urlsafe(16),
            **grant.organization,
        }
        if grant.permissions is not None:
            claims["permissions"] = list(grant.permissions)
        if grant.jkt:
            claims["cnf"] = {"jkt": grant.jkt}
        is_jwt = bool(grant.audience)
        token = self.sign({**claims, **grant.claims}) if is_jwt else f"offline-{secrets.token_urlsafe(24)}"
        self._holders[token] = grant.subject
        return token

    def sign(self, claims: Mapping[str, Any], conf: Auth0Settings | None = None) -> str:
        """Return ``claims`` as a JWT of this issuer; as an ID token of ``conf`` if given, else as an access token."""
        algorithm = conf.id_token_algorithm if conf is not None else "RS256"
        key: Any = conf.client_secret if conf is not None and algorithm == "HS256" else _signing_key()
        return jwt.encode({"iss": self.issuer, **claims}, key, algorithm, headers={"kid": _KID})

    def age(self, token: str) -> str:
        """Return the same access token, expired a day ago; one that is not of this tenant comes back as it is."""
        try:
            claims = jwt.decode(token, _signing_key().public_key(), ["RS256"], options={"verify_aud": False})
        except jwt.InvalidTokenError:
            return token
        now = int(self.clock())
        return self.sign({**claims, "iat": now - 2 * 86400, "exp": now - 86400})

    def note_profile(self, subject: str, claims: Mapping[str, Any]) -> None:
        """Let ``/userinfo`` answer for ``subject``."""
        self._profiles[subject] = claims

    # -- endpoints -------------------------------------------------------------------------------------------------------

    def _respond(self, request: requests.PreparedRequest) -> requests.Response:
        if self.is_down:
            raise requests.ConnectTimeout("this tenant is down")
        path = (request.url or "").removeprefix(self.issuer.rstrip("/")).partition("?")[0]
        body = request.body or b""
        form = dict(parse_qsl(body.decode() if isinstance(body, bytes) else str(body)))
        match path:
            case "/.well-known/openid-configuration":
                return json_response(200, self._metadata())
            case "/.well-known/jwks.json":
                return json_response(200, {"keys": [_public_key()]})
            case "/oauth/token":
                return self._token(form)
            case "/oauth/revoke":
                self._grants.pop(form.get("token", ""), None)
                return json_response(200, {})
            case "/oauth/par":
                return json_response(
                    201, {"request_uri": "urn:ietf:params:oauth:request_uri:offline", "expires_in": 60}
                )
            case "/userinfo":
                return self._userinfo(request)
        return json_response(404, {"error": "not_found", "error_description": f"The offline tenant has no {path}."})

    def _metadata(self) -> dict[str, Any]:
        base = self.issuer.rstrip("/")
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/oauth/token",
            "jwks_uri": f"{base}/.well-known/jwks.json",
            "userinfo_endpoint": f"{base}/userinfo",
            "revocation_endpoint": f"{base}/oauth/revoke",
            "end_session_endpoint": f"{base}/oidc/logout",
            "pushed_authorization_request_endpoint": f"{base}/oauth/par",
        }

    def _token(self, form: Mapping[str, str]) -> requests.Response:
        kind = form.get("grant_type", "")
        grant = self._grants.get(form.get("refresh_token") or form.get("subject_token") or "")
        if kind == "client_credentials":
            return self._machine_token(form)
        if kind.endswith(":token-exchange") and form.get("requested_token_type", "").endswith(":access_token"):
            return self._on_behalf_of(form)
        if kind != "refresh_token" and not kind.endswith(":federated-connection-access-token"):
            return _refusal("unauthorized_client", f"The offline tenant grants no {kind}; the local tenant does.")
        if grant is None:
            return _refusal("invalid_grant", "Unknown or invalid refresh token.")
        if kind != "refresh_token" and form.get("connection") in self.unconnected:
            return _refusal("access_denied", "The test says that no account is connected.", 401)
        if kind != "refresh_token":
            token = {"access_token": f"offline-{form.get('connection')}", "expires_in": 3600, "token_type": "Bearer"}
            return json_response(200, token)
        return self._refreshed(form, grant)

    def _machine_token(self, form: Mapping[str, str]) -> requests.Response:
        """Give any audience, scope and organization that is asked for, unless ``machine_error`` says no."""
        if self.machine_error:
            return _refusal(self.machine_error, "The test says so.")
        client_id, organization = form.get("client_id", ""), form.get("organization", "")
        named = "org_id" if organization.startswith("org_") else "org_name"
        grant = OfflineGrant(
            f"{client_id}@clients",
            client_id,
            form.get("audience") or form.get("resource", ""),
            frozenset(form.get("scope", self.machine_scopes).split()),
            organization={named: organization.lower()} if organization else {},
            claims={"gty": "client-credentials"},
        )
        scope = " ".join(sorted(grant.scopes))
        token = {"access_token": self.access_token(grant), "expires_in": grant.lifetime, "token_type": "Bearer"}
        return json_response(200, {**token, "scope": scope})

    def _on_behalf_of(self, form: Mapping[str, str]) -> requests.Response:
        """Give a token in the name of the caller of an API, for any audience."""
        try:
            options: Any = {"verify_aud": False, "verify_exp": False}
            claims = jwt.decode(form.get("subject_token", ""), _signing_key().public_key(), ["RS256"], options=options)
        except jwt.InvalidTokenError:
            return _refusal("invalid_request", "The subject token is not valid.")
        organization: dict[str, str] = {name: claims[name] for name in ("org_id", "org_name") if name in claims}
        client_id, scopes = form.get("client_id", ""), frozenset(form.get("scope", "").split())
        grant = OfflineGrant(
            claims["sub"], client_id, form.get("audience", ""), scopes, None, organization, {"act": {"sub": client_id}}
        )
        token = {"access_token": self.access_token(grant), "expires_in": grant.lifetime, "token_type": "Bearer"}
        return json_response(200, token)

    def _refreshed(self, form: Mapping[str, str], grant: OfflineGrant) -> requests.Response:
        """Give any audience that is asked for: what the real tenant allows is for its own set-up to say."""
        scopes = frozenset(form["scope"].split()) & grant.scopes if form.get("scope") else grant.scopes
        given = replace(grant, audience=form.get("audience") or grant.audience, scopes=scopes)
        body = {
            "access_token": self.access_token(given),
            "expires_in": grant.lifetime,
            "scope": " ".join(sorted(scopes)),
            "token_type": "DPoP" if grant.jkt else "Bearer",
        }
        return json_response(200, body)

    def _userinfo(self, request: requests.PreparedRequest) -> requests.Response:
        subject = self._holders.get(str(request.headers.get("Authorization", "")).partition(" ")[2])
        if subject is None:
            return json_response(401, {"error": "invalid_token"})
        return json_response(200, {**self._profiles.get(subject, {}), "sub": subject})


def _refusal(error: str, description: str, status: int = 403) -> requests.Response:
    return json_response(status, {"error": error, "error_description": description})


def _public_key() -> dict[str, Any]:
    key = RSAAlgorithm.to_jwk(_signing_key().public_key(), as_dict=True)
    return {"kty": "RSA", "n": key["n"], "e": key["e"], "kid": _KID, "use": "sig"}


# -- in place of the network -------------------------------------------------------------------------------------------

_tenants: dict[str, OfflineTenant] = {}
_offline: set[str] = set()


def go_offline(configuration: str = "default") -> OfflineTenant:
    """Let the tenant of a configuration be answered for in this process, until ``go_online``; return it.

    Metadata and keys stay out of Django's cache, which other processes may share.
    """
    conf = get_settings(configuration)
    tenant = _tenants.setdefault(conf.issuer, OfflineTenant(conf.issuer, conf.clock))
    tenant.clock = conf.clock
    if conf.issuer not in _offline:
        _change(_offline | {conf.issuer})
    return tenant


def offline_now(configuration: str) -> OfflineTenant | None:
    """Return what answers for the tenant of a configuration, None if the network does."""
    issuer = get_settings(configuration).issuer
    return _tenants[issuer] if issuer in _offline else None


def go_online() -> None:
    """Let every tenant be asked over the network again."""
    _change(set())


@contextmanager
def offline_tenant(configuration: str = "default") -> Iterator[OfflineTenant]:
    """Be offline within; in a TestCase's ``setUp``: ``self.enterContext(offline_tenant())``."""
    with as_it_was():
        yield go_offline(configuration)


@contextmanager
def as_it_was() -> Iterator[None]:
    """On leaving, ask over the network whom it was asked from on entering; nobody stays down."""
    before = set(_offline)
    try:
        yield
    finally:
        _change(before)
        for tenant in _tenants.values():
            tenant.is_down, tenant.machine_scopes, tenant.machine_error = False, "", ""
            tenant.unconnected.clear()


def _change(issuers: set[str]) -> None:
    if _offline:
        remove_client_builder(_build)
    _offline.clear()
    _offline.update(issuers)
    if _offline:
        push_client_builder(_build)


def _build(conf: Auth0Settings) -> Client:
    if conf.issuer not in _offline:
        return build_shared_client(conf)
    session = requests.Session()
    session.adapters.clear()
    session.mount(conf.issuer, _tenants[conf.issuer].adapter)
    return build_client(conf, http=Http(timeout=conf.http_timeout, session=session), cache=None)
