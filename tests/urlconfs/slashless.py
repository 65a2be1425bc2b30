"""The include with a prefix that lacks its slash."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [path("accounts", include("django_auth0_flow.urls"))]
