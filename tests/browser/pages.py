"""Pages of a small site: a start page with buttons, pages behind a login. ``urlpatterns`` has every configuration."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import include, path

from django_auth0_flow.access.requirements import MULTI_FACTOR
from django_auth0_flow.conf import DEFAULT
from django_auth0_flow.decorators import auth0_login_required

#: The pages are for people of every configuration.
ALL = tuple(settings.AUTH0)


class RequestsMiddleware:
    """Remembers what browsers sent: method, path, and the names of the cookies."""

    newest: deque[tuple[str, str, list[str]]] = deque(maxlen=1000)

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        self.newest.append((str(request.method), request.path, list(request.COOKIES)))
        return self.get_response(request)


class StrictPolicyMiddleware:
    """Nothing inline, nothing from elsewhere. A logout's form ends at the tenant, so that is named."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        issuer = urlsplit(settings.AUTH0[DEFAULT]["ISSUER"])
        self.policy = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
            f"form-action 'self' {issuer.scheme}://{issuer.netloc}; base-uri 'none'; frame-ancestors 'none'"
        )

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response["Content-Security-Policy"] = self.policy
        return response


@login_not_required
def home(request: HttpRequest) -> HttpResponse:
    request.auth0 = request.auth0.for_configuration(*ALL)  # type: ignore[attr-defined]  # the middleware's
    return render(request, "page.html", {"title": "Start"})


@auth0_login_required(configuration=ALL)
def diary(request: HttpRequest, day: int = 1) -> HttpResponse:
    return render(request, "page.html", {"title": f"Diary of day {day}"})


@auth0_login_required(acr_values=MULTI_FACTOR, configuration=ALL)
def vault(request: HttpRequest) -> HttpResponse:
    return render(request, "page.html", {"title": "Vault"})


@auth0_login_required(permissions="open:attic", configuration=ALL)
def attic(request: HttpRequest) -> HttpResponse:
    return render(request, "page.html", {"title": "Attic"})


@login_not_required
def circle(request: HttpRequest) -> HttpResponse:
    """Send everyone to the login, those who come from it too: a mistake that sites make."""
    return redirect("/auth0/login/?next=/circle/")


@auth0_login_required(configuration=ALL)
def numbers(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"numbers": [1, 2, 3]})


@auth0_login_required(silent=True, configuration=ALL)
def news(request: HttpRequest) -> HttpResponse:
    return render(request, "page.html", {"title": "News"})


@login_not_required
def received(request: HttpRequest) -> JsonResponse:
    wanted = (request.GET["method"], request.GET["path"])
    return JsonResponse({"cookies": [cookies for *kind, cookies in RequestsMiddleware.newest if tuple(kind) == wanted]})


@login_not_required
def favicon(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=204)


urlpatterns: list[Any] = [
    path("", home),
    path("diary/", diary),
    path("diary/<int:day>/", diary),
    path("vault/", vault),
    path("attic/", attic),
    path("circle/", circle),
    path("numbers/", numbers),
    path("news/", news),
    path("received/", received),
    path("favicon.ico", favicon),
    path("auth0/", include("django_auth0_flow.urls")),
]
for name in settings.AUTH0:
    if name != DEFAULT:
        urls = include(("django_auth0_flow.urls", "auth0"), namespace=name)
        urlpatterns.append(path(f"{name}/", urls, {"configuration": name}))
