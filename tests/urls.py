"""The URLs of the test project: our include, the admin, and small views that use what the package offers."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.decorators import login_required, permission_required
from django.urls import include, path

from tests import sample_views

urlpatterns = [
    path("auth0/", include("django_auth0_flow.urls")),
    path(
        "partners/",
        include(("django_auth0_flow.urls", "auth0"), namespace="partners"),
        {"configuration": "partners"},
    ),
    path("admin/", admin.site.urls),
    path("", sample_views.home, name="home"),
    path("plain/", sample_views.plain),
    path("bare/", sample_views.bare),
    path("scoped/", sample_views.scoped),
    path("permitted/", sample_views.permitted),
    path("organized/", sample_views.organized),
    path("recent/", sample_views.recent),
    path("strong/", sample_views.strong),
    path("mixin/", sample_views.Mixin.as_view()),
    path("async/", sample_views.async_bare),
    path("async-token/", sample_views.async_token),
    path("token/", sample_views.token),
    path("machine-token/", sample_views.machine_token),
    path("async-machine-token/", sample_views.async_machine_token),
    path("machine-token-in-transaction/", sample_views.machine_token_in_transaction),
    path("machine-token-then-error/", sample_views.machine_token_then_error),
    path("unmarked-token/", sample_views.unmarked_token),
    path("token-then-error/", sample_views.token_then_error),
    path("unmarked-token-then-error/", sample_views.unmarked_token_then_error),
    path("call/", sample_views.call),
    path("async-call/", sample_views.async_call),
    path("django-login-required/", login_required(sample_views.plain)),
    path("django-permission/", permission_required("auth.add_user", raise_exception=True)(sample_views.plain)),
    path("django-permission-loop/", permission_required("auth.add_user")(sample_views.plain)),
    path("wants-login/", sample_views.wants_login),
    path("api/things/", sample_views.api),
    path("api/things/write/", sample_views.api_write),
    path("api/things/async/", sample_views.async_api),
]
