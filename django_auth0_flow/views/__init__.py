"""The pages under the include: parse the request, call a use case, answer. Subclass them, replace their templates."""

from __future__ import annotations

from django_auth0_flow.views.account import AccountView
from django_auth0_flow.views.backchannel import BackchannelLogoutView
from django_auth0_flow.views.base import Auth0View
from django_auth0_flow.views.callback import CallbackView
from django_auth0_flow.views.connect import ConnectView
from django_auth0_flow.views.login import LoginView
from django_auth0_flow.views.logout import LoggedOutView, LogoutView
from django_auth0_flow.views.mfa import MfaCodeView, MfaEnrolView, MfaView, RecoveryCodesView
from django_auth0_flow.views.password import PasswordView
from django_auth0_flow.views.passwordless import PasswordlessCodeView, PasswordlessView
from django_auth0_flow.views.sign_up import PasswordResetView, SignUpView

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
