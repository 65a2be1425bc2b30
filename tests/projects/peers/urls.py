"""The URLs of the packages, and two views as Authlib's documentation has them."""

from __future__ import annotations

from typing import Any

from authlib.integrations.django_client import OAuth
from django.contrib.auth import get_user_model, login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import include, path

from tests import sample_views


def _auth0() -> Any:
    """Return the client of AUTHLIB_OAUTH_CLIENTS, which a site makes once: each test has another tenant here."""
    return OAuth().register("auth0", client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256"})


def authlib_login(request: HttpRequest) -> HttpResponse:
    found: HttpResponse = _auth0().authorize_redirect(request, "http://testserver/authlib/callback/")
    return found


def authlib_callback(request: HttpRequest) -> HttpResponse:
    """Finding the user is the site's own there: this one keeps names of its own beside the subject."""
    claims = _auth0().authorize_access_token(request)["userinfo"]
    user, _ = get_user_model().objects.get_or_create(last_name=claims["sub"], defaults={"username": claims["nickname"]})
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return HttpResponseRedirect("/")


urlpatterns = [
    path("auth0/", include("django_auth0_flow.urls")),
    path("allauth/", include("allauth.urls")),
    path("mozilla/", include("mozilla_django_oidc.urls")),
    path("social/", include("social_django.urls")),
    path("authlib/login/", authlib_login),
    path("authlib/callback/", authlib_callback),
    path("", sample_views.home, name="home"),
]
