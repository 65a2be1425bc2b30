"""``path("auth0/", include("django_auth0_flow.urls"))``."""

from __future__ import annotations

from django.urls import path

from django_auth0_flow.views import (
    account,
    backchannel,
    callback,
    connect,
    login,
    logout,
    mfa,
    password,
    passwordless,
    sign_up,
)

app_name = "auth0"

urlpatterns = [
    path("login/", login.LoginView.as_view(), name="login"),
    path("callback/", callback.CallbackView.as_view(), name="callback"),
    path("logout/", logout.LogoutView.as_view(), name="logout"),
    path("logged-out/", logout.LoggedOutView.as_view(), name="logged_out"),
    path("backchannel-logout/", backchannel.BackchannelLogoutView.as_view(), name="backchannel_logout"),
    path("account/", account.AccountView.as_view(), name="account"),
    path("connect/", connect.ConnectView.as_view(), name="connect"),
    path("passwordless/", passwordless.PasswordlessView.as_view(), name="passwordless"),
    path("passwordless/code/", passwordless.PasswordlessCodeView.as_view(), name="passwordless_code"),
    path("password/", password.PasswordView.as_view(), name="password"),
    path("signup/", sign_up.SignUpView.as_view(), name="signup"),
    path("password-reset/", sign_up.PasswordResetView.as_view(), name="password_reset"),
    path("mfa/", mfa.MfaView.as_view(), name="mfa"),
    path("mfa/code/", mfa.MfaCodeView.as_view(), name="mfa_code"),
    path("mfa/enrol/", mfa.MfaEnrolView.as_view(), name="mfa_enrol"),
    path("mfa/recovery-codes/", mfa.RecoveryCodesView.as_view(), name="mfa_recovery_codes"),
]
