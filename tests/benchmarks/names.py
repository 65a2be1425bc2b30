"""Where the sites under comparison start and end a login: what can be known without Django."""

from __future__ import annotations

from typing import NamedTuple

SITE = "http://testserver"
OURS = "django-auth0-flow"
#: No protocol at all: what Django's own sessions and ``login()`` cost, which nobody can go below.
FLOOR = "Django alone, trusting anybody"
#: The page of each site that calls an API in the user's name; its query says which address.
CALL = "/a/call/"


class LoginPaths(NamedTuple):
    """``method``: how a login starts; a POST brings what the CSRF middleware asks for."""

    login: str
    callback: str
    distribution: str = ""
    method: str = "GET"


LOGIN_PATHS = {
    OURS: LoginPaths("/a/login/", "/a/callback/"),
    FLOOR: LoginPaths("/a/login/", "/a/callback/"),
    "mozilla-django-oidc": LoginPaths("/a/authenticate/", "/a/callback/", "mozilla-django-oidc"),
    "social-auth-app-django": LoginPaths(
        "/a/login/oidc/", "/a/complete/oidc/", "social-auth-app-django", method="POST"
    ),
    "django-allauth": LoginPaths(
        "/a/oidc/tenant/login/", "/a/oidc/tenant/login/callback/", "django-allauth[socialaccount]"
    ),
    "Authlib": LoginPaths("/a/login/", "/a/callback/", "authlib"),
}
