"""The include under a prefix of the project's own choice."""

from __future__ import annotations

from django.urls import include, path

from tests import views

urlpatterns = [
    path("members/login-service/", include("django_auth0_flow.urls")),
    path("", views.home),
    path("page/", views.plain),
]
