"""A site that uses the session of visitors who are not logged in, and one that chooses how long sessions live."""

from __future__ import annotations

from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.urls import path

from tests import front_urls


def cart(request: HttpRequest) -> HttpResponse:
    request.session["cart"] = ["apples"]
    return HttpResponse("in the cart")


def remember(request: HttpRequest) -> HttpResponse:
    request.session.set_expiry(int(request.GET["seconds"]))
    return HttpResponse("remembered")


urlpatterns = [
    *front_urls.urlpatterns,
    path("cart/", cart),
    path("remember/", remember),
    path("accounts/login/", LoginView.as_view()),
]
