"""Views that ask for scopes, the ways there are: the decorator, and DRF with the browser's session."""

from __future__ import annotations

from django.urls import path
from rest_framework.authentication import SessionAuthentication
from rest_framework.renderers import JSONRenderer

from django_auth0_flow.decorators import auth0_login_required
from django_auth0_flow.rest_framework import HasScopes
from tests import front_urls
from tests.urlconfs.drf import view

SCOPE = "delete:everything"
_BROWSER = {"authentication_classes": [SessionAuthentication], "renderer_classes": [JSONRenderer]}

urlpatterns = [
    *front_urls.urlpatterns,
    path("scoped/", auth0_login_required(scopes=SCOPE)(front_urls.show)),
    path("scoped-with-token/", auth0_login_required(scopes=SCOPE, access_token=True)(front_urls.show)),
    path("scopes/", front_urls.show_token),
    path("drf/", view(HasScopes(SCOPE), **_BROWSER)),
    path("drf-read/", view(HasScopes("read:appointments"), **_BROWSER)),
]
