"""The URLs of the test project: our include, the admin, and small views that use what the package offers."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.decorators import login_required, permission_required
from django.urls import include, path

from tests import views

urlpatterns = [
    path("auth0/", include("django_auth0_flow.urls")),
    path(
        "partners/",
        include(("django_auth0_flow.urls", "auth0"), namespace="partners"),
        {"configuration": "partners"},
    ),
    path("admin/", admin.site.urls),
    path("", views.home, name="home"),
    path("plain/", views.plain),
    path("bare/", views.bare),
    path("scoped/", views.scoped),
    path("permitted/", views.permitted),
    path("organized/", views.organized),
    path("recent/", views.recent),
    path("strong/", views.strong),
    path("mixin/", views.Mixin.as_view()),
    path("async/", views.async_bare),
    path("async-token/", views.async_token),
    path("token/", views.token),
    path("unmarked-token/", views.unmarked_token),
    path("token-then-error/", views.token_then_error),
    path("unmarked-token-then-error/", views.unmarked_token_then_error),
    path("call/", views.call),
    path("django-login-required/", login_required(views.plain)),
    path("django-permission/", permission_required("auth.add_user", raise_exception=True)(views.plain)),
    path("django-permission-loop/", permission_required("auth.add_user")(views.plain)),
    path("wants-login/", views.wants_login),
    path("api/things/", views.api),
    path("api/things/write/", views.api_write),
    path("api/things/async/", views.async_api),
]
