"""Another pattern stands before ours and takes its requests."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import include, path, re_path


def anything(request: HttpRequest) -> HttpResponse:
    return HttpResponse("anything")


urlpatterns = [re_path("^auth0/", anything), path("auth0/", include("django_auth0_flow.urls"))]
