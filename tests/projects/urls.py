"""The include and one protected page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from django_auth0_flow.decorators import auth0_login_required


@auth0_login_required
def name(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{request.user.get_username()} {request.user.pk}")


urlpatterns = [path("auth0/", include("django_auth0_flow.urls")), path("name/", name)]
