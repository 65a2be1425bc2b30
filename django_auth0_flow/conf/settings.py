"""One configuration of ``settings.AUTH0`` as frozen values."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.utils.module_loading import import_string

from django_auth0_flow.conf.credentials import client_auth_method
from django_auth0_flow.conf.problems import HTTP_TIMEOUT, LEASE_MARGIN, find_problems
from django_auth0_flow.protocol.authorization import default_response_mode, kinds_of
from django_auth0_flow.protocol.outbound import token_origin

DEFAULT = "default"

_FORWARDED = ("organization", "invitation", "login_hint", "screen_hint", "ui_locales")


@dataclass(frozen=True)
class Auth0Settings:
    """One configuration. Durations in seconds; each field is a key of ``AUTH0`` in lower case."""

    name: str = DEFAULT
    domain: str = ""
    issuer: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    client_auth: str = "client_secret_post"
    audience: str = ""
    scope: str = "openid profile email"
    api_origins: tuple[str, ...] = ()
    refresh_margin: int = 60
    refresh_wait: int = 15
    leeway: int = 60
    http_timeout: float = HTTP_TIMEOUT
    base_url: str = ""
    authorization_params: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    forwarded_params: tuple[str, ...] = _FORWARDED
    user_fields: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType(
            {"email": "email", "first_name": "given_name", "last_name": "family_name"}
        )
    )
    groups_claim: str = ""
    groups_separator: str = ""
    groups: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    staff_groups: tuple[str, ...] = ()
    superuser_groups: tuple[str, ...] = ()
    create_users: bool = True
    link_by_verified_email: bool = False
    allowed_organizations: tuple[str, ...] = ()
    userinfo: bool = False
    encryption_keys: tuple[str, ...] = field(default=(), repr=False)
    id_token_algorithm: str = "RS256"
    federated_logout: bool = False
    passwordless: tuple[str, ...] = ()
    password_realm: str | bool = ""
    trusted_proxy_count: int | None = 0
    organization: str | Callable[[HttpRequest], str | None] = ""
    response_type: str = "code"
    response_mode: str = "query"
    recheck_seconds: int = 0
    pushed_authorization: bool = False
    signed_requests: bool = False
    client_assertion_keys: tuple[Mapping[str, str], ...] = field(default=(), repr=False)
    client_certificate: str | Mapping[str, str] = ""
    dpop: bool = False
    resource: str = ""
    release_connections: bool = False
    clock: Callable[[], float] = time.time

    @property
    def api_audience(self) -> str:
        """The API that the login's own access token is for: ``audience``, else ``resource``; "" for neither."""
        return self.audience or self.resource

    @property
    def refresh_lease(self) -> float:
        """Seconds for which a worker holds the right to refresh; REFRESH_WAIT outlasts it unless it was set too short."""
        return self.http_timeout + LEASE_MARGIN


def _frozen(value: object) -> object:
    if isinstance(value, list):
        return tuple(value)
    return MappingProxyType(dict(value)) if isinstance(value, Mapping) else value


def parse_settings(setting: object, name: str = DEFAULT) -> Auth0Settings:
    """Return one configuration as frozen values. Raises ImproperlyConfigured with its first problem."""
    for problem in find_problems(setting, name=name):
        if problem.is_error:
            raise ImproperlyConfigured(f"{problem.message} {problem.hint}".strip())
    values: dict[str, Any] = {key.lower(): _frozen(value) for key, value in dict(setting).items()}  # type: ignore[call-overload]  # E001 found no fault
    for key in ("clock", "organization"):
        # An organization's id or name has no dot.
        if isinstance(found := values.get(key), str) and "." in found:
            values[key] = import_string(found)
    values.setdefault("response_mode", default_response_mode(kinds_of(values.get("response_type", "code"))))
    if values.get("domain") and not values.get("issuer"):
        values["issuer"] = f"https://{values['domain'].lower()}/"
    values.setdefault("refresh_wait", math.ceil(values.get("http_timeout", HTTP_TIMEOUT)) + LEASE_MARGIN + 3)
    values["client_auth"] = client_auth_method(dict(setting))  # type: ignore[call-overload]  # as above
    if "api_origins" not in values and (api := values.get("audience") or values.get("resource")):
        origin = token_origin(api)
        values["api_origins"] = (origin,) if origin else ()
    values["password_realm"] = values.get("password_realm") or ""
    if values.get("base_url"):
        values["base_url"] = values["base_url"].rstrip("/")
    return Auth0Settings(name=name, **values)
