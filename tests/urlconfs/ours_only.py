"""Our URLs, for two configurations, and no view of the project's own."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [
    path("auth0/", include("django_auth0_flow.urls")),
    path(
        "partners/",
        include(("django_auth0_flow.urls", "auth0"), namespace="partners"),
        {"configuration": "partners"},
    ),
]
