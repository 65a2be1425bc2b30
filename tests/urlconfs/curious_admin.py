"""Admins of a project that knows nothing of secret columns: plain ones, and a related one that filters by them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.urls import include, path

from django_auth0_flow.models import Identity, LoginSession
from tests import sample_views

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = admin.ModelAdmin

SECRET = ("sealed_session_key", "session_digest", "sealed", "sid_key", "lease")


class PersonAdmin(_ModelAdmin):
    list_filter = tuple(f"auth0_identities__login_sessions__{name}" for name in SECRET)


class SubjectAdmin(_ModelAdmin):
    list_filter = tuple(f"login_sessions__{name}" for name in SECRET)


class RowAdmin(_ModelAdmin):
    list_display = ("id", "sealed_session_key")
    sortable_by = ("id",)


site = admin.AdminSite()
site.register(LoginSession, RowAdmin)
site.register(Identity, SubjectAdmin)
site.register(get_user_model(), PersonAdmin)

urlpatterns = [
    path("auth0/", include("django_auth0_flow.urls")),
    path("admin/", site.urls),
    path("", sample_views.home),
]
