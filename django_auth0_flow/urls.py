"""``path("auth0/", include("django_auth0_flow.urls"))``."""

from __future__ import annotations

from django_auth0_flow.views.lazy_view import page

app_name = "auth0"

urlpatterns = [
    page("login/", "login.LoginView", "login"),
    page("callback/", "callback.CallbackView", "callback"),
    page("logout/", "logout.LogoutView", "logout"),
    page("logged-out/", "logout.LoggedOutView", "logged_out"),
    page("backchannel-logout/", "backchannel.BackchannelLogoutView", "backchannel_logout"),
    page("account/", "account.AccountView", "account"),
    page("connect/", "connect.ConnectView", "connect"),
    page("passwordless/", "passwordless.PasswordlessView", "passwordless"),
    page("passwordless/code/", "passwordless.PasswordlessCodeView", "passwordless_code"),
    page("password/", "password.PasswordView", "password"),
    page("signup/", "sign_up.SignUpView", "signup"),
    page("password-reset/", "sign_up.PasswordResetView", "password_reset"),
    page("mfa/", "mfa.MfaView", "mfa"),
    page("mfa/code/", "mfa.MfaCodeView", "mfa_code"),
    page("mfa/enrol/", "mfa.MfaEnrolView", "mfa_enrol"),
    page("mfa/recovery-codes/", "recovery_codes.RecoveryCodesView", "mfa_recovery_codes"),
]
