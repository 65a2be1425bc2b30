"""Tools for testing a project that uses django_auth0_flow: logins without network, a fake API, a local tenant.

Plain functions, for pytest and unittest alike; ``fixtures`` makes pytest fixtures of them. Nothing is imported before a
name is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .fake_api import ApiCall, FakeApi, UnexpectedCall
    from .kit import (
        aauth0_login,
        auth0_login,
        expire_machine_tokens,
        expire_tokens,
        login_session_of,
        make_access_token,
        revoke_tokens,
    )
    from .offline import OfflineTenant, go_online, offline_tenant
    from .site import log_in_at, settings_for

_HOMES = {
    "ApiCall": "fake_api",
    "FakeApi": "fake_api",
    "UnexpectedCall": "fake_api",
    "OfflineTenant": "offline",
    "aauth0_login": "kit",
    "auth0_login": "kit",
    "expire_machine_tokens": "kit",
    "expire_tokens": "kit",
    "go_online": "offline",
    "log_in_at": "site",
    "login_session_of": "kit",
    "make_access_token": "kit",
    "offline_tenant": "offline",
    "revoke_tokens": "kit",
    "settings_for": "site",
}

__all__ = [
    "ApiCall",
    "FakeApi",
    "OfflineTenant",
    "UnexpectedCall",
    "aauth0_login",
    "auth0_login",
    "expire_machine_tokens",
    "expire_tokens",
    "go_online",
    "log_in_at",
    "login_session_of",
    "make_access_token",
    "offline_tenant",
    "revoke_tokens",
    "settings_for",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
