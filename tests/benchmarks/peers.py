"""The sites under comparison: ours, and other packages that log a Django user in, each set up as its documentation says.

All have the same database, session store, middleware and urls besides, one and the same tenant, the code flow with PKCE
and nonce, ``client_secret_post`` and the scope ``openid profile email``. A peer keeps its own defaults in everything else:
whether it asks for userinfo, what it caches, what it stores.
"""

from __future__ import annotations

import importlib
import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import include, path

from tests.benchmarks.names import CALL, FLOOR, OURS, SITE

SCOPE = "openid profile email"
#: As in a new project.
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
_MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"


@dataclass(frozen=True)
class Account:
    """What a site knows of the tenant, and of the API that its page ``CALL`` asks: its origins, "" for none."""

    issuer: str
    client_id: str
    client_secret: str = ""
    api: str = ""


@dataclass(frozen=True)
class Peer:
    """One site: its settings and its urls."""

    settings: Callable[[Account], dict[str, Any]]
    urls: Callable[[Account], list[Any]]


def ours(account: Account) -> dict[str, Any]:
    return {
        "INSTALLED_APPS": ["django_auth0_flow"],
        "MIDDLEWARE": ["django_auth0_flow.middleware.Auth0Middleware"],
        "AUTHENTICATION_BACKENDS": ["django_auth0_flow.backends.Auth0Backend"],
        "AUTH0": {
            "ISSUER": account.issuer,
            "CLIENT_ID": account.client_id,
            "CLIENT_SECRET": account.client_secret,
            "SCOPE": SCOPE,
            "API_ORIGINS": account.api.split(),
        },
    }


def ours_urls(account: Account) -> list[Any]:
    def call(request: HttpRequest) -> HttpResponse:
        auth0: Any = request.auth0  # type: ignore[attr-defined]  # the middleware adds it
        return JsonResponse(auth0.api.get(request.GET["url"]).json())

    return [path(CALL[1:], call), path("a/", include("django_auth0_flow.urls"))]


def mozilla(account: Account) -> dict[str, Any]:
    return {
        "INSTALLED_APPS": ["mozilla_django_oidc"],
        "AUTHENTICATION_BACKENDS": ["mozilla_django_oidc.auth.OIDCAuthenticationBackend"],
        "OIDC_RP_CLIENT_ID": account.client_id,
        "OIDC_RP_CLIENT_SECRET": account.client_secret,
        "OIDC_RP_SIGN_ALGO": "RS256",
        "OIDC_RP_SCOPES": SCOPE,
        "OIDC_USE_PKCE": True,
        "OIDC_OP_AUTHORIZATION_ENDPOINT": f"{account.issuer}authorize",
        "OIDC_OP_TOKEN_ENDPOINT": f"{account.issuer}oauth/token",
        "OIDC_OP_USER_ENDPOINT": f"{account.issuer}userinfo",
        "OIDC_OP_JWKS_ENDPOINT": f"{account.issuer}.well-known/jwks.json",
    }


def social(account: Account) -> dict[str, Any]:
    return {
        "INSTALLED_APPS": ["social_django"],
        "AUTHENTICATION_BACKENDS": ["social_core.backends.open_id_connect.OpenIdConnectAuth"],
        "SOCIAL_AUTH_OIDC_OIDC_ENDPOINT": account.issuer.rstrip("/"),
        "SOCIAL_AUTH_OIDC_KEY": account.client_id,
        "SOCIAL_AUTH_OIDC_SECRET": account.client_secret,
        "SOCIAL_AUTH_OIDC_USE_PKCE": True,
        "SOCIAL_AUTH_OIDC_TOKEN_ENDPOINT_AUTH_METHOD": "client_secret_post",
    }


def allauth(account: Account) -> dict[str, Any]:
    app = {
        "provider_id": "tenant",
        "name": "Tenant",
        "client_id": account.client_id,
        "secret": account.client_secret,
        "settings": {"server_url": account.issuer.rstrip("/"), "oauth_pkce_enabled": True},
    }
    return {
        "INSTALLED_APPS": [
            "allauth",
            "allauth.account",
            "allauth.socialaccount",
            "allauth.socialaccount.providers.openid_connect",
        ],
        "MIDDLEWARE": ["allauth.account.middleware.AccountMiddleware"],
        "AUTHENTICATION_BACKENDS": ["allauth.account.auth_backends.AuthenticationBackend"],
        "SOCIALACCOUNT_LOGIN_ON_GET": True,
        "SOCIALACCOUNT_PROVIDERS": {"openid_connect": {"SCOPE": SCOPE.split(), "APPS": [app]}},
    }


def nothing(account: Account) -> dict[str, Any]:
    return {"AUTHENTICATION_BACKENDS": [_MODEL_BACKEND]}


def authlib(account: Account) -> dict[str, Any]:
    return {**nothing(account), "INSTALLED_APPS": ["tests.benchmarks.authlib_tokens"] if account.api else []}


