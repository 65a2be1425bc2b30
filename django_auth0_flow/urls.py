"""``path("auth0/", include("django_auth0_flow.urls"))``."""

from __future__ import annotations

from django.urls import path

from . import backchannel, callback, direct_views, mfa_views, views

app_name = "auth0"
urlpatterns = [
    path("login/", views.LoginView.as_view(), name="login"),
    path("callback/", callback.CallbackView.as_view(), name="callback"),
    path("logout/", views.LogoutView.as_view(), name="logout"),
    path("logged-out/", views.LoggedOutView.as_view(), name="logged_out"),
    path("backchannel-logout/", backchannel.BackchannelLogoutView.as_view(), name="backchannel_logout"),
    path("passwordless/", direct_views.PasswordlessView.as_view(), name="passwordless"),
    path("passwordless/code/", direct_views.PasswordlessCodeView.as_view(), name="passwordless_code"),
    path("password/", direct_views.PasswordView.as_view(), name="password"),
    path("mfa/", mfa_views.MfaView.as_view(), name="mfa"),
    path("mfa/code/", mfa_views.MfaCodeView.as_view(), name="mfa_code"),
    path("mfa/enrol/", mfa_views.MfaEnrolView.as_view(), name="mfa_enrol"),
    path("mfa/recovery-codes/", mfa_views.RecoveryCodesView.as_view(), name="mfa_recovery_codes"),
]
