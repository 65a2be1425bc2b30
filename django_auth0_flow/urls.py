"""``path("auth0/", include("django_auth0_flow.urls"))``."""

from __future__ import annotations

from django.urls import path

from . import backchannel, views

app_name = "auth0"
urlpatterns = [
    path("login/", views.LoginView.as_view(), name="login"),
    path("callback/", views.CallbackView.as_view(), name="callback"),
    path("logout/", views.LogoutView.as_view(), name="logout"),
    path("logged-out/", views.LoggedOutView.as_view(), name="logged_out"),
    path("backchannel-logout/", backchannel.BackchannelLogoutView.as_view(), name="backchannel_logout"),
]
