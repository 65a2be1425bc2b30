"""The admin behind the login at Auth0, with what the default site registered."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from django_auth0_flow.admin_site import Auth0AdminSite
from tests import sample_views

site = Auth0AdminSite()
for model, model_admin in admin.site._registry.items():
    site.register(model, type(model_admin))

urlpatterns = [
    path("auth0/", include("django_auth0_flow.urls")),
    path("admin/", site.urls),
    path("", sample_views.home),
]
