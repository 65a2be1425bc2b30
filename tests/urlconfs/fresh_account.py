"""A site that asks for a login of the last five minutes before it shows one's logins."""

from __future__ import annotations

from django.urls import path

from django_auth0_flow.decorators import auth0_login_required
from django_auth0_flow.views import AccountView
from tests import urls

urlpatterns = [
    path("auth0/account/", auth0_login_required(max_age=300)(AccountView.as_view())),
    *urls.urlpatterns,
]
