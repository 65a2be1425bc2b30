"""The include under a prefix of the project's own choice."""

from __future__ import annotations

from django.urls import include, path

from tests import sample_views

urlpatterns = [
    path("members/login-service/", include("django_auth0_flow.urls")),
    path("", sample_views.home),
    path("page/", sample_views.plain),
]
