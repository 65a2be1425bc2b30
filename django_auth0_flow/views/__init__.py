"""The pages under the include: parse the request, call a use case, answer. Subclass them, replace their templates.

Each is loaded when it is imported by name.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django_auth0_flow.views.account import AccountView
    from django_auth0_flow.views.backchannel import BackchannelLogoutView
    from django_auth0_flow.views.base import Auth0View
    from django_auth0_flow.views.callback import CallbackView
    from django_auth0_flow.views.connect import ConnectView
    from django_auth0_flow.views.login import LoginView
    from django_auth0_flow.views.logout import LoggedOutView, LogoutView
    from django_auth0_flow.views.mfa import MfaCodeView, MfaEnrolView, MfaView
    from django_auth0_flow.views.password import PasswordView
    from django_auth0_flow.views.passwordless import PasswordlessCodeView, PasswordlessView
    from django_auth0_flow.views.recovery_codes import RecoveryCodesView
    from django_auth0_flow.views.sign_up import PasswordResetView, SignUpView

_MODULES = {
    "AccountView": "account",
    "BackchannelLogoutView": "backchannel",
    "Auth0View": "base",
    "CallbackView": "callback",
    "ConnectView": "connect",
    "LoginView": "login",
    "LoggedOutView": "logout",
    "LogoutView": "logout",
    "MfaCodeView": "mfa",
    "MfaEnrolView": "mfa",
    "MfaView": "mfa",
    "RecoveryCodesView": "recovery_codes",
    "PasswordView": "password",
    "PasswordlessCodeView": "passwordless",
    "PasswordlessView": "passwordless",
    "PasswordResetView": "sign_up",
    "SignUpView": "sign_up",
}

__all__ = [
    "AccountView",
    "Auth0View",
    "BackchannelLogoutView",
    "CallbackView",
    "ConnectView",
    "LoggedOutView",
    "LoginView",
    "LogoutView",
    "MfaCodeView",
    "MfaEnrolView",
    "MfaView",
    "PasswordResetView",
    "PasswordView",
    "PasswordlessCodeView",
    "PasswordlessView",
    "RecoveryCodesView",
    "SignUpView",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