def _included(module: str) -> Callable[[Account], list[Any]]:
    return lambda account: [path("a/", include(module))]


def authlib_urls(account: Account) -> list[Any]:
    """The two views of Authlib's documentation; finding the user and logging it in is the site's own there.

    So is keeping tokens, in a model, which is done only if there is an API to call.
    """
    from django.contrib.auth import get_user_model, login

    if account.api:
        from tests.benchmarks.authlib_tokens.models import OAuth2Token

    def fetch_token(name: str, request: HttpRequest) -> dict[str, Any]:
        return OAuth2Token.objects.get(name=name, user=request.user).to_token()

    oauth = importlib.import_module("authlib.integrations.django_client").OAuth(fetch_token=fetch_token)
    oauth.register(
        name="tenant",
        client_id=account.client_id,
        client_secret=account.client_secret,
        server_metadata_url=f"{account.issuer}.well-known/openid-configuration",
        client_kwargs={
            "scope": SCOPE,
            "code_challenge_method": "S256",
            "token_endpoint_auth_method": "client_secret_post",
        },
    )

    def start(request: HttpRequest) -> HttpResponse:
        response: HttpResponse = oauth.tenant.authorize_redirect(request, f"{SITE}/a/callback/")
        return response

    def callback(request: HttpRequest) -> HttpResponse:
        token = oauth.tenant.authorize_access_token(request)
        claims = token["userinfo"]
        user, _ = get_user_model().objects.get_or_create(
            username=claims["sub"],
            defaults={"email": claims["email"], "first_name": claims["given_name"], "last_name": claims["family_name"]},
        )
        login(request, user, backend=_MODEL_BACKEND)
        if account.api:
            OAuth2Token.keep("tenant", user, token)
        return HttpResponseRedirect("/")

    def call(request: HttpRequest) -> HttpResponse:
        return JsonResponse(oauth.tenant.get(request.GET["url"], request=request, timeout=10).json())

    return [path("a/login/", start), path("a/callback/", callback), path(CALL[1:], call)]


def floor_urls(account: Account) -> list[Any]:
    """Views that keep a state in the session, look at no response and log a user in: insecure, and as cheap as can be."""
    from django.contrib.auth import get_user_model, login

    def start(request: HttpRequest) -> HttpResponse:
        request.session["state"] = state = secrets.token_urlsafe(32)
        query = {"client_id": account.client_id, "response_type": "code", "scope": SCOPE, "state": state}
        address = urlencode({**query, "redirect_uri": f"{SITE}/a/callback/"})
        return HttpResponseRedirect(f"{account.issuer}authorize?{address}")

    def callback(request: HttpRequest) -> HttpResponse:
        request.session.pop("state")
        user, _ = get_user_model().objects.get_or_create(username="visitor")
        login(request, user, backend=_MODEL_BACKEND)
        return HttpResponseRedirect("/")

    def call(request: HttpRequest) -> HttpResponse:
        return JsonResponse({"user": request.user.pk})

    return [path("a/login/", start), path("a/callback/", callback), path(CALL[1:], call)]


PEERS = {
    OURS: Peer(ours, ours_urls),
    FLOOR: Peer(nothing, floor_urls),
    "mozilla-django-oidc": Peer(mozilla, _included("mozilla_django_oidc.urls")),
    "social-auth-app-django": Peer(social, _included("social_django.urls")),
    "django-allauth": Peer(allauth, _included("allauth.urls")),
    "Authlib": Peer(authlib, authlib_urls),
}


def project_settings(peer: Peer, account: Account, database: str = ":memory:") -> dict[str, Any]:
    """Return all settings of a site; its urls come with ``add_urls``, once Django is set up.

    ``database``: the file of its SQLite.
    """
    own = peer.settings(account)
    return {
        "SECRET_KEY": "not-a-secret-only-for-benchmarks-" + "x" * 32,
        "ALLOWED_HOSTS": ["testserver"],
        "ROOT_URLCONF": "benchmark_urls",
        "USE_TZ": True,
        "DATABASES": {
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": database,
                "OPTIONS": {"init_command": "PRAGMA synchronous=OFF"},
            }
        },
        "LOGIN_REDIRECT_URL": "/",
        "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
        "TEMPLATES": [
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
            }
        ],
        **own,
        "INSTALLED_APPS": [
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.messages",
            "django.contrib.sessions",
            *own.get("INSTALLED_APPS", ()),
        ],
        "MIDDLEWARE": [*MIDDLEWARE, *own.get("MIDDLEWARE", ())],
    }


def add_urls(peer: Peer, account: Account) -> None:
    urls = ModuleType("benchmark_urls")
    urls.urlpatterns = [*peer.urls(account), path("", _home)]  # type: ignore[attr-defined]  # what a urls module is
    sys.modules["benchmark_urls"] = urls


def _home(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"home of {request.user}")
